"""Certificates: upper bounds on the true error of what was learned."""

from dataclasses import dataclass

from llm_erm.counts import check_counts
from llm_erm.phrases import bound_percent, counted, sure


@dataclass(frozen=True)
class Bound:
    """An upper bound on the true error of what was learned, with its evidence and assumptions.

    The answers of an untrusted program that are counted here were given to one input each, alone in
    its process; where there are too many inputs for that, to a random sample, which ``assumes``
    states.

    Attributes:
        error_upper_bound: The error is at most this, in [0, 1], at the certificate's confidence.
        errors: Number of errors on the examples that the bound is computed from.
        examples: Number of these examples; fewer than the data set has if they are a sample.
        choices: Number of candidates, fixed beforehand, for which the bound holds simultaneously;
            None if the programs of a code share the failure probability by description length.
        assumes: Under which assumptions and for which inputs the bound holds, in words.
    """

    error_upper_bound: float
    errors: int
    examples: int
    choices: int | None
    assumes: str

    def __post_init__(self) -> None:
        """Refuses numbers that are not a bound."""
        check_counts(least=1, examples=self.examples, choices=self.choices)
        if not 0 <= self.errors <= self.examples:
            raise ValueError(f"{self.errors} errors on {self.examples} examples are not counts")
        if not 0 <= self.error_upper_bound <= 1:
            raise ValueError(f"error_upper_bound is {self.error_upper_bound}, not within 0 and 1")


@dataclass(frozen=True)
class AllLooks:
    """Bounds that hold for all results on one data set at once, so that one may choose among them.

    The i-th result has the share 1 / (i (i + 1)) of the failure probability; all shares add up to
    1, however many results follow. The ledger beside the data set counts them; it does not know
    runs on copies of the data.

    Attributes:
        number: Which result on the data this is, counted from 1.
        validation: The validation bound at that share; None if there is none.
        test: The test bound at that share; None if there is none.
    """

    number: int
    validation: float | None = None
    test: float | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that are not a bound."""
        check_counts(least=1, number=self.number)
        for bound in (self.validation, self.test):
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"a bound for all results is {bound}, not within 0 and 1")

    @property
    def in_words(self) -> str:
        """What holds of this result if it is chosen among all on its data, without a capital."""
        named = {"validation": self.validation, "test": self.test}
        bounds = [
            f"{bound_percent(bound)} by the {name} data"
            for name, bound in named.items()
            if bound is not None
        ]
        return (
            f"this is result {self.number} on the same data. If you choose it among all of them, "
            f"its error is at most {' or '.join(bounds)}. Results on copies of the data are not "
            "counted."
        )


@dataclass(frozen=True)
class Certificate:
    """What the evidence guarantees; each bound holds individually, and is None if it does not.

    Attributes:
        confidence: Probability, over the draw of the examples, with which any single bound holds.
        validation: From the validation examples, for the best of K candidates.
        test: From the test examples, which were not used for selection.
        occam: From error-free training and validation examples and a description length.
        paper: The paper's own bound, from the numbers of candidates and validation examples alone.
        all_looks: The first two for all results on the same data at once; None if these are
            unknown.
    """

    confidence: float
    validation: Bound | None = None
    test: Bound | None = None
    occam: Bound | None = None
    paper: Bound | None = None
    all_looks: AllLooks | None = None

    def __post_init__(self) -> None:
        """Refuses a confidence with which no bound holds."""
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}, not between 0 and 1")

    @property
    def error_upper_bound(self) -> float | None:
        """The validation bound, or the test bound if validation data were not used for selection.

        The choice is fixed beforehand: the least of several bounds holds less often than each.
        """
        bound = self.validation or self.test
        return None if bound is None else bound.error_upper_bound

    @property
    def in_words(self) -> list[str]:
        """What each bound says and what it assumes, in sentences."""
        bounds = {
            "by the validation data": self.validation,
            "by the test data": self.test,
            "by its length (Occam bound)": self.occam,
            "by the paper's bound": self.paper,
        }
        said = [
            f"Its error is at most {bound_percent(bound.error_upper_bound)} {how}, "
            f"{sure(self.confidence)} sure: it makes {counted(bound.errors, 'error')} on "
            f"{counted(bound.examples, 'example')}. That holds if {bound.assumes}."
            for how, bound in bounds.items()
            if bound is not None
        ]
        if len(said) > 1:
            share = sure(self.confidence)
            said.append(
                f"Each bound is {share} sure on its own; the smallest of several is less certain."
            )
        if self.all_looks is not None and self.all_looks.number > 1:
            text = self.all_looks.in_words
            said.append(text[0].upper() + text[1:])
        return said
