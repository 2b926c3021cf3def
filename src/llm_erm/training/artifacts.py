"""The folder of one training run: the published files, and what a reader or a resumed run needs.

config.json     every setting, as published; another run cannot write into the folder
logs.log        what happened, as published
metrics.py      losses and accuracies as Python lists, as published
metrics.jsonl   one line an evaluation
curves.png      training and test accuracy over the epochs
result.json     the summary, once training has ended
checkpoint.pt   what the same command goes on from, where checkpoints were asked for
model/          the final weights, where they were asked for
"""

import json
import logging
import math
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from llm_erm.errors import InputError
from llm_erm.journal import Journal, writing

FLAG = "--results-path"


@dataclass(frozen=True)
class Point:
    """One evaluation.

    Attributes:
        epoch: Epochs trained before it.
        step: Steps taken before it.
        train_loss: Mean binary cross-entropy on the training set.
        train_accuracy: Fraction of right predictions on the training set.
        test_loss: The same on the test set.
        test_accuracy: The same on the test set.
        seconds: Wall time since training began, earlier parts of a resumed run included.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


class Artifacts:
    """Writes the folder of one run."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        ignoring: Collection[str] = (),
        fresh: bool = False,
        writer: bool = True,
    ) -> None:
        """Opens the folder, making it if need be.

        Args:
            folder: Where everything goes.
            config: Every setting; JSON values.
            ignoring: Keys of it that shape no result.
            fresh: Whether to delete what an earlier run left there.
            writer: Whether to write at all; of several processes one does.

        Raises:
            InputError: The folder cannot be written, holds a run with other settings or no run, or
                another process is writing there.
        """
        self.folder = folder
        self.result: dict[str, Any] | None = None
        self._checkpoint = folder / "checkpoint.pt"
        self._held: Journal | None = None
        self.log = logging.Logger("llm_erm.training", logging.INFO)
        if writer:
            try:
                self._open(config, ignoring, fresh)
            except BaseException:
                self.__exit__()
                raise
        # The other processes must know it too, or they would wait for one that has nothing to do.
        if (writer or not fresh) and (folder / "result.json").exists():
            self.result = json.loads((folder / "result.json").read_text())

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the log and lets other processes write to the folder."""
        for handler in self.log.handlers:
            handler.close()
        if self._held is not None:
            self._held.close()

    def evaluated(self, curve: Sequence[Point]) -> None:
        """Writes all evaluations so far, of which the last is new.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        point = curve[-1]
        self.log.info(
            f"Epoch {point.epoch:04d} | Train Acc: {point.train_accuracy:.4f} | "
            f"Test Acc: {point.test_accuracy:.4f}"
        )
        lines = [json.dumps(without_nan(asdict(point))) + "\n" for point in curve]
        self._write("metrics.jsonl", "".join(lines))
        lists = {
            "test_accuracies": [point.test_accuracy for point in curve],
            "test_losses": [point.test_loss for point in curve],
            "train_accuracies": [point.train_accuracy for point in curve],
            "train_losses": [point.train_loss for point in curve],
        }
        written = (f"[{', '.join(map(_number, values))}]" for values in lists.values())
        text = "".join(f"{name} = {v}\n" for name, v in zip(lists, written, strict=True))
        self._write("metrics.py", text)

    def finish(
        self, result: Mapping[str, Any], curve: Sequence[Mapping[str, Any]], title: str
    ) -> None:
        """Writes the summary and the plot; a checkpoint has then served its purpose.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        with writing(self.folder, FLAG):
            plot(curve, title, self.folder / "curves.png")
        self.result = dict(result)
        self._write("result.json", json.dumps(self.result, indent=4) + "\n")
        self._drop_checkpoint()

    def save(self, state: Mapping[str, Any]) -> None:
        """Writes a checkpoint, whole or not at all.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        import torch

        draft = self._checkpoint.with_suffix(".part")
        try:
            with writing(self.folder, FLAG):
                torch.save(dict(state), draft)
                draft.replace(self._checkpoint)
        except RuntimeError as error:  # how torch reports a full disk
            raise InputError(f"Cannot write {draft}: {error}; free space.") from error

    def load(self) -> dict[str, Any] | None:
        """Returns the last checkpoint, in the memory of the CPU, or None where there is none.

        Raises:
            InputError: The file is no checkpoint.
        """
        import torch

        if not self._checkpoint.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(
                self._checkpoint, map_location="cpu", weights_only=True
            )
        except Exception as error:
            raise InputError(
                f"{self._checkpoint} is no checkpoint ({type(error).__name__}); delete it, and "
                "training starts anew."
            ) from error
        return state

    def _open(self, config: Mapping[str, Any], ignoring: Collection[str], fresh: bool) -> None:
        logs = self.folder / "logs.log"
        if (self.folder / "config.json").exists() and not logs.exists():
            raise InputError(
                f"{self.folder} holds a config.json but no logs.log, so it is no run; name another "
                f"folder with {FLAG}."
            )
        self._held = Journal(logs, FLAG)
        if not self._held.lock():
            raise InputError(
                f"Another process is writing to {self.folder}; wait for it or name another folder "
                f"with {FLAG}."
            )
        if fresh:
            self._clear(self._held)
        self._check(config, ignoring)
        self._write("config.json", json.dumps(dict(config), indent=4) + "\n")
        handler = logging.FileHandler(logs)
        # The published layout of a line.
        layout = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
        handler.setFormatter(logging.Formatter(layout, datefmt="%Y-%m-%d %H:%M:%S"))
        self.log.addHandler(handler)

    def _clear(self, logs: Journal) -> None:
        """Deletes an earlier run, and nothing that no run wrote."""
        model = self.folder / "model"
        with writing(self.folder, FLAG):
            logs.clear()
            for name in ("config.json", "result.json"):
                (self.folder / name).unlink(missing_ok=True)
            if (model / "head.safetensors").exists():
                shutil.rmtree(model)
        self._drop_checkpoint()

    def _drop_checkpoint(self) -> None:
        """Deletes the checkpoint, and what a kill left of a later one."""
        with writing(self.folder, FLAG):
            for suffix in (".pt", ".part"):
                self._checkpoint.with_suffix(suffix).unlink(missing_ok=True)

    def _check(self, config: Mapping[str, Any], ignoring: Collection[str]) -> None:
        path = self.folder / "config.json"
        if not path.exists():
            return
        missing = object()
        try:
            earlier = json.loads(path.read_text())
            keys = (earlier.keys() | config.keys()) - set(ignoring)
            changed = sorted(k for k in keys if earlier.get(k, missing) != config.get(k, missing))
        except (ValueError, AttributeError):
            changed = ["config.json is damaged"]
        if changed:
            raise InputError(
                f"{self.folder} holds a run with other settings (different: {', '.join(changed)}); "
                f"name another folder with {FLAG}, or delete that run with --fresh."
            )

    def _write(self, name: str, text: str) -> None:
        """Writes a whole file or nothing."""
        path = self.folder / name
        with writing(self.folder, FLAG):
            draft = path.with_name(name + ".part")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)


def without_nan(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Returns a JSON value with null for every number that JSON cannot write."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(part) for key, part in value.items()}
    return [without_nan(part) for part in value] if isinstance(value, list | tuple) else value


def _number(value: float) -> str:
    """Returns a number as Python source."""
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def plot(curve: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Draws training and test accuracy over the epochs into an image file."""
    names = ("train", "test")
    lines = {n: [(p["epoch"], p[f"{n}_accuracy"]) for p in curve] for n in names}
    plot_lines(lines, "epochs", title, path)


def plot_lines(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    label: str,
    title: str,
    path: Path,
    *,
    logarithmic: bool = False,
) -> None:
    """Draws accuracies into an image file.

    Args:
        lines: Pairs of abscissa and accuracy, by name.
        label: What the abscissa is.
        title: Heads the picture.
        path: The file.
        logarithmic: Whether the abscissa is.
    """
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6, 4), layout="constrained")).subplots()
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), "o-", label=name)
    axes.axhline(0.5, color="gray", linestyle=":", label="chance")
    axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1.03), title=title)
    if logarithmic:
        axes.set_xscale("log")
    axes.legend()
    figure.savefig(path, dpi=120)
