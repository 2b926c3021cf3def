"""Questions about Python text are answered in another process, whatever the text is."""

import threading
import time

import pytest

from llm_erm.source import (
    LONGEST_PROGRAM,
    one_line,
    program_length,
    too_long,
)

PROGRAM = "def f(x):\n    return " + " + ".join(f"x[{place}]" for place in range(40))


def test_comments_and_spacing_do_not_count_as_length():
    assert program_length("def f(x):\n\n    # why\n    return  1") == len("def f(x):\n    return 1")


@pytest.mark.parametrize(
    "source", ["def f(x) return 1", "\0", "", "(" * 1000 + ")" * 1000, "x = " + "-" * 9999 + "1"]
)
def test_text_that_cannot_be_formatted_is_as_long_as_it_is(source):
    assert program_length(source) == len(source)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def f(x):\n    return (x  ==  '1')", "x == '1'"),
        ("def f(x):\n    y = x\n    return y\n", "def f(x):\n    y = x\n    return y"),
        ("f = 1\n", "f = 1"),
        ("def f(x):\n    return\n", "def f(x):\n    return"),
        ("def f(x) return 1\n", "def f(x) return 1\n"),
    ],
)
def test_a_one_line_program_is_its_expression(source, line):
    assert one_line(source) == line


def test_a_program_may_have_that_many_characters_and_no_more():
    assert too_long("x" * LONGEST_PROGRAM) is None
    assert "50,001 characters, and 50,000 are the most" in too_long("x" * (LONGEST_PROGRAM + 1))


@pytest.mark.parametrize("parts", [40_000, 190_000])
def test_a_name_of_many_parts_takes_no_memory_of_this_process(parts):
    source = "import a" + ".a" * parts
    before = _memory()
    began = time.process_time()
    assert program_length(source) == len(source)
    assert one_line(source) == source
    assert _memory() - before < 20_000_000
    assert time.process_time() - began < 0.5


def _memory() -> int:
    import resource

    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_threads_can_ask_at_the_same_time():
    wrong: list[object] = []

    def ask_often() -> None:
        for number in range(100):
            source = f"{PROGRAM} + {number}"
            if (program_length(source), one_line(source)) != (len(source), source[21:]):
                wrong.append(number)

    threads = [threading.Thread(target=ask_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
