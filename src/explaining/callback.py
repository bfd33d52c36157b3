"""A look inside during training: values in the metrics, and figures at the end."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from src.config.errors import UserError
from src.data.batches import Batch
from src.explaining.measure import View, gates_of_one, look_inside
from src.explaining.sample import sample, show
from src.files import write_atomically
from src.runs.load import model_name
from src.runs.record import read_record
from src.tasks.base import Task


class Explain(pl.Callback):
    """Measures gates and gradients at initialisation, after 1, 2, 4, 8, ... epochs and at the end.

    For each layer ``inside/kept_l0``, ``inside/horizon_l0``, ``inside/shut_l0``, ``inside/open_l0`` and
    ``inside/reach_l0`` are logged: the first and last measurement in separate rows, the others with the validation
    metrics (see docs/inside.md). At the end, the run's ``inside/`` gets the gradients during training
    (``training.npz``) and two figures, which also go to wandb. No random numbers are drawn, so results do not depend on
    this callback.

    Args:
        sequences: number of validation sequences to measure.
        steps: steps read from each where the task allows truncation.
        share: largest share of the training time so far that may be spent on it; measurements wait until they fit.

    Raises:
        UserError: matplotlib is not installed.
    """

    def __init__(self, sequences: int = 8, steps: int = 50, share: float = 0.03) -> None:
        if importlib.util.find_spec("matplotlib") is None:
            raise UserError("callbacks=explain needs matplotlib: pip install -e '.[report]' in GateBench's clone.")
        self.sequences, self.steps, self.share = sequences, steps, share
        self.epochs: list[int] = []
        self.curves: list[torch.Tensor] = []
        self.spent = self.before = 0.0
        self._due, self._began, self._last = 1, 0.0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements so far, for the checkpoint."""
        seconds = {"spent": self.spent, "before": self.before + time.perf_counter() - self._began}
        return {"epochs": list(self.epochs), "curves": list(self.curves), "due": self._due, **seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the measurements of an earlier attempt."""
        self.epochs, self.curves, self._due = list(state_dict["epochs"]), list(state_dict["curves"]), state_dict["due"]
        self.spent, self.before = state_dict["spent"], state_dict["before"]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Measure the untrained network."""
        self._began = time.perf_counter()
        if not self.epochs:
            log(trainer, self._look(trainer, pl_module, 0))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure again if an epoch is due and the time budget allows it."""
        done = trainer.current_epoch + 1
        elapsed = self.before + time.perf_counter() - self._began
        if trainer.sanity_checking or trainer.state.fn != "fit" or done < self._due:
            return
        if self.spent + self._last <= self.share * elapsed:
            view = self._look(trainer, pl_module, done)
            self._due = 2 * done
            pl_module.log_dict(numbers(view), on_step=False, on_epoch=True, rank_zero_only=True, batch_size=1)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure a last time, write the curves, draw the figures."""
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        if self.epochs[-1] != trainer.current_epoch:
            log(trainer, self._look(trainer, pl_module, trainer.current_epoch))
        folder = Path(trainer.default_root_dir) / "inside"
        arrays = {"epochs": np.array(self.epochs), "loss": torch.stack(self.curves).numpy()}
        write_atomically(folder / "training.npz", lambda out: np.savez_compressed(out, **arrays))  # type: ignore[arg-type]
        from src.explaining.pictures import draw_training

        batch, model = self._batch(trainer, 1), model_name(read_record(folder.parent), pl_module)
        with for_a_look(pl_module):
            gates = [gates for gates in gates_of_one(pl_module, batch) if not gates.backward][-1]
        files = draw_training(folder, model, show(trainer.datamodule, batch.x[0].cpu()), gates, arrays)
        for logger in trainer.loggers:
            if hasattr(logger, "log_image"):
                for file in files:
                    if file.suffix == ".png":
                        logger.log_image(f"inside/{file.stem}", [str(file)])

    def _look(self, trainer: Any, task: Task, epoch: int) -> View:
        began = time.perf_counter()
        batch = self._batch(trainer, self.sequences)
        with for_a_look(task):
            view = look_inside(task, batch, self.steps)
        self.epochs.append(epoch)
        self.curves.append(torch.from_numpy(view.layers[-1].median))
        self._last = time.perf_counter() - began
        self.spent += self._last
        return view

    def _batch(self, trainer: Any, number: int) -> Batch:
        data = trainer.datamodule
        batch = sample(data.splits["val"], data.description, 0, number, self.steps).to(trainer.strategy.root_device)
        if str(trainer.precision).startswith("64"):
            return trainer.precision_plugin.convert_input(batch)
        return batch


@contextmanager
def for_a_look(task: Task) -> Iterator[None]:
    """Put the task into evaluation mode, and in float32 if half precision (NumPy has no bfloat16)."""
    training, dtype = task.training, next(task.parameters()).dtype
    task.eval().to(torch.promote_types(dtype, torch.float32))
    try:
        yield
    finally:
        task.to(dtype).train(training)


def log(trainer: Any, view: View) -> None:
    """Log measurements outside validation in a separate row (the last one shares the row of the test)."""
    for logger in trainer.loggers:
        logger.log_metrics({"epoch": trainer.current_epoch, **numbers(view)}, trainer.global_step)


def numbers(view: View) -> dict[str, float]:
    """Return the values to log, as ``inside/NAME_lK``, and ``_lK_backward`` for bidirectional layers."""
    figures = {}
    for layer in view.layers:
        end = layer.name.replace("layer", "l")
        if layer.curves:
            figures[f"inside/reach_{end}"] = float(layer.reach)
        if layer.kept is not None and layer.horizon is not None:
            figures[f"inside/kept_{end}"] = float(layer.kept.mean())
            figures[f"inside/horizon_{end}"] = float(np.median(layer.horizon))
            for k, word in enumerate(("shut", "open")):
                figures[f"inside/{word}_{end}"] = float(np.mean([pair[k] for pair in layer.saturation.values()]))
    return figures
