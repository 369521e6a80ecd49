"""Gradients of three small functions by tf.GradientTape (TensorFlow 2 style).

    python tf2_style/tape_basics.py

While the tape is open, it records operations on variables. It records operations on other tensors
only after tape.watch. If y is not a scalar, the gradients are those of the sum of its elements. The
functions are those of F. Chollet, Deep Learning with Python, 2nd edition, chapter 2. Its twin is
tf1_style/tape_basics.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from absl import flags

from shared import console
from shared.flags import parse_values
from shared.trace import Trace


def scalar_gradient():
    """Returns the gradient of 2x + 3 with respect to a scalar x."""
    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        y = 2 * x + 3
    return tape.gradient(y, x)


def matrix_gradient():
    """Returns the gradient of 2X + 3 with respect to X [2, 2]."""
    X = tf.Variable(tf.zeros([2, 2]))
    with tf.GradientTape() as tape:
        y = 2 * X + 3
    return tape.gradient(y, X)


def dense_gradients():
    """Returns the gradients of xW + b with respect to W [2, 2] and b [2]."""
    W = tf.Variable(tf.random.stateless_uniform([2, 2], seed=[0, 0]))
    b = tf.Variable(tf.zeros([2]))
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        y = tf.matmul(x, W) + b
    return tape.gradient(y, [W, b])


def main():
    """Prints the gradients."""
    with console.one_line_errors():
        parse_values(flags.FlagValues(), sys.argv, __doc__)
        trace = Trace()
        by_W, by_b = dense_gradients()
        gradients = {
            "d(2x+3)/dx": scalar_gradient(),
            "d(2X+3)/dX": matrix_gradient(),
            "d(xW+b)/dW": by_W,
            "d(xW+b)/db": by_b,
        }
        for name, gradient in gradients.items():
            print(f"{name}: shape {list(gradient.shape)}, {gradient.numpy().tolist()}")
        trace.record(0, None, {}, gradients)
        trace.save()


if __name__ == "__main__":
    main()
