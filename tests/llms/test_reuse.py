"""A model or an engine serves any number of runs in one process, each with the whole budget."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from api_server import Api, Reply, serving
from llm_erm.errors import BudgetSpentError
from llm_erm.incontext.method import InContext
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.budget import Budget
from llm_erm.llms.models import model
from llm_erm.runs.executors import Processes
from llm_erm.runs.jobs import Method
from llm_erm.runs.run import plan, run
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.spec import DataSpec
from llms.spent import ROOM, spent

TOKENS = 15
"""Of each answer."""
ATTEMPTS = 3
SPEC = DataSpec(function="fn_a", length=10, train_size=10, val_size=10, test_size=20)
SPECS = [replace(SPEC, trial=trial) for trial in (1, 2)]


def chat(text: str | None, **message) -> Reply:
    choice = {
        "index": 0,
        "finish_reason": "tool_calls" if message else "stop",
        "message": {"role": "assistant", "content": text, **message},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": TOKENS}
    said = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return Reply(said | {"choices": [choice], "usage": usage})


@pytest.fixture
def api():
    """Answers with a program, and with a label where it is asked for one."""

    def answer(call) -> Reply:
        *_, last = call.body["messages"]
        if "tools" in call.body and last["role"] != "tool":
            asked = {"name": "run_python", "arguments": json.dumps({"code": "print(1)"})}
            asked["name"] = call.body["tools"][0]["function"]["name"]
            return chat(None, tool_calls=[{"id": "c", "type": "function", "function": asked}])
        return chat("def f(x): return 1")

    with serving(answer) as serving_api:
        yield serving_api


def synthesis(api: Api, budget: Budget, **settings) -> Synthesis:
    """Searches that wait for one another's calls."""
    settings = {"attempts": ATTEMPTS, "max_tokens": 50} | settings
    llm = model(
        "chat:m", base_url=f"{api.url}/v1", api_key="k", budget=budget, concurrency=1, retries=0
    )
    return Synthesis(llm=llm, settings=SynthesisSettings(**settings))


def in_context(api: Api, budget: Budget) -> InContext:
    engine = ServerEngine("m", f"{api.url}/v1", "k", retries=0, budget=budget, concurrency=1)
    return InContext(engine=engine, settings=InContextSettings(max_new_tokens=20), queries=4)


def with_tool(api: Api, budget: Budget) -> Synthesis:
    return synthesis(api, budget, code_tool=True)


METHODS = pytest.mark.parametrize(
    ("make", "calls"),
    [(synthesis, 2 * ATTEMPTS), (with_tool, 4 * ATTEMPTS), (in_context, 8)],
    ids=["synthesis", "code tool", "in-context"],
)


@METHODS
def test_a_model_answers_in_a_second_run_of_the_process(make, calls, api, tmp_path):
    budget = Budget(ROOM)
    method: Method = make(api, budget)
    for times in (1, 2):
        assert len(run(plan(method, SPECS, dataset_dir=tmp_path / "data"))) == 2
        assert len(api.calls) == times * calls
        assert spent(budget) == calls * TOKENS, "the budget is that of a run"


def lose_last_line_of_trial_2(path: Path, key: str) -> None:
    """Two searches share a journal in any order, but each has its lines in order."""
    lines = path.read_text().splitlines(keepends=True)
    lines.pop(max(i for i, line in enumerate(lines) if json.loads(line)[key]["trial"] == 2))
    path.write_text("".join(lines))


@METHODS
@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_resumed_in_the_same_process_counts_earlier_answers_once(
    make, calls, lost, api, tmp_path
):
    budget = Budget(ROOM)
    method: Method = make(api, budget)
    made = plan(method, SPECS, tmp_path / "run", dataset_dir=tmp_path / "data")
    run(made)
    if lost:
        for name, key in (("answers", "job"), ("attempts", "job"), ("results", "data")):
            if (path := tmp_path / "run" / f"{name}.jsonl").exists():
                lose_last_line_of_trial_2(path, key)
    before = len(api.calls)
    assert len(run(made)) == 2
    again = len(api.calls) - before
    assert again == (calls // (2 * ATTEMPTS) if make is not in_context else 1) * lost
    assert spent(budget) == calls * TOKENS


@METHODS
def test_a_model_answers_in_another_process_used_or_not(make, calls, api, tmp_path):
    budget = Budget()
    method: Method = make(api, budget)
    unused = pickle.dumps(method)
    made = plan(method, SPECS, dataset_dir=tmp_path / "data")
    run(made)
    assert len(run(made, executor=Processes(1))) == 2
    assert len(api.calls) == 2 * calls
    budget.begin((), 0, 0)  # as every run does
    assert pickle.dumps(method) == unused, "another process gets the same of an unused one"


def test_a_spent_run_can_be_repeated_with_the_same_budget(api, tmp_path):
    """The second run has its own: what the first one took is not counted."""
    budget = Budget(max_tokens=1500)
    method = synthesis(api, budget, attempts=100)
    for _ in range(2):
        before = len(api.calls)
        with pytest.raises(BudgetSpentError):
            run(plan(method, [SPEC], dataset_dir=tmp_path / "data"))
        assert len(api.calls) > before
