"""LLM-ERM: a language model proposes programs, and held-out data select one of them."""
