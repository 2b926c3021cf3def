"""How many calls can be in flight, since each needs an open file for its connection."""

import sys
from pathlib import Path

from llm_erm.cores import usable_cores

_OTHER_FILES = 24
"""For the journals and the data of a run, and the client libraries."""
_FILES_PER_CORE = 8
"""For the sandbox, which has a process per core."""


def calls_that_fit(calls: int) -> int:
    """Returns how many of these calls can be in flight at a time; at least 1.

    Raises this process's limit on open files as far as the calls need and the system permits.
    """
    if sys.platform == "win32":
        return calls
    import resource

    others = _open_files() + _OTHER_FILES + _FILES_PER_CORE * usable_cores()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= others + calls:
        return calls
    wanted = others + calls if hard == resource.RLIM_INFINITY else min(hard, others + calls)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, min(calls, wanted - others))


def _open_files() -> int:
    listed = Path("/dev/fd")  # on Linux and macOS
    return sum(1 for _ in listed.iterdir()) if listed.exists() else 0
