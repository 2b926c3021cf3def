"""Says by which command a run can be repeated, from the settings in its folder."""

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from llm_erm.cli.commands import command, flags_of
from llm_erm.llms.weights import EMBEDDED_NAME
from llm_erm.runs.fingerprint import Fingerprint
from llm_erm.settings import plain

_COMMANDS = {
    "enumeration": "enumerate",
    "baselines": "baselines",
    "training": "train",
    "incontext": "incontext",
}
"""The commands whose flags hold all settings of a method; a search of a model is replayed."""


def repeat(known: Fingerprint, folder: Path) -> str:
    """Returns the command that repeats a run; empty if its settings do not tell it.

    They do not for a shard, whose command names the data sets of the whole grid, nor for tasks of
    several files, of which a command takes one.

    It repeats a search with a language model from the answers in its folder. No value in it reads
    as a flag: people run what they paste, and a flag such as ``--task-file`` runs a file.
    """
    files = {record.task_file_sha256 for record in known.data} - {None}
    if len(files) > 1:
        return ""
    task = ["--task-file", "FILE"] if files else []
    if known.method == "synthesis":
        words = ["synthesize", "--provider", "replay", "--from", str(folder)]
        return shlex.join(["llm-erm", *words, *task])
    name = None if known.shard else _COMMANDS.get(known.method)
    try:
        values = None if name is None or not known.data else _values(known)
    except KeyError:  # another version or another program wrote them
        values = None
    if name is None or values is None:
        return ""
    kind = flags_of(command(name))
    words = ["llm-erm", name]
    for field in fields(kind):
        value = values.get(field.name)
        if value is None or value == plain(field.default):
            continue
        given = [] if value is True else value if isinstance(value, list) else [value]
        if any(str(one).startswith("-") for one in given):
            return ""
        words += [f"--{field.name.replace('_', '-')}", *map(str, given)]
    return shlex.join([*words, *task])


def _values(known: Fingerprint) -> dict[str, Any] | None:
    """Returns the values of flags by the names of their fields; None if some are not known."""
    settings: Mapping[str, Any] = known.settings
    specs = [record.spec for record in known.data]
    first = specs[0]
    sizes = list(dict.fromkeys(spec.train_size for spec in specs))
    tasks = list(dict.fromkeys(spec.function for spec in specs))
    lengths = list(dict.fromkeys(spec.length for spec in specs))
    found: dict[str, Any] = (
        _leaves(settings)
        | plain(first)
        | {
            "functions": tasks,
            "target_func": tasks,
            "lengths": lengths,
            "sequence_length": lengths,
            "train_set_size": sizes,
            "test_set_size": first.test_size,
            "num_trials": max(spec.trial for spec in specs),
        }
    )
    if known.method == "enumeration":
        if settings["prior"] is not None:
            return None
        found["search"] = found["order"]
        found["max_memory_mb"] = found["max_memory_bytes"] // 2**20
    if known.method == "baselines" and settings["weights"] is not None:
        return None
    if known.method == "training":
        found["test_sequence_length"] = settings["test_lengths"]
    if known.method == "incontext":
        if settings["engine"].get("name") != f"local:{EMBEDDED_NAME}":
            return None
        found["test_split_size"], found["test_size"] = first.test_size, settings["queries"]
    return found


def _leaves(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings at any depth by their own names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _leaves(value) if isinstance(value, Mapping) else {name: value}
    return found
