"""Takes the pictures of a report in docs/pictures.

    python tests/regenerate_pictures.py REPORT.html

needs a browser, as `make test-browser` does.
"""

import io
import sys
from pathlib import Path

from PIL import Image

from browser import Browser, browser

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
COLOURS = 255


def take(tab: Browser, name: str) -> None:
    """Writes what the browser shows, in few colours."""
    picture = Image.open(io.BytesIO(tab.driver.get_screenshot_as_png())).convert("RGB")
    picture.quantize(COLOURS).save(FOLDER / f"{name}.png", optimize=True)


def main(page: Path) -> None:
    """Takes four pictures: two views, on a screen and on a phone, light and dark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with browser() as tab:
        tab.open(page, "learned", height=820)
        take(tab, "report-learned-light")
        tab.open(page, "attempts", height=820, dark=True)
        take(tab, "report-attempts-dark")
        tab.open(page, "curves", width=390, height=844)
        take(tab, "report-curves-phone-light")
        tab.open(page, "learned", width=390, height=844, dark=True)
        take(tab, "report-learned-phone-dark")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
