"""Checks the built documentation: ``python tests/built_site.py build/site`` prints what is wrong.

A page must fetch nothing from elsewhere, and every link within the site must lead somewhere.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What a page fetches, what it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the addresses and the anchor of an element."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if (address := given.get(FETCHED.get(tag, ""))) and given.get("rel") != "canonical":
            self.fetched.append(address)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with a built site."""
    pages = {path: Page(path.read_text()) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        yield f"{folder} holds no pages"
    for path, page in pages.items():
        name = path.relative_to(folder)
        yield from (f"{name} fetches {url}" for url in page.fetched if is_elsewhere(url))
        for link in page.links:
            place, anchor = urlsplit(link).path, unquote(urlsplit(link).fragment)
            if is_elsewhere(link) or name.name == "404.html":  # served at any address
                continue
            target = (path.parent / unquote(place)).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (target in pages and anchor not in pages[target].anchors):
                yield f"{name} links to {link}, which is not there"
    for path in sorted(folder.rglob("*.css")):
        for found in IN_STYLES.findall(path.read_text()):
            if is_elsewhere(url := "".join(found)):
                yield f"{path.relative_to(folder)} fetches {url}"


def is_elsewhere(url: str) -> bool:
    """Whether an address is not of the site itself."""
    return url.startswith("//") or urlsplit(url).scheme not in ("", "data")


if __name__ == "__main__":
    wrong = list(faults(Path(sys.argv[1]).resolve()))
    sys.stdout.write(
        "".join(
            f"{one}\n"
            for one in wrong
            or ["Every link leads somewhere, and nothing is fetched from elsewhere."]
        )
    )
    sys.exit(bool(wrong))
