"""A task of your own: is one letter a strict majority? Nothing of llm-erm is imported.

    llm-erm synthesize --task-file examples/my_task.py --lengths 20

``rng`` is a numpy RandomState and the only randomness to use, so that the same seed gives the same
data. Without the argument ``label``, sample(rng, length) may return inputs of either label; both
classes are then found by drawing until there are enough. Where sample repeats itself, results have
no certificate, unless the file says ``uniform = True``: all inputs of a class are equally likely.
"""

name = "majority_a"
kind = "text"
description = "more than half of the letters are a"
lengths = (20, 30, 50)


def rule(x):
    return 1 if 2 * x.count("a") > len(x) else 0


def sample(rng, length, label):
    share = 0.65 if label else 0.45
    return "".join("a" if draw < share else "b" for draw in rng.random_sample(length))
