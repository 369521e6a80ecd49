"""What a training loop decides after each epoch: plain Python on numbers.

Every decision follows from the flags and from what was measured after each epoch so far. Those
measurements are the rows of history.csv, so a run that goes on takes up from them and decides as
one that never stopped: there is no other state.
"""

from __future__ import annotations

import csv
import io
import math
import os
from typing import Iterable

from absl.flags import FlagValues

from shared import batches, files
from shared.console import UserError


def best(losses: Iterable[float]) -> int | None:
    """Returns the index of the lowest loss, the first if several are; None where none is finite."""
    finite = [(loss, index) for index, loss in enumerate(losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


def is_over(losses: list[float], patience: int) -> bool:
    """Says whether the loss has not fallen below its lowest for `patience` epochs (at least 1)."""
    lowest = best(losses)
    return len(losses) - (0 if lowest is None else lowest + 1) >= patience


def reductions(losses: Iterable[float], patience: int) -> int:
    """Returns how often the loss has not fallen below its lowest for `patience` epochs in a row.

    As in Keras's ReduceLROnPlateau, the count of those epochs begins anew after each reduction.
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
    """The learning rate of each step, and what the end of an epoch leads to.

    Attributes
    ----------
    rows : one dict for each epoch that was measured, with the columns of history.csv as keys.
    """

    def __init__(self, values: FlagValues, size: int, held_out: str, path: str, first_step: int):
        """Takes up what is known of the epochs up to `first_step`.

        Parameters
        ----------
        values : the parsed flags.
        size : how many examples there are to train on.
        held_out : what is measured after an epoch: "validation", or "test" where there is none.
        path : history.csv in the run's folder.

        Raises
        ------
        UserError : the file is there and is not such a history.
        """
        self._values = values
        self._batches = (values.batch_size, size, values.last_batch)
        self._held_out = held_out
        self._path = path
        self._columns = [
            *("epoch", "step", "learning_rate", "training_loss", "training_accuracy"),
            *(f"{held_out}_loss", f"{held_out}_accuracy"),
        ]
        decides = values.keep_best or values.early_stopping or values.reduce_on_plateau
        self._writes = values.csv_log or decides
        self.rows = []
        if self._writes and first_step and os.path.exists(path):
            self._take_up(first_step)

    def learning_rate(self, step: int) -> float:
        """Returns the rate for the update of `step`, the first being 0."""
        values = self._values
        rate = values.learning_rate * values.decay ** self._epoch(step)
        if values.reduce_on_plateau:
            rate *= values.plateau_factor ** reductions(self._losses(), values.plateau_patience)
        return rate

    def measures(self, step: int) -> bool:
        """Says whether an epoch that is to be measured is over after `step` steps."""
        is_end = self._epoch(step) > self._epoch(step - 1)
        return is_end and (self._writes or self._values.save_activations)

    def add(self, step: int, training: tuple, held_out: tuple) -> dict:
        """Takes down what was measured after `step` steps, (loss, accuracy) each; returns it."""
        rate = self.learning_rate(step - 1)
        row = dict(
            zip(self._columns, [self._epoch(step), step, rate, *map(float, (*training, *held_out))])
        )
        self.rows.append(row)
        if self._writes:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            with files.writing(self._path), files.replacing(self._path) as file:
                file.write(text.getvalue().encode())
        return row

    @property
    def best_step(self) -> int | None:
        """The step of the epoch with the lowest loss, if --keep_best asks for it to be kept."""
        index = best(self._losses()) if self._values.keep_best else None
        return None if index is None else self.rows[index]["step"]

    @property
    def is_over(self) -> bool:
        """Whether early stopping was asked for and it is time for it."""
        values = self._values
        return values.early_stopping and is_over(self._losses(), values.patience)

    def _epoch(self, step: int) -> int:
        return batches.epochs_of(step, *self._batches)

    def _take_up(self, first_step: int) -> None:
        """Reads the epochs up to a step; those after it are measured again."""
        types = {"epoch": int, "step": int}
        try:
            with open(self._path, newline="") as file:
                rows = [
                    {name: types.get(name, float)(text) for name, text in row.items()}
                    for row in csv.DictReader(file)
                ]
            epochs = [row["epoch"] for row in rows]
            is_whole = epochs == list(range(epochs[0], epochs[-1] + 1))
            if not is_whole or any(list(row) != self._columns for row in rows):
                raise ValueError
        except (OSError, ValueError, TypeError, LookupError, csv.Error):
            raise UserError(
                f"{self._path}: not the history of this run, expected a row for each epoch; "
                "--restart begins afresh over it"
            )
        if rows[-1]["step"] > self._values.max_steps:
            raise UserError(
                f"{self._path} goes to step {rows[-1]['step']}, past "
                f"--max_steps={self._values.max_steps}; ask for more steps, or --restart"
            )
        self.rows = [row for row in rows if row["step"] <= first_step]

    def _losses(self) -> list[float]:
        return [row[f"{self._held_out}_loss"] for row in self.rows]
