"""Counts how many proposals of a local model run, by the form that its answers must have.

    python benchmarks/answer_forms.py [--model FILE.gguf] [--attempts 104] [--function fn_g]

Without a model, the embedded one's file is used as if it were yours: in its chat format, with the
examples in the prompt. A proposal runs if it returns a label for at least one training example.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from llm_erm.llms import weights

FORMS = ("block", "schema", "none")


def counts(form: str, asked: argparse.Namespace) -> Counter[str]:
    """What became of the proposals in one form."""
    with tempfile.TemporaryDirectory() as place:
        words = [*("--provider", "local", "--model", str(asked.model), "--constraint", form)]
        words += ["--functions", asked.function, "--lengths", "20", "--train-size", "20"]
        words += ["--val-size", "20", "--test-size", "100", "--attempts", str(asked.attempts)]
        words += ["--max-output-tokens", str(asked.tokens), "--no-early-stop"]
        words += ["--out-dir", f"{place}/run", "--dataset-dir", f"{place}/data"]
        command = [sys.executable, "-m", "llm_erm", "synthesize", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found: Counter[str] = Counter()
        for line in (Path(place) / "run/attempts.jsonl").read_text().splitlines():
            attempt = json.loads(line)["attempt"]
            train, reason = attempt["train"], attempt["candidate"]["reason"]
            if reason is not None:
                found[reason.partition(":")[0]] += 1
            elif train["status"] == "ok" and train["invalid"] < train["total"]:
                found["runs"] += 1
                found["better than chance on training data"] += (
                    train["correct"] * 2 > train["total"]
                )
            else:
                found["no label"] += 1
        return found


def main() -> None:
    """Prints one line per form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=weights.embedded())
    parser.add_argument("--attempts", type=int, default=104)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--function", default="fn_g")
    parser.add_argument("--forms", nargs="+", default=FORMS)
    asked = parser.parse_args()
    for form in asked.forms:
        print(form, dict(counts(form, asked)), flush=True)


if __name__ == "__main__":
    main()
