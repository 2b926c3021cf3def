"""The published command for LLM-ERM; README.md beside this file says what it does."""

from llm_erm.cli.published import synthesis

if __name__ == "__main__":
    synthesis(__file__)
