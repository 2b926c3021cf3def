"""The probability of a label, from what servers tell of the next token."""

import math
from collections.abc import Mapping
from typing import Any


def label_probability(choice: Mapping[str, Any]) -> float | None:
    """Returns the probability of label 1 relative to both, from the most probable next tokens.

    A label that is not among these tokens gets the probability of the least probable of them, which
    is an upper bound. The result is None if both labels are missing.

    Raises:
        ValueError: There are no probabilities.
    """
    try:
        listed = _listed(choice["logprobs"])
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("it has no probabilities of next tokens") from error
    labels = {"0": 0.0, "1": 0.0}
    for token, logprob in listed:
        if token.strip() in labels:
            labels[token.strip()] += math.exp(logprob)
    if not any(labels.values()):
        return None
    least = math.exp(min(logprob for _, logprob in listed))
    zero, one = (labels[label] or least for label in ("0", "1"))
    return one / (zero + one)


def _listed(logprobs: Any) -> list[tuple[str, float]]:  # noqa: ANN401 - the servers' forms differ
    """Returns the most probable next tokens with their log-probabilities."""
    if (content := logprobs.get("content")) is not None:  # in chats, and from llama.cpp's server
        return [(token["token"], token["logprob"]) for token in content[0]["top_logprobs"]]
    return list(logprobs["top_logprobs"][0].items())
