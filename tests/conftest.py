"""What several rooms' tests need: the installed command, and the same without its start-up."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from canary import CANARY, check, leaks, watch
from llm_erm.cli.main import main
from llm_erm.llms.providers import key_variables

# Whoever starts the tests in the background may ignore Ctrl-C, which the programs would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever runs the tests may have a proxy, which would get the calls of this machine's own servers,
# keys, with which a command would ask a real provider, or a launcher's variables.
OTHERS = {"OPENAI_BASE_URL", "RANK", *key_variables()}
for variable in list(os.environ):
    if variable in OTHERS or variable.lower().endswith("_proxy"):
        del os.environ[variable]

# A key that must get into no file and no output. OpenAI's would make it the default provider.
for variable in key_variables():
    if not variable.startswith("OPENAI"):
        os.environ[variable] = CANARY

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


@pytest.fixture(scope="session", autouse=True)
def _no_key_anywhere() -> Iterator[None]:
    """What the tests print, and the folders that several share, hold no key."""
    made: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        watch(patch, made)
        yield
    assert [leak for folder in made for leak in leaks(folder)] == []


@pytest.fixture(autouse=True)
def _no_key(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test writes into its folder holds no key."""
    yield
    if (folder := request.node.funcargs.get("tmp_path")) is not None:
        assert leaks(folder) == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test whose captured output holds the key."""
    report = yield
    try:
        check(*(text for _, text in report.sections))
    except AssertionError as error:
        report.outcome, report.longrepr = "failed", str(error)
    return report


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
def prepared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test's own time or memory goes into compiling a search, or loading what was compiled.

    One process compiles however many test at the same time.
    """
    from llm_erm.enumeration.search import prepare

    with (tmp_path_factory.getbasetemp().parent / "compile.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare()


@pytest.fixture
def command(executable: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `llm-erm` in a process of its own, in an empty folder; returns what it printed."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(executable), *map(str, arguments)]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=250)

    return run


@pytest.fixture
def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls in this process what otherwise is one, which saves its start; returns what it printed.

    It must exit. The folder and the environment are those given.
    """

    def run(
        call: Callable[[], None], folder: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            # A process of its own would not hold what earlier tests loaded.
            patch.setattr("llm_erm.enumeration.memory.resident_bytes", lambda: 200 * 2**20)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ending:
                call()
        said = capsys.readouterr()
        return subprocess.CompletedProcess([], int(ending.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def terminate() -> Iterator[Callable[..., None]]:
    """Sends SIGTERM to this process, whatever the arguments; a test fails if nobody handles it."""

    def unhandled(*_: object) -> None:
        pytest.fail("SIGTERM would have killed the process")

    before = signal.signal(signal.SIGTERM, unhandled)
    yield lambda *_, **__: signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def invoke(
    in_process: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Does what `llm-erm` does with these arguments, in this process and an empty folder."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        private = ("OPENAI_BASE_URL", *key_variables())
        kept = {name: value for name, value in os.environ.items() if name not in private}
        return in_process(lambda: main(words), tmp_path, kept | environment)

    return run
