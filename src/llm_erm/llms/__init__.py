"""Language models with a common interface."""
