"""A report is one file that holds all it shows, in which no text is ever markup."""

import base64
import gzip
import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

import made_results
from llm_erm.cli.commands import command, flags_of
from llm_erm.cli.main import main
from llm_erm.cli.parsing import parse
from llm_erm.cli.repeat import repeat
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.markup import visible
from llm_erm.mistakes import Mistake
from llm_erm.reports.page.charts import Chart, Line, Point, number, ticks
from llm_erm.reports.page.curves import charts_of
from llm_erm.reports.page.highlight import highlighted
from llm_erm.reports.page.learned import of_result
from llm_erm.reports.page.read import read_page
from llm_erm.reports.page.records import Page, Table
from llm_erm.reports.page.render import renderer
from llm_erm.reports.results import Entry
from llm_erm.rulelists.rule import Above, RuleList
from llm_erm.rulelists.rule import Line as RuleListLine
from llm_erm.rulelists.stored import write_rule
from llm_erm.rulelists.ties import Tie
from llm_erm.runs.checksum import sealed_settings
from llm_erm.runs.fingerprint import DataRecord, fingerprint, read_fingerprint
from llm_erm.runs.jobs import key_of
from llm_erm.runs.kept import AnswerLine
from llm_erm.settings import plain
from llm_erm.tables.columns import ColumnSchema
from made_attempts import HOSTILE, SHOWN, hostile_places, large_run
from made_results import asked, enumerated, synthesized, trained
from made_rules import learned
from run_folders import write_run

pytest.importorskip("jinja2", reason="reports need Jinja2")


class Parsed(HTMLParser):
    """What a browser would make of a page.

    Attributes:
        tags: All elements, each with its attributes.
        texts: All text outside scripts and styles.
        blocks: The content of scripts and styles, by tag and class, id or neither.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.blocks: dict[tuple[str, str | None], list[str]] = {}
        self._open: tuple[str, str | None] | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.tags.append((tag, about))
        named = about.get("class") or about.get("id")
        self._open = (tag, named) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open is None:
            self.texts.append(data)
        else:
            self.blocks.setdefault(self._open, []).append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def unpacked(self, name: str) -> list:
        return [
            json.loads(gzip.decompress(base64.b64decode(text)))
            for text in self.blocks["script", name]
        ]


def page_of(*places: Path) -> str:
    return renderer()(read_page(places, repeat))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Parsed:
    """A page on a hostile run in a hostile folder, and on a hostile rule."""
    return Parsed(page_of(*hostile_places(tmp_path_factory.mktemp("hostile"))))


def test_hostile_text_is_text(hostile):
    assert {tag for tag, _ in hostile.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "h4"),
        *("button", "nav", "main", "section", "details", "summary", "span", "p", "div", "pre"),
        *("code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "dl", "dt", "dd", "b"),
        *("br", "small", "form", "label", "input", "select", "option", "noscript", "kbd"),
        *("dialog", "figure", "figcaption", "svg", "path", "text", "g", "polyline", "article"),
        *("footer", "script"),
    }
    bold = sum(tag == "b" for tag, _ in hostile.tags)
    assert bold == hostile.text.count("50.0%15.0% to") + 1  # only the cells of the comparison
    for tag, about in hostile.tags:
        assert not any(name.startswith("on") for name in about), (tag, about)
        assert not {"style", "srcdoc", "action"} & about.keys()
        assert about.get("href", "#").startswith("#")
        assert "src" not in about
    assert hostile.text.count(SHOWN) > 10
    assert hostile.text.count("<img src=x") > 10


def test_hostile_text_is_text_in_further_tables():
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), (HOSTILE,))
    shown = Parsed(renderer()(Page("one", "1.0", tables=(table,))))
    harmless = Table("a", ("b",), (("c",),), ("d",))
    usual = Parsed(renderer()(Page("one", "1.0", tables=(harmless,))))
    assert [tag for tag, _ in shown.tags] == [tag for tag, _ in usual.tags]
    assert shown.text.count(SHOWN) == 5  # the title is in the navigation as well


def test_hostile_text_is_text_in_the_attempts(hostile):
    ((first, second),) = hostile.unpacked("details")
    for detail in (first, second):
        assert ["Answer", SHOWN] in detail["texts"]
        assert [f"Tool call 1: {SHOWN}", f"{SHOWN}\n→ {SHOWN}"] in detail["texts"]
    assert ["no program because", SHOWN] in first["facts"]
    assert ["message", SHOWN] in first["facts"]
    assert ["error of the call", SHOWN] in second["facts"]
    assert ["Program", SHOWN] in second["texts"]
    assert hostile.unpacked("prompts") == [SHOWN]
    (table,) = hostile.unpacked("table")
    assert [row[:3] for row in table["rows"]] == [[0, 1, "crash"], [0, 2, "ok"]]
    assert table["jobs"][0][0].startswith(SHOWN)


def test_only_the_own_script_and_style_may_run(hostile):
    (policy,) = [
        about["content"]
        for tag, about in hostile.tags
        if tag == "meta" and about.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (text,) = ["".join(hostile.blocks[tag, None])]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    kinds = [about.get("type") for tag, about in hostile.tags if tag == "script"]
    assert kinds == ["text/plain"] * (len(kinds) - 1) + [None]


def test_the_script_is_short_and_inserts_no_markup():
    script = (files("llm_erm.reports.page") / "page.js").read_text()
    assert len(script.splitlines()) <= 400
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "Function("):
        assert word not in script
    for word in ("fetch(", "XMLHttp", "import(", "http"):
        assert word not in script


def test_a_search_is_shown_with_all_it_tried(search, guess):
    page = Parsed(page_of(search, guess))
    assert "exact at this length and others" in page.text
    assert "x.count('1') % 2" in page.text.replace("return ", "")
    assert "Its error is at most" in page.text
    assert "100.0%40 of 4091.1% to 100.0%" in re.sub(r"\s*\n\s*", "", page.text)
    assert "the most accurate method is synthesis scripted:search.json (100.0%)" in page.text
    (table,) = page.unpacked("table")
    assert [row[:3] + row[7:] for row in table["rows"]][:7] == [
        *([0, 1, "ok", 0], [0, 2, "ok", 1], [1, 1, "ok", 0], [1, 2, "ok", 1]),
        *([2, 1, "ok", 1], [2, 2, "no code", 0], [2, 3, "no code", 0]),
    ]
    (details,) = page.unpacked("details")
    assert details[1]["texts"][0] == ["Program", "def f(x):\n    return x.count('1') % 2"]
    assert ["training", "20 of 20"] in details[1]["facts"]
    assert details[5]["texts"] == [["Answer", "no idea"]]
    (prompt,) = {prompt[:20] for prompt in page.unpacked("prompts")}
    assert prompt
    assert f"llm-erm synthesize --provider replay --from {search}" in page.text


def test_a_page_of_the_same_runs_is_the_same(search):
    assert page_of(search) == page_of(search)


def test_rows_after_the_first_block_have_their_details(tmp_path):
    large_run(tmp_path / "large", 600)
    page = Parsed(page_of(tmp_path / "large"))
    (table,) = page.unpacked("table")
    blocks = page.unpacked("details")
    assert [len(block) for block in blocks] == [table["perBlock"]] * 2 + [100]
    assert "# 501\n" in blocks[2][0]["texts"][0][1]
    assert table["rows"][500][:2] == [0, 501]


def test_calls_that_were_given_up_are_shown_beside_the_answers_that_replaced_them(tmp_path):
    job = key_of(synthesized()[0])
    answers = [
        Completion(1, "", error="given up in flight", finish_reason="cancelled"),
        Completion(2, "", error="the server is busy", finish_reason="error"),
        Completion(2, "no idea"),
        Completion(3, "", error="no reply", finish_reason="unanswered"),
    ]
    (tmp_path / "run").mkdir()
    write_run(tmp_path / "run", answers=[AnswerLine(job, one) for one in answers])
    page = Parsed(page_of(tmp_path / "run"))
    (table,), (details,) = page.unpacked("table"), page.unpacked("details")
    shown = [
        [row[1], row[2], *detail["facts"][0]]
        for row, detail in zip(table["rows"], details, strict=True)
    ]
    assert shown == [
        [1, "call: cancelled", "error of the call", "given up in flight"],
        [2, "answered", "answer ended by", "stop"],
        [2, "call: error", "error of the call", "the server is busy"],
        [3, "call: unanswered", "error of the call", "no reply"],
    ]


def test_inputs_that_a_program_gets_wrong_are_shown():
    wrong = tuple(Mistake(format(i, "020b"), 1, None if i == 3 else 0) for i in range(20))
    result = replace(
        synthesized()[1],
        mistakes={"train": (), "validation": wrong[:2], "test": wrong},
    )
    page = Parsed(renderer()(Page("t", "0", learned=(of_result(Entry(result, "run"), ""),))))
    text = re.sub(r"\s*\n\s*", "|", page.text)
    assert "|What it gets wrong|validation: 50 wrong, the first 2|InputLabelAnswer|" in text
    assert "|test: 5,000 wrong, the first 20|" in text
    assert f"|{wrong[2].input}10|{wrong[3].input}1none|" in text
    assert "training:" not in text
    assert "test the next result on new data, for example with another seed" in text
    assert "What it gets wrong" not in renderer()(
        Page("t", "0", learned=(of_result(Entry(synthesized()[0], "run"), ""),))
    )


def test_an_unfinished_run_is_reported_as_unfinished(search, tmp_path):
    for path in search.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text(lines[0])
    page = Parsed(page_of(tmp_path))
    assert f"{tmp_path} holds 1 of 2 results: it did not finish." in page.text
    assert f"{tmp_path} (not finished)" in page.text  # beside what was learned too
    (tmp_path / "results.jsonl").unlink()
    page = Parsed(page_of(tmp_path))
    assert f"{tmp_path} holds 0 of 2 results: it did not finish." in page.text
    assert "No result yet." in page.text
    assert len(page.unpacked("table")[0]["rows"]) == 4


def test_a_damaged_run_is_refused(search, tmp_path):
    for path in search.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "attempts.jsonl"
    path.write_text(path.read_text().replace('"correct": 20', '"correct": 19', 1))
    with pytest.raises(InputError, match=r"attempts.jsonl.*restore the file"):
        page_of(tmp_path)


def test_methods_that_share_no_data_say_so(search, elsewhere):
    page = Parsed(page_of(search, elsewhere))
    assert "share no data of fn_a L=20" in page.text


def test_a_run_on_a_task_of_ones_own_is_shown_and_can_be_repeated(made, tmp_path, monkeypatch):
    task = Path(__file__).parents[2] / "examples" / "my_task.py"
    run = made("own", ["no idea"], "--functions", "majority_a", "--task-file", task)
    page = Parsed(page_of(run))
    assert "majority_a (own task)" in page.text
    again = repeat(read_fingerprint(run), run)
    assert again == f"llm-erm synthesize --provider replay --from {run} --task-file FILE"
    monkeypatch.chdir(tmp_path)
    words = [*shlex.split(again)[1:-1], str(task), "--out-dir", "again"]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--dataset-dir", str(run.parent / "datasets")])
    assert (tmp_path / "again" / "results.jsonl").stat().st_size


def test_results_on_several_numbers_of_examples_are_no_trials():
    results = [of_size(results_of_trial, size) for size in (40, 60) for results_of_trial in (1, 2)]
    chart, *_ = charts_of([Entry(result, "run") for result in results])
    assert [(line.name, len(line.points)) for line in chart.lines] == [
        ("training qwen3-99K, 40 examples", 2),
        ("training qwen3-99K, 60 examples", 2),
    ]
    assert len({line.look for line in chart.lines}) == 2


def test_curves_of_a_method_in_two_folders_are_apart():
    small, large = (replace(of_size(1, size), variant="") for size in (40, 60))
    better = replace(large, test=replace(large.test, correct=large.test.correct + 1))
    runs = [("one", small), ("one", large), ("two", small), ("two", better)]
    charts = charts_of([Entry(result, run) for run, result in runs])
    (chart,) = (one for one in charts if one.title.startswith("Accuracy by labelled examples"))
    assert [(line.name, len(line.points)) for line in chart.lines] == [
        *(("training qwen3-99K", 2), ("training qwen3-99K in two", 2))
    ]
    assert len({line.look for line in chart.lines}) == 2


def of_size(trial: int, size: int):
    """A result at a length that grows with the trial, so that the chart has two points a line."""
    (result, *_) = trained()
    data = replace(result.data, length=20 * trial, sha256=f"{size}-{trial}")
    facts = replace(result.facts, accuracy_at_length={})
    return replace(result, data=data, examples=size, variant=f"{size}", facts=facts)


def test_results_of_several_sizes_are_not_averaged(tmp_path):
    write_run(tmp_path, *(of_size(1, size) for size in (40, 60)))
    text = Parsed(page_of(tmp_path)).text
    assert "fn_a L=20: the results of training qwen3-99K are on data of several sizes" in text
    assert "; they are left out." in text
    assert "trials" not in text.partition("Methods compared")[2].partition("the results of")[0]


def test_a_run_named_twice_is_shown_once(search, monkeypatch):
    monkeypatch.chdir(search.parent)
    page = Parsed(page_of(search, Path("search")))
    assert [tag for tag, _ in page.tags].count("article") == 1


def test_settings_of_other_programs_are_no_run(search, tmp_path):
    shutil.copytree(search, tmp_path / "search")
    (tmp_path / ".editor").mkdir()
    (tmp_path / ".editor" / "settings.json").write_text('{"editor.tabSize": 4}')
    page = Parsed(page_of(tmp_path))
    assert [tag for tag, _ in page.tags].count("article") == 1


def test_settings_of_another_version_are_refused(search, tmp_path):
    other = replace(read_fingerprint(search, None), method="baselines", settings={})
    (tmp_path / "settings.json").write_text(sealed_settings(other.text))
    (tmp_path / "results.jsonl").touch()
    with pytest.raises(InputError, match=r"Another version .* which lacks 'grids'"):
        page_of(tmp_path)


def test_a_rule_is_not_credited_with_what_another_got_right(tmp_path):
    rule = RuleList((RuleListLine((Above("age", 1.0),), 1),), 0, ("no", "yes"))
    one = learned(rule, [ColumnSchema("age", "number")], counts=[(60, 60), (40, 40)])
    ties = tuple(Tie(RuleList((), label % 2, ("no", "yes")), ()) for label in range(12))
    write_rule(tmp_path / "rule.json", replace(one, ties=ties))
    page = Parsed(page_of(tmp_path / "rule.json"))
    assert "rows checked on, by a rule learned from 80 rows only95.0%" in page.text
    assert "As good on these rows: at least 12 more, 10 of them here" in page.text
    assert not any(about.get("class") == "badge yes" for _, about in page.tags)
    whole = replace(one, check=replace(one.check, learned_rows=100))
    write_rule(tmp_path / "rule.json", whole)
    assert "rows checked on95.0%" in Parsed(page_of(tmp_path / "rule.json")).text


def test_runs_in_subfolders_are_shown_and_links_are_not_followed(search, guess, tmp_path, capsys):
    for run in (search, guess):
        shutil.copytree(run, tmp_path / "sweep" / run.name)
    (tmp_path / "other").write_text("kept")
    (tmp_path / "sweep" / "report.html").symlink_to(tmp_path / "other")
    with pytest.raises(SystemExit, match="0"):
        main(["report", str(tmp_path / "sweep")])
    assert (tmp_path / "other").read_text() == "kept"
    page = Parsed((tmp_path / "sweep" / "report.html").read_text())
    assert str(tmp_path / "sweep" / "search") in page.text
    assert str(tmp_path / "sweep" / "guess") in page.text
    assert "Report:" in capsys.readouterr().err


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        page_of(tmp_path)


def test_every_method_and_chart_is_drawn():
    results = [*synthesized(), *enumerated(), *asked(), *trained(), search_at(50)]
    charts = charts_of([Entry(result, "run") for result in results])
    titles = [chart.title.partition(":")[0] for chart in charts]
    assert titles == [
        "Accuracy by length",
        "Accuracy by length",
        "Accuracy by labelled examples",
        "Accuracy by labelled examples",
        "Candidates to success",
    ]
    (line,) = [
        line for line in charts[0].lines if line.name == "training qwen3-99K, trained at length 20"
    ]
    assert line.points == (Point(30, 0.5),)
    assert charts[-1].lines[-1].points[-2:] == (Point(2, 0.5), Point(5, 0.5))


def test_candidates_are_counted_on_tasks_that_all_searches_share():
    palindrome, parity = enumerated()[1], synthesized()[0]
    entries = [Entry(one, "run") for one in (*enumerated(), parity)]
    (chart,) = [one for one in charts_of(entries) if "Candidates" in one.title]
    assert chart.title == "Candidates to success"
    assert [line.points[-1].y for line in chart.lines] == [1.0, 1.0]
    assert len(chart.lines[0].points) == len(chart.lines[1].points) == 4  # parity alone
    (chart,) = [
        one for one in charts_of([Entry(palindrome), Entry(parity)]) if "Candidates" in one.title
    ]
    assert chart.title == "Candidates to success (each method on tasks of its own)"


def test_wide_ticks_have_room_beside_the_label():
    line = Line("a", (Point(1, 1.0), Point(9, 123_456.0)))
    narrow = Chart("t", "x", "y", (Line("a", (Point(1, 1.0), Point(9, 9.0))),), shares=False)
    wide = Chart("t", "x", "y", (line,), shares=False)
    assert narrow.box[0] < wide.box[0]
    assert max(len(tick.label) for tick in wide.y_ticks) == len("100,000")
    assert wide.box[0] - 6 - 8.4 * len("100,000") > 12 + 8  # right of the label, in large letters
    assert wide.x(1) > wide.box[0]
    assert [number(value) for value in (1e6, 2.5e7, 3e9, 1e12)] == ["1M", "25M", "3G", "1T"]


def test_a_search_that_failed_counts_all_programs_that_it_considered():
    found, failed = enumerated()
    test = replace(failed.test, correct=failed.test.total // 2)
    failed = replace(failed, test=test, facts=replace(failed.facts, considered=9_000))
    (chart,) = [
        chart
        for chart in charts_of([Entry(one, "run") for one in (found, failed)])
        if chart.title == "Candidates to success"
    ]
    assert chart.lines[0].points[-1] == Point(9_000, 0.5)


def search_at(length: int):
    result = synthesized()[0]
    return replace(result, data=replace(result.data, length=length, sha256="other"), attempts=5)


def test_ticks_are_round_and_within_the_axis():
    assert ticks(0, 100, log=False) == [0, 20, 40, 60, 80, 100]
    assert ticks(3, 20_000, log=True) == [10, 100, 1000, 10_000]
    assert [number(value) for value in (0.25, 1000.0, 2e6)] == ["0.25", "1,000", "2M"]
    assert Chart("", "", "", (), shares=False).told(1_234_567) == "1,234,567"
    chart = Chart("", "", "", (Line("", (Point(1, 0.0), Point(100, 1.0))),), log_x=True)
    left, right, top, bottom = chart.box
    assert left < chart.x(1) < chart.x(10) < chart.x(100) < right
    assert chart.x(10) - chart.x(1) == pytest.approx(chart.x(100) - chart.x(10), abs=0.2)
    assert top < chart.y(1) < chart.y(0) < bottom


def test_programs_are_highlighted_part_by_part():
    source = "def f(x):\n    return f'{x}' == '\\n'  # 7\n"
    parts = highlighted(source)
    assert "".join(text for _, text in parts) == source
    assert {("keyword", "def"), ("name", "f"), ("comment", "# 7")} <= {*parts}
    assert highlighted("def f(:\n '''") == (("", "def f(:\n '''"),)
    assert highlighted("x\0") == (("", "x\0"),)


def test_characters_without_a_shape_are_shown():
    assert visible("a\u3164\ufe01b\u200b") == "a⟨U+3164⟩⟨U+FE01⟩b⟨U+200B⟩"
    assert visible("é ❤\ufe0f\n\t한") == "é ❤\ufe0f\n\t한"


def test_a_result_shows_itself_in_a_notebook():
    shown = Parsed(made_results.search(HOSTILE, HOSTILE, 0.5, **named())._repr_html_())
    assert {tag for tag, _ in shown.tags} == {
        *["div", "p", "b", "pre", "table", "tr", "th", "td", "ul", "li"]
    }
    assert shown.text.count(SHOWN) == 3
    assert shown.tags[0] == ("div", {"class": "tex2jax_ignore mathjax_ignore"})
    assert "Its error is at most" in shown.text
    assert "validation50 of 10050.0%" in shown.text


def named() -> dict:
    one = synthesized()[0]
    return {"method": "synthesis", "model": HOSTILE, "facts": one.facts}


@pytest.mark.parametrize(
    "words",
    [
        "enumerate --functions fn_a fn_g --lengths 20 50 --max-seconds 5 --search uniform",
        "enumerate --functions fn_a --lengths 20 --num-trials 2 --max-memory-mb 500 --val-size 40",
        "baselines --functions fn_a --lengths 20 --learners knn --published erm",
        "train --functions fn_a --lengths 20 --n_layer 1 --lr 1e-3 --train-set-size 40 60",
        "incontext --functions fn_a --lengths 20 --shots 3 5 --answer score --test-size 10",
    ],
)
def test_the_command_that_repeats_a_run_has_its_settings(words):
    run = method_of(words)
    again = repeat(run, Path("runs/a"))
    assert again.startswith(f"llm-erm {words.split()[0]} ")
    assert method_of(again.removeprefix("llm-erm ")) == run


def test_no_setting_of_a_run_reads_as_a_flag_of_the_command_that_repeats_it():
    run = method_of("baselines --functions fn_a --lengths 20 --learners knn")
    learners = ["knn", "--task-file", "theirs.py"]
    assert repeat(replace(run, settings=run.settings | {"learners": learners}), Path("a")) == ""
    spec = replace(run.data[0].spec, function="--task-file", task_file=Path("x"))
    assert repeat(replace(run, data=(DataRecord(spec, "", "", "x"),)), Path("a")) == ""


def test_settings_that_do_not_tell_the_command_give_none():
    run = method_of("enumerate --functions fn_a --lengths 20")
    assert repeat(replace(run, data=()), Path("a")) == ""
    assert repeat(replace(run, settings={}), Path("a")) == ""
    assert repeat(replace(run, settings=run.settings | {"prior": {"by": "x"}}), Path("a")) == ""
    files = [replace(run.data[0], task_file_sha256=digest) for digest in ("one", "two")]
    assert "--task-file FILE" in repeat(replace(run, data=(files[0],)), Path("a"))
    for method in ("enumeration", "synthesis"):
        assert repeat(replace(run, method=method, data=tuple(files)), Path("a")) == ""


def method_of(words: str):
    """The fingerprint of a command, as if its data had been drawn."""
    name, *flags = shlex.split(words)
    options = parse(flags_of(command(name)), flags, name)
    method, specs = options.method(), options.data_sets()
    drawn = replace(fingerprint("0", method, [], []), data=())
    data = tuple(DataRecord(spec, "", "") for spec in specs)
    return replace(drawn, settings=json.loads(json.dumps(plain(method))), data=data)


def test_the_command_writes_the_page(search, tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) is None)
    out = tmp_path / "all.html"
    with pytest.raises(SystemExit, match="0"):
        main(["report", str(search), "--out", str(out), "--open"])
    assert f"Report: {out} (2 results)" in capsys.readouterr().err
    assert opened == [out.as_uri()]
    assert out.read_text() == page_of(search)
    for words, said in ((["report"], "No runs given"), (["report", "none"], "There is no none")):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert said in capsys.readouterr().err
