"""A perceptron that is an OR gate (TensorFlow 2 style).

    python tf2_style/perceptron.py            with weights set by hand
    python tf2_style/perceptron.py --train    with weights learned by gradient descent

One neuron with two inputs, 0 or 1. Its output is -1 for false and 1 for true. The sign function has
no gradient, so the neuron learns with tanh instead. Its twin is
tf1_style/perceptron.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

import numpy as np
from absl.flags import DEFINE_boolean, DEFINE_integer, FlagValues

from shared import console
from shared.flags import define_learning_rate, parse_values
from shared.trace import Trace

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = np.array([[-1], [1], [1], [1]], np.float32)
X = tf.TensorSpec([None, 2], tf.float32)
Y = tf.TensorSpec([None, 1], tf.float32)


class Perceptron(tf.Module):
    """activation(x w + b): maps x [n, 2] to [n, 1]."""

    def __init__(self, w, b, activation):
        super().__init__()
        self.w = tf.Variable(w)
        self.b = tf.Variable(b)
        self.activation = activation

    def __call__(self, x):
        return self.activation(tf.matmul(x, self.w) + self.b)


def set_by_hand():
    """Returns the outputs [4, 1] of a perceptron that needs no training."""
    perceptron = Perceptron(w=[[1.0], [1.0]], b=[-0.5], activation=tf.sign)
    return perceptron(INPUTS).numpy()


def train(flags):
    """Returns the outputs [4, 1] of a perceptron that was trained."""
    w = tf.random.stateless_uniform([2, 1], [flags.seed, 0], minval=-0.5, maxval=0.5)
    perceptron = Perceptron(w, tf.zeros([1]), tf.tanh)
    variables = {"w": perceptron.w, "b": perceptron.b}

    @tf.function(input_signature=[X, Y])
    def forward(x, y):
        output = perceptron(x)
        return output, tf.reduce_mean(tf.square(output - y))

    @tf.function(input_signature=[X, Y])
    def train_step(x, y):
        with tf.GradientTape() as tape:
            _, loss = forward(x, y)
        gradients = tape.gradient(loss, variables)
        for name, variable in variables.items():
            # The kernel of tf.train.GradientDescentOptimizer, so that both styles round alike.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=flags.learning_rate, delta=gradients[name]
            )
        return loss

    trace = Trace()
    trace.record(0, None, variables)
    for epoch in range(flags.epochs):
        loss = train_step(INPUTS, TARGETS)
        if epoch % 100 == 0:
            print(f"epoch {epoch}, loss {loss:.4f}", flush=True)
        trace.record(epoch + 1, loss, variables)
    trace.save()
    outputs, loss = forward(INPUTS, TARGETS)
    print(f"epoch {flags.epochs}, loss {loss:.4f}")
    return outputs.numpy()


def main():
    """Runs the program."""
    with console.one_line_errors():
        flags = FlagValues()
        DEFINE_boolean("train", False, "Learn the weights.", flag_values=flags)
        DEFINE_integer("epochs", 500, "Epochs to train.", 1, flag_values=flags)
        define_learning_rate(flags, 0.1)
        DEFINE_integer("seed", 0, "Seed of the initial weights.", 0, 2**31 - 1, flag_values=flags)
        parse_values(flags, sys.argv, __doc__)
        outputs = train(flags) if flags.train else set_by_hand()
        for (first, second), output in zip(INPUTS, outputs[:, 0]):
            print(f"{first:g} {second:g} -> {output:.4g}")
        right = np.count_nonzero(np.sign(outputs) == TARGETS)
        print(f"{right} of {len(TARGETS)} right")


if __name__ == "__main__":
    main()
