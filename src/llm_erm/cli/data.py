"""`llm-erm data`: writes data sets."""

from dataclasses import dataclass

from llm_erm.cli import output
from llm_erm.cli.runs import say_warnings, specs_of
from llm_erm.tasks.spec import DataGrid
from llm_erm.tasks.splits import load


@dataclass(frozen=True)
class Options(DataGrid):
    """Flags of `llm-erm data`."""

    json: bool = False
    """Print one JSON object per data set."""


def data(options: Options) -> int:
    """Write the training, validation and test files of tasks; print their folders."""
    for spec in specs_of(options):
        splits = load(spec, options.dataset_dir, fresh=options.fresh_data)
        say_warnings(splits)
        where = spec.folder(options.dataset_dir)
        if options.json:
            row = {
                "function": spec.function,
                "length": spec.length,
                "seed": splits.key.seed,
                "trial": spec.trial,
                "folder": str(where),
                "sizes": {
                    "train": len(splits.train),
                    "val": len(splits.validation),
                    "test": spec.test_size,
                },
                "independent": splits.independent,
            }
            output.say_json(row)
        else:
            output.say(str(where))
    return 0
