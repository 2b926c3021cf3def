"""Judges the selected program on the held-out data, once, and writes the result of a search."""

import time
from typing import Any

from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import evaluate, failures
from llm_erm.records import Attempt, Result
from llm_erm.sandbox import BINARY, Limits, Outputs, Sandbox
from llm_erm.tasks.task import Splits


def result_of(
    splits: Splits,
    selected: Attempt | None,
    sandbox: Sandbox,
    limits: Limits,
    *,
    budget: int,
    confidence: float,
    started: float,
    outputs: Outputs = BINARY,
    code_bits: float | None = None,
    **more: Any,  # noqa: ANN401 - the other fields
) -> Result:
    """Returns the result of a search that is over.

    Args:
        splits: The data. What is held out is read now, after the selection.
        selected: The selected attempt; None if no program ran.
        sandbox: Where the program runs.
        limits: Limits of one execution.
        budget: Number of candidates, fixed beforehand.
        confidence: Confidence of the certificate.
        started: When the search started, on the monotonic clock.
        outputs: What counts as a label.
        code_bits: Length of the program in a code that does not depend on the data; None without.
        more: The fields of the result that depend on the method.
    """
    source = None if selected is None else selected.candidate.source
    test, contrast, elsewhere = evaluate(source, splits.reveal(), sandbox, limits, outputs)
    return Result(
        data=splits.key,
        examples=splits.examples,
        selected_attempt=None if selected is None else selected.index,
        program=source,
        train=None if selected is None else selected.train,
        validation=None if selected is None else selected.validation,
        test=test,
        contrast=contrast,
        length_generalization=elsewhere,
        certificate=(
            certify(
                splits,
                test,
                validation=selected.validation,
                budget=budget,
                train=selected.train,
                code_bits=code_bits,
                confidence=confidence,
            )
            if selected is not None
            else None
        ),
        isolation=sandbox.isolation,
        seconds=round(time.monotonic() - started, 3),
        notices=(*splits.warnings, *failures(test, contrast, elsewhere)),
        **more,
    )
