"""Flags that are parsed again are what a whole command line would give."""

import pytest

from llm_erm.cli import synthesize, train
from llm_erm.cli.parsing import parse, parse_again
from llm_erm.errors import InputError

BASE = {
    train.Options: ["--seed", "1", "--n_layer", "3", "--train_set_size", "20", "--published", "pv"],
    synthesize.Options: [
        "--seed",
        "1",
        "--attempts",
        "3",
        "--functions",
        "fn_a",
        "--no-early-stop",
    ],
}


@pytest.mark.parametrize(
    ("kind", "names", "words"),
    [
        (train.Options, ["seed"], ["--seed", "7"]),
        (train.Options, ["n_embd", "train_set_size"], ["--n_embd", "8", "--train_set_size", "4"]),
        (train.Options, ["train_set_size"], ["--train-set-size", "4", "5"]),
        (train.Options, ["report_to", "lr"], ["--report-to", "tensorboard", "--lr", "1e-3"]),
        (train.Options, ["fresh_data", "dataset_dir"], ["--fresh-data", "--dataset_dir", "d"]),
        (synthesize.Options, ["functions", "attempts"], ["--functions", "fn_b", "fn_c"]),
        (synthesize.Options, ["model"], ["--model", "m"]),
        (synthesize.Options, [], []),
    ],
)
def test_flags_parsed_again_are_those_of_the_whole_command_line(kind, names, words):
    base = BASE[kind]
    given = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    # A field that the new words do not give has its default, as if the base had not given it.
    kept = without(base, set(names) - given)
    again = parse_again(parse(kind, base, "p"), names, words, "p")
    assert again == parse(kind, [*kept, *words], "p")
    assert type(again) is kind


def without(words: list[str], names: set[str]) -> list[str]:
    """The words without the flags of these names."""
    kept, dropping = [], False
    for word in words:
        if word.startswith("--"):
            dropping = word[2:].replace("-", "_") in names
        if not dropping:
            kept.append(word)
    return kept


def test_a_word_that_is_not_valid_is_refused():
    with pytest.raises(InputError):
        parse_again(parse(train.Options, [], "p"), ["seed"], ["--seed", "many"], "p")
    with pytest.raises(InputError):
        parse_again(parse(train.Options, [], "p"), ["seed"], ["--n_layer", "2"], "p")
