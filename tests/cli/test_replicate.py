"""`llm-erm replicate` runs what this machine can, says what it cannot, and goes on where it was."""

import json
import shutil
from contextlib import closing
from dataclasses import replace

import pytest

import made_results as made
from llm_erm.cli import parts
from llm_erm.cli.experiments import Options, Part, checked, has_gpu, plan
from llm_erm.cli.foretold import Foretold, hours, in_words
from llm_erm.cli.parts import Progress, within_budget
from llm_erm.errors import LLMERMError, MissingExtraError, ProviderError, UnfinishedError
from llm_erm.facts import SynthesisFacts
from llm_erm.reports.published import published
from llm_erm.reports.replicated import read_replication
from llm_erm.reports.results import Entry
from llm_erm.runs.journal import lock
from llm_erm.tasks.suite import PUBLISHED

KNOWN = published()


def planned(*, gpu: bool = False, **flags) -> list[Part]:
    return plan(Options(**flags), KNOWN, gpu=gpu)


def named(parts: list[Part], name: str) -> list[Part]:
    return [part for part in parts if part.contender.name == name]


def test_the_table_has_every_task_at_its_length_as_it_was_drawn():
    found = named(planned(experiment="table1"), "enumeration")
    drawn = {
        (task, part.data.length, part.options.published)
        for part in found
        for task in part.data.tasks
    }
    rest = {(task, 100, "erm") for task in PUBLISHED if task != "fn_k"}
    assert drawn == rest | {("fn_v", 100, "pv"), ("fn_aa", 300, "pv")}
    for part in found:
        options = part.options
        assert (options.train_size, options.val_size, options.test_size) == (100, 100, 10_000)


def test_every_published_figure_has_a_part_that_stands_beside_it():
    parts = planned()
    there = {(point, part.contender.beside) for part in parts for point in part.data.points}
    for name in KNOWN.experiments:
        assert KNOWN.figures(name).keys() <= there


def test_methods_divide_the_examples_as_published():
    parts = planned(experiment="table1", functions=("fn_a",))
    (xgboost,) = named(parts, "xgboost")
    assert (xgboost.options.train_size, xgboost.options.val_size) == (200, 0)
    assert xgboost.options.grids == "published"
    (transformer,) = named(parts, "transformer")
    assert transformer.options.train_set_size == (200,)
    ten = named(planned(experiment="scaling", functions=("fn_f",)), "enumeration")[0]
    assert (ten.options.train_size, ten.options.val_size) == (6, 4)


def test_without_a_gpu_a_small_transformer_says_so_and_nothing_is_fine_tuned():
    here = planned(experiment="scaling", functions=("fn_f",))
    small = named(here, "transformer")
    assert [bool(part.reason) for part in small] == [False] * 4 + [True] * 2
    assert "not the published 1.4 billion weights" in small[0].contender.remark
    assert small[0].options.n_embd == 64
    there = named(planned(experiment="scaling", functions=("fn_f",), gpu=True), "transformer")
    assert not any(part.reason for part in there)
    assert (there[0].options.model, there[0].options.n_embd) == ("qwen1.7B", None)
    for gpu in (False, True):
        (tuned,) = named(planned(experiment="table1", functions=("fn_a",), gpu=gpu), "finetuned")
        assert bool(tuned.reason) is not gpu


def test_the_embedded_model_is_shown_as_many_examples_as_it_can_read():
    shots = {
        part.data.length: part.options.shots
        for part in named(planned(experiment="table1"), "incontext")
    }
    assert shots == {100: (32,), 300: (12,)}


def test_lengths_are_tested_on_data_that_share_inputs():
    (part, *_) = named(planned(experiment="length"), "enumeration")
    assert (part.options.lengths, part.options.allow_repeats) == ((10,), True)
    assert part.options.published is None
    (trained,) = named(planned(experiment="length"), "transformer")
    assert trained.options.test_sequence_length == (20, 25, 30, 50, 100)


def test_a_remote_model_is_used_only_if_its_provider_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
    unnamed = named(planned(experiment="table1", functions=("fn_a",)), "search")
    assert "needs --provider" in unnamed[0].reason
    flags = {"experiment": "table1", "functions": ("fn_a",), "provider": "openai"}
    asked = planned(**flags, max_cost_usd=3.0)
    (search,), (untooled,) = named(asked, "search"), named(asked, "no-tools")
    assert checked(search).reason == checked(untooled).reason == ""
    assert search.options.enable_code_interpreter
    assert not untooled.options.enable_code_interpreter
    assert (search.options.attempts, search.options.max_cost_usd) == (5, 3.0)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY is not set" in checked(search).reason


def test_a_served_model_has_the_tool_of_this_machine_and_its_own_column():
    flags = {"experiment": "table1", "functions": ("fn_a",), "provider": "vllm"}
    parts = planned(**flags, model="Qwen/Qwen3-30B-A3B-Thinking-2507", base_url="http://x/v1")
    (search,), (untooled,) = named(parts, "search"), named(parts, "no-tools")
    assert (search.options.code_tool, search.contender.remark) == ("local", "another model")
    assert (untooled.options.code_tool, untooled.contender.beside) == ("none", "thinking")
    assert named(parts, "thinking") == []


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", True),
        ("qwen3:30b-a3b-thinking-2507-q4_K_M", True),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", False),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", False),
    ],
)
def test_only_the_published_model_stands_beside_the_thinking_one(model, thinks):
    flags = {"experiment": "table1", "functions": ("fn_a",), "provider": "vllm", "model": model}
    (untooled,) = named(planned(**flags), "no-tools")
    expected = ("thinking", "") if thinks else ("no-tools", "another model")
    assert (untooled.contender.beside, untooled.contender.remark) == expected


def test_every_method_learns_from_every_trial():
    one, three = (planned(num_trials=trials, gpu=True) for trials in (1, 3))
    assert len(one) == len(three)
    for single, several in zip(one, three, strict=True):
        assert len(several.options.data_sets()) == 3 * len(single.options.data_sets())
        assert several.seconds == pytest.approx(3 * single.seconds)


def test_what_is_not_installed_is_the_reason(monkeypatch):
    for module in ("baselines.learners", "enumeration.method", "training.build"):
        monkeypatch.setattr(f"llm_erm.{module}.find_spec", lambda name: None)

    def absent():
        raise MissingExtraError("The runtime is not installed.")

    monkeypatch.setattr("llm_erm.llms.weights.require_runtime", absent)
    reasons = {}
    for part in map(checked, planned(experiment="table1", functions=("fn_a",))):
        reasons[part.contender.name] = part.reason
    assert all(reasons.values())
    assert "pip install 'llm-erm[enumeration]'" in reasons["enumeration"]
    assert "xgboost is not installed" in reasons["xgboost"]
    assert "pip install" in reasons["transformer"]
    assert reasons["embedded"] == reasons["incontext"] == "The runtime is not installed"
    assert reasons["tabpfn"].endswith("(--tabpfn-weights)")


def test_the_quick_version_is_smaller_in_every_way():
    quick, whole = planned(quick=True), planned()
    assert {part.data.examples for part in quick} == {10, 100, 200}
    assert {part.options.seed for part in quick} == {42}
    tasks = {task for part in quick for task in part.data.tasks}
    assert tasks < {task for part in whole for task in part.data.tasks}
    forest, *_ = named(quick, "random-forest")
    assert forest.reason == "--quick leaves it out unless --methods names it"
    forest, *_ = named(planned(quick=True, methods=("random-forest",)), "random-forest")
    assert forest.reason == ""
    (enumeration, *_) = named(quick, "enumeration")
    assert (enumeration.options.max_seconds, enumeration.options.test_size) == (3.0, 1000)
    seconds = sum(part.seconds for part in quick if not part.reason)
    assert seconds < 600


def test_the_time_left_follows_from_the_time_taken():
    progress = Progress(100.0)
    assert progress.seconds_left == 100
    progress.ended(20.0, 60.0, begun=False)
    assert progress.seconds_left == 240
    progress.ended(50.0, 0.1, begun=True)  # its results were there before
    assert progress.seconds_left == 90


SMALL = ("replicate", "table1", "--functions", "fn_a", "--test-size", 40, "--quick")
TWO = (*SMALL, "--methods", "enumeration", "svm")


@pytest.mark.usefixtures("prepared")
def test_two_methods_run_stand_beside_the_published_figures_and_are_not_repeated(invoke, tmp_path):
    done = invoke(*TWO, "--out-dir", "all", "--json")
    assert done.returncode == 0, done.stderr
    search, svm = map(json.loads, done.stdout.splitlines())
    assert (search["task"], search["published_method"], search["published"]) == (
        *("fn_a", "search", 1.0),
    )
    assert (search["ours"], search["difference"], search["test_examples"]) == (1.0, 0.0, 40)
    assert search["difference_low"] == pytest.approx(0.9119 - 1, abs=1e-4)
    assert (svm["our_method"], svm["published"]) == ("baseline:svm-published", None)
    assert "table1: enumeration on fn_a, 200 examples (part 1 of 2; some" in done.stderr
    rows = (tmp_path / "all/replicate.csv").read_text().splitlines()
    assert len(rows) == 3
    document = (tmp_path / "all/replicate.md").read_text()
    assert "This is the quick version" in document.replace("\\", "")
    page = (tmp_path / "all/report.html").read_text()
    assert '<a href="#table-1">Published and ours</a>' in page
    assert ">baseline:svm-published</td>" in page
    results = sorted((tmp_path / "all").rglob("results.jsonl"))
    assert len(results) == 2
    before = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in results]
    again = invoke(*TWO, "--out-dir", "all", "--json")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert again.stderr.count("Already finished") == 2
    assert before == [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in results]


@pytest.mark.usefixtures("prepared")
def test_programs_are_tested_at_every_published_length(invoke):
    flags = ("--functions", "fn_g", "--methods", "enumeration", "--test-size", 40, "--quick")
    done = invoke("replicate", "length", *flags, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["tested"], line["published"], line["ours"]) for line in lines] == [
        *((10, 1, 1), (20, 1, 1), (25, 0.492, 1), (30, 0.703, 1), (50, 0.697, 1), (100, 0.696, 1)),
    ]


@pytest.mark.usefixtures("prepared")
def test_other_lengths_are_measured_in_every_trial(invoke):
    flags = ("--functions", "fn_e", "--methods", "enumeration", "--test-size", 40, "--quick")
    done = invoke("replicate", "length", *flags, "--num-trials", 2, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["tested"], line["trials"]) for line in lines] == [
        *((10, 2), (20, 2), (25, 2), (30, 2), (50, 2), (100, 2)),
    ]


def test_without_isolation_programs_are_not_run_at_other_lengths(monkeypatch):
    def nowhere():
        raise LLMERMError("Nothing can isolate programs here.")

    monkeypatch.setattr(parts, "Sandbox", nowhere)
    (part,) = named(planned(experiment="length", functions=("fn_g",)), "enumeration")
    _, palindrome = made.enumerated()
    ten = replace(palindrome, data=replace(palindrome.data, length=10))
    ended = parts._measured(Options(), part, [Entry(ten)])
    assert [one.point.tested for one in ended.measured] == [10]
    assert ended.part.reason == "Nothing can isolate programs here"


def test_what_has_no_answers_at_other_lengths_says_so():
    (part,) = named(planned(experiment="length", functions=("fn_g",)), "enumeration")
    _, palindrome = made.enumerated()
    nothing = replace(palindrome, data=replace(palindrome.data, length=10), program=None)
    ended = parts._measured(Options(), part, [Entry(nothing)])
    assert [one.point.tested for one in ended.measured] == [10]
    assert ended.part.reason == parts.NO_ANSWERS


@pytest.fixture
def performed(monkeypatch):
    """Takes what a part's command would be given, and ends it as the test says."""
    given = []

    def set_up(*endings: BaseException | None) -> list:
        def results_of(options):
            given.append(options)
            ending = endings[len(given) - 1]
            if ending is not None:
                raise ending
            return []

        monkeypatch.setattr(parts, "results_of", results_of)
        return given

    return set_up


LENGTHS = ("length", "--functions", "fn_g", "--methods", "enumeration", "--test-size", 40)


@pytest.mark.usefixtures("prepared")
def test_the_tables_hold_all_experiments_that_the_folder_has_results_of(invoke, tmp_path):
    folder = ("--out-dir", "all", "--quick", "--json")
    first = invoke(*SMALL, "--methods", "svm", "tabpfn", *folder)
    second = invoke("replicate", *LENGTHS, *folder)
    assert (first.returncode, second.returncode) == (0, 0)
    shown = {json.loads(line)["experiment"] for line in second.stdout.splitlines()}
    assert shown == {"length"}  # what was asked for

    def rows() -> list[str]:
        lines = (tmp_path / "all/replicate.csv").read_text().splitlines()
        return [line.split(",")[0] for line in lines[1:]]

    assert rows() == ["table1"] * 2 + ["length"] * 6
    document = (tmp_path / "all/replicate.md").read_text().replace("\\", "")
    assert document.index("## table1") < document.index("## length")
    assert "quick version: table1 with fn_a; length with fn_g; at most" in document
    assert "Not run: table1: tabpfn: " in document
    page = (tmp_path / "all/report.html").read_text()
    assert ">baseline:svm-published</td>" in page
    assert "fn_g L=100" in page
    shutil.rmtree(tmp_path / "all/table1")
    assert invoke("replicate", *LENGTHS, *folder).returncode == 0
    assert rows() == ["table1"] + ["length"] * 6  # that tabpfn was not run is still so


@pytest.mark.usefixtures("prepared")
def test_tables_of_several_seeds_say_so(invoke, tmp_path):
    folder = ("--test-size", 40, "--out-dir", "all")
    table = ("replicate", "table1", "--functions", "fn_a", "--methods", "svm", *folder)
    assert invoke(*table).returncode == 0
    assert invoke("replicate", *LENGTHS, *folder, "--seed", 7).returncode == 0
    document = (tmp_path / "all/replicate.md").read_text()
    assert "In table1, there are 40 test examples; published were 10,000." in document
    assert "In table1, the seed of the data is 42." in document
    assert "In length, the seed of the data is 7." in document
    assert "svm-published" in (tmp_path / "all/replicate.csv").read_text()
    assert invoke(*table, "--seed", 7).returncode == 1
    assert "svm-published" not in (tmp_path / "all/replicate.csv").read_text()
    assert invoke(*table).returncode == 0
    assert "svm-published" in (tmp_path / "all/replicate.csv").read_text()


def ctrl_c(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(params=[130, 143], ids=["ctrl-c", "sigterm"])
def stop(request, terminate):
    """Stops the command in place of a call, and the exit status that it then has."""
    return (ctrl_c if request.param == 130 else terminate), request.param


@pytest.mark.usefixtures("prepared")
def test_a_stop_while_other_lengths_are_measured_keeps_what_is_finished(
    invoke, tmp_path, monkeypatch, stop
):
    stopping, status = stop
    words = ("replicate", *LENGTHS, "--quick", "--out-dir", "all")
    with monkeypatch.context() as patch:
        patch.setattr(parts, "measured_at", stopping)
        done = invoke(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Tables of what is finished: all. Run the same command to continue." in done.stderr
    table = (tmp_path / "all/replicate.csv").read_text().splitlines()
    assert [line.count("not run: it was stopped") for line in table[1:]] == [0, 1, 1, 1, 1, 1]
    kept = read_replication(tmp_path / "all")
    assert (kept.due, kept.stopped) == (("length/enumeration/L10-n200",), True)
    assert invoke(*words).returncode == 0
    assert "not run" not in (tmp_path / "all/replicate.csv").read_text()
    kept = read_replication(tmp_path / "all")
    assert (kept.due, kept.stopped) == ((), False)


def test_searches_in_which_no_program_ran_are_said_and_stop_nothing():
    (part, *_) = named(planned(experiment="table1", functions=("fn_a",)), "embedded")
    flags = {"method": "synthesis", "model": "local:tiny", "facts": SynthesisFacts()}
    ran = made.search("fn_a", made.PARITY, 1.0, length_generalization=None, **flags)
    none = dict.fromkeys(("train", "validation", "test", "contrast", "certificate"))
    failed = made.search("fn_a", None, 0.5, trial=2, length_generalization=None, **flags, **none)
    ended = parts._measured(Options(), part, [Entry(ran), Entry(failed)])
    assert ended.part.reason == parts.NO_PROGRAM
    assert [one.accuracy for one in ended.measured] == [1.0]


@pytest.mark.parametrize(
    "interrupted", ["parts.results_of", "parts.entries_in", "parts.measured_of"]
)
@pytest.mark.usefixtures("prepared")
def test_a_stop_anywhere_in_a_part_leaves_tables(invoke, tmp_path, monkeypatch, stop, interrupted):
    stopping, status = stop
    monkeypatch.setattr(f"llm_erm.cli.{interrupted}", stopping)
    done = invoke(*TWO, "--out-dir", "all")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.endswith(
        "Tables of what is finished: all. Run the same command to continue.\n"
    )
    assert "not run: it was stopped; run the" in (tmp_path / "all/replicate.csv").read_text()
    kept = read_replication(tmp_path / "all")
    assert (len(kept.due), kept.stopped) == (2, True)


@pytest.mark.parametrize("interrupted", ["foretell", "read_page"])
@pytest.mark.usefixtures("prepared")
def test_a_stop_after_the_last_part_leaves_the_whole_tables(
    invoke, tmp_path, monkeypatch, stop, interrupted
):
    stopping, status = stop
    monkeypatch.setattr(f"llm_erm.cli.replicate.{interrupted}", stopping)
    done = invoke(*SMALL, "--methods", "enumeration", "tabpfn", "--out-dir", "all")
    assert (done.returncode, done.stdout) == (status, "")
    assert "Tables of what is finished: all." in done.stderr
    search, tabpfn = (tmp_path / "all/replicate.csv").read_text().splitlines()[1:]
    assert "not run" not in search
    assert "not run: " in tabpfn
    kept = read_replication(tmp_path / "all")
    assert (kept.due, kept.stopped) == ((), False)


@pytest.mark.usefixtures("prepared")
def test_a_damaged_file_costs_no_result_unnoticed(invoke, tmp_path):
    folder = ("--out-dir", "all")
    assert invoke(*SMALL, "--methods", "enumeration", *folder).returncode == 0
    path = tmp_path / "all/replicate.json"
    path.write_text(damaged := path.read_text()[:-9])
    done = invoke(*SMALL, "--methods", "svm", *folder)
    assert done.returncode == 0
    assert "all/replicate.json was damaged, or another version wrote it (" in done.stderr
    assert (tmp_path / "all/replicate.json.damaged").read_text() == damaged
    assert (
        "The tables lack the results in table1/enumeration/L100-n200-erm, which "
        "all/replicate.json says nothing of; run the commands" in done.stderr
    )
    assert len((tmp_path / "all/replicate.csv").read_text().splitlines()) == 2
    again = invoke(*TWO, *folder)
    assert "The tables lack" not in again.stderr
    assert len((tmp_path / "all/replicate.csv").read_text().splitlines()) == 3


@pytest.mark.usefixtures("prepared")
def test_a_stop_keeps_what_earlier_calls_found(invoke, performed, tmp_path):
    both = (*TWO, "--out-dir", "all")
    assert invoke(*both).returncode == 0
    before = (tmp_path / "all/replicate.csv").read_text()
    performed(KeyboardInterrupt())
    assert invoke(*both).returncode == 130
    assert (tmp_path / "all/replicate.csv").read_text() == before


def test_the_folder_tells_which_parts_are_to_come(invoke, monkeypatch, tmp_path):
    due = []

    def results_of(options):
        due.append(read_replication(tmp_path / "all").due)
        return []

    monkeypatch.setattr(parts, "results_of", results_of)
    assert invoke(*TWO, "--out-dir", "all").returncode == 0
    search, svm = "table1/enumeration/L100-n200-erm", "table1/svm/L100-n200-erm"
    assert due == [(search, svm), (svm,)]
    assert read_replication(tmp_path / "all").due == ()


def test_two_replications_do_not_write_to_one_folder(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr("llm_erm.runs.journal.LOCK_SECONDS", 0.0)
    with closing(lock(tmp_path / "all")):
        done = invoke(*TWO, "--out-dir", "all")
    assert done.returncode == 2
    assert "Another process is writing to all; wait for it" in done.stderr


def test_what_is_done_before_a_stop_is_kept_and_the_rest_says_so(invoke, performed, tmp_path):
    given = performed(None, KeyboardInterrupt())
    done = invoke(*SMALL, "--methods", "enumeration", "xgboost", "embedded", "--out-dir", "all")
    assert (done.returncode, done.stdout) == (130, "")
    assert len(given) == 2  # the third was not begun
    text = (tmp_path / "all/replicate.csv").read_text()
    assert "not run: it was stopped; run the same command to continue" in text
    assert "not run: the command was stopped" in text


def test_a_part_that_fails_does_not_stop_the_others(invoke, performed):
    given = performed(ProviderError("The server is on fire."), None)
    done = invoke(*TWO, "--out-dir", "all", "--json")
    assert (done.returncode, len(given)) == (1, 2)
    assert "table1: enumeration failed: The server is on fire." in done.stderr
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["remark"] == "not run: The server is on fire"


@pytest.mark.usefixtures("prepared")
def test_results_of_other_settings_do_not_count(invoke, performed):
    one = (*SMALL, "--methods", "svm", "--out-dir", "all", "--json")
    first = invoke(*one)
    other = invoke(*one, "--seed", 7)
    assert (first.returncode, other.returncode) == (0, 1)
    assert other.stdout == ""  # there is no published figure beside which it would be missing
    assert "table1: svm failed: all/table1/svm/L100-n200-erm holds a run with other" in other.stderr
    performed(ProviderError("The server is on fire."))
    failed = invoke(*one)
    assert (failed.returncode, failed.stdout) == (1, first.stdout)


def test_a_search_that_failed_may_have_cost_all(invoke, performed):
    given = performed(ProviderError("The server is on fire."))
    remote = ("--methods", "search", "no-tools", "--provider", "openai", "--max-cost-usd", 2)
    done = invoke(*SMALL, *remote, "--out-dir", "all", "--json", OPENAI_API_KEY="sk-placeholder")
    assert (done.returncode, len(given)) == (1, 1)
    assert "--max-cost-usd 2 is, or may be, spent" in done.stdout


def test_without_a_report_the_reason_is_told(invoke, performed, tmp_path, monkeypatch):
    def absent():
        raise MissingExtraError("Reports need Jinja2.")

    performed(None, None)
    monkeypatch.setattr("llm_erm.cli.replicate.renderer", absent)
    done = invoke(*TWO, "--out-dir", "all")
    assert done.returncode == 0
    assert "There is no report: Reports need Jinja2." in done.stderr
    assert not (tmp_path / "all/report.html").exists()


def test_an_unfinished_search_has_its_own_status_and_may_have_cost_all(invoke, performed):
    given = performed(UnfinishedError("The budget is spent."))
    remote = ("--methods", "search", "no-tools", "--provider", "openai", "--max-cost-usd", 2)
    done = invoke(*SMALL, *remote, "--out-dir", "all", "--json", OPENAI_API_KEY="sk-placeholder")
    assert (done.returncode, len(given)) == (3, 1)
    remarks = [json.loads(line)["remark"] for line in done.stdout.splitlines()]
    assert remarks == [
        "not run: unfinished: The budget is spent",
        "not run: --max-cost-usd 2 is, or may be, spent",
    ]


def test_all_searches_share_one_limit_on_dollars():
    (part,) = named(
        planned(experiment="table1", functions=("fn_a",), provider="openai", max_cost_usd=3.0),
        "search",
    )
    assert within_budget(part, 0.0).options.max_cost_usd == 3
    assert within_budget(part, 1.0).options.max_cost_usd == 2
    assert within_budget(part, 3.0).reason == "--max-cost-usd 3 is, or may be, spent"
    free = replace(part, contender=replace(part.contender, paid=False))
    assert within_budget(free, 3.0).reason == ""


def test_a_dry_run_tells_calls_tokens_dollars_and_hours_and_leaves_nothing(invoke, tmp_path):
    flags = ("--methods", "search", "thinking", "finetuned", "enumeration", "incontext")
    done = invoke(
        "replicate", "table1", "--functions", "fn_a", "fn_b", *flags, "--dry-run", "--json"
    )
    assert done.returncode == 0, done.stderr
    rows = {row["part"]: row for row in map(json.loads, done.stdout.splitlines())}
    calls = rows["table1: search"]["published_form"]["calls"]
    assert (calls["calls"], calls["output_tokens"]) == (10, 200_000)
    # At the list price of gpt-5: $10 per million output tokens, $1.25 per million prompt tokens.
    dollars = 200_000 * 10e-6 + calls["prompt_tokens"] * 1.25e-6
    assert calls["dollars"] == pytest.approx(dollars, rel=1e-3)
    assert 2 * 5 * 100 * 100 / 3 < calls["prompt_tokens"] < 2 * 5 * 100 * 130
    assert rows["table1: thinking"]["published_form"]["calls"]["dollars"] is None
    # 2,000 steps of 35.9 ms and 4 evaluations of 10,000 examples, for each of two tasks.
    hours = 2 * (2000 * 0.0359 + 4 * 10_000 / 3686) / 3600
    assert rows["table1: finetuned"]["published_form"]["gpu_hours"] == pytest.approx(hours)
    assert rows["table1: enumeration"]["published_form"] == {"calls": None, "gpu_hours": None}
    assert rows["table1: enumeration"]["state"] == "run here"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--base-url", "http://127.0.0.1:9/v1"),
            "Searches with a remote model ask http://127.0.0.1:9/v1 for gpt-5, the default of "
            "--provider openai; if the server has other models, name one with --model.",
        ),
        (
            ("--base-url", "http://127.0.0.1:9/v1", "--model", "qwen"),
            "Searches with a remote model ask http://127.0.0.1:9/v1 for qwen.",
        ),
        ((), None),
        (
            ("--methods", "svm", "--base-url", "http://127.0.0.1:9/v1"),
            "--provider is not used: none of the methods asks a remote model.",
        ),
    ],
)
def test_whether_a_given_address_is_asked_and_for_which_model_is_said(invoke, flags, said):
    methods = () if "--methods" in flags else ("--methods", "search", "no-tools")
    words = ("--functions", "fn_a", "--provider", "openai", *methods, *flags, "--dry-run")
    done = invoke("replicate", "table1", *words)
    assert done.returncode == 0
    if said is None:
        assert "ask http" not in done.stderr
    else:
        assert done.stderr.splitlines()[0] == said


def test_a_dry_run_counts_every_trial(invoke):
    words = ("--functions", "fn_a", "--methods", "search", "finetuned", "svm", "--dry-run")
    one = invoke("replicate", "table1", *words, "--json").stdout
    two = invoke("replicate", "table1", *words, "--json", "--num-trials", 2).stdout
    for first, second in zip(one.splitlines(), two.splitlines(), strict=True):
        small, large = (json.loads(line) for line in (first, second))
        form, double = small["published_form"], large["published_form"]
        if form["gpu_hours"]:
            assert double["gpu_hours"] == pytest.approx(2 * form["gpu_hours"])
        if form["calls"]:
            assert double["calls"]["calls"] == 2 * form["calls"]["calls"]
        if small["cpu_seconds_here"]:
            assert large["cpu_seconds_here"] == pytest.approx(2 * small["cpu_seconds_here"])
    table = invoke("replicate", "table1", *words, "--num-trials", 2).stdout
    assert [line.split("\t")[1] for line in table.splitlines()] == ["data sets", "2", "2", "2"]


def test_the_address_in_the_environment_is_said_as_well(invoke):
    words = ("--functions", "fn_a", "--provider", "openai", "--methods", "search", "--dry-run")
    done = invoke("replicate", "table1", *words, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert "ask http://127.0.0.1:9/v1 for gpt-5" in done.stderr


def test_tasks_that_a_learner_does_not_take_are_said_once(invoke):
    done = invoke("replicate", "--methods", "genetic-programming", "--dry-run", "--json")
    run, left_out = map(json.loads, done.stdout.splitlines())
    assert (run["state"], run["tasks"]) == ("run here", 10)
    why = "it takes bit strings only, and some tasks have other inputs"
    assert (left_out["state"], left_out["tasks"]) == (why, 3)
    assert done.stderr == ""
    done = invoke("replicate", "--methods", "genetic-programming", "--dry-run")
    assert done.stderr.split("\n") == [f"Not run: table1: genetic-programming: {why}.", ""]


def test_a_dry_run_says_what_its_dollars_leave_out(invoke):
    flags = ("--functions", "fn_a", "--methods", "search", "--dry-run")
    assert "what a code tool adds" in invoke("replicate", "table1", *flags).stderr


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (("--methods", "magic"), "There is no method magic; choose from enumeration"),
        (("--functions", "fn_zz"), "fn_zz"),
        (("--functions", "fn_k"), "None of the tasks fn_k is part of all"),
        (("--provider", "local"), "--provider local is no provider of remote models"),
        (("--provider", "magic"), "--provider magic is no provider of remote models"),
        (("--test-size", 41), "--test-size is 41; give an even number"),
        (("--num-trials", 0), "--num-trials is 0; give 1 or more"),
        (("--base-url", "http://x/v1"), "--base-url is for searches with a remote model, which"),
        (("--model", "gpt-5"), "add --provider, or omit --model"),
        (("--provider", "openai", "--base-url", "x"), "must begin with http:// or https://"),
        (("--max-cost-usd", -1), "--max-cost-usd is -1.0; give a number above 0"),
        (("table2",), "table2"),
        (("table1", "--methods", "tabpfn"), "Nothing can be run here. table1: tabpfn:"),
    ],
)
def test_flags_that_make_no_sense_are_refused(invoke, tmp_path, flags, fault):
    done = invoke("replicate", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_whether_there_is_a_gpu_is_asked_only_for_what_is_trained(monkeypatch):
    asked = []
    monkeypatch.setattr("llm_erm.cli.experiments.find_spec", asked.append)
    assert not has_gpu(Options(methods=("enumeration", "svm")))
    assert asked == []
    assert not has_gpu(Options(methods=("finetuned",)))
    assert not has_gpu(Options())
    assert asked == ["torch", "torch"]


@pytest.mark.parametrize(("number", "said"), [(0.0456, "0.046"), (3.21, "3.2"), (133.4, "133")])
def test_hours_have_two_digits(number, said):
    assert hours(number) == said
    assert f"some {said} GPU hours" in in_words(Foretold(gpu_hours=number))
