"""The published files of training runs, written as training proceeds.

config.json     every setting, as published
logs.log        what happened, as published
metrics.py      losses and accuracies as Python lists, as published
metrics.jsonl   one line per evaluation
curves.png      training and test accuracy over the epochs
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_erm.errors import InputError
from llm_erm.facts import CurvePoint
from llm_erm.runs.events import Event, Finished
from llm_erm.runs.files import replace, writing
from llm_erm.runs.jobs import JobKey
from llm_erm.training.events import Evaluated, Prepared
from llm_erm.training.method import TrainingJob
from llm_erm.training.plots import plot_curve


class Artifacts:
    """An observer that writes the published files of each job into the job's own folder."""

    def __init__(
        self, base: Path, jobs: Sequence[TrainingJob], configs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Takes what to write.

        Args:
            base: The run's folder.
            jobs: The trainings.
            configs: What the config.json of each holds; JSON values.
        """
        self._files = {
            job.key: _Files(job.folder(base), job.label, config)
            for job, config in zip(jobs, configs, strict=True)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for files in self._files.values():
            files.close()

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Writes what happened.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        if job is None:
            return
        files = self._files[job]
        match event:
            case Prepared():
                files.begin(event)
            case Evaluated(point):
                files.evaluated(point)
            case Finished(result):
                files.finish(result.model)


class _Files:
    """The files of one job."""

    def __init__(self, folder: Path, label: str, config: Mapping[str, Any]) -> None:
        self._folder = folder
        self._label = label
        self._config = config
        self._curve: list[CurvePoint] = []
        self._log = logging.Logger("llm_erm.training", logging.INFO)

    def begin(self, event: Prepared) -> None:
        self._curve = list(event.curve)
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace(self._folder / "config.json", json.dumps(dict(self._config), indent=4) + "\n")
            handler = logging.FileHandler(self._folder / "logs.log")
        # The published layout of a line.
        layout = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
        handler.setFormatter(logging.Formatter(layout, datefmt="%Y-%m-%d %H:%M:%S"))
        self._log.addHandler(handler)
        self._log.info(f"Model: {event.model}")
        self._log.info(f"Trained parameters: {event.trained_parameters:,} of {event.parameters:,}")
        self._log.info(
            f"Device: {event.device}; Plan(compiled={event.compiled}, mixed={event.mixed}, "
            f"graph={event.graph})"
        )
        if event.epoch:
            self._log.info(f"Resumed after epoch {event.epoch}")

    def evaluated(self, point: CurvePoint) -> None:
        """Writes all evaluations so far anew, of which this is the last."""
        self._curve.append(point)
        self._log.info(
            f"Epoch {point.epoch:04d} | Train Acc: {point.train_accuracy:.4f} | "
            f"Test Acc: {point.test_accuracy:.4f}"
        )
        lines = [json.dumps(asdict(point)) + "\n" for point in self._curve]
        lists: dict[str, list[float | None]] = {
            "test_accuracies": [point.test_accuracy for point in self._curve],
            "test_losses": [point.test_loss for point in self._curve],
            "train_accuracies": [point.train_accuracy for point in self._curve],
            "train_losses": [point.train_loss for point in self._curve],
        }
        written = (f"[{', '.join(map(_number, values))}]" for values in lists.values())
        text = "".join(f"{name} = {v}\n" for name, v in zip(lists, written, strict=True))
        with writing(self._folder):
            replace(self._folder / "metrics.jsonl", "".join(lines))
            replace(self._folder / "metrics.py", text)

    def finish(self, model: str) -> None:
        with writing(self._folder):
            plot_curve(self._curve, f"{self._label}, {model}", self._folder / "curves.png")
        self.close()

    def close(self) -> None:
        for handler in list(self._log.handlers):
            self._log.removeHandler(handler)
            handler.close()


def check_places(base: Path, jobs: Sequence[TrainingJob]) -> None:
    """Makes sure that no job would write over files that are not a training's.

    Raises:
        InputError: A folder holds a config.json that no training wrote, such as a model's.
    """
    for job in jobs:
        folder = job.folder(base)
        if (folder / "config.json").exists() and not (folder / "logs.log").exists():
            raise InputError(
                f"{folder} holds a config.json but no logs.log, so it is not a run; name another "
                "folder.",
                setting="out_dir",
            )


def clear(base: Path, jobs: Sequence[TrainingJob]) -> None:
    """Deletes what earlier trainings left in the folders of jobs, except checkpoints.

    Raises:
        InputError: A folder cannot be written.
    """
    for job in jobs:
        folder = job.folder(base)
        with writing(folder):
            for name in ("config.json", "logs.log"):
                (folder / name).unlink(missing_ok=True)
            if (folder / "model" / "head.safetensors").exists():
                shutil.rmtree(folder / "model")


def _number(value: float | None) -> str:
    """Returns a number as Python source."""
    return 'float("nan")' if value is None else repr(value)
