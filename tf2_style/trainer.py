"""Trains a model and says how good it is (TensorFlow 2 style).

A step is a Python function, traced once into a graph; it is called with a batch. Its twin is
tf1_style/trainer.py: read the two side by side.
"""

import contextlib
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from shared import batches, console, datasets, evaluation, flags, machine, runs
from tf2_style.checkpoints import Checkpoints, restore
from tf2_style.export import export
from tf2_style.optimizers import OPTIMIZERS
from tf2_style.summaries import Summaries

IMAGES = tf.TensorSpec([None, 784], tf.float32, name="images")
LABELS = tf.TensorSpec([None, 10], tf.float32, name="labels")
KEEP_PROB = tf.TensorSpec([], tf.float32, name="keep_prob")


class Trainer:
    """A model with its loss, accuracy and optimizer: what a step does."""

    def __init__(self, model_class, values):
        tf.config.threading.set_intra_op_parallelism_threads(values.threads)
        if values.precision == "bfloat16":
            tf.config.optimizer.set_experimental_options(
                {"auto_mixed_precision_onednn_bfloat16": True}
            )
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
        self.model = model_class(values.seed)
        with tf.name_scope("train"):
            self.optimizer = OPTIMIZERS[values.optimizer](
                self.model.trainable_variables, values.learning_rate
            )
        self.variables = {
            variable.name.split(":")[0]: variable
            for variable in [*self.model.variables, *self.optimizer.variables, self.global_step]
        }
        self.weights = [variable.name.split(":")[0] for variable in self.model.variables]
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer, global_step=self.global_step
        )

    def forward(self, images, labels, keep_prob):
        """Returns loss, accuracy, activations, for images [n, 784] and one-hot labels [n, 10]."""
        logits, activations = self.model(images, keep_prob, self.global_step)
        with tf.name_scope("loss"):
            cross_entropy = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(cross_entropy)
        with tf.name_scope("accuracy"):
            correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, accuracy, activations

    @tf.function(input_signature=[IMAGES, LABELS, KEEP_PROB])
    def train_step(self, images, labels, keep_prob):
        """Updates the weights once; returns the loss before the update."""
        with tf.GradientTape() as tape:
            loss, _, _ = self.forward(images, labels, keep_prob)
        with tf.name_scope("train"):
            gradients = tape.gradient(loss, self.model.trainable_variables)
            with tf.name_scope(type(self.optimizer).__name__):
                self.optimizer.apply(gradients)
                self.global_step.assign_add(1)
        return loss

    @tf.function(input_signature=[IMAGES, LABELS])
    def evaluate(self, images, labels):
        """Returns loss, accuracy and logits [n, 10], without dropout."""
        loss, accuracy, activations = self.forward(images, labels, 1.0)
        return loss, accuracy, list(activations.values())[-1]

    @tf.function(input_signature=[IMAGES, LABELS, KEEP_PROB])
    def gradients_and_activations(self, images, labels, keep_prob):
        """Returns what a step would update the weights by, and what each layer puts out."""
        with tf.GradientTape() as tape:
            loss, _, activations = self.forward(images, labels, keep_prob)
        return tape.gradient(loss, self.model.trainable_variables), activations

    def last_hidden(self, images):
        """Returns the activations [n, units] of the layer before the logits, if there is one."""
        _, activations = self.model(images, None, None)
        return list(activations.values())[-2:][0].numpy()

    def values(self, names):
        """Returns the arrays that the variables of these names hold, as a dict."""
        return {name: self.variables[name].numpy() for name in names}


def evaluate(trainer, examples, after_slice=lambda: None):
    """Returns loss, accuracy and logits [n, 10], in slices so that memory does not grow."""
    loss_sum, correct, all_logits = 0.0, 0, []
    for part in examples.slices():
        images, labels = examples.batch(part, one_hot=True)
        loss, accuracy, logits = trainer.evaluate(images, labels)
        loss_sum += float(loss) * len(images)
        correct += round(float(accuracy) * len(images))
        all_logits.append(logits)
        after_slice()
    return loss_sum / len(examples), correct / len(examples), np.concatenate(all_logits)


def batch_of(step, values, examples):
    """Returns the images and labels of a step; they depend on nothing else."""
    indices = batches.indices(
        step, values.batch_size, len(examples), values.seed, values.batch_order
    )
    return examples.batch(indices, one_hot=True)


def train(trainer, values, data, run, summaries, first_step):
    """Runs the steps that are left; returns how many there were, and the seconds they took."""
    checkpoints = Checkpoints(run.checkpoints, trainer)
    if run.is_restored:  # so that this run has one of its own to go on from
        checkpoints.save(first_step)
    keep_prob = values.keep_prob if "keep_prob" in values else 1.0
    started = time.perf_counter()

    with contextlib.ExitStack() as stack:
        trace = stack.enter_context(run.trace(first_step))
        progress = stack.enter_context(console.Progress(first_step, values.max_steps))
        if trace.wants(first_step):
            trace.record(first_step, None, trainer.values(trainer.variables))
        for step in range(first_step, values.max_steps):
            images, labels = batch_of(step, values, data.train)
            if values.eval_every and step % values.eval_every == 0:
                loss, accuracy, _ = trainer.evaluate(images, labels)
                progress.training_accuracy(step, accuracy)
                summaries.scalars(
                    step,
                    {
                        "loss/training": loss,
                        "accuracy/training": accuracy,
                        "learning_rate": values.learning_rate,
                        "steps_per_second": progress.pace(),
                    },
                )
            if summaries.wants(step):
                summaries.look(step, images, labels)
                if data.validation:
                    loss, accuracy, _ = evaluate(trainer, data.validation)
                    summaries.scalars(
                        step, {"loss/validation": loss, "accuracy/validation": accuracy}
                    )

            loss = trainer.train_step(images, labels, keep_prob)
            done = step + 1
            if trace.wants(done):
                names = trainer.variables if trace.wants_values(done) else trainer.weights
                trace.record(done, loss, trainer.values(names))
            run.check_loss(step, loss)
            progress.step(loss)

            due = done == values.max_steps or (values.save_every and done % values.save_every == 0)
            if due or run.signals.received:
                # So that no weights are saved whose loss is not finite.
                run.check_loss(done, trainer.evaluate(images, labels)[0])
                trace.save()  # before the checkpoint: a run that goes on keeps what it needs of it
                checkpoints.save(done)
                run.save(step=done)
                run.stop_if_asked()
    return values.max_steps - first_step, time.perf_counter() - started


def finish(trainer, values, data, run, summaries, steps, seconds):
    """Tests what was trained, and writes all there is to say of it."""
    test = evaluate(trainer, data.test, run.stop_if_asked)
    validation = None
    if data.validation:
        validation = evaluate(trainer, data.validation, run.stop_if_asked)
    if summaries.wants(values.max_steps):
        summaries.look(values.max_steps, *batch_of(values.max_steps, values, data.train))
    filters = trainer.values(trainer.weights[:1])[trainer.weights[0]]
    summaries.results(run.result["flags"], data.test, test, validation, filters)
    evaluation.save(run.directory, data.test, test[2], filters)
    run.finish(steps, seconds, test[:2], validation and validation[:2])


def main(model_class, doc, **defaults):
    """Does what the command line asks for, with a model's own defaults for its flags."""
    with console.one_line_errors():
        values = flags.parse(sys.argv, doc, **defaults)
        data = datasets.load(values.dataset, values.data_dir, values.validation_size)
        run = runs.Run(Path(sys.argv[0]).stem, __package__, values, data)
        if not run.is_complete or values.export_dir:
            device = machine.select_device(
                values.device,
                values.precision,
                tf.__version__,
                tf.config.experimental.list_physical_devices,
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
