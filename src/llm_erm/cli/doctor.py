"""`llm-erm doctor`: checks what works on this machine."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import llm_erm
from llm_erm.cli import output
from llm_erm.cli.tables import Column
from llm_erm.cores import usable_cores
from llm_erm.errors import LLMERMError
from llm_erm.incontext.vllm import INSTALL
from llm_erm.llms import weights
from llm_erm.llms.providers import key_variables
from llm_erm.phrases import listed
from llm_erm.sandbox import Sandbox
from llm_erm.sandbox.wasm import require_wasm


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm doctor`."""

    json: bool = False
    """Print one JSON object."""


def doctor(options: Options) -> int:
    """Show how well programs are isolated on this machine and which models are available."""
    level, missing = _isolation()
    wasm = _state(require_wasm)
    found = {
        "isolation": (level, "; ".join(missing)),
        "isolation wasm (beta)": wasm,
        "embedded model": _state(weights.embedded),
        "local runtime": _state(weights.require_runtime),
        **{name: _installed(extra, modules) for name, (extra, modules) in EXTRAS.items()},
        "vLLM": (("installed", "") if find_spec("vllm") else ("missing", f"run: {INSTALL}")),
        **{name: ("set" if os.environ.get(name) else "not set", "") for name in key_variables()},
        "cores": (str(usable_cores()), ""),
        "llm-erm": (llm_erm.__version__, ""),
        "python": (platform.python_version(), ""),
        "system": (f"{platform.system()} {platform.release()} {platform.machine()}", ""),
    }
    if options.json:
        output.say_json({what: {"state": s, "missing": m} for what, (s, m) in found.items()})
    else:
        columns = (
            "what",
            Column("state", usual=""),
            Column("how to get more", text=True, usual=""),
        )
        output.table(columns, [(k, *v) for k, v in found.items()], wider=False)
    return 0 if level != "none" or wasm[0] == "installed" else 1


EXTRAS = {
    "remote models": ("remote", ("pydantic_ai",)),
    "coding agents": ("mcp", ("mcp",)),
    "enumeration": ("enumeration", ("numba", "psutil")),
    "your own tables": ("tables", ("numba", "sklearn", "narwhals")),
    "classical learners": ("baselines", ("sklearn", "xgboost", "gplearn")),
    "training": ("train", ("torch", "transformers", "accelerate")),
    "sweeps": ("sweep", ("yaml",)),
    "figures and reports": ("reports", ("matplotlib", "pandas", "jinja2")),
}
"""What an extra adds, its name, and the modules that show whether it is installed."""


def _installed(extra: str, modules: tuple[str, ...]) -> tuple[str, str]:
    lacking = [name for name in modules if find_spec(name) is None]
    if not lacking:
        return "installed", ""
    return "missing", f"no {listed(lacking)}; run: pip install 'llm-erm[{extra}]'"


def _isolation() -> tuple[str, tuple[str, ...]]:
    try:
        with Sandbox(workers=1) as sandbox:
            ran = sandbox.execute("def f(x): return 1", ["0"])
            if ran.status != "ok":
                return "none", (f"a program that returns 1 ended by {ran.status}: {ran.message}",)
            return sandbox.isolation, (*sandbox.missing, *sandbox.notices)
    except LLMERMError as error:
        return "none", (str(error),)


def _state(check: Callable[[], object]) -> tuple[str, str]:
    try:
        check()
    except LLMERMError as error:
        return "missing", str(error)
    return "installed", ""
