"""Renders what every command prints on terminals and into pipes, for `tests/cli/test_screens.py`.

    python tests/regenerate_screens.py

writes the files in ``tests/golden/screens`` anew. Methods do not run for that: their results are
those of ``made_results.py``.
"""

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from numpy.random import RandomState

import made_results as made
from llm_erm.cli import parts as replication
from llm_erm.cli.experiments import Options, Part
from llm_erm.cli.main import main
from llm_erm.records import Result
from llm_erm.reports.results import Entry
from llm_erm.runs.sweep import Outcome
from made_runs import LATER, begun

FOLDER = Path(__file__).parent / "golden" / "screens"
WIDTHS = (80, 120)
RUN = ("--functions", "fn_a", "fn_g", "--lengths", "20")
COMPARED = ("llm", "enumerated", "classical", "trained", "asked")

PROGRAM = "def f(x):\n    return 1\n"
EXAMPLES = "".join(f"{i:04b} -> {i % 2}\n" for i in range(16))
SWEEP = """\
experiment_name: both
results_root: results
command: enumerate
base_args: {lengths: 20}
grid: {functions: [fn_a, fn_g], max_bits: [12, 14]}
"""


def customers() -> str:
    """Two hundred customers who churn by a rule, one in twenty by chance."""
    random = RandomState(1)
    rows = ["customer,contract,tenure,calls,churned"]
    for number in range(200):
        contract = ("monthly", "yearly", "two years")[random.randint(3)]
        tenure, calls = random.randint(1, 73), random.randint(9)
        churned = (contract == "monthly" and tenure <= 20) or calls > 5
        churned ^= random.random_sample() < 0.05
        rows.append(f"C{number:03},{contract},{tenure},{calls},{['no', 'yes'][churned]}")
    return "\n".join(rows) + "\n"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Says so."""
        return True


def _replicated(options: Options, parts: Sequence[Part], tell: object) -> replication.Outcome:
    """What the parts of a replication came to."""
    fitted = [one for one in made.fitted() if one.variant == "xgboost-published"]
    results = {"enumeration": made.enumerated(), "xgboost": fitted}
    ended = []
    for part in parts:
        found = [
            Entry(replace(one, data=replace(one.data, length=part.data.length)))
            for one in results.get(part.contender.name, ())
        ]
        why = "" if found else "its weights are missing"
        ended.append(replication._measured(options, replace(part, reason=why), found))
    return replication.Outcome(ended)


def _performed(results: list[Result]) -> Callable[..., object]:
    """What a method's command gets instead of a run."""
    return lambda options, observers=(): (results, Path("runs/one"), None)


@contextmanager
def _made() -> Iterator[None]:
    """Results made by hand in place of runs, and a machine that is always the same."""
    entries = [
        Entry(result, run)
        for run, results in zip(
            COMPARED,
            (made.synthesized(), made.enumerated(), made.fitted(), made.trained(), made.asked()),
            strict=True,
        )
        for result in results
        if result.data.function in ("fn_a", "fn_g")
    ]
    kept = [entry for entry in entries if entry.run != "asked"]

    def swept(jobs: list, *_: object) -> list[Outcome]:
        results = made.enumerated()
        return [
            Outcome(
                job,
                int(job.index == 3),
                () if job.index == 3 else (results[job.index // 2],),
                7,
                False,
            )
            for job in jobs
        ]

    with ExitStack() as patches:
        for name, new in {
            "results.entries_in": lambda runs: [one for one in kept if Path(one.run) in runs],
            "progress.QUICK_SECONDS": 1000.0,
            "figure.draw_curves": lambda *_: None,
            "watch.time": SimpleNamespace(time=lambda: LATER + 5),
            "sweep.run_sweep": swept,
            "fit.load_compiled": lambda *_: None,
            "fit.rival_accuracies": lambda *_: {"always no": 0.65, "depth-3 tree": 0.9125},
            "sweep._devices": lambda count: [None],
            "replicate.checked": lambda part: part,
            "replicate.has_gpu": lambda options: False,
            "replicate.perform": _replicated,
            "replicate._report": lambda *_: None,
            "doctor._isolation": lambda: ("strong", ()),
            "doctor._state": lambda check: ("missing", "It is not installed; run: pip install it"),
            "doctor.find_spec": lambda name: None,
            "doctor.usable_cores": lambda: 4,
        }.items():
            patches.enter_context(patch(f"llm_erm.cli.{name}", new))
        names = ("python_version", "system", "release", "machine")
        machine = SimpleNamespace(**{name: lambda name=name: name for name in names})
        patches.enter_context(patch("llm_erm.cli.doctor.platform", machine))
        patches.enter_context(patch("llm_erm.__version__", "1.0"))
        seconds = patch("llm_erm.cli.verify.round", lambda *_: 0.5, create=True)
        patches.enter_context(seconds)
        yield


RESULTS: dict[str, tuple[list[Result], tuple[str, ...]]] = {
    "synthesize": (made.synthesized(), ("synthesize", *RUN)),
    "synthesize-trials": (made.tried(), ("synthesize", *RUN, "--num-trials", "2")),
    "enumerate": (made.enumerated(), ("enumerate", *RUN)),
    "baselines": (made.fitted(), ("baselines", *RUN)),
    "incontext": (made.asked(), ("incontext", *RUN, "--shots", "20", "200")),
    "train": (made.trained(), ("train", "--target_func", "fn_a", "fn_g")),
}
OTHERS: dict[str, tuple[str, ...]] = {
    "tasks": ("tasks",),
    "data": ("data", *RUN, "--train-size", "20", "--val-size", "20", "--test-size", "40"),
    "verify": ("verify", "program.py", "data.txt"),
    "compare": ("compare", *COMPARED[:4]),
    "figure": ("figure", *COMPARED[:4]),
    "watch": ("watch", "run", "--once"),
    "fit": ("fit", "customers.csv", "--target", "churned", "--max-conditions", "3"),
    "bound": ("bound", "--bits", "20", "--accuracy", "0.99"),
    "sweep": ("sweep", "sweep.yaml"),
    "replicate": (
        *("replicate", "table1", "--functions", "fn_a", "fn_g"),
        *("--methods", "enumeration", "xgboost", "tabpfn", "search", "finetuned"),
    ),
    "doctor": ("doctor",),
}
NARROW_ONLY = ("data", "verify", "figure", "watch", "fit", "bound", "doctor")
"""Commands without --wide."""


def screens(name: str) -> str:
    """What a command prints on each terminal, in both forms, and into a pipe."""
    words = RESULTS[name][1] if name in RESULTS else OTHERS[name]
    forms = [(width, False) for width in WIDTHS]
    if name not in NARROW_ONLY:
        forms += [(width, True) for width in WIDTHS]
    parts = [
        f"$ llm-erm {' '.join(words)}{' --wide' * wide}   # {width} columns\n"
        + _printed(name, (*words, *["--wide"] * wide), width)
        for width, wide in forms
    ]
    parts.append(f"$ llm-erm {' '.join(words)} | cat   # piped\n{_printed(name, words, None)}")
    return "\n".join(parts)


def _printed(name: str, words: tuple[str, ...], width: int | None) -> str:
    out, err = (Terminal(),) * 2 if width else (io.StringIO(), io.StringIO())
    plain = {"NO_COLOR": "1", "TERM": "dumb"} | ({"COLUMNS": str(width)} if width else {})
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("program.py").write_text(PROGRAM)
        Path("data.txt").write_text(EXAMPLES)
        Path("sweep.yaml").write_text(SWEEP)
        Path("customers.csv").write_text(customers())
        if name == "watch":
            begun(Path("run")).close()
        with ExitStack() as within:
            within.enter_context(patch.dict(os.environ, plain, clear=True))
            within.enter_context(_made())
            if name in RESULTS:
                done = _performed(RESULTS[name][0])
                within.enter_context(patch("llm_erm.cli.runs._perform", done))
            within.enter_context(redirect_stdout(out))
            within.enter_context(redirect_stderr(err))
            within.enter_context(suppress(SystemExit))
            main(words)
    return out.getvalue() if width else f"{out.getvalue()}--- stderr:\n{err.getvalue()}"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in (*RESULTS, *OTHERS):
        (FOLDER / f"{each}.txt").write_text(screens(each))
