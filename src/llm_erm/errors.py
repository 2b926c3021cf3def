"""Errors that users can cause and fix; anything else is a bug and shows its traceback."""


class LLMERMError(Exception):
    """A set-up that cannot work.

    The message is one sentence for the user: what was given, what is allowed and what to do next.
    The command line prints it and exits with status 2.

    Attributes:
        setting: The setting to change, if there is one; the command line adds its flag.
    """

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting


class InputError(LLMERMError):
    """A setting, file or size that cannot be used as given."""


class MissingExtraError(LLMERMError):
    """An optional dependency is not installed; the message gives the install command."""


class ProviderError(LLMERMError):
    """A language model that cannot be reached or rejects every call."""


class BudgetSpentError(LLMERMError):
    """The next call to a model could cost more than is left of the run's budget."""
