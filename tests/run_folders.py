"""Folders of runs for tests: written without a run, read line by line, and changed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llm_erm.records import Result
from llm_erm.runs.checksum import Seal, opened_settings, sealed_settings, settings_digest
from llm_erm.runs.fingerprint import Fingerprint
from llm_erm.runs.journal_file import JournalFile
from llm_erm.runs.kept import Kept, result_line
from llm_erm.serial import to_json

SETTINGS = Fingerprint("0", "synthesis", {}, ()).text


def seal_of(path: Path) -> Seal:
    """The seal of a journal, by the settings beside it."""
    return Seal(settings_of(path.parent), path.stem)


def settings_of(folder: Path) -> str:
    """The SHA-256 of the settings in a folder."""
    settings = opened_settings((folder / "settings.json").read_text())
    assert settings is not None
    return settings_digest(settings)


def write_run(folder: Path, *results: Result, **journals: list[Any]) -> None:
    """Writes a folder that holds lines of journals by name, and results that follow from them."""
    (folder / "settings.json").write_text(sealed_settings(SETTINGS))
    kept = Kept()
    for name, lines in journals.items():
        path = folder / f"{name}.jsonl"
        seal, texts = seal_of(path), [to_json(line) for line in lines]
        path.write_text("".join(seal.close(text) + "\n" for text in texts))
        for line, text in zip(lines, texts, strict=True):
            kept.take(name, line, seal.of(text))
    if results:
        path = folder / "results.jsonl"
        path.write_text(
            "".join(result_line(one, kept.lines_sha256, seal_of(path)) for one in results)
        )


def records_in(path: Path, kind: type[Any]) -> Iterator[Any]:
    """The records of a journal, all of whose lines fit their checksums."""
    file = JournalFile.read(path, seal_of(path), None)
    assert file.fault is None
    return (record for record, _ in file.records(kind, None))


def plain_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal without what only checks them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    checks = ("sha256", "lines_sha256")
    return [{key: line[key] for key in line if key not in checks} for line in lines]


def reseal(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes each line of a journal, and its checksum with it."""
    seal, lines = seal_of(path), [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
        del line["sha256"]
    path.write_text("".join(seal.close(json.dumps(line)) + "\n" for line in lines))
