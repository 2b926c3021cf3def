"""Sentences on answers that arrived but are not what they seem, for any kind of learning."""

import re
from collections.abc import Collection

from llm_erm.llms.llm import Completion

DIGITS_PER_TOKEN = 4
"""Tokenizers make at most about 3.7 digits of a random string one token: those of current models
one or three, older ones 2.8 (GPT-3) to 3.7 (Claude 2) on average."""
OTHER_BYTES_PER_TOKEN = 10
"""English words of nine letters come to about 7 bytes per token."""
_CONTEXTS = (2048, 4096, 8192, 16_384, 32_768)
"""Sizes of contexts that people do not choose."""
_RUNS = re.compile(r"(.)\1{3,}", re.DOTALL)


def cut_prompt(prompt: str, completion: Completion) -> str | None:
    """Returns a warning if the server read fewer tokens than any tokenizer makes of the prompt.

    Ollama, for one, cuts a prompt to its context without a word, and then reports the size of the
    context, which a whole prompt has once in a thousand times at most. Runs of one character, which
    some tokenizers make a single token, hardly count. A server that leaves out what it found in its
    cache counts too few tokens as well, so this is for the first answer to a prompt.

    Args:
        prompt: The prompt that was sent.
        completion: The answer.
    """
    read = completion.usage.prompt_tokens
    least = fewest_tokens(prompt)
    if 0 < read < least:
        why = f"has {least:,} or more"
    elif read in _CONTEXTS:
        why = "is just what fits into a usual context"
    else:
        return None
    return (
        f"The server read {read:,} tokens of a prompt of {len(prompt.encode()):,} bytes, which "
        f"{why}, so it has probably cut the prompt; give the model a longer context (for Ollama: "
        "start its server with OLLAMA_CONTEXT_LENGTH=32768), or use fewer or shorter examples."
    )


def could_read(name: str, *, hidden: bool = False) -> str:
    """Returns a notice on a model that could read the files of the data, or of the run.

    Args:
        name: The model.
        hidden: Whether no file holds the data while the model is asked.
    """
    if hidden:
        return (
            f"{name} could read the run's folder, which tells how its earlier programs did on the "
            "validation examples; the bound from these holds only if it did not."
        )
    return (
        f"{name} could read the files of the data, and bounds hold only if it read neither "
        "validation nor test examples; hide the data (--hide-data) to keep these out of files."
    )


def fewest_tokens(text: str) -> int:
    """Returns the smallest number of tokens that a tokenizer may make of a text."""
    kept = _RUNS.sub(r"\1\1\1", text)
    digits = sum(map(str.isdigit, kept))
    return digits // DIGITS_PER_TOKEN + (len(kept.encode()) - digits) // OTHER_BYTES_PER_TOKEN


def only_thoughts(completions: Collection[Completion]) -> str | None:
    """Returns a sentence on the answers that hold thoughts and no other text, or None."""
    count = sum(completion.only_thoughts for completion in completions)
    if not count:
        return None
    return (
        f"{count} of {len(completions)} answers {'has' if count == 1 else 'have'} no text besides "
        "thoughts (reasoning_content); allow more output tokens, or set the server so that it "
        "separates thoughts from answers in this model's way."
    )
