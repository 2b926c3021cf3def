"""What a failed call means, whichever client made it: one set of kinds and messages."""

from typing import Literal

from llm_erm.errors import ProviderError
from llm_erm.llms.answers import sentence_of

LONGEST_PAUSE_SECONDS = 900.0
"""What a server may ask for; a run that would stand still for longer stops instead."""

Kind = Literal["unreachable", "unanswered", "refused", "unusable"]
"""Why a call failed: no connection, or it broke; no answer (status 429 or 5xx); this call and all
others are rejected; or the answer cannot be used or did not arrive in time.

The first two cost nothing and are sent again. A refusal costs nothing. A call without a usable
answer may have been billed, so it is never sent again.
"""

_ODD_FORM = (
    *(TypeError, AttributeError, LookupError, ValueError, AssertionError, ArithmeticError),
    RecursionError,
)
"""What the libraries raise when an answer has a form that they did not expect."""


class CallFailedError(Exception):
    """One call of a model failed.

    Attributes:
        kind: What that means.
        said: The provider's own sentence, or ours.
        pause_seconds: What the server asks to wait before the next call, or None.
        status: The HTTP status of its answer, where that was the fault, or None.
    """

    def __init__(
        self,
        kind: Kind,
        said: str,
        pause_seconds: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(said)
        self.kind = kind
        self.said = said
        self.pause_seconds = pause_seconds
        self.status = status

    @property
    def may_be_repeated(self) -> bool:
        """Whether the call was surely not answered, so that it may be sent again."""
        return self.kind in ("unreachable", "unanswered")

    @property
    def is_free(self) -> bool:
        """Whether the call surely costs nothing."""
        return self.kind != "unusable"


def failure_of(error: Exception, timeout_seconds: float) -> CallFailedError | None:
    """Returns what an exception of a client library means; None where it is a bug.

    Args:
        error: What was raised while the call was made or its answer read.
        timeout_seconds: The time limit of the call, for the message.
    """
    from pydantic_ai import exceptions as library

    pause: float | None = getattr(error, "retry_after", None)
    if isinstance(error, library.ModelConnectionError):
        # Some transports call it a timeout that there was no connection to send a call through.
        if error.phase in ("pool", "connect"):
            return CallFailedError("unreachable", "could not connect", pause)
        timed_out = isinstance(error, library.ModelTimeoutError)
        return CallFailedError(
            "unusable" if timed_out else "unreachable", sentence_of(error), pause
        )
    if isinstance(error, (library.UnexpectedModelBehavior, *_ODD_FORM)):
        what = str(error).partition("\n")[0] or type(error).__name__
        return CallFailedError("unusable", f"the answer is not in the API's form ({what})")
    if isinstance(error, library.AgentRunError):
        status: int | None = getattr(error, "status_code", None)
        return CallFailedError(_kind_of(error, pause), sentence_of(error), pause, status)
    if isinstance(error, TimeoutError):
        return CallFailedError("unusable", f"no answer within {timeout_seconds:g} seconds")
    if isinstance(error, OSError):
        return CallFailedError("unusable", sentence_of(error))
    return None


def _kind_of(error: Exception, pause: float | None) -> Kind:
    from pydantic_ai import exceptions as library

    rejected = library.ModelRequestRejectedError | library.ModelQuotaExceededError
    if isinstance(error, rejected) or (pause or 0.0) > LONGEST_PAUSE_SECONDS:
        return "refused"
    if isinstance(error, library.ModelHTTPError):
        return "unanswered" if error.status_code == 429 or error.status_code >= 500 else "unusable"
    return "unusable"


def provider_error(failure: CallFailedError, name: str, base_url: str | None) -> ProviderError:
    """Returns a failed call as the error that ends a run.

    Args:
        failure: How the call failed, after all its retries.
        name: The model's name.
        base_url: Where it was called; the provider's own address where it is None.
    """
    said = failure.said
    if failure.kind == "unreachable":
        return ProviderError(
            f"{name} cannot be reached{f' at {base_url}' if base_url else ''}: {said.rstrip('.')}; "
            "check the address and that something answers there.",
            setting="base_url",
        )
    if failure.kind == "unanswered":
        return ProviderError(f"{name} did not answer: {said}")
    if failure.kind == "unusable":
        return ProviderError(f"{name} gave no usable answer: {said}")
    said = f"{name} refused the call: {said}"
    if (pause := failure.pause_seconds or 0.0) > LONGEST_PAUSE_SECONDS:
        said += f" (it asks for a pause of {pause:,.0f} seconds; run this again after it)"
    return ProviderError(said)
