"""How a language model proposes rules: its settings, and a prompt per part that is learned from.

The model is shown the rows that a part learns from, and none that it is checked on. So its
proposals are as independent of these as the rules that the search finds, unless it was trained on
them.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np

from llm_erm.checks import Checked, checking, fitting
from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.models import model as model_of
from llm_erm.llms.models import split_name
from llm_erm.llms.providers import ModelSettings
from llm_erm.llms.unanswered import is_answer
from llm_erm.llms.weights import EMBEDDED_NAME
from llm_erm.phrases import counted, listed
from llm_erm.records import cost_of
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Proposed
from llm_erm.rulelists.learn import cost_matrix
from llm_erm.rulelists.names import Names, cell, names_of
from llm_erm.rulelists.prompt import Asked, prompt_of, shown_rows
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.proposed import UnreadableError, rule_in
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import TableSettings
from llm_erm.runs.fingerprint import Fingerprint
from llm_erm.runs.jobs import JobKey
from llm_erm.settings import plain
from llm_erm.tables.columns import Labelled, Table
from llm_erm.version import VERSION

METHOD = "fit"
"""What the folder of the answers calls what they are for."""

Answers = Mapping[JobKey, Mapping[int, Completion]]
"""The answers to each prompt, by index."""


@dataclass(frozen=True, kw_only=True)
class Proposing(Checked):
    """Which model proposes rules, and how it is asked.

    Attributes:
        llm: The model.
        attempts: Proposals per part that is learned from: each fold, and all rows.
        max_tokens: Maximum number of generated tokens per proposal.
        blind: Whether the model is shown x0, c00 and y0 in place of the names of columns,
            categories and classes.
        descriptions: What columns are, for the model, by their names; also of the one to predict.
    """

    llm: Annotated[LLM, "a model, such as llm_erm.model('openai:gpt-5', api_key=...)"]
    attempts: int = 5
    max_tokens: int = 20_000
    blind: bool = False
    descriptions: Annotated[Mapping[str, str], "texts by the names of columns"] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: One has another type or is out of range, or the model cannot propose rules.
        """
        super().__post_init__()
        said = {
            fitting("the name of a described column", name, str): fitting(
                "the description of a column", text, str
            )
            for name, text in self.descriptions.items()
        }
        object.__setattr__(self, "descriptions", said)
        if self.attempts < 1 or self.max_tokens < 1:
            raise InputError(
                f"The model is to write {counted(self.attempts, 'proposal')} of up to "
                f"{counted(self.max_tokens, 'token')} per part; give 1 or more of both.",
                setting="attempts" if self.attempts < 1 else "max_tokens",
            )
        if self.blind and self.descriptions:
            raise InputError(
                "Descriptions would tell what blind names hide; leave out one of the two.",
                setting="blind",
            )
        refuse_embedded(self.llm.name)

    @classmethod
    @checking
    def of(
        cls,
        model: str,
        *,
        model_settings: ModelSettings | None = None,
        **settings: Any,  # noqa: ANN401 - the other fields
    ) -> Self:
        """Returns the settings for the model of that name, with defaults that suit it.

        Args:
            model: ``provider:model``, such as ``openai:gpt-5`` or ``scripted:FILE``.
            model_settings: Key, address, reasoning effort and other settings of the model.
            settings: The other fields.

        Raises:
            InputError: There is no such model, or one of the settings is not valid.
            MissingExtraError: A package that the model needs is not installed.
        """
        provider, named = split_name(model)
        if named is None:
            refuse_embedded(f"{model}:{EMBEDDED_NAME}")
        usual = provider.usual(named or provider.default_model, None)
        llm = model_of(model, **(model_settings or {}))
        return cls(llm=llm, **{"max_tokens": usual.max_tokens, **settings})


def refuse_embedded(name: str) -> None:
    """Refuses the embedded model, which knows one small grammar.

    Raises:
        InputError: It is that model.
    """
    if name == f"local:{EMBEDDED_NAME}":
        raise InputError(
            f"The embedded {EMBEDDED_NAME} is too small to write rules for a table; name another "
            "model: a GGUF file of your own, or one behind a server (chat, ollama, vllm, openai, "
            "anthropic or gemini).",
            setting="model",
        )


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the rows that is learned from, and what the model is asked about it.

    Attributes:
        job: Names it in the folder of the answers.
        table: Its rows.
        request: The prompt, and how many proposals are wanted.
    """

    job: JobKey
    table: Table
    request: Request


@dataclass(frozen=True, eq=False)
class Asking:
    """All that a model is asked for one rule.

    Attributes:
        proposing: Which model, and how.
        parts: The parts in the order in which ``learn`` takes them.
        names: What stands for the names of the table.
        fingerprint: All that shapes the answers.
        shown: Most rows that all prompts show together.
    """

    proposing: Proposing
    parts: tuple[Part, ...]
    names: Names
    fingerprint: Fingerprint
    shown: int

    @property
    def calls(self) -> int:
        """Most calls that there can be."""
        return len(self.parts) * self.proposing.attempts

    @property
    def prompt_bytes(self) -> int:
        """Size of the longest prompt."""
        return max(len(part.request.prompt.encode()) for part in self.parts)


def asking_for(data: Labelled, settings: TableSettings, proposing: Proposing) -> Asking:
    """Returns what a model is asked, so that ``learn`` may choose among its proposals.

    Raises:
        InputError: A description is of no column, a cost of no class, or a setting is impossible
            for these rows.
    """
    if not settings.max_conditions:
        raise InputError(
            "A rule without conditions needs no model; allow some conditions, or name no model.",
            setting="max_conditions",
        )
    cost_matrix(settings.costs, data.schema.classes)  # refuses what no call should be paid for
    _check_descriptions(data, proposing.descriptions)
    names = names_of(data.schema, blind=proposing.blind)
    asked = Asked(
        names,
        data.schema.target,
        settings.max_conditions,
        settings.costs,
        proposing.descriptions,
        settings.seed,
    )
    parts = []
    learning = {f"fold={n}": rows for n, rows in enumerate(divide(data, settings).folds, 1)}
    if not settings.keep_checked:
        learning["all"] = np.ones(len(data.labels), dtype=bool)
    for variant, rows in learning.items():
        job = JobKey(METHOD, 0, settings.seed, variant=variant)
        table = data.table.take(np.flatnonzero(rows))
        request = Request(
            prompt_of(table, data.labels[rows], asked),
            indices=range(1, proposing.attempts + 1),
            seed=sample_seed(job),
            max_tokens=proposing.max_tokens,
        )
        parts.append(Part(job, table, request))
    prompts = "\0".join(part.request.prompt for part in parts if part.job.variant != "all")
    shaping = {
        **plain(proposing),
        "descriptions": plain(list(proposing.descriptions.items())),
        "target": data.schema.target,
        "max_conditions": settings.max_conditions,
        "costs": plain(settings.costs),
        "checked": settings.checked,
        "seed": settings.seed,
        "rows_sha256": hashlib.sha256(prompts.encode(errors="replace")).hexdigest(),
    }
    shown = sum(shown_rows(part.table.n_rows, len(data.table.columns)) for part in parts)
    known = Fingerprint(VERSION, METHOD, shaping, ())
    return Asking(proposing, tuple(parts), names, known, min(shown, len(data.labels)))


def _check_descriptions(data: Labelled, descriptions: Mapping[str, str]) -> None:
    known = [*(column.name for column in data.table.columns), data.schema.target]
    for name in descriptions:
        if name not in known:
            raise InputError(
                f"There is no column {name!r:.60} to describe; those learned from are "
                f"{listed([cell(one) for one in known[:20]])}{' …' if len(known) > 20 else ''}.",
                setting="describe",
            )


def sample_seed(job: JobKey) -> int:
    """Returns the seed of a part's proposals, so that no two parts draw the same ones."""
    digest = hashlib.sha256(f"{METHOD}|{job.variant}|seed={job.seed}|samples".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def proposals_in(asking: Asking, answers: Answers) -> Proposals:
    """Returns the rules in the answers; one that holds none is a failed attempt."""
    faults: Counter[str] = Counter()
    of_parts = []
    for part in asking.parts:
        rules = []
        for completion in _in_order(answers.get(part.job, {})):
            try:
                rules.append(_read(completion, part, asking))
            except UnreadableError as error:
                faults[str(error)] += 1
        of_parts.append(tuple(rules))
    completions = [one for part in asking.parts for one in _in_order(answers.get(part.job, {}))]
    return Proposals(
        tuple(of_parts),
        Proposed(
            asking.proposing.llm.name,
            asking.calls,
            sum(map(is_answer, completions)),
            sum(map(len, of_parts)),
            tuple(faults.most_common()),
            cost_of(completions),
        ),
        tuple(_could_read(asking.proposing.llm)),
    )


def _could_read(llm: LLM) -> list[str]:
    """Returns a sentence on a model that reads files; none on others."""
    if not llm.reads_files:
        return []
    return [
        f"{llm.name} could read the whole table, and the bounds hold only if it did not read the "
        "rows that it was not shown."
    ]


def _in_order(answers: Mapping[int, Completion]) -> Sequence[Completion]:
    return [answers[index] for index in sorted(answers)]


def _read(completion: Completion, part: Part, asking: Asking) -> RuleList:
    if not is_answer(completion):
        raise UnreadableError("the call failed")
    if completion.finish_reason == "refusal":
        raise UnreadableError("the model refused")
    most = asking.fingerprint.settings["max_conditions"]
    try:
        return rule_in(completion.text, part.table, asking.names, most)
    except UnreadableError:
        if completion.finish_reason == "length":
            raise UnreadableError("it was cut at the limit of tokens") from None
        raise


def leaving(asking: Asking, data: Labelled) -> str:
    """Returns a sentence on what a model that is elsewhere is shown of the table."""
    columns = [cell(column.name, 30) for column in data.table.columns]
    more = [f"{len(columns) - 12:,} more"] if len(columns) > 13 else []
    names = listed(columns[: 12 if more else 13] + more)
    target = cell(data.schema.target, 30)
    if asking.proposing.blind:
        how = "numbers and dates as they are, all names and categories replaced"
    else:
        said = len(asking.proposing.descriptions)
        how = "with their names and categories" + (
            f", and {counted(said, 'description')} of yours" if said else ""
        )
    llm = asking.proposing.llm
    could = "".join(f" {one}" for one in _could_read(llm))
    return (
        f"What the model is shown: {counted(asking.shown, 'row')} of {names} and of {target}, "
        f"{how}; it goes to {llm.address}.{could}"
    )
