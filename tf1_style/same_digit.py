"""Do two images show the same digit? One LSTM reads both (TensorFlow 1 style).

    python tf1_style/same_digit.py --dataset=digits
    python tf1_style/same_digit.py --symmetric

An image is a sequence of 28 rows. The same LSTM, with the same weights, reads each image; a
logistic regression compares the two states. With --symmetric, it compares what does not change when
the images are swapped. The model is the "shared layers" example of F. Chollet's "Deep Learning with
Python". Its twin is tf2_style/same_digit.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

from shared import datasets
from shared.datasets import pairs
from tf1_style.training import main
from tf1_style.training.layers import bias_variable, glorot_uniform
from tf1_style.training.sequences import LSTM


class SameDigit:
    """Maps two images to the logit of "they show the same digit"."""

    inputs: ClassVar = {
        "first": ([None, datasets.PIXELS], "float32"),
        "second": ([None, datasets.PIXELS], "float32"),
    }
    targets: ClassVar = {"same": ([None], "float32")}
    metrics = ("accuracy",)

    def __init__(self, flags):
        self.symmetric = flags.symmetric
        with tf.name_scope("lstm"):
            self.lstm = LSTM(28, 32, [flags.seed, 0])

        with tf.name_scope("same"):
            self.W = tf.Variable(glorot_uniform([64, 1], [flags.seed, 1]), name="W")
            self.b = bias_variable([1], name="b", value=0.0)

    def __call__(self, first, second, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        with tf.name_scope("lstm/"):  # the slash reopens the variables' scope
            h_first = self.lstm(tf.reshape(first, [-1, 28, 28]))  # [n, 784] to [n, 32]
            h_second = self.lstm(tf.reshape(second, [-1, 28, 28]))

        with tf.name_scope("merge"):
            if self.symmetric:
                h = tf.concat([tf.abs(h_first - h_second), h_first * h_second], 1)
            else:
                h = tf.concat([h_first, h_second], 1)  # [n, 64]

        with tf.name_scope("same/"):
            logit = (tf.matmul(h, self.W) + self.b)[:, 0]  # [n]
        layers = {"first": h_first, "second": h_second, "merge": h, "same": logit}
        return {"logit": logit}, layers

    def loss(self, outputs, targets):
        """Returns the mean binary cross-entropy of a batch."""
        errors = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=targets["same"], logits=outputs["logit"]
        )
        return tf.reduce_mean(errors)

    def accuracy(self, outputs, targets):
        """Returns the fraction of a batch that is classified correctly."""
        correct = tf.equal(outputs["logit"] > 0, targets["same"] > 0.5)
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: the probability of the same digit [n]."""
        return {"probability": tf.sigmoid(outputs["logit"])}

    def decode(self, examples):
        """Converts the bytes that the dataset stores to a batch, like `Pairs.batch`."""
        rows = {name: tf.cast(array, tf.float32) for name, array in examples.items()}
        scale = datasets.Images.SCALE
        return dict(rows, first=rows["first"] * scale, second=rows["second"] * scale)


if __name__ == "__main__":
    main(
        SameDigit,
        __doc__,
        load=pairs.load,
        dataset=("mnist", "fashion_mnist", "digits"),
        epochs=10,
        batch_size=128,
        optimizer="adam",
        learning_rate=0.002,
        symmetric=False,
        csv_log=True,
    )
