"""The published files of a training job, written as it proceeds or from its result.

config.json     every setting, as published
logs.log        what happened, as published
metrics.py      losses and accuracies as Python lists, as published
metrics.jsonl   one line per evaluation
curves.png      training and test accuracy over the epochs
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from llm_erm.errors import InputError
from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.records import Result
from llm_erm.runs.events import Event, Finished
from llm_erm.runs.files import read_bytes, replace, writing
from llm_erm.training.events import Evaluated, Prepared
from llm_erm.training.plots import plot_curve

FILES = ("config.json", "logs.log", "metrics.py", "metrics.jsonl", "curves.png")


class Artifacts:
    """Writes the published files of one training job, as an observer of its events."""

    def __init__(self, folder: Path, label: str, config: Mapping[str, Any]) -> None:
        """Takes what to write.

        Args:
            folder: Where the files go.
            label: Title of the plot, to which the model is added.
            config: Content of config.json, as JSON values.
        """
        self._folder = folder
        self._label = label
        self._config = config
        self._curve: list[CurvePoint] = []
        self._log = logging.Logger("llm_erm.training", logging.INFO)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, event: Event) -> None:
        """Writes what happened.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        match event:
            case Prepared():
                self._begin(event)
            case Evaluated(point):
                self._evaluated(point)
            case Finished(result):
                self._finish(result.model)

    def restore(self, result: Result) -> None:
        """Writes the files of a finished job from its result if any is missing or has changed.

        A changed picture or log is not noticed: nothing else says what they held.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        assert isinstance(result.facts, TrainingFacts)
        self._curve = list(result.facts.curve)
        wanted = self._metrics() | {"config.json": self._config_text}
        whole = all((self._folder / name).exists() for name in FILES)
        if whole and all(
            read_bytes(self._folder / name) == text.encode() for name, text in wanted.items()
        ):
            return
        self._open()
        self._log.info("The files were written anew from the result")
        self._write_metrics()
        self._finish(result.model)

    def _open(self) -> None:
        """Writes the configuration and opens the log."""
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace(self._folder / "config.json", self._config_text)
            handler = logging.FileHandler(self._folder / "logs.log")
        # The published layout of a line.
        layout = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
        handler.setFormatter(logging.Formatter(layout, datefmt="%Y-%m-%d %H:%M:%S"))
        self._log.addHandler(handler)

    def _begin(self, event: Prepared) -> None:
        self._curve = list(event.curve)
        self._open()
        self._log.info(f"Model: {event.model}")
        self._log.info(f"Trained parameters: {event.trained_parameters:,} of {event.parameters:,}")
        self._log.info(
            f"Device: {event.device}; Plan(compiled={event.compiled}, mixed={event.mixed}, "
            f"graph={event.graph})"
        )
        if event.epoch:
            self._log.info(f"Resumed after epoch {event.epoch}")

    def _evaluated(self, point: CurvePoint) -> None:
        self._curve.append(point)
        self._log.info(
            f"Epoch {point.epoch:04d} | Train Acc: {point.train_accuracy:.4f} | "
            f"Test Acc: {point.test_accuracy:.4f}"
        )
        self._write_metrics()

    @property
    def _config_text(self) -> str:
        return json.dumps(dict(self._config), indent=4) + "\n"

    def _metrics(self) -> dict[str, str]:
        """Returns the files with all evaluations so far, by name."""
        lines = [json.dumps(asdict(point)) + "\n" for point in self._curve]
        lists: dict[str, list[float | None]] = {
            "test_accuracies": [point.test_accuracy for point in self._curve],
            "test_losses": [point.test_loss for point in self._curve],
            "train_accuracies": [point.train_accuracy for point in self._curve],
            "train_losses": [point.train_loss for point in self._curve],
        }
        written = (f"[{', '.join(map(_number, values))}]" for values in lists.values())
        text = "".join(f"{name} = {v}\n" for name, v in zip(lists, written, strict=True))
        return {"metrics.jsonl": "".join(lines), "metrics.py": text}

    def _write_metrics(self) -> None:
        """Rewrites the files with all evaluations so far."""
        with writing(self._folder):
            for name, text in self._metrics().items():
                replace(self._folder / name, text)

    def _finish(self, model: str) -> None:
        with writing(self._folder):
            plot_curve(self._curve, f"{self._label}, {model}", self._folder / "curves.png")
        self._close()

    def _close(self) -> None:
        for handler in list(self._log.handlers):
            self._log.removeHandler(handler)
            handler.close()


def check_place(folder: Path) -> None:
    """Checks that a training job would not overwrite files that do not belong to one.

    Raises:
        InputError: The folder holds another config.json, such as a model's.
    """
    if (folder / "config.json").exists() and not (folder / "logs.log").exists():
        raise InputError(
            f"{folder} holds a config.json but no logs.log, so it is not a run; name another "
            "folder.",
            setting="out_dir",
        )


def clear(folder: Path) -> None:
    """Deletes what an earlier training job left in its folder, except checkpoints.

    Raises:
        InputError: The folder cannot be written.
    """
    with writing(folder):
        for name in ("config.json", "logs.log"):
            (folder / name).unlink(missing_ok=True)
        if (folder / "model" / "head.safetensors").exists():
            shutil.rmtree(folder / "model")


def _number(value: float | None) -> str:
    """Returns a number as Python source."""
    return 'float("nan")' if value is None else repr(value)
