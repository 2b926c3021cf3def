"""Checks the files that a command is asked to write."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import FILES, is_special, writing

_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
"""Where a process prints to; if that is redirected to a file, the file must not be replaced."""


def check_files(places: Mapping[str, Path | None], out_dir: Path | None) -> None:
    """Checks that result files can be written, before the run costs anything; leaves nothing.

    Args:
        places: The files, by the flags that name them.
        out_dir: The run's folder, if one is given.

    Raises:
        InputError: Two flags name the same file, a flag names a file that a run resumes from, or a
            file cannot be written.
    """
    given = {flag: path for flag, path in places.items() if path is not None}
    files = [path.resolve() for path in given.values() if not is_special(path)]
    if len(set(files)) < len(files):
        raise InputError(f"{', '.join(given)} must name different files.")
    for flag, path in given.items():
        if path.is_dir():
            raise InputError(f"{flag} is {path}, a folder; name a file.")
        if str(path.absolute()).startswith(_STREAMS):
            raise InputError(f"{flag} is {path}, which other output goes to; name a file.")
        target = path.resolve()
        if target.name in FILES and _is_run(target.parent, out_dir):
            raise InputError(f"{flag} is {path}, which a run needs to resume; name another file.")
        if is_special(path):
            if path.is_socket() or path.is_block_device():
                raise InputError(f"{flag} is {path}, a socket or a disk; name a file.")
            continue
        with writing(path, flag.removeprefix("--").replace("-", "_")):
            missing = [folder for folder in target.parents if not folder.exists()]
            probe = target.with_name(target.name + ".part")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                probe.write_bytes(b" " * 4096)
            finally:
                with suppress(OSError):  # without a folder, there is none
                    probe.unlink()
                for folder in missing:
                    with suppress(OSError):  # it was not made, or another process uses it
                        folder.rmdir()


def refuse_inputs(out: Path | None, *inputs: Path, out_dir: Path | None = None) -> None:
    """Checks that a file can be written, and is none of those that are read.

    Args:
        out: The file; None if none is written.
        inputs: What is read.
        out_dir: The run's folder, if one is given.

    Raises:
        InputError: It cannot be written, or is one of them.
    """
    if out is None:
        return
    for path in inputs:
        if not is_special(path) and path.resolve() == out.resolve():
            raise InputError(f"{out} is what is read; name another file.", setting="out")
    check_files({"--out": out}, out_dir)


def _is_run(folder: Path, out_dir: Path | None) -> bool:
    """Returns whether a folder holds a run, or will hold one."""
    if out_dir is not None and folder == out_dir.resolve():
        return True
    found = {name for name in FILES if (folder / name).exists()}
    return "settings.json" in found and len(found) > 1
