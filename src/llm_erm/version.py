"""The version of this package, which every run's settings name."""

VERSION = "0.2.0"
