"""Data of a task and an engine without a model, for what does not depend on one."""

from collections.abc import Callable, Iterator, Sequence

from llm_erm.errors import LLMERMError
from llm_erm.incontext.engine import Engine, Prompt
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion, Tell, Usage, untold
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

WORDS = [format(i, "06b") for i in range(64)]


def dataset(inputs: list[str]) -> Dataset:
    return Dataset(tuple(inputs), tuple(x.count("1") % 2 for x in inputs))


SPLITS = Splits(
    key=DataKey("fn_a", 6, 1, sha256="of-all-examples"),
    kind="binary",
    train=dataset(WORDS[:32]),
    validation=Dataset((), ()),
    reveal=lambda: HeldOut(dataset(WORDS[32:])),
    independent=True,
    warnings=("mind the gap",),
)
SETTINGS = InContextSettings(max_new_tokens=10)


def query_of(prompt: Prompt) -> str:
    return prompt.text.split("# New input\n```\n")[1][:6]


def truth(prompt: Prompt) -> str:
    return f'{{"label": "{query_of(prompt).count("1") % 2}"}}'


class ScriptedEngine(Engine):
    """Answers each query with ``reply(prompt)``, or fails with it; a character is a token."""

    name = "scripted"
    context_tokens: int | None = None
    budget: Budget | None = None
    described: object = None

    def __init__(
        self,
        reply: Callable[[Prompt], str | float | LLMERMError],
        context_tokens: int | None = None,
        described: object = None,
    ) -> None:
        self.reply = reply
        self.context_tokens = context_tokens
        self.described = described or {"name": self.name}
        self.asked: list[Prompt] = []
        self.loads = 0
        self.closes = 0

    def render(self, message: str, settings: InContextSettings) -> str:
        return message if settings.raw_prompt else f"<user>{message}<end>"

    def count_tokens(self, prompt: str) -> int | None:
        return None if self.context_tokens is None else len(prompt)

    def load(self) -> None:
        self.loads += 1

    def answer(
        self, prompts: Sequence[Prompt], settings: InContextSettings, tell: Tell = untold
    ) -> Iterator[Completion]:
        for prompt in prompts:
            self.asked.append(prompt)
            said = self.reply(prompt)
            if isinstance(said, LLMERMError):
                raise said
            probability = None if isinstance(said, str) else said
            yield Completion(
                prompt.index,
                str(said),
                Usage(100, 90, 5),
                cost_usd=0.0,
                probability=probability,
                computed_tokens=10,
            )

    def close(self) -> None:
        self.closes += 1
