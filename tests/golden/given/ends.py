kind = "binary"
lengths = (12,)


def rule(x):
    return int(x[0] == x[-1])


def sample(rng, length):
    return "".join(rng.choice(["0", "1"], size=length))
