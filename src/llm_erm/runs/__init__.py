"""Runs any method over many data sets: the same folder, runner and observers for all methods."""
