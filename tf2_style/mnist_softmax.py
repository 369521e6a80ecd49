"""Softmax regression on MNIST, about 92 % (TensorFlow 2 style).

    python tf2_style/mnist_softmax.py

One dense layer, trained on the mean cross-entropy by gradient descent: the model and the constants
of TensorFlow's tutorial "MNIST For ML Beginners". Its twin is tf1_style/mnist_softmax.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from tf2_style import trainer


class MnistSoftmax(tf.Module):
    """y = x W + b, the logits of ten classes.

    The module owns its variables: `__init__` makes them once, eagerly; `__call__` is traced into
    a graph, more than once, and must not make any.
    """

    def __init__(self, values):
        super().__init__()
        # Zeros to start with: there is nothing to draw, so `values.seed` goes unused.
        with tf.name_scope("softmax"):
            self.W = tf.Variable(tf.zeros([784, 10]), name="W")
            self.b = tf.Variable(tf.zeros([10]), name="b")

    def __call__(self, x, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        with tf.name_scope("softmax/"):  # the slash goes back into the variables' scope
            y = tf.matmul(x, self.W) + self.b  # [n, 784] to [n, 10]
        return y, {"softmax": y}


if __name__ == "__main__":
    trainer.main(
        MnistSoftmax,
        __doc__,
        max_steps=1000,
        batch_size=100,
        optimizer="sgd",
        learning_rate=0.5,
        summary_every=100,
    )
