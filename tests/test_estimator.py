"""ProgramClassifier keeps scikit-learn's contract and learns what ``learn`` learns."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("narwhals")
pytest.importorskip("numba")
pytest.importorskip("sklearn")

from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from llm_erm import ProgramClassifier
from llm_erm.cli.main import main
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.rule import Among, Line, RuleList
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.stored import read_rule
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import Processes
from llm_erm.tables.reading import load

LOOKS = 20_000
"""Enough to find the small rules here."""

Quick = partial(ProgramClassifier, looks=LOOKS, max_conditions=2)


@parametrize_with_checks([ProgramClassifier()])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def visitors(rows: int, seed: int) -> tuple[dict[str, list], np.ndarray]:
    """Texts, whole numbers, numbers with gaps and booleans, and who buys: known from the first two.

    Its columns are lists, so that any library can make a data frame of them.
    """
    random = np.random.RandomState(seed)
    plan = random.choice(["free", "basic", "pro"], rows)
    visits = random.randint(0, 20, rows)
    columns = {
        "plan": [str(name) if random.rand() < 0.9 else None for name in plan],
        "visits": visits.tolist(),
        "score": [float(score) if score < 0.8 else None for score in random.rand(rows)],
        "old": (random.rand(rows) < 0.5).tolist(),
    }
    named = np.array([name == "pro" for name in columns["plan"]])
    return columns, np.where(named & (visits > 9), "buys", "leaves")


def as_pandas(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def as_polars(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def as_rows(columns):
    return [list(row) for row in zip(*columns.values(), strict=True)]


def as_objects(columns):
    return np.array(as_rows(columns), dtype=object)


@pytest.mark.parametrize("form", [as_pandas, as_polars, as_rows, as_objects])
def test_mixed_columns_with_gaps_are_learned_in_every_form(form):
    columns, labels = visitors(200, seed=1)
    fitted = Quick().fit(form(columns), labels)
    names = ("plan", "visits") if form in (as_pandas, as_polars) else ("x0", "x1")
    assert set(fitted.rule_.columns) == set(names)
    assert f"{names[0]} = pro" in str(fitted.rule_)
    assert hasattr(fitted, "feature_names_in_") == (form in (as_pandas, as_polars))
    fresh, truth = visitors(1000, seed=2)
    assert fitted.score(form(fresh), truth) > 0.97
    assert (fitted.predict(form(fresh)[:1]) == truth[:1]).all()


def test_rows_that_rules_as_good_disagree_about_are_undetermined():
    x = np.tile([1.0, 9.0], 20)
    fitted = Quick().fit(np.column_stack([x, x]), np.tile(["low", "high"], 20))
    (tie,) = fitted.ties_
    assert {fitted.rule_.columns, tie.columns} == {("x0",), ("x1",)}
    rows = np.array([[1.0, 1.0], [1.0, 9.0], [9.0, 1.0], [9.0, 9.0], [2.0, 1.0]])
    assert fitted.undetermined(rows).tolist() == [False, True, True, False, True]
    with pytest.raises(NotFittedError):
        Quick().undetermined(rows)


def test_nothing_is_undetermined_without_conditions():
    fitted = Quick(max_conditions=0).fit([[1], [2], [3], [4], [5], [6]], list("aaaaab"))
    assert fitted.undetermined([[1], [7]]).tolist() == [False, False]


def test_same_rule_as_learn_finds_on_the_same_data():
    columns, labels = visitors(150, seed=3)
    flipped = np.where(np.random.RandomState(3).rand(150) < 0.1, "buys", labels)
    settings = TableSettings(max_conditions=3, seed=5, looks=LOOKS)
    learned = learn(load(columns | {"y": flipped.tolist()}, "y"), settings)
    fitted = ProgramClassifier(max_conditions=3, seed=5, looks=LOOKS).fit(
        as_pandas(columns), flipped
    )
    assert fitted.rule_ == learned.rule
    assert fitted.learned_.sizes == learned.sizes
    known = fitted.certificate_
    assert (known.error_at_most, known.check) == (learned.error_at_most, learned.check)
    size = learned.size
    assert (known.conditions, known.cost, known.at_least, known.proved) == (
        size.conditions,
        size.cost,
        size.at_least,
        size.proved,
    )
    assert f"of {learned.check.rows} other rows right" in str(known)


@pytest.mark.parametrize(
    ("labels", "kind"), [([3, 7], int), ([0.0, 1.0], float), ([False, True], bool), ("ab", str)]
)
def test_labels_come_back_as_they_were_given(labels, kind):
    values = np.arange(60.0)
    y = [labels[int(value > 30)] for value in values]
    fitted = Quick().fit(values[:, None], y)
    assert fitted.classes_.tolist() == list(labels)
    assert {type(label) for label in fitted.predict(values[:, None]).tolist()} == {kind}
    assert fitted.score(values[:, None], y) > 0.9


@limits(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", None]), st.integers(0, 3)),
        min_size=4,
        max_size=40,
    ),
    st.integers(0, 3),
)
def test_probabilities_add_up_and_their_largest_is_the_prediction(rows, conditions):
    X, y = [list(row[:2]) for row in rows], [row[2] for row in rows]  # noqa: N806
    fitted = ProgramClassifier(max_conditions=conditions, looks=2_000).fit(X, y)
    shares = fitted.predict_proba(X)
    assert shares.shape == (len(rows), len(set(y)))
    assert shares.min() > 0
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (fitted.classes_[shares.argmax(axis=1)] == fitted.predict(X)).all()


def test_probabilities_are_smoothed_frequencies_of_the_line_on_the_rows_learned_from():
    random = np.random.RandomState(4)
    X = random.randint(0, 2, (100, 1)).astype(float)  # noqa: N806
    y = X[:, 0].astype(int) ^ (random.rand(100) < 0.2)
    fitted = Quick().fit(X, y)
    line, last = fitted.learned_.lines
    assert line.rows + last.rows == 100
    assert 0 < line.right < line.rows
    given = fitted.rule_.lines[0].label
    deciding = fitted.predict(X) == given
    assert (fitted.predict_proba(X)[deciding, given] == (line.right + 1) / (line.rows + 2)).all()
    other = fitted.predict_proba(X)[~deciding, 1 - given]
    assert (other == (last.right + 1) / (last.rows + 2)).all()


def test_dear_errors_are_avoided_whatever_the_labels_are():
    random = np.random.RandomState(5)
    X = random.rand(200, 1)  # noqa: N806
    y = (random.rand(200) < X[:, 0]).astype(int)
    missed = [
        int((y > Quick(costs=costs).fit(X, y).predict(X)).sum()) for costs in ([(1, 0, 9)], ())
    ]
    assert missed[0] < missed[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_conditions": -1}, "The rule may have up to -1 conditions"),
        ({"max_conditions": "3"}, "max_conditions is '3'"),
        ({"checked": 1.5}, "The share of rows to check on is 1.5"),
        ({"costs": [(2, 0, 9)]}, "There is no class '2'; the classes are 0 and 1"),
        ({"costs": [(1, 0)]}, "The costs are .*; give three values for each"),
        ({"costs": 5}, "The costs are 5; give three values for each"),
        ({"costs": [(1, 0, 2.5)]}, "the cost of an error is 2.5"),
        ({"costs": [(1, 0, 0)]}, "1:0=0 is not the cost of an error"),
        ({"max_rows": 1}, "max_rows is 1; give a whole number from 2 on"),
        ({"looks": -1}, "The search may look at -1 conditions"),
        ({"seed": -1}, "The seed is -1"),
        ({"executor": "ray"}, r"The executor is 'ray'; give InProcess\(\), Processes"),
        ({"executor": RayCluster(gpus=1)}, "No search for rules uses a GPU"),
    ],
)
def test_parameter_out_of_range_is_refused_by_fit_alone(change, said):
    estimator = Quick().set_params(**change)
    with pytest.raises(ValueError, match=said):
        estimator.fit(np.arange(20.0)[:, None], [0, 1] * 10)


def test_processes_learn_the_same_and_the_executor_is_kept_as_given(monkeypatch):
    columns, labels = visitors(100, seed=3)
    executor = Processes(2, threads=1)
    classifier = Quick(executor=executor)
    assert classifier.get_params()["executor"] is executor
    assert clone(classifier).executor == executor
    here = Quick().fit(as_rows(columns), labels)
    monkeypatch.setattr("llm_erm.rulelists.parts.pool_of", None)  # so this one cannot search
    assert classifier.fit(as_rows(columns), labels).learned_ == here.learned_
    assert classifier.executor is executor


def test_rows_unlike_those_learned_from_are_refused():
    columns, labels = visitors(100, seed=6)
    fitted = Quick().fit(as_pandas(columns), labels)
    text = as_pandas(columns | {"visits": ["many"] * 100})
    with pytest.raises(ValueError, match="Column 'visits' .* holds 'many', but the rule needs num"):
        fitted.predict(text)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(as_pandas(columns).rename(columns={"visits": "visit"}))
    with pytest.raises(ValueError, match="The data frame has 0 rows and 4 columns"):
        fitted.predict(as_pandas(columns)[:0])
    with pytest.raises(NotFittedError):
        _ = Quick().program_


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (["a", None], None),
        (["a", float("nan")], None),
        ([1.0, float("nan")], float),
        (["a", None], "string"),
        ([1, None], "Int64"),
        (["a", None], "category"),
    ],
)
def test_rows_without_a_label_are_refused_with_what_to_do(labels, dtype):
    y = (
        labels * 5
        if dtype is None
        else pytest.importorskip("pandas").Series(labels * 5, dtype=dtype)
    )
    with pytest.raises(ValueError, match=r"in 5 of 10 rows, first in row 2; leave these rows out"):
        Quick().fit(np.arange(10.0)[:, None], y)


def test_a_lazy_frame_is_refused_with_what_to_do():
    lazy = pytest.importorskip("polars").DataFrame({"a": range(10)}).lazy()
    with pytest.raises(ValueError, match=r"X is a LazyFrame of polars, .* X\.collect\(\) returns"):
        Quick().fit(lazy, [0, 1] * 5)


def test_single_values_unlike_those_learned_from_are_warned_of():
    columns, labels = visitors(100, seed=6)
    fitted = Quick().fit(as_pandas(columns), labels)
    odd = as_pandas(columns | {"visits": ["many", *columns["visits"][1:]]})
    with pytest.warns(UserWarning, match="Column visits should hold numbers; 1 other value"):
        assert fitted.predict(odd)[0] == "leaves"
    odd = as_pandas(columns | {"plan": ["team", *columns["plan"][1:]]})
    with pytest.warns(UserWarning, match="1 value in plan is new"):
        assert (fitted.predict(odd)[1:] == fitted.predict(as_pandas(columns))[1:]).all()


def test_numbers_among_texts_are_the_same_in_every_list():
    rows = [["a"], ["b"], [1.0]] * 20
    fitted = Quick().fit(rows, [0, 0, 1] * 20)
    assert fitted.learned_.schema.columns[0].levels == ("1", "a", "b")
    assert fitted.predict([[1.0], [1]]).tolist() == [1, 1]


def test_rows_without_names_are_taken_by_position():
    columns, labels = visitors(100, seed=7)
    fitted = Quick().fit(as_pandas(columns), labels)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        given = fitted.predict(as_objects(columns))
    assert (given == fitted.predict(as_pandas(columns))).all()
    fitted = Quick().fit(as_objects(columns), labels)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        assert (fitted.predict(as_pandas(columns)) == given).all()
    numbered = as_pandas(dict(enumerate(columns.values())))
    assert (Quick().fit(numbered, labels).predict(numbered) == given).all()


def test_works_in_pipelines_searches_and_pickles():
    X, y = load_breast_cancer(return_X_y=True)  # noqa: N806
    X, y = X[:200, :6], y[:200]  # noqa: N806
    pipeline = make_pipeline(PCA(3), Quick())
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.8
    search = GridSearchCV(Quick(), {"max_conditions": np.arange(3)}, cv=3).fit(X, y)
    assert search.best_params_["max_conditions"] > 0
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    fitted = search.best_estimator_
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "rule_")
    loaded = pickle.loads(pickle.dumps(fitted))
    assert (loaded.predict_proba(X) == fitted.predict_proba(X)).all()
    assert loaded.rule_ == fitted.rule_


def test_dependent_rows_bound_nothing():
    columns, labels = visitors(100, seed=8)
    known = Quick(independent=False).fit(as_rows(columns), labels).certificate_
    assert known.error_at_most is None
    assert known.no_bound
    with pytest.raises(AttributeError):
        known.error_at_most = 0.1


def test_rows_of_a_group_are_checked_on_together():
    columns, labels = visitors(120, seed=9)
    patients = np.repeat([f"patient {i}" for i in range(30)], 4)
    fitted = Quick(max_rows=100).fit(as_pandas(columns), labels, groups=patients)
    assert fitted.certificate_.error_at_most is None
    assert "group" in fitted.certificate_.no_bound
    assert Quick().fit(as_pandas(columns), labels).certificate_.error_at_most is not None
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Quick().fit(as_pandas(columns), labels, groups=patients[:50])


def test_of_many_rows_a_sample_is_used_and_texts_that_all_differ_are_set_aside():
    columns, labels = visitors(500, seed=9)
    columns["name"] = [f"name {row}" for row in range(500)]
    fitted = Quick(max_rows=120).fit(as_pandas(columns), labels)
    assert fitted.learned_.learned_rows == 120
    assert any("500 rows, a random sample of 120" in sentence for sentence in fitted.notices_)
    assert any("Column name: set aside" in sentence for sentence in fitted.notices_)
    assert fitted.score(as_pandas(columns), labels) > 0.95


def test_program_gives_the_same_labels(tmp_path):
    columns, labels = visitors(100, seed=10)
    fitted = Quick().fit(as_pandas(columns), labels)
    fitted.export(tmp_path / "rule.py")
    assert (tmp_path / "rule.py").read_text() == fitted.program_
    names: dict = {"__name__": "rule"}
    exec(fitted.program_, names)
    rows = [dict(zip(columns, row, strict=True)) for row in as_rows(columns)]
    assert [names["predict"](row) for row in rows] == fitted.predict(as_pandas(columns)).tolist()
    fitted.export(tmp_path / "rule.sql", form="sql")
    assert "CASE" in (tmp_path / "rule.sql").read_text()


def test_notebook_shows_the_rule_with_nothing_in_it_that_is_markup():
    condition = Among("<b>", ("</pre><script>\u202e&\nELSE → x",))
    rule = RuleList((Line((condition,), 1),), 0, ("<i>", "&amp;"))
    assert rule._repr_html_() == (
        "<pre>IF &lt;b&gt; = &lt;/pre&gt;&lt;script&gt;\N{REPLACEMENT CHARACTER}&amp;"
        "\N{REPLACEMENT CHARACTER}ELSE → x → &amp;amp;\nELSE → &lt;i&gt;</pre>"
    )


def test_importing_the_package_loads_no_library_of_the_estimator():
    code = """
import sys, time
start = time.process_time()
import llm_erm
print(time.process_time() - start)
print(sorted({"sklearn", "narwhals", "numba", "numpy"} & set(sys.modules)))
"""
    seconds = []
    for _ in range(5):  # of which other work on the machine slows some
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        taken, loaded = done.stdout.splitlines()
        seconds.append(float(taken))
        assert loaded == "[]"
    assert min(seconds) < 0.05


def test_a_missing_library_is_named():
    code = """
import sys
sys.modules["sklearn"] = None
import llm_erm
try:
    llm_erm.ProgramClassifier
except llm_erm.LLMERMError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs sklearn" in done.stdout
    assert "pip install 'llm-erm[tables]'" in done.stdout


def test_rules_of_a_language_model_are_one_more_form(tmp_path):
    frame = patients(tmp_path)
    classifier = Quick(
        max_conditions=4,
        model=ScriptedLLM(["no idea", PROPOSED]),
        descriptions={"age": "in years"},
    )
    classifier = clone(classifier).fit(frame.drop(columns="state"), frame["state"])
    assert classifier.learned_.size.form == "proposed"
    assert str(classifier.rule_) == PROPOSED
    assert classifier.learned_.proposed.rules == 16
    assert str(pickle.loads(pickle.dumps(classifier)).rule_) == PROPOSED
    for wrong, told in (
        ({"model": "local"}, "too small"),
        ({"model": 3}, "llm is 3; give a model"),
        ({"model": "scripted:none.json"}, "cannot be read"),
        ({"model": ScriptedLLM(["x"]), "descriptions": {"agee": "x"}}, "no column 'agee'"),
        ({"descriptions": {"age": "in years"}}, "give model, or leave descriptions out"),
    ):
        with pytest.raises(ValueError, match=told):
            Quick(**wrong).fit(frame.drop(columns="state"), frame["state"])


def test_answers_that_fit_has_kept_are_replayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = patients(tmp_path)
    (tmp_path / "answers.json").write_text(json.dumps([PROPOSED]))
    with pytest.raises(SystemExit) as ended:
        main(
            "fit patients.csv --target state --answers answers.json --out-dir kept --json "
            f"--looks {LOOKS} --out rule.json".split()
        )
    assert not ended.value.code
    classifier = ProgramClassifier(looks=LOOKS, model="replay:kept")
    classifier.fit(frame.drop(columns="state"), frame["state"])
    assert classifier.learned_ == replace(
        read_rule(tmp_path / "rule.json"), notices=classifier.notices_
    )


PROPOSED = "IF age > 65 AND bmi > 30 → ill\nELSE IF smoker = yes AND age > 50 → ill\nELSE → well"


def patients(folder):
    """Few rows with many wrong labels, in a file and as a data frame of pandas."""
    pandas = pytest.importorskip("pandas")
    random = np.random.RandomState(3)
    age, bmi = random.randint(18, 91, 60), np.round(random.normal(27, 5, 60), 1)
    smoker = random.choice(["no", "yes"], 60)
    ill = ((age > 65) & (bmi > 30)) | ((smoker == "yes") & (age > 50))
    state = np.where(ill ^ (random.rand(60) < 0.15), "ill", "well")
    frame = pandas.DataFrame({"age": age, "bmi": bmi, "smoker": smoker, "state": state})
    frame.to_csv(folder / "patients.csv", index=False)
    return frame
