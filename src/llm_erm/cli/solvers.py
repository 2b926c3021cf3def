"""The methods that `llm-erm benchmark` runs, each as a run of its command on all tasks."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from llm_erm.cli import baselines, enumerate, synthesize
from llm_erm.cli.contenders import Contender
from llm_erm.cli.experiments import Data, Part
from llm_erm.cli.flags import sentence
from llm_erm.cli.models import missing_key
from llm_erm.cli.placing import ExecutorOptions, Executors
from llm_erm.cli.runs import RunOptions, check
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.models import no_provider
from llm_erm.llms.providers import PROVIDERS
from llm_erm.tasks.spec import DataSpec

Left = Literal["enumeration", "baselines"]
"""Methods that can be left out."""

LEARNERS = ("decision-tree", "logistic-regression", "knn")
"""The classical learners that take less than a second or so per task."""

LEARNER_SECONDS = 1.0
"""About how many CPU seconds one of these takes per task."""

EMBEDDED_SECONDS = 0.2
"""About how many CPU seconds an attempt of the embedded model takes."""

_OTHER = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Solvers(ExecutorOptions):
    """Which methods are run, with what settings: flags of `llm-erm benchmark`."""

    proposer: tuple[str, ...] = ("local",)
    """Language models that propose programs, each as provider or provider:model, such as local,
    openai:gpt-5, ollama:NAME, local:FILE.gguf or scripted:FILE."""
    attempts: int = 16
    """The budget K: programs that each model proposes per task. All are drawn, even after an exact
    one, since pass@k is measured."""
    base_url: str | None = None
    """Address of the API of the models that are not on this machine (default: their provider's)."""
    max_cost_usd: float | None = None
    """Stop before a call that could push the cost of all models together above this limit."""
    max_seconds: float = 10.0
    """Maximum wall time of the enumeration per task in seconds."""
    learners: tuple[str, ...] = LEARNERS
    """Classical learners to fit, as `llm-erm baselines` names them."""
    without: tuple[Left, ...] = ()
    """Methods to leave out: enumeration, or baselines for all classical learners."""
    fresh: bool = False
    """Delete what earlier runs left in the folder instead of continuing them."""
    executor: Executors = "local"
    """Where tasks are learned: in this process (classical learners: in a pool of processes), in a
    pool of processes, or on a Ray cluster. A method that cannot run there runs in this process and
    says so."""


class _OnTasks:
    """Data sets of tasks that each have a file of their own, in place of a grid."""

    on: tuple[DataSpec, ...]
    first: bool

    @property
    def warns(self) -> bool:
        """Whether this is the first method; the others learn from the same data."""
        return self.first

    def specs(self) -> list[DataSpec]:
        """Returns the data sets."""
        return list(self.on)

    def skipped(self) -> list[str]:
        """Returns nothing, since there is no grid."""
        return []


@dataclass(frozen=True)
class _Proposing(_OnTasks, synthesize.Options):
    """Flags of `llm-erm synthesize` on these tasks."""

    on: tuple[DataSpec, ...] = field(default=(), kw_only=True)
    first: bool = field(default=True, kw_only=True)

    @property
    def keyless(self) -> InputError | None:
        """The error of every call if their key is not set."""
        return missing_key(self, "name another model with --proposer")


@dataclass(frozen=True)
class _Enumerating(_OnTasks, enumerate.Options):
    """Flags of `llm-erm enumerate` on these tasks."""

    on: tuple[DataSpec, ...] = field(default=(), kw_only=True)
    first: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class _Fitting(_OnTasks, baselines.Options):
    """Flags of `llm-erm baselines` on these tasks."""

    on: tuple[DataSpec, ...] = field(default=(), kw_only=True)
    first: bool = field(default=True, kw_only=True)


_KINDS: dict[str, type[RunOptions]] = {
    "synthesize": _Proposing,
    "enumerate": _Enumerating,
    "baselines": _Fitting,
}


def parts_of(
    options: Solvers, specs: Sequence[DataSpec], folder: Path, *, checked: bool = True
) -> list[Part]:
    """Returns one part per method, each on all tasks; those that lack a package say why.

    Args:
        options: The flags.
        specs: The data sets, one per task.
        folder: The folder of the benchmark, which holds one of each method and the data sets.
        checked: Whether to check that they can run here, which a dry run need not.

    Raises:
        InputError: A model or a learner does not exist, or a flag is not valid.
        MissingExtraError: A package is missing that a model needs, or that every method needs.
    """
    tasks, first = tuple(spec.function for spec in specs), specs[0]
    data = Data("benchmark", tasks, first.length, first.train_size + first.val_size, None)
    parts: list[Part] = []
    for contender in _contenders(options):
        own = folder / _folder_of(contender.name)
        flags: dict[str, Any] = {
            "on": tuple(specs),
            "first": not parts,
            "dataset_dir": folder / "datasets",
            "out_dir": own,
            "fresh": options.fresh,
            **contender.settings,
        }
        part = Part(contender, data, _KINDS[contender.command](**flags), own)
        try:
            if checked:
                check(part.options)
        except MissingExtraError as error:
            if contender.command == "synthesize":
                raise
            part = replace(part, reason=sentence(error, type(options)).removesuffix("."))
        parts.append(part)
    return parts


def _contenders(options: Solvers) -> list[Contender]:
    """Returns the methods, the quickest first."""
    learners = () if "baselines" in options.without else options.learners
    found = [
        Contender(name, "baselines", settings={"learners": (name,)}, seconds=LEARNER_SECONDS)
        for name in dict.fromkeys(learners)
    ]
    if "enumeration" not in options.without:
        settings = {"max_seconds": options.max_seconds, "quiet": True}
        seconds = options.max_seconds / 2
        found.append(Contender("enumeration", "enumerate", settings=settings, seconds=seconds))
    return found + [_proposer(options, name) for name in dict.fromkeys(options.proposer)]


def _proposer(options: Solvers, name: str) -> Contender:
    """Returns the search with a language model.

    Raises:
        InputError: There is no such provider, or the name of a model is missing.
    """
    provider, _, model = name.partition(":")
    if provider == "replay":
        raise InputError(
            f"The proposer {name} replays another run, which has no answers for these tasks; name "
            "a model.",
            setting="proposer",
        )
    if (row := PROVIDERS.get(provider)) is None:
        raise InputError(no_provider(provider), setting="proposer")
    if row.needs_model and not (model or row.default_model):
        what = "FILE" if provider == "scripted" else "NAME"
        raise InputError(
            f"The proposer {provider} needs the name of a model, as in {provider}:{what}.",
            setting="proposer",
        )
    settings: dict[str, Any] = {
        "provider": provider,
        "model": model or None,
        "attempts": options.attempts,
        "no_early_stop": True,
    }
    if row.remote:
        settings |= {"base_url": options.base_url, "max_cost_usd": options.max_cost_usd}
    seconds = options.attempts * EMBEDDED_SECONDS
    return Contender(name, "synthesize", settings=settings, seconds=seconds, paid=row.remote)


def check_solvers(options: Solvers) -> None:
    """Checks the flags that all methods share.

    Raises:
        InputError: One of them is not valid.
    """
    if options.attempts < 1:
        raise InputError(f"--attempts is {options.attempts}; give 1 or more, or omit it.")
    if not _contenders(options):
        raise InputError(
            "No method is left to run; name a model with --proposer, or omit --without."
        )
    asked = [name for name in options.proposer if _remote(name)]
    if options.base_url is not None and len(asked) != 1:
        those = f"{len(asked)} are not on this machine" if asked else "none of the models is"
        raise InputError(
            f"--base-url is the address of one model, but {those}; "
            f"{'run them one by one, or ' if asked else ''}omit it."
        )


def check_methods(options: Solvers, folder: Path) -> None:
    """Checks, before any task is drawn, that the methods can run with these settings.

    Args:
        options: The flags.
        folder: The folder of the benchmark, where there may be results that need no key.

    Raises:
        InputError: A setting is not valid, or a key is not set.
        MissingExtraError: A package is missing that a model needs.
    """
    for contender in _contenders(options):
        own: dict[str, Any] = {"out_dir": folder / _folder_of(contender.name)}
        own["fresh"] = options.fresh
        try:
            _KINDS[contender.command](**own, **contender.settings).method().jobs(())
        except MissingExtraError:
            if contender.command == "synthesize":
                raise


def _remote(name: str) -> bool:
    row = PROVIDERS.get(name.partition(":")[0])
    return row is not None and row.remote


def _folder_of(name: str) -> str:
    """Returns the name of a method's folder: another one for each method."""
    plain = _OTHER.sub("-", name.replace(":", "-", 1))
    if plain == name.replace(":", "-", 1) and len(plain) <= 60:
        return plain
    return f"{plain[-50:]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
