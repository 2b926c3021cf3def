"""`llm-erm report`: writes one HTML file on runs and rules."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli import output
from llm_erm.cli.places import refuse_inputs
from llm_erm.cli.progress import Bars
from llm_erm.cli.repeat import repeat
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.reports.page.read import read_page
from llm_erm.reports.page.render import renderer
from llm_erm.runs.files import replace, writing


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm report`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs of any methods, of sweeps, and files of rules that `llm-erm fit` wrote."""
    out: Path | None = None
    """File of the report (default: report.html in the run's folder; of several runs, and of a rule,
    in the current folder)."""
    open: bool = False
    """Open the report in a browser."""


def report(options: Options) -> int:
    """Write one HTML file that shows what runs and rules learned, and how."""
    if not options.runs:
        raise InputError("No runs given; name the folders of runs, or files of rules.")
    for place in options.runs:
        if not place.exists():
            raise InputError(f"There is no {place}; name the folder of a run.")
    if options.out is not None:
        refuse_inputs(options.out, *options.runs)
    out = options.out or _usual_place(options.runs)
    rendered = renderer()
    with Bars() as bars:
        bar = bars.add("runs read", len(options.runs))
        page = read_page(options.runs, repeat, lambda: bars.advance(bar))
    for remark in page.remarks:
        output.note(remark)
    with writing(out, "out"):
        replace(out, rendered(page), follow=options.out is not None)
    output.note(f"Report: {out} ({counted(len(page.learned), 'result')})")
    if options.open and not webbrowser.open(out.resolve().as_uri()):
        output.note(f"No browser could be started; open {out} yourself.")
    return 0


def _usual_place(runs: tuple[Path, ...]) -> Path:
    folder = runs[0] if len(runs) == 1 and runs[0].is_dir() else Path()
    return folder / "report.html"
