"""Learn short programs from a few labelled examples: a language model proposes, data decides."""

__version__ = "0.1.0"
