"""What to do about a file or folder that cannot be read or written."""

import errno
from pathlib import Path


def advice(error: OSError, place: Path, otherwise: str, *, written: bool = False) -> str:
    """Returns what to do next, as the end of a sentence without its full stop.

    Args:
        error: What the system said.
        place: The file or folder that it said it of.
        otherwise: What helps in any case, such as ``name another folder``.
        written: Whether the file was to be written, and not to be read.
    """
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"free some space there, or {otherwise}"
        case errno.EFBIG:
            return f"raise the limit on the size of files (ulimit -f), or {otherwise}"
        case errno.EACCES | errno.EPERM:
            return f"change the permissions, or {otherwise}"
        case errno.EROFS:
            return f"nothing can be written there; {otherwise}"
        case errno.ENAMETOOLONG:
            return f"give a shorter name, or {otherwise}"
        case errno.EISDIR:
            return f"that is a folder; {otherwise}"
        case errno.ENOENT if written and not place.parent.exists():
            return f"make the folder {place.parent}, or {otherwise}"
        case errno.ENOTDIR | errno.EEXIST if (file := _in_the_way(place)) is not None:
            return f"{file} is a file, not a folder; {otherwise}"
    return otherwise


def _in_the_way(place: Path) -> Path | None:
    """Returns what is no folder though it should be: the path, or one that it leads through."""
    paths = (place, *place.parents)
    return next((path for path in paths if path.exists() and not path.is_dir()), None)
