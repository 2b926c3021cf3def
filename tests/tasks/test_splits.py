"""Data folders are drawn once, reused unchanged, divided as requested, and refused when wrong."""

import hashlib
import json
import multiprocessing
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from drawn import draw_all, draw_repeatedly, folder_of
from llm_erm.errors import InputError
from llm_erm.tasks import files, seeds, splits
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import Dataset, digest

ROUNDS = 20
"""Data sets that two processes draw at the same time."""


def folder(fn, sizes, **options):
    return folder_of(get(fn), **sizes, **options)


def snapshot(place):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(place.iterdir())}


def write(place, **texts):
    place.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (place / f"{name}.txt").write_bytes(text.encode())


def lines(inputs, labels):
    return "".join(f"{x} -> {y}\n" for x, y in zip(inputs, labels, strict=True))


@pytest.fixture
def published(sizes):
    """A complete folder of fn_a written by the published code: no meta.json, test sorted."""
    place = folder("fn_a", sizes)
    numbers = iter(range(2**20))
    parts = {}
    for name, size in (("train", 20), ("val", 20), ("test", 100)):
        inputs = [f"{next(numbers):020b}" for _ in range(size)]
        labels = [x.count("1") % 2 for x in inputs]
        parts[name] = lines(inputs, labels)
    ordered = sorted(parts["test"].splitlines(), key=lambda line: line[-1])
    parts["test"] = "\n".join(ordered)  # without a final newline
    write(place, **parts)
    return place


def test_the_derived_seed_is_the_published_formula():
    for base in range(20):
        text = f"fn_a|L=50|train=200|test=10000|base_seed={base}".encode()
        expected = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") & 0x7FFFFFFF
        assert seeds.data_seed("fn_a", 50, 200, 10_000, base) == expected


def test_the_folder_is_the_published_one(sizes, tmp_path):
    seed = seeds.data_seed("fn_g", 20, 40, 100, 0)

    assert folder("fn_g", sizes) == tmp_path / "palindrome" / "L20" / f"seed{seed}"
    names = {
        "palindrome+published-erm": {"published": "erm"},
        "palindrome+published-pv": {"published": "pv"},
        "palindrome+random-negatives": {"negatives": "random"},
        "palindrome+repeats": {"allow_repeats": True},
    }
    for name, options in names.items():
        place = folder("fn_g", sizes, **options)
        assert place == tmp_path / name / "L20" / f"seed{seed}"
        assert not place.exists()
        draw_all(get("fn_g"), **sizes, **options)
        assert (place / "test.txt").exists()


def test_files_that_nobody_changed_are_known_by_their_digests(sizes, monkeypatch):
    """So that the start of a run reads no test data, and the data are the same either way."""
    drawn = draw_all(get("fn_g"), **sizes)
    place = folder("fn_g", sizes)
    with monkeypatch.context() as patch:
        patch.setattr(splits, "read_folder", lambda *_: 1 / 0)
        assert draw_all(get("fn_g"), **sizes) == drawn
        other = sizes | {"train_size": 30, "val_size": 10}
        assert draw_all(get("fn_g"), **other).key.sha256 == drawn.key.sha256
    meta = json.loads((place / "meta.json").read_text())
    del meta["files_sha256"]  # as earlier releases wrote it
    (place / "meta.json").write_text(json.dumps(meta))
    read = draw_all(get("fn_g"), **sizes)
    assert replace(read, independent=True, warnings=()) == drawn


def test_test_data_that_change_after_the_start_of_a_run_are_refused(sizes):
    drawn = draw_all(get("fn_a"), **sizes)
    path = folder("fn_a", sizes) / "test.txt"
    path.write_text(path.read_text().replace(" -> 1", " -> 0"))
    with pytest.raises(InputError, match=r"test.txt has changed since this run began"):
        drawn.reveal()


def test_meta_describes_the_data(sizes):
    drawn = draw_all(get("fn_i"), **(sizes | {"seed": 5}))
    place = folder("fn_i", sizes | {"seed": 5})

    def sha256(name):
        return hashlib.sha256((place / name).read_bytes()).hexdigest()

    assert json.loads((place / "meta.json").read_text()) == {
        "fn": "fn_i",
        "target_name": "prime_decimal",
        "length": 20,
        "decimal": True,
        "derived_seed": seeds.data_seed("fn_i", 20, 40, 100, 5),
        "base_seed": 5,
        "sizes": {"train": 20, "val": 20, "test": 100},
        "examples_sha256": drawn.key.sha256,
        "files_sha256": {name: sha256(f"{name}.txt") for name in ("train", "val", "test")},
        "shared_inputs": 0,
        "distinct_tests": 100,
        "discarded_draws": {"learning": 0, "test": 0},
    }
    assert sorted(p.name for p in place.iterdir()) == [
        "meta.json",
        "test.txt",
        "train.txt",
        "val.txt",
    ]
    assert [p.name for p in place.parent.iterdir()] == [place.name]  # nothing half-written


def test_other_seeds_give_other_data(sizes):
    one, two = (draw_all(get("fn_a"), **(sizes | {"seed": seed})) for seed in (0, 1))

    assert not set(one.train.inputs) & set(two.train.inputs)
    assert one.length_generalization == two.length_generalization


def test_stored_data_are_read_back_as_they_were_drawn(sizes):
    for fn in ("fn_a", "fn_g", "fn_i"):
        drawn = draw_all(get(fn), **sizes)
        before = snapshot(folder(fn, sizes))

        assert draw_all(get(fn), **sizes) == drawn
        assert snapshot(folder(fn, sizes)) == before


def test_a_published_folder_is_reused_untouched(sizes, published):
    before = snapshot(published)
    loaded = draw_all(get("fn_a"), **sizes)

    assert snapshot(published) == before
    assert loaded.train.inputs == tuple(f"{n:020b}" for n in range(20))
    assert loaded.validation.inputs == tuple(f"{n:020b}" for n in range(20, 40))
    assert list(loaded.test.labels) == sorted(loaded.test.labels)
    assert loaded.disjoint


def test_only_data_drawn_here_are_known_to_be_independent(sizes, published):
    loaded = draw_all(get("fn_a"), **sizes)
    assert not loaded.independent
    assert any("no certificate" in warning for warning in loaded.warnings)
    assert draw_all(get("fn_b"), **sizes).independent
    again = draw_all(get("fn_b"), **sizes)
    assert again.independent
    assert again.warnings == ()


@pytest.mark.parametrize("name", ["train.txt", "val.txt", "test.txt"])
def test_altered_files_carry_no_certificate_and_are_named(sizes, name):
    """Easy inputs in place of some of a class make a wrong rule look right."""
    assert draw_all(get("fn_i"), **sizes).independent
    path = folder("fn_i", sizes) / name
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if line.endswith(" -> 0\n"))
    lines[number] = f"{10**19 + 2 * number} -> 0\n"
    path.write_text("".join(lines))
    altered = draw_all(get("fn_i"), **sizes)
    assert not altered.independent
    assert any(name in warning and "no certificate" in warning for warning in altered.warnings)
    again = draw_all(get("fn_i"), **sizes, fresh=True)
    assert again.independent
    assert again.warnings == ()


@pytest.mark.parametrize("fn", ["fn_a", "fn_i", "fn_v"])
def test_flipped_labels_are_counted_and_carry_no_certificate(sizes, fn):
    draw_all(get(fn), **sizes)
    path = folder(fn, sizes) / "val.txt"
    flipped = {"0": "1", "1": "0"}
    path.write_text("".join(f"{x[:-1]}{flipped[x[-1]]}\n" for x in path.read_text().splitlines()))
    altered = draw_all(get(fn), **sizes)
    assert not altered.independent
    assert any(f"20 labels in {path.parent}" in warning for warning in altered.warnings)


def test_data_of_a_release_that_did_not_count_repeats_carry_a_certificate_if_repeats_do_not_matter(
    sizes,
):
    for fn, matters in (("fn_a", False), ("fn_i", True)):
        draw_all(get(fn), **sizes)
        path = folder(fn, sizes) / "meta.json"
        meta = json.loads(path.read_text())
        del meta["discarded_draws"]
        path.write_text(json.dumps(meta))
        loaded = draw_all(get(fn), **sizes)
        assert loaded.independent is not matters
        assert any("repeats" in warning for warning in loaded.warnings) is matters


def test_the_digest_depends_on_the_examples_and_not_on_their_division(sizes):
    one = draw_all(get("fn_a"), **sizes)
    together = sizes | {"train_size": 40, "val_size": 0}
    assert draw_all(get("fn_a"), **together).key.sha256 == one.key.sha256
    assert draw_all(get("fn_a"), **sizes | {"seed": 2}).key.sha256 != one.key.sha256
    turned = Dataset(one.test.inputs, tuple(1 - y for y in one.test.labels))
    assert digest(one.train, one.validation, one.test) == one.key.sha256
    assert digest(one.train, one.validation, turned) != one.key.sha256


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_marks_and_line_ends_of_other_systems_change_no_data(sizes, published, mark, line_end):
    expected = draw_all(get("fn_a"), **sizes)
    test = expected.test
    for path in published.glob("*.txt"):
        path.write_bytes(mark + path.read_bytes().replace(b"\n", line_end))
    read = draw_all(get("fn_a"), **sizes)
    assert read == expected
    assert read.train.inputs[:2] == ("0" * 20, f"{1:020b}")
    assert read.test == test


def test_another_division_comes_from_the_stored_files(sizes):
    drawn = draw_all(get("fn_b"), **sizes)
    before = snapshot(folder("fn_b", sizes))
    whole = draw_all(get("fn_b"), **(sizes | {"train_size": 40, "val_size": 0}))
    few = draw_all(get("fn_b"), **(sizes | {"train_size": 8, "val_size": 32}))

    assert snapshot(folder("fn_b", sizes)) == before
    pool = set(drawn.train.inputs + drawn.validation.inputs)
    assert len(pool) == 40
    assert set(whole.train.inputs) == set(few.train.inputs + few.validation.inputs) == pool
    assert whole.validation.inputs == ()
    assert (sum(few.train.labels), sum(few.validation.labels)) == (4, 16)
    assert whole.test == few.test == drawn.test


def test_a_division_does_not_depend_on_which_was_drawn_first(sizes, tmp_path):
    divisions = [(40, 0), (20, 20), (8, 32)]
    results = []
    for first in divisions:
        place = tmp_path / str(first)
        for train, validation in (first, *divisions):
            drawn = draw_all(
                get("fn_c"),
                **(sizes | {"train_size": train, "val_size": validation, "dataset_dir": place}),
            )
            results.append((train, drawn.train, drawn.validation))

    assert len(set(results)) == 3


def test_a_published_folder_is_divided_into_balanced_parts(sizes, published):
    texts = [(published / name).read_text().splitlines() for name in ("train.txt", "val.txt")]
    pool = sorted(texts[0] + texts[1], key=lambda line: line[-1])
    write(published, train="\n".join(pool[:20]), val="\n".join(pool[20:]))
    positives = sum(line[-1] == "1" for line in pool)
    request = sizes | {"train_size": 10, "val_size": 30}

    assert positives == 20
    divided = draw_all(get("fn_a"), **request)
    assert sum(divided.train.labels) == 5
    assert any("not half positive: 0 of 20" in w for w in draw_all(get("fn_a"), **sizes).warnings)

    write(published, train="\n".join(pool[:10] * 2), val="\n".join(pool[:20]))
    with pytest.raises(InputError, match="hold 0 examples of label 1 in 40"):
        draw_all(get("fn_a"), **request)


def test_inputs_shared_by_two_splits_are_a_warning_and_not_disjoint(sizes, published):
    test = (published / "test.txt").read_text().splitlines()
    (published / "test.txt").write_text("\n".join([f"{3:020b} -> 0", *test[1:]]))

    loaded = draw_all(get("fn_a"), **sizes)

    assert not loaded.disjoint
    assert any("1 input" in w and "more than one split" in w for w in loaded.warnings)


def test_stored_labels_that_contradict_the_rule_give_a_warning(sizes):
    place = folder("fn_g", sizes | {"length": 25})
    halves = [f"{n:012b}" for n in range(140)]
    palindromes = [f"{half}0{half[::-1]}" for half in halves]
    middle_flipped = [f"{half}1{half[::-1]}" for half in halves]  # still palindromes
    inputs = palindromes[:70] + middle_flipped[70:]
    labels = [1] * 70 + [0] * 70
    order = [n // 2 + 70 * (n % 2) for n in range(140)]
    mixed, truth = [inputs[n] for n in order], [labels[n] for n in order]
    write(
        place,
        train=lines(mixed[:20], truth[:20]),
        val=lines(mixed[20:40], truth[20:40]),
        test=lines(mixed[40:], truth[40:]),
    )

    loaded = draw_all(get("fn_g"), **(sizes | {"length": 25}))

    assert any("70 labels" in warning for warning in loaded.warnings)
    assert loaded.test.labels == tuple(truth[40:])


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "0101 -> 1"),
        (3, f"{0:020b} -> 2"),
        (4, f"{0:020b} -> "),
        (5, f"{0:020b} 1"),
        (6, ""),
        (7, "0" * 19 + "2 -> 1"),
        (20, f"{0:020b} -> 1 "),
    ],
)
def test_a_malformed_line_is_named(sizes, published, line, text):
    kept = (published / "train.txt").read_text().splitlines()
    kept[line - 1] = text
    (published / "train.txt").write_text("\n".join(kept) + "\n")
    before = snapshot(published)

    with pytest.raises(InputError, match=rf"train\.txt, line {line}:"):
        draw_all(get("fn_a"), **sizes)
    assert snapshot(published) == before


def test_a_line_that_is_not_utf8_is_named(sizes, published):
    data = (published / "val.txt").read_bytes().split(b"\n")
    data[2] = b"\xff\xfe -> 1"
    (published / "val.txt").write_bytes(b"\n".join(data))

    with pytest.raises(InputError, match=r"val\.txt, line 3: not valid UTF-8"):
        draw_all(get("fn_a"), **sizes)


@pytest.mark.parametrize("name", ["train.txt", "test.txt", "val.txt"])
def test_an_empty_file_is_an_error(sizes, published, name):
    (published / name).write_bytes(b"")

    with pytest.raises(InputError, match=name):
        draw_all(get("fn_a"), **sizes)


def test_an_incomplete_folder_is_an_error_until_drawn_again(sizes):
    drawn = draw_all(get("fn_a"), **sizes)
    place = folder("fn_a", sizes)
    (place / "val.txt").unlink()

    with pytest.raises(InputError, match=r"incomplete: val\.txt missing"):
        draw_all(get("fn_a"), **sizes)
    assert draw_all(get("fn_a"), **sizes, fresh=True) == drawn
    assert draw_all(get("fn_a"), **sizes) == drawn


def test_other_line_counts_are_an_error_naming_the_files_until_drawn_again(sizes, published):
    (published / "test.txt").write_text(f"{0:020b} -> 0\n")
    (published / "notes.md").write_text("mine")
    before = snapshot(published)

    with pytest.raises(InputError, match=r"1 in .*test\.txt"):
        draw_all(get("fn_a"), **sizes)
    assert snapshot(published) == before
    draw_all(get("fn_a"), **sizes, fresh=True)
    assert len((published / "test.txt").read_text().splitlines()) == 100
    assert (published / "notes.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("sizes_asked", "message"),
    [
        ({"train_size": 21}, "training size 21 is odd"),
        ({"val_size": 7}, "validation size 7 is odd"),
        ({"test_size": 99}, "test size 99 is odd"),
        ({"train_size": 0}, "training size 0 is less than 2"),
        ({"test_size": 0}, "test size 0 is less than 2"),
        ({"val_size": -2}, "validation size -2 is less than 0"),
        ({"test_size": 10**12}, "more than the"),
    ],
)
def test_impossible_sizes_say_what_is_allowed(sizes, tmp_path, sizes_asked, message):
    with pytest.raises(InputError, match=message):
        draw_all(get("fn_a"), **(sizes | sizes_asked))
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_too_few_inputs_says_how_many_exist_and_are_needed(sizes, tmp_path):
    request = sizes | {"length": 10, "train_size": 100, "val_size": 100}

    with pytest.raises(
        InputError, match=r"only 32 inputs of label 1 at length 10.*ask for 100"
    ) as caught:
        draw_all(get("fn_g"), **request, negatives="random")
    assert caught.value.setting == "allow_repeats"
    with pytest.raises(InputError, match=r"only 11 inputs of label 1 at length 10"):
        draw_all(get("fn_c"), **request)
    assert list(tmp_path.iterdir()) == []


def test_permitted_repeats_are_marked(sizes):
    request = sizes | {"length": 10, "train_size": 100, "val_size": 100}
    drawn = draw_all(get("fn_g"), **request, allow_repeats=True)

    assert not drawn.disjoint
    assert drawn.warnings
    assert [sum(part.labels) for part in (drawn.train, drawn.validation, drawn.test)] == [50] * 3
    assert len(drawn.contrast) == 64  # all 32 palindromes and as many others


def test_permitted_repeats_are_not_used_if_enough_inputs_exist(sizes):
    for fn in ("fn_g", "fn_a"):
        drawn = draw_all(get(fn), **sizes, allow_repeats=True)
        assert drawn.disjoint


@pytest.mark.parametrize(("fn", "exist"), [("fn_g", 1024), ("fn_h", 1344)])
def test_at_length_20_only_the_test_split_repeats_inputs(sizes, fn, exist):
    request = sizes | {"train_size": 100, "val_size": 100, "test_size": 10_000}
    drawn = draw_all(get(fn), **request)
    positives = [
        {x for x, y in zip(part.inputs, part.labels, strict=True) if y}
        for part in (drawn.train, drawn.validation, drawn.test)
    ]

    assert drawn.disjoint
    assert len(set(drawn.train.inputs)) == len(set(drawn.validation.inputs)) == 100
    assert not positives[0] & positives[1]
    assert not (positives[0] | positives[1]) & positives[2]
    # The test split holds nearly all of the rest.
    assert 0.9 * (exist - 100) < len(positives[2]) <= exist - 100
    *before, last = drawn.warnings
    assert "test split of" in last
    assert "repeats inputs" in last
    assert ["no certificate" in warning for warning in before] == [True] * (fn == "fn_h")


def test_distinct_inputs_are_found_even_if_nearly_all_are_needed(sizes):
    request = sizes | {"length": 14, "train_size": 20, "val_size": 20, "test_size": 200}
    drawn = draw_all(get("fn_g"), **request)  # 120 of the 128 palindromes

    assert drawn.warnings == ()
    assert len({x for x in drawn.test.inputs if x == x[::-1]}) == 100


def test_a_folder_that_cannot_be_made_is_an_error(sizes, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(
        InputError, match=r"Cannot write the data to .*file is a file, not a folder; choose"
    ) as caught:
        draw_all(get("fn_a"), **(sizes | {"dataset_dir": tmp_path / "file"}))
    assert caught.value.setting == "dataset_dir"


def test_a_full_disk_leaves_no_folder_behind(sizes, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="raise the limit on the size of files"):
            draw_all(get("fn_a"), **sizes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert draw_all(get("fn_a"), **sizes).disjoint


def test_a_full_disk_keeps_the_data_that_were_there(sizes, published):
    before = snapshot(published)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="raise the limit on the size of files"):
            draw_all(get("fn_a"), **sizes, fresh=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert snapshot(published) == before


def test_a_folder_that_another_process_wrote_meanwhile_is_kept_intact(sizes, monkeypatch):
    place = folder("fn_a", sizes)
    rename = Path.rename

    def late(path, target):
        monkeypatch.setattr(Path, "rename", rename)
        draw_all(get("fn_a"), **sizes)  # the other process is first
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    drawn = draw_all(get("fn_a"), **sizes)

    assert draw_all(get("fn_a"), **sizes) == drawn
    assert sorted(p.name for p in place.iterdir()) == ["meta.json", *sorted(files.DATA_FILES)]
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_two_processes_draw_the_same_data_at_the_same_time(sizes):
    context = multiprocessing.get_context("spawn")
    told, barrier = context.Queue(), context.Barrier(2)
    processes = [
        context.Process(target=draw_repeatedly, args=(sizes, ROUNDS, barrier, told))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    one, other = told.get(timeout=60), told.get(timeout=60)
    for process in processes:
        process.join()
    drawn = draw_all(get("fn_a"), **sizes)
    assert one == other == {digest(drawn.train, drawn.validation, drawn.test)}
    for index in range(ROUNDS):
        place = folder("fn_a", sizes | {"dataset_dir": sizes["dataset_dir"] / str(index)})
        assert [p.name for p in place.parent.iterdir()] == [place.name]
        assert sorted(p.name for p in place.iterdir()) == ["meta.json", *sorted(files.DATA_FILES)]


def test_data_that_are_drawn_again_as_they_are_stay_untouched(sizes):
    drawn = draw_all(get("fn_a"), **sizes)
    before = snapshot(folder("fn_a", sizes))
    assert draw_all(get("fn_a"), **sizes, fresh=True) == drawn
    assert snapshot(folder("fn_a", sizes)) == before


def test_a_run_interrupted_while_writing_leaves_no_data_folder(sizes, monkeypatch):
    place = folder("fn_a", sizes)

    def interrupted(path, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_all(get("fn_a"), **sizes)
    assert list(place.parent.iterdir()) == []


def test_a_run_interrupted_while_replacing_data_leaves_no_mixture(sizes, published, monkeypatch):
    replace = Path.replace

    def interrupted(path, target):
        if path.name == "test.txt":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_all(get("fn_a"), **sizes, fresh=True)
    with pytest.raises(InputError, match=r"incomplete: test\.txt missing"):
        draw_all(get("fn_a"), **sizes)


def test_a_run_interrupted_before_it_replaces_data_leaves_none_to_complete(sizes, monkeypatch):
    """A split that both data sets hold, such as an empty one, is not what is left of them."""
    sizes = sizes | {"val_size": 0}
    draw_all(get("fn_a"), **sizes)
    place = folder("fn_a", sizes)
    for name in ("train.txt", "test.txt"):
        (place / name).write_text((place / name).read_text()[1:])

    def interrupted(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            draw_all(get("fn_a"), **sizes, fresh=True)
    assert [path.name for path in place.iterdir()] == ["meta.json"]
    draw_all(get("fn_a"), **sizes)


def test_metadata_alone_are_replaced_at_once(sizes, monkeypatch):
    draw_all(get("fn_a"), **sizes)
    place = folder("fn_a", sizes)
    (place / "meta.json").write_text("{}")

    def interrupted(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            draw_all(get("fn_a"), **sizes, fresh=True)
    assert (place / "meta.json").read_text() == "{}"


def test_a_data_file_may_hold_any_text(tmp_path):
    (tmp_path / "data.txt").write_text("a -> b -> 1\nü\x0bx -> 0\n", encoding="utf-8")
    data = files.read_dataset(tmp_path / "data.txt")

    assert data.inputs == ("a -> b", "ü\x0bx")
    assert data.labels == (1, 0)
    with pytest.raises(InputError, match=r"Cannot read .*nothing\.txt"):
        files.read_dataset(tmp_path / "nothing.txt")
    (tmp_path / "data.txt").write_text("")
    with pytest.raises(InputError, match="is empty"):
        files.read_dataset(tmp_path / "data.txt")


def test_more_characters_than_fit_in_memory_are_refused_before_drawing(sizes, tmp_path):
    with pytest.raises(InputError, match="characters are more than"):
        draw_all(get("fn_a"), **(sizes | {"length": 2000, "test_size": 1_900_000}))
    assert list(tmp_path.iterdir()) == []


def test_drawing_again_is_only_suggested_for_drawn_data(sizes, published):
    (published / "test.txt").write_text("0 1\n")

    with pytest.raises(InputError, match="or draw the data again") as stored:
        draw_all(get("fn_a"), **sizes)
    with pytest.raises(InputError, match="; fix that line$") as any_file:
        files.read_dataset(published / "test.txt")
    assert stored.value.setting == "fresh_data"
    assert any_file.value.setting is None
