"""What a command line with a wrong word is answered: the flag, the word, and what is allowed."""

import re
from pathlib import Path

import pytest
import tyro

from llm_erm.cli import published
from llm_erm.cli.commands import COMMANDS, command, flags_of
from llm_erm.cli.parsing import CONFIG
from llm_erm.cli.words import fault_in
from llm_erm.errors import InputError

ROOT = Path(__file__).parents[2]

WRONG = [
    ("enumerate --lengths twenty", "--lengths: 'twenty' is not a whole number."),
    ("enumerate --lengths 20 thirty 40", "--lengths: 'thirty' is not a whole number."),
    ("enumerate --lengths=2.5", "--lengths: '2.5' is not a whole number."),
    ("enumerate --seed x", "--seed: 'x' is not a whole number."),
    ("enumerate --seed", "--seed needs a value; give a whole number, or omit the flag."),
    ("enumerate --seed 1 2", "--seed takes one value; '2' is one too many."),
    ("enumerate --max-programs lots", "--max-programs: 'lots' is not a whole number."),
    ("enumerate --search fast", "'fast' is not allowed; give length-first, uniform or prior."),
    ("enumerate fn_a", "'fn_a' is one word too many; the command takes flags only."),
    ("enumerate --json yes", "--json takes no value; 'yes' is one too many."),
    ("enumerate --json=3", "--json takes no value; '3' is one too many."),
    ("enumerate --lenghts 20", "There is no flag --lenghts; did you mean --lengths?"),
    ("enumerate -n 20", "There is no flag -n."),
    ("synthesize --timeout soon", "--timeout: 'soon' is not a number."),
    ("synthesize --max-cost-usd $5", "--max-cost-usd: '$5' is not a number."),
    ("synthesize --verbosity loud", "--verbosity: 'loud' is not allowed; give low, medium, high"),
    ("synthesize --from", "--from needs a value; give a path, or omit the flag."),
    ("incontext --shots a b", "--shots: 'a' is not a whole number."),
    ("incontext --max-output-tokens many", "--max-output-tokens: 'many' is not a whole number."),
    ("baselines --grids mine", "--grids: 'mine' is not allowed; give own or published."),
    ("train --num_layers_to_finetune x", "x' is not allowed; give a whole number or all."),
    ("train --n_epochs 1e3", "--n_epochs: '1e3' is not a whole number."),
    ("train --report-to foo", "'foo' is not allowed; give tensorboard, wandb or mlflow."),
    ("sweep", "FILE is missing."),
    ("sweep a.yaml b.yaml", "'b.yaml' is one word too many; the command takes FILE."),
    ("sweep a.yaml --jobs all", "--jobs: 'all' is not a whole number."),
    ("tasks --task-file", "--task-file needs a value; give a path, or omit the flag."),
    ("data --functions", "--functions needs a value; give one or more, or omit the flag."),
    ("data --published yes", "--published: 'yes' is not allowed; give erm, pv or None."),
    ("verify program.py", "DATA is missing."),
    ("fit table.csv", "--target is missing."),
    ("verify a b c", "'c' is one word too many; the command takes PROGRAM and DATA."),
    ("verify a b --memory-mb 1GB", "--memory-mb: '1GB' is not a whole number."),
    ("compare a --wide b", "'b' stands apart from 'a'; give them one after the other."),
    ("compare --json a --json b", "'b' stands apart from 'a'; give them one after the other."),
    ("data --functions fn_a -- --seed 3", "'--seed' is one word too many; the command takes f"),
    ("compare runs --lengths all", "--lengths: 'all' is not a whole number."),
    ("figure --sizes ten", "--sizes: 'ten' is not a whole number."),
    ("figure --train-size 20", "There is no flag --train-size"),
    ("bound --budget x", "--budget: 'x' is not a whole number."),
    ("doctor --fix", "There is no flag --fix"),
]


@pytest.mark.parametrize(("line", "said"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_word_is_answered_by_one_sentence_and_where_to_read_more(
    invoke, tmp_path, line, said
):
    name, *words = line.split()
    done = invoke(name, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llm-erm: ")
    assert said in done.stderr
    assert done.stderr.endswith(f" See `llm-erm {name} --help`.\n")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "run", "words", "said"),
    [
        ("runner.py", published.synthesis, ["--attempts", "few"], "--attempts: 'few' is not"),
        ("vllm_incontext.py", published.incontext, ["--shots", "x"], "--shots: 'x' is not"),
        ("main.py", published.training, ["--lr", "slow"], "--lr: 'slow' is not a number."),
        ("sweep.py", published.sweeping, [], "FILE is missing."),
    ],
)
def test_the_published_scripts_answer_alike(capsys, script, run, words, said):
    with pytest.raises(SystemExit, match="2"):
        run(str(ROOT / "none" / script), words)
    error = capsys.readouterr().err
    assert error.startswith("llm-erm: ")
    assert said in error
    assert error.endswith(f" See `{script} --help`.\n")


def test_an_environment_variable_of_the_published_runner_is_answered_alike(monkeypatch, capsys):
    monkeypatch.setenv("ATTEMPTS", "few")
    with pytest.raises(SystemExit, match="2"):
        published.synthesis(str(ROOT / "none" / "runner.py"), [])
    assert "--attempts: 'few' is not" in capsys.readouterr().err


VALUES = ([], ["-1"], ["x y"], ["1", "z"])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_line_has_a_fault_exactly_if_the_parser_refuses_it(name):
    """For every flag that its help lists, with values of all kinds."""
    kind = flags_of(command(name))
    needed = {
        "verify": ["p", "d"],
        "sweep": ["f"],
        "fit": ["t", "--target", "c"],
        "predict": ["r", "d"],
        "export": ["r", "--form", "sql"],
    }.get(name, [])
    page = (ROOT / "tests" / "golden" / "help" / f"{name}.txt").read_text()
    flags = re.findall(r"^  (--[\w-]+)(?: \S+( \.\.\.)?)?", page, re.M)
    assert len(flags) > 1
    for flag, several in flags:
        for values in VALUES if flag != "--version" else ():
            words = [*needed, flag, *values]
            try:
                tyro.cli(kind, args=words, config=CONFIG, console_outputs=False)
                refused = not values and several != ""  # which it reads as an empty list
            except SystemExit:
                refused = True
            except InputError:  # it was read, and no task is called -1
                refused = False
            assert (fault_in(kind, words) is not None) == refused, words
