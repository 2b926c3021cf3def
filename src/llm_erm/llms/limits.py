"""The limits among the settings of a model, whoever runs it."""

from typing import Any

from llm_erm.errors import InputError

MOST_CALLS = 1000
"""Maximum number of connections of the client libraries; further calls would wait there, while
their time limit runs."""

LONGEST_TIMEOUT_SECONDS = 10_000_000
"""Time limits must be below this: four months."""

MOST_TEMPERATURE = 10.0
"""No provider takes more; most of them refuse what is above 2, or above 1, themselves."""

_LEAST = {
    "concurrency": 1,
    "speculative": 1,
    "retries": 0,
    "threads": 1,
    "context_tokens": 1,
    "parallel": 1,
    "tensor_parallel_size": 1,
}


def check_limits(**limits: Any) -> None:  # noqa: ANN401 - numbers; None for those not set
    """Checks limits by their names, whether or not a model takes them.

    Raises:
        InputError: A limit is out of range.
    """
    given = {name: number for name, number in limits.items() if number is not None}
    for name in given.keys() & _LEAST.keys():
        if given[name] < _LEAST[name]:
            raise InputError(f"{name} is {given[name]}; give {_LEAST[name]} or more.", setting=name)
    if (calls := given.get("concurrency", 1)) > MOST_CALLS:
        raise InputError(
            f"concurrency is {calls}; give at most {MOST_CALLS}.", setting="concurrency"
        )
    if not 0 <= (temperature := given.get("temperature", 0.0)) <= MOST_TEMPERATURE:
        raise InputError(
            f"temperature is {temperature}; give a number from 0 to {MOST_TEMPERATURE:g}.",
            setting="temperature",
        )
    if not 0 < (top_p := given.get("top_p", 1.0)) <= 1:
        raise InputError(f"top_p is {top_p}; give a number above 0, up to 1.", setting="top_p")
    if not 0 < (seconds := given.get("timeout_seconds", 1.0)) < LONGEST_TIMEOUT_SECONDS:
        raise InputError(
            f"timeout_seconds is {seconds}; give a number above 0 and below "
            f"{LONGEST_TIMEOUT_SECONDS:,}.",
            setting="timeout_seconds",
        )
