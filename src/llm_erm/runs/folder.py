"""The folder of a run, from which an interrupted run resumes; the same for every method.

settings.json      the method, the settings that shape results, and the data with their digests
prompts.jsonl      one line per search: its prompt
answers.jsonl      one line per answer of a model, written when it arrives
attempts.jsonl     one line per attempt, written when it is verified
results.jsonl      one line per result
programs/<job>.py  the selected programs, as files that do not need this package
closed             there once an agent that submits programs has called finish

Every line and the settings carry a checksum. What does not fit its checksum is not believed: it is
set aside in <name>.jsonl.damaged and done again.
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from time import monotonic

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.checksum import Seal, opened_settings, sealed_settings
from llm_erm.runs.events import Answered, Attempted, Event, Finished, Prompted
from llm_erm.runs.files import (
    CLOSED,
    JOURNALS,
    SETTINGS,
    read_bytes,
    refuse_links,
    replace,
    replace_bytes,
    writing,
)
from llm_erm.runs.fingerprint import Fingerprint, difference, is_unsealed
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.journal import Journal, lock
from llm_erm.runs.kept import (
    ANEW,
    KINDS,
    AnswerLine,
    AttemptLine,
    Kept,
    Line,
    PromptLine,
    read_contents,
    result_line,
)
from llm_erm.runs.programs import PROGRAMS, mend_programs, write_program
from llm_erm.serial import to_json

TRAININGS = tuple(
    f"{place}{name}"
    for place in ("", "*-L*-n*/")
    for name in ("checkpoint.pt", "checkpoint.previous", "checkpoint.part", "metrics.jsonl")
)
"""Extra files of training jobs, in the folder or, if there are several jobs, in subfolders."""
WRITTEN = (
    *(".lock*", f"{SETTINGS}*", *(f"{name}.jsonl*" for name in (*JOURNALS, "log")), "programs"),
    *("checkpoint.*", "metrics.*", "config.json*", "logs.log", "curves.png", "model", "model/*"),
    *("*-L*-n*", "data", "data/*", CLOSED),
)
"""What a run writes in its folder, none of which may be a link; ``*`` matches slashes as well."""


class RunFolder:
    """Writes one run's folder and reads back what an interrupted run left there.

    It is the run's first observer: an event is on disk when the call returns. Journals that a run
    does not write to are not created.

    Attributes:
        path: The folder.
        results: The results by job.
        continued: Whether an earlier part of the same run left its settings here.
        notices: What of an earlier run cannot be believed and is done again, one sentence each.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Fingerprint,
        jobs: Collection[JobKey],
        *,
        fresh: bool = False,
    ) -> None:
        """Opens the folder, creating it if necessary, and locks it.

        Args:
            path: The folder.
            fingerprint: What shapes the results.
            jobs: The jobs of the run; no results of others are believed.
            fresh: Whether to delete what an earlier run left there.

        Raises:
            InputError: The folder is not writable, holds a run with other settings or of another
                version, or a link in place of a file, or another process is writing to it.
        """
        self.path = path
        self.continued = False
        self.results: dict[JobKey, Result] = {}
        self.notices: list[str] = []
        self._settings = fingerprint.sha256
        self._kept: defaultdict[JobKey, Kept] = defaultdict(Kept)
        self._forgotten: set[JobKey] = set()
        self._writing = threading.Lock()
        self._journals: dict[str, Journal] = {}
        refuse_links(path, WRITTEN)
        self._held = lock(path)
        try:
            if fresh:
                self._clear()
            self.continued = (path / SETTINGS).exists()
            self._check(fingerprint)
            self._read(jobs)
            self._journal("results")
        except BaseException:
            self.close()
            raise

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Records an event; may be called from any thread.

        Raises:
            InputError: The disk is full or the folder was deleted.
        """
        if job is None:
            return
        with self._writing:
            kept = self._kept[job]
            if kept.began is None:
                kept.began = monotonic() - kept.seconds
            seconds = round(monotonic() - kept.began, 3)
            match event:
                case Prompted(prompt, index):
                    self._prompted(job, prompt, index)
                case Answered(completion):
                    self._keep("answers", AnswerLine(job, completion, seconds))
                case Attempted(attempt):
                    verified = kept.checksums.get(attempt.index)
                    self._keep("attempts", AttemptLine(job, attempt, seconds, verified))
                case Finished(result):
                    self._finish(job, result)

    def adopt(self, line: Line) -> str:
        """Stores a line from the folder of a shard; returns the checksum that it has here."""
        (name,) = (name for name, kind in KINDS.items() if isinstance(line, kind))
        with self._writing:
            return self._keep(name, line)

    def earlier_seconds(self, job: JobKey) -> float:
        """Returns the wall time that earlier parts of the run spent on a job without a result."""
        return 0.0 if job in self.results else self._kept[job].seconds

    def attempts(self, job: JobKey) -> list[Attempt]:
        """Returns the journaled attempts of a job, in order."""
        attempts = self._recalled(job).attempts
        return [attempts[index] for index in sorted(attempts)]

    def prompt(self, job: JobKey, index: int = 1) -> str:
        """Returns the prompt of a sample, or an empty string."""
        prompts = self._recalled(job).prompts
        first = max((start for start in prompts if start <= index), default=None)
        return "" if first is None else prompts[first]

    def answers(self, job: JobKey) -> dict[int, Completion]:
        """Returns all answers of a job by index, in the order in which they arrived."""
        return dict(self._recalled(job).answers)

    def completions(self) -> list[Completion]:
        """Returns the completions of all calls: answers, used or not, and calls without one."""
        every = [self._recalled(job) for job in list(self._kept)]
        return [one for kept in every for one in (*kept.answers.values(), *kept.given_up)]

    def given_up(self) -> int:
        """Returns the number of calls that were cancelled in flight."""
        return sum(
            one.finish_reason == "cancelled"
            for kept in self._kept.values()
            for one in kept.given_up
        )

    def close(self) -> None:
        """Closes the journals and lets other processes write to the folder."""
        for journal in (*self._journals.values(), self._held):
            journal.close()

    def _journal(self, name: str) -> Journal:
        if name not in self._journals:
            self._journals[name] = Journal(self.path / f"{name}.jsonl")
        return self._journals[name]

    def _prompted(self, job: JobKey, prompt: str, index: int) -> None:
        """Records a prompt unless it is known; rejects one that differs from an earlier prompt."""
        prompts = self._kept[job].prompts
        if prompts.get(index, prompt) != prompt and self._kept[job].answers:
            raise InputError(
                f"The prompt of {job.name} is not the one whose answers are in {self.path}: the "
                "data or the model's chat template changed; name another folder, or delete the "
                "run.",
                setting="out_dir or fresh",
            )
        if prompts.get(index) != prompt:
            self._keep("prompts", PromptLine(job, prompt, index))

    def _recalled(self, job: JobKey) -> Kept:
        """Returns what is journaled of a job, which is read again if the job has finished."""
        if job in self._forgotten:
            held = read_contents(self.path, self._settings).kept
            for other in self._forgotten:
                kept, again = self._kept[other], held[other]
                kept.prompts, kept.answers = again.prompts, again.answers
                kept.checksums, kept.attempts = again.checksums, again.attempts
            self._forgotten.clear()
        return self._kept[job]

    def _finish(self, job: JobKey, result: Result) -> None:
        write_program(self.path, job, result)
        known, self.results[job] = job in self.results, result
        if not known:
            self._journal("results").append(self._result_line(job, result))
            self._kept[job].forget()  # or memory would grow with every attempt
            self._forgotten.add(job)
        else:  # more was measured later
            self._rewrite(
                "results", "".join(self._result_line(*one) for one in self.results.items())
            )

    def _result_line(self, job: JobKey, result: Result) -> str:
        return result_line(result, self._kept[job].lines_sha256, self._seal("results"))

    def _seal(self, name: str) -> Seal:
        return Seal(self._settings, name)

    def _keep(self, name: str, line: Line) -> str:
        """Stores a line, on disk first; returns its checksum."""
        seal, text = self._seal(name), to_json(line)
        self._journal(name).append(seal.close(text) + "\n")
        checksum = seal.of(text)
        self._kept[line.job].take(name, line, checksum)
        return checksum

    def _rewrite(self, name: str, text: str) -> None:
        """Replaces a journal; Windows replaces no file that is open."""
        if (journal := self._journals.pop(name, None)) is not None:
            journal.close()
        with writing(self.path):
            replace(self.path / f"{name}.jsonl", text)

    def _read(self, jobs: Collection[JobKey]) -> None:
        """Reads what an earlier run left, and sets aside what cannot be believed."""
        found = read_contents(self.path, self._settings, jobs=jobs)
        self._kept, self.results = found.kept, found.results
        if found.files["answers"].damaged:  # the model is asked again
            self.continued = False
        aside = {name: [*file.damaged.values()] for name, file in found.files.items()}
        aside["results"] += found.dropped
        said = {name: self._set_aside(name, lines) for name, lines in aside.items() if lines}
        for name, fault in found.faults.items():
            self.notices.append(f"{fault}; {ANEW[name]}{said.get(name, '')}.")
        for name in JOURNALS[1:]:
            if (file := found.files[name]).cut or file.damaged:
                self._rewrite(name, "".join(f"{line.decode()}\n" for _, line, *_ in file.lines))
        if found.files["results"].cut or len(found.results) < found.files["results"].count:
            self._rewrite(
                "results", "".join(self._result_line(*one) for one in self.results.items())
            )
        self.notices += mend_programs(self.path, self.results)
        for job in self.results:
            self._kept[job].forget()
            self._forgotten.add(job)

    def _set_aside(self, name: str, lines: Iterable[bytes]) -> str:
        """Keeps lines of a journal in a file of their own; returns a phrase that says so."""
        aside = self.path / f"{name}.jsonl.damaged"
        with writing(self.path):
            before = read_bytes(aside, missing=b"")
            replace_bytes(aside, before + b"".join(line + b"\n" for line in lines))
        return f" (what was there is in {aside})"

    def _begun(self) -> bool:
        """Returns whether any journal holds a line, or a training job has started."""
        journals = (self.path / f"{name}.jsonl" for name in JOURNALS)
        return bool(self._matching(*TRAININGS)) or any(
            read_bytes(path, missing=b"") for path in journals
        )

    def _matching(self, *patterns: str) -> list[Path]:
        return [path for pattern in patterns for path in self.path.glob(pattern)]

    def _clear(self) -> None:
        """Deletes an earlier run, but no other files."""
        if self._begun() and not (self.path / SETTINGS).exists():
            raise InputError(
                f"{self.path} holds a journal but no settings.json, so it does not hold a run that "
                "could be deleted; name another folder.",
                setting="out_dir",
            )
        with writing(self.path):
            for name in JOURNALS:
                for suffix in ("", ".damaged"):
                    (self.path / f"{name}.jsonl{suffix}").unlink(missing_ok=True)
            for name in (SETTINGS, "log.jsonl", CLOSED):
                (self.path / name).unlink(missing_ok=True)
            for path in self._matching(PROGRAMS, *TRAININGS):
                path.unlink()

    def _check(self, fingerprint: Fingerprint) -> None:
        """Checks that an earlier run in the folder had the same settings and data."""
        path, text = self.path / SETTINGS, sealed_settings(fingerprint.text)
        if self._begun():
            earlier = read_bytes(path, missing=b"").decode(errors="replace")
            if earlier == text:
                return
            self._refuse_others(fingerprint, earlier)
            fault = "damaged or edited" if path.exists() else "missing"
            self.notices.append(f"{path} was {fault}; it is written again.")
        with writing(self.path):
            replace(path, text)

    def _refuse_others(self, fingerprint: Fingerprint, earlier: str) -> None:
        """Refuses other settings; damaged ones are known by the lines that were written with them.

        Raises:
            InputError: The settings are others.
        """
        if opened_settings(earlier) is None:
            if is_unsealed(earlier):
                raise InputError(
                    f"{self.path} holds a run of llm-erm 0.2.0 or earlier, whose lines have no "
                    "checksums; resume it with the version that wrote it, name another folder, or "
                    "delete that run.",
                    setting="out_dir or fresh",
                )
            files = read_contents(self.path, self._settings).files.values()
            if any(file.lines for file in files):
                return
            if not (self.path / SETTINGS).exists():
                raise InputError(
                    f"{self.path} holds a run whose {SETTINGS} is missing, and no line that shows "
                    "that these settings wrote it; restore it, or name another folder.",
                    setting="out_dir",
                )
        raise InputError(
            f"{self.path} holds a run with other settings ({difference(earlier, fingerprint)}); "
            "name another folder, or delete that run.",
            setting="out_dir or fresh",
        )
