"""Rules for tables as an estimator of scikit-learn."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llm_erm.checks import fitting
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.llm import LLM
from llm_erm.phrases import counted
from llm_erm.rulelists.certificate import certified
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.export import Form, exported
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.undetermined import in_question, votes
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.files import replace as replace_file
from llm_erm.runs.mapping import check_mapping
from llm_erm.tables.columns import CategoryColumn, Labelled, Schema, Table
from llm_erm.tables.labels import refuse_missing
from llm_erm.tables.memory import INSTALL
from llm_erm.tables.notices import Notices
from llm_erm.tables.reading import MAX_ROWS, load_unlabelled
from llm_erm.tables.screening import identifies
from llm_erm.tables.streaming import stream

try:
    import narwhals as nw
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import _safe_indexing
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        assert_all_finite,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"ProgramClassifier needs {(error.name or '').partition('.')[0]}, which is not installed; "
        f"install it with: {INSTALL}"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Source = dict[str, Any] | nw.DataFrame[Any]


class ProgramClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    """Learns a rule that people can read, with a bound on its error on new rows.

    The size of the rule is chosen by cross-validation; the rule is the best one of its size on all
    rows, or on a part of them if the one that was checked is kept. Features are numbers, texts,
    booleans or dates, in any mix, and may be missing: NaN, None, an empty text, or a word such as
    NA. Texts that are numbers count as numbers. A condition on a missing value is false, except
    ``is missing``.

    Args:
        max_conditions: Most conditions of the rule; an interval is two.
        checked: Share of the rows that a rule is checked on which was learned from the others.
        costs: What errors cost, 1 where nothing is said: the true label, the label given instead,
            and a whole number for each.
        confidence: Probability with which each bound on new rows holds.
        keep_checked: Whether to keep the rule that was checked, learned from a part of the rows: it
            usually has a tighter bound, and errs more often.
        independent: Whether the rows are independent draws of what the rule will be used on; there
            is no bound if not, such as for several rows per patient.
        max_rows: Rows to use at most, a random sample if there are more.
        looks: Conditions to look at in proofs; some 10 to 40 million per second for 200 rows.
        seed: Of the random division of the rows.
        model: A language model that proposes rules too, or its name, such as ``scripted:FILE``, or
            ``replay:FOLDER`` for answers that ``llm-erm fit`` got; None for none. It is sent rows.
            A pickle of the classifier holds the model's key.
        descriptions: For the model, what columns are, by their names; refused without a model.
        executor: Where to search for rules, once for each part of the rows that is learned from:
            ``Processes(4)`` for four processes, ``RayCluster("auto")`` for a cluster, in this
            process if None. The rule is the same. A script that uses processes must have
            ``if __name__ == "__main__":`` around what it does, as they load the script too.

    Attributes:
        rule_: The rule; it prints as text.
        certificate_: What is known of its errors.
        ties_: Other rules of the same size that are as good on the rows; ``learned_.ties_complete``
            says whether these are all.
        learned_: All that is known: the best rule of each size, and what the rows leave open.
        classes_: The labels, sorted, shape ``(n_classes,)``.
        n_features_in_: Number of features.
        feature_names_in_: Their names, if those that were learned from had names.
        notices_: One sentence per choice that was made in reading the rows.
    """

    def __init__(
        self,
        max_conditions: int = TableSettings.max_conditions,
        checked: float = TableSettings.checked,
        costs: Sequence[tuple[Any, Any, int]] = (),
        confidence: float = TableSettings.confidence,
        *,
        keep_checked: bool = False,
        independent: bool = True,
        max_rows: int = MAX_ROWS,
        looks: int = TableSettings.looks,
        seed: int = 0,
        model: str | LLM | None = None,
        descriptions: Mapping[str, str] | None = None,
        executor: InProcess | Processes | RayCluster | None = None,
    ) -> None:
        self.max_conditions = max_conditions
        self.checked = checked
        self.costs = costs
        self.confidence = confidence
        self.keep_checked = keep_checked
        self.independent = independent
        self.max_rows = max_rows
        self.looks = looks
        self.seed = seed
        self.model = model
        self.descriptions = descriptions
        self.executor = executor

    def fit(
        self,
        X: Any,  # noqa: ANN401, N803 - as scikit-learn has it
        y: ArrayLike,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learns a rule.

        Args:
            X: Shape ``(n_samples, n_features)``: an array, a list of rows, or a data frame.
            y: Shape ``(n_samples,)``: labels.
            groups: Shape ``(n_samples,)``: rows of a group, such as a patient's, are checked on
                together, and there is no bound on new rows.

        Raises:
            ValueError: A parameter, the rows, the labels or the groups are not valid.
            MissingExtraError: A library is not installed.
            ProviderError: The model cannot answer any call.
            UnfinishedError: Calls got no answer, or the model's budget is spent.
            LLMERMError: A process of the search was lost.
        """
        if find_spec("numba") is None:
            raise MissingExtraError(f"ProgramClassifier needs numba; install it with: {INSTALL}")
        from llm_erm.rulelists.learn import learn

        X = self._validated(X, reset=True, ensure_min_samples=2)  # noqa: N806
        with _value_errors():
            refuse_missing(y)
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_consistent_length(X, labels)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        classes = tuple(str(label) for label in self.classes_.tolist())
        with _value_errors():
            settings = self._settings(classes)
            data = self._labelled(X, codes.astype(np.int32), classes, getattr(y, "name", None))
            if groups is not None:
                belonging = column_or_1d(groups)
                check_consistent_length(X, belonging)
                _, numbers = np.unique(belonging, return_inverse=True)
                data = replace(data, groups=numbers[data.row_numbers - 1].astype(np.int64))
            executor = InProcess() if self.executor is None else self.executor
            check_mapping(executor)  # before a model is asked
            learned = learn(data, settings, self._proposals(data, settings), executor)
            learning = np.ones(len(data.labels), dtype=bool)
            if self.keep_checked:
                learning = divide(data, settings).learning
        deciding = learned.rule.lines_of(data.table)
        self._counts = np.zeros((len(learned.rule.lines) + 1, len(classes)), dtype=np.int64)
        np.add.at(self._counts, (deciding[learning], data.labels[learning]), 1)
        self.learned_ = learned
        self.rule_ = learned.rule
        self.ties_ = tuple(tie.rule for tie in learned.ties)
        self.certificate_ = certified(learned)
        self.notices_ = learned.notices
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803 - as scikit-learn has it
        """Returns a label for each row, shape ``(n_samples,)``.

        Warns of values that cannot be read as those learned from were, or are new.

        Raises:
            ValueError: The rows are not like those learned from.
        """
        deciding = self._deciding(X)
        given = [line.label for line in self.rule_.lines] + [self.rule_.otherwise]
        return np.asarray(self.classes_[np.asarray(given)[deciding]])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """Returns how frequent each label is where the same line decides.

        These are frequencies ``(count + 1) / (rows + n_classes)`` on the rows learned from, shape
        ``(n_samples, n_classes)``, in the order of ``classes_``. They know nothing of costs.

        Raises:
            ValueError: The rows are not like those learned from.
        """
        deciding = self._deciding(X)
        smoothed = self._counts + 1
        return np.asarray((smoothed / smoothed.sum(axis=1, keepdims=True))[deciding])

    def undetermined(self, X: Any) -> NDArray[np.bool_]:  # noqa: ANN401, N803
        """Returns for which rows rules that are as good give another label, shape ``(n_samples,)``.

        These are the rules in ``ties_``, and those that differ from one of them or from ``rule_``
        in a way that no row learned from or checked on tells.

        Raises:
            ValueError: The rows are not like those learned from.
        """
        check_is_fitted(self)
        rules = in_question(self.learned_)
        n_classes = len(self.classes_)
        counts = [votes(rules, table, n_classes) for table in self._tables(X, rules)]
        return np.concatenate([(one > 0).sum(axis=1) > 1 for one in counts])

    @property
    def program_(self) -> str:
        """The rule as a Python file that needs nothing else; it gives labels as texts."""
        check_is_fitted(self)
        return exported(self.learned_, "python")

    def export(self, path: str | PathLike[str], form: Form = "python") -> None:
        """Writes the rule as a file: Python, SQL, the formula of a spreadsheet, or Markdown.

        Raises:
            ValueError: The rule cannot be written in this form.
            OSError: The file cannot be written.
        """
        check_is_fitted(self)
        with _value_errors():
            replace_file(Path(path), exported(self.learned_, form))

    def __sklearn_tags__(self) -> "Tags":
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _settings(self, classes: tuple[str, ...]) -> TableSettings:
        return TableSettings(
            max_conditions=self.max_conditions,
            checked=self.checked,
            costs=tuple(self._costs(classes)),
            confidence=self.confidence,
            keep_checked=self.keep_checked,
            independent=self.independent,
            seed=self.seed,
            looks=self.looks,
        )

    def _proposals(self, data: Labelled, settings: TableSettings) -> Proposals | None:
        if self.model is None:
            if self.descriptions:
                raise InputError(
                    "Descriptions are for a language model, and none is named; give model, or "
                    "leave descriptions out."
                )
            return None
        from llm_erm.rulelists.asked_rules import propose

        return propose(data, settings, self.model, self.descriptions or {})

    def _costs(self, classes: tuple[str, ...]) -> Iterator[ErrorCost]:
        texts = dict(zip(self.classes_.tolist(), classes, strict=True))
        try:
            costs = [
                (texts.get(true, str(true)), texts.get(given, str(given)), cost)
                for true, given, cost in self.costs
            ]
        except (TypeError, ValueError):  # no list, not three values, or what cannot be a label
            raise InputError(
                f"The costs are {self.costs!r}; give three values for each: the true label, the "
                "label given instead, and a whole number, such as [('yes', 'no', 5)]."
            ) from None
        for true, given, cost in costs:
            yield ErrorCost(true, given, fitting("the cost of an error", cost, int))

    def _whole(self, name: str, least: int) -> int:
        number: int = fitting(name, getattr(self, name), int)
        if number < least:
            raise InputError(
                f"{name} is {number}; give a whole number from {least} on.", setting=name
            )
        return number

    def _labelled(
        self,
        X: Any,  # noqa: ANN401, N803 - as scikit-learn has it
        codes: NDArray[np.int32],
        classes: tuple[str, ...],
        target: object,
    ) -> Labelled:
        """Returns the rows to use, without the columns of texts that nearly all differ."""
        notices = Notices()
        rows = np.arange(len(codes))
        max_rows = self._whole("max_rows", 2)
        if len(codes) > max_rows:
            rows = np.sort(np.random.RandomState(self.seed).permutation(len(codes))[:max_rows])
            X = _safe_indexing(X, rows)  # noqa: N806
            notices.say(
                f"Of {len(codes):,} rows, a random sample of {len(rows):,} is used (seed "
                f"{self.seed})."
            )
        read = load_unlabelled(_source(X))
        kept = []
        for column in read.table.columns:
            why = identifies(column, len(rows)) if isinstance(column, CategoryColumn) else None
            if why is None:
                kept.append(column)
            else:
                notices.of_column(why, column.name)
        return Labelled(
            Table(tuple(kept), len(rows)),
            codes[rows],
            Schema(read.columns, target if isinstance(target, str) else "y", classes),
            (*read.notices, *notices.sentences()),
            rows + 1,
        )

    def _deciding(self, X: Any) -> NDArray[np.intp]:  # noqa: ANN401, N803
        """Returns the index of the line of the rule that decides each row."""
        check_is_fitted(self)
        return np.concatenate(
            [self.rule_.lines_of(table) for table in self._tables(X, [self.rule_])]
        )

    def _tables(self, X: Any, rules: Sequence[RuleList]) -> list[Table]:  # noqa: ANN401, N803
        """Returns the columns that rules need, in parts."""
        X = self._validated(X, reset=False)  # noqa: N806
        needed = {name for rule in rules for name in rule.columns}
        if not needed:
            return [Table((), len(X))]
        schema = self.learned_.schema
        source = _source(X, [column.name for column in schema.columns])
        used = tuple(column for column in schema.columns if column.name in needed)
        with _value_errors():
            batches = stream(source, replace(schema, columns=used), needed=needed)
            tables = [batch.table for batch in batches]
        for notice in batches.notices():
            warnings.warn(notice, stacklevel=4)
        return tables

    def _validated(self, X: Any, **how: Any) -> Any:  # noqa: ANN401, N803
        """Returns a data frame as it is, and all else as an array."""
        if nw.dependencies.is_into_lazyframe(X):
            raise ValueError(
                f"X is a {type(X).__name__} of {type(X).__module__.partition('.')[0]}, whose rows "
                "are not there yet; give a data frame, such as X.collect() returns."
            )
        if nw.dependencies.is_into_dataframe(X):
            if 0 in X.shape:
                raise ValueError(
                    f"The data frame has {counted(X.shape[0], 'row')} and "
                    f"{counted(X.shape[1], 'column')}; it needs at least one of each."
                )
            how.pop("ensure_min_samples", None)
            return validate_data(self, X, skip_check_array=True, **how)
        # As an array, a list of texts and numbers would have the numbers as texts.
        texts = isinstance(X, list | tuple) and np.asarray(X).dtype.kind in "US"
        how |= {"dtype": object if texts else None, "ensure_all_finite": False}
        return validate_data(self, X, **how)


def _source(X: Any, names: Sequence[str] = ()) -> Source:  # noqa: ANN401, N803
    """Returns a table with these names in place of its own, if given, as tables are read."""
    if nw.dependencies.is_into_dataframe(X):
        frame: nw.DataFrame[Any] = nw.from_native(X, eager_only=True)
        return frame.rename(dict(zip(frame.columns, names, strict=True))) if names else frame
    names = names or [f"x{index}" for index in range(X.shape[1])]
    return {name: X[:, index] for index, name in enumerate(names)}


@contextmanager
def _value_errors() -> Iterator[None]:
    """Raises what is wrong with the input as scikit-learn and its users expect it."""
    try:
        yield
    except InputError as error:
        raise ValueError(str(error)) from error
