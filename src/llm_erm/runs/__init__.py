"""Runs of any method over many data sets: one folder, one runner, one way to watch."""
