"""`llm-erm data`: writes data sets."""

import json as jsonlib
from dataclasses import dataclass

from llm_erm.cli.options import DataOptions, folder, grid, load, trials


@dataclass(frozen=True)
class Options(DataOptions):
    """Flags of `llm-erm data`."""

    json: bool = False
    """Print one JSON object a data set."""


def data(options: Options) -> int:
    """Write the training, validation and test files of tasks, and print where they are."""
    for task, length, trial in trials(options, grid(options)):
        splits = load(options, task, length, trial)
        where = folder(options, task, length, trial)
        if options.json:
            row = {
                "function": task.id,
                "length": length,
                "seed": splits.seed,
                "trial": trial,
                "folder": str(where),
                "sizes": {
                    "train": len(splits.train),
                    "val": len(splits.validation),
                    "test": len(splits.test),
                },
                "disjoint": splits.disjoint,
            }
            print(jsonlib.dumps(row))
        else:
            print(where)
    return 0
