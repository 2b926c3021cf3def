"""`python -m llm_erm.enumeration` compiles the search ahead of its first use."""

from llm_erm.enumeration.method import prepare

if __name__ == "__main__":
    prepare()
