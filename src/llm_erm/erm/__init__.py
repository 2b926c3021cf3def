"""Shared by all searches over programs: verification, selection and bounds on the error."""
