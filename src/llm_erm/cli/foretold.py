"""Foretells what parts of `llm-erm replicate` take, for `--dry-run` and for those not run."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.estimate import Estimate, estimated
from llm_erm.cli.experiments import Options, Part
from llm_erm.cli.synthesize import Options as Searching
from llm_erm.cli.tables import Column
from llm_erm.incontext.prompt import build_frame
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.models import price_of
from llm_erm.llms.providers import PROVIDERS
from llm_erm.phrases import counted
from llm_erm.reports.replication import NOT_RUN
from llm_erm.synthesis.learn import prompt_for
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import Splits
from llm_erm.training.settings import TrainingSettings

STEP_SECONDS = 0.0359
EVALUATED_PER_SECOND = 3686.0
BASIS = (
    "GPU hours are an estimate: 35.9 ms per step of 20 examples and 3,686 evaluated examples per "
    "second, as measured for the published shape at length 50 on one H100 (docs/training.md). "
    "Longer inputs take longer, fine-tuning less. Dollars are those of tokens: what a code tool "
    "adds, which is its own price and what the model reads of its output, is not counted. There is "
    "no estimate for language models on GPUs, and no price for a server of one's own."
)
"""What the hours and dollars follow from."""

RUN = "run here"
QUERIES = 100
"""Test examples that the published in-context learning was asked about, per task."""


@dataclass(frozen=True)
class Foretold:
    """What a part takes.

    Attributes:
        calls: What the calls to a model that is not on this machine take; None if there are none.
        gpu_hours: Hours on one GPU that the published method takes; None if it needs none, or if
            that is not known.
    """

    calls: Estimate | None = None
    gpu_hours: float | None = None


def foretell(part: Part, scratch: Path) -> Foretold:
    """Returns what the published form of a part takes, without calling or training anything.

    Args:
        part: The part.
        scratch: Folder for data from which prompts are made.
    """
    contender, options = part.contender, part.options
    if contender.command == "train":
        return Foretold(gpu_hours=_hours(part))
    if contender.beside == "incontext" and part.reason:
        settings = InContextSettings()
        prompts = [
            build_frame(one.train, one.kind, one.key.length).around(one.train.inputs[0])
            for one in _splits(part, scratch)
        ]
        tokens = settings.max_new_tokens
        return Foretold(estimated(prompts, QUERIES, tokens, lambda *_: None))
    if not contender.paid:
        return Foretold()
    assert isinstance(options, Searching)
    provider = PROVIDERS[options.provider or ""]
    usual = provider.usual(options.model or provider.default_model, None)
    asked = SynthesisSettings(
        attempts=options.attempts or usual.attempts,
        constraint=usual.constraint,
        max_tokens=usual.max_tokens,
        code_tool=options.code_tool == "local",
    )
    prompts = [prompt_for(one, asked) for one in _splits(part, scratch)]
    name = f"{provider.name}:{options.model or provider.default_model or ''}"
    price = price_of(name, options.base_url)
    if contender.name == "thinking" and part.reason:  # a server of one's own
        return Foretold(estimated(prompts, asked.attempts, asked.max_tokens, lambda *_: None))
    return Foretold(estimated(prompts, asked.attempts, asked.max_tokens, price))


def together(parts: Sequence[Foretold]) -> Foretold:
    """Returns what several parts take together; calls without a list price cost nothing there."""
    calls = [one.calls for one in parts if one.calls is not None]
    hours = [one.gpu_hours for one in parts if one.gpu_hours is not None]
    known = [one.dollars for one in calls if one.dollars is not None]
    total = Estimate(
        sum(one.calls for one in calls),
        sum(one.prompt_tokens for one in calls),
        sum(one.output_tokens for one in calls),
        sum(known) if known else None,
    )
    return Foretold(total if calls else None, sum(hours) if hours else None)


def in_words(foretold: Foretold) -> str:
    """Returns what a part would take as a sentence; empty if nothing is known of it."""
    said = []
    if (most := foretold.calls) is not None:
        dollars = "" if most.dollars is None else f", at most about ${most.dollars:.2f}"
        said.append(
            f"up to {counted(most.calls, 'call')}, about {most.prompt_tokens:,} prompt tokens and "
            f"at most {most.output_tokens:,} output tokens{dollars}"
        )
    if foretold.gpu_hours is not None:
        said.append(f"some {hours(foretold.gpu_hours)} GPU hours")
    return f"The published form takes {' and '.join(said)}." if said else ""


def hours(number: float) -> str:
    """Returns a number of hours with two digits, or more if they are before the point."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _splits(part: Part, scratch: Path) -> list[Splits]:
    """Returns data like those of a part, with hardly any test examples."""
    return [load(replace(spec, test_size=2), scratch) for spec in part.options.data_sets()]


def _hours(part: Part) -> float:
    """Returns how long the published training takes on a GPU."""
    usual, data = TrainingSettings(), part.data
    steps = usual.n_epochs * -(-data.examples // usual.batch_size)
    evaluations = 2 + usual.n_epochs // usual.eval_every
    tests = (1 + len(data.tested)) * 10_000
    seconds = steps * STEP_SECONDS + evaluations * tests / EVALUATED_PER_SECOND
    return len(data.tasks) * part.trials * seconds / 3600


def alike(parts: Sequence[Part]) -> Mapping[tuple[str, str], list[Part]]:
    """Returns the parts by name and by the reason why they are not run."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.name, part.reason), []).append(part)
    return groups


def dry_run(options: Options, parts: Sequence[Part]) -> int:
    """Prints what each method takes in each experiment."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for (name, reason), group in alike(parts).items():
            found = together([foretell(part, Path(scratch)) for part in group])
            rows.append((name, _tasks_in(group), reason or RUN, group, found))
    if options.json:
        for name, tasks, state, group, found in rows:
            here = sum(part.seconds for part in group) if state == RUN else None
            about = {"part": name, "tasks": tasks, "state": state, "cpu_seconds_here": here}
            output.say_json(about | {"published_form": asdict(found)})
        return 0
    columns = (
        *("part", Column("data sets", wide=True), "calls", Column("prompt tokens", wide=True)),
        *(Column("output tokens", wide=True), "dollars", "GPU hours", "CPU minutes here"),
        Column("state", usual=""),
    )
    output.table(
        columns,
        [
            (
                *(name, str(tasks * options.num_trials), *_amounts(found)),
                *(_here(state, group), _state(state)),
            )
            for name, tasks, state, group, found in rows
        ],
        wide=options.wide,
    )
    reasons = [f"Not run: {name}: {state}." for name, _, state, *_ in rows if state != RUN]
    total = in_words(together([found for *_, found in rows]))
    output.say_below("\n".join(("", *reasons, *[f"All together: {total} {BASIS}"] * bool(total))))
    return 0


def _state(state: str) -> str:
    return state if state == RUN else NOT_RUN


def _tasks_in(group: Sequence[Part]) -> int:
    return sum(len(part.data.tasks) for part in group)


def _here(state: str, group: Sequence[Part]) -> str:
    return f"{sum(part.seconds for part in group) / 60:.1f}" if state == RUN else "–"


def _amounts(found: Foretold) -> tuple[str, ...]:
    gpu = "–" if found.gpu_hours is None else hours(found.gpu_hours)
    if (most := found.calls) is None:
        return ("–", "–", "–", "–", gpu)
    dollars = "unknown" if most.dollars is None else f"{most.dollars:.2f}"
    tokens = f"{most.prompt_tokens:,}", f"{most.output_tokens:,}"
    return (f"{most.calls:,}", *tokens, dollars, gpu)
