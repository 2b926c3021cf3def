"""The errors that a user can cause and fix; anything else is a bug and shows its traceback."""

from llm_erm.secrets import redact


class LLMERMError(Exception):
    """A run or command cannot do what was asked.

    The message says what was given, what is allowed and what to do next, without any secret. The
    command line prints it and exits with status 2.

    Attributes:
        setting: Name of the setting to change, such as ``dataset_dir``, or several joined by
            ``or``; the command line adds their flags to the message. None if no setting is at
            fault.
    """

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(redact(message))
        self.setting = setting


class InputError(LLMERMError):
    """A setting, file or size is not valid."""


class MissingExtraError(LLMERMError):
    """An optional dependency is not installed; the message holds the install command."""


class ProviderError(LLMERMError):
    """A language model cannot be reached or rejects requests, so that no call can succeed."""


class UnfinishedError(LLMERMError):
    """A job cannot go on for now; the other jobs of the run can."""


class BudgetSpentError(UnfinishedError):
    """The next call to a model could cost more than the run may spend."""


class UnansweredError(UnfinishedError):
    """Calls to a model got no answer, so that a job has no result."""


class Terminated(KeyboardInterrupt):
    """SIGTERM stopped a run; whoever handles Ctrl-C handles it too."""
