"""LLM-ERM: a language model proposes programs, held-out data chooses among them."""
