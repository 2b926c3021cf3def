"""What `--help` says of each flag: its subject, what stands for its value, and its text."""

import ast
import inspect
import re
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from itertools import chain, pairwise
from textwrap import dedent
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

SUBJECTS: dict[str, dict[str, str]] = {
    "data": {
        "target": "COLUMN",
        "ignore": "COLUMN ...",
        "columns": "COLUMN ...",
        "categories": "COLUMN ...",
        "groups": "COLUMN",
        "time": "COLUMN",
        "max_rows": "N",
        "ask": "",
        "answered": "FILE",
        "functions": "TASK ...",
        "target_func": "TASK ...",
        "task_file": "FILE",
        "tasks": "FOLDER",
        "tables_dir": "FOLDER",
        "draw": "N",
        "length": "LENGTH",
        "lengths": "LENGTH ...",
        "sequence_length": "LENGTH ...",
        "test_sequence_length": "LENGTH ...",
        "sizes": "N ...",
        "train_size": "N",
        "train_set_size": "N ...",
        "val_size": "N",
        "test_size": "N",
        "test_set_size": "N",
        "test_split_size": "N",
        "num_trials": "N",
        "shard": "I/N",
        "seed": "N",
        "negatives": "",
        "published": "{erm,pv,None}",
        "allow_repeats": "",
        "dataset_dir": "FOLDER",
        "fresh_data": "",
    },
    "model": {
        "agent": "NAME",
        "proposer": "MODEL ...",
        "provider": "PROVIDER",
        "model": "MODEL",
        "command": "COMMAND",
        "base_url": "ADDRESS",
        "incontext_model": "MODEL",
        "answers": "FILE",
        "replay_from": "FOLDER",
        "describe": "FILE",
        "blind": "",
        "shots": "N ...",
        "answer": "",
        "constraint": "",
        "raw_prompt": "",
        "prompts": "FILE",
        "column_names": "",
        "temperature": "NUMBER",
        "top_p": "FRACTION",
        "max_output_tokens": "TOKENS",
        "max_new_tokens": "TOKENS",
        "context_tokens": "TOKENS",
        "max_model_len": "TOKENS",
        "reasoning_effort": "",
        "thinking_level": "",
        "verbosity": "",
        "enable_code_interpreter": "",
        "tool_choice": "",
        "no_tools": "",
        "code_tool": "",
        "threads": "N",
        "tensor_parallel_size": "N",
        "enforce_eager": "",
        "n_layer": "N",
        "n_head": "N",
        "n_embd": "N",
        "num_models": "N",
        "degree": "N",
        "vocab_size": "TOKENS",
        "BOS_TOKEN": "TOKEN",
        "context_length": "TOKENS",
        "num_layers_to_finetune": "N|all",
        "lora_rank": "N",
        "lora_alpha": "NUMBER",
    },
    "training": {
        "n_epochs": "EPOCHS",
        "batch_size": "N",
        "lr": "RATE",
        "eta_min": "RATE",
        "weight_decay": "NUMBER",
        "optimizer": "",
        "gradient_tolerance": "NUMBER",
        "online": "",
        "patience": "EPOCHS",
        "precision": "",
        "device": "DEVICE",
        "engine": "",
        "eval_every": "EPOCHS",
        "eval_batch_size": "N",
        "checkpoint_every": "EPOCHS",
    },
    "search": {
        "max_conditions": "N",
        "cost": "TRUE:GIVEN=N ...",
        "positive": "CLASS",
        "make": "METHOD ...",
        "methods": "METHOD ...",
        "without": "METHOD ...",
        "quick": "",
        "learners": "LEARNER ...",
        "grids": "",
        "tabpfn_weights": "FILE",
        "attempts": "N",
        "strategy": "",
        "no_early_stop": "",
        "hide_data": "",
        "search": "",
        "prior_from": "FOLDER",
        "executor": "",
        "workers": "N",
        "ray_address": "ADDRESS",
        "job_cpus": "NUMBER",
        "job_gpus": "NUMBER",
        "job_memory_mb": "MIB",
        "jobs": "N",
    },
    "evidence": {
        "budget": "N",
        "examples": "N",
        "errors": "N",
        "test_examples": "N",
        "test_errors": "N",
        "runs": "N",
    },
    "program": {
        "bits": "BITS",
    },
    "guarantee": {
        "checked": "FRACTION",
        "confidence": "FRACTION",
        "accuracy": "FRACTION",
        "keep_checked": "",
        "dependent": "",
    },
    "limit": {
        "max_cost_usd": "DOLLARS",
        "max_total_tokens": "TOKENS",
        "max_seconds": "SECONDS",
        "max_memory_mb": "MIB",
        "max_programs": "N",
        "max_bits": "BITS",
        "looks": "N",
        "concurrency": "CALLS",
        "speculative": "CALLS",
        "timeout": "SECONDS",
        "retries": "N",
    },
    "sandbox": {
        "seconds_per_call": "SECONDS",
        "seconds_per_candidate": "SECONDS",
        "memory_mb": "MIB",
        "isolation": "",
        "unsafe_no_isolation": "",
    },
    "output": {
        "form": "",
        "undetermined": "",
        "out": "FILE",
        "out_dir": "FOLDER",
        "results_path": "FOLDER",
        "plot": "FILE",
        "plot_width": "INCHES",
        "table": "FILE",
        "out_jsonl": "FILE",
        "out_csv": "FILE",
        "log_file": "FILE",
        "log_level": "",
        "save_model": "",
        "report_to": "TRACKER ...",
        "open": "",
        "manifest": "",
        "dry_run": "",
        "fresh": "",
        "once": "",
        "json": "",
        "wide": "",
    },
}
"""What stands for the value of each flag, by subject, in the order in which they are listed.

It is empty for switches, and for flags whose values are listed.
"""

POSITIONAL = {
    "run": "RUN",
    "runs": "[RUN ...]",
    "shards": "[SHARD ...]",
    "experiment": "[{all,table1,scaling,length}]",
    "program": "PROGRAM",
    "data": "DATA",
    "rule": "RULE",
    "file": "FILE",
}
"""What stands for words without a flag."""


def by_subject(kind: Any, names: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401
    """Returns a dataclass with one dataclass of flags per subject, by which tyro groups its help.

    Args:
        kind: The dataclass of all flags.
        names: Names of the flags to take.
        default: An instance whose values are the defaults; None for those of ``kind``.
    """
    hints, texts = get_type_hints(kind, include_extras=True), _texts(kind)
    own = {one.name: one for one in fields(kind) if one.name in names}

    def flag(name: str) -> tuple[str, Any, Any]:
        value = own[name].default if default is None else getattr(default, name)
        about = _about(name, hints[name], texts.get(name, ""), value)
        return name, Annotated[hints[name], about], field(default=value)

    members: dict[str, list[Any]] = {"": []}
    for name in sorted(own, key=lambda name: _PLACES.get(name, -1)):
        positional = tyro.conf.Positional in get_args(hints[name])
        members.setdefault("" if positional else _subject(name), []).append(flag(name))
    version = tyro.conf.arg(help="show the version and exit", help_behavior_hint="")
    root = [*members.pop(""), ("version", Annotated[bool, version], field(default=False))]
    for subject, flags in members.items():
        group: Any = make_dataclass(subject, flags, namespace={"__doc__": ""}, frozen=True)
        named = tyro.conf.arg(name=subject, help="")
        root.append((f"{subject}_flags", Annotated[group, named], field(default_factory=group)))
    return make_dataclass(kind.__name__, root, namespace={"__doc__": kind.__doc__}, kw_only=True)


_PLACES = {name: place for place, name in enumerate(chain.from_iterable(SUBJECTS.values()))}


def _subject(name: str) -> str:
    """Returns the subject of a flag; empty for one without."""
    return next((subject for subject, names in SUBJECTS.items() if name in names), "")


def _about(name: str, hint: Any, text: str, default: object) -> object:  # noqa: ANN401 - a type
    """Returns what tyro needs to describe a flag.

    Args:
        name: The flag's name as a field.
        hint: Its type.
        text: What it does.
        default: Its value if it is not given.
    """
    metavar = _metavar(name, hint)
    if default is None or default is False or default in ((), tyro.MISSING, MISSING):
        what, told, value = text.rpartition(" (default")
        if not text.endswith(")."):
            what, told, value = text, "", ""
        return tyro.conf.arg(metavar=metavar, help=what, help_behavior_hint=(told + value).lstrip())
    return tyro.conf.arg(
        metavar=metavar,
        help=_DEFAULT.sub("", text).removesuffix("."),
        help_behavior_hint=lambda shown: f"(default: {shown}).",
    )


def _texts(kind: type[Any]) -> dict[str, str]:
    """Returns the text below each field of a dataclass, in its class or in one of its bases."""
    found = {}
    for base in reversed(kind.__mro__):
        if not is_dataclass(base):
            continue
        (definition,) = ast.parse(dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for one, text in pairwise(definition.body):
            if isinstance(one, ast.AnnAssign) and isinstance(text, ast.Expr):
                found[ast.unparse(one.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


_DEFAULT = re.compile(r" \(default: [^()]*\)")
"""What a text says of the default; that of a published script may be another."""


def _metavar(name: str, hint: Any) -> str | None:  # noqa: ANN401 - a type
    """Returns the placeholder for a flag's value in the help, or None for a switch."""
    if tyro.conf.Positional in get_args(hint):
        return POSITIONAL.get(name)
    if found := SUBJECTS.get(_subject(name), {}).get(name):
        return found
    words = [str(word) for word in _words(hint)]
    return "{" + ",".join(words) + "}" if words else None


def _words(hint: Any) -> list[object]:  # noqa: ANN401 - a type
    """Returns the values of the literals in a type."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for part in get_args(hint) for word in _words(part)]
