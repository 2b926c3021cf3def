"""Certificates: exact bounds on the error of what was learned, with their assumptions.

The examples are half positive by design, so the number of errors is a sum of two binomials. Their
sum is less spread than one binomial of the mean rate (Hoeffding, Annals of Mathematical Statistics
27, 1956), and so is a draw without replacement: the exact binomial limit covers both, for every
confidence in use. What it limits is the balanced error, the mean of the two classes' error rates.
"""

from dataclasses import replace

from llm_erm.certificates import AllLooks, Bound, Certificate
from llm_erm.erm.binomial import binomial_upper, occam_upper, paper_excess
from llm_erm.phrases import counted
from llm_erm.records import Verdict
from llm_erm.tasks.task import Dataset, Splits


def certify(
    splits: Splits,
    test: Verdict | None,
    *,
    test_inputs: int | None = None,
    validation: Verdict | None = None,
    budget: int = 1,
    train: Verdict | None = None,
    code_bits: float | None = None,
    confidence: float = 0.95,
) -> Certificate | None:
    """Returns what the evidence guarantees, or None if the data support no bound.

    The data support none if the examples are not known to be independent draws; the ``warnings`` of
    the splits say why. The paper's bound is left out where an error refutes its premise.

    Args:
        splits: The data.
        test: Verdict of what was learned on the test examples, which are used once, at the end;
            for a program, on those that ran alone in their processes, as in the next ones.
        test_inputs: Number of test examples, if ``test`` is on a random sample of them.
        validation: Its verdict on the validation examples, if they were used to select it; or on a
            random sample of them.
        budget: Number K of candidates it was selected from, fixed before validation. Stopping early
            does not reduce K; duplicates, and complements chosen by training data, do not
            increase it.
        train: Its verdict on the training examples, for the Occam bound.
        code_bits: Length of the program in a prefix-free code that does not depend on the data.
        confidence: Probability with which each bound holds.
    """
    if not splits.independent:
        return None
    delta = 1 - confidence
    learned = [verdict for verdict in (train, validation) if verdict is not None]
    certificate = Certificate(
        confidence,
        validation=_exact(
            validation,
            budget,
            delta,
            _sampled(validation, len(splits.validation), "validation")
            + _of_validation(budget, splits.train),
        ),
        test=_exact(
            None if splits.test_repeats else test,
            1,
            delta,
            _sampled(test, test_inputs, "test") + _of_test(splits.train),
        ),
        occam=None
        if code_bits is None
        else _occam(
            learned,
            code_bits,
            delta,
            _sampled(train, len(splits.train), "training")
            + _sampled(validation, len(splits.validation), "validation"),
        ),
        paper=_paper(validation, budget, delta)
        if validation and validation.total and all(verdict.perfect for verdict in learned)
        else None,
    )
    if certificate == Certificate(confidence):
        return None
    return replace(certificate, all_looks=_for_all(certificate, splits.look))


def _for_all(certificate: Certificate, look: int | None) -> AllLooks | None:
    """Returns the bounds of a certificate at the share of one of all results on its data."""
    if look is None:
        return None
    share = (1 - certificate.confidence) / (look * (look + 1))
    validation, test = (
        None
        if bound is None
        else binomial_upper(bound.errors, bound.examples, share / (bound.choices or 1))
        for bound in (certificate.validation, certificate.test)
    )
    return AllLooks(look, validation, test)


def _exact(verdict: Verdict | None, choices: int, delta: float, assumes: str) -> Bound | None:
    if verdict is None or verdict.total == 0:
        return None
    upper = binomial_upper(verdict.errors, verdict.total, delta / choices)
    return Bound(upper, verdict.errors, verdict.total, choices, assumes)


def _occam(learned: list[Verdict], bits: float, delta: float, sampled: str) -> Bound | None:
    examples = sum(verdict.total for verdict in learned)
    if not learned or not all(verdict.perfect for verdict in learned):
        return None
    return Bound(
        occam_upper(bits, examples, delta),
        0,
        examples,
        None,
        f"{sampled}the prefix-free code that gives the program {bits:g} bits was fixed before the "
        "examples were seen; for inputs drawn as they were",
    )


def _paper(validation: Verdict, budget: int, delta: float) -> Bound:
    return Bound(
        min(1.0, paper_excess(budget, validation.total, delta)),
        validation.errors,
        validation.total,
        budget,
        f"one of the {budget} candidates makes no error at all, not only on these examples; with "
        "the assumptions of the validation bound",
    )


def _of_validation(budget: int, data: Dataset) -> str:
    return (
        f"the budget of {counted(budget, 'candidate')} was fixed before the search, and nothing of "
        f"the validation data shaped one; for inputs {_drawn(data)}, none of them training inputs"
    )


def _of_test(data: Dataset) -> str:
    return (
        "the test data were opened once and chose nothing (comparing R runs on them is a choice "
        f"among R); for inputs {_drawn(data)}, none of them training or validation inputs"
    )


def _sampled(verdict: Verdict | None, drawn_from: int | None, name: str) -> str:
    """Returns a phrase on which inputs a verdict is on, unless it is on all of them."""
    if verdict is None or drawn_from is None or verdict.total >= drawn_from:
        return ""
    return (
        f"the examples are a random sample of {verdict.total:,} of the {drawn_from:,} {name} "
        "inputs, each run alone in its process; "
    )


def _drawn(data: Dataset) -> str:
    """Returns a phrase on the distribution of the inputs for which the bound holds."""
    if not set(data.labels) <= {0, 1}:
        return "drawn as the splits are, their classes' shares included"
    positive = sum(data.labels) / len(data)
    return f"drawn as the splits are, {'half' if positive == 0.5 else f'{positive:.1%}'} positive"
