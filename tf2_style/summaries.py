"""Writes what TensorBoard shows of a run (TensorFlow 2 style)."""

import numpy as np
import tensorflow as tf

from shared import evaluation, files, graphs, pictures


class Summaries:
    """The summaries of one run, in one folder; none where `directory` is None.

    There are no summary operations to merge and run: a summary is a call, outside `tf.function`.
    """

    def __init__(self, directory, trainer, values, first_step):
        self._directory = directory
        self._trainer = trainer
        self._values = values
        self._first_step = first_step
        self._keep_prob = values.keep_prob if "keep_prob" in values else 1.0
        self._writer = None
        if directory:
            with self._writing():
                self._writer = tf.summary.create_file_writer(directory)
                with self._writer.as_default():
                    tf.summary.graph(shown_graph(trainer))

    def wants(self, step, is_last=False):
        """Says whether it is time for `look`."""
        every = self._values.summary_every
        return bool(self._writer and every and (step % every == 0 or is_last))

    def scalars(self, step, values):
        """Writes a dict of numbers as they are at `step`; None is left out."""
        if not self._writer:
            return
        with self._writing(), self._writer.as_default(step=step):
            for tag, value in values.items():
                if value is not None:
                    tf.summary.scalar(tag, value)

    def image(self, step, tag, picture):
        """Writes a picture, uint8 [h, w]; None is left out."""
        if not self._writer or picture is None:
            return
        with self._writing(), self._writer.as_default(step=step):
            tf.summary.image(tag, picture[None, :, :, None])

    def look(self, step, images, labels):
        """Writes histograms of weights, and of gradients and activations for a batch.

        Those come from a function of their own, apart from the one that trains: returning more
        from that one would let TensorFlow optimize it otherwise, and in bfloat16 change what is
        trained.
        """
        trainer = self._trainer
        gradients, activations = trainer.gradients_and_activations(images, labels, self._keep_prob)
        tensors = {f"weights/{name}": trainer.variables[name] for name in trainer.weights}
        for variable, gradient in zip(trainer.model.trainable_variables, gradients):
            tensors[f"gradients/{variable.name.split(':')[0]}"] = gradient
        for name, activation in activations.items():
            tensors[f"activations/{name}"] = activation
        with self._writing(), self._writer.as_default(step=step):
            for tag, tensor in tensors.items():
                histogram(tag, tensor.numpy())
        if step == self._first_step:
            self.image(step, "images/input", pictures.of_batch(images, labels))

    def epoch(self, row):
        """Writes what was measured after an epoch, a row of history.csv."""
        for name in set(row) & {"validation_loss", "validation_accuracy"}:
            self.scalars(row["step"], {"/".join(reversed(name.split("_"))): row[name]})

    def results(self, step, flags, examples, test, validation, first_weights):
        """Writes what there is to see of a trained model.

        `test` and `validation` are loss, accuracy and logits; `flags` a dict, for the HParams;
        `first_weights` those of the first layer.
        """
        if not self._writer:
            return
        self.scalars(step, {"loss/test": test[0], "accuracy/test": test[1]})
        if validation:
            self.scalars(
                step, {"loss/validation": validation[0], "accuracy/validation": validation[1]}
            )
        self.image(step, "images/mistakes", evaluation.mistakes_picture(examples, test[2]))
        self.image(step, "images/filters", pictures.tiled(pictures.filters(first_weights)))
        self._hyperparameters(dict(flags, max_steps=step, style=__package__))
        parts = examples.slices(end=evaluation.EMBEDDED)
        layers = [self._trainer.layers(examples.batch(part)[0]) for part in parts]
        # The last hidden layer, or the only one.
        vectors = [list(outputs.values())[-2:][0] for outputs in layers]
        evaluation.save_embedding(self._directory, np.concatenate(vectors), examples)

    def _hyperparameters(self, values):
        from tensorboard.plugins.hparams.summary_v2 import hparams

        with self._writing(), self._writer.as_default(step=0):
            hparams(values)

    def _writing(self):
        return files.writing(self._directory, tf.errors.OpError)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._writer:
            with self._writing():
                self._writer.close()


def histogram(tag, array):
    """Writes the buckets of `tf.summary.histogram`, which takes 240 bytes a number to count them.

    That is 770 MB for the weights of one layer here. Nothing is written where a number is not
    finite; the loss will say so.
    """
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    array = np.float64(array)  # float32 has no room for some ranges, and not for 30 bins in others
    if not np.isfinite(array).all():
        return
    counts, _ = np.histogram(array, bins=30)
    edges = np.linspace(array.min(), array.max(), 31)  # NumPy's are wider where all are equal
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)
    tf.summary.write(tag, buckets, metadata=create_summary_metadata(None, None))


def shown_graph(trainer):
    """Returns the graph of a training step, under the names it would have in TensorFlow 1.

    The tape puts gradients into a scope of its own, and a variable goes by the name of whatever
    reads it first. Only what is shown is renamed.
    """
    graph = trainer.train_step.get_concrete_function().graph
    names = {argument: f"input/{argument}" for argument in ("images", "labels", "keep_prob")}
    names["learning_rate"] = "train/learning_rate"
    names["gradient_tape"] = "train/gradients"
    variables = {id(variable.handle): name for name, variable in trainer.variables.items()}
    for handle, placeholder in graph.captures:
        name = variables[id(handle)]
        if name == "global_step":
            name = "train/global_step"
        names[placeholder.op.name] = name
        reads = [reader for reader in placeholder.consumers() if reader.type == "ReadVariableOp"]
        if reads:
            names[reads[0].name] = f"{name}/read"
    return graphs.shown(graph.as_graph_def(add_shapes=True), names)
