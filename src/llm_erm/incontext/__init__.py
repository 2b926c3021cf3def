"""In-context learning: labelled examples and one query in a prompt, the label as the answer."""
