"""Compares the forms of answers that a model may be asked for: how many of its proposals run.

    python benchmarks/answer_forms.py [--model FILE.gguf] [--attempts 26] [--tasks fn_a ...]
    python benchmarks/answer_forms.py --served [--model FILE.gguf]

Every proposal goes through ``llm-erm synthesize``, its prompt and its sandbox. The model is in that
process, or behind llama.cpp's own server with ``--served``. Without ``--model``, the embedded one's
file is used as if it were yours: in its chat format, with the examples in the prompt.

A proposal is *extracted* if a program was found in the answer, *parsed* if that is Python, and
*ran* if it returned a label for at least one training example. The accuracy is on validation data,
for those that ran. The last line of a form has the exact 95 % interval of *ran*, and the two-sided
p-value of Fisher's exact test against the first form.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, get_args

from scipy.stats import fisher_exact

from llm_erm.erm.binomial import binomial_interval
from llm_erm.llms import weights
from llm_erm.llms.providers import Constraint

FORMS = [form for form in get_args(Constraint) if form != "grammar"]
OWN_TASK = Path(__file__).parents[1] / "examples/my_task.py"
SIZES = ("--lengths", "20", "--train-size", "20", "--val-size", "20", "--test-size", "100")


@contextmanager
def served(model: Path, threads: int):
    """Address of llama.cpp's server with a model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel = 8192, 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.port, params.verbosity, params.warmup = 0, -1, False
    server = xllamacpp.Server(params)
    server.handle_completions({"prompt": "x", "n_predict": 1, "stream": True}, lambda _: False)
    yield server.listening_address


def attempts(form: str, task: str, model: list[str], asked: argparse.Namespace) -> list[Any]:
    """What the search says of each proposal for one task in one form."""
    flag = "--task-file" if task.endswith(".py") else "--functions"
    with tempfile.TemporaryDirectory() as place:
        words = [*model, "--constraint", form, flag, task, *SIZES, "--no-early-stop"]
        words += ["--attempts", str(asked.attempts), "--max-output-tokens", str(asked.tokens)]
        words += ["--seed", str(asked.seed)]
        words += ["--out-dir", f"{place}/run", "--dataset-dir", f"{place}/data"]
        command = [sys.executable, "-m", "llm_erm", "synthesize", *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        lines = (Path(place) / "run/attempts.jsonl").read_text().splitlines()
        return [json.loads(line)["attempt"] for line in lines]


def summary(found: list[Any]) -> dict[str, int | float]:
    """Counts what became of proposals."""
    count: Counter[str] = Counter()
    right: list[float] = []
    for one in found:
        train, validation = one["train"], one["validation"]
        count["extracted"] += one["candidate"]["source"] is not None
        count["parsed"] += train["status"] not in ("no_code", "syntax_error")
        if train["status"] == "ok" and train["invalid"] < train["total"]:
            count["ran"] += 1
            right.append(validation["correct"] / validation["total"])
    return {
        "extracted": count["extracted"],
        "parsed": count["parsed"],
        "ran": count["ran"],
        "accuracy": sum(right) / len(right) if right else float("nan"),
    }


def main() -> None:
    """Prints one line per task and form, then one per form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=weights.embedded())
    parser.add_argument("--served", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--attempts", type=int, default=26)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--tasks", nargs="+", default=["fn_a", "fn_g", "fn_i", str(OWN_TASK)])
    parser.add_argument("--forms", nargs="+", default=FORMS)
    asked = parser.parse_args()
    found: dict[str, list[Any]] = {form: [] for form in asked.forms}
    seconds: Counter[str] = Counter()
    with ExitStack() as stack:
        if asked.served:
            url = stack.enter_context(served(asked.model, asked.threads))
            model = ["--provider", "chat", "--base-url", f"{url}/v1", "--model", "m"]
            model += ["--concurrency", "4", "--speculative", "4"]
        else:
            model = ["--provider", "local", "--model", str(asked.model)]
            model += ["--threads", str(asked.threads)]
        for task, form in product(asked.tasks, asked.forms):
            started = time.monotonic()
            these = attempts(form, task, model, asked)
            seconds[form] += time.monotonic() - started
            print(form, task, summary(these), flush=True)
            found[form] += these
    counts = {form: int(summary(all_)["ran"]) for form, all_ in found.items()}
    reference = asked.forms[0]
    for form, all_ in found.items():
        table = [[counts[one], len(found[one]) - counts[one]] for one in (form, reference)]
        low, high = binomial_interval(counts[form], len(all_))
        print(
            f"{form}: {summary(all_)} of {len(all_)}; ran {low:.1%} to {high:.1%}, "
            f"p = {fisher_exact(table).pvalue:.2g}; {seconds[form]:.0f} s"
        )


if __name__ == "__main__":
    main()
