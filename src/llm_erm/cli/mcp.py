"""`llm-erm mcp`: gives an agent a task, over the Model Context Protocol."""

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

from llm_erm.cli.loading import loading
from llm_erm.cli.options import LimitOptions
from llm_erm.cli.output import note, say_json
from llm_erm.errors import InputError
from llm_erm.llms.agent import AgentLLM
from llm_erm.phrases import counted
from llm_erm.runs.hidden import in_memory_alone
from llm_erm.runs.jobs import Job
from llm_erm.runs.run import Plan, opened, plan
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.served import require_mcp, serve
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.submissions import Submissions
from llm_erm.tasks.spec import DataGrid, DataSpec

ALWAYS = frozenset({"attempts", "seed", "train_size", "val_size", "test_size"})
"""What the entry for a client says even if it is usual: which task it is, with which budget."""


@dataclass(frozen=True)
class Options(LimitOptions, DataGrid):
    """Flags of `llm-erm mcp`."""

    attempts: int = 10
    """The budget K, fixed beforehand: number of programs that the agent may submit."""
    agent: str = "agent"
    """What results call the agent, after agent:, so that agents can be compared."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/mcp-<agent>-<task>-L<length>-seed<seed>,
    whatever the budget)."""
    hide_data: bool = False
    """Keep the data from an agent that can read files: draw them by chance, and write them, into
    the run's folder, only when the server ends after a call of finish. A server that ends without
    one loses them, and its run cannot go on."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    manifest: bool = False
    """Print what clients need to start this server, as JSON, and exit."""

    def spec(self) -> DataSpec:
        """Returns the one data set.

        Raises:
            InputError: The flags name several, or none that exists.
        """
        found = self.specs()
        if len(found) != 1:
            raise InputError(
                f"An agent is given one data set, but these flags name {len(found)}; name one task "
                "and one length, as in --functions fn_a --lengths 20, and omit --num-trials."
            )
        return found[0]

    def folder(self) -> Path:
        """Returns the run's folder."""
        name = f"mcp-{self.agent}-{Job(self.spec()).key.file_name}"
        return Path("runs") / name if self.out_dir is None else self.out_dir

    def method(self) -> Synthesis:
        """Returns the search that the agent's submissions are selected by."""
        return Synthesis(
            llm=AgentLLM(self.agent),
            settings=SynthesisSettings(attempts=self.attempts, limits=self.limits()),
            isolation=self.isolation,
            unsafe_no_isolation=self.unsafe_no_isolation,
        )

    def plan(self) -> Plan:
        """Returns the run; shows a bar and warnings on stderr while its data are drawn or read.

        Raises:
            LLMERMError: The run cannot start, or the data cannot be drawn or read.
        """
        method, spec = self.method(), self.spec()
        with loading([spec], self.dataset_dir, fresh=self.fresh_data) as ready:
            return plan(
                method,
                [spec],
                self.folder(),
                dataset_dir=self.dataset_dir,
                fresh_data=self.fresh_data or (self.hide_data and self.fresh),
                hide_data=self.hide_data,
                on_data=ready,
            )


def mcp(options: Options) -> int:
    """Give an agent a task: it submits programs, held-out data decides at the end."""
    require_mcp()
    if options.manifest:
        options.method().jobs([options.spec()])
        say_json({"mcpServers": {"llm-erm": _entry(options)}})
        return 0
    if sys.stdin.isatty():
        note(
            "A client starts this server and talks to it on standard input, so there is nothing to "
            "type here; --manifest prints the entry for the client's configuration."
        )
    planned = options.plan()
    with opened(planned, fresh=options.fresh) as folder, options.sandbox() as sandbox:
        assert folder is not None
        for notice in folder.notices:
            note(notice)
        # The run of finish must not write them either: it could fail, and the agent come back.
        submissions = Submissions(replace(planned, hidden=()), folder, sandbox, note)
        hidden = () if submissions.result is not None else planned.hidden
        note(
            f"Serving {planned.specs[0].name} to a client on standard input, with "
            f"{counted(options.attempts, 'submission')}. Journal and result: {folder.path}"
        )
        with in_memory_alone(hidden, wanted=lambda: submissions.result is not None):
            serve(submissions)
        if submissions.result is not None:
            return 0
        note(_left(folder.path, options, submissions.submitted))
    return 3


def _left(folder: Path, options: Options, submitted: int) -> str:
    """Returns a notice on a client that has gone before there was a result."""
    if not submitted:
        return "The client left without a submission; the same command begins anew."
    if options.hide_data:
        return (
            "The client left before finish had a result, so the hidden data are lost, and this run "
            f"cannot go on. What was submitted is kept in {folder}; --fresh begins anew."
        )
    return (
        "The client left before finish had a result. What was submitted is kept in "
        f"{folder} and counts; the same command {'without --fresh ' * options.fresh}continues."
    )


def _entry(options: Options) -> dict[str, object]:
    """Returns how to start the server from any folder."""
    words = ["-m", "llm_erm", "mcp"]
    given = replace(
        options, manifest=False, fresh=False, fresh_data=False, out_dir=options.folder()
    )
    for one in fields(given):
        value = getattr(given, one.name)
        if value == one.default and one.name not in ALWAYS and not isinstance(value, Path):
            continue
        words.append("--" + one.name.replace("_", "-"))
        if isinstance(value, tuple):
            words += map(str, value)
        elif value is not True:
            words.append(str(value.absolute() if isinstance(value, Path) else value))
    return {"command": sys.executable, "args": words}
