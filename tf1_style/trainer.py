"""Trains a model and says how good it is (TensorFlow 1 style).

The graph is built once, from placeholders; each step hands it a batch by `feed_dict`. Its twin is
tf2_style/trainer.py: read the two side by side.
"""

import contextlib
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

from shared import batches, console, datasets, evaluation, flags, machine, runs
from tf1_style.checkpoints import Checkpoints, restore
from tf1_style.export import export
from tf1_style.optimizers import OPTIMIZERS
from tf1_style.summaries import Summaries


class Trainer:
    """A model with its loss, accuracy and optimizer: what a step does."""

    def __init__(self, model_class, values):
        with tf.name_scope("input"):
            self.images = tf.placeholder(tf.float32, [None, 784], name="images")
            self.labels = tf.placeholder(tf.float32, [None, 10], name="labels")
            self.keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
        self.global_step = tf.train.create_global_step()
        self.model = model_class(values.seed)
        self.loss, self.accuracy, self.activations = self.forward(
            self.images, self.labels, self.keep_prob
        )
        self.weights = [variable.op.name for variable in tf.global_variables()[1:]]  # but the step
        with tf.variable_scope("train"):
            optimizer = OPTIMIZERS[values.optimizer](values.learning_rate)
            # optimizer.minimize() is these two; the summaries show the gradients between them.
            self.gradients = optimizer.compute_gradients(self.loss)
            self.train_op = optimizer.apply_gradients(self.gradients, global_step=self.global_step)
        self.variables = {variable.op.name: variable for variable in tf.global_variables()}

        config = tf.ConfigProto(intra_op_parallelism_threads=values.threads)
        if values.precision == "bfloat16":
            rewrites = config.graph_options.rewrite_options
            rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
        self.session = tf.Session(config=config)
        self.session.run(tf.global_variables_initializer())

    def forward(self, images, labels, keep_prob):
        """Returns loss, accuracy, activations, for images [n, 784] and one-hot labels [n, 10]."""
        logits, activations = self.model(images, keep_prob, self.global_step)
        with tf.name_scope("loss"):
            cross_entropy = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
            loss = tf.reduce_mean(cross_entropy)
        with tf.name_scope("accuracy"):
            correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, accuracy, activations

    def train_step(self, images, labels, keep_prob, **run_arguments):
        """Updates the weights once; returns the loss before the update."""
        _, loss = self.session.run(
            [self.train_op, self.loss],
            feed_dict={self.images: images, self.labels: labels, self.keep_prob: keep_prob},
            **run_arguments,
        )
        return loss

    def evaluate(self, images, labels):
        """Returns loss, accuracy and logits [n, 10], without dropout."""
        return self.session.run(
            [self.loss, self.accuracy, list(self.activations.values())[-1]],
            feed_dict={self.images: images, self.labels: labels, self.keep_prob: 1.0},
        )

    def last_hidden(self, images):
        """Returns the activations [n, units] of the layer before the logits, if there is one."""
        return self.session.run(
            list(self.activations.values())[-2:][0],
            feed_dict={self.images: images, self.keep_prob: 1.0},
        )

    def values(self, names):
        """Returns the arrays that the variables of these names hold, as a dict."""
        return self.session.run({name: self.variables[name] for name in names})


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

            loss = trainer.train_step(images, labels, keep_prob, **summaries.run_metadata(step))
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
