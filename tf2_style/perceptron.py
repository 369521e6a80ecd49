"""A perceptron that is an OR gate (TensorFlow 2 style).

    python tf2_style/perceptron.py            with weights set by hand
    python tf2_style/perceptron.py --train    with weights learned by gradient descent

One neuron with two inputs, 0 or 1, whose output is -1 for false and 1 for true. The sign that it
decides by has no gradient, so it learns with tanh in its place. Its twin is
tf1_style/perceptron.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

import numpy as np
from absl import flags

from shared import console
from shared.flags import define_learning_rate, parse_values
from shared.trace import Trace

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = np.array([[-1], [1], [1], [1]], np.float32)
X = tf.TensorSpec([None, 2], tf.float32)
Y = tf.TensorSpec([None, 1], tf.float32)


class Perceptron(tf.Module):
    """activation(x w + b), for x [n, 2]: [n, 1]."""

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


def train(values):
    """Returns the outputs [4, 1] of a perceptron that was trained."""
    w = tf.random.stateless_uniform([2, 1], [values.seed, 0], minval=-0.5, maxval=0.5)
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
                var=variable.handle, alpha=values.learning_rate, delta=gradients[name]
            )
        return loss

    trace = Trace()
    trace.record(0, None, variables)
    for epoch in range(values.epochs):
        loss = train_step(INPUTS, TARGETS)
        if epoch % 100 == 0:
            print(f"epoch {epoch}, loss {loss:.4f}", flush=True)
        trace.record(epoch + 1, loss, variables)
    outputs, loss = forward(INPUTS, TARGETS)
    print(f"epoch {values.epochs}, loss {loss:.4f}")
    return outputs.numpy()


def main():
    """Does what the command line asks for."""
    with console.one_line_errors():
        values = flags.FlagValues()
        flags.DEFINE_boolean("train", False, "Learn the weights.", flag_values=values)
        flags.DEFINE_integer("epochs", 500, "Epochs to train.", 1, flag_values=values)
        define_learning_rate(values, 0.1)
        flags.DEFINE_integer(
            "seed", 0, "Seed of the first weights.", 0, 2**31 - 1, flag_values=values
        )
        parse_values(values, sys.argv, __doc__)
        outputs = train(values) if values.train else set_by_hand()
        for (first, second), output in zip(INPUTS, outputs[:, 0]):
            print(f"{first:g} {second:g} -> {output:.4g}")
        right = np.count_nonzero(np.sign(outputs) == TARGETS)
        print(f"{right} of {len(TARGETS)} right")


if __name__ == "__main__":
    main()
