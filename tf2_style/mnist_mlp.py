"""Dense layers on MNIST: from a network that stalls to about 98 % (TensorFlow 2 style).

    python tf2_style/mnist_mlp.py
    python tf2_style/mnist_mlp.py --learning_rate=0.01 --decay=0.6 --keep_prob=0.75
    python tf2_style/mnist_mlp.py --activation=sigmoid --optimizer=sgd --learning_rate=0.01

Hidden layers of as many units as `--hidden` says, the defaults those of M. Goerner's "TensorFlow
and deep learning, without a PhD". Its twin is tf1_style/mnist_mlp.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from tf2_style import trainer
from tf2_style.layers import ACTIVATIONS, bias_variable, dropout, weight_variable


class MnistMlp(tf.Module):
    """The outputs for ten classes for flat images, and the activations of each layer."""

    def __init__(self, values):
        super().__init__()
        self.seed = seed = values.seed
        self.activation = ACTIVATIONS[values.activation]
        self.output_activation = ACTIVATIONS[values.output_activation]
        units = [784, *map(int, values.hidden.split(",")), 10]
        self.W, self.b = [], []
        for number in range(len(units) - 1):
            shape, name = units[number : number + 2], f"fc{number + 1}"
            with tf.name_scope(name):
                W = weight_variable(shape, [seed, 2 * number], f"W_{name}", values.initializer)
                b = bias_variable(shape[1:], f"b_{name}", value=0.0)
            self.W.append(W)
            self.b.append(b)

    def __call__(self, x, keep_prob, step, training):
        h, activations = x, {}  # [n, 784]
        for number, (W, b) in enumerate(zip(self.W, self.b)):
            is_last = number == len(self.W) - 1
            activation = self.output_activation if is_last else self.activation
            name = f"fc{number + 1}"
            with tf.name_scope(f"{name}/"):  # the slash goes back into the variables' scope
                h = activation(tf.matmul(h, W) + b)  # [n, units of the layer]
            activations[name] = h
            if not is_last:
                with tf.name_scope(f"dropout{number + 1}"):
                    h = dropout(h, keep_prob, seed=[self.seed, step], layer=number)
        return h, activations


if __name__ == "__main__":
    trainer.main(
        MnistMlp,
        __doc__,
        epochs=10,
        batch_size=128,
        last_batch="short",
        optimizer="adam",
        learning_rate=1e-3,
        hidden="200,60",
        activation="relu",
        output_activation="linear",
        initializer="glorot_uniform",
        keep_prob=1.0,
        csv_log=True,
    )
