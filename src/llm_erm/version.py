"""The version of this package, which is part of every run's settings."""

VERSION = "0.2.0"
