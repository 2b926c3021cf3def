"""Learns and uses rules as another operating system would: python everywhere.py SYSTEM.

It works on `table.csv` in the current folder. The sandbox, and what that system lacks, cannot be
imported. The last line of stdout is JSON: what each command exited with, and the labels that the
estimator predicts.
"""

import json
import sys
import types
from importlib.abc import MetaPathFinder

import narwhals  # noqa: F401
import numba  # noqa: F401
import psutil
import sklearn.ensemble
import sklearn.linear_model
import sklearn.pipeline
import sklearn.tree  # noqa: F401
import sympy  # noqa: F401

from other_system import become

FORMS = ("python", "sql", "spreadsheet", "markdown")
DATA = "--lengths 16 --train-size 40 --val-size 40 --test-size 200"
COMMANDS = (
    "fit table.csv --target churned --out rule.json",
    "predict rule.json table.csv --out predicted.csv",
    *(f"export rule.json --form {form} --out rule.{form}" for form in FORMS),
    f"enumerate --functions fn_a {DATA} --max-bits 12 --max-memory-mb 8000 --out-dir run",
)


class NoSandbox(MetaPathFinder):
    """Fails to find the sandbox, and says who needed it."""

    def find_spec(self, name, path, target=None):
        if name.split(".")[:2] == ["llm_erm", "sandbox"]:
            raise ImportError(f"{name} is for untrusted programs")


def status(words):
    from llm_erm.cli.main import main

    try:
        main(words)
    except SystemExit as ended:
        return ended.code


def estimated():
    import numpy as np

    from llm_erm import ProgramClassifier

    values = np.arange(80).reshape(-1, 1)
    labels = np.where(values[:, 0] > 30, "high", "low")
    return ProgramClassifier().fit(values, labels).predict([[30], [31]]).tolist()


if __name__ == "__main__":
    become(sys.argv[1])
    if sys.argv[1] == "Windows":
        used = psutil.Process().memory_info().rss
        psutil.Process.memory_info = lambda _: types.SimpleNamespace(rss=used, peak_wset=used)
    sys.meta_path.insert(0, NoSandbox())
    assert not [name for name in sys.modules if name.startswith("llm_erm")]
    statuses = [status(command.split()) for command in COMMANDS]
    sys.stdout.write(json.dumps({"statuses": statuses, "predicted": estimated()}) + "\n")
