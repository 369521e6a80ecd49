"""The training loop of both styles: when to train, evaluate, save, log and stop.

Each style passes its classes and functions to the loop as a `Style`. All code that uses TensorFlow
is in tf?_style/training.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
from absl.flags import FlagValues

from shared import (
    batches,
    checkpoints,
    cluster,
    console,
    datasets,
    evaluation,
    machine,
    plot,
    predicting,
    runs,
)
from shared.checkpoints import best
from shared.datasets import Dataset
from shared.flags import count_steps, parse
from shared.runs import result, resume
from shared.schedules import Schedule

STARTED = time.time()  # this process, in seconds since 1970


class Style(NamedTuple):
    """The classes and functions that a style passes to the loop."""

    name: str  # the name of its folder, such as "tf1_style"
    version: str  # of TensorFlow
    list_devices: Callable  # (type of device) -> TensorFlow's devices
    Trainer: type  # (model class, flags)
    MultiStep: type  # (trainer, flags, examples, *is_due)
    Summaries: type  # (folder or None, trainer, flags, first step)
    Checkpoints: type  # (folder, trainer, max_to_keep)
    restore: Callable  # (trainer, checkpoint, partial) -> step
    export: Callable  # (trainer, flags)
    graph: Callable  # (trainer) -> GraphDef of a step, as TensorBoard shows it
    replicated: Callable  # (Trainer, flags, task) -> its subclass for several replicas
    serve: Callable  # (task, flags); serves variables as a parameter server
    together: Callable = contextlib.nullcontext  # (trainer) -> context of the steps
    testing: Callable = contextlib.nullcontext  # () -> context of the test


def load_images(flags: FlagValues) -> Dataset:
    """Returns the dataset of images that the flags name."""
    return datasets.load(
        flags.dataset, flags.data_dir, flags.validation_size, flags.validation_start
    )


def main(
    style: Style,
    model_class: type,
    doc: str,
    load: Callable[[FlagValues], Dataset] = load_images,
    Trainer: type | None = None,
    answer: Callable[[str, FlagValues, Callable], str] | None = None,
    **defaults: object,
) -> None:
    """Runs a program: trains, predicts or describes the model, as its command line says.

    Parameters
    ----------
    style : the program's style.
    model_class : the program's model, made from the parsed flags.
    doc : the program's docstring, for --help.
    load : returns the program's Dataset for its flags. Its parts are `datasets.Examples`.
    Trainer : a subclass of the style's Trainer, if the program has a step or batches of its own.
    answer : returns the answer to the text of --predict_text, as one line. It takes the text, the
        flags, and a function that maps inputs by name to the activations of the last layer. A
        program without it has no --predict_text.
    defaults : the program's own defaults, by the names of the flags.
    """
    if answer:
        defaults["predict_text"] = ""
    with console.one_line_errors():
        flags = parse(sys.argv, doc, **defaults)
        if Trainer:
            style = style._replace(Trainer=Trainer)
        is_decoded = hasattr(model_class, "decode") and not hasattr(Trainer, "batch_of_step")
        if flags.steps_per_call > 1 and not is_decoded:
            raise console.UserError(
                f"got --steps_per_call={flags.steps_per_call}, expected 1, because this program "
                "makes its batches or its updates one step at a time; leave the flag out"
            )
        if flags.distribution != "none" and Trainer:
            raise console.UserError(
                f"got --distribution={flags.distribution}, expected none, because this program has "
                "a step or batches of its own; leave the flag and --replicas out"
            )
        if flags.plot:
            plot.check(flags.plot)
        if flags.summary or flags.plot:
            describe(style, style.Trainer(model_class, flags), flags)
        elif "predict" in flags and flags.predict:
            classify = last_layer(style, model_class, flags)
            predicting.predict(
                flags.predict, lambda images: classify({"images": images}), flags.predict_picture
            )
        elif "predict_text" in flags and flags.predict_text:
            print(answer(flags.predict_text, flags, last_layer(style, model_class, flags)))
        else:
            train(style, model_class, load(flags), flags)


def describe(style: Style, trainer: object, flags: FlagValues) -> None:
    """Prints the layers of a model for --summary, and draws them for --plot."""
    weights = {name: trainer.variables[name] for name in trainer.weights}
    shapes = trainer.layer_shapes()
    if flags.summary:
        console.summary(shapes, weights)
    if flags.plot:
        model, graph_def = trainer.model, style.graph(trainer)
        layers = plot.Layers(graph_def, model.inputs, shapes, list(weights), model.metrics)
        sizes = {name: int(np.prod(weight.shape)) for name, weight in weights.items()}
        plot.plot(flags.plot, Path(sys.argv[0]).stem, layers, sizes)


def last_layer(style: Style, model_class: type, flags: FlagValues) -> Callable:
    """Returns a function from inputs to the last activations of a trained model, for --predict.

    It sets the flags that the model depends on to those of the checkpoint's run.
    """
    checkpoint = runs.trained(flags, Path(sys.argv[0]).stem)
    machine.select_device(flags, style.version, style.list_devices)
    trainer = style.Trainer(model_class, flags)
    style.restore(trainer, checkpoint, flags.partial)

    def classify(inputs: dict) -> np.ndarray:
        return np.asarray(list(trainer.layers(inputs).values())[-1])

    return classify


def train(style: Style, model_class: type, data: Dataset, flags: FlagValues) -> None:
    """Trains a model: in this process alone, or as one task of a cluster."""
    task = None
    if flags.distribution in ("sync", "async"):
        task = cluster.read(flags)
        if task.role == "evaluator":
            evaluate_checkpoints(style, model_class, data, flags, task)
            return
        if task.peers:
            cluster.warn_of_open_port(task)
            flags.replicas = len(task.replicas)
        else:  # alone, it needs no server and no exchange
            task, flags.distribution = None, "none"
    if flags.distribution != "none":
        if flags.distribution != "async":
            batches.check_parts(flags, len(data.train), flags.replicas)
        Trainer = style.replicated(style.Trainer, flags, task)
        if not Trainer:
            style.serve(task, flags)
            return
        style = style._replace(Trainer=Trainer, together=Trainer.together)
    if task:
        style = style._replace(testing=functools.partial(cluster.watching_servers, task))
    if task and not task.is_chief:
        follow(style, model_class, data, flags)
    else:
        train_and_test(style, model_class, data, flags)


def follow(style: Style, model_class: type, data: Dataset, flags: FlagValues) -> None:
    """Trains together with the chief; only the chief saves, reports and tests."""
    count_steps(flags, len(data.train))
    machine.select_device(flags, style.version, style.list_devices)
    trainer = style.Trainer(model_class, flags)
    keep_prob = flags.keep_prob if "keep_prob" in flags else 1.0
    # The chief names the last step too: if it resumes a run, that may be the run's.
    with style.together(trainer) as (first_step, flags.max_steps):
        schedule = Schedule(flags, len(data.train), "", (), "", first_step)
        for step in range(first_step, flags.max_steps):
            batch = batches.of_step(step, flags, data.train)
            trainer.train_step(batch, keep_prob, schedule.learning_rate(step))


def evaluate_checkpoints(
    style: Style, model_class: type, data: Dataset, flags: FlagValues, task: cluster.Task
) -> None:
    """Evaluates each new checkpoint of the run in --run_dir, until the run is complete.

    The curve of the held-out examples is in the folder `evaluator` of the run folder.
    """
    if not flags.run_dir:
        raise console.UserError("an evaluator needs the run folder of its cluster in --run_dir")
    machine.select_device(flags, style.version, style.list_devices)
    trainer = style.Trainer(model_class, flags)
    held_out = data.validation or data.test
    split = "validation" if data.validation else "test"
    directory = os.path.join(flags.run_dir, "evaluator") if flags.log else None

    def state() -> str | None:
        return runs.state(flags.run_dir, STARTED, flags.cluster_timeout)

    def is_over() -> bool:
        return state() not in (None, result.RUNNING)

    with contextlib.ExitStack() as stack:
        if len(task.peers) > 1:  # a chief alone has no server
            stack.enter_context(cluster.Watch(task, only=[task.chief[0]], is_over=is_over))
        summaries = evaluated = None
        while True:
            was_over = is_over()  # before it looks for the last checkpoint
            checkpoint = checkpoints.newest(flags.run_dir) if state() else None
            if checkpoint and checkpoint != evaluated:
                evaluated = checkpoint
                step = style.restore(trainer, checkpoint, flags.partial)
                figures, _ = evaluation.measure(trainer, held_out)
                if not summaries:  # not earlier: a new run first empties its folder
                    summaries = style.Summaries(directory, trainer, flags, step)
                    stack.enter_context(summaries)
                summaries.scalars(step, tagged(figures, split))
                listed = ", ".join(f"{split} {name} {value:.4g}" for name, value in figures.items())
                console.print_line(f"step {step}, {listed}")
            elif was_over:
                return
            else:
                time.sleep(0.5)


def train_and_test(style: Style, model_class: type, data: Dataset, flags: FlagValues) -> None:
    """Trains and tests a model, or resumes its run; prints the metrics of the test."""
    run = runs.Run(Path(sys.argv[0]).stem, style.name, flags, data)
    is_complete = run.start.kind == resume.COMPLETE
    if not is_complete or flags.export_dir or flags.distribution in ("sync", "async"):
        device = machine.select_device(flags, style.version, style.list_devices)
        with run.signals:
            if is_complete:
                flags.max_steps = 1  # it is past; the other tasks of a cluster train no step either
            trainer = style.Trainer(model_class, flags)
            machine.check_batch(flags.batch_size, trainer.layer_shapes())
            first_step = 0
            if run.start.checkpoint:
                first_step = style.restore(trainer, run.start.checkpoint, flags.partial)
            if is_complete:
                with style.together(trainer):
                    pass  # so that the other tasks end
                if flags.export_dir:
                    style.export(trainer, flags)
            else:
                run.begin(first_step, device, tensorflow=style.version)
                with style.Summaries(run.log_dir, trainer, flags, first_step) as summaries:
                    Loop(style, trainer, flags, data, run, summaries, first_step).train()
    for name in model_class.metrics:
        print(f"test {name} {run.result[f'test_{name}']:g}")


class Loop:
    """Trains a model from `first_step` on, and tests it."""

    def __init__(self, style, trainer, flags, data, run, summaries, first_step):
        self.style = style
        self.trainer = trainer
        self.flags = flags
        self.data = data
        self.run = run
        self.summaries = summaries
        self.first_step = first_step
        self.keep_prob = flags.keep_prob if "keep_prob" in flags else 1.0
        self.checkpoints = style.Checkpoints(run.checkpoints(), trainer, max_to_keep=5)
        self.best = None
        if flags.keep_best:
            self.best = style.Checkpoints(run.checkpoints("best"), trainer, max_to_keep=1)
        self.schedule = run.schedule(data, trainer.model.metrics, first_step)
        run.result["best_step"] = self.schedule.best_step

    def train(self) -> None:
        """Runs the steps that are left, then tests the model and writes the results."""
        # The run can be resumed from this checkpoint, even if the one of --restore is removed.
        if self.run.start.kind == resume.RESTORED:
            self.checkpoints.save(self.first_step)
        started = time.perf_counter()
        with contextlib.ExitStack() as stack:
            self.trace = stack.enter_context(self.run.trace(self.first_step))
            self.progress = stack.enter_context(
                console.Progress(self.first_step, self.flags.max_steps)
            )
            stack.enter_context(self.style.together(self.trainer))
            self.run_steps()
        steps = self.run.result["step"] - self.first_step
        seconds = time.perf_counter() - started
        with self.style.testing():
            self.finish(steps, seconds)

    def run_steps(self) -> None:
        """Runs the steps that are left."""
        flags, trace, run = self.flags, self.trace, self.run
        if trace.is_due(self.first_step):
            is_last = self.first_step == flags.max_steps  # the run failed after its last step
            self.record(self.first_step, None, is_full=True, is_last=is_last)
        multi_step = None
        if flags.steps_per_call > 1:
            multi_step = self.style.MultiStep(
                self.trainer, flags, self.data.train, trace.is_due, self.summaries.is_due
            )
        step = self.first_step
        while step < flags.max_steps and not self.schedule.is_over:
            batch = self.batch(step)
            self.report(step, batch)
            rate = self.schedule.learning_rate(step)
            metadata = self.summaries.run_metadata(step)
            if multi_step and not metadata:
                losses = multi_step(step, self.keep_prob, rate)
            else:
                losses = [self.trainer.train_step(batch, self.keep_prob, rate, **metadata)]
            for loss in losses:
                if trace.is_due(step + 1):  # this is then the last step of its call
                    self.record(step + 1, loss, is_last=step + 1 == flags.max_steps)
                run.check_loss(step, loss)
                self.progress.step(loss)
                step += 1
            if self.schedule.measures(step):
                self.end_epoch(step)
            is_last = step == flags.max_steps or self.schedule.is_over
            is_due = flags.save_every and step % flags.save_every == 0
            if is_last or is_due or run.signals.received:
                self.save(step, batch)
                run.stop_if_asked()
        if self.schedule.is_over and trace.path:  # the trace expected a later last step
            trace.end(run.result["step"])
            self.record(run.result["step"], None, is_full=True, is_last=True)

    def batch(self, step: int) -> dict:
        """Returns the batch of a step, from the trainer if it makes them, as in mnist_pipeline."""
        of_step = getattr(self.trainer, "batch_of_step", batches.of_step)
        return of_step(step, self.flags, self.data.train)

    def report(self, step: int, batch: dict) -> None:
        """Measures and logs the state before a step, if that is due."""
        every = self.flags.eval_every
        is_reported = every and step % every == 0
        # Training is also measured whenever validation is, so that both curves have the same
        # points.
        if is_reported or (every and self.summaries.is_due(step)):
            loss, metrics, _ = self.trainer.evaluate(batch)
            if is_reported:
                self.progress.training_metrics(step, metrics)
            scalars = tagged({"loss": loss, **metrics}, "training")
            scalars["learning_rate"] = self.schedule.learning_rate(step)
            scalars["steps_per_second"] = self.progress.pace()
            self.summaries.scalars(step, scalars)
        if self.summaries.is_due(step):
            self.summaries.histograms(step, batch)
            if self.data.validation:
                figures, _ = evaluation.measure(self.trainer, self.data.validation)
                self.summaries.scalars(step, tagged(figures, "validation"))

    def record(self, step, loss, is_full=False, is_last=False) -> None:
        """Records the weights; also the slots if `is_full`, and an evaluation if `is_last`."""
        trainer = self.trainer
        is_full = is_full or self.trace.values_are_due(step)
        recorded = trainer.values(trainer.variables if is_full else trainer.weights)
        if is_last:
            _, _, outputs = trainer.evaluate(self.batch(step))
            recorded.update((f"evaluation/{name}", output) for name, output in outputs.items())
        self.trace.record(step, loss, recorded)

    def save(self, step: int, batch: dict) -> None:
        """Saves a checkpoint of `step`, and all else that a resumed run needs."""
        loss, _, _ = self.trainer.evaluate(batch)
        self.run.check_loss(step, loss)  # never save weights whose loss is not finite
        self.trace.save()  # before the checkpoint: a resumed run keeps the records up to its step
        self.checkpoints.save(step)
        self.run.save(step=step)

    def end_epoch(self, step: int) -> None:
        """Measures the model after an epoch, and saves it if it is the best so far."""
        held_out = self.data.validation or self.data.test
        training, _ = evaluation.measure(self.trainer, self.data.train.first(len(held_out)))
        figures, _ = evaluation.measure(self.trainer, held_out)
        row = self.schedule.add(step, training, figures)
        if self.schedule.best_step == step:
            self.best.save(step)
            self.run.save(best_step=step)
        if self.flags.save_activations:
            first = held_out.batch(slice(1))
            self.run.save_activations(row["epoch"], first, self.trainer.layers(first))
        self.progress.epoch(row)
        self.summaries.epoch(row)

    def finish(self, steps: int, seconds: float) -> None:
        """Tests the model and writes the results of the run."""
        data, run, trainer = self.data, self.run, self.trainer
        step = run.result["step"]
        if self.summaries.is_due(step, is_last=True):
            self.summaries.histograms(step, self.batch(step))
        if run.result["best_step"] is not None:
            checkpoint = best(run.directory, run.result["best_step"])
            step = self.style.restore(trainer, checkpoint, partial=False)
        test, outputs = evaluation.measure(trainer, data.test, run.stop_if_asked)
        validation = None
        if data.validation:
            validation, _ = evaluation.measure(trainer, data.validation, run.stop_if_asked)
        is_of_digits = isinstance(data.test, datasets.Images)
        first_weights = self.first_weights() if is_of_digits else None
        self.summaries.results(step, run, data.test, outputs, test, validation, first_weights)
        if "pictures" in outputs:
            evaluation.save_pictures(run.directory, outputs["pictures"])
        if is_of_digits:
            evaluation.save(run.directory, data.test, outputs, first_weights)
        if self.flags.export_dir:
            self.style.export(trainer, self.flags)
        run.finish(steps, seconds, test, validation)  # last: a complete run has all its files

    def first_weights(self) -> np.ndarray:
        """Returns the weights of the first layer, or of several those over the most pixels."""
        trainer = self.trainer
        first_layer = next(iter(trainer.layer_shapes()))
        names = [name for name in trainer.weights if name.startswith(f"{first_layer}/")]
        values = trainer.values(names or trainer.weights).values()
        kernels = [W for W in values if W.ndim > 1]  # [units in, units out] or [h, w, in, out]
        # Of the convolutions that see the pixels, not the outputs of others, the largest.
        return max(kernels, key=lambda W: (W.ndim, -W.shape[-2], W.shape[0]))


def tagged(figures: dict, split: str) -> dict:
    """Returns figures under TensorBoard's tags, such as loss/training."""
    return {f"{name}/{split}": value for name, value in figures.items()}
