"""The same arguments give the same bytes in any process, with any hash seed, in every version.

A changed digest means that published results no longer name the data they were measured on. If a
change is intended, say so in the CHANGELOG, increase the task's ``evaluation_version`` for its
evaluation sets, and print the new digests with ``python tests/tasks/test_repeatable.py``.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from drawn import draw_all, folder_of
from llm_erm.tasks.files import DATA_FILES
from llm_erm.tasks.suite import SUITE

VARIANTS = {
    "fn_g random": ("fn_g", {"negatives": "random"}),
    "fn_g erm": ("fn_g", {"published": "erm"}),
    "fn_g erm long": ("fn_g", {"published": "erm", "length": 30}),
    "fn_g pv odd": ("fn_g", {"published": "pv", "length": 25}),
    "fn_d pv": ("fn_d", {"published": "pv"}),
    "fn_h pv": ("fn_h", {"published": "pv"}),
    "fn_aa pv": ("fn_aa", {"published": "pv", "length": 60}),
    "fn_g repeats": ("fn_g", {"allow_repeats": True, "length": 10}),
    "fn_g odd": ("fn_g", {"length": 25}),
    "fn_i long": ("fn_i", {"length": 50}),
    "fn_h scarce": ("fn_h", {"test_size": 4000}),
}

GOLDEN = {
    "fn_a": ["cc64687500244e72", "949abd942ef8d4f6"],
    "fn_b": ["1a4e47c39a19325d", "dfb393f7b236556c"],
    "fn_c": ["71293e7eaeb90305", "a614a3b1c9d3c796"],
    "fn_d": ["d8e73d4654f251cc", "103205696aad444f"],
    "fn_e": ["19f77c453beb28b9", "7c555c5822dbdfa4"],
    "fn_f": ["d1f650c8967cf8ee", "3a255ebb27c3f191"],
    "fn_g": ["c5cce36366ae5997", "023cb0c3bc767b4a"],
    "fn_h": ["10764b996e1e261c", "ccdd1852a1c19d26"],
    "fn_i": ["fd4756f2849a97bc", "89b0ad53cd921ec5"],
    "fn_j": ["63541de2d34ecd14", "10786fa2a74e7379"],
    "fn_k": ["ffb1e0d7378bf0f1", "e6b97f7428186331"],
    "fn_l": ["72f9b95d312a364a", "2f4cdc1a48a64bfe"],
    "fn_v": ["b44ee69c000f25ee", "650f52cab4579c0f"],
    "fn_aa": ["464e1e9126b58f12", "ecfe38561b82ff0e"],
    "fn_g random": ["c54b8d73057750c1", "023cb0c3bc767b4a"],
    "fn_g erm": ["ec5ad40ccb9b5549", "023cb0c3bc767b4a"],
    "fn_g erm long": ["41c0a4eeb06801a2", "091cdbbe4b97cb71"],
    "fn_g pv odd": ["a74d07739fdf82e2", "f20233231433abf0"],
    "fn_d pv": ["77384d430a6e16bb", "103205696aad444f"],
    "fn_h pv": ["1e6b4be4df6c493f", "ccdd1852a1c19d26"],
    "fn_aa pv": ["698051fbd4a788a6", "ecfe38561b82ff0e"],
    "fn_g repeats": ["6ae0c1866843e553", "5f98a417e7107d56"],
    "fn_g odd": ["83f0d5c9d98fa3cf", "f20233231433abf0"],
    "fn_i long": ["a53a670d3488e5a9", "e2a49840a9f1f7e4"],
    "fn_h scarce": ["e04a6335ac06888b", "ccdd1852a1c19d26"],
}


def digests(dataset_dir):
    """Returns digests of the written files and the evaluation sets, per task or variant."""
    cases = {fn: (fn, {"length": 60} if fn == "fn_aa" else {}) for fn in SUITE} | VARIANTS
    result = {}
    for name, (fn, options) in cases.items():
        arguments = {
            "length": 20,
            "train_size": 40,
            "val_size": 40,
            "test_size": 200,
            "seed": 42,
            "dataset_dir": dataset_dir,
        } | options
        drawn = draw_all(SUITE[fn], **arguments)
        place = folder_of(SUITE[fn], **arguments)
        written = b"".join((place / file).read_bytes() for file in DATA_FILES)
        evaluation = [
            [data.inputs, data.labels]
            for data in (drawn.contrast, drawn.length_generalization)
            if data
        ]
        result[name] = [
            hashlib.sha256(written).hexdigest()[:16],
            hashlib.sha256(json.dumps(evaluation).encode()).hexdigest()[:16],
        ]
    return result


def test_data_match_their_golden_digests(tmp_path):
    assert digests(tmp_path) == GOLDEN


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_fresh_process_with_another_hash_seed_writes_the_same_bytes(hash_seed):
    answer = subprocess.run(
        [sys.executable, __file__],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )

    assert json.loads(answer.stdout) == GOLDEN


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as dataset_dir:
        sys.stdout.write(json.dumps(digests(Path(dataset_dir)), indent=4) + "\n")
