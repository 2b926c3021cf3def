"""What several rooms' tests need: the installed command, and the same without its start-up."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from llm_erm.cli.main import main
from llm_erm.llms.providers import key_variables
from prestarted import Prestarted

# Whoever starts the tests in the background may ignore Ctrl-C, which the programs would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever runs the tests may have a proxy, which would get the calls of this machine's own servers,
# keys, with which a command would ask a real provider, or a launcher's variables.
OTHERS = {"OPENAI_BASE_URL", "RANK", *key_variables()}
for variable in list(os.environ):
    if variable in OTHERS or variable.lower().endswith("_proxy"):
        del os.environ[variable]

# As many tests run at once as there are cores, so each gets one: two threads that wait for each
# other beside other work lose time. Torch, and the commands that tests start, read it as they load.
os.environ["OMP_NUM_THREADS"] = "1"

# Tests start hundreds of processes, each of which would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes, or the making of it, says how busy the machine is, not whether the
# property holds; and every machine tries the same examples.
hypothesis.settings.register_profile(
    "untimed",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def executable() -> Path:
    """Path of the installed `llm-erm`."""
    return Path(sys.executable).with_name("llm-erm")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user may use; pytest closes its own whenever it starts anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for parent in folder.parents:
            if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        folder.chmod(0o777)
        yield folder


@pytest.fixture(scope="session")
def compile_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lock of what is compiled, one for all processes that test at the same time."""
    return tmp_path_factory.getbasetemp().parent / "compile.lock"


@pytest.fixture(scope="session")
def prestarted(
    tmp_path_factory: pytest.TempPathFactory, compile_lock: Path
) -> Iterator[Iterator[Prestarted]]:
    """Two processes that have read the libraries, by turns: text hashes differently in each."""
    opened = [Prestarted(tmp_path_factory.mktemp("printed"), compile_lock) for _ in range(2)]
    yield itertools.cycle(opened)
    for one in opened:
        one.close()


@pytest.fixture
def command(
    executable: Path, prestarted: Iterator[Prestarted], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `llm-erm` in a process of its own, in an empty folder; returns what it printed.

    With keywords for ``subprocess.run`` it is the installed command, from its very start.
    """

    def run(*arguments: object, **keywords) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        if not keywords:
            return next(prestarted).run(
                ["llm-erm", *words], cwd=tmp_path, env=dict(os.environ), timeout=250
            )
        keywords = {
            "cwd": tmp_path,
            "capture_output": True,
            "text": True,
            "timeout": 250,
        } | keywords
        return subprocess.run([str(executable), *words], **keywords)

    return run


@pytest.fixture
def invoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Does what `llm-erm` does with these arguments in this process, which saves its start."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for name in ("OPENAI_BASE_URL", *key_variables()):
                patch.delenv(name, raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ending:
                main(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(ending.value.code or 0), said.out, said.err)

    return run
