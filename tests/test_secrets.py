"""No secret, in whatever form, is left in a text, and nothing else is taken from it."""

import base64
import json
import pickle
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_erm.errors import InputError, ProviderError
from llm_erm.llms.faults import CallFailedError
from llm_erm.llms.llm import Completion, ToolCall
from llm_erm.secrets import (
    FEWEST_CHARACTERS,
    hide_known,
    keep_address,
    keep_secret,
    redact,
    without_user,
)

KEY = "sk-forms/+&\"'7ab3 x"


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        repr(KEY)[1:-1],
        json.dumps(KEY)[1:-1],
        json.dumps({"authorization": f"Bearer {KEY}"}),
        str({"authorization": f"Bearer {KEY}".encode()}),
        quote(KEY),
        quote(KEY, safe=""),
        quote_plus(KEY),
        KEY.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#x27;"),
        KEY.encode().hex(),
    ],
)
def test_a_key_is_hidden_however_it_is_written(form):
    keep_secret(KEY)
    hidden = hide_known(f"It said: {form}!")
    assert "forms" not in hidden and "7ab3" not in hidden, hidden
    assert KEY.encode().hex() not in hidden
    assert hidden.startswith("It said: ") and hidden.endswith("!")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_key_is_hidden_wherever_it_is_in_an_encoded_text(before, after):
    keep_secret("sk-encoded-93hf82hs")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + b"sk-encoded-93hf82hs" + after).decode()
        hidden = hide_known(encoded)
        left = hidden.replace("***", "")
        assert "***" in hidden and len(left) <= len(encode(before + after)) + 8


def test_surrounding_space_and_line_ends_do_not_matter():
    keep_secret("  sk-first-line-82\nsk-second-line-83\t\n")
    assert hide_known("a sk-first-line-82 b") == "a *** b"
    assert hide_known("a sk-second-line-83 b") == "a *** b"


@pytest.mark.parametrize("placeholder", ["", "x", "EMPTY", "none", "unused", "1234567"])
def test_a_placeholder_is_no_secret(placeholder):
    assert len(placeholder) < FEWEST_CHARACTERS
    keep_secret(placeholder)
    text = "The x is unused: EMPTY, none, 1234567."
    assert hide_known(text) == redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("at http://user:pass@host:8000/v1.", "at http://***@host:8000/v1."),
        ("'ftp://user:p/a@ss@host/'", "'ftp://***@host/'"),
        ("https://token@host/a", "https://***@host/a"),
        ("http://host/v1?key=abc&b=c, sorry", "http://host/v1?*** sorry"),
        ('{"url": "http://host/?a=b", "c": 1}', '{"url": "http://host/?***", "c": 1}'),
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("{'authorization': 'Bearer abc', 'a': 1}", "{'authorization': '***', 'a': 1}"),
        ("[(b'Authorization', b'Basic abc=')]", "[(b'Authorization', b'***')]"),
        ('{\\"Authorization\\": \\"Bearer abc\\"}', '{\\"Authorization\\": \\"***\\"}'),
        ("x-api-key: abc", "x-api-key: ***"),
        ("Illegal header value b'Bearer abc123def'", "Illegal header value b'Bearer ***'"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_although_nobody_registered_it(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "The API address at localhost must begin with http:// or https://, see http://a.b/c_d#e.",
        "http://localhost:8000/v1 and http://[::1]:8000/v1 are addresses; why?",
        "OPENAI_API_KEY: The key contains characters that no key has.",
        "def f(x):\n    return x[1:2] @ x['a:b'] if x else 0  # who bears what?",
        "user@host, a: b@c; -> 1",
        "No folder exp:/a@b, and no model local:/mnt/alice@lab/q.gguf.",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "part",
    [
        "http://a:b",
        "a",
        "a" * 31 + ":",
        "a://",
        ":/",
        "://",
        "a.a-",
        "authorization",
        "authorization ",
        "bearer ",
        "?",
        "@",
        "/",
        " ",
        "\\",
        "sk-",
        "x-api-key: ",
        ":",
        "http://a?",
        "'b'",
    ],
)
def test_a_hostile_text_takes_no_longer_than_another(part):
    text = part * (100_000 // len(part))
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 2


def test_what_no_server_was_told_is_hidden_in_messages_alone():
    keep_secret("01101110-unsent", sent=False)
    keep_address("http://me:unsent-password@proxy", sent=False)
    text = "01101110-unsent unsent-password"
    assert hide_known(text) == text
    assert redact(text) == "*** ***"
    keep_secret("01101110-unsent")
    assert hide_known(text) == "*** unsent-password", "it was sent later"
    keep_secret("01101110-unsent", sent=False)
    assert hide_known(text) == "*** unsent-password"


def test_the_parts_of_an_address_are_secrets():
    keep_address("http://someone:pass%2Fword1@host/v1?token=query-value-1#x")
    hidden = hide_known("pass%2Fword1 pass/word1 query-value-1 someone host")
    assert hidden == "*** *** *** someone host"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ftp://user:pw@h/v1", "ftp://***@h/v1"),
        ("http:/user:p@w@h/v1?a=b", "http:/***@h/v1"),
        ("user:pw@h:80/v1", "***@h:80/v1"),
        ("localhost:8000", "localhost:8000"),
    ],
)
def test_an_address_is_shown_without_its_user(address, shown):
    assert without_user(address) == shown


@pytest.mark.parametrize("kind", [InputError, ProviderError])
def test_no_error_holds_a_secret(kind):
    keep_secret("sk-in-an-error-83")
    error = kind("no sk-in-an-error-83 at http://u:p@h", setting="base_url")
    assert str(error) == "no *** at http://***@h"
    assert repr(pickle.loads(pickle.dumps(error))) == repr(error)
    assert "83" not in repr(CallFailedError("refused", "no sk-in-an-error-83"))


def test_no_part_of_an_answer_holds_a_secret():
    keep_secret("sk-in-an-answer-83")
    said = "f 'sk-in-an-answer-83'"
    answer = Completion(1, said, tool_calls=(ToolCall(said, said, said),), error=said)
    assert "83" not in repr(answer.without_secrets())
    untouched = Completion(1, "http://a:b@c/?d Authorization: Bearer 12345678")
    assert untouched.without_secrets() == untouched, "only what is known to be a secret"
