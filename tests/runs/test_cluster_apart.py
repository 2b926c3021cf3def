"""A cluster whose nodes share neither network nor temporary files: namespaces on one machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timeless import in_any_order

pytestmark = pytest.mark.ray
SCRIPT = Path(__file__).with_name("nodes_apart.sh")
UNSHARE = ["unshare", "--net", "--mount"]


def can_separate() -> bool:
    """Whether this user may make network namespaces and connect them."""
    if sys.platform != "linux":
        return False
    try:
        cable = "ip link add bridge type bridge && ip link add cable type veth peer name node"
        return subprocess.run([*UNSHARE, "sh", "-c", cable], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not can_separate(), reason="needs root and ip (iproute2), for namespaces")
def test_a_node_that_is_cut_off_half_way_loses_nothing(executable, tmp_path):
    """200 searches on two nodes; the first is cut off after 80."""
    pytest.importorskip("ray", reason="needs Ray: make test-ray")
    words = ["enumerate", "--functions", "fn_a", "fn_b", "--lengths", "12", "14"]
    words += ["--train-size", "20", "--val-size", "20", "--test-size", "40", "--num-trials", "50"]
    words += ["--max-programs", "400"]
    there = [*words, "--out-dir", "there", "--executor", "ray", "--ray-address", "10.77.0.1:6379"]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(executable.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(tmp_path),
    }
    results = tmp_path / "there/results.jsonl"
    with (tmp_path / "output.txt").open("wb") as output:
        running = subprocess.Popen(
            [*UNSHARE, "bash", str(SCRIPT), "2", str(executable), *there],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
        )
        while not (results.exists() and results.read_text().count("\n") >= 80):
            assert running.poll() is None, (tmp_path / "output.txt").read_text()
            time.sleep(0.05)
        (tmp_path / "NODE_TO_CUT_OFF").touch()
        status = running.wait()
    said = (tmp_path / "output.txt").read_text()
    assert status == 0, said
    assert "was lost (" in said
    jobs = [json.dumps(json.loads(line)["data"]) for line in results.read_text().splitlines()]
    assert len(jobs) == len(set(jobs)) == 200
    here = [str(executable), *words, "--out-dir", "here"]
    subprocess.run(here, cwd=tmp_path, check=True, capture_output=True)
    assert in_any_order(tmp_path / "there") == in_any_order(tmp_path / "here")
