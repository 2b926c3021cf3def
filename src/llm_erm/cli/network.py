"""Checks the environment variables that the clients of remote models read by themselves."""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from llm_erm.advice import advice
from llm_erm.errors import InputError

_PROXIES = ("http", "https")
"""The kinds of proxies that the clients can use."""
_HEADERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables that OpenAI's client sends as they are."""


def check_network(base_url: str | None) -> None:
    """Checks that the clients can use the variables of this environment.

    Args:
        base_url: Address of the API; None for the provider's own.

    Raises:
        InputError: They cannot; the message names the variable.
    """
    _check_proxies(base_url or "https://")
    _check_certificates()
    for name in _HEADERS:
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isprintable()):
            raise InputError(
                f"{name} contains a line end or another character that cannot be sent; set it "
                "again without, or unset it."
            )


def _check_proxies(url: str) -> None:
    from urllib.request import getproxies, proxy_bypass  # slow to load

    parts, proxies = urlsplit(url), getproxies()
    used = None
    if not proxy_bypass(parts.hostname or ""):
        used = parts.scheme if parts.scheme in proxies else "all"
    for kind, proxy in proxies.items():
        scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
        is_known = scheme in _PROXIES or scheme.startswith("socks5")
        if kind == "no" or scheme in _PROXIES or (is_known and kind != used):
            continue
        raise InputError(
            f"{_variable(kind)} names a proxy with {scheme}://, which the client cannot use; set "
            "it to one with http://, or unset it."
        )


def _variable(kind: str) -> str:
    """Returns the environment variable that names the proxy for a kind of address."""
    names = (name for name in os.environ if name.lower() == f"{kind}_proxy")
    return next(names, f"{kind.upper()}_PROXY")


def _check_certificates() -> None:
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return
    try:
        with Path(path).open("rb"):
            ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            f"SSL_CERT_FILE is {path}, which cannot be read as certificates "
            f"({error.strerror or error}); "
            f"{advice(error, Path(path), 'name a file of certificates, or unset it')}."
        ) from error
