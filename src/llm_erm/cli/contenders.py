"""The methods that `llm-erm replicate` runs, each with the settings of its command."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from llm_erm.baselines.learners import PUBLISHED, TABPFN, Learner, names
from llm_erm.errors import InputError
from llm_erm.llms.providers import PROVIDERS
from llm_erm.phrases import either
from llm_erm.tasks.suite import get

EMBEDDED_SHOTS = 32
"""Examples in a prompt of the embedded model, at most."""

EMBEDDED_CHARACTERS = 4000
"""Characters of these examples, at most: a digit is a token, and it has room for 8,192."""

SMALL = {
    **{"n_layer": 2, "n_head": 4, "n_embd": 64, "precision": "fp32"},
    **{"lr": 1e-3, "eta_min": 1e-4, "batch_size": 20},
}
"""A transformer that a CPU trains in minutes."""

CPU_EXAMPLES = 1000
"""Examples that this transformer is trained on, at most."""

LEARNER_SECONDS = {
    **{"xgboost": 25.0, "svm": 2.0, "decision-tree": 2.0, "random-forest": 80.0},
    **{"genetic-programming": 300.0, TABPFN: 20.0},
}
"""About how many CPU seconds a learner takes per data set; see docs/baselines.md."""

QUICK_SECONDS = 30.0
"""--quick leaves out learners that take longer per data set."""

_WORDS = re.compile("[a-z0-9]+")

HOSTED = "code_interpreter"
"""The setting of providers that have an interpreter of their own."""


@dataclass(frozen=True)
class Choice:
    """What shapes the methods: flags of `llm-erm replicate`."""

    quick: bool = False
    """Run fewer tasks, methods, test examples and steps, so that all takes at most ten minutes on
    two cores. The output says what differs from the published experiments."""
    provider: str | None = None
    """Also search with a remote model of this provider, with and without a code tool: openai for
    the published gpt-5, or chat, anthropic, gemini, vllm or ollama (default: none, whatever keys
    are set)."""
    model: str | None = None
    """For --provider: the model's name (default: gpt-5 for openai)."""
    base_url: str | None = None
    """For --provider: address of the API."""
    max_cost_usd: float | None = None
    """Stop searching with a remote model before a call that could push the cost of all its searches
    together above this limit."""
    incontext_model: str | None = None
    """Model that is asked for labels: a GGUF file, or a model for vLLM (default: the embedded
    SmolLM2-135M-Instruct, with as many examples as it can read)."""
    tabpfn_weights: Path | None = None
    """File that holds TabPFN's weights; nothing is downloaded."""


@dataclass(frozen=True)
class Contender:
    """A method with its settings.

    Attributes:
        name: What --methods and its folder call it.
        command: The command that runs it.
        beside: The published method that it stands beside; empty if none does what it does.
        settings: Flags of its command, besides those of the data.
        remark: How it differs from the published method.
        seconds: About how many CPU seconds it takes here per data set of 200 examples, for a
            transformer at length 100.
        experiments: The experiments that it is part of.
        validates: Whether half of the examples are for validation.
        most_examples: Number of examples that it is run on, at most; None for any.
        reason: Why it is not run, if that is known without trying.
        paid: Whether it calls a model that may cost money.
        slow: Whether --quick leaves it out unless it is named.
        learner: The learner that it is; None if it is none, or one that takes all inputs.
    """

    name: str
    command: str
    beside: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    seconds: float = 0.0
    experiments: tuple[str, ...] = ("table1",)
    validates: bool = True
    most_examples: int | None = None
    reason: str = ""
    paid: bool = False
    slow: bool = False
    learner: Learner | None = None

    def takes(self, task: str) -> bool:
        """Returns whether it takes the inputs of a task."""
        return self.learner is None or self.learner.takes(get(task).kind)


ALL = ("table1", "scaling", "length")

TRAINED = frozenset(("transformer", "finetuned"))
"""Names of the methods that a GPU trains."""


@dataclass(frozen=True)
class Contenders:
    """The methods for a choice and a machine.

    Attributes:
        choice: What the user chose.
        gpu: Whether there is a GPU.
    """

    choice: Choice
    gpu: bool

    @cached_property
    def all(self) -> tuple[Contender, ...]:
        """All of them, the quickest first; those that cannot run say why."""
        return (
            self._enumeration(),
            *self._learners(),
            self._embedded(),
            self._from_scratch(),
            self._fine_tuned(),
            self._in_context(),
            *self._remote(),
        )

    def _enumeration(self) -> Contender:
        seconds = 3.0 if self.choice.quick else 30.0
        return Contender(
            name="enumeration",
            command="enumerate",
            beside="search",
            settings={"max_seconds": seconds, "quiet": True},
            remark="shortest programs first, without a language model",
            seconds=seconds / 3,
            experiments=ALL,
        )

    def _embedded(self) -> Contender:
        attempts = 32 if self.choice.quick else 256
        return Contender(
            name="embedded",
            command="synthesize",
            beside="search",
            settings={"provider": "local", "attempts": attempts},
            remark=f"{attempts} attempts of a model of 135 million weights, in a small grammar",
            seconds=attempts / 5,
            experiments=("table1", "length") if self.choice.quick else ALL,
        )

    def _learners(self) -> list[Contender]:
        """Returns the classical learners that were published, with the grids of the source."""
        return [
            Contender(
                name=name,
                command="baselines",
                beside=name if name in ("xgboost", TABPFN) else "",
                settings={
                    **{"learners": (name,), "grids": "published"},
                    **({"tabpfn_weights": self.choice.tabpfn_weights} if name == TABPFN else {}),
                },
                remark="the published grid, fitted to all labelled examples",
                seconds=LEARNER_SECONDS[name],
                validates=name == "genetic-programming",
                slow=LEARNER_SECONDS[name] > QUICK_SECONDS,
                learner=PUBLISHED.get(name),
            )
            for name in sorted(names("published"), key=LEARNER_SECONDS.__getitem__)
        ]

    def _from_scratch(self) -> Contender:
        quick = {"batch_size": 50, "n_epochs": 10} if self.choice.quick else {}
        shape = "2 layers of width 64, not the published 1.4 billion weights"
        return Contender(
            name="transformer",
            command="train",
            beside="scratch",
            settings={"model": "qwen1.7B"} if self.gpu else SMALL | quick,
            remark="the published shape and settings"
            if self.gpu
            else f"{shape}{', and 10 epochs, not 200' if quick else ''}",
            seconds=10.0 if self.gpu or quick else 400.0,
            experiments=ALL,
            validates=False,
            most_examples=None if self.gpu else 200 if quick else CPU_EXAMPLES,
        )

    def _fine_tuned(self) -> Contender:
        return Contender(
            name="finetuned",
            command="train",
            beside="finetuned",
            settings={"model": "smollm2_finetune"},
            remark="the top 2 layers of a model of 135 million weights, not of 1 billion",
            seconds=60.0,
            validates=False,
            reason="" if self.gpu else "it takes hours per task without a GPU, and there is none",
        )

    def _in_context(self) -> Contender:
        model, quick = self.choice.incontext_model, self.choice.quick
        queries, shots = (20, 8) if quick else (100, EMBEDDED_SHOTS)
        given: dict[str, Any] = {"test_size": queries, "model": model}
        if model is None:
            given |= {"shots": (shots,), "answer": "score"}
        remark = f"at most {shots} examples in the prompt of a model of 135 million weights"
        return Contender(
            name="incontext",
            command="incontext",
            beside="incontext",
            settings=given,
            remark=f"{'another model' if model else remark}; {queries} queries",
            seconds=queries * 3.0,
            validates=False,
            slow=True,
        )

    def _remote(self) -> list[Contender]:
        """Returns searches with a model that may cost money, which has to be named.

        Raises:
            InputError: The provider is unknown or not remote.
        """
        name, model = self.choice.provider, self.choice.model
        if name is not None and (name not in PROVIDERS or not PROVIDERS[name].remote):
            remote = [one for one, row in PROVIDERS.items() if row.remote]
            raise InputError(
                f"--provider {name} is no provider of remote models; name {either(remote)}, or "
                "omit it: the embedded model is always among the methods."
            )
        shared: dict[str, Any] = {"provider": name or "openai", "model": model, "attempts": 5}
        if name is not None:
            shared |= {"base_url": self.choice.base_url, "max_cost_usd": self.choice.max_cost_usd}
        hosted = HOSTED in PROVIDERS[name or "openai"].settings
        tool = {"enable_code_interpreter": True} if hosted else {"code_tool": "local"}
        published = name in (None, "openai") and model in (None, "gpt-5")
        search = Contender(
            name="search",
            command="synthesize",
            beside="search",
            settings=shared | tool,
            remark="" if published else "another model",
            seconds=60.0,
            experiments=ALL,
            reason="" if name else "it may cost money, so it needs --provider, and a key",
            paid=True,
        )
        untooled = replace(search, name="no-tools", settings=shared, experiments=("table1",))
        if model is not None and {"qwen3", "30b", "thinking"} <= {*_WORDS.findall(model.lower())}:
            return [search, replace(untooled, beside="thinking", remark="")]
        why = "it needs a server: --provider vllm --model Qwen/Qwen3-30B-A3B-Thinking-2507"
        thinking = replace(untooled, name="thinking", beside="thinking", reason=why)
        return [search, replace(untooled, beside="no-tools"), thinking]
