"""Seeds derived by SHA-256 from what is drawn, so that they are the same in every process."""

import hashlib


def seed_from(text: str) -> int:
    """Returns a seed in [0, 2³¹): the first 8 bytes of the text's SHA-256, big-endian, masked."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") & 0x7FFFFFFF


def data_seed(fn: str, length: int, learning_size: int, test_size: int, seed: int) -> int:
    """Returns the derived seed of a data set, by the published formula.

    Args:
        fn: The task's id.
        length: Length of the inputs.
        learning_size: Number of training and validation examples together.
        test_size: Number of test examples.
        seed: The user's base seed.
    """
    return seed_from(f"{fn}|L={length}|train={learning_size}|test={test_size}|base_seed={seed}")


def trial_seed(seed: int, trial: int) -> int:
    """Returns the base seed of a trial; the first trial has the user's own.

    Args:
        seed: The user's base seed.
        trial: Number of the data set among those drawn independently, from 1.
    """
    return seed if trial == 1 else seed_from(f"{seed}|trial={trial}")
