"""What the tests of training share."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_erm.llms import weights
from llm_erm.tasks.task import Splits
from small_training import splits

torch = pytest.importorskip("torch", reason="training needs torch")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small matrices gain nothing from a second thread, and two that wait for each other lose."""
    torch.set_num_threads(1)


@pytest.fixture
def parity(tmp_path: Path) -> Splits:
    """Twenty training and forty test examples of fn_a at length 20."""
    return splits("fn_a", tmp_path)


@pytest.fixture(scope="session")
def read_once() -> Iterator[None]:
    """Reading a GGUF file takes seconds, and transformers reads it for each thing that it needs."""
    import gguf

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GGUFReader", "get_tensor_name_map"):
            patch.setattr(gguf, name, functools.cache(getattr(gguf, name)))
        yield


@pytest.fixture(scope="session")
def embedded_tokenizer(read_once):
    """The tokenizer in the embedded model's GGUF file."""
    from transformers import AutoTokenizer

    path = weights.embedded()
    return AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
