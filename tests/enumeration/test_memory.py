"""The memory of a search is measured on every system."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from llm_erm.enumeration.memory import memory_for, peak_bytes, resident_bytes
from llm_erm.errors import InputError

MIB = 2**20


@pytest.fixture(params=["linux", "darwin", "win32"])
def system(request, monkeypatch):
    """Another system's Python, without what it lacks."""
    if request.param != "linux":
        monkeypatch.setattr(sys, "platform", request.param)
        monkeypatch.delattr(os, "sysconf")
        read = Path.read_text
        monkeypatch.setattr(
            Path, "read_text", lambda path: read(path if path.parts[1] != "proc" else Path("none"))
        )
    if request.param == "win32":
        monkeypatch.setitem(sys.modules, "resource", None)
        windows = SimpleNamespace(rss=300 * MIB, peak_wset=500 * MIB)
        monkeypatch.setattr(psutil.Process, "memory_info", lambda process: windows)
    return request.param


def test_a_search_gets_what_the_process_has_left(system):
    taken = resident_bytes()
    assert taken > 20 * MIB  # an interpreter with numpy
    assert abs(memory_for(4096 * MIB).limit - (4000 * MIB - taken)) < 8 * MIB
    with pytest.raises(InputError, match="allow at least") as refusal:
        memory_for(64 * MIB)
    assert refusal.value.setting == "max_memory_mb"


def test_the_peak_is_known(system):
    assert peak_bytes() > 0
    if system != "darwin":  # whose system counts bytes where Linux counts KiB
        assert peak_bytes() >= resident_bytes() - 8 * MIB
