"""What a Python process of ours needs from the environment of the one that starts it."""

import os

NEEDED = ("PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def needed_environment() -> dict[str, str]:
    """Returns the variables without which some interpreters do not start, and no others."""
    # They say where the interpreter lies, and nothing that shapes a result.
    return {name: os.environ[name] for name in NEEDED if name in os.environ}  # noqa: TID251
