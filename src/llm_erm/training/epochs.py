"""The epochs of one training, and their evaluations."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.runs.events import Advanced, Noticed, Observe, Started
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.stream import Fresh
from llm_erm.training.build import Built
from llm_erm.training.checkpoints import CheckpointWriter, load_checkpoint
from llm_erm.training.events import Evaluated, Prepared
from llm_erm.training.measure import Predicted, measure
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    from llm_erm.training.encoding import Encoded


class Epochs:
    """The epochs of one run, and their evaluations so far.

    Attributes:
        curve: The evaluations.
        on_train: What the last one predicted on the training examples.
        on_test: What the last one predicted on the test examples.
    """

    def __init__(
        self,
        built: Built,
        settings: TrainingSettings,
        train: "Encoded",
        test: "Encoded",
        folder: Path | None,
        observe: Observe,
        job: str,
    ) -> None:
        self._job = job
        self._built = built
        self._settings = settings
        self._train = train
        self._test = test
        self._folder = folder
        self._observe = observe
        self._steps_per_epoch = math.ceil(len(train) / settings.batch_size)
        self._epoch = 0
        self._perfect_epochs = 0
        self._earlier_seconds = 0.0
        self._started = time.monotonic()
        self.curve: list[CurvePoint] = []
        self.on_train: Predicted
        self.on_test: Predicted

    def run(self, fresh: Fresh | None) -> None:
        """Trains to the end, from the last checkpoint if there is one."""
        self._begin()
        with self._writer() as writer:
            while self._epoch < self._settings.n_epochs and not self._enough():
                self._train_epoch(fresh)
                self._checkpoint(writer)
                self._observe(Advanced(self._epoch))
            self._evaluate()
        if self._built.accelerator is not None:
            for tracker in self._built.accelerator.trackers:
                tracker.finish()  # end_training would end the group of processes as well

    def _train_epoch(self, fresh: Fresh | None) -> None:
        from llm_erm.training.optimizers import learning_rate

        settings, engine = self._settings, self._built.engine
        if self._epoch % settings.eval_every == 0:
            self._evaluate()
        self._seed_dropout()
        steps = settings.n_epochs * self._steps_per_epoch
        for step, batch in self._batches(fresh):
            engine.step(batch, learning_rate(step, steps, settings.lr, settings.eta_min))
        self._epoch += 1
        if settings.patience is not None:
            perfect = engine.correct_in_all() == len(self._train)
            self._perfect_epochs = self._perfect_epochs + 1 if perfect else 0

    def notices(self) -> list[str]:
        """Returns what one must know about the training to interpret the result."""
        lost = [p.epoch for p in self.curve if p.train_loss is None or p.test_loss is None]
        return [
            f"The loss was not finite at epoch {epoch}, and a prediction that is not a number "
            "counts as wrong; a smaller learning rate or another precision may help."
            for epoch in lost[:1]
        ]

    def facts(self, accuracy_at_length: Mapping[int, float]) -> TrainingFacts:
        """Returns the facts that are specific to training."""
        built, final = self._built, self.curve[-1]
        parameters, trained = built.sizes()
        return TrainingFacts(
            train_size=len(self._train),
            train_loss=final.train_loss,
            test_loss=final.test_loss,
            epochs=final.epoch,
            steps=final.step,
            samples=final.epoch * len(self._train),
            parameters=parameters,
            trained_parameters=trained,
            context_length=built.context_length,
            vocabulary=built.encoder.vocabulary,
            device=str(built.device),
            curve=tuple(self.curve),
            accuracy_at_length=accuracy_at_length,
        )

    def _begin(self) -> None:
        built, engine = self._built, self._built.engine
        if built.accelerator is not None:
            built.accelerator.wait_for_everyone()  # a checkpoint of a deleted run is gone by then
            if self._settings.report_to:
                built.accelerator.init_trackers("llm-erm", _flat(asdict(self._settings)))
        state = None if self._folder is None else self._kept(self._folder)
        if state is not None:
            engine.load(state["engine"])
            self._epoch = state["epoch"]
            self._perfect_epochs = state["perfect_epochs"]
            self.curve = [CurvePoint(**point) for point in state["curve"]]
            self._earlier_seconds = state["seconds"]
        parameters, trained = built.sizes()
        self._observe(Started(self._settings.n_epochs, self._epoch))
        self._observe(
            Prepared(
                model=repr(engine.model),
                trained_parameters=trained,
                parameters=parameters,
                device=str(built.device),
                compiled=engine.speedups.compiled,
                mixed=engine.speedups.mixed,
                graph=engine.speedups.graph,
                epoch=self._epoch,
                curve=tuple(self.curve),
            )
        )

    def _kept(self, folder: Path) -> dict[str, Any] | None:
        """Returns what the last whole checkpoint holds; names those that cannot be believed."""
        state, damaged = load_checkpoint(folder, self._job)
        again = "over" if state is None else "from the checkpoint before it"
        for path in damaged[-1:]:
            self._observe(
                Noticed(f"{path} is damaged or of another run, so training starts {again}.")
            )
        return state

    def _seed_dropout(self) -> None:
        """Makes dropout depend on the seed and the epoch alone, so that a run can resume."""
        import torch

        accelerator = self._built.accelerator
        process = 0 if accelerator is None else accelerator.process_index
        text = f"dropout|base_seed={self._settings.seed}|epoch={self._epoch}|process={process}"
        torch.manual_seed(seed_from(text))

    def _batches(self, fresh: Fresh | None) -> Iterator[tuple[int, "Encoded"]]:
        """Yields the batches of an epoch with their steps, counted from 0 over all epochs."""
        import torch

        size, count = self._settings.batch_size, len(self._train)
        first = self._epoch * self._steps_per_epoch
        if fresh is not None:
            for i, start in enumerate(range(0, count, size)):
                batch = fresh(first + i, min(size, count - start))
                yield first + i, self._built.encode(batch)
            return
        # A stream of its own: neither the data nor the weights shift the order of examples.
        order = seed_from(f"order of examples|base_seed={self._settings.seed}|epoch={self._epoch}")
        indices = np.random.RandomState(order).permutation(count)
        for i, rows in enumerate(torch.from_numpy(indices).to(self._built.device).split(size)):
            yield first + i, self._train.rows(rows)

    def _enough(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._perfect_epochs >= patience

    def _evaluate(self) -> None:
        train_loss, self.on_train = measure(self._built, self._train)
        test_loss, self.on_test = measure(self._built, self._test)
        step = self._epoch * self._steps_per_epoch
        point = CurvePoint(
            self._epoch,
            step,
            train_loss,
            self.on_train.verdict.accuracy,
            test_loss,
            self.on_test.verdict.accuracy,
            self._seconds(),
        )
        self.curve.append(point)
        self._observe(Evaluated(point))
        if self._built.accelerator is not None and self._settings.report_to:
            numbers = {k: math.nan if v is None else v for k, v in asdict(point).items()}
            self._built.accelerator.log(numbers, step=step)

    def _writer(self) -> AbstractContextManager[CheckpointWriter | None]:
        if self._folder is None or not self._built.main or not self._settings.checkpoint_every:
            return nullcontext()
        return CheckpointWriter(self._folder, self._job)

    def _checkpoint(self, writer: CheckpointWriter | None) -> None:
        every = self._settings.checkpoint_every
        if writer is None or not every or self._epoch % every:
            return
        rest = {
            "epoch": self._epoch,
            "perfect_epochs": self._perfect_epochs,
            "curve": [asdict(point) for point in self.curve],
            "seconds": self._seconds(),
        }
        writer.save(self._built.engine.state(), rest)

    def _seconds(self) -> float:
        return self._earlier_seconds + time.monotonic() - self._started


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values that every tracker accepts."""
    return {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in values.items()
    }
