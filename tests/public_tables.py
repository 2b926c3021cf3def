"""Made-up tables in the formats in which the UCI repository and OpenML publish the real ones."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path
from urllib.request import Request

from numpy.random import RandomState

from llm_erm.tasks.uci import Source

Row = tuple[Sequence[str], str]
"""The values of the inputs, and the label as published."""


def rows_of(source: Source, count: int, *, seed: int = 0, shares: float = 0.5) -> list[Row]:
    """Random rows: numbers with a fraction, categories of one letter."""
    rng = RandomState(seed)
    yes, no = (
        next(text for text, label in source.forms[0].labels.items() if label == wanted)
        for wanted in (1, 0)
    )
    return [
        (
            [
                f"{rng.randint(0, 4000) / 8}" if column in source.numeric else "abc"[rng.randint(3)]
                for column in range(len(source.columns))
            ],
            yes if rng.random_sample() < shares else no,
        )
        for _ in range(count)
    ]


def write_adult(folder: Path, train: Sequence[Row], test: Sequence[Row] = ()) -> None:
    lines = [", ".join([*values, label]) for values, label in train]
    (folder / "adult.data").write_text("\n".join([*lines, "", ""]))
    lines = [", ".join([*values, f"{label}."]) for values, label in test]
    (folder / "adult.test").write_text("\n".join(["|1x3 Cross validator", *lines, ""]))


def delimited(source: Source, rows: Sequence[Row], form: int = 0) -> str:
    """A file whose first line names the columns, the target first."""
    known = source.forms[form]
    header = [known.target, *source.columns]
    lines = [header, *([label, *values] for values, label in rows)]
    return "".join(known.delimiter.join(line) + "\r\n" for line in lines)


def bare(rows: Sequence[Row], between: str = "") -> str:
    """A file without names of columns; the chess archive has one more column before the class."""
    return "".join(",".join([*values, *between, label]) + "\n" for values, label in rows)


def archive(members: Mapping[str, bytes | str]) -> bytes:
    """A zip archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return data.getvalue()


class Sent(io.BytesIO):
    """A response of a server."""

    def info(self) -> Message:
        return Message()


class OpenML:
    """Stands in for ``urlopen`` in scikit-learn; sends one table as OpenML does."""

    def __init__(self, source: Source, rows: Sequence[Row], without: str = "") -> None:
        columns = [name for name in source.columns if name != without]
        kept = [place for place, name in enumerate(source.columns) if name != without]
        kinds = {
            name: "numeric" if place in source.numeric else "nominal"
            for place, name in zip(kept, columns, strict=True)
        } | {"class": "nominal"}
        texts = [[*(values[place] for place in kept), label] for values, label in rows]
        self.arff = _arff(kinds, texts)
        self.features = [
            {
                "index": str(index),
                "name": name,
                "data_type": kind,
                "is_target": json.dumps(name == "class"),
                "is_ignore": "false",
                "is_row_identifier": "false",
                "number_of_missing_values": "0",
            }
            for index, (name, kind) in enumerate(kinds.items())
        ]
        self.rows = len(rows)

    def __call__(self, request: Request, *_: object, **__: object) -> Sent:
        url = request.full_url
        if "/data/features/" in url:
            return _json({"data_features": {"feature": self.features}})
        if "/data/qualities/" in url:
            quality = [{"name": "NumberOfInstances", "value": str(self.rows)}]
            return _json({"data_qualities": {"quality": quality}})
        if "/json/data/" in url:
            md5 = hashlib.md5(self.arff.encode(), usedforsecurity=False).hexdigest()
            known = {"id": "1", "name": "made", "version": "1", "format": "ARFF"}
            known |= {"status": "active", "file_id": "5", "md5_checksum": md5}
            known |= {"description": "made up", "url": "https://openml.test/data/made.arff"}
            return _json({"data_set_description": known})
        return Sent(self.arff.encode())


def _json(value: object) -> Sent:
    return Sent(json.dumps(value).encode())


def _arff(kinds: dict[str, str], texts: Sequence[Sequence[str]]) -> str:
    lines = ["@relation made"]
    for place, (name, kind) in enumerate(kinds.items()):
        words = sorted({text[place] for text in texts} - {"?"}, reverse=True)
        values = "numeric" if kind == "numeric" else "{" + ",".join(words) + "}"
        lines.append(f"@attribute {name} {values}")
    return "\n".join([*lines, "@data", *map(",".join, texts), ""])
