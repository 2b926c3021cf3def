"""Writes a page as one HTML file that nothing can make ask for another."""

import base64
import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from llm_erm.errors import MissingExtraError
from llm_erm.markup import visible
from llm_erm.reports.page.packed import packed, statuses
from llm_erm.reports.page.records import Page


def renderer() -> Callable[[Page], str]:
    """Returns what turns a page into HTML.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError(
            "Reports need Jinja2; install it with: pip install 'llm-erm[reports]'"
        ) from None

    def shown(value: Any) -> Any:  # noqa: ANN401 - whatever the template writes
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _file("page.css"), _file("page.js")
    template = environment.from_string(_file("page.html"))

    def rendered(page: Page) -> str:
        return template.render(
            page=page,
            packed=packed(page),
            statuses=statuses(page.tried),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704
            policy=policy(style, script),
        )

    return rendered


def policy(style: str, script: str) -> str:
    """Returns a Content-Security-Policy: no request at all, and no other style or script."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{_digest(style)}'",
            f"script-src 'sha256-{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _file(name: str) -> str:
    return (files("llm_erm.reports.page") / name).read_text(encoding="utf-8")
