"""Runs the commands of README and docs as they are written: ``make test-commands``.

    python tests/as_written.py [README.md docs/enumeration.md]

The pages that ``pages.py`` runs are left to the tests. Commands that need a GPU, a server, a key or
a file that is not here are left out, with the reason. The others run in one folder, which has the
runs and files that the pages speak of.
"""

# ruff: noqa: T201

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from docs.test_commands import lines
from pages import DOCS, PAGES, ROOT, markdown_files

LEFT_OUT = {
    r"\.gguf": "needs a model's file",
    r"--base-url|--provider (chat|vllm|ollama)|--model Qwen": "needs a server or a GPU",
    r"--provider openai(?!.*--dry-run)": "needs a key",
    r"train --functions \S+ --lengths 50|--train_set_size 10 |--n_embd 512": "needs a GPU",
    r"train --functions \S+ --lengths 10 --test_sequence_length": "needs a GPU",
    r"--tables-dir|adult_income": "needs the files of a public table",
    r"--executor ray|SLURM": "needs a cluster",
    r"sweep FILE": "is a form",
    r"replicate table1 +#|replicate --quick": "takes more than ten minutes",
    r"benchmark( +#| --(tasks|draw|proposer (?!.*--dry-run)))": "takes long, or needs a model",
}
"""Commands that do not run here, and why."""

SMALL = "--functions fn_a --lengths 20 --test-size 200"
SETTING_UP = (
    f"llm-erm enumerate {SMALL} --out-dir runs/A",
    f"llm-erm baselines {SMALL} --learners knn --out-dir runs/B",
    f"llm-erm synthesize --answers answers.json {SMALL} --out-dir runs/search",
    "cp -r runs/search runs/demo",
    "cp runs/A/programs/*.py program.py",
    "cp datasets/parity_all/L20/*/test.txt data.txt",
)
LIMIT_SECONDS = 1800


def run(line: str, folder: Path) -> tuple[int, float, str]:
    """Returns the exit status of a command line, its seconds, and the end of what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    start = time.monotonic()
    done = subprocess.run(
        ["timeout", "--kill-after", "10", str(LIMIT_SECONDS), "bash", "-c", line],
        cwd=folder,
        env=os.environ | {"PATH": path, "OPENAI_API_KEY": ""},
        capture_output=True,
        text=True,
    )
    return done.returncode, time.monotonic() - start, done.stderr[-500:]


def main() -> int:
    """Prints a line per command; returns 1 if one of them failed."""
    own = {DOCS / name for name in PAGES}
    named = [ROOT / name for name in sys.argv[1:]] or [
        path for path in markdown_files() if path not in own and path.name != "CHANGELOG.md"
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / "answers.json").write_text("[\"def f(x):\\n    return x.count('1') % 2\"]")
        for line in SETTING_UP:
            status, _, said = run(line, folder)
            assert status == 0, (line, said)
        for path in named:
            for line in lines(path.read_text()):
                text = " ".join(shlex.split(line.replace("\\\n", ""), comments=True))
                why = next((why for form, why in LEFT_OUT.items() if re.search(form, line)), None)
                if why is None:
                    status, seconds, said = run(line, folder)
                    failed += status != 0
                    said = f"\n{said}" if status else ""
                    print(f"{seconds:6.1f} s  status {status}  {text}{said}", flush=True)
                else:
                    print(f"  left out: {why}: {text}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
