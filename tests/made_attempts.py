"""Folders of runs with made-up attempts: one where all that can be hostile is, and large ones."""

import random
from pathlib import Path

from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import Completion, ToolCall, Usage
from llm_erm.mistakes import Mistake
from llm_erm.records import Attempt, Candidate, Result, Verdict
from llm_erm.rulelists.rule import Above, Among, Line, RuleList
from llm_erm.rulelists.stored import write_rule
from llm_erm.runs.jobs import JobKey, key_of
from llm_erm.runs.kept import AnswerLine, AttemptLine, PromptLine
from llm_erm.serial import to_json
from llm_erm.tables.columns import ColumnSchema
from made_results import PARITY, search
from made_rules import learned
from run_folders import seal_of, write_run

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror=window.hacked=1>"
    "<!--<b>&lt;{{ 7 * 7 }}\"'`\0\ud800\u202egpj\u2028\x1b[31m"
)
"""Text that is markup, a template or an order to a terminal, for whoever does not escape it."""
SHOWN = (
    "</script><script>window.hacked = 1</script><img src=x onerror=window.hacked=1>"
    "<!--<b>&lt;{{ 7 * 7 }}\"'`⟨U+0000⟩⟨U+D800⟩⟨U+202E⟩gpj⟨U+2028⟩⟨U+001B⟩[31m"
)
"""How a page shows it."""


def hostile_run(folder: Path) -> Result:
    """A search whose task, model, prompt, answer, program, tool call and errors are hostile."""
    folder.mkdir()
    result = search(
        HOSTILE,
        HOSTILE,
        0.5,
        method="synthesis",
        model=HOSTILE,
        facts=SynthesisFacts(),
        notices=(HOSTILE,),
        isolation=HOSTILE,
        mistakes={"test": (Mistake(HOSTILE, 1, None), Mistake("", 0, 1))},
    )
    job = key_of(result)
    answers = [
        Completion(
            index=index,
            text=HOSTILE,
            error=HOSTILE if index == 2 else None,
            finish_reason="error" if index == 2 else "stop",
            tool_calls=(ToolCall(HOSTILE, HOSTILE, HOSTILE),),
        )
        for index in (1, 2)
    ]
    failed = Verdict("crash", 0, 100, 100, HOSTILE)
    attempts = [
        Attempt(1, Candidate(None, HOSTILE), failed, failed),
        Attempt(2, Candidate(HOSTILE), result.train, result.validation),
    ]
    _write(folder, [result], {job: (HOSTILE, answers, attempts)})
    return result


def hostile_places(root: Path) -> tuple[Path, Path]:
    """A hostile run in a hostile folder, and a hostile rule."""
    folder = root / "a <img src=x onerror=window.hacked=1>&amp;"
    hostile_run(folder)
    name = HOSTILE.replace("\0", "").replace("\ud800", "")
    columns = [ColumnSchema(name, "number"), ColumnSchema("plan", "category", (name, "b"))]
    line = Line((Above(name, 1.0), Among("plan", (name,))), 1)
    rule = learned(RuleList((line,), 0, (name, "yes")), columns, target=name)
    write_rule(root / "rule.json", rule)
    return folder, root / "rule.json"


def large_run(folder: Path, number: int) -> None:
    """A search of so many attempts at parity, each with an answer of some 1,500 characters."""
    folder.mkdir()
    facts = {"method": "synthesis", "model": "openai:gpt-5", "facts": SynthesisFacts()}
    result = search("fn_a", PARITY, 1.0, **(facts | {"attempts": number}))
    rng = random.Random(0)
    words = [f"{rng.getrandbits(40):x}" for _ in range(2000)]
    answers, attempts = [], []
    for index in range(1, number + 1):
        prose = " ".join(rng.choices(words, k=130))
        code = f"def f(x):\n    return int(x[{index % 19}] == '1')  # {index}\n"
        usage = Usage(2_000, 0, rng.randrange(100, 4_000), 0)
        answers.append(Completion(index, f"{prose}\n\n{code}", usage, rng.random() * 60))
        right = rng.randrange(40, 70)
        if index % 7 == 0:
            none = Verdict("no_code", 0, 100, 100, "the answer holds no program")
            attempts.append(Attempt(index, Candidate(None, none.message), none, none))
        else:
            verdict = Verdict("ok", right, 0, 100, None, 0.001)
            attempts.append(Attempt(index, Candidate(code), verdict, verdict))
    _write(folder, [result], {key_of(result): ("Find the rule.\n", answers, attempts)})


def _write(
    folder: Path,
    results: list[Result],
    jobs: dict[JobKey, tuple[str, list[Completion], list[Attempt]]],
) -> None:
    write_run(folder)
    seal = seal_of(folder / "answers.jsonl")
    prompts = [PromptLine(job, prompt) for job, (prompt, _, _) in jobs.items()]
    answers = [AnswerLine(job, one) for job, (_, each, _) in jobs.items() for one in each]
    verified = {(line.job, line.answer.index): seal.of(to_json(line)) for line in answers}
    attempts = [
        AttemptLine(job, one, 0.5, verified[job, one.index])
        for job, (_, _, each) in jobs.items()
        for one in each
    ]
    write_run(folder, *results, prompts=prompts, answers=answers, attempts=attempts)
