"""The selected programs as files that need nothing of this package."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.phrases import sure
from llm_erm.records import Result
from llm_erm.runs.files import read_bytes, refuse_links, replace, writing
from llm_erm.runs.jobs import JobKey

PROGRAMS = "programs/*-L*-seed*.py"


def write_program(folder: Path, job: JobKey, result: Result) -> None:
    """Writes the selected program of a job, if there is one, into the folder of its run.

    Raises:
        InputError: The folder cannot be written, or the file would be elsewhere.
    """
    if result.program is not None:
        path = _place(folder, job)
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            replace(path, standalone(result), follow=False)


def mend_programs(folder: Path, results: Mapping[JobKey, Result]) -> Iterator[str]:
    """Writes program files again that are missing or have changed; says so of those that changed.

    Raises:
        InputError: A file cannot be read or written, or would be elsewhere.
    """
    for job, result in results.items():
        if result.program is None:
            continue
        path = _place(folder, job)
        wanted = standalone(result).encode("utf-8", errors="backslashreplace")
        there = b"a link" if path.is_symlink() else read_bytes(path, missing=b"")
        if there != wanted:
            write_program(folder, job, result)
            if there:
                yield f"{path} was not the program of its result; it is written again."


def _place(folder: Path, job: JobKey) -> Path:
    name = f"{job.file_name}.py"
    if Path(name).name != name:
        raise InputError(f"{name!r} is no file name, so {job.name!r} can be no job; rename it.")
    refuse_links(folder, ["programs"])
    return folder / "programs" / name


def standalone(result: Result) -> str:
    """Returns the selected program as a file that starts with comments on its accuracy.

    The comments hold names that others chose, such as that of a model. Whatever these contain, the
    file is the program that was verified: Python reads nothing but the program.
    """
    assert result.program is not None
    assert result.validation is not None
    test = result.test
    if test is None:
        accuracy = "none"
    else:
        accuracy = f"{test.accuracy:.4f}" if test.status == "ok" else f"none ({test.status})"
    data = result.data
    lines = [
        f"Program for {data.function} at length {data.length}, found by {result.method} "
        f"({result.model}).",
        f"Validation accuracy {result.validation.accuracy:.4f}, test accuracy {accuracy}.",
    ]
    if result.certificate is not None and (bound := result.certificate.validation) is not None:
        lines.append(
            f"Error at most {math.ceil(bound.error_upper_bound * 1e4) / 1e4} at "
            f"{sure(result.certificate.confidence)} confidence, if {bound.assumes}."
        )
        looks = result.certificate.all_looks
        if looks is not None and looks.number > 1 and looks.validation is not None:
            lines.append(
                f"Chosen among all results on the same data, of which it is number {looks.number}: "
                f"error at most {math.ceil(looks.validation * 1e4) / 1e4}."
            )
    if result.isolation is not None:
        lines.append(f"Isolation of the sandbox that ran it: {result.isolation}.")
    if result.method == "synthesis":
        lines.append(
            "The bound is for its answers in llm-erm's sandbox; it can tell where and when it runs."
        )
        lines.append("Written by a language model: read it before you run it outside a sandbox.")
    source = result.program.rstrip("\n")
    return "".join(comment(line) + "\n" for line in lines) + "\n" + source + "\n"


def comment(text: str) -> str:
    """Returns a text as one line of comment, which no character in it can end or give a meaning.

    In the first two lines of a file, Python takes ``coding:`` for the encoding of the whole file.
    """
    printable = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
    return "# " + re.sub("coding(?=[:=])", "coding ", printable)
