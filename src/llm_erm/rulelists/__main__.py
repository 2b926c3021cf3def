"""`python -m llm_erm.rulelists` compiles the search ahead of its first use."""

from llm_erm.rulelists.search import prepare

if __name__ == "__main__":
    prepare()
