"""The task suite: rules, samplers, probes and splits on disk."""
