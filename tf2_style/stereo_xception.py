"""How far apart are two pictures? Xception as a layer that is used twice (TensorFlow 2 style).

    python tf2_style/stereo_xception.py --dataset=digits --max_steps=20

A left and a right picture show the same digit. In the right one it is further to the left, by -8 to
8 pixels of the digit: the disparity. One convolutional network, Xception, reads both pictures, and
a dense layer tells the disparity. It is a number and not a class, because an error of one pixel is
smaller than one of two. The model is the "models as layers" example of F. Chollet's "Deep Learning
with Python", section 7.1. Its twin is tf1_style/stereo_xception.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from shared.datasets import stereo
from tf2_style.training import main
from tf2_style.training.layers import bias_variable, weight_variable
from tf2_style.training.sequences import global_average_pool
from tf2_style.training.xception import Xception


class StereoXception(tf.Module):
    """Maps two pictures to a disparity."""

    # --image sets height and width.
    inputs: ClassVar = {
        "left": ([None, None, None, 3], "float32"),
        "right": ([None, None, None, 3], "float32"),
    }
    targets: ClassVar = {"disparity": ([None], "float32")}
    metrics = ("absolute_error",)

    def __init__(self, flags):
        super().__init__()
        self.side = flags.image
        with tf.name_scope("xception"):
            self.xception = Xception(flags.seed)

        with tf.name_scope("disparity"):
            self.W = weight_variable([4096, 1], [flags.seed, 2], "W", "glorot_uniform")
            self.b = bias_variable([1], name="b", value=0.0)

    def __call__(self, left, right, keep_prob, step, training):
        # No dropout: `keep_prob` and `step` go unused.
        with tf.name_scope("input/"):
            shape = [None, self.side, self.side, 3]
            left, right = tf.ensure_shape(left, shape), tf.ensure_shape(right, shape)

        with tf.name_scope("xception/"):  # the slash reopens the variables' scope
            h_left = self.xception(left, training)  # [n, 71, 71, 3] to [n, 3, 3, 2048]
            h_right = self.xception(right, training)

        with tf.name_scope("merge"):
            pooled = [global_average_pool(h_left), global_average_pool(h_right)]
            h = tf.concat(pooled, 1)  # [n, 4096]

        with tf.name_scope("disparity/"):
            y = (tf.matmul(h, self.W) + self.b)[:, 0]  # [n]
        layers = {"xception": h_left, "xception_right": h_right, "merge": h, "disparity": y}
        return {"disparity": y}, layers

    def loss(self, outputs, targets):
        """Returns the mean squared error of a batch in pixels squared, a scalar."""
        return tf.reduce_mean(tf.square(outputs["disparity"] - targets["disparity"]))

    def absolute_error(self, outputs, targets):
        """Returns the mean absolute error of a batch in pixels of a digit, a scalar."""
        return tf.reduce_mean(tf.abs(outputs["disparity"] - targets["disparity"]))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: disparities [n], in pixels of a digit."""
        return {"disparities": outputs["disparity"]}


if __name__ == "__main__":
    main(
        StereoXception,
        __doc__,
        load=stereo.load,
        dataset=("mnist", "fashion_mnist", "digits"),
        max_steps=500,
        batch_size=8,
        optimizer="adam",
        learning_rate=0.0005,
        image=71,
    )
