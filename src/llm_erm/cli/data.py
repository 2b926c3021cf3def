"""`llm-erm data`: writes data sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.cli import output
from llm_erm.cli.loading import loading
from llm_erm.cli.runs import specs_of
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import Splits


@dataclass(frozen=True)
class Options(DataGrid):
    """Flags of `llm-erm data`."""

    json: bool = False
    """Print one JSON object per data set."""


def data(options: Options) -> int:
    """Write the training, validation and test files of tasks; print their folders."""
    specs, rows = specs_of(options), []
    with loading(specs, options.dataset_dir, fresh=options.fresh_data) as loaded:
        for spec in specs:
            splits = load(spec, options.dataset_dir, fresh=options.fresh_data)
            loaded(splits)
            rows.append(_row(spec, splits, options.dataset_dir))
    for row in rows:  # printed before, they would be torn by the bar
        if options.json:
            output.say_json(row)
        else:
            output.say(row["folder"])
    return 0


def _row(spec: DataSpec, splits: Splits, dataset_dir: Path) -> dict[str, Any]:
    return {
        "function": spec.function,
        "length": spec.length,
        "seed": splits.key.seed,
        "trial": spec.trial,
        "folder": str(spec.folder(dataset_dir)),
        "sizes": {
            "train": len(splits.train),
            "val": len(splits.validation),
            "test": spec.test_size,
        },
        "independent": splits.independent,
    }
