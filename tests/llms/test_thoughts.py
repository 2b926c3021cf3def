"""Thoughts are removed from an answer, whatever they mention, and an open one leaves none."""

import time

import pytest

from llm_erm.incontext.labels import label_of
from llm_erm.llms.llm import Completion
from llm_erm.llms.thoughts import without_thoughts
from llm_erm.synthesis.extract import extract_source

PAIRS = {
    "DeepSeek, Qwen, GLM": ("<think>", "</think>"),
    "Claude": ("<thinking>", "</thinking>"),
    "EXAONE": ("<thought>", "</thought>"),
    "GRPO": ("<reasoning>", "</reasoning>"),
    "Seed-OSS": ("<seed:think>", "</seed:think>"),
    "Magistral": ("[THINK]", "[/THINK]"),
    "Kimi-VL": ("◁think▷", "◁/think▷"),
    "Command A": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "OpenThinker": ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>\n"),
    "Gemma 4": ("<|channel>thought\n", "<channel|>"),
    "Granite": ("Here is my thought process:", "Here is my response:"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "gpt-oss in plain text": ("analysisWe are to label it. ", "assistantfinal"),
}
WRONG = 'If {"label": "0"} then even. ```python\ndef f(x):\n    return 0\n```'
PROGRAM = "def f(x):\n    return x.count('1') % 2"


@pytest.mark.parametrize(("begin", "end"), PAIRS.values(), ids=PAIRS)
def test_neither_a_label_nor_a_program_is_taken_from_a_thought(begin, end):
    thought = f"{begin}{WRONG}{end}"
    for answer in ("1", '{"label": "1"}', "\n\n1\n", "<answer>1</answer>", "1<|return|>"):
        assert label_of(thought + answer) == 1, answer
    assert extract_source(Completion(1, f"{thought}\n```\n{PROGRAM}\n```")) == (PROGRAM, None)


@pytest.mark.parametrize(("begin", "end"), PAIRS.values(), ids=PAIRS)
def test_an_open_thought_leaves_no_answer(begin, end):
    assert without_thoughts(begin + WRONG) is None
    assert label_of(begin + WRONG) is None
    source, reason = extract_source(Completion(1, begin + WRONG, finish_reason="length"))
    assert source is None
    assert reason == "truncated: the answer ends inside a thought"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1", "1"),
        ("0</think>1", "1"),  # the template began the thought
        ("<think>a<think>b</think>1", "1"),
        ("<think>a<think>b</think>0</think>1", "1"),
        ("<think>I could write <reasoning>r</reasoning> here, {0}</think>1", "1"),
        ("<think>I could write <reasoning>here</think>1", "1"),
        ("<think>I end with [/THINK] 0</think>1", "1"),
        ("1<think>as it is odd</think>", "1"),
        ("<think>a</think><think>b</think>1", "1"),
        ("<think></think>\n\n1", "\n\n1"),
        ("<think>a</think>", ""),
        ("<think>a</think>1<think>or", None),
        ("<think>a<reasoning>b</reasoning>0", None),
        ("</think>" * 3 + "1", "1"),
        ("<thinker>1", "<thinker>1"),
        ("analysis: 1", "analysis: 1"),
    ],
)
def test_a_thought_ends_with_the_mark_that_belongs_to_its_beginning(text, answer):
    assert without_thoughts(text) == answer


@pytest.mark.parametrize("phrase", ["Here's my thought process:", "Here's my response:"])
def test_a_usual_phrase_hides_no_program(phrase):
    for answer in (f"{phrase}\n```\n{PROGRAM}\n```", f"```\n{PROGRAM}\n```\n{phrase} as above."):
        assert extract_source(Completion(1, answer)) == (PROGRAM, None)
    assert label_of(f'{{"label": "1"}} {phrase.replace("thought process", "response")} even') == 1


def test_a_thought_in_words_that_was_cut_is_one():
    cut = Completion(1, f"Here is my thought process: {WRONG}", finish_reason="length")
    assert extract_source(cut) == (None, "truncated: the answer ends inside a thought")


def test_endless_marks_take_no_time():
    began = time.process_time()
    for text in ("<think>" * 100_000, "</think>" * 100_000, "<|channel|>" * 100_000, "[" * 400_000):
        without_thoughts(text)
    assert time.process_time() - began < 20
