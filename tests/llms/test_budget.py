"""No call is made that could take a run past its budget, whatever is in flight."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_server import Call, Reply, serving
from llm_erm.errors import BudgetSpentError
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion, Request, Tool, ToolCall, Usage
from llm_erm.llms.models import model, price_of
from responses_server import USAGE, error, response, text

ANSWER = Reply(response([text("hello")]))
PROMPT = "x" * 1300
USED = 1500
"""Tokens of every answer above; no more than the prompt's bytes and 400 of output."""
WORST = 1700


def price(prompt_tokens: int, output_tokens: int) -> float:
    return prompt_tokens * 1e-6 + output_tokens * 8e-6


@dataclass(frozen=True)
class Planned:
    """One simulated call: its worst case, its start, its length, and what it really takes."""

    prompt: int
    output: int
    start: int
    ticks: int
    share: float
    known: str


PLANS = st.lists(
    st.builds(
        Planned,
        st.integers(1, 500),
        st.integers(1, 500),
        st.integers(0, 6),
        st.integers(0, 8),
        st.floats(0, 1),
        st.sampled_from(["known", "no price", "nothing", "not answered"]),
    ),
    max_size=25,
)


@given(PLANS, st.integers(0, 4000), st.floats(0, 0.02))
def test_what_is_spent_and_in_flight_never_passes_a_limit_and_nobody_waits_forever(
    plans, max_tokens, max_dollars
):
    tokens = dollars = 0.0
    flying: list[Planned] = []
    refused = 0

    async def call(budget: Budget, plan: Planned) -> None:
        nonlocal tokens, dollars, refused
        for _ in range(plan.start):
            await asyncio.sleep(0)
        worst = plan.prompt + plan.output, price(plan.prompt, plan.output)
        try:
            reserved = await budget.reserve(plan.prompt, plan.output)
        except BudgetSpentError:
            assert flying == []
            assert tokens + worst[0] > max_tokens or dollars + worst[1] > max_dollars
            refused += 1
            return
        flying.append(plan)
        assert tokens + sum(p.prompt + p.output for p in flying) <= max_tokens
        assert dollars + sum(price(p.prompt, p.output) for p in flying) <= max_dollars + 1e-12
        for _ in range(plan.ticks):
            await asyncio.sleep(0)
        usage: Usage | None = Usage(int(plan.prompt * plan.share), 0, int(plan.output * plan.share))
        assert usage is not None
        cost: float | None = price(usage.prompt_tokens, usage.completion_tokens)
        if plan.known == "nothing":
            took = worst
            usage = cost = None
        elif plan.known == "not answered":
            took = 0, 0.0
            usage, cost = Usage(), 0.0
        else:
            took = usage.prompt_tokens + usage.completion_tokens, cost
            cost = cost if plan.known == "known" else None
        flying.remove(plan)
        tokens, dollars = tokens + took[0], dollars + took[1]
        await budget.settle(reserved, usage, cost)

    async def all_of_them() -> None:
        budget = Budget(max_tokens, max_dollars, price)
        await asyncio.wait_for(asyncio.gather(*(call(budget, plan) for plan in plans)), 20)

    asyncio.run(all_of_them())
    assert tokens <= max_tokens
    assert dollars <= max_dollars + 1e-12
    assert refused < len(plans) or all(
        p.prompt + p.output > max_tokens or price(p.prompt, p.output) > max_dollars for p in plans
    )


def test_a_call_that_does_not_fit_yet_waits_for_those_in_flight():
    async def run() -> list[str]:
        told, budget = [], Budget(max_tokens=100)
        first = await budget.reserve(40, 40)
        second = asyncio.create_task(budget.reserve(40, 40))
        await asyncio.sleep(0.05)
        told.append("waits" if not second.done() else "goes")
        await budget.settle(first, Usage(10, 0, 10), None)
        await asyncio.wait_for(second, 5)
        told.append("went")
        return told

    assert asyncio.run(run()) == ["waits", "went"]


def test_a_call_whose_usage_nobody_knows_counts_as_its_worst_case():
    async def run() -> None:
        budget = Budget(max_tokens=100)
        await budget.settle(await budget.reserve(40, 40), None, None)
        with pytest.raises(BudgetSpentError, match=r"21 tokens, and 80 of the limit of 100"):
            await budget.reserve(11, 10)
        await budget.reserve(10, 10)

    asyncio.run(run())


EARLIER = Completion(1, "x", Usage(100, 0, 100), cost_usd=0.5)


@pytest.mark.parametrize(
    ("earlier", "tokens", "dollars"),
    [
        (EARLIER, 200, 0.5),
        (replace(EARLIER, cost_usd=None), 200, price(100, 100)),
        (replace(EARLIER, cost_usd=None, finish_reason="error"), 600, price(400, 200)),
        (Completion(1, "", finish_reason="error", error="timeout"), 300, price(200, 100)),
        (
            Completion(
                *(1, "", Usage(300, 0, 50), 1.0, "cancelled", None),
                (ToolCall("run", "1", "é" * 100),),
            ),
            350 + 200 + 50 + 200 + 100,
            price(300 + 200 + 50 + 200, 50 + 100),
        ),
        (Completion(1, "no usage was told"), 300, price(200, 100)),
        (Completion(1, "", finish_reason="error", error="503", cost_usd=0.0), 0, 0.0),
    ],
    ids=[
        *("known", "no price", "broke off", "timed out", "used a tool", "no usage"),
        "never answered",
    ],
)
def test_earlier_calls_count_and_at_worst_where_nobody_knows(earlier, tokens, dollars):
    async def fits(more: int, money: float) -> bool:
        budget = Budget(tokens + more, None)
        budget.begin([earlier], 200, 100)
        costs = Budget(None, dollars + money, price)
        costs.begin([earlier], 200, 100)
        try:
            await budget.reserve(1, 1)
            await costs.reserve(1, 1)
        except BudgetSpentError:
            return False
        return True

    assert asyncio.run(fits(2, price(1, 1) + 1e-12))
    assert not asyncio.run(fits(1, price(1, 1) + 1e-12))
    assert not asyncio.run(fits(2, price(1, 1) - 1e-9))


def test_an_unknown_price_limits_nothing_and_fails_nothing():
    async def run() -> None:
        budget = Budget(None, 0.01, price_of("chat:nobody-knows-it"))
        for _ in range(3):
            await budget.settle(await budget.reserve(10**6, 10**6), Usage(10**6, 0, 10**6), None)

    asyncio.run(run())


def spend(
    answer, budget: Budget, *, samples: int = 9, tool: Tool | None = None, **settings
) -> tuple[list[Completion], bool, int]:
    """What came of the samples, whether the budget ended them, and how many calls were made."""

    async def ask(url: str) -> tuple[list[Completion], bool]:
        llm = model("openai:gpt-5", api_key="key", base_url=f"{url}/v1", budget=budget, **settings)
        got: list[Completion] = []
        request = Request(PROMPT, range(1, samples + 1), max_tokens=WORST - len(PROMPT), tool=tool)
        try:
            async for completion in llm.complete(request):
                got.append(completion)
        except BudgetSpentError:
            return got, True
        finally:
            await llm.aclose()
        return got, False

    with serving(answer) as api:
        got, spent = asyncio.run(ask(api.url))
    return got, spent, len(api.calls)


@pytest.mark.parametrize("speculative", [1, 5])
def test_the_calls_stop_before_the_one_that_could_pass_the_limit(speculative):
    limit = 2 * USED + WORST
    got, spent, calls = spend(lambda _: ANSWER, Budget(limit), speculative=speculative)
    assert spent
    assert calls == len(got) == 3
    assert sum(c.usage.prompt_tokens + c.usage.completion_tokens for c in got) <= limit


def test_dollars_stop_the_calls_by_the_price_list():
    prices = price_of("openai:gpt-5")
    one = spend(lambda _: ANSWER, Budget(), samples=1)[0][0].cost_usd
    limit = one + prices(len(PROMPT), WORST - len(PROMPT))
    got, spent, calls = spend(lambda _: ANSWER, Budget(None, limit * 1.0001, prices))
    assert (spent, calls, len(got)) == (True, 2, 2)
    got, spent, calls = spend(lambda _: ANSWER, Budget(None, limit * 0.9999, prices))
    assert (spent, calls, len(got)) == (True, 1, 1)


@pytest.mark.parametrize(
    ("first", "calls"),
    [
        (Reply(response([]), after=3600), 2),
        (Reply(response([text("hello")], usage=None)), 2),
        (Reply(b"no JSON"), 2),
        (Reply(error("later", "overloaded"), 503), 3),
    ],
    ids=["timed out", "no usage told", "no answer of the API", "never answered"],
)
def test_a_call_that_may_have_been_billed_counts_as_its_worst_case(first, calls):
    def answer(call: Call) -> Reply:
        return ANSWER if call.number else first

    _, spent, made = spend(answer, Budget(WORST + WORST), retries=0, timeout_seconds=5)
    assert spent
    assert made == calls


def wants_tool(number: int) -> dict:
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
    return call | {"name": "run", "arguments": json.dumps({"code": "1"}), "status": "completed"}


def one_token_a_byte(call: Call, output: Sequence[dict]) -> Reply:
    """The worst tokeniser there is, and a model that always writes as much as it may."""
    said = [item.get("content") or item.get("output") or "" for item in call.body["input"]]
    prompt = sum(len(text.encode()) for text in said)
    calls = sum(item["type"] == "function_call" for item in call.body["input"] if "type" in item)
    most = call.body["max_output_tokens"]
    usage = USAGE | {"input_tokens": prompt + calls * most, "output_tokens": most}
    return Reply(response(list(output), usage=usage))


@pytest.mark.parametrize("limit", [2_000, 9_000, 23_000, 37_000, 51_000, 65_000])
def test_uses_of_a_tool_are_in_the_worst_case(limit):
    tool = Tool("run", "runs", lambda code: "é" * 500, calls=4)

    def answer(call: Call) -> Reply:
        uses = sum(item.get("type") == "function_call_output" for item in call.body["input"])
        output = [text("hello")] if uses == 3 else [wants_tool(uses)]
        return one_token_a_byte(call, output)

    got, spent, calls = spend(answer, Budget(limit), samples=4, tool=tool, speculative=2)
    took = sum(c.usage.prompt_tokens + c.usage.completion_tokens for c in got)
    assert took <= limit
    whole = [c for c in got if c.finish_reason != "error"]  # at the limit of tokens, each of them
    broken = [c for c in got if c.finish_reason == "error"]
    assert all(len(c.tool_calls) == 3 for c in whole)
    assert all("budget" in c.error and c.tool_calls for c in broken)
    assert calls == sum(len(c.tool_calls) for c in got) + len(whole)
    assert spent == (len(got) < 4)
    if limit == 65_000:
        assert len(whole) == 4
