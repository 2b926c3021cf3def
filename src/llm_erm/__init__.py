"""Learn short programs from a few labelled examples: a language model proposes, data decides.

The names below are the public API. They load on first use, so that importing the package takes
milliseconds and importing one subpackage does not load the others.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from llm_erm.version import VERSION

if TYPE_CHECKING:
    from llm_erm.api import frame, model, run
    from llm_erm.baselines.method import Baselines
    from llm_erm.certificates import Certificate
    from llm_erm.enumeration.drawing import draw_tasks
    from llm_erm.enumeration.drawn import Drawing, DrawnTask
    from llm_erm.enumeration.method import Enumeration
    from llm_erm.enumeration.settings import EnumerationSettings
    from llm_erm.errors import BudgetSpentError, InputError, LLMERMError, UnfinishedError
    from llm_erm.estimator import ProgramClassifier
    from llm_erm.execution import Limits
    from llm_erm.incontext.method import InContext
    from llm_erm.incontext.settings import InContextSettings
    from llm_erm.llms.llm import LLM
    from llm_erm.records import Attempt, Result, Verdict
    from llm_erm.reports.comparison import compare
    from llm_erm.reports.results import read_results
    from llm_erm.runs.cluster import RayCluster
    from llm_erm.runs.events import Event, Observer
    from llm_erm.runs.executors import InProcess, Processes
    from llm_erm.runs.merge import merge
    from llm_erm.sandbox import Sandbox
    from llm_erm.synthesis.method import Synthesis
    from llm_erm.synthesis.settings import SynthesisSettings
    from llm_erm.tasks.spec import DataGrid, DataSpec
    from llm_erm.tasks.splits import load
    from llm_erm.tasks.suite import SUITE
    from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits
    from llm_erm.training.method import Training
    from llm_erm.training.settings import TrainingSettings

__version__ = VERSION

_HOMES = {
    "api": ("frame", "model", "run"),
    "baselines.method": ("Baselines",),
    "certificates": ("Certificate",),
    "enumeration.drawing": ("draw_tasks",),
    "enumeration.drawn": ("Drawing", "DrawnTask"),
    "enumeration.method": ("Enumeration",),
    "enumeration.settings": ("EnumerationSettings",),
    "errors": ("BudgetSpentError", "InputError", "LLMERMError", "UnfinishedError"),
    "estimator": ("ProgramClassifier",),
    "execution": ("Limits",),
    "incontext.method": ("InContext",),
    "incontext.settings": ("InContextSettings",),
    "llms.llm": ("LLM",),
    "records": ("Attempt", "Result", "Verdict"),
    "reports.comparison": ("compare",),
    "reports.results": ("read_results",),
    "runs.cluster": ("RayCluster",),
    "runs.events": ("Event", "Observer"),
    "runs.executors": ("InProcess", "Processes"),
    "runs.merge": ("merge",),
    "sandbox": ("Sandbox",),
    "synthesis.method": ("Synthesis",),
    "synthesis.settings": ("SynthesisSettings",),
    "tasks.spec": ("DataGrid", "DataSpec"),
    "tasks.splits": ("load",),
    "tasks.suite": ("SUITE",),
    "tasks.task": ("DataKey", "Dataset", "HeldOut", "Splits"),
    "training.method": ("Training",),
    "training.settings": ("TrainingSettings",),
}
"""The modules that define the public names."""

_HOME = {name: f"llm_erm.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "LLM",
    "SUITE",
    "Attempt",
    "Baselines",
    "BudgetSpentError",
    "Certificate",
    "DataGrid",
    "DataKey",
    "DataSpec",
    "Dataset",
    "Drawing",
    "DrawnTask",
    "Enumeration",
    "EnumerationSettings",
    "Event",
    "HeldOut",
    "InContext",
    "InContextSettings",
    "InProcess",
    "InputError",
    "LLMERMError",
    "Limits",
    "Observer",
    "Processes",
    "ProgramClassifier",
    "RayCluster",
    "Result",
    "Sandbox",
    "Splits",
    "Synthesis",
    "SynthesisSettings",
    "Training",
    "TrainingSettings",
    "UnfinishedError",
    "Verdict",
    "__version__",
    "compare",
    "draw_tasks",
    "frame",
    "load",
    "merge",
    "model",
    "read_results",
    "run",
]
if None in (find_spec("sklearn"), find_spec("narwhals")):  # `import *` asks for all of these
    __all__.remove("ProgramClassifier")


def __dir__() -> list[str]:
    """Returns the public names, for completion."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Loads a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'llm_erm' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
