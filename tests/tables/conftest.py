"""Tables from texts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_erm.errors import InputError
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import load

Load = Callable[..., Labelled]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text or bytes to a file."""

    def written(data: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return written


@pytest.fixture
def read(write: Callable[..., Path]) -> Load:
    """Loads a text or bytes with target ``y``."""

    def loaded(data: str | bytes, target: str = "y", *, name: str = "data.csv", **options):
        return load(write(data, name), target, **options)

    return loaded


@pytest.fixture
def refusal(read: Load) -> Callable[..., str]:
    """Returns what loading a text or bytes is refused with."""

    def message(data: str | bytes, target: str = "y", **options) -> str:
        with pytest.raises(InputError) as caught:
            read(data, target, **options)
        return str(caught.value)

    return message
