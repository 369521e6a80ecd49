"""Writes what TensorBoard shows of a run (TensorFlow 1 style)."""

import numpy as np
import tensorflow.compat.v1 as tf

from shared import evaluation, files, graphs, pictures


class Summaries:
    """The summaries of one run, in one folder; none where `directory` is None.

    Histograms are operations of the graph, merged and run; what the loop has as numbers anyway is
    written as such.
    """

    def __init__(self, directory, trainer, values, first_step):
        self._directory = directory
        self._trainer = trainer
        self._values = values
        self._first_step = first_step
        self._keep_prob = values.keep_prob if "keep_prob" in values else 1.0
        self._writer = self._metadata = None
        if directory:
            with files.writing(directory, tf.errors.OpError):
                self._writer = tf.summary.FileWriter(directory)
                self._writer.add_graph(shown_graph(trainer))
            # Made after the graph was written, so that it shows the model and not these.
            for name in trainer.weights:
                tf.summary.histogram(f"weights/{name}", trainer.variables[name])
            for gradient, variable in trainer.gradients:
                tf.summary.histogram(f"gradients/{variable.op.name}", gradient)
            for name, activation in trainer.activations.items():
                tf.summary.histogram(f"activations/{name}", activation)
            self._merged = tf.summary.merge_all()

    def wants(self, step, is_last=False):
        """Says whether it is time for `look`."""
        every = self._values.summary_every
        return bool(self._writer and every and (step % every == 0 or is_last))

    def scalars(self, step, values):
        """Writes a dict of numbers as they are at `step`; None is left out."""
        summary = tf.Summary()
        for tag, value in values.items():
            if value is not None:
                summary.value.add(tag=tag, simple_value=value)
        self._add(summary, step)

    def image(self, step, tag, picture):
        """Writes a picture, uint8 [h, w]; None is left out."""
        if not self._writer or picture is None:
            return
        height, width = picture.shape
        image = tf.Summary.Image(
            height=height,
            width=width,
            colorspace=1,  # grey
            encoded_image_string=pictures.png(picture),
        )
        self._add(tf.Summary(value=[tf.Summary.Value(tag=tag, image=image)]), step)

    def look(self, step, images, labels):
        """Writes histograms of weights, and of gradients and activations for a batch.

        This is a run of its own, apart from the one that trains: fetching more from that one would
        let TensorFlow optimize it otherwise, and in bfloat16 change what is trained.
        """
        trainer = self._trainer
        try:
            merged = trainer.session.run(
                self._merged,
                feed_dict={
                    trainer.images: images,
                    trainer.labels: labels,
                    trainer.keep_prob: self._keep_prob,
                },
            )
        except tf.errors.InvalidArgumentError:
            return  # a number is not finite; the loss will say so
        self._add(merged, step)
        if step == self._first_step:
            self.image(step, "images/input", pictures.of_batch(images, labels))

    def run_metadata(self, step):
        """Returns arguments for `Session.run` that record the time and memory of one step.

        That is the second: the first has TensorFlow optimize the graph.
        """
        self._write_metadata()
        if not self._writer or step != self._first_step + 1:
            return {}
        self._metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        return {"options": options, "run_metadata": self._metadata}

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
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self._add(tf.Summary.FromString(hparams_pb(values).SerializeToString()), 0)

    def _add(self, summary, step):
        if self._writer:
            with self._writing():
                self._writer.add_summary(summary, step)

    def _write_metadata(self):
        if self._metadata and self._metadata.ByteSize():
            step = self._first_step + 1
            with self._writing():
                self._writer.add_run_metadata(self._metadata, f"step {step}", step)
        self._metadata = None

    def _writing(self):
        return files.writing(self._directory, RuntimeError)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._writer:
            self._write_metadata()
            with self._writing():
                self._writer.close()


def shown_graph(trainer):
    """Returns the graph of a training step: without initialisers, saver and the like."""
    outputs = [trainer.train_op, trainer.loss.op, trainer.accuracy.op]
    graph_def = tf.graph_util.extract_sub_graph(
        trainer.session.graph.as_graph_def(add_shapes=True), [output.name for output in outputs]
    )
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graphs.shown(graph_def, {"global_step": "train/global_step"}), name="")
    return graph
