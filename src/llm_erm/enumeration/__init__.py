"""Length-first search for programs without a language model."""
