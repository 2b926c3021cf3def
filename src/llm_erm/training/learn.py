"""Trains a transformer on labelled examples and measures how well it does on others."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from llm_erm.erm.bounds import certify
from llm_erm.mistakes import DataName
from llm_erm.records import Result
from llm_erm.runs.events import Noticed, Observe, ignore
from llm_erm.tasks.stream import Fresh
from llm_erm.tasks.task import Dataset, Splits
from llm_erm.training.architectures import name_of
from llm_erm.training.build import build, fitting, save
from llm_erm.training.epochs import Epochs
from llm_erm.training.measure import Predicted, predict_once
from llm_erm.training.settings import TrainingSettings

FreshWithout = Callable[[Iterable[str]], Fresh]
"""``source(inputs)`` → fresh examples, none of which has one of these inputs."""

_LEFT_OUT = "Inputs of other lengths are left out: they have more tokens than the context length."


def learn(
    splits: Splits,
    settings: TrainingSettings,
    *,
    folder: Path | None = None,
    lengths: Mapping[int, Dataset] | None = None,
    fresh: FreshWithout | None = None,
    observe: Observe = ignore,
    job: str = "",
) -> Result:
    """Trains a model on the training and validation examples and returns its test result.

    The held-out data are revealed at the start, because the curve also shows the test accuracy.
    This is harmless, since nothing is selected: the result is that of the final weights. The same
    settings give the same initial weights and the same order of examples for any data.

    Args:
        splits: The labelled data.
        settings: Settings of training.
        folder: Folder for checkpoints and the final weights, if ``settings`` asks for them; a
            checkpoint there is resumed from. None to keep nothing.
        lengths: Test inputs of other lengths, by length.
        fresh: Where online training gets its examples.
        observe: Receives every epoch and evaluation as it happens.
        job: Identifies the run and the job; only its own checkpoint is resumed from.

    Raises:
        LLMERMError: The settings, the data and this machine do not fit together.
    """
    from torch import cuda, random

    assert fresh is not None or not settings.online, "online training needs a source of examples"
    pool = _joined(splits.train, splits.validation)
    held_out = splits.reveal()
    test, contrast, shift = held_out.test, held_out.contrast, held_out.length_generalization
    elsewhere = lengths or {}
    met = [data for data in (pool, test, contrast, shift) if data is not None]
    with random.fork_rng(devices=range(cuda.device_count())), fitting(settings):
        built = build(settings, splits.kind, [*met, *elsewhere.values()], folder)
        notices = []
        if shift is not None and not built.takes(shift):
            shift = None
            notices.append(_LEFT_OUT)
        epochs = Epochs(
            built, settings, built.encode(pool), built.encode(test), folder, observe, job
        )
        epochs.run(fresh(test.inputs) if fresh is not None and settings.online else None)
        notices = [*epochs.notices(), *notices]
        for text in notices:
            observe(Noticed(text))
        on_contrast, on_shift = predict_once(built, contrast), predict_once(built, shift)
        accuracies = {length: predict_once(built, data) for length, data in elsewhere.items()}
        if settings.save_model and folder is not None and built.main:
            built.engine.widen()
            save(built, folder / "model")
    final = epochs.curve[-1]
    predicted: dict[DataName, tuple[Dataset | None, Predicted | None]] = {
        "train": (pool, epochs.on_train),
        "test": (test, epochs.on_test),
        "contrast": (contrast, on_contrast),
        "length_generalization": (shift, on_shift),
    }
    return Result(
        method="training",
        model=name_of(settings, built.sizes()[0]),
        data=splits.key,
        examples=len(pool) * (final.epoch if settings.online else 1),
        train=epochs.on_train.verdict,
        test=epochs.on_test.verdict,
        contrast=on_contrast.verdict if on_contrast else None,
        length_generalization=on_shift.verdict if on_shift else None,
        mistakes={
            name: guesses.mistakes(data)
            for name, (data, guesses) in predicted.items()
            if data is not None and guesses is not None
        },
        certificate=certify(splits, epochs.on_test.verdict),  # only these were held out of training
        seconds=round(final.seconds, 3),
        notices=(*splits.warnings, *notices),
        facts=epochs.facts(
            {length: one.verdict.accuracy for length, one in accuracies.items() if one}
        ),
    )


def _joined(train: Dataset, validation: Dataset) -> Dataset:
    return Dataset(train.inputs + validation.inputs, train.labels + validation.labels)
