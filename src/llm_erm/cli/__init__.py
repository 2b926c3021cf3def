"""The command line: the one room that reads the environment and prints."""
