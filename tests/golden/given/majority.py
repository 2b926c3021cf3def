name = "majority_a"
kind = "text"
description = "more than half of the letters are a"
lengths = (20, 30)


def rule(x):
    return 1 if 2 * x.count("a") > len(x) else 0


def sample(rng, length, label):
    share = 0.65 if label else 0.45
    return "".join("a" if draw < share else "b" for draw in rng.random_sample(length))
