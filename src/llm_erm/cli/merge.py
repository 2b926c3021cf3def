"""`llm-erm merge`: joins the shards of a grid into one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.reports.results import lacking
from llm_erm.runs.kept import checked_results
from llm_erm.runs.merge import merge as merged


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm merge`."""

    shards: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of all shards of a grid, in any order."""
    out_dir: Path | None = None
    """Folder to write, which must not exist yet."""


def merge(options: Options) -> int:
    """Join the parts of a grid that ran apart, with --shard, into one run."""
    if options.out_dir is None:
        raise InputError("No folder to write is given; name a new one with --out-dir.")
    results = merged(options.shards, options.out_dir)
    note(
        f"Merged {counted(len(options.shards), 'shard')}: {counted(len(results), 'result')} in "
        f"{options.out_dir}"
    )
    if cut := lacking(options.out_dir, len(results)):
        short = [str(one) for one in options.shards if lacking(one, len(checked_results(one)))]
        shown = ", ".join(short[:5]) + (f" and {len(short) - 5:,} more" if short[5:] else "")
        note(
            f"{cut}. Unfinished: {shown}. To finish, run their command for all data sets, "
            f"with --out-dir {options.out_dir}."
        )
    return 0
