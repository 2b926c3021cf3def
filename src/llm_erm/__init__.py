"""Learn short programs from a few labelled examples: a language model proposes, data decides."""
