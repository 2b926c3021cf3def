"""Foretells what a part of `llm-erm replicate` takes: calls, tokens, dollars, and GPU hours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.cli.estimate import Estimate, estimated
from llm_erm.cli.experiments import Part
from llm_erm.cli.synthesize import Options as Searching
from llm_erm.incontext.prompt import build_frame
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.models import price_of
from llm_erm.llms.providers import PROVIDERS
from llm_erm.phrases import counted
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
