"""Results of every method, made by hand, so that what is printed of them depends on no machine."""

from llm_erm.certificates import AllLooks, Bound, Certificate
from llm_erm.erm.binomial import binomial_upper
from llm_erm.facts import (
    BaselineFacts,
    EnumerationFacts,
    GridScore,
    IncontextFacts,
    SynthesisFacts,
    Tied,
    TrainingFacts,
)
from llm_erm.records import Cost, Result, Verdict
from llm_erm.tasks.task import DataKey

PARITY = "def f(x):\n    return x.count('1') % 2\n"
PALINDROME = "def f(x):\n    return int(x == x[::-1])\n"
LONG = (
    "def f(x):\n    total = 0\n    for position, character in enumerate(x):\n"
    "        if character == '1' and position % 3 != 1:\n            total += position\n"
    "    return int(total % 2 == 0 and x.startswith(('10', '01')) and len(x) > 17)\n"
)
TEST = 10_000
LEARNERS = (
    *("svm", "random-forest", "decision-tree", "gradient-boosting", "knn", "logistic-regression"),
    *("mlp", "xgboost", "genetic-programming", "svm-published", "random-forest-published"),
    *("decision-tree-published", "xgboost-published"),
)


def verdict(correct: int, total: int, invalid: int = 0) -> Verdict:
    """A verdict of a program that ran."""
    return Verdict("ok", correct, invalid, total)


def certificate(validation: int | None, test: int, looks: int = 1) -> Certificate:
    """Bounds from so many errors on 100 validation examples and 1,000 test examples."""
    bounds = {
        name: None if errors is None else Bound(upper(errors, n, 0.05), errors, n, None, "")
        for name, errors, n in (("validation", validation, 100), ("test", test, 1000))
    }
    share = 0.05 / (looks * (looks + 1))
    of_all = [
        None if validation is None else upper(validation, 100, share),
        upper(test, 1000, share),
    ]
    return Certificate(0.95, **bounds, all_looks=AllLooks(looks, *of_all))


def upper(errors: int, examples: int, share: float) -> float:
    """The exact bound."""
    return binomial_upper(errors, examples, share)


def key(function: str, length: int = 20, trial: int = 1) -> DataKey:
    """A data set."""
    return DataKey(function, length, 42, trial, f"{function}-{length}-{trial}")


def search(function: str, program: str | None, right: float, *, trial: int = 1, **more) -> Result:
    """A result of a search, with this share of right answers everywhere."""
    wrong = round((1 - right) * 1000)
    shares = {"train": 100, "validation": 100, "test": TEST, "contrast": 2000}
    if function == "fn_a":
        del shares["contrast"]
    verdicts = {name: verdict(round(right * total), total) for name, total in shares.items()}
    given = {
        **verdicts,
        "length_generalization": verdict(round(right * 600), 600),
        "certificate": certificate(round((1 - right) * 100), wrong, looks=2),
        "isolation": "strong",
        "examples": 200,
        "attempts": 5,
        "selected_attempt": 2,
        "candidates_to_selected": 2 if right == 1 else None,
        "seconds_to_selected": 1.25 if right == 1 else None,
        "seconds": 12.5,
        "cost": Cost(61_250, 1, 0, 0.1234),
    }
    return Result(data=key(function, trial=trial), program=program, **(given | more))


def synthesized() -> list[Result]:
    """Three searches with a language model: exact, half right, and without a program."""
    named = {"method": "synthesis", "model": "openai:gpt-5", "facts": SynthesisFacts()}
    return [
        search("fn_a", PARITY, 1.0, **named),
        search("fn_g", LONG, 0.5, **named),
        search("fn_l", None, 0.5, **(named | {"certificate": None, "isolation": "strong"})),
    ]


def tried() -> list[Result]:
    """Two trials of one search."""
    facts = SynthesisFacts(None, 2, {1: 0.4, 2: 0.7, 5: 1.0})
    named = {"method": "synthesis", "model": "openai:gpt-5", "facts": facts}
    return [search("fn_a", PARITY, 1.0, trial=trial, **named) for trial in (1, 2)]


def enumerated() -> list[Result]:
    """Two searches without a language model."""
    facts = EnumerationFacts(
        *("bits", 1, 85, 33, "found", (), "enumeration", 10.0),
        (Tied(LONG, 12.0), Tied(PALINDROME, 13.0)),
        *(0.5, 2**28),
    )
    named = {"method": "enumeration", "model": "length-first", "facts": facts, "cost": Cost()}
    named["isolation"] = None
    return [search("fn_a", PARITY, 1.0, **named), search("fn_g", PALINDROME, 1.0, **named)]


def fitted() -> list[Result]:
    """Classical learners on two tasks."""
    return [
        search(
            function,
            None,
            0.5 + number / 100,
            method=f"baseline:{learner}",
            model=learner,
            variant=learner,
            attempts=0,
            selected_attempt=None,
            isolation=None,
            cost=Cost(),
            seconds=0.25 * number,
            facts=BaselineFacts(
                learner,
                {"n_estimators": 256, "max_depth": 8, "min_samples_leaf": 1},
                (GridScore({"max_depth": 8}, 1.0, 0.5),),
            ),
        )
        for function in ("fn_a", "fn_g")
        for number, learner in enumerate(LEARNERS)
    ]


def asked() -> list[Result]:
    """Labels from a language model, with two numbers of examples."""
    return [
        Result(
            method="incontext",
            model="local:SmolLM2-135M-Instruct",
            data=key(function),
            variant=f"shots={shots}",
            examples=shots,
            test=verdict(53, 100, 2),
            seconds=61.5,
            cost=Cost(300_000, 600, 0, 0.0),
            facts=IncontextFacts(
                *(shots, (0.4275, 0.6306), 0.54, (0.43, 0.64), False, 12, None, 3_000, 20.0, 2.5)
            ),
        )
        for function in ("fn_a", "fn_g")
        for shots in (20, 200)
    ]


def trained() -> list[Result]:
    """A transformer on two tasks."""
    return [
        Result(
            method="training",
            model="qwen3-99K",
            data=key(function),
            examples=200,
            train=verdict(200, 200),
            test=verdict(5_030, TEST),
            contrast=None if function == "fn_a" else verdict(1000, 2000),
            certificate=certificate(None, 497),
            seconds=90.0,
            facts=TrainingFacts(
                *(200, 0.01, 1.5, 200, 2_000, 40_000, 98_945, 98_945, 21, 3, "cpu", (), {30: 0.5})
            ),
        )
        for function in ("fn_a", "fn_g")
    ]
