"""A report in a real browser: views, filters, keys, hostile text, requests, and large runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, browser, missing
from llm_erm.cli.repeat import repeat
from llm_erm.reports.page.read import read_page
from llm_erm.reports.page.render import renderer
from made_attempts import SHOWN, hostile_places, large_run

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(missing()), reason=missing())]

VIEWS = ("learned", "attempts", "compare", "curves", "runs")
ATTEMPTS = 10_000
ROWS = "return [...document.querySelectorAll('#rows .row')].map(row => row.innerText.split('\\n'))"
CHOSEN = "return document.querySelector('#rows [aria-selected=true]')?.innerText.split('\\n')"
FOCUS = "return document.activeElement.id"
ENTER, ESCAPE, DOWN, UP, END, HOME, RIGHT, TAB = (
    *("\ue007", "\ue00c", "\ue015", "\ue013", "\ue010", "\ue011", "\ue014", "\ue004"),
)


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves an error in the console, or has asked for anything but its page."""
    tab = request.getfixturevalue("tab")
    tab.complaints(), tab.requests()
    yield
    assert tab.complaints() == []
    assert all(url.startswith("file:") and url.endswith(".html") for url in tab.requests())
    assert tab.run("return performance.getEntriesByType('resource').length") == 0


def write(folder: Path, *places: Path) -> Path:
    page = folder / "report.html"
    page.write_text(renderer()(read_page(places, repeat)))
    return page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    return write(root, *hostile_places(root))


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("large")
    large_run(root / "run", ATTEMPTS)
    return write(root, root / "run")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_opens_and_fits(tab, hostile, width, dark):
    tab.open(hostile, width=width, dark=dark)
    for view in VIEWS:
        tab.click(f"nav a[href='#{view}']")
        shown = tab.wait(
            "const shown = [...document.querySelectorAll('main > section')]"
            ".filter(one => one.offsetHeight); return shown.length === 1 && shown[0].id"
        )
        assert shown == view
        assert tab.run("return document.querySelector('[aria-current]').hash") == f"#{view}"
        wide = "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth"
        assert tab.run(wide) == 0
    paper = tab.run("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark
    tab.click("#theme")
    assert tab.run("return getComputedStyle(document.body).backgroundColor") != paper


def test_hostile_text_stays_text(tab, hostile):
    tab.open(hostile, "attempts")
    tab.run("document.querySelector('#grid').focus()")
    tab.press(ENTER)
    tab.wait("return document.querySelector('dialog').open")
    tab.click("dialog .prompt summary")
    tab.wait(
        "return document.querySelector('dialog .prompt pre').textContent === arguments[0]", SHOWN
    )
    assert tab.text("dialog").count("<img src=x onerror") > 5
    tab.press(RIGHT)
    tab.wait("return document.querySelector('dialog h3').textContent.endsWith('attempt 2')")
    for view in VIEWS:
        tab.run("location.hash = arguments[0]", f"#{view}")
        assert "⟨U+202E⟩" in tab.run("return document.querySelector('main').textContent")
    assert tab.run("return window.hacked") is None
    assert tab.run("return document.querySelectorAll('img, iframe, object, embed').length") == 0
    assert tab.run("return document.scripts.length") == tab.run(
        "return document.querySelectorAll('script[type], body > script:last-of-type').length"
    )


def test_no_script_of_others_would_run(tab, hostile):
    tab.open(hostile)
    tab.run(
        "const script = document.createElement('script');"
        "script.textContent = 'window.hacked = 1'; document.body.append(script);"
        "const image = document.createElement('img'); image.src = 'https://127.0.0.1:1/';"
        "document.body.append(image)"
    )
    assert tab.run("return window.hacked") is None
    refused = tab.complaints()
    assert any("inline script" in line for line in refused)
    assert any("127.0.0.1" in line and "violates" in line for line in refused)
    tab.driver.get("about:blank")
    tab.requests()  # the browser counts those that it did not send


def test_filters_and_sorting(tab, large):
    tab.open(large, "attempts")
    assert tab.text("#count") == "10,000 attempts"
    tab.run(
        "const status = document.querySelector('#status'); status.value = 'no code';"
        "status.dispatchEvent(new Event('change'))"
    )
    assert tab.text("#count") == "1,428 of 10,000 attempts"
    tab.click("#text")
    tab.press("holds no program")
    tab.wait("return document.querySelector('#count').innerText.startsWith('1,428 of')")
    tab.run(
        "const status = document.querySelector('#status'); status.value = '';"
        "status.dispatchEvent(new Event('change'))"
    )
    tab.run("document.querySelector('#text').value = ''")
    tab.press("# 9876")
    tab.wait("return document.querySelector('#count').innerText === '1 of 10,000 attempts'")
    ((job, index, *_),) = tab.run(ROWS)
    assert (job, index) == ("fn_a L=20", "9876")
    tab.run("document.querySelector('#text').value = ''")
    tab.press(" ")
    tab.wait("return document.querySelector('#count').innerText === '10,000 attempts'")
    tab.click("#head [role=columnheader]:nth-child(6) button")
    tokens = [int(row[5].replace(",", "")) for row in tab.run(ROWS)]
    assert tokens == sorted(tokens)
    tab.click("#head [role=columnheader]:nth-child(6) button")
    tokens = [int(row[5].replace(",", "")) for row in tab.run(ROWS)]
    assert tokens == sorted(tokens, reverse=True)
    assert tokens[0] > 3_900
    header = "return document.querySelector('#head [aria-sort]').getAttribute('aria-sort')"
    assert tab.run(header) == "descending"


def test_everything_works_by_the_keyboard(tab, large):
    tab.open(large)
    tab.press("/")
    assert tab.run(FOCUS) == "text"
    assert tab.run("return location.hash") == "#attempts"
    tab.press("# 999", DOWN)
    assert tab.run(FOCUS) == "grid"
    tab.wait("return document.querySelector('#count').innerText.startsWith('11 of')")
    assert tab.run(CHOSEN)[1] == "999"
    tab.press(DOWN, DOWN)
    assert tab.run(CHOSEN)[1] == "9991"
    active = "return document.querySelector('#grid').getAttribute('aria-activedescendant')"
    assert tab.run(active) == "row-2"
    tab.press(UP, ENTER)
    tab.wait("return document.querySelector('dialog').open")
    assert "attempt 9990" in tab.text("dialog h3")
    assert "# 9990" in tab.text("dialog")
    tab.press(RIGHT)
    tab.wait("return document.querySelector('dialog h3').innerText.includes('9991')")
    tab.press(ESCAPE)
    tab.wait("return !document.querySelector('dialog').open")
    assert tab.run(FOCUS) == "grid"
    tab.press(END)
    assert tab.run(CHOSEN)[1] == "9999"
    tab.press(HOME)
    assert tab.run(CHOSEN)[1] == "999"


def test_the_last_of_several_steps_is_shown(tab, large):
    tab.open(large, "attempts")
    tab.run("document.querySelector('#grid').focus()")
    tab.press(ENTER)  # the details of the first are there
    tab.wait("return document.querySelector('dialog').open")
    tab.run(
        "const press = key => document.querySelector('dialog').dispatchEvent("
        "new KeyboardEvent('keydown', { key }));"
        "for (let i = 0; i < 250; i += 1) press('ArrowRight');"  # the next block is unpacked
        "for (let i = 0; i < 250; i += 1) press('ArrowLeft');"
    )
    title = "document.querySelector('#detail-title').textContent"
    later = f"const [done] = arguments; setTimeout(() => done({title}), 500)"
    assert tab.driver.execute_async_script(later).endswith("attempt 1")


def test_a_browser_that_cannot_unpack_says_so(tab, large):
    script = {"source": "delete window.DecompressionStream"}
    one = tab.command("Page.addScriptToEvaluateOnNewDocument", **script)
    try:
        tab.driver.get("about:blank")
        tab.driver.get(large.resolve().as_uri() + "#attempts")
        tab.wait("return document.querySelector('#count').innerText.startsWith('This browser')")
        assert "DecompressionStream is not defined" in tab.text("#count")
    finally:
        tab.command("Page.removeScriptToEvaluateOnNewDocument", **one)


def test_ten_thousand_attempts_open_and_scroll_at_once(tab, large, capsys):
    tab.open(large, "attempts")
    opened = tab.run("return performance.getEntriesByName('attempts shown')[0].startTime")
    frames = tab.driver.execute_async_script(
        """
        const [done] = arguments, grid = document.querySelector('#grid'), frames = [];
        let before = performance.now(), step = 0;
        const end = grid.scrollHeight - grid.clientHeight;
        requestAnimationFrame(function next(now) {
          frames.push(now - before);
          before = now;
          if (step++ === 120) return done(frames.slice(1).sort((a, b) => a - b));
          grid.scrollTop = end * step / 120;
          requestAnimationFrame(next);
        });
        """
    )
    last = tab.run(ROWS)[-1]
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what the test is for
            f"\n{ATTEMPTS:,} attempts in {large.stat().st_size / 2**20:.1f} MiB: opened in "
            f"{opened / 1000:.2f} s; frames while scrolling: median {frames[60]:.0f} ms, "
            f"longest {frames[-1]:.0f} ms"
        )
    assert last[1] == "10000"
    assert len(tab.run(ROWS)) < 100
    assert opened < 2_000
    assert frames[60] < 100
    assert frames[-1] < 1_000


def test_what_was_learned_needs_no_script(tab, hostile, large):
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.driver.get(large.as_uri())
        tab.command("Page.enable")
        found = tab.command("Page.getLayoutMetrics")["cssContentSize"]["height"]
    finally:
        tab.command("Emulation.setScriptExecutionDisabled", value=False)
    assert found > 1_000
    assert "x.count('1') % 2" in tab.driver.page_source.replace("</span>", "").replace(
        '<span class="string">', ""
    ).replace('<span class="number">', "")


def test_it_prints_all_but_the_attempts(tab, hostile):
    tab.open(hostile, "curves")
    tab.command("Emulation.setEmulatedMedia", media="print", features=[])
    shown = tab.run(
        "return [...document.querySelectorAll('main > section')]"
        ".filter(one => one.offsetHeight).map(one => one.id)"
    )
    assert shown == [view for view in VIEWS if view != "attempts"]
