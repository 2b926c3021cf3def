"""A model that reads its answers from a list: for tests and demonstrations."""

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM, Completion, Request


class ScriptedLLM(LLM):
    """Answers sample i with the i-th text of a list, and every later sample with the last one.

    Args:
        answers: The answers, at least one.
        name: What follows ``scripted:`` in the model's name.

    Raises:
        InputError: The list is empty.
    """

    def __init__(self, answers: Sequence[str], name: str = "answers") -> None:
        if not answers:
            raise InputError("A scripted model needs answers; give it at least one text.")
        self._answers = tuple(answers)
        self._name = f"scripted:{name}"

    @classmethod
    def from_file(cls, path: Path) -> "ScriptedLLM":
        """Returns the model that answers with the texts in a JSON file.

        Raises:
            InputError: The file cannot be read or is not a JSON list of strings.
        """
        try:
            answers = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise InputError(
                f"The answers in {path} cannot be read ({error.strerror or error}); "
                f"{advice(error, path, 'name a file that holds a JSON list of strings')}."
            ) from error
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path} is not valid JSON ({error}); "
                "a scripted model needs a JSON list of strings."
            ) from error
        if not isinstance(answers, list) or not all(isinstance(text, str) for text in answers):
            raise InputError(
                f"{path} is not a JSON list of strings; a scripted model needs one, "
                'for example ["def f(x): return 1"].'
            )
        if not answers:
            raise InputError(
                f"The list of answers in {path} is empty; give it at least one string."
            )
        return cls(answers, path.name)

    @property
    def name(self) -> str:
        """``scripted:`` and the name of the file the answers came from."""
        return self._name

    @property
    def described(self) -> object:
        """The name, and a digest of the texts."""
        digest = hashlib.sha256(json.dumps(self._answers).encode()).hexdigest()
        return {"name": self._name, "answers_sha256": digest}

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the texts for ``request.indices``; costs nothing."""
        for index in request.indices:
            text = self._answers[min(index, len(self._answers)) - 1]
            yield Completion(index=index, text=text, cost_usd=0.0)
