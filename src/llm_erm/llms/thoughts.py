"""Removes what a model thinks aloud before it answers.

Untrusted text is read with it in another process too (``bounded.py``), so it needs nothing but the
standard library.
"""

import re

_IN_WORDS = ("Here(?:'s| is) my thought process:", "Here(?:'s| is) my response:")
"""The marks of Granite 3.2, which other models say without thinking aloud."""
_KINDS = (
    ("<think>", "</think>"),  # DeepSeek-R1, Qwen3, GLM, MiniMax, Hunyuan, Phi-4-reasoning
    ("<thinking>", "</thinking>"),  # Claude and others, where a prompt asks for it
    ("<thoughts?>", "</thoughts?>"),  # EXAONE Deep, Gemini's compatible interface
    ("<reasoning>", "</reasoning>"),  # models tuned by GRPO on answers of this form
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    (r"\[THINK\]", r"\[/THINK\]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi-VL
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Command A Reasoning
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),  # OpenThinker, Sky-T1
    (r"<\|channel>thought", r"<channel\|>"),  # Gemma 4
    _IN_WORDS,
    # gpt-oss; the second form is what is left of it without its special tokens.
    (r"<\|channel\|>(?:analysis|commentary)\b", r"<\|channel\|>final<\|message\|>"),
    (r"\Aanalysis(?=[A-Z])", "assistantfinal"),
)
_MARK = re.compile(
    "|".join(f"(?P<open{i}>{a})|(?P<close{i}>{b})" for i, (a, b) in enumerate(_KINDS))
)
_END_IN_WORDS = f"close{_KINDS.index(_IN_WORDS)}"
_CLOSING = {f"open{i}": f"close{i}" for i in range(len(_KINDS))}
_AROUND = re.compile(
    r"</?(?:answer|response)>|<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>"
    r"|<\|(?:return|end|im_end|eot_id|endoftext)\|>|<end_of_turn>|</s>"
)
"""Marks around the answer proper of the same models, and at the end of any."""


def without_thoughts(text: str, *, whole: bool = False) -> str | None:
    """Returns the answer without its thoughts and the marks around it; None if a thought is open.

    A thought ends with the mark that belongs to the one it began with, whatever it mentions. Text
    before an end whose beginning is missing is a thought too: templates may put that into the
    prompt.

    Args:
        text: The answer.
        whole: Whether it is surely whole. A beginning in words without its end is then no thought.
    """
    kept: list[str] = []
    position, closing = 0, None
    for mark in _MARK.finditer(text):
        name = str(mark.lastgroup)
        if closing is None:
            if name == _END_IN_WORDS:
                continue
            if name in _CLOSING:
                kept.append(text[position : mark.start()])
                closing = _CLOSING[name]
            else:
                kept.clear()
            position = mark.end()
        elif name == closing:
            closing, position = None, mark.end()
    if closing is not None and not (whole and closing == _END_IN_WORDS):
        return None
    kept.append(text[position:])
    return _AROUND.sub("", "".join(kept))
