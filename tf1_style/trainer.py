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

from shared import batches, console, datasets, evaluation, flags, machine, pictures, runs
from shared.checkpoints import best
from tf1_style.checkpoints import Checkpoints, restore
from tf1_style.export import export
from tf1_style.loop import Loop
from tf1_style.optimizers import OPTIMIZERS
from tf1_style.summaries import Summaries


class Trainer:
    """A model with its loss, accuracy and optimizer: what a step does."""

    def __init__(self, model_class, values):
        if values.steps_per_call > 1:  # which a loop of the graph reads anew in each step
            tf.enable_resource_variables()
        with tf.name_scope("input"):
            self.images = tf.placeholder(tf.float32, [None, 784], name="images")
            self.labels = tf.placeholder(tf.float32, [None, 10], name="labels")
            self.keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
        self.loss_name = values.loss
        self.global_step = tf.train.create_global_step()
        self.model = model_class(values)
        self.loss, self.accuracy, self.activations = self.forward(
            self.images, self.labels, self.keep_prob, training=True
        )
        self.weights = [variable.op.name for variable in tf.global_variables()[1:]]  # but the step
        with tf.variable_scope("train"):
            self.learning_rate = tf.placeholder(tf.float32, [], name="learning_rate")
            self.optimizer = OPTIMIZERS[values.optimizer](self.learning_rate)
            self.gradients, self.train_op = self.minimize(self.loss)
        loss, accuracy, layers = self.forward(
            self.images, self.labels, self.keep_prob, training=False
        )
        # What is fetched stays float32, and with it what it is made of. A copy is fetched, as the
        # twin's function returns one, so that in bfloat16 both round alike.
        layers = {name: tf.identity(activation) for name, activation in layers.items()}
        self.evaluation = loss, accuracy, layers
        self.variables = {variable.op.name: variable for variable in tf.global_variables()}

        config = tf.ConfigProto(
            intra_op_parallelism_threads=values.threads,
            inter_op_parallelism_threads=machine.threads_between(values),
        )
        if values.precision == "bfloat16":
            rewrites = config.graph_options.rewrite_options
            rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
        self.session = tf.Session(config=config)
        self.session.run(tf.global_variables_initializer())

    def forward(self, images, labels, keep_prob, training):
        """Returns loss, accuracy, activations, for images [n, 784] and one-hot labels [n, 10]."""
        logits, activations = self.model(images, keep_prob, self.global_step, training)
        with tf.name_scope("loss"):
            if self.loss_name == "mean_squared_error":
                errors = tf.square(logits - labels)
            else:
                errors = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
            loss = tf.reduce_mean(errors)
        with tf.name_scope("accuracy"):
            correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, accuracy, activations

    def minimize(self, loss):
        """Returns gradients, each with its variable, and the operation that updates by them."""
        # optimizer.minimize() is these two; the summaries show the gradients between them.
        gradients = self.optimizer.compute_gradients(loss)
        # What batch norm wants done in each step; without this nothing would do it.
        updates = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(updates):
            train_op = self.optimizer.apply_gradients(gradients, global_step=self.global_step)
        del updates[:]  # what else is built into this graph has updates of its own
        return gradients, train_op

    def train_step(self, images, labels, keep_prob, learning_rate, **run_arguments):
        """Updates the weights once; returns the loss before the update."""
        _, loss = self.session.run(
            [self.train_op, self.loss],
            feed_dict={
                self.images: images,
                self.labels: labels,
                self.keep_prob: keep_prob,
                self.learning_rate: learning_rate,
            },
            **run_arguments,
        )
        return loss

    def evaluate(self, images, labels):
        """Returns loss, accuracy and logits [n, 10], without dropout."""
        loss, accuracy, layers = self.evaluation
        return self.session.run(
            [loss, accuracy, list(layers.values())[-1]],
            feed_dict={self.images: images, self.labels: labels, self.keep_prob: 1.0},
        )

    def layers(self, images):
        """Returns what each layer puts out, without dropout: names to arrays [n, ...]."""
        _, _, layers = self.evaluation
        return self.session.run(layers, feed_dict={self.images: images, self.keep_prob: 1.0})

    def layer_shapes(self):
        """Returns the shapes of what the layers put out, by name; the batch's size is None."""
        return {name: output.shape.as_list() for name, output in self.activations.items()}

    def values(self, names):
        """Returns the arrays that the variables of these names hold, as a dict."""
        return self.session.run({name: self.variables[name] for name in names})


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
    keep_prob = values.keep_prob if "keep_prob" in values else 1.0
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
            learning_rate = schedule.learning_rate(step)
            metadata = summaries.run_metadata(step)
            if loop and not metadata:
                losses = loop(step, keep_prob, learning_rate)
            else:
                losses = [trainer.train_step(images, labels, keep_prob, learning_rate, **metadata)]
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
