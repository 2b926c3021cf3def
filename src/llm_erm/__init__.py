"""Learn short programs from a few labelled examples: a language model proposes, data decides.

The names below are the public API. They load when first used, so that importing one room does not
load them all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_erm.errors import LLMERMError
    from llm_erm.llms.local import LocalLLM
    from llm_erm.llms.scripted import ScriptedLLM
    from llm_erm.records import Run
    from llm_erm.sandbox import Limits, Sandbox
    from llm_erm.synthesis.learn import learn
    from llm_erm.synthesis.settings import Settings
    from llm_erm.tasks.splits import load_or_make
    from llm_erm.tasks.suite import SUITE
    from llm_erm.tasks.task import Dataset, Splits

__version__ = "0.1.0"

__all__ = [
    "SUITE",
    "Dataset",
    "LLMERMError",
    "Limits",
    "LocalLLM",
    "Run",
    "Sandbox",
    "ScriptedLLM",
    "Settings",
    "Splits",
    "__version__",
    "learn",
    "load_or_make",
]

_HOME = {
    "SUITE": "llm_erm.tasks.suite",
    "Dataset": "llm_erm.tasks.task",
    "LLMERMError": "llm_erm.errors",
    "Limits": "llm_erm.sandbox",
    "LocalLLM": "llm_erm.llms.local",
    "Run": "llm_erm.records",
    "Sandbox": "llm_erm.sandbox",
    "ScriptedLLM": "llm_erm.llms.scripted",
    "Settings": "llm_erm.synthesis.settings",
    "Splits": "llm_erm.tasks.task",
    "learn": "llm_erm.synthesis.learn",
    "load_or_make": "llm_erm.tasks.splits",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Loads a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'llm_erm' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
