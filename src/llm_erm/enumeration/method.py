"""Search without a language model as a method of a run: searches one after another."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from llm_erm.checks import Checked
from llm_erm.enumeration.prior import Prior
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.erm.select import check_selection
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Observe, Started
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.tasks.spec import DataSpec

MAX_NUMBER = 10_000_000
"""A limit in attempts, seconds, MiB or bits stays below this: four months, or ten terabytes."""

MAX_PROGRAMS = 10**12
"""The limit on programs considered stays below this."""


@dataclass(frozen=True, kw_only=True)
class Enumeration(Checked, Method):
    """Length-first search: the shortest programs that fit, without a language model.

    Attributes:
        settings: Settings of the searches.
        prior: What a language model proposed, for the order ``prior``.
    """

    settings: EnumerationSettings = field(default_factory=EnumerationSettings)
    prior: Prior | None = None

    name = "enumeration"
    reproducible = True

    def candidates(self, work: Work) -> int:
        """Returns the number of programs that are verified."""
        return self.settings.attempts

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        """Returns one search per data set.

        Raises:
            InputError: A limit is impossible, there are no validation examples to choose by, or
                the order and the prior do not go together.
            MissingExtraError: A package that the search needs is not installed.
        """
        self._check_limits()
        if self.settings.order == "prior" and self.prior is None:
            raise InputError(
                "The order prior follows from a model's proposals; also name the folder of the run "
                "that made them.",
                setting="prior_from",
            )
        if self.settings.order != "prior" and self.prior is not None:
            raise InputError(
                "A model's proposals shape the order prior alone; also ask for that order, or omit "
                "them.",
                setting="prior_from",
            )
        check_selection(specs, confidence=self.settings.confidence)
        check_packages()
        return [Job(spec) for spec in specs]

    @contextmanager
    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> Iterator["EnumerationSession"]:
        """Loads the compiled search, before any clock runs."""
        prepare()
        yield EnumerationSession(self)

    def _check_limits(self) -> None:
        settings = self.settings
        limits = {
            "attempts": settings.attempts,
            "max_seconds": settings.max_seconds,
            "max_memory_mb": settings.max_memory_bytes / 2**20,
            "max_programs": 1 if settings.max_programs is None else settings.max_programs,
            "max_bits": settings.max_bits,
        }
        for setting, value in limits.items():
            below = MAX_PROGRAMS if setting == "max_programs" else MAX_NUMBER
            if not 0 < value < below:
                raise InputError(
                    f"A limit of the search is {value:g}; give a number above 0 and below "
                    f"{below:,}.",
                    setting=setting,
                )


class EnumerationSession:
    """The searches of one run, one after another."""

    events: tuple[Event, ...] = ()

    def __init__(self, method: Enumeration) -> None:
        self._settings = method.settings
        self._prior = () if method.prior is None else method.prior.terms

    def learn(self, work: Work, observe: Observe) -> Result:
        """Returns the result of one search."""
        from llm_erm.enumeration.learn import learn

        observe(Started(None, seconds=self._settings.max_seconds))
        return learn(
            work.splits,
            self._settings,
            observe=observe,
            attempts=work.attempts,
            prior=self._prior,
        )


def check_packages() -> None:
    """Checks that what the search needs is installed.

    Raises:
        MissingExtraError: A package is not.
    """
    missing = [name for name in ("numba", "psutil") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The search needs {' and '.join(missing)}; install what is missing with: "
            "pip install 'llm-erm[enumeration]'"
        )


def prepare() -> None:
    """Loads the machine code of the search; the first time on a machine, compiles it."""
    from llm_erm.enumeration.search import prepare as load

    load()
