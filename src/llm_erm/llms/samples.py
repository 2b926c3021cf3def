"""Samples in progress, which a stream of llama.cpp fills."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_erm.llms.llm import Completion, FinishReason, PromptRead, Tell, Usage, Written

TELL_SECONDS = 1.0
"""Time between two times that a model tells how much it has written."""


@dataclass
class Sample:
    """One answer in progress."""

    pieces: list[str] = field(default_factory=list)
    finish_reason: FinishReason = "length"
    usage: Usage = field(default_factory=Usage)

    def completion(self, index: int, seconds: float, more_drawn: bool) -> Completion:
        """Returns the answer as it is now."""
        return Completion(
            index=index,
            text="".join(self.pieces),
            usage=self.usage,
            latency_seconds=seconds,
            finish_reason=self.finish_reason,
            cost_usd=0.0,
            more_drawn=more_drawn,
        )


Drawn = tuple[list[Sample], float]
"""Samples that were drawn together, and the seconds that took."""


class Collector:
    """Distributes the model's stream to the samples; returning True ends the stream."""

    def __init__(
        self, samples: list[Sample], stop: threading.Event, tell: Tell, max_tokens: int
    ) -> None:
        self._samples = samples
        self._stop = stop
        self._tell = tell
        self._most = len(samples) * max_tokens
        self._tokens = 0
        self._told = 0.0
        self._ended = samples[0]

    def __call__(self, chunk: Mapping[str, Any]) -> bool:
        """Takes a part of the stream."""
        for choice in chunk["choices"]:
            sample = self._samples[choice["index"]]
            text = choice["text"] if "text" in choice else choice["delta"].get("content")
            sample.pieces.append(text or "")
            self._tokens += 1
            if choice["finish_reason"] is not None:
                sample.finish_reason = "stop" if choice["finish_reason"] == "stop" else "length"
                self._ended = sample
        if (read := chunk.get("prompt_progress")) is not None:
            known = read["cache"]
            self._tell(PromptRead(read["processed"] - known, read["total"] - known))
        elif self._most > 1 and (now := time.monotonic()) >= self._told + TELL_SECONDS:
            self._told = now
            self._tell(Written(min(self._tokens, self._most - 1), self._most))
        if "usage" in chunk:  # with a sample's last chunk, or right after it
            usage = chunk["usage"]
            self._ended.usage = Usage(
                prompt_tokens=usage["prompt_tokens"],
                cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
                completion_tokens=usage["completion_tokens"],
            )
        return self._stop.is_set()
