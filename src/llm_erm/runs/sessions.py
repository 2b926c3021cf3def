"""The session that a process keeps open between the jobs that it is given."""

import asyncio
import inspect
import pickle
from contextlib import ExitStack
from functools import partial

from llm_erm.runs.events import Finished, Observer
from llm_erm.runs.jobs import Method, Session, Work


class KeptSession:
    """The session of the method whose jobs came last, and its event loop."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._method: bytes | None = None
        self._session: Session
        self._loop: asyncio.Runner

    def do(self, pickled: bytes, work: Work, observe: Observer) -> None:
        """Does a job, in the session that is open if it is one of the same method.

        Args:
            pickled: The method, without a budget. Two methods are the same if their bytes are: few
                models compare equal to a copy.
            work: The job.
            observe: Receives every event, those of a new session too.
        """
        if self._method != pickled:
            self._open(pickled, work, observe)
        tell = partial(observe, work.job.key)
        learned = self._session.learn(work, tell)
        if inspect.iscoroutine(learned):
            learned = self._loop.run(learned)
        tell(Finished(learned))

    def close(self) -> None:
        """Closes the session; a later job opens another one."""
        self._method = None
        self._opened.close()

    def _open(self, pickled: bytes, work: Work, observe: Observer) -> None:
        """Opens the session of a method, and an event loop for it."""
        self.close()
        method: Method = pickle.loads(pickled)  # noqa: S301 - from the process that runs the jobs
        session = self._opened.enter_context(method.session([work], ()))
        loop = self._opened.enter_context(asyncio.Runner())
        if (close := getattr(session, "aclose", None)) is not None:
            self._opened.callback(lambda: loop.run(close()))
        self._method, self._session, self._loop = pickled, session, loop
        for event in session.events:
            observe(None, event)
