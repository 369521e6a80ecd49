"""Decisions after each epoch: the learning rate, the best checkpoint, when to stop.

Every decision depends only on the flags and on history.csv, the measurements after each epoch. So a
resumed run makes the same decisions as an uninterrupted run.
"""

from __future__ import annotations

import math
import os
from typing import Iterable

from absl.flags import FlagValues

from shared import batches, history
from shared.console import UserError


def best(losses: Iterable[float]) -> int | None:
    """Returns the index of the first lowest loss; None if no loss is finite."""
    finite = [(loss, index) for index, loss in enumerate(losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


def is_over(losses: list[float], patience: int) -> bool:
    """Says whether the loss has reached no new minimum for `patience` epochs (at least 1)."""
    lowest = best(losses)
    return len(losses) - (0 if lowest is None else lowest + 1) >= patience


def reductions(losses: Iterable[float], patience: int) -> int:
    """Returns how often the loss has reached no new minimum for `patience` epochs in a row.

    After each of these reductions the count of epochs restarts, as in Keras's ReduceLROnPlateau.
    """
    lowest, waited, count = math.inf, 0, 0
    for loss in losses:
        if loss < lowest:
            lowest, waited = loss, 0
            continue
        waited += 1
        if waited == patience:
            waited, count = 0, count + 1
    return count


class Schedule:
    """Decides the learning rate of each step, and what happens after an epoch.

    Attributes
    ----------
    rows : one dict for each measured epoch; the keys are the columns of history.csv.
    """

    def __init__(
        self,
        flags: FlagValues,
        size: int,
        held_out: str,
        metrics: Iterable[str],
        path: str,
        first_step: int,
    ):
        """Reads the epochs up to `first_step`, if the run is resumed.

        Parameters
        ----------
        flags : the parsed flags.
        size : the number of training examples.
        held_out : what is measured after an epoch besides the training examples: "validation", or
            "test" if there are no validation examples.
        metrics : the names of the figures after the loss, such as "accuracy".
        path : history.csv in the run folder.
        first_step : the step at which training starts.

        Raises
        ------
        UserError : the file exists, but is not the history of this run.
        """
        self._flags = flags
        self._batches = (flags.batch_size, size, flags.last_batch)
        self._held_out = held_out
        self._path = path
        names = ["loss", *metrics]
        self._columns = [
            *("epoch", "step", "learning_rate"),
            *(f"{split}_{name}" for split in ("training", held_out) for name in names),
        ]
        decides = flags.keep_best or flags.early_stopping or flags.reduce_on_plateau
        self._writes = flags.csv_log or decides
        self.rows = []
        if self._writes and first_step and os.path.exists(path):
            self.rows = self._read_until(first_step)

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of the update of `step`; the first step is 0."""
        flags = self._flags
        rate = flags.learning_rate * flags.decay ** self._epoch(step)
        if flags.reduce_on_plateau:
            rate *= flags.plateau_factor ** reductions(self._losses(), flags.plateau_patience)
        return rate

    def measures(self, step: int) -> bool:
        """Says whether an epoch ends after `step` steps and must be measured."""
        is_end = self._epoch(step) > self._epoch(step - 1)
        return is_end and (self._writes or self._flags.save_activations)

    def add(self, step: int, training: dict, held_out: dict) -> dict:
        """Adds the figures that were measured after `step` steps; returns the row."""
        row = {
            "epoch": self._epoch(step),
            "step": step,
            "learning_rate": self.learning_rate(step - 1),
        }
        for split, figures in (("training", training), (self._held_out, held_out)):
            row.update((f"{split}_{name}", float(figure)) for name, figure in figures.items())
        self.rows.append(row)
        if self._writes:
            history.write(self._path, self.rows)
        return row

    @property
    def best_step(self) -> int | None:
        """The step of the epoch with the lowest loss; None without --keep_best."""
        index = best(self._losses()) if self._flags.keep_best else None
        return None if index is None else self.rows[index]["step"]

    @property
    def is_over(self) -> bool:
        """Whether early stopping ends the run."""
        flags = self._flags
        return flags.early_stopping and is_over(self._losses(), flags.patience)

    def _epoch(self, step: int) -> int:
        return batches.epochs_of(step, *self._batches)

    def _read_until(self, first_step: int) -> list[dict]:
        """Reads the epochs up to a step. The run measures later epochs again."""
        rows = history.read(self._path)
        if list(rows[0]) != self._columns or any(
            row["epoch"] != self._epoch(row["step"]) for row in rows
        ):
            raise UserError(
                f"{self._path}: not the history of this run, but of one with other metrics or "
                "batches; --restart begins a new run"
            )
        if rows[-1]["step"] > self._flags.max_steps:
            raise UserError(
                f"{self._path} goes to step {rows[-1]['step']}, past "
                f"--max_steps={self._flags.max_steps}; raise --max_steps or --epochs, or begin a "
                "new run with --restart"
            )
        return [row for row in rows if row["step"] <= first_step]

    def _losses(self) -> list[float]:
        return [row[f"{self._held_out}_loss"] for row in self.rows]
