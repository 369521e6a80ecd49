"""Guesses age, income and gender of the author of a post (TensorFlow 2 style).

    python tf2_style/posts_profile.py --vocabulary=2000
    python tf2_style/posts_profile.py --vocabulary=2000 --loss_weights=none

Three outputs, from F. Chollet, "Deep Learning with Python". Twin: tf1_style/posts_profile.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared import loss_weights
from shared.console import quiet_import
from shared.datasets import posts

with quiet_import():
    import tensorflow as tf

from tf2_style.training import main
from tf2_style.training.layers import bias_variable, weight_variable
from tf2_style.training.sequences import Embedding, conv1d, global_average_pool, max_pool_1d

CONVOLUTIONS = [[5, 256, 128], [5, 128, 256], [5, 256, 256], [5, 256, 256], [5, 256, 256]]
HEADS = {"age": [-1], "income": [-1, 10], "gender": [-1]}  # shapes of the outputs


class PostsProfile(tf.Module):
    """Maps the word numbers of posts to ages in years, and to logits of income and gender."""

    inputs: ClassVar = {"words": ([None, 300], "int32")}
    targets: ClassVar = {
        "age": ([None], "float32"),
        "income": ([None], "int32"),
        "gender": ([None], "float32"),
    }
    metrics = ("age_loss", "income_loss", "gender_loss", "income_accuracy", "gender_accuracy")

    def __init__(self, flags):
        super().__init__()
        self.loss_weights = loss_weights.parse(flags.loss_weights, HEADS)
        shapes = {f"conv{k}": shape for k, shape in enumerate(CONVOLUTIONS, 1)}
        shapes.update(fc=[256, 128], age=[128, 1], income=[128, 10], gender=[128, 1])
        with tf.name_scope("embedding"):
            self.embed = Embedding(flags.vocabulary, 256, [flags.seed, 0])
        self.W, self.b = {}, {}
        for k, (name, shape) in enumerate(shapes.items(), 1):
            with tf.name_scope(name):
                self.W[name] = weight_variable(shape, [flags.seed, k], "W", "glorot_uniform")
                start = 30.0 if name == "age" else 0.0  # near the mean of all ages
                self.b[name] = bias_variable(shape[-1:], "b", value=start)

    def __call__(self, words, keep_prob, step, training):
        with tf.name_scope("embedding/"):  # the slash reopens the variables' scope
            h = self.embed(words)  # [n, 300] to [n, 300, 256]
        layers = {"embedding": h}
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
            with tf.name_scope(f"{name}/"):  # to lengths 296, 55, 51, 6, 2
                layers[name] = h = tf.nn.relu(conv1d(h, self.W[name]) + self.b[name])
                h = max_pool_1d(h, 5) if name in ("conv1", "conv3") else h  # to 59, 10
        with tf.name_scope("fc/"):
            h = tf.matmul(global_average_pool(h), self.W["fc"]) + self.b["fc"]
            layers["fc"] = h = tf.nn.relu(h)  # [n, 256] to [n, 128]
        with tf.name_scope("heads"):  # one product: h gets one gradient, not a sum of three
            W, b = (tf.concat([part[name] for name in HEADS], -1) for part in (self.W, self.b))
            heads = zip(HEADS.items(), tf.split(tf.matmul(h, W) + b, [1, 10, 1], 1))  # [n, 12]
        outputs = {n: tf.reshape(y, shape, f"{n}/output") for (n, shape), y in heads}
        return outputs, {**layers, **outputs}

    def loss(self, outputs, targets):
        """Returns the weighted sum of the three losses of a batch, a scalar."""
        age, income, gender = self.loss_weights
        loss = age * self.age_loss(outputs, targets) + income * self.income_loss(outputs, targets)
        return loss + gender * self.gender_loss(outputs, targets)

    def age_loss(self, outputs, targets):  # in years squared
        return tf.reduce_mean(tf.square(outputs["age"] - targets["age"]))

    def income_loss(self, outputs, targets):  # mean cross-entropy of ten classes
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
        return tf.reduce_mean(cross_entropy(labels=targets["income"], logits=outputs["income"]))

    def gender_loss(self, outputs, targets):  # mean binary cross-entropy
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits
        return tf.reduce_mean(cross_entropy(labels=targets["gender"], logits=outputs["gender"]))

    def income_accuracy(self, outputs, targets):
        classes = tf.argmax(outputs["income"], 1, output_type=tf.int32)
        return tf.reduce_mean(tf.cast(tf.equal(classes, targets["income"]), tf.float32))

    def gender_accuracy(self, outputs, targets):
        correct = tf.equal(outputs["gender"] > 0, targets["gender"] > 0)
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: ages [n], incomes [n, 10], genders [n]."""
        age, income, gender = (outputs[name] for name in HEADS)
        return {"ages": age, "incomes": tf.nn.softmax(income), "genders": tf.sigmoid(gender)}

    def decode(self, examples):  # the batch holds the arrays as they are stored
        return examples


if __name__ == "__main__":
    main(
        PostsProfile,
        __doc__,
        load=posts.load,
        dataset=("posts",),
        epochs=5,
        batch_size=32,
        optimizer="rmsprop_keras2",
        learning_rate=0.0005,
        vocabulary=50000,
        loss_weights="age:0.25,income:1,gender:10",
    )
