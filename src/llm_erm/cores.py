"""How many processor cores this process may use."""

import os
import sys


def usable_cores() -> int:
    """Returns the number of cores this process may run on; at least 1."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
