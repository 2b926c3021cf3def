"""The published command for training; README.md beside this file says what it does."""

try:
    from llm_erm.cli.published import training
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: run `make setup`, then this with .venv/bin/python") from None

if __name__ == "__main__":
    training(__file__)
