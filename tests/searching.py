"""A search for a parity of eight bits, with everything that it told of."""

import asyncio
import json
from dataclasses import dataclass

from llm_erm.llms.llm import Completion
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.records import Attempt, Result
from llm_erm.synthesis.learn import learn
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits
from watching import Seen

WORDS = tuple(format(i, "08b") for i in range(256))


def dataset(inputs) -> Dataset:
    return Dataset(tuple(inputs), tuple(x.count("1") % 2 for x in inputs))


TEST = dataset(WORDS[192:])
SPLITS = Splits(
    key=DataKey("fn_a", 8, 1),
    kind="binary",
    train=dataset(WORDS[:64]),
    validation=dataset(WORDS[64:96]),
    reveal=lambda: HeldOut(TEST),
    independent=True,
)


def answer(body: str) -> str:
    return json.dumps({"code": f"def f(x):\n    return {body}"})


RIGHT = answer("x.count('1') % 2")
HALF = answer("1")
NEARLY = answer("x.count('1') % 2 if x < '10000000' else 0")
"""Right on training and validation, wrong on half of the positives of the test."""


@dataclass
class Search:
    """A search that is over: its result, and what it told of on the way."""

    result: Result
    seen: Seen

    @property
    def attempts(self) -> list[Attempt]:
        return self.seen.attempts

    @property
    def answers(self) -> dict[int, Completion]:
        return {one.index: one for one in self.seen.answers}


def search(
    sandbox, llm, *, splits=SPLITS, settings=None, attempts=4, done=(), answers=None, **more
) -> Search:
    llm = ScriptedLLM(llm) if isinstance(llm, list) else llm
    seen = Seen()
    result = asyncio.run(
        learn(
            splits,
            llm,
            sandbox,
            settings or SynthesisSettings(attempts),
            attempts=done,
            answers=answers,
            observe=seen,
            **more,
        )
    )
    return Search(result, seen)
