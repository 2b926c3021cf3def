"""One rule for what is printed or stored: no key, no password, no query of an address.

Whoever reads a key registers it with ``keep_secret``. Text passes ``hide_known`` where a model's
answer arrives or a result is printed, and ``redact`` where a message is raised or printed.
"""

import base64
import json
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, quote_plus, unquote

HIDDEN = "***"
"""Stands for what was removed."""
FEWEST_CHARACTERS = 8
"""Shorter keys, such as ``EMPTY`` or ``x``, are placeholders for servers that need none; removing
them would damage other text."""


class _Secrets:
    """Secrets as they are, and as others may write them."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, forms: set[str]) -> None:
        if forms <= self._forms:
            return
        self._forms |= forms
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def hide(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)


_sent = _Secrets()
"""Those that a server was told, and so may repeat in an answer."""
_all = _Secrets()

# Bounded, and without backtracking: a server may send any text of any length.
_USER = re.compile(r"""([A-Za-z][\w+.-]{0,30}+://)(?:[^\s"'<>@]{1,200}+@)++""")
_QUERY = re.compile(r"""(://[^\s"'<>?]{1,200}+\?)[^\s"'<>#)\]}]++""")
_HEADER = re.compile(
    r"""(?<!\w)((?:proxy-)?authorization|(?:x-)?(?:goog-)?api-key)(\\?["']?\s*[:=,]\s*(?:b(?=["']))?\\?["']?)"""
    r"""(?:(?:bearer|basic|digest|token)\s+)?[^\s"',;\\}\])]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer\s+)(?=\S*\d)[\w.~+/=-]{8,}", re.IGNORECASE)
_FLAG = re.compile(
    r"--?(?:[\w-]*(?:api[-_]?key|(?:access|auth)[-_]token|secret|password)|key|token)(=.*)?",
    re.IGNORECASE | re.DOTALL,
)


def keep_secret(text: str, *, sent: bool = True) -> None:
    """Registers a key or password, which ``redact`` then removes from any text.

    Of several lines, each is a secret. One of fewer than ``FEWEST_CHARACTERS`` is not registered.

    Args:
        text: The key or password.
        sent: Whether a server gets it; if so, ``hide_known`` removes it as well. Other values must
            not change an answer, where they can only be a coincidence.
    """
    secrets = {text, text.strip(), *(line.strip() for line in text.splitlines())}
    forms = {
        form
        for secret in secrets
        if len(secret) >= FEWEST_CHARACTERS
        for form in _written(secret)
        if len(form) >= FEWEST_CHARACTERS
    }
    _all.add(forms)
    if sent:
        _sent.add(forms)


def keep_address(url: str, *, sent: bool = True) -> None:
    """Registers what an address holds besides the host and path: a password, a query's values."""
    rest, _, query = url.strip().partition("?")
    user, at, _ = rest.rpartition("@")
    if at:
        pair = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:/+", "", user)
        name, colon, password = pair.partition(":")
        for secret in (pair, password if colon else name):
            keep_secret(secret, sent=sent)
            keep_secret(unquote(secret), sent=sent)
    for _, value in parse_qsl(query.partition("#")[0]):
        keep_secret(value, sent=sent)


def hide_known(text: str) -> str:
    """Returns an answer or a result without the secrets that a server was told, in any form."""
    return _sent.hide(text)


def redact(text: str) -> str:
    """Returns a message for people without secrets: also without those that nobody registered.

    Removed are the user and the query of any address, and the values of headers that hold keys.
    It would damage programs and JSON, which may look the same: they pass ``hide_known`` alone.
    """
    text = _all.hide(text)
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    return _BEARER.sub(rf"\1{HIDDEN}", text)


def without_keys(words: Sequence[str], *, sent: bool = False) -> list[str]:
    """Registers the keys in a command line, and returns it without them.

    Args:
        words: The words of the command line.
        sent: Whether what answers gets them; see ``keep_secret``.
    """
    kept, hide = [], False
    for word in words:
        flag = _FLAG.fullmatch(word)
        if hide and not word.startswith("--"):
            keep_secret(word, sent=sent)
            word = HIDDEN
        elif flag and flag[1]:
            keep_secret(flag[1][1:], sent=sent)
            word = word.partition("=")[0] + "=" + HIDDEN
        elif "://" in word:
            keep_address(word, sent=sent)
        hide = flag is not None and not flag[1]
        kept.append(redact(word))
    return kept


def without_user(url: str) -> str:
    """Returns an address that may be malformed without its user, password, query and fragment."""
    rest = re.split(r"[?#]", url, maxsplit=1)[0]
    user, at, host = rest.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/+", user)
    start = scheme[0] if scheme else ""
    return f"{start}{HIDDEN}@{host}" if at else rest


def _written(secret: str) -> set[str]:
    """Returns the forms in which a server or a library may write a secret."""
    import html

    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, html.escape(secret), repr(secret)[1:-1], repr(raw)[2:-1]}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= {raw.hex(), raw.hex().upper()}
    for shift in range(3):  # the bytes before it in a longer text decide which letters encode it
        inner = base64.b64encode(bytes(shift) + raw)[(4 * shift + 2) // 3 :]
        whole = inner[: (shift + len(raw)) * 4 // 3 - (4 * shift + 2) // 3].decode()
        forms |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    return forms
