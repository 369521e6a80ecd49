"""Writes a run's summaries for TensorBoard (TensorFlow 1 style).

shared/summaries.py decides what is written, and when. The twin is tf2_style/training/summaries.py.
"""

import tensorflow.compat.v1 as tf

from shared import graphs, pictures, summaries


class Summaries(summaries.RunSummaries):
    """Writes scalars, images, histograms and the graph.

    Histograms are operations of the graph, merged into one operation that a session runs. Numbers
    and pictures are already in Python; each becomes a protocol buffer.
    """

    errors = (tf.errors.OpError, RuntimeError)

    def open(self):
        """Opens a writer, writes the graph, and returns the writer."""
        writer = tf.summary.FileWriter(self.directory)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(shown_graph(self.trainer), name="")
        writer.add_graph(graph)
        # The histograms are added after the graph was written, so that it shows only the model.
        for name in self.trainer.weights:
            tf.summary.histogram(f"weights/{name}", self.trainer.variables[name])
        for gradient, variable in self.trainer.gradients:
            # The gradient of an embedding is sparse.
            gradient = tf.convert_to_tensor(gradient)
            tf.summary.histogram(f"gradients/{variable.op.name}", gradient)
        for name, activation in self.trainer.activations.items():
            tf.summary.histogram(f"activations/{name}", activation)
        self._merged = tf.summary.merge_all()
        self._metadata = None
        return writer

    def scalars(self, step, values):
        """Writes a dict of numbers for a step; skips None."""
        summary = tf.Summary()
        for tag, value in values.items():
            if value is not None:
                summary.value.add(tag=tag, simple_value=value)
        self._add(summary, step)

    def image(self, step, tag, picture):
        """Writes a picture, uint8 [h, w]; skips None."""
        if not self.writer or picture is None:
            return
        height, width = picture.shape
        image = tf.Summary.Image(
            height=height,
            width=width,
            colorspace=1,  # grey
            encoded_image_string=pictures.png(picture),
        )
        self._add(tf.Summary(value=[tf.Summary.Value(tag=tag, image=image)]), step)

    def layer_histograms(self, step, batch):
        """Writes histograms of the weights, and of gradients and activations for a batch.

        This is a separate `Session.run`. If the run that trains fetched more, TensorFlow would
        optimize it differently, which changes the numbers in bfloat16.
        """
        feed = self.trainer.feed(batch, self.keep_prob)
        try:
            merged = self.trainer.session.run(self._merged, feed)
        except tf.errors.InvalidArgumentError:
            return  # a number is not finite; the loss will report it
        self._add(merged, step)

    def run_metadata(self, step):
        """Returns arguments that let `Session.run` record time and memory; none for most steps.

        The second step is recorded, because TensorFlow optimizes the graph in the first.
        """
        self._write_metadata()
        if not self.writer or step != self.first_step + 1:
            return {}
        self._metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        return {"options": options, "run_metadata": self._metadata}

    def _add(self, summary, step):
        if self.writer:
            with self.writing():
                self.writer.add_summary(summary, step)

    def _write_metadata(self):
        if self.writer and self._metadata and self._metadata.ByteSize():
            step = self.first_step + 1
            with self.writing():
                self.writer.add_run_metadata(self._metadata, f"step {step}", step)
            self._metadata = None

    def flush(self):
        """Writes all pending summaries to the event file."""
        self._write_metadata()
        self.writer.flush()

    def close(self):
        """Closes the event file."""
        self._write_metadata()
        self.writer.close()


def shown_graph(trainer):
    """Returns the GraphDef of a training step, without initialisers and savers."""
    outputs = [
        trainer.train_op,
        trainer.loss.op,
        *(metric.op for metric in trainer.metrics.values()),
    ]
    graph_def = tf.graph_util.extract_sub_graph(
        trainer.session.graph.as_graph_def(add_shapes=True), [output.name for output in outputs]
    )
    return graphs.shown(graph_def, {"global_step": "train/global_step"})
