"""Dense layers on MNIST, up to about 98 % (TensorFlow 2 style).

    python tf2_style/mnist_mlp.py
    python tf2_style/mnist_mlp.py --learning_rate=0.01 --decay=0.6 --keep_prob=0.75
    python tf2_style/mnist_mlp.py --activation=sigmoid --optimizer=sgd --learning_rate=0.01

`--hidden` gives the units of each hidden layer. The defaults are those of M. Goerner's "TensorFlow
and deep learning, without a PhD". Its twin is tf1_style/mnist_mlp.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from tf2_style.training import main
from tf2_style.training.classifier import Classifier
from tf2_style.training.layers import ACTIVATIONS, bias_variable, dropout, weight_variable


class MnistMlp(Classifier):
    """Maps flat images to the outputs for ten classes and the activations of each layer."""

    def __init__(self, flags):
        super().__init__(flags)
        self.seed = seed = flags.seed
        self.activation = ACTIVATIONS[flags.activation]
        self.output_activation = ACTIVATIONS[flags.output_activation]
        units = [784, *map(int, flags.hidden.split(",")), 10]
        self.W, self.b = [], []
        for number in range(len(units) - 1):
            shape, name = units[number : number + 2], f"fc{number + 1}"
            with tf.name_scope(name):
                W = weight_variable(shape, [seed, 2 * number], f"W_{name}", flags.initializer)
                b = bias_variable(shape[1:], f"b_{name}", value=0.0)
            self.W.append(W)
            self.b.append(b)

    def __call__(self, images, keep_prob, step, training):
        h, activations = images, {}  # [n, 784]
        for number, (W, b) in enumerate(zip(self.W, self.b)):
            is_last = number == len(self.W) - 1
            activation = self.output_activation if is_last else self.activation
            name = f"fc{number + 1}"
            with tf.name_scope(f"{name}/"):  # the slash reopens the variables' scope
                h = activation(tf.matmul(h, W) + b)  # [n, units of the layer]
            activations[name] = h
            if not is_last:
                with tf.name_scope(f"dropout{number + 1}"):
                    h = dropout(h, keep_prob, seed=[self.seed, step], layer=number)
        return {"logits": h}, activations


if __name__ == "__main__":
    main(
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
