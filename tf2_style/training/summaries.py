"""Writes a run's summaries for TensorBoard (TensorFlow 2 style).

shared/summaries.py decides what is written, and when. The twin is tf1_style/training/summaries.py.
"""

import numpy as np
import tensorflow as tf

from shared import graphs, summaries


class Summaries(summaries.RunSummaries):
    """Writes scalars, images, histograms and the graph.

    There are no operations to merge and run. A summary is a call outside of `tf.function`, while a
    writer is the default.
    """

    errors = (tf.errors.OpError,)

    def open(self):
        """Opens a writer, writes the graph, and returns the writer."""
        writer = tf.summary.create_file_writer(self.directory)
        with writer.as_default():
            tf.summary.graph(shown_graph(self.trainer))
        return writer

    def scalars(self, step, values):
        """Writes a dict of numbers for a step; skips None."""
        if not self.writer:
            return
        with self.writing(), self.writer.as_default(step=step):
            for tag, value in values.items():
                if value is not None:
                    tf.summary.scalar(tag, value)

    def image(self, step, tag, picture):
        """Writes a picture, uint8 [h, w]; skips None."""
        if not self.writer or picture is None:
            return
        with self.writing(), self.writer.as_default(step=step):
            tf.summary.image(tag, picture[None, :, :, None])

    def layer_histograms(self, step, batch):
        """Writes histograms of the weights, and of gradients and activations for a batch.

        A separate function computes gradients and activations. If the function that trains returned
        more, TensorFlow would optimize it differently, which changes the numbers in bfloat16.
        """
        trainer = self.trainer
        gradients, activations = trainer.gradients_and_activations(batch, self.keep_prob)
        tensors = {f"weights/{name}": trainer.variables[name] for name in trainer.weights}
        for variable, gradient in zip(trainer.model.trainable_variables, gradients):
            # The gradient of an embedding is sparse.
            gradient = tf.convert_to_tensor(gradient)
            tensors[f"gradients/{variable.name.split(':')[0]}"] = gradient
        for name, activation in activations.items():
            tensors[f"activations/{name}"] = activation
        with self.writing(), self.writer.as_default(step=step):
            for tag, tensor in tensors.items():
                histogram(tag, tensor.numpy())

    def run_metadata(self, step):
        """Returns no arguments: TensorFlow 2 records time and memory with its profiler."""
        return {}

    def flush(self):
        """Writes all pending summaries to the event file."""
        self.writer.flush()

    def close(self):
        """Closes the event file."""
        self.writer.close()


def histogram(tag, array):
    """Writes a histogram with the same buckets as `tf.summary.histogram`, in less memory.

    TensorFlow's function takes 240 bytes for each number, 770 MB for the weights of one layer of
    mnist_deep. If a number is not finite, nothing is written; the loss will report it.
    """
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    array = np.float64(array)  # float32 overflows or is too coarse for some ranges
    if not np.isfinite(array).all():
        return
    counts, _ = np.histogram(array, bins=30)
    edges = np.linspace(array.min(), array.max(), 31)  # NumPy's are wider if all numbers are equal
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)
    tf.summary.write(tag, buckets, metadata=create_summary_metadata(None, None))


def shown_graph(trainer):
    """Returns the GraphDef of a training step, with the names that TensorFlow 1 would give it.

    In the graph of a function, the tape puts gradients into other scopes, a variable is named after
    the operation that reads it first, and each operation reads it again. Only TensorBoard's copy of
    the graph changes.
    """
    graph = trainer.update.get_concrete_function().graph
    graph_def = graph.as_graph_def(add_shapes=True)
    optimizer = f"train/{type(trainer.optimizer).__name__}"
    arguments = [*trainer.model.inputs, *trainer.model.targets, "keep_prob"]
    names = graphs.custom_gradients(graph_def, "train", optimizer)
    for node in graph_def.node:
        if node.op == "MaxPool":
            names[node.name] = node.name.replace("MaxPool2d", "MaxPool")
    names["learning_rate"] = "train/learning_rate"
    names["gradient_tape"] = graphs.GRADIENTS
    names["train/ones"] = f"{graphs.GRADIENTS}/grad_ys_0"  # the gradient of the loss itself
    variables = {
        id(copy.handle): name
        for name, variable in trainer.variables.items()
        for copy in getattr(variable, "values", [variable])  # several replicas have a copy each
    }
    for handle, placeholder in graph.captures:
        name = variables[id(handle)]
        if name == "global_step":
            name = "train/global_step"
        names[placeholder.op.name] = name
        for user in placeholder.consumers():
            if user.type == "ReadVariableOp" and not user.control_inputs:
                names[user.name] = f"{name}/read"
            elif user.type.startswith("ResourceApply") and user.inputs[0] is placeholder:
                names[user.name] = f"{optimizer}/update_{name}/{user.type}"
                for tensor in user.inputs:  # constants such as beta1 are the same for all variables
                    if tensor.op.type == "Const":
                        names[tensor.op.name] = f"{optimizer}/{tensor.op.name.split('/')[-1]}"
    return graphs.shown(graph_def, names, arguments)
