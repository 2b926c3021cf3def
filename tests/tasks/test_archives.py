"""The public tables are read as the UCI repository and OpenML publish them, or refused in words."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import sklearn.datasets._openml as openml
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from llm_erm.errors import InputError
from llm_erm.tasks import archives, uci, unpacking
from llm_erm.tasks.archives import RawTable, read_table
from llm_erm.tasks.uci import Source
from public_tables import OpenML, Sent, archive, bare, delimited, rows_of, write_adult

FOLDER_FLAG = "tables_dir"


def rows(table: RawTable) -> list[tuple[object, ...]]:
    columns = [[column.values[code] for code in column.codes] for column in table.columns]
    return list(zip(*columns, table.labels.tolist(), strict=True))


def with_rows(source: Source, count: int) -> Source:
    return replace(source, rows=count)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[object], None]:
    """Sets what answers scikit-learn's requests to OpenML."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(openml.time, "sleep", lambda seconds: None)
    return lambda answer: monkeypatch.setattr(openml, "urlopen", answer)


def test_adult_is_both_files_together(tmp_path):
    rich = (["39", "?", "1.5", "a", "7", *"bcdef", "0", "0", "40", "h"], ">50K")
    poor = (["9", "x", "77", "a", "7", *"bcdef", "1", "0", "40", ""], "<=50K")
    write_adult(tmp_path, [rich, poor, rich], [poor])
    table = read_table(with_rows(uci.ADULT, 4), tmp_path)

    one = (9.0, "x", 77.0, "a", 7.0, *"bcdef", 1.0, 0.0, 40.0, "?", 0)  # nothing is missing too
    other = (39.0, "?", 1.5, "a", 7.0, *"bcdef", 0.0, 0.0, 40.0, "h", 1)
    assert sorted(rows(table), key=str) == [other, other, one, one]
    assert table.columns[0].values == (9.0, 39.0)
    assert table.columns[1].values == ("?", "x")


def test_the_order_of_the_rows_does_not_depend_on_that_of_the_files(tmp_path):
    made = rows_of(uci.ADULT, 60)
    tables = []
    for name, order in (("one", made), ("other", made[::-1])):
        (tmp_path / name).mkdir()
        write_adult(tmp_path / name, order[:25], order[25:])
        tables.append(rows(read_table(with_rows(uci.ADULT, 60), tmp_path / name)))

    assert tables[0] == tables[1]
    assert len(set(tables[0])) == 60


@pytest.mark.parametrize("source", [uci.ADULT, uci.CHESS], ids=["adult", "chess"])
def test_openml_has_the_same_table(source, tmp_path, fetched):
    made = rows_of(source, 40)
    made[3] = (["?" if cell == "a" else cell for cell in made[3][0]], made[3][1])
    write_adult(tmp_path, made)
    (tmp_path / "kr-vs-kp.data").write_text(bare(made, between="x"))
    fetched(OpenML(source, made))
    source = with_rows(source, 40)

    assert rows(read_table(source, None)) == rows(read_table(source, tmp_path))


def test_chess_has_the_first_35_of_its_columns(tmp_path):
    (tmp_path / "kr-vs-kp.data").write_text(
        "".join([*["t,"] * 35, "f,won\n", *["f,"] * 36, "nowin"])
    )
    table = read_table(with_rows(uci.CHESS, 2), tmp_path)

    assert rows(table) == [(*"f" * 35, 0), (*"t" * 35, 1)]


def test_mushrooms_are_found_in_an_archive_within_an_archive(tmp_path):
    made = rows_of(uci.MUSHROOM, 5)
    inner = archive({"MushroomDataset/secondary_data.csv": delimited(uci.MUSHROOM, made)})
    whole = tmp_path / "secondary+mushroom+dataset.zip"
    whole.write_bytes(archive({"readme.txt": "", "MushroomDataset.zip": inner}))
    source = with_rows(uci.MUSHROOM, 5)
    found = rows(read_table(source, tmp_path))

    assert sorted(label for *_, label in found) == sorted(int(label == "e") for _, label in made)
    assert (
        read_table(source, whole).columns[0].values
        == read_table(source, tmp_path).columns[0].values
    )


def test_prediabetes_counts_as_no(tmp_path):
    values = ["1.0"] * 21
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    binary, three = ([(values, f"{label}.0") for label in labels] for labels in ("001", "012"))
    (tmp_path / "one" / uci.DIABETES.forms[0].files[0]).write_text(delimited(uci.DIABETES, binary))
    (tmp_path / "other" / uci.DIABETES.forms[1].files[0]).write_text(
        delimited(uci.DIABETES, three, form=1)
    )
    source = with_rows(uci.DIABETES, 3)

    for folder in ("one", "other"):
        assert read_table(source, tmp_path / folder).labels.tolist() == [0, 0, 1]


def test_pulsars_are_the_same_in_both_formats(tmp_path):
    made = rows_of(uci.HTRU2, 30)
    (tmp_path / "csv").mkdir()
    (tmp_path / "arff").mkdir()
    (tmp_path / "csv" / "HTRU_2.csv").write_text(bare(made).replace("\n", "\r"))
    (tmp_path / "arff" / "HTRU_2.arff").write_text(
        "% made up\n@relation x\n@attribute a numeric\n@data\n" + bare(made)
    )
    source = with_rows(uci.HTRU2, 30)

    assert rows(read_table(source, tmp_path / "csv")) == rows(read_table(source, tmp_path / "arff"))


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def in_place_of_the_folder(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("1,2\n")


THREE_PULSARS = with_rows(uci.HTRU2, 3)
PULSARS = bare(rows_of(uci.HTRU2, 3))
MUSHROOMS = delimited(uci.MUSHROOM, rows_of(uci.MUSHROOM, 3))
BAD: dict[str, tuple[Source, Callable[[Path], None], str]] = {
    "no file": (
        uci.HTRU2,
        lambda folder: None,
        "The files of HTRU2 are not in .*372/htru2.zip into a folder",
    ),
    "no folder": (uci.HTRU2, Path.rmdir, "There is no folder"),
    "a file": (
        uci.HTRU2,
        in_place_of_the_folder,
        "tables is neither a folder nor a zip archive; download",
    ),
    "one of two": (uci.ADULT, write("adult.data", ""), "has adult.data, but not adult.test"),
    "empty": (uci.HTRU2, write("HTRU_2.csv", "\n"), "HTRU_2.csv is empty"),
    "rows": (uci.HTRU2, write("HTRU_2.csv", PULSARS), "has 3 rows instead of the 17,898"),
    "another file": (
        uci.HTRU2,
        write("HTRU_2.csv", "a;b\n"),
        "HTRU_2.csv, line 1: 1 value instead of 9",
    ),
    "text": (
        THREE_PULSARS,
        write("HTRU_2.csv", "x" + PULSARS),
        "column Profile_mean: 'x.*' is no number",
    ),
    "infinite": (
        THREE_PULSARS,
        write("HTRU_2.csv", "inf" + PULSARS[PULSARS.index(",") :]),
        "column Profile_mean: 'inf' is no number",
    ),
    "label": (
        uci.HTRU2,
        write("HTRU_2.csv", PULSARS.strip()[:-1] + "7\n"),
        "column class: '7' is no label, such as 0 or 1",
    ),
    "lacking": (
        uci.MUSHROOM,
        write("secondary_data.csv", MUSHROOMS.replace("season", "weather")),
        "secondary_data.csv lacks the column season",
    ),
    "lacking many": (
        uci.MUSHROOM,
        write("secondary_data.csv", MUSHROOMS.replace(";", ",")),
        "lacks the columns cap-diameter, .* and 16 others",
    ),
    "no text": (uci.HTRU2, write("HTRU_2.csv", b"\xff1,2"), "HTRU_2.csv is no text in UTF-8"),
    "long cell": (
        uci.HTRU2,
        write("HTRU_2.csv", "1" * 200_000),
        # Who else sets csv's limit on a cell decides which.
        "HTRU_2.csv, line 1: (field larger than field limit|1 value instead of 9)",
    ),
    "archive": (uci.HTRU2, write("htru2.zip", b"PK\x03\x04no"), "htru2.zip is no zip archive"),
    "cut archive": (
        uci.MUSHROOM,
        write("m.zip", archive({"b.zip": b"PK"})),
        "b.zip in .*m.zip is no zip archive",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_the_table_is_refused_with_a_sentence(case, tmp_path):
    source, make, message = BAD[case]
    folder = tmp_path / "tables"
    folder.mkdir()
    make(folder)
    with pytest.raises(InputError, match=message) as raised:
        read_table(source, folder)

    assert str(raised.value).endswith(".")
    assert raised.value.setting in (FOLDER_FLAG, None)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_BYTES", 50)
    (tmp_path / "HTRU_2.csv").write_text("1" * 51)
    with pytest.raises(InputError, match="more than 50 bytes"):
        read_table(uci.HTRU2, tmp_path)
    (tmp_path / "HTRU_2.csv").unlink()
    (tmp_path / "x.zip").write_bytes(archive({"HTRU_2.csv": "1" * 51}))
    with pytest.raises(InputError, match="HTRU_2.csv in .*x.zip has more than 50 bytes"):
        read_table(uci.HTRU2, tmp_path)


def damaged(method: int) -> bytes:
    """An archive whose member cannot be decompressed."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as made:
        made.writestr("HTRU_2.csv", "0.5,1\n" * 1000)
    whole = bytearray(data.getvalue())
    start = 30 + len("HTRU_2.csv") + 9  # after the header, and what LZMA has before its data
    whole[start : start + 20] = b"\xff" * 20
    return bytes(whole)


def marked(changes: dict[int, int]) -> bytes:
    """An archive with other bytes in its member's entry of the directory."""
    whole = bytearray(archive({"HTRU_2.csv": "1"}))
    for place, byte in changes.items():
        whole[whole.index(b"PK\x01\x02") + place] = byte
    return bytes(whole)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (damaged(zipfile.ZIP_LZMA), ".+"),
        (damaged(zipfile.ZIP_BZIP2), "Invalid data stream"),
        (damaged(zipfile.ZIP_DEFLATED), "Bad CRC-32 .*"),
        (marked({8: 1}), ".*encrypted.*"),
        (marked({10: 99}), ".*compression method.*"),
        (marked({9: 8, 46: 0xFF}), ".*utf-8.*"),
    ],
    ids=["lzma", "bzip2", "deflate", "encrypted", "method", "name"],
)
def test_an_archive_that_cannot_be_unpacked_is_named(data, said, tmp_path):
    (tmp_path / "htru2.zip").write_bytes(data)
    with pytest.raises(
        InputError, match=rf"htru2.zip is no zip archive that can be read \({said}\); download"
    ):
        read_table(uci.HTRU2, tmp_path)


def test_archives_are_looked_into_no_deeper_than_one_within_another():
    once = archive({"inner.zip": archive({"x": "found"})})
    twice = archive({"outer.zip": once})

    assert unpacking.in_archive(io.BytesIO(once), "x", "a.zip") == b"found"
    assert unpacking.in_archive(io.BytesIO(twice), "x", "a.zip") is None


def test_archives_within_one_are_read_up_to_one_size_together(monkeypatch):
    other, last = archive({"y": "other"}), archive({"x": "found"})
    whole = archive({"1.zip": other, "2.zip": b"no archive" * 100, "3.zip": last})
    monkeypatch.setattr(unpacking, "MAX_BYTES", len(other) + len(last))
    assert unpacking.in_archive(io.BytesIO(whole), "x", "a.zip") == b"found"
    monkeypatch.setattr(unpacking, "MAX_BYTES", len(other) + len(last) - 1)
    assert unpacking.in_archive(io.BytesIO(whole), "x", "a.zip") is None


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def denied(self, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "HTRU_2.csv").touch()
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="Cannot read .*HTRU_2.csv: Permission denied; change"):
        read_table(uci.HTRU2, tmp_path)


OFFLINE = URLError(OSError(-2, "Name or service not known"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OFFLINE, "Name or service not known; download"),
        (HTTPError("https://x", 404, "Not Found", Message(), None), "HTTP Error 404: Not Found; "),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer; "),
        (IncompleteRead(b""), r"IncompleteRead\(0 bytes read\); "),
    ],
)
def test_without_a_network_it_says_where_the_files_are(error, said, fetched):
    def fail(*_: object) -> None:
        raise error

    fetched(fail)
    with pytest.raises(InputError, match=f"Cannot fetch adult income: .*{said}") as raised:
        read_table(uci.ADULT, None)

    assert "/static/public/2/adult.zip into a folder, so that it holds adult.data and" in str(
        raised.value
    )
    assert raised.value.setting == FOLDER_FLAG


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        (
            uci.MUSHROOM,
            lambda text: archive({"MushroomDataset.zip": archive({"secondary_data.csv": text})}),
        ),
        (uci.DIABETES, str.encode),
    ],
    ids=["archive", "file"],
)
def test_other_tables_are_downloaded_from_the_repository(source, sent, tmp_path, monkeypatch):
    made = [([*map(str.strip, values)], label) for values, label in rows_of(source, 6)]
    text = delimited(source, made)
    (tmp_path / source.forms[0].files[0]).write_text(text)
    asked = []

    def answer(address: str, timeout: float) -> Sent:
        asked.append(address)
        return Sent(sent(text))

    monkeypatch.setattr(archives, "urlopen", answer)
    source = replace(source, rows=6)

    assert rows(read_table(source, None)) == rows(read_table(source, tmp_path))
    assert asked == [source.address]
    assert source.address.startswith("https://")


def test_a_repository_out_of_reach_is_named(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OFFLINE

    monkeypatch.setattr(archives, "urlopen", fail)
    with pytest.raises(InputError, match="Cannot fetch HTRU2: .*not known; download .*htru2.zip"):
        read_table(uci.HTRU2, None)


def test_a_page_in_place_of_the_archive_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "urlopen", lambda *_, **__: Sent(b"<html>"))
    with pytest.raises(InputError, match="htru2.zip is no zip archive that can be read"):
        read_table(uci.HTRU2, None)


def test_another_table_at_openml_is_refused(fetched):
    fetched(OpenML(uci.ADULT, rows_of(uci.ADULT, 5)))
    with pytest.raises(InputError, match="OpenML's data set 1590 has 5 rows instead of the 48,842"):
        read_table(uci.ADULT, None)


def test_a_table_at_openml_without_a_column_is_refused(fetched):
    fetched(OpenML(uci.ADULT, rows_of(uci.ADULT, 5), without="fnlwgt"))
    with pytest.raises(InputError, match="OpenML's data set 1590 lacks the column fnlwgt"):
        read_table(uci.ADULT, None)


def test_numbers_are_sorted_as_numbers(tmp_path):
    values = ["10.5", "9", "-3", "100", "0", "1", "2", "3"]
    made = [([value] * 8, "0") for value in values]
    (tmp_path / "HTRU_2.csv").write_text(bare(made))
    column = read_table(with_rows(uci.HTRU2, 8), tmp_path).columns[0]

    assert column.values == (-3.0, 0.0, 1.0, 2.0, 3.0, 9.0, 10.5, 100.0)
    assert np.array(column.values)[column.codes].tolist() == list(column.values)


@limits(max_examples=150, deadline=None)
@given(
    st.sampled_from([uci.ADULT, uci.MUSHROOM, uci.DIABETES, uci.HTRU2, uci.CHESS]),
    st.sampled_from(["", ".zip"]),
    st.one_of(
        st.binary(max_size=80),
        st.text(alphabet="0.51,;?\"'\n\r\t@|epwon<=>K", max_size=200).map(str.encode),
        st.sampled_from([MUSHROOMS, PULSARS, PULSARS + "1"]).map(str.encode),
        st.sampled_from([archive({"HTRU_2.csv": "", "adult.data": "\0", "adult.test": "x"})]),
    ),
    st.integers(0, 40),
)
def test_whatever_the_files_hold_it_is_a_table_or_a_sentence(source, ending, data, cut):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file in source.forms[0].files:
            (folder / f"{file}{ending}").write_bytes(data[cut:] if cut < 20 else data)
        with pytest.raises(InputError, match=r"[.]$"):  # none has so many rows
            read_table(source, folder)
