"""What to do about a file follows from what the system said of it."""

import errno
import os
import re

import pytest

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.runs.files import writing

FITS = [
    (errno.ENOSPC, "free some space there, or name another"),
    (errno.EDQUOT, "free some space there, or name another"),
    (errno.EFBIG, "raise the limit on the size of files (ulimit -f), or name another"),
    (errno.EACCES, "change the permissions, or name another"),
    (errno.EPERM, "change the permissions, or name another"),
    (errno.EROFS, "nothing can be written there; name another"),
    (errno.ENAMETOOLONG, "give a shorter name, or name another"),
    (errno.EISDIR, "that is a folder; name another"),
    (errno.ENOTDIR, "FILE is a file, not a folder; name another"),
    (errno.EEXIST, "FILE is a file, not a folder; name another"),
    (errno.ENOENT, "name another"),
    (errno.EIO, "name another"),
]


@pytest.mark.parametrize(("number", "said"), FITS, ids=[errno.errorcode[one] for one, _ in FITS])
def test_advice_fits_the_error(tmp_path, number, said):
    file = tmp_path / "file"
    file.touch()
    error = OSError(number, os.strerror(number))
    assert advice(error, file / "a" / "b", "name another") == said.replace("FILE", str(file))


def test_a_file_that_is_written_needs_its_folder(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    place = tmp_path / "missing" / "rule.json"
    make = f"make the folder {place.parent}, or name another"
    assert advice(error, place, "name another", written=True) == make
    assert advice(error, place, "name another") == "name another"
    assert advice(error, tmp_path / "x", "name another", written=True) == "name another"
    with pytest.raises(InputError, match=re.escape(f"{make} place.")), writing(place):
        place.write_text("")


def test_a_folder_that_exists_is_not_called_a_file(tmp_path):
    error = FileExistsError(errno.EEXIST, "File exists")
    assert advice(error, tmp_path, "name another") == "name another"


ONE = ("--functions", "fn_a", "--lengths", 20, "--train-size", 20, "--val-size", 20)
LONG = "x" * 300
REAL = [
    (("data", *ONE, "--dataset-dir", "file"), "file is a file, not a folder; choose another f"),
    (("data", *ONE, "--dataset-dir", "file/a/b"), "file is a file, not a folder; choose another"),
    (("data", *ONE, "--dataset-dir", LONG), "give a shorter name, or choose another folder"),
    (("enumerate", *ONE, "--out-dir", "file"), "file is a file, not a folder; name another place"),
    (("enumerate", *ONE, "--out-dir", LONG), "give a shorter name, or name another place"),
    (("verify", "folder", "file"), "that is a folder; name a Python file"),
    (("verify", "file/f.py", "file"), "file is a file, not a folder; name a Python file"),
    (("data", "--task-file", "folder"), "that is a folder; name a Python file"),
    (("sweep", "folder"), "that is a folder; name a YAML file"),
    (("synthesize", "--answers", "folder"), "that is a folder; name a file that holds a JSON list"),
]


@pytest.mark.parametrize(("words", "said"), REAL, ids=[said for _, said in REAL])
def test_the_commands_give_it(invoke, tmp_path, words, said):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    done = invoke(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "space" not in done.stderr
