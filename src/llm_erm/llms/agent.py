"""An agent that proposes by itself: it submits programs to a search, and is asked nothing."""

import re
from collections.abc import AsyncGenerator

from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM, Completion, Request

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class AgentLLM(LLM):
    """The model of a search whose answers were journaled before the search began.

    An agent decides by itself when it submits something (``synthesis/submissions.py``), so the
    search finds all of its answers in the journal, like those of an interrupted run.

    Args:
        agent: What results call the agent, after ``agent:``.

    Raises:
        InputError: The name has other characters than a file name should have.
    """

    def __init__(self, agent: str) -> None:
        if not _NAME.fullmatch(agent):
            raise InputError(
                f"The agent is called {agent!r:.80}; give a name of at most 60 letters, digits, "
                "dots, dashes and underscores that begins with a letter or a digit.",
                setting="agent",
            )
        self._agent = agent

    @property
    def name(self) -> str:
        """``agent:`` and the agent's name."""
        return f"agent:{self._agent}"

    @property
    def concurrent(self) -> bool:
        """True: an agent that is given the same task again may submit other programs."""
        return True

    @property
    def reads_files(self) -> bool:
        """True: nobody knows which other tools an agent has."""
        return True

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields nothing."""
        return
        yield
