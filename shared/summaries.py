"""Decides what is written for TensorBoard, and when; each style decides how."""

from __future__ import annotations

import glob
import os
import time

import numpy as np
from absl.flags import FlagValues

from shared import evaluation, files, pictures
from shared.datasets import Images
from shared.flags import NUMBERS

HPARAMS = ".hparams"  # ends the name of the event file that holds the HParams
FIRST_COLUMNS = ("learning_rate", "max_steps", "optimizer", "script", "style")
SPLITS = ("test", "validation", "training")  # in the order of the HParams' columns


class RunSummaries:
    """The summaries of one run, in one folder; nothing is written if `directory` is None.

    A style implements `open`, `scalars`, `image`, `layer_histograms`, `run_metadata`, `flush` and
    `close`, and lists the exceptions of a failed write in `errors`.

    Parameters
    ----------
    directory : str, or None
    trainer : a style's Trainer.
    flags : the parsed flags.
    first_step : the step that the run starts or resumes at.
    """

    errors: tuple = ()

    def __init__(self, directory: str | None, trainer, flags: FlagValues, first_step: int):
        self.directory = directory
        self.trainer = trainer
        self.flags = flags
        self.first_step = first_step
        self.keep_prob = flags.keep_prob if "keep_prob" in flags else 1.0
        self.writer = None
        if directory:
            with self.writing():
                self.writer = self.open()

    def is_due(self, step: int, is_last: bool = False) -> bool:
        """Says whether `histograms` are due at a step."""
        every = self.flags.summary_every
        return bool(self.writer and every and (step % every == 0 or is_last))

    def histograms(self, step: int, batch: dict) -> None:
        """Writes the layers' histograms for a batch; at the first step also a picture of it."""
        self.layer_histograms(step, batch)
        if step == self.first_step and {"images", "labels"} <= set(batch):
            self.image(step, "images/input", pictures.of_batch(**batch))

    def epoch(self, row: dict) -> None:
        """Writes the validation figures of a row of history.csv."""
        for column, value in row.items():
            split, _, name = column.partition("_")
            if split == "validation":
                self.scalars(row["step"], {f"{name}/validation": value})

    def results(
        self,
        step: int,
        run,
        examples: object,
        outputs: dict,
        test: dict,
        validation: dict | None,
        first_weights: np.ndarray,
    ) -> None:
        """Writes the figures, pictures, HParams and embedding of a trained model.

        Parameters
        ----------
        step : the step that the model was trained to.
        run : shared.runs.Run
        examples : the test examples.
        outputs : the model's outputs for them, arrays by name.
        test, validation : figures by name; validation may be None.
        first_weights : the weights of the first layer; None if the examples are not digits.
        """
        if not self.writer:
            return
        for split, figures in (("test", test), ("validation", validation or {})):
            self.scalars(step, {f"{name}/{split}": value for name, value in figures.items()})
        if "pictures" in outputs:
            self.image(step, "images/pictures", evaluation.sheet(outputs["pictures"]))
        if isinstance(examples, Images):
            mistakes = evaluation.mistakes_picture(examples, outputs["logits"])
            self.image(step, "images/mistakes", mistakes)
            self.image(step, "images/filters", pictures.tiled(pictures.filters(first_weights)))
            self._save_embedding(examples)
        for name, labels_of in getattr(self.trainer.model, "projected", {}).items():
            labels = [label or "[padding]" for label in labels_of(self.flags)]
            rows = self.trainer.values([name])[name][: len(labels)]
            evaluation.save_embedding(self.directory, rows, labels)
        with self.writing():
            self.flush()  # TensorBoard reads a folder's event files one after the other
        result = run.result
        hparams = {
            "script": result["script"],
            "style": style_of(run.directory, result["style"]),
            "max_steps": step,
            **result["flags"],
        }
        save_hparams(self.directory, hparams, list(test))

    def _save_embedding(self, examples: Images) -> None:
        parts = examples.slices(end=evaluation.EMBEDDED)
        layers = [self.trainer.layers(examples.batch(part)) for part in parts]
        # The last hidden layer, or the only layer.
        vectors = [list(activations.values())[-2:][0] for activations in layers]
        vectors, count = np.concatenate(vectors), evaluation.EMBEDDED
        labels, images = examples.labels[:count], examples.images[:count]
        evaluation.save_embedding(self.directory, vectors, labels, images)

    def writing(self):
        """Turns a failed write into one line for the user."""
        return files.writing(self.directory, *self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.writer:
            with self.writing():
                self.close()


def style_of(run_directory: str, style: str) -> str:
    """Returns a run's style for the HParams, such as "tf1, then tf2" if both trained it.

    Parameters
    ----------
    run_directory : the run's folder; its checkpoints/ has a folder for each style that trained it.
    style : the style that finished the run, such as "tf2_style".
    """
    last = style[: -len("_style")]
    for other in ("tf1", "tf2"):
        if other != last and os.path.isdir(os.path.join(run_directory, "checkpoints", other)):
            return f"{other}, then {last}"
    return style


def save_hparams(directory: str, hparams: dict, figures: list[str]) -> None:
    """Writes an event file for TensorBoard's HParams; an earlier one of this run is removed.

    TensorBoard shows only the first HParams in a folder. Without the removal, a resumed run would
    keep the earlier ones.

    Parameters
    ----------
    directory : the folder of the summaries.
    hparams : values by name.
    figures : names of the loss and the metrics, such as ["loss", "accuracy"].
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.record_writer import RecordWriter

    now = time.time()
    path = os.path.join(directory, f"events.out.tfevents.{int(now):010d}{HPARAMS}")
    events = [Event(wall_time=now, file_version="brain.Event:2")]
    for summary in (_columns(hparams, figures), hparams_pb(hparams)):
        events.append(Event(wall_time=now))
        # A summary may be of TensorFlow's class, but the event is of TensorBoard's.
        events[-1].summary.MergeFromString(summary.SerializeToString())
    with files.writing(path):
        with files.replacing(path) as file:
            for event in events:
                RecordWriter(file).write(event.SerializeToString())
        for other in glob.glob(glob.escape(directory) + f"/events.out.tfevents.*{HPARAMS}*"):
            if other != path:
                os.unlink(other)


def _columns(hparams: dict, figures: list[str]):
    """Returns the columns of TensorBoard's table of HParams, as a summary.

    Without them TensorBoard shows every curve as a result, even the learning rate.
    """
    from tensorboard.plugins.hparams import api_pb2, summary

    columns = []
    for name in dict.fromkeys([*hparams, *NUMBERS]):  # other runs in the folder may have them
        column = api_pb2.HParamInfo(name=name)
        if name in hparams:
            column.type = api_pb2.DATA_TYPE_FLOAT64
            if isinstance(hparams[name], (bool, str)):
                is_text = isinstance(hparams[name], str)
                column.type = api_pb2.DATA_TYPE_STRING if is_text else api_pb2.DATA_TYPE_BOOL
        if name in FIRST_COLUMNS and hasattr(column, "differs"):  # not in TensorBoard 1.15
            column.differs = True  # TensorBoard first shows the columns that differ
        columns.append(column)
    figures = sorted(figures, key=lambda name: name == "loss")  # the loss last
    tags = [f"{name}/{split}" for split in SPLITS for name in figures]
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags]
    return summary.experiment_pb(columns, metrics)
