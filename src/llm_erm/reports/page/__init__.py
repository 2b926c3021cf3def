"""Writes one HTML file on runs and rules: what was learned, how, and how methods compare."""
