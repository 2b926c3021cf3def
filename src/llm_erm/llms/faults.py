"""Classifies failed calls of any client, and words the errors about them."""

import errno
import math
import re
import ssl
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from llm_erm.errors import ProviderError
from llm_erm.llms.answers import sentence_of
from llm_erm.llms.wire import ODD_FORM, BadAnswerError
from llm_erm.phrases import counted
from llm_erm.secrets import redact

LONGEST_PAUSE_SECONDS = 900.0
"""Longest pause that a server may ask for; the run stops instead of waiting longer."""

LONGEST_MESSAGE = 2000
"""Longest message about a failed call, in characters."""

Kind = Literal["crowded", "unreachable", "unanswered", "refused", "unusable"]
"""Why a call failed: this process may open no more files; no connection, or a broken one; no answer
(status 408, 409, 425, 429 or 5xx, or a web page); this call and all others are rejected; or the
answer is not usable or did not arrive in time.

The first three cost nothing and are retried, a crowded call until its time is up. A refusal costs
nothing. A call without a usable answer may have been billed, so it is never retried.
"""

_CROWDED = (
    "too many open files for another connection; use a lower concurrency, or raise the limit "
    "(ulimit -n)"
)
_TOO_LONG = re.compile(
    r"context|too (long|large|many tokens)|maximum .*(length|tokens)", re.IGNORECASE
)
_NEVER = re.compile(r"request too large|too large for", re.IGNORECASE)
"""Words of a 429 that no pause helps against."""
_NOT_FOUND, _SERVER_ERROR = 404, 500
_TRY_AGAIN = (408, 409, 425, 429)


class CallFailedError(Exception):
    """One call of a model failed.

    Attributes:
        kind: Why it failed.
        message: The provider's own message, or ours, without secrets.
        pause_seconds: How long the server asks to wait before the next call, or None.
        status: The HTTP status of the answer if that was the failure, else None.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        pause_seconds: float | None = None,
        status: int | None = None,
    ) -> None:
        self.message = redact(message[: 50 * LONGEST_MESSAGE])[:LONGEST_MESSAGE]
        super().__init__(self.message)
        self.kind = kind
        self.pause_seconds = pause_seconds
        self.status = status

    @property
    def may_be_repeated(self) -> bool:
        """Whether the call certainly got no answer, so that it may be retried."""
        return self.kind in ("unreachable", "unanswered")

    @property
    def is_free(self) -> bool:
        """Whether the call certainly costs nothing."""
        return self.kind != "unusable"


def too_long(failure: CallFailedError) -> bool:
    """Returns whether a refusal is about the length of the prompt."""
    return failure.kind == "refused" and bool(_TOO_LONG.search(failure.message))


def failure_of(error: Exception, timeout_seconds: float) -> CallFailedError | None:
    """Converts an exception of a client library to a failure; returns None if it is a bug.

    Args:
        error: The exception from making the call or reading its answer.
        timeout_seconds: The time limit of the call, for the message.
    """
    from pydantic_ai import exceptions as library

    pause: float | None = getattr(error, "retry_after", None)
    bad = next((one for one in _causes(error) if isinstance(one, BadAnswerError)), None)
    if bad is None and isinstance(error, library.ModelConnectionError):
        # Some transports report a missing connection as a timeout.
        if error.phase in ("pool", "connect"):
            return _not_connected(error, pause)
        timed_out = isinstance(error, library.ModelTimeoutError)
        return CallFailedError(
            "unusable" if timed_out else "unreachable", sentence_of(error), pause
        )
    if bad or isinstance(error, (library.UnexpectedModelBehavior, *ODD_FORM)):
        what = str(bad or error).partition("\n")[0] or type(error).__name__
        return CallFailedError("unusable", f"the answer is not in the API's form ({what})")
    if isinstance(error, library.AgentRunError):
        status: int | None = getattr(error, "status_code", None)
        return CallFailedError(_kind_of(error, pause), sentence_of(error), pause, status)
    if isinstance(error, TimeoutError):
        return CallFailedError("unusable", f"no answer within {counted(timeout_seconds, 'second')}")
    if isinstance(error, OSError):
        return CallFailedError("unusable", sentence_of(error))
    return None


def _not_connected(error: Exception, pause: float | None) -> CallFailedError:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return CallFailedError("crowded", _CROWDED)
        # What aiohttp raises is one as well, without the reason.
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_message"):
            return CallFailedError(
                "refused",
                f"its certificate is not trusted ({cause.verify_message}); to trust it, name a "
                "file that holds it, or its authority's, in SSL_CERT_FILE",
            )
        if "Proxy" in type(cause).__name__:
            return CallFailedError(
                "unreachable",
                "could not connect to the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names",
            )
    return CallFailedError("unreachable", "could not connect", pause)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind_of(error: Exception, pause: float | None) -> Kind:
    from pydantic_ai import exceptions as library

    rejected = library.ModelRequestRejectedError | library.ModelQuotaExceededError
    if isinstance(error, rejected) or (pause or 0.0) > LONGEST_PAUSE_SECONDS:
        return "refused"
    if _NEVER.search(sentence_of(error)):
        return "refused"
    if isinstance(error, library.ModelHTTPError):
        status = error.status_code
        return "unanswered" if status in _TRY_AGAIN or status >= _SERVER_ERROR else "refused"
    return "unusable"


def provider_error(failure: CallFailedError, name: str, base_url: str | None) -> ProviderError:
    """Returns the error with which a failed call ends a run.

    Args:
        failure: How the call failed, after all its retries.
        name: The model's name.
        base_url: Address of the API; None for the provider's own.
    """
    reason = failure.message
    if failure.kind == "crowded":
        return ProviderError(f"{name} could not be called: {reason}.", setting="concurrency")
    if failure.kind == "unreachable":
        reason = reason.rstrip(".")
        if base_url is None:
            return ProviderError(
                f"{name} cannot be reached: {reason}; check this machine's network or proxy."
            )
        return ProviderError(
            f"{name} cannot be reached at {base_url}: {reason}; check the address and whether a "
            "server is running there.",
            setting="base_url",
        )
    if failure.kind == "unanswered":
        return ProviderError(f"{name} did not answer: {reason}")
    if failure.kind == "unusable":
        return ProviderError(f"{name} gave no usable answer: {reason}")
    message = f"{name} refused the call: {reason}"
    if (pause := failure.pause_seconds or 0.0) > LONGEST_PAUSE_SECONDS:
        message += f" (it asks for a pause of {_duration(pause)}; resume the run after that)"
    if failure.status != _NOT_FOUND or base_url is None or "model" in reason.lower():
        return ProviderError(message)
    if urlsplit(base_url).path.rstrip("/").endswith("/v1"):
        hint = "check whether the server offers this API at this address"
    else:
        hint = f"the address of an API usually ends in /v1, as in {base_url.rstrip('/')}/v1"
    return ProviderError(f"{message.rstrip('.')} ({hint})", setting="base_url")


def _duration(seconds: float) -> str:
    """Returns a pause as people say it, rounded up."""
    if not math.isfinite(seconds):
        return "unlimited length"
    minutes = math.ceil(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
