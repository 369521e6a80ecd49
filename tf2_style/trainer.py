"""Trains a model and says how good it is (TensorFlow 2 style).

A step is a Python function, traced once into a graph; it is called with a batch. Its twin is
tf1_style/trainer.py: read the two side by side.
"""

import contextlib
import sys
import time
from pathlib import Path

import tensorflow as tf

from shared import batches, console, datasets, flags, machine, runs
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

    def loss_and_accuracy(self, images, labels, keep_prob):
        """Returns two scalars, for images [n, 784] and one-hot labels [n, 10]."""
        logits = self.model(images, keep_prob, self.global_step)
        with tf.name_scope("loss"):
            cross_entropy = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(cross_entropy)
        with tf.name_scope("accuracy"):
            correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, accuracy

    @tf.function(input_signature=[IMAGES, LABELS, KEEP_PROB])
    def train_step(self, images, labels, keep_prob):
        """Updates the weights once; returns the loss before the update."""
        with tf.GradientTape() as tape:
            loss, _ = self.loss_and_accuracy(images, labels, keep_prob)
        with tf.name_scope("train"):
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply(gradients)
            self.global_step.assign_add(1)
        return loss

    @tf.function(input_signature=[IMAGES, LABELS])
    def evaluate(self, images, labels):
        """Returns loss and accuracy without dropout."""
        return self.loss_and_accuracy(images, labels, 1.0)

    def values(self, names):
        """Returns the arrays that the variables of these names hold, as a dict."""
        return {name: self.variables[name].numpy() for name in names}


def evaluate(trainer, examples, run):
    """Returns loss and accuracy over all examples, in slices so that memory does not grow."""
    loss_sum, correct = 0.0, 0
    for part in examples.slices():
        images, labels = examples.batch(part, one_hot=True)
        loss, accuracy = trainer.evaluate(images, labels)
        loss_sum += float(loss) * len(images)
        correct += round(float(accuracy) * len(images))
        run.stop_if_asked()
    return loss_sum / len(examples), correct / len(examples)


def train(trainer, values, data, run, first_step):
    """Runs the steps that are left; returns how many there were, and the seconds they took."""
    checkpoints = Checkpoints(run.checkpoints, trainer)
    if run.is_restored:  # so that this run has one of its own to go on from
        checkpoints.save(first_step)
    keep_prob = values.keep_prob if "keep_prob" in values else 1.0
    started = time.perf_counter()

    with contextlib.ExitStack() as stack:
        summaries = stack.enter_context(Summaries(run.tensorboard, trainer))
        trace = stack.enter_context(run.trace(first_step))
        progress = stack.enter_context(console.Progress(first_step, values.max_steps))
        if trace.wants(first_step):
            trace.record(first_step, None, trainer.values(trainer.variables))
        for step in range(first_step, values.max_steps):
            indices = batches.indices(
                step, values.batch_size, len(data.train), values.seed, values.batch_order
            )
            images, labels = data.train.batch(indices, one_hot=True)
            if values.eval_every and step % values.eval_every == 0:
                loss, accuracy = trainer.evaluate(images, labels)
                progress.training_accuracy(step, accuracy)
                summaries.scalars(step, {"loss": loss, "training_accuracy": accuracy})

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
                    steps, seconds = train(trainer, values, data, run, first_step)
                    test = evaluate(trainer, data.test, run)
                    validation = data.validation and evaluate(trainer, data.validation, run)
                    run.finish(steps, seconds, test, validation or None)
                if values.export_dir:
                    export(trainer, values)
        print(f"test accuracy {run.result['test_accuracy']:g}")
