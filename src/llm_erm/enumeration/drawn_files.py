"""Writes drawn tasks as task files."""

from collections.abc import Sequence
from pathlib import Path

from llm_erm.advice import advice
from llm_erm.enumeration.drawing import DrawnTask
from llm_erm.errors import InputError
from llm_erm.runs.files import replace, writing


def write_tasks(tasks: Sequence[DrawnTask], folder: Path) -> list[Path]:
    """Writes one task file per task into a folder and returns their paths.

    Files that already hold these tasks stay as they are.

    Raises:
        InputError: A file of that name holds something else; then nothing is written. Or the
            folder cannot be written.
    """
    sources = {folder / f"{task.name}.py": task.source.encode() for task in tasks}
    new = {path: source for path, source in sources.items() if not _holds(path, source)}
    with writing(folder, "out_dir"):
        folder.mkdir(parents=True, exist_ok=True)
    for path, source in new.items():
        with writing(path, "out_dir"):
            replace(path, source.decode())
    return list(sources)


def _holds(path: Path, source: bytes) -> bool:
    """Returns whether a file holds a task; False if there is no such file.

    Raises:
        InputError: It holds something else, or cannot be read.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; {advice(error, path, 'name another folder')}.",
            setting="out_dir",
        ) from error
    if found != source:
        raise InputError(
            f"{path} holds another task, and would be overwritten; name another folder, or delete "
            "that file.",
            setting="out_dir",
        )
    return True
