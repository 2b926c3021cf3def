"""Opens pages in a headless Chromium, and tells what they asked for and complained about."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def missing() -> str:
    """Why no browser can be started; empty if one can."""
    try:
        import selenium  # noqa: F401 - only whether it is there
    except ImportError:
        return "selenium is not installed; `make test-browser` installs it"
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(lacking)}; Debian has chromium and chromium-driver" * bool(lacking)


class Browser:
    """A browser with one page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(
        self,
        page: Path,
        view: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
    ) -> None:
        """Opens a page anew and waits until its attempts are there, if it has any."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.driver.get("about:blank")
        self.driver.get(page.resolve().as_uri() + (f"#{view}" if view else ""))
        self.wait(
            "return !document.getElementById('table')"
            " || performance.getEntriesByName('attempts shown').length > 0"
        )

    def command(self, name: str, **values: Any) -> Any:
        """Gives the browser an order of its protocol for developers."""
        return self.driver.execute_cdp_cmd(name, values)

    def run(self, script: str, *values: Any) -> Any:
        """Runs a script in the page and returns what it returns."""
        return self.driver.execute_script(script, *values)

    def wait(self, script: str, *values: Any, seconds: float = 20) -> Any:
        """Waits until a script returns something true, and returns it."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(
            lambda _: self.run(script, *values)
        )

    def text(self, selector: str) -> str:
        """The text of an element."""
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def press(self, *keys: str) -> None:
        """Presses keys one after another, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def click(self, selector: str) -> None:
        """Clicks an element as a person does."""
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> set[str]:
        """The addresses that were asked for since the last time, but for empty pages."""
        log = self.driver.get_log("performance")
        events = [json.loads(one["message"])["message"] for one in log]
        asked = {
            event["params"]["request"]["url"].partition("#")[0]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }
        return {url for url in asked if not url.startswith("about:")}


@contextmanager
def browser() -> Iterator[Browser]:
    """Starts a browser, and ends it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    flags = ["--headless=new", "--hide-scrollbars", "--force-color-profile=srgb", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-gpu"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # which Chromium refuses to root
    for flag in flags:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
