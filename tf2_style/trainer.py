"""Trains a model and says how good it is (TensorFlow 2 style).

A step is a Python function, traced once into a graph; it is called with a batch. Its twin is
tf1_style/trainer.py: read the two side by side.
"""

import contextlib
import functools
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from shared import batches, console, datasets, evaluation, flags, machine, pictures, runs
from shared.checkpoints import best
from tf2_style.checkpoints import Checkpoints, restore
from tf2_style.export import export
from tf2_style.loop import Loop
from tf2_style.optimizers import OPTIMIZERS
from tf2_style.summaries import Summaries

IMAGES = tf.TensorSpec([None, 784], tf.float32, name="images")
LABELS = tf.TensorSpec([None, 10], tf.float32, name="labels")
KEEP_PROB = tf.TensorSpec([], tf.float32, name="keep_prob")
LEARNING_RATE = tf.TensorSpec([], tf.float32, name="learning_rate")


class Trainer:
    """A model with its loss, accuracy and optimizer: what a step does."""

    def __init__(self, model_class, values):
        tf.config.threading.set_intra_op_parallelism_threads(values.threads)
        tf.config.threading.set_inter_op_parallelism_threads(machine.threads_between(values))
        if values.precision == "bfloat16":
            tf.config.optimizer.set_experimental_options(
                {"auto_mixed_precision_onednn_bfloat16": True}
            )
        self.loss_name = values.loss
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
        self.model = model_class(values)
        with tf.name_scope("train"):
            self.optimizer = OPTIMIZERS[values.optimizer](self.model.trainable_variables)
        self.variables = {
            variable.name.split(":")[0]: variable
            for variable in [*self.model.variables, *self.optimizer.variables, self.global_step]
        }
        self.weights = [variable.name.split(":")[0] for variable in self.model.variables]
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer, global_step=self.global_step
        )

    def forward(self, images, labels, keep_prob, training):
        """Returns loss, accuracy, activations, for images [n, 784] and one-hot labels [n, 10]."""
        logits, activations = self.model(images, keep_prob, self.global_step, training)
        with tf.name_scope("loss"):
            if self.loss_name == "mean_squared_error":
                errors = tf.square(logits - labels)
            else:
                errors = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(errors)
        with tf.name_scope("accuracy"):
            correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, accuracy, activations

    @tf.function(input_signature=[IMAGES, LABELS, KEEP_PROB, LEARNING_RATE])
    def train_step(self, images, labels, keep_prob, learning_rate):
        """Updates the weights once; returns the loss before the update."""
        with tf.GradientTape() as tape:
            loss, _, _ = self.forward(images, labels, keep_prob, training=True)
        with tf.name_scope("train"):
            gradients = tape.gradient(loss, self.model.trainable_variables)
            with tf.name_scope(type(self.optimizer).__name__):
                self.optimizer.apply(gradients, learning_rate)
                self.global_step.assign_add(1)
        return loss

    @tf.function(input_signature=[IMAGES, LABELS])
    def evaluate(self, images, labels):
        """Returns loss, accuracy and logits [n, 10], without dropout."""
        loss, accuracy, activations = self.forward(images, labels, 1.0, training=False)
        return loss, accuracy, list(activations.values())[-1]

    @tf.function(input_signature=[IMAGES, LABELS, KEEP_PROB])
    def gradients_and_activations(self, images, labels, keep_prob):
        """Returns what a step would update the weights by, and what each layer puts out."""
        # In training batch norm moves its averages as it is called, and looking must not.
        averages = [variable for variable in self.model.variables if not variable.trainable]
        before = [average.read_value() for average in averages]
        with tf.GradientTape() as tape:
            loss, _, activations = self.forward(images, labels, keep_prob, training=True)
        for average, value in zip(averages, before):
            average.assign(value)
        return tape.gradient(loss, self.model.trainable_variables), activations

    @tf.function(input_signature=[IMAGES])
    def layers(self, images):
        """Returns what each layer puts out, without dropout: names to arrays [n, ...]."""
        _, activations = self.model(images, 1.0, self.global_step, training=False)
        return activations

    def layer_shapes(self):
        """Returns the shapes of what the layers put out, by name; the batch's size is None."""
        outputs = self.layers.get_concrete_function().structured_outputs
        return {name: output.shape.as_list() for name, output in outputs.items()}

    def values(self, names):
        """Returns the arrays that the variables of these names hold, as a dict."""
        return {name: self.variables[name].numpy() for name in names}


def batch_of(step, values, examples):
    """Returns the images and labels of a step; they depend on nothing else."""
    return examples.batch(batches.of_step(step, values, len(examples)), one_hot=True)


def traced(trainer, values, data, step, is_full, is_last=False):
    """Returns what is held against the twin: weights; in full also slots; at last an evaluation."""
    held = trainer.values(trainer.variables if is_full else trainer.weights)
    if is_last:
        _, _, held["evaluation/logits"] = trainer.evaluate(*batch_of(step, values, data.train))
    return held


def train(trainer, values, data, run, summaries, first_step):
    """Runs the steps that are left; returns how many there were, and the seconds they took."""
    checkpoints = Checkpoints(run.checkpoints(), trainer, max_to_keep=5)
    kept = values.keep_best and Checkpoints(run.checkpoints("best"), trainer, max_to_keep=1)
    schedule = run.schedule(data, first_step)
    run.result["best_step"] = schedule.best_step
    if run.is_restored:  # so that this run has one of its own to go on from
        checkpoints.save(first_step)
    constant = functools.lru_cache(maxsize=2)(tf.constant)  # the rate is seldom another
    keep_prob = constant(values.keep_prob if "keep_prob" in values else 1.0)
    # A tf.function goes through its arguments three times in Python, its concrete function once;
    # and arrays take it longer than tensors made of them. See docs/speed.md.
    train_step = trainer.train_step.get_concrete_function()
    started = time.perf_counter()

    with contextlib.ExitStack() as stack:
        trace = stack.enter_context(run.trace(first_step))
        progress = stack.enter_context(console.Progress(first_step, values.max_steps))
        if trace.wants(first_step):
            trace.record(first_step, None, traced(trainer, values, data, first_step, is_full=True))
        loop = None
        if values.steps_per_call > 1:
            loop = Loop(trainer, values, data.train, trace.wants, summaries.wants)
        step = first_step
        while step < values.max_steps and not schedule.is_over:
            images, labels = batch_of(step, values, data.train)
            look(trainer, values, data, summaries, progress, schedule, step, images, labels)
            learning_rate = constant(schedule.learning_rate(step))
            if loop:
                losses = loop(step, keep_prob, learning_rate)
            else:
                images, labels = tf.constant(images), tf.constant(labels)
                losses = [train_step(images, labels, keep_prob, learning_rate).numpy()]
            for loss in losses:
                done = step + 1
                if trace.wants(done):  # so this is the last step of the call
                    is_full, is_last = trace.wants_values(done), done == values.max_steps
                    held = traced(trainer, values, data, done, is_full, is_last)
                    trace.record(done, loss, held)
                run.check_loss(step, loss)
                progress.step(loss)
                step = done

            if schedule.measures(done):
                row = end_epoch(trainer, values, data, run, schedule, kept, done)
                progress.epoch(row)
                summaries.epoch(row)

            is_last = done == values.max_steps or schedule.is_over
            due = is_last or (values.save_every and done % values.save_every == 0)
            if due or run.signals.received:
                # So that no weights are saved whose loss is not finite.
                run.check_loss(done, trainer.evaluate(images, labels)[0])
                trace.save()  # before the checkpoint: a run that goes on keeps what it needs of it
                checkpoints.save(done)
                run.save(step=done)
                run.stop_if_asked()
        last = run.result["step"]
        if schedule.is_over and trace.path:  # sooner than it could know
            trace.end(last)
            trace.record(last, None, traced(trainer, values, data, last, True, is_last=True))
    return last - first_step, time.perf_counter() - started


def look(trainer, values, data, summaries, progress, schedule, step, images, labels):
    """Reports and writes how it stands before a step, if it is time for it."""
    if values.eval_every and step % values.eval_every == 0:
        loss, accuracy, _ = trainer.evaluate(images, labels)
        progress.training_accuracy(step, accuracy)
        summaries.scalars(
            step,
            {
                "loss/training": loss,
                "accuracy/training": accuracy,
                "learning_rate": schedule.learning_rate(step),
                "steps_per_second": progress.pace(),
            },
        )
    if summaries.wants(step):
        summaries.look(step, images, labels)
        if data.validation:
            loss, accuracy, _ = evaluation.measure(trainer, data.validation)
            summaries.scalars(step, {"loss/validation": loss, "accuracy/validation": accuracy})


def end_epoch(trainer, values, data, run, schedule, kept, step):
    """Measures what the epoch has trained, keeps it if it is the best; returns the measurements."""
    held_out = data.validation or data.test
    training = evaluation.measure(trainer, data.train.first(len(held_out)))
    row = schedule.add(step, training[:2], evaluation.measure(trainer, held_out)[:2])
    if schedule.best_step == step:
        kept.save(step)
        run.save(best_step=step)
    if values.save_activations:
        image, _ = held_out.batch(slice(1))
        run.save_activations(row["epoch"], image[0], trainer.layers(image))
    return row


def finish(trainer, values, data, run, summaries, steps, seconds):
    """Tests what was trained, and writes all there is to say of it."""
    step = run.result["step"]
    if summaries.wants(step, is_last=True):
        summaries.look(step, *batch_of(step, values, data.train))
    if run.result["best_step"] is not None:
        step = restore(trainer, best(run.directory, run.result["best_step"]), partial=False)
    test = evaluation.measure(trainer, data.test, run.stop_if_asked)
    validation = None
    if data.validation:
        validation = evaluation.measure(trainer, data.validation, run.stop_if_asked)
    first_weights = trainer.values(trainer.weights[:1])[trainer.weights[0]]
    summaries.results(step, run.result["flags"], data.test, test, validation, first_weights)
    evaluation.save(run.directory, data.test, test[2], first_weights)
    run.finish(steps, seconds, test[:2], validation and validation[:2])


def train_and_test(model_class, values):
    """Trains and tests as the flags say, or goes on with it; prints the test accuracy."""
    data = datasets.load(
        values.dataset, values.data_dir, values.validation_size, values.validation_start
    )
    run = runs.Run(Path(sys.argv[0]).stem, __package__, values, data)
    if not run.is_complete or values.export_dir:
        device = machine.select_device(
            values, tf.__version__, tf.config.experimental.list_physical_devices
        )
        with run.signals:
            trainer = Trainer(model_class, values)
            first_step = 0
            if run.checkpoint:
                first_step = restore(trainer, run.checkpoint, values.partial)
            run.begin(first_step, device, tensorflow=tf.__version__)
            if not run.is_complete:
                with Summaries(run.log_dir, trainer, values, first_step) as summaries:
                    steps, seconds = train(trainer, values, data, run, summaries, first_step)
                    finish(trainer, values, data, run, summaries, steps, seconds)
            if values.export_dir:
                export(trainer, values)
    print(f"test accuracy {run.result['test_accuracy']:g}")


def predict(model_class, values):
    """Says which digits are on the pictures of --predict."""
    checkpoint = runs.trained(values)
    images = pictures.read_digits(values.predict)
    machine.select_device(values, tf.__version__, tf.config.experimental.list_physical_devices)
    trainer = Trainer(model_class, values)
    restore(trainer, checkpoint, values.partial)
    logits = list(trainer.layers(images).values())[-1]
    evaluation.say(values.predict, np.asarray(logits))


def main(model_class, doc, **defaults):
    """Does what the command line asks for, with a model's own defaults for its flags."""
    with console.one_line_errors():
        values = flags.parse(sys.argv, doc, **defaults)
        if values.summary:
            trainer = Trainer(model_class, values)
            weights = {name: trainer.variables[name] for name in trainer.weights}
            console.summary(trainer.layer_shapes(), weights)
        elif values.predict:
            predict(model_class, values)
        else:
            train_and_test(model_class, values)
