"""What is said of the calls of a search that got no answer."""

import pytest

from llm_erm.llms.llm import Completion
from llm_erm.llms.unanswered import Calls


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ("aa", "2 of 2 calls failed: a. All"),
        ("aab", "3 of 3 calls failed: a (and 1 other reason). All"),
        ("aabc", "4 of 4 calls failed: a (and 2 other reasons). All"),
    ],
)
def test_the_usual_reason_is_told_and_the_others_are_counted(reasons, said):
    calls = Calls()
    for index, reason in enumerate(reasons, 1):
        calls.count(Completion(index, "", finish_reason="error", error=reason))
    assert (calls.failures(over=False, asked_again=True) or "").startswith(said)


@pytest.mark.parametrize("reason", ["error", "unanswered"])
def test_a_replay_is_never_said_to_ask_again(reason):
    calls = Calls()
    calls.count(Completion(1, "", finish_reason=reason, error="busy"))
    assert calls.failures(over=False, asked_again=True, replayed=True) == (
        "1 of 1 calls failed: busy. A replay makes no calls; the command that it replays can ask "
        "again."
    )
