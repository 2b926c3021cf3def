"""The files of a run without what depends on time, to compare runs."""

import json
from pathlib import Path

TIMES = {"seconds", "cpu_seconds", "latency_seconds", "seconds_to_selected", "peak_memory_bytes"}


def timeless(path: Path) -> str:
    """The text of a file of a run, without times and the checksums that depend on them."""

    def clean(value):
        if isinstance(value, dict):
            return {
                key: clean(part)
                for key, part in value.items()
                if key not in {*TIMES, "sha256", "lines_sha256", "answer_sha256"}
                or (key == "sha256" and "function" in value)  # a digest of data
            }
        return [clean(part) for part in value] if isinstance(value, list) else value

    if path.suffix != ".jsonl":
        return path.read_text(errors="replace")
    return "\n".join(json.dumps(clean(json.loads(line))) for line in path.read_text().splitlines())


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): timeless(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def in_any_order(folder: Path) -> dict[str, list[str]]:
    """The lines of the files of a run, without times; jobs end in any order."""
    return {name: sorted(text.splitlines()) for name, text in files(folder).items()}
