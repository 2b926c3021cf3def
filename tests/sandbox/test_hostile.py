"""Hostile programs: none escapes, each gets its status, and the next program runs as usual."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SUITE = runpy.run_path(str(FOLDER / "hostile" / "suite.py"))
PROGRAMS = SUITE["PROGRAMS"]
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can take on other roles")

LEVELS = {"user": "strong", "container": "standard"}
"""Roles that environments.py plays, and the isolation that is possible in each."""


def test_the_suite_is_large():
    assert len(PROGRAMS) >= 400


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_hostile_program_gets_its_status_and_nothing_else(sandbox, name):
    assert SUITE["complaints_about"](PROGRAMS[name], sandbox) == []


@needs_root
@pytest.mark.parametrize(("role", "level"), LEVELS.items())
def test_the_suite_passes_with_fewer_rights(role, level):
    environment = [sys.executable, str(FOLDER / "environments.py"), role]
    suite = [str(FOLDER / "hostile" / "suite.py"), level]
    ran = subprocess.run([*environment, *suite], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    count, complaints = json.loads(ran.stdout)
    assert (count, complaints) == (len(PROGRAMS), [])
