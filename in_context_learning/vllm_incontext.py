"""The published command for in-context learning; README.md beside this file says what it does."""

try:
    from llm_erm.cli.published import incontext
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: run `make setup`, then this with .venv/bin/python") from None

if __name__ == "__main__":
    incontext(__file__)
