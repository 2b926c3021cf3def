"""Data of a task and an engine without a model, for what does not depend on one."""

from collections.abc import Callable, Iterator, Sequence

from llm_erm.incontext.engine import Answer, Prompt
from llm_erm.incontext.settings import Settings
from llm_erm.llms.llm import Completion, Usage
from llm_erm.tasks.task import Dataset, Splits

WORDS = [format(i, "06b") for i in range(64)]


def dataset(inputs: list[str]) -> Dataset:
    return Dataset(tuple(inputs), tuple(x.count("1") % 2 for x in inputs))


SPLITS = Splits(
    fn="fn_a",
    name="parity_all",
    kind="binary",
    length=6,
    seed=1,
    train=dataset(WORDS[:32]),
    validation=Dataset((), ()),
    test=dataset(WORDS[32:]),
    warnings=("mind the gap",),
)
SETTINGS = Settings(max_new_tokens=10)


def query_of(prompt: Prompt) -> str:
    return prompt.text.split("# New input\n```\n")[1][:6]


def truth(prompt: Prompt) -> str:
    return f'{{"label": "{query_of(prompt).count("1") % 2}"}}'


class ScriptedEngine:
    """Answers each query with ``reply(prompt)``; a character is a token."""

    name = "scripted"

    def __init__(
        self, reply: Callable[[Prompt], str | float], context_tokens: int | None = None
    ) -> None:
        self.reply = reply
        self.context_tokens = context_tokens
        self.asked: list[Prompt] = []
        self.loaded = False

    def render(self, message: str, settings: Settings) -> str:
        return message if settings.raw_prompt else f"<user>{message}<end>"

    def count_tokens(self, prompt: str) -> int | None:
        return None if self.context_tokens is None else len(prompt)

    def load(self) -> None:
        self.loaded = True

    def answer(self, prompts: Sequence[Prompt], settings: Settings) -> Iterator[Answer]:
        for prompt in prompts:
            self.asked.append(prompt)
            said = self.reply(prompt)
            probability = None if isinstance(said, str) else said
            completion = Completion(prompt.index, str(said), Usage(100, 90, 5), cost_usd=0.0)
            yield Answer(completion, probability, 10)

    def close(self) -> None:
        pass
