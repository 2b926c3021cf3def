"""The task suite: rules, samplers, contrast sets and splits on disk."""
