"""Where a command writes what it finds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError
from llm_erm.journal import writing


def run_folder(out_dir: Path | None, command: str, settings: Mapping[str, Any]) -> Path:
    """Returns the folder asked for, or else one whose name is a digest of the settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return out_dir or Path("runs") / f"{command}-{digest[:10]}"


def check_files(places: Mapping[str, Path | None]) -> None:
    """Fails before anything is paid for where a result file could not be written later.

    Args:
        places: The files by the flags that name them.

    Raises:
        InputError: Two flags name one file, or a file cannot be written.
    """
    given = {flag: path for flag, path in places.items() if path is not None}
    if len({path.resolve() for path in given.values()}) < len(given):
        raise InputError(f"{', '.join(given)} must name different files.")
    for flag, path in given.items():
        if path.is_dir():
            raise InputError(f"{flag} is {path}, a folder; name a file.")
        with writing(path, flag):
            path.parent.mkdir(parents=True, exist_ok=True)
            probe = path.with_name(path.name + ".part")
            try:
                probe.write_bytes(b" " * 4096)
            finally:
                probe.unlink(missing_ok=True)
