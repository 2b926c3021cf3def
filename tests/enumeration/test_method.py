"""The searches of a run: what is refused beforehand, and where they may run."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.prior import Prior
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.runs.events import Attempted, Started
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.run import plan, run
from llm_erm.tasks.spec import DataSpec

SPEC = DataSpec(function="fn_a", length=20, train_size=60, val_size=60, test_size=100)
BIG = 8 * 2**30
"""Memory for a search in the process of all tests."""


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        (EnumerationSettings(attempts=0), "attempts"),
        (EnumerationSettings(max_seconds=0), "max_seconds"),
        (EnumerationSettings(max_memory_bytes=0), "max_memory_mb"),
        (EnumerationSettings(max_programs=0), "max_programs"),
        (EnumerationSettings(max_programs=10**12), "max_programs"),
        (EnumerationSettings(max_bits=float("nan")), "max_bits"),
        (EnumerationSettings(order="prior"), "prior_from"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings, setting):
    with pytest.raises(InputError) as raised:
        Enumeration(settings=settings).jobs([SPEC])
    assert raised.value.setting == setting


def test_proposals_without_the_order_that_uses_them_are_refused():
    with pytest.raises(InputError) as raised:
        Enumeration(prior=Prior(("def f(x):\n    return 1\n",))).jobs([SPEC])
    assert raised.value.setting == "prior_from"


def test_a_search_without_validation_examples_is_refused():
    with pytest.raises(InputError, match="0 validation examples") as raised:
        Enumeration().jobs([SPEC, replace(SPEC, val_size=0)])
    assert raised.value.setting == "val_size"


def test_numba_that_is_missing_is_named_before_any_data_are_drawn(monkeypatch):
    monkeypatch.setattr("llm_erm.enumeration.method.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'llm-erm\[enumeration\]'"):
        Enumeration().jobs([SPEC])


def test_any_number_of_processes_finds_the_same_programs_and_bounds(tmp_path):
    specs = [SPEC, replace(SPEC, function="fn_g")]
    made = plan(
        Enumeration(settings=EnumerationSettings(max_memory_bytes=BIG)), specs, dataset_dir=tmp_path
    )
    told, results = [], []
    for executor in (InProcess(), Processes(2)):
        observer = lambda job, event: told.append((job, event))  # noqa: E731
        results.append(run(made, executor=executor, observers=[observer]))
    one, other = (
        [(r.program, r.certificate, r.attempts, r.candidates_to_selected) for r in these]
        for these in results
    )
    assert one == other
    assert len({job for job, event in told if isinstance(event, Started)}) == 2


def descendants(pid: int) -> set[int]:
    """The processes below one, zombies excepted."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            below.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = set(), [pid]
    while left:
        children = below.get(left.pop(), [])
        found |= set(children)
        left += children
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_stopped_search_takes_its_process_with_it(tmp_path):
    """Stopped while its process works: no rule explains these labels."""
    settings = EnumerationSettings(
        max_memory_bytes=BIG, max_seconds=3600, max_bits=40, attempts=10**6
    )
    spec = replace(SPEC, function="fn_l", train_size=20)  # which programs soon fit by chance
    made = plan(Enumeration(settings=settings), [spec], dataset_dir=tmp_path)
    before, working = descendants(os.getpid()), set()

    def stop(job, event):
        if isinstance(event, Attempted) and not working:
            working.update(descendants(os.getpid()) - before)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(made, executor=Processes(1), observers=[stop])
    deadline = time.monotonic() + 20
    while any(map(alive, working)) and time.monotonic() < deadline:
        time.sleep(0.05)
    tracker = {pid for pid in working if "resource_tracker" in cmdline(pid)}
    assert working - tracker
    assert [pid for pid in working - tracker if alive(pid)] == []


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
