"""The base class of the digit models: inputs, targets, loss, metric (TensorFlow 1 style).

A model of another kind declares its own; see docs/adding-a-model.md.
"""

from typing import ClassVar

import tensorflow.compat.v1 as tf

from shared import datasets


class Classifier:
    """A model that maps flat images to the logits of ten classes.

    Attributes
    ----------
    inputs, targets : names to (shape, dtype). The trainer makes a placeholder of each.
    metrics : the names of the methods that compute them.
    """

    inputs: ClassVar = {"images": ([None, datasets.PIXELS], "float32")}
    targets: ClassVar = {"labels": ([None, datasets.CLASSES], "float32")}  # one-hot
    metrics = ("accuracy",)

    def __init__(self, flags):
        self.loss_name = flags.loss

    def loss(self, outputs, targets):
        """Returns the mean loss of a batch, a scalar."""
        logits, labels = outputs["logits"], targets["labels"]
        if self.loss_name == "mean_squared_error":
            return tf.reduce_mean(tf.square(logits - labels))
        errors = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
        return tf.reduce_mean(errors)

    def accuracy(self, outputs, targets):
        """Returns the fraction of a batch that is classified correctly, a scalar."""
        correct = tf.equal(tf.argmax(outputs["logits"], 1), tf.argmax(targets["labels"], 1))
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: scores [n, 10] that sum to 1, classes [n]."""
        logits = outputs["logits"]
        return {"scores": tf.nn.softmax(logits), "classes": tf.argmax(logits, 1)}

    def decode(self, examples):
        """Converts the bytes that a dataset stores to a batch, like `Images.batch`."""
        images = tf.cast(examples["images"], tf.float32) * datasets.Images.SCALE
        return {"images": images, "labels": tf.one_hot(examples["labels"], datasets.CLASSES)}
