"""Two dense layers on MNIST, written from scratch, about 82 % (TensorFlow 1 style).

    python tf1_style/mnist_naive.py

Layer, model, batches, loss and gradient descent take a few lines each. It follows F. Chollet, Deep
Learning with Python, 2nd edition, chapter 2. Its twin is tf2_style/mnist_naive.py.
"""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

from absl.flags import DEFINE_integer, FlagValues

from shared import console, datasets
from shared.flags import define_dataset, define_learning_rate, parse_values
from shared.trace import Trace


class NaiveDense:
    """activation(x W + b)"""

    def __init__(self, input_size, output_size, activation, seed):
        W = tf.random.stateless_uniform([input_size, output_size], seed, minval=0, maxval=0.1)
        self.weights = [tf.Variable(W), tf.Variable(tf.zeros([output_size]))]
        self.activation = activation

    def __call__(self, x):
        W, b = self.weights
        return self.activation(tf.matmul(x, W) + b)


class NaiveSequential:
    """Layers, one after the other."""

    def __init__(self, layers):
        self.layers = layers
        self.weights = [weight for layer in layers for weight in layer.weights]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class BatchGenerator:
    """Yields the batches of all epochs in file order; the last of each epoch may be short."""

    def __init__(self, examples, batch_size, epochs):
        self.examples = examples
        self.batch_size = batch_size
        self.epochs = epochs

    def __iter__(self):
        for _ in range(self.epochs):
            for part in self.examples.slices(self.batch_size):
                yield self.examples.batch(part, one_hot=False)


def fit(model, batches, learning_rate):
    """Trains the model in the default session."""
    images = tf.placeholder(tf.float32, [None, 784])
    labels = tf.placeholder(tf.int64, [None])
    # The mean cross-entropy, clipped as in Keras because the logarithm of 0 is -inf.
    log = tf.math.log(tf.clip_by_value(model(images), 1e-7, 1 - 1e-7))
    loss = -tf.reduce_mean(tf.reduce_sum(tf.one_hot(labels, 10) * log, axis=1))
    gradients = tf.gradients(loss, model.weights)
    # The gradient of W1 depends on W2, so all gradients are computed before any update.
    with tf.control_dependencies(gradients):
        train_op = [tf.assign_sub(w, g * learning_rate) for w, g in zip(model.weights, gradients)]
    variables = dict(zip(["W1", "b1", "W2", "b2"], model.weights))
    trace, session = Trace(), tf.get_default_session()
    session.run(tf.global_variables_initializer())
    if trace.is_due(0):
        trace.record(0, None, session.run(variables))
    for step, batch in enumerate(batches):
        _, loss_before = session.run([train_op, loss], dict(zip([images, labels], batch.values())))
        if step % 100 == 0:
            print(f"step {step}, training loss {loss_before:.4f}", flush=True)
        if trace.is_due(step + 1):
            trace.record(step + 1, loss_before, session.run(variables))
    trace.save()


def main():
    """Runs the program."""
    with console.one_line_errors():
        flags = FlagValues()
        define_dataset(flags)
        DEFINE_integer("epochs", 10, "Epochs to train.", 1, flag_values=flags)
        DEFINE_integer("max_steps", None, "Step limit.", 1, sys.maxsize, flag_values=flags)
        DEFINE_integer("batch_size", 128, "Examples per step.", 1, flag_values=flags)
        define_learning_rate(flags, 1e-3)
        DEFINE_integer("seed", 0, "Seed of the initial weights.", 0, 2**31 - 1, flag_values=flags)
        parse_values(flags, sys.argv, __doc__)
        data = datasets.load(flags.dataset, flags.data_dir, validation_size=0)
        hidden = NaiveDense(784, 512, tf.nn.relu, seed=[flags.seed, 0])
        output = NaiveDense(512, 10, tf.nn.softmax, seed=[flags.seed, 2])
        model = NaiveSequential([hidden, output])
        batches = BatchGenerator(data.train, flags.batch_size, flags.epochs)
        with tf.Session():
            fit(model, itertools.islice(batches, flags.max_steps), flags.learning_rate)
            x = tf.placeholder(tf.float32, [None, 784])
            test = data.test.batch(slice(None), one_hot=False)
            classes = tf.argmax(model(x), axis=1).eval({x: test["images"]})
        print(f"test accuracy {(classes == test['labels']).mean():g}")


if __name__ == "__main__":
    main()
