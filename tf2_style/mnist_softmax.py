"""Softmax regression on MNIST, about 92 % (TensorFlow 2 style).

    python tf2_style/mnist_softmax.py

One dense layer, trained on the mean cross-entropy by gradient descent. The model and the constants
are those of TensorFlow's tutorial "MNIST For ML Beginners". Its twin is tf1_style/mnist_softmax.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from tf2_style.training import main
from tf2_style.training.classifier import Classifier


class MnistSoftmax(Classifier):
    """y = x W + b, the logits of ten classes.

    The module owns its variables. `__init__` creates them once, eagerly. TensorFlow traces
    `__call__` into a graph, more than once, so `__call__` must not create any.
    """

    def __init__(self, flags):
        super().__init__(flags)
        # The weights start at zero, so `flags.seed` goes unused.
        with tf.name_scope("softmax"):
            self.W = tf.Variable(tf.zeros([784, 10]), name="W")
            self.b = tf.Variable(tf.zeros([10]), name="b")

    def __call__(self, images, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        with tf.name_scope("softmax/"):  # the slash reopens the variables' scope
            y = tf.matmul(images, self.W) + self.b  # [n, 784] to [n, 10]
        return {"logits": y}, {"softmax": y}


if __name__ == "__main__":
    main(
        MnistSoftmax,
        __doc__,
        max_steps=1000,
        batch_size=100,
        optimizer="sgd",
        learning_rate=0.5,
        summary_every=100,
    )
