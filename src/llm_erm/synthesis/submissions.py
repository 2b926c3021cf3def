"""A search in which an agent proposes: it submits programs, and is told of training data alone.

Until the agent has finished, its submissions are only journaled, as the answers of a search that
was interrupted before it verified any of them. No program meets a validation input before then, so
neither a reply, nor the time that it takes, nor the run's folder says anything about these inputs.
To finish is to do that run: verify all submissions, select one, certify it. That it was called is
on disk before, so that whatever interrupts it, nothing can be submitted afterwards.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from llm_erm.erm.verify import execute
from llm_erm.errors import InputError
from llm_erm.execution import Evaluator
from llm_erm.llms.llm import Completion, ToolCall
from llm_erm.llms.oddities import could_read
from llm_erm.mistakes import Mistake
from llm_erm.phrases import counted, listed
from llm_erm.records import Result
from llm_erm.runs.events import Answered, Event, Noticed, Prompted
from llm_erm.runs.files import CLOSED, writing
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.run import Plan, run_in
from llm_erm.synthesis.code_tool import CODE_CHARACTERS, NAME, code_tool
from llm_erm.synthesis.extract import extract_source
from llm_erm.synthesis.learn import prompt_for
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.prompt import ANSWER_HEADING

MOST_CHARACTERS = 200_000
"""Longer texts are refused unread; real programs have fewer than 5,000 characters."""
MISTAKES = 10
"""How many examples a reply shows that a program gets wrong."""
TOOL_CALLS = 100
"""How many runs of code the journal keeps of those before one submission, the last ones."""


class Submissions:
    """What an agent may do with one data set: look at it, try code, submit programs, finish.

    Every method returns what to tell the agent, and may be called from several threads at once.

    Args:
        planned: The run: ``Synthesis`` on one data set, with ``AgentLLM`` as its model.
        folder: Its folder, with what an earlier part of the run left there.
        sandbox: Where programs run on training inputs. It is never given other inputs; those that
            select run in a sandbox of the run's own.
        tell: Receives notices for whoever started the run, one sentence each.

    Raises:
        InputError: The run has other than one data set, or the folder cannot be written.
    """

    def __init__(
        self,
        planned: Plan,
        folder: RunFolder,
        sandbox: Evaluator,
        tell: Callable[[str], None] = lambda notice: None,
    ) -> None:
        if len(planned.jobs) != 1:
            raise InputError(f"An agent is given one data set, but got {len(planned.jobs)}.")
        assert isinstance(planned.method, Synthesis)
        self._planned, self._folder, self._tell = planned, folder, tell
        self._job, self._splits = planned.jobs[0].key, planned.data[0]
        self._settings = planned.method.settings
        self._sandbox = sandbox
        self._code = code_tool(self._splits.train, sandbox, self._settings.limits)
        self._calls: deque[ToolCall] = deque(maxlen=TOOL_CALLS)
        self._counting, self._finishing = Lock(), Lock()
        self._since = time.monotonic()
        self._result = folder.results.get(self._job)
        answers = folder.answers(self._job)
        self._submitted = max(answers, default=0)
        # A verdict on validation data is on disk only after the mark, but that could be deleted.
        self._over = (
            self._result is not None
            or (folder.path / CLOSED).is_file()
            or bool(folder.attempts(self._job))
        )
        self._first_with: dict[str, int] = {}
        for index in sorted(answers):
            source, _ = extract_source(answers[index])
            if source is not None:
                self._first_with.setdefault(source, index)
        if self._submitted and not self._over:
            self._show()

    @property
    def submitted(self) -> int:
        """Number of submissions that count."""
        return self._submitted

    @property
    def result(self) -> Result | None:
        """The result; None until the agent has finished."""
        return self._result

    def describe_task(self) -> str:
        """Returns the task with its training examples, the rules, and how far the agent is."""
        limits, budget = self._settings.limits, self._settings.attempts
        held_out = len(self._splits.validation)
        prompt = prompt_for(self._splits, self._settings)
        question, _, _ = prompt.rpartition(f"\n{ANSWER_HEADING}\n")
        return f"""\
{question}
# Rules
- Submit Python code that defines f(x) with the tool submit, at most {counted(budget, "time")}. \
That number was fixed beforehand. Every submission counts, also one without a program, and one \
that repeats an earlier one.
- The reply to a submission says how its program does on the examples above, and nothing else.
- The tool finish ends the task. Of the submitted programs, the one with the fewest errors on \
{counted(held_out, "other example")}, which you never see, is selected; you are told which one it \
is, and what is known of its error on new inputs. Nothing can be submitted after that.
- A program may take {counted(limits.seconds_per_call, "second")} per input, \
{counted(limits.seconds_per_candidate, "second")} for all inputs of one run, and \
{limits.memory_bytes // 2**20:,} MiB. It has no files and no network; numpy and sympy are there.
- The tool {NAME} runs other code, with the examples as the list `examples` of (x, y).

# Where you are
{self._state()}"""

    def run_python(self, code: str) -> str:
        """Returns what code prints that runs in the sandbox with the training examples."""
        output = self._code.run(code)
        with self._counting:
            self._calls.append(ToolCall(NAME, code[:CODE_CHARACTERS], output))
        return output

    def submit(self, program: str) -> str:
        """Counts a submission, and returns how its program does on the training examples.

        Raises:
            InputError: The folder cannot be written; the submission does not count.
        """
        if len(program) > MOST_CHARACTERS:
            return (
                f"The text has {len(program):,} characters, and {MOST_CHARACTERS:,} are the most. "
                f"It was not read and does not count. {self._state()}"
            )
        with self._counting:
            if self._over or self._submitted >= self._settings.attempts:
                return f"This submission was not accepted. {self._state()}"
            now = time.monotonic()
            answer = Completion(
                index=self._submitted + 1,
                text=program,
                latency_seconds=round(now - self._since, 3),
                tool_calls=tuple(self._calls),
            )
            if not self._submitted:
                self._show()
            self._folder(self._job, Answered(answer))  # on disk before it counts
            self._submitted += 1
            self._since = now
            self._calls.clear()
        return "\n".join((*self._outcome(answer), self._state()))

    def finish(self) -> str:
        """Returns the selected program with its certificate; nothing can be submitted any more.

        Raises:
            LLMERMError: The folder cannot be written, and nothing has ended; or the run could not
                be done, and the next call tries again.
        """
        with self._counting:
            if not self._submitted:
                return (
                    "Nothing was submitted yet, so there is nothing to select; submit a program "
                    "first."
                )
            if not self._over:
                self._close()
            self._over = True
        with self._finishing:
            if self._result is None:
                run_in(self._folder, self._planned, observers=[self._pass_on])
                self._result = self._folder.results[self._job]
        return told(self._result, hidden=self._splits.hidden)

    def _show(self) -> None:
        """Keeps the prompt; not earlier, since a client that only looks begins no run."""
        self._folder(self._job, Prompted(prompt_for(self._splits, self._settings)))

    def _close(self) -> None:
        """Keeps on disk that the agent has finished."""
        place = self._folder.path
        with writing(place), (place / CLOSED).open("wb") as mark:
            mark.write(b"finish was called; nothing more can be submitted\n")
            mark.flush()
            os.fsync(mark.fileno())

    def _state(self) -> str:
        """Returns how many submissions are left, and what to do."""
        if self._over:
            again = "" if self._result is None else " again"
            return (
                "The task is over, so nothing can be submitted any more; finish tells the result"
                f"{again}."
            )
        budget = self._settings.attempts
        if (left := budget - self._submitted) <= 0:
            return f"All {counted(budget, 'submission')} are made; call finish."
        are = "is" if left == 1 else "are"
        return f"{counted(left, 'submission')} of {budget} {are} left."

    def _outcome(self, answer: Completion) -> Sequence[str]:
        """Returns what became of a submission on the training examples alone, in lines.

        A program that ran on other inputs as well could carry what they are into its answers here.
        """
        number = f"Submission {answer.index}"
        source, reason = extract_source(answer)
        if source is None:
            return [f"{number} counts, but no program was found in it ({reason})."]
        with self._counting:
            first = self._first_with.setdefault(source, answer.index)
        repeats = "" if first >= answer.index else f" It repeats submission {first}, and counts."
        found = "" if source.strip() == answer.text.strip() else _shown(source)
        train = self._splits.train
        run = execute(source, [train], self._sandbox, self._settings.limits)
        (verdict,), (mistakes,) = run.verdicts, run.mistakes
        said = "" if verdict.message is None else f" ({verdict.message})"
        if verdict.status != "ok":
            became = f"{number} failed on the training examples: {verdict.status}{said}."
            return [became + repeats, *filter(None, [found])]
        right = f"{number} is right on {verdict.correct} of {counted(len(train), 'example')}."
        lines = [right + repeats, *filter(None, [found])]
        if verdict.invalid:
            lines.append(f"On {counted(verdict.invalid, 'example')} it returns no label{said}.")
        if mistakes:
            lines.append(
                "It is wrong on these, among others:"
                if verdict.errors > MISTAKES
                else "It is wrong on:"
            )
            lines += [_wrong(mistake) for mistake in mistakes[:MISTAKES]]
        return lines

    def _pass_on(self, job: JobKey | None, event: Event) -> None:
        if isinstance(event, Noticed):
            self._tell(event.text)


def told(result: Result, *, hidden: bool) -> str:
    """Returns what an agent is told of a result: the program, its bounds, and their premise.

    Not the notices of the result, since they may quote what a program says of a held-out input.

    Args:
        result: The result.
        hidden: Whether no file held the data while the agent worked.
    """
    if result.program is None or result.train is None:
        return "The task is over. No submitted program ran, so none is selected."
    lines = [
        f"The task is over. Submission {result.selected_attempt} is selected; it is right on "
        f"{result.train.correct} of {counted(result.train.total, 'training example')}.",
        _shown(result.program),
    ]
    if result.certificate is not None:
        premise = [] if hidden else [could_read(result.model)]
        return "\n".join([*lines, *result.certificate.in_words, *premise])
    failed = [
        f"on the {name} data it ended by {verdict.status}"
        for name, verdict in result.verdicts.items()
        if verdict.status != "ok"
    ]
    why = f": {listed(failed)}" if failed else ""
    return "\n".join([*lines, f"Nothing certain is known of its error on new inputs{why}."])


def _shown(source: str) -> str:
    return f"```python\n{source}\n```"


def _wrong(mistake: Mistake) -> str:
    returned = "no label" if mistake.prediction is None else mistake.prediction
    return f"{mistake.input} -> {mistake.label}, but it returns {returned}"
