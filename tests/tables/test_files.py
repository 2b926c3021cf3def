"""Files: encodings, what is no table, and what the system does not let us read."""

import errno
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from llm_erm.errors import InputError
from llm_erm.tables.reading import load

TEXT = "größe,y\nä,nö\nb,yes\nä,nö\n"


def levels(loaded):
    return loaded.table.columns[0].name, loaded.table.columns[0].levels, loaded.schema.classes


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
        ("cp1252", "not UTF-8 (line 1), so it was read as Windows-1252"),
    ],
)
def test_every_encoding_gives_the_same_table_and_is_said_unless_it_is_utf8(read, encoding, said):
    loaded = read(TEXT.encode(encoding))
    assert levels(loaded) == ("größe", ("b", "ä"), ("nö", "yes"))
    heard = [notice for notice in loaded.notices if "read as" in notice]
    assert len(heard) == (said is not None)
    assert said is None or said in heard[0]


def test_bytes_that_windows_1252_lacks_are_latin_1(read):
    loaded = read(b"a,y\n\x81,no\nb,yes\n")
    assert loaded.table.columns[0].levels == ("b", "\x81")
    assert any("line 2" in notice and "Latin-1" in notice for notice in loaded.notices)


def test_a_file_that_is_not_utf8_far_down_is_read_whole(read):
    rows = "".join(f"{'ab'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(400_000))
    loaded = read(b"a,y\n" + rows.encode() + b"\xe9,no\n", max_rows=500_000)
    assert loaded.table.columns[0].levels == ("a", "b", "é")
    assert any("line 400002" in notice for notice in loaded.notices)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a,y\n1,n\0o\n", "line 2: a NUL character, so this is not a text file"),
        (b"PK\x03\x04rest", "is an Excel workbook or a zip archive"),
        (b"\x1f\x8brest", "is compressed with gzip"),
        (b"\xd0\xcf\x11\xe0rest", "is an old Excel workbook"),
        (b"SQLite format 3\0", "is an SQLite database"),
        ("a,y\n1,no\n".encode("utf-16") + b"\x00", "line 2: the text is not valid UTF-16"),
    ],
)
def test_what_is_no_text_is_refused_with_what_it_is(refusal, data, said):
    assert said in refusal(data)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="that is a folder; name a file that holds a table"):
        load(tmp_path, "y")


@pytest.mark.parametrize("name", ["none.csv", "x" * 5000, "a\0b"])
def test_a_path_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="Cannot read .*name a file that holds a table"):
        load(Path(f"{tmp_path}/{name}"), "y")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_refused(write):
    path = write("a,y\n1,no\n2,yes\n")
    path.chmod(0)
    with pytest.raises(InputError, match="Cannot read .*Permission denied; change the permissions"):
        load(path, "y")


def test_what_the_system_refuses_is_a_sentence(monkeypatch):
    def refused(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match="Cannot read .*Permission denied; change the permissions"):
        load("data.csv", "y")


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_a_device_is_refused():
    with pytest.raises(InputError, match="is not a file"):
        load("/dev/zero", "y")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("a,y\n1,no\n2,yes\n",))
    writer.start()
    loaded = load(path, "y")
    writer.join()
    assert loaded.table.columns[0].values.tolist() == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_that_finds_no_room_is_refused_with_the_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"",))
    writer.start()
    with pytest.raises(InputError) as caught:
        load(path, "y")
    writer.join()
    assert str(caught.value) == (
        f"Cannot copy {path} to {tempfile.gettempdir()}: No space left on device; free some space "
        "there, or save the table as a file, and name that."
    )
