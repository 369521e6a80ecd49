"""Softmax regression on MNIST, about 92 % (TensorFlow 1 style).

    python tf1_style/mnist_softmax.py

One dense layer, trained on the mean cross-entropy by gradient descent. The model and the constants
are those of TensorFlow's tutorial "MNIST For ML Beginners". Its twin is tf2_style/mnist_softmax.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

from tf1_style.training import main
from tf1_style.training.classifier import Classifier


class MnistSoftmax(Classifier):
    """y = x W + b, the logits of ten classes.

    Old programs create a variable where they use it. This one creates all of them in `__init__`,
    as the TensorFlow 2 twin must. Make this change, and test it, before you leave TensorFlow 1.
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
