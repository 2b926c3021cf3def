"""Trains a transformer on labelled examples and says how well it does on others."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_erm.erm.bounds import certify
from llm_erm.records import Run, Verdict
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.stream import Fresh
from llm_erm.tasks.task import Dataset, Splits
from llm_erm.training.artifacts import Artifacts, Point
from llm_erm.training.build import Built, build, fitting, save
from llm_erm.training.settings import Settings

if TYPE_CHECKING:
    from llm_erm.training.encoding import Encoded


_LEFT_OUT = "inputs of other lengths are left out: they have more tokens than --context_length"


def _ignore(epoch: int) -> None:
    """What is done after an epoch unless told otherwise."""


def learn(
    splits: Splits,
    settings: Settings,
    artifacts: Artifacts | None = None,
    *,
    lengths: Mapping[int, Dataset] | None = None,
    fresh: Fresh | None = None,
    on_epoch: Callable[[int], None] = _ignore,
) -> Run:
    """Returns how a model trained on the training and validation examples does on the test split.

    Nothing is selected: the figures are those of the final weights. The same settings give the
    same initial weights and the same order of examples, wherever the data come from.

    Args:
        splits: The labelled data.
        settings: Settings of training.
        artifacts: Keeps the curve and checkpoints; what it holds of an interrupted run is gone on
            from. None keeps nothing.
        lengths: Test inputs of other lengths, reported by length.
        fresh: Where ``settings.online`` gets its examples.
        on_epoch: Called with the number of epochs done, after each.

    Raises:
        LLMERMError: The settings, the data and this machine do not fit together.
    """
    from torch import cuda, random

    assert fresh is not None or not settings.online, "online training needs a source of examples"
    pool = _joined(splits.train, splits.validation)
    shown = [x for x in (pool, splits.test, splits.probe, splits.length_shift) if x is not None]
    elsewhere = lengths or {}
    with random.fork_rng(devices=range(cuda.device_count())), fitting(settings):
        built = build(
            settings,
            splits.kind,
            [*shown, *elsewhere.values()],
            None if artifacts is None else artifacts.folder,
        )
        other = splits.length_shift
        shift = other if other is None or built.takes(other) else None
        loop = _Loop(built, settings, built.encode(pool), built.encode(splits.test), artifacts)
        loop.run(fresh, on_epoch)
        final = loop.curve[-1]
        correct = round(final.test_accuracy * len(splits.test))
        test = Verdict("ok", correct, 0, len(splits.test))
        run = Run(
            method="training",
            function=splits.fn,
            length=splits.length,
            seed=splits.seed,
            model=settings.model,
            settings=asdict(settings),
            test=test,
            probe=_verdict(built, splits.probe),
            length_shift=_verdict(built, shift),
            certificate=certify(splits, test),  # nothing else was held out of training
            seconds=final.seconds,
            notices=(*splits.warnings, *loop.notices(), *[_LEFT_OUT] * (shift is not other)),
            data_sha256=splits.sha256,
            examples=len(pool) * (final.epoch if settings.online else 1),
            details=loop.details()
            | {
                "train_size": len(pool),
                "accuracy_at_length": {
                    str(length): verdict.accuracy
                    for length, data in elsewhere.items()
                    if (verdict := _verdict(built, data)) is not None
                },
            },
        )
        if settings.save_model and artifacts is not None and built.main:
            built.engine.widen()
            save(built, artifacts.folder / "model")
    return run


class _Loop:
    """The epochs of one run and what is known of them so far."""

    def __init__(
        self,
        built: Built,
        settings: Settings,
        train: "Encoded",
        test: "Encoded",
        artifacts: Artifacts | None,
    ) -> None:
        self._built = built
        self._settings = settings
        self._train = train
        self._test = test
        self._artifacts = artifacts
        self._steps_an_epoch = math.ceil(len(train) / settings.batch_size)
        self._epoch = 0
        self._perfect_epochs = 0
        self._earlier_seconds = 0.0
        self._started = time.monotonic()
        self.curve: list[Point] = []

    def run(self, fresh: Fresh | None, on_epoch: Callable[[int], None]) -> None:
        """Trains to the end, from the last checkpoint if there is one."""
        from llm_erm.training.optimizers import learning_rate

        settings = self._settings
        self._begin()
        while self._epoch < settings.n_epochs and not self._enough():
            if self._epoch % settings.eval_every == 0:
                self._evaluate()
            self._seed_dropout()
            for step, batch in self._batches(fresh):
                rate = learning_rate(
                    step, settings.n_epochs * self._steps_an_epoch, settings.lr, settings.eta_min
                )
                self._built.engine.step(batch, rate)
            self._epoch += 1
            if settings.patience is not None:
                perfect = self._built.engine.correct_in_all() == len(self._train)
                self._perfect_epochs = self._perfect_epochs + 1 if perfect else 0
            if settings.checkpoint_every and self._epoch % settings.checkpoint_every == 0:
                self._checkpoint()
            on_epoch(self._epoch)
        self._evaluate()
        if self._built.accelerator is not None:
            for tracker in self._built.accelerator.trackers:
                tracker.finish()  # not end_training: it would part the processes as well

    def notices(self) -> list[str]:
        """Returns what a reader of the result must know of the training."""
        lost = [p.epoch for p in self.curve if not math.isfinite(p.train_loss + p.test_loss)]
        return [
            f"the loss was no finite number at epoch {epoch}, and predictions that are none count "
            "as wrong; give a smaller --lr or another --precision"
            for epoch in lost[:1]
        ]

    def details(self) -> dict[str, Any]:
        """Returns what only training has to tell."""
        engine, final = self._built.engine, self.curve[-1]
        parameters = list(engine.model.parameters())
        return {
            "train_accuracy": final.train_accuracy,
            "train_loss": final.train_loss,
            "test_loss": final.test_loss,
            "epochs": final.epoch,
            "steps": final.step,
            "samples": final.epoch * len(self._train),
            "parameters": sum(p.numel() for p in parameters),
            "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
            "context_length": self._built.context_length,
            "vocabulary": self._built.encoder.vocabulary,
            "device": str(self._built.device),
            "curve": [asdict(point) for point in self.curve],
        }

    def _begin(self) -> None:
        built, artifacts = self._built, self._artifacts
        if built.accelerator is not None:
            built.accelerator.wait_for_everyone()
            if self._settings.report_to:
                built.accelerator.init_trackers("llm-erm", _flat(asdict(self._settings)))
        if artifacts is None:
            return
        state = artifacts.load()
        if state is not None:
            built.engine.load(state["engine"])
            self._epoch = state["epoch"]
            self._perfect_epochs = state["perfect_epochs"]
            self.curve = [Point(**point) for point in state["curve"]]
            self._earlier_seconds = state["seconds"]
        if built.main:
            model, details = built.engine.model, list(built.engine.model.parameters())
            trained = sum(p.numel() for p in details if p.requires_grad)
            total = sum(p.numel() for p in details)
            artifacts.log.info(f"Model: {model!r}")
            artifacts.log.info(f"Trained parameters: {trained:,} of {total:,}")
            artifacts.log.info(f"Device: {built.device}; {built.engine.plan}")
            if state is not None:
                artifacts.log.info(f"Resumed after epoch {self._epoch}")

    def _seed_dropout(self) -> None:
        """Lets what an epoch drops depend on the seed and the epoch alone, so that it resumes."""
        import torch

        accelerator = self._built.accelerator
        process = 0 if accelerator is None else accelerator.process_index
        text = f"dropout|base_seed={self._settings.seed}|epoch={self._epoch}|process={process}"
        torch.manual_seed(seed_from(text))

    def _batches(self, fresh: Fresh | None) -> Iterator[tuple[int, "Encoded"]]:
        """Yields the batches of an epoch with their steps, counted from 0 over all epochs."""
        import torch

        size, count = self._settings.batch_size, len(self._train)
        first = self._epoch * self._steps_an_epoch
        if fresh is not None and self._settings.online:
            for i, start in enumerate(range(0, count, size)):
                batch = fresh(first + i, min(size, count - start))
                yield first + i, self._built.encode(batch)
            return
        # A stream of its own: neither the data nor the weights shift the order of examples.
        order = seed_from(f"order of examples|base_seed={self._settings.seed}|epoch={self._epoch}")
        places = np.random.RandomState(order).permutation(count)
        for i, rows in enumerate(torch.from_numpy(places).to(self._built.device).split(size)):
            yield first + i, self._train.rows(rows)

    def _enough(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._perfect_epochs >= patience

    def _evaluate(self) -> None:
        if self.curve and self.curve[-1].epoch == self._epoch:
            return  # a resumed run has this one
        train, test = (_measure(self._built, data) for data in (self._train, self._test))
        step = self._epoch * self._steps_an_epoch
        self.curve.append(Point(self._epoch, step, *train, *test, self._seconds()))
        if self._artifacts is not None and self._built.main:
            self._artifacts.evaluated(self.curve)
        if self._built.accelerator is not None and self._settings.report_to:
            self._built.accelerator.log(_flat(asdict(self.curve[-1])), step=step)

    def _checkpoint(self) -> None:
        if self._artifacts is not None and self._built.main:
            self._artifacts.save(
                {
                    "engine": self._built.engine.state(),
                    "epoch": self._epoch,
                    "perfect_epochs": self._perfect_epochs,
                    "curve": [asdict(point) for point in self.curve],
                    "seconds": self._seconds(),
                }
            )

    def _seconds(self) -> float:
        return self._earlier_seconds + time.monotonic() - self._started


def _measure(built: Built, data: "Encoded") -> tuple[float, float]:
    """Returns the mean loss and the accuracy on a data set."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    from llm_erm.training.engine import right_answers

    logits = built.engine.predict(data)
    loss = float(binary_cross_entropy_with_logits(logits, data.labels))
    return loss, float(right_answers(logits, data.labels).double().mean())


def _verdict(built: Built, data: Dataset | None) -> Verdict | None:
    """Returns the verdict on a data set that is met once."""
    from llm_erm.training.engine import right_answers

    if data is None:
        return None
    encoded = built.encode(data)
    logits = built.engine.predict(encoded, once=True)
    correct = int(right_answers(logits, encoded.labels).sum())
    return Verdict("ok", correct, int(logits.isnan().sum()), len(data))


def _joined(train: Dataset, validation: Dataset) -> Dataset:
    return Dataset(train.inputs + validation.inputs, train.labels + validation.labels)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values that every tracker takes."""
    return {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in values.items()
    }
