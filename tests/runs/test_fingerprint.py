"""What a run is known by."""

import pytest

from llm_erm.errors import InputError
from llm_erm.runs.fingerprint import Fingerprint, difference, model_digests


def test_a_model_that_is_named_by_its_file_counts_whatever_its_name(tmp_path):
    for name in (".hidden.gguf", "weights.md"):
        path = tmp_path / name
        path.write_text("one")
        before = model_digests(path)
        assert list(before) == [name]
        path.write_text("other")
        assert model_digests(path) != before


def test_only_the_files_of_a_folder_that_libraries_load_count(tmp_path):
    for name in ("model.safetensors", "config.json", "README.md", ".gitattributes"):
        (tmp_path / name).write_text(name)
    (tmp_path / "onnx").mkdir()
    assert list(model_digests(tmp_path)) == ["config.json", "model.safetensors"]


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refused)
    with pytest.raises(InputError, match="Cannot read .*: Permission denied; change the perm"):
        model_digests(tmp_path)


def test_a_run_of_another_method_is_named_by_its_method_alone():
    earlier = '{"method": "synthesis", "settings": {"attempts": 5}, "data": []}'
    now = Fingerprint("0.2.0", "enumeration", {"attempts": 64}, ())
    assert difference(earlier, now) == "different: method, which was synthesis"
