"""What a page shows: the records that its template is given."""

from dataclasses import dataclass, field

from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt
from llm_erm.reports.page.charts import Chart
from llm_erm.reports.page.highlight import Part


@dataclass(frozen=True)
class Fact:
    """A value with its name."""

    name: str
    value: str


@dataclass(frozen=True)
class Accuracy:
    """The accuracy on one data set.

    Attributes:
        data: The data set.
        share: The accuracy in percent, or why there is none.
        counts: Correct answers and examples.
        interval: Its 95 % interval, or why there is none.
    """

    data: str
    share: str
    counts: str
    interval: str


@dataclass(frozen=True)
class Wrong:
    """Inputs of one data set that were predicted wrongly.

    Attributes:
        data: The data set, with the number of mistakes on it and how many are shown.
        rows: For each that is shown, the input, its label and what was predicted.
    """

    data: str
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class RuleLine:
    """A line of a rule for a table.

    Attributes:
        when: When it decides.
        gives: The class that it gives.
        rows: How many of the rows learned from it decides.
        right: How many of these it gets right.
    """

    when: str
    gives: str
    rows: int
    right: int


@dataclass(frozen=True)
class Learned:
    """What one search, model or table led to.

    Attributes:
        title: The task, its length and trial; or the target of a rule.
        about: What the task is.
        by: The method, or the file of the rule.
        verdict: How right it is, in a few words.
        exact: Whether it is right on all test and contrast examples; a rule for a table has none.
        program: The program in parts; None without one.
        lines: The lines of a rule.
        accuracies: Its accuracies.
        wrong: The first inputs that it gets wrong.
        certificate: What is known of its error, in sentences.
        open: What the examples leave open, in sentences.
        ties: Programs or rules as good as this one, with their lengths in bits.
        tied: How many there are, in words.
        facts: How it was learned, and from what.
        notices: What one must know to read the numbers.
    """

    title: str
    about: str
    by: str
    verdict: str
    exact: bool = False
    program: tuple[Part, ...] | None = None
    lines: tuple[RuleLine, ...] = ()
    accuracies: tuple[Accuracy, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    certificate: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    ties: tuple[Fact, ...] = ()
    tied: str = ""
    facts: tuple[Fact, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        folder: Its folder.
        method: The name of its method.
        version: The llm-erm that began it.
        state: Whether it is finished, in words.
        finished: Whether it is.
        repeat: The command that repeats it; empty if it is not known.
        settings: The settings that shape its results, as JSON.
    """

    folder: str
    method: str
    version: str
    state: str
    finished: bool
    repeat: str
    settings: str


@dataclass(frozen=True)
class Tried:
    """An attempt of a search, or a model's answer to one query.

    Attributes:
        job: Index of its job among those of the page.
        index: Its index within the job, counted from 1.
        selected: Whether its program was selected.
        prompt: Index of its prompt among those of the page; None without one.
        answer: The model's answer, or the call that was given up; None without a model.
        attempt: The attempt; None for an answer that was not verified, and for a call given up.
    """

    job: int
    index: int
    selected: bool
    prompt: int | None
    answer: Completion | None
    attempt: Attempt | None


@dataclass(frozen=True)
class Cell:
    """A method on one task: its accuracy with the interval, and the same in words."""

    accuracy: str
    interval: str
    more: tuple[str, ...]
    exact: bool


@dataclass(frozen=True)
class Comparison:
    """Methods beside each other.

    Attributes:
        methods: Their names.
        rows: For each task and length, one cell per method; None if it was not run there.
        sentences: Which method wins, and what one must know to read the table.
    """

    methods: tuple[str, ...] = ()
    rows: tuple[tuple[str, int, tuple[Cell | None, ...]], ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A further table, with what one must know to read it.

    Attributes:
        title: What it is about.
        headings: Its headings.
        rows: Its cells.
        sentences: What belongs below it.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """All that a page shows.

    Attributes:
        title: What it is about.
        version: The llm-erm that wrote it.
        remarks: What one must know first, in sentences.
        tables: Further tables, which come first.
        runs: The runs.
        learned: What was learned.
        comparison: The methods beside each other.
        charts: The curves.
        jobs: The names of the jobs, each with its method.
        prompts: The prompts.
        tried: The attempts.
    """

    title: str
    version: str
    remarks: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    runs: tuple[Run, ...] = ()
    learned: tuple[Learned, ...] = ()
    comparison: Comparison = field(default_factory=Comparison)
    charts: tuple[Chart, ...] = ()
    jobs: tuple[Fact, ...] = ()
    prompts: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
