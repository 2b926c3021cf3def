"""Settings that train in seconds, and data for them."""

from pathlib import Path

from llm_erm.tasks.splits import load_or_make
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import Splits
from llm_erm.training.settings import Settings

SMALL = Settings(
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
    function: str, folder: Path, length: int = 20, train: int = 20, test: int = 40
) -> Splits:
    return load_or_make(
        get(function),
        length=length,
        train_size=train,
        validation_size=0,
        test_size=test,
        seed=42,
        dataset_dir=folder,
        evaluation_sets=False,
    )
