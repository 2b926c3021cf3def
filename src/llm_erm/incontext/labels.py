"""Reads the label from the text of an answer."""

import json
import re

from llm_erm.llms.thoughts import without_thoughts

_DECODER = json.JSONDecoder()
_OBJECT = re.compile(r"\{")
_TRIES = 1000
"""Maximum number of opening braces tried, from the end, since an answer may consist of braces."""


def label_of(text: str) -> int | None:
    """Returns the label that an answer states, or None.

    As published, the label is that of a JSON object with the key ``label`` anywhere in the text;
    without one, the whole text must be 0 or 1, possibly in quotes. If there are several objects,
    the last one counts, even if its label is not valid. Thoughts are not part of the answer, and
    one that does not end leaves none.
    """
    answer = without_thoughts(text)
    return None if answer is None else _label_in(answer)


def _label_in(text: str) -> int | None:
    starts = [match.start() for match in _OBJECT.finditer(text)]
    for start in starts[: -_TRIES - 1 : -1]:
        try:
            value, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if "label" in value:
            return _as_label(value["label"])
    return _as_label(text.strip().strip("'\"`"))


def _as_label(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return {"0": 0, "1": 1}.get(str(value).strip())
