"""Reads the folders of runs and sets methods beside each other, in tables and pictures."""
