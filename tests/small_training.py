"""Settings that train in seconds, and data for them."""

from dataclasses import replace
from pathlib import Path

from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import HeldOut, Splits
from llm_erm.training.settings import TrainingSettings

SMALL = TrainingSettings(
    model="qwen1.7B",
    n_layer=2,
    n_head=2,
    n_embd=32,
    n_epochs=2,
    eval_every=1,
    lr=1e-3,
    precision="fp32",
    device="cpu",
)
"""Settings of a model of 30,000 weights."""


def splits(
    function: str,
    folder: Path,
    length: int = 20,
    train: int = 20,
    test: int = 40,
    validation: int = 0,
    task_file: Path | None = None,
) -> Splits:
    """Splits without a contrast set and other lengths, which would take longer than training."""
    spec = DataSpec(
        function=function,
        length=length,
        train_size=train,
        val_size=validation,
        test_size=test,
        task_file=task_file,
    )
    loaded = load(spec, folder)
    return replace(loaded, reveal=lambda: HeldOut(loaded.reveal().test))
