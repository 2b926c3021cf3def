"""`python -m llm_erm` is `llm-erm`."""

from llm_erm.cli.main import main

if __name__ == "__main__":
    main()
