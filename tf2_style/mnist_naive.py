"""Two dense layers on MNIST, written from scratch, about 82 % (TensorFlow 2 style).

    python tf2_style/mnist_naive.py

Layer, model, batches, loss and gradient descent take a few lines each. It follows F. Chollet, Deep
Learning with Python, 2nd edition, chapter 2. Its twin is tf1_style/mnist_naive.py.
"""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from absl.flags import DEFINE_integer, FlagValues

from shared import console, datasets
from shared.flags import define_dataset, define_learning_rate, parse_values
from shared.trace import Trace

IMAGES = tf.TensorSpec([None, 784], tf.float32)
LABELS = tf.TensorSpec([None], tf.int64)


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
    """Trains the model."""

    @tf.function(input_signature=[IMAGES, LABELS])
    def train_step(images, labels):
        with tf.GradientTape() as tape:
            # The mean cross-entropy, clipped as in Keras because the logarithm of 0 is -inf.
            log = tf.math.log(tf.clip_by_value(model(images), 1e-7, 1 - 1e-7))
            loss = -tf.reduce_mean(tf.reduce_sum(tf.one_hot(labels, 10) * log, axis=1))
        for w, g in zip(model.weights, tape.gradient(loss, model.weights)):
            w.assign_sub(g * learning_rate)
        return loss

    variables = dict(zip(["W1", "b1", "W2", "b2"], model.weights))
    trace = Trace()
    trace.record(0, None, variables)
    for step, batch in enumerate(batches):
        loss = train_step(**batch)
        if step % 100 == 0:
            print(f"step {step}, training loss {loss:.4f}", flush=True)
        trace.record(step + 1, loss, variables)
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
        fit(model, itertools.islice(batches, flags.max_steps), flags.learning_rate)
        test = data.test.batch(slice(None), one_hot=False)
        classify = tf.function(lambda x: tf.argmax(model(x), axis=1), input_signature=[IMAGES])
        print(f"test accuracy {(classify(test['images']).numpy() == test['labels']).mean():g}")


if __name__ == "__main__":
    main()
