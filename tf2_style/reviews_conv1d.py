"""Tells good reviews of films from bad ones with 1D convolutions (TensorFlow 2 style).

    python tf2_style/reviews_conv1d.py --vocabulary=20000 --batch_size=64
    python tf2_style/reviews_conv1d.py --loss=binary_on_scores
    python tf2_style/reviews_conv1d.py --run_dir=FOLDER --predict_text="A delightful film"

--loss=binary_on_scores is a mistake: a loss of probabilities gets scores. The model comes from F.
Chollet's "Deep Learning with Python", chapter 7. Its twin is tf1_style/reviews_conv1d.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared import answering
from shared.console import quiet_import
from shared.datasets import reviews

with quiet_import():
    import tensorflow as tf

from tf2_style.training import main
from tf2_style.training.layers import bias_variable, dropout, weight_variable
from tf2_style.training.sequences import Embedding, conv1d, global_average_pool, max_pool_1d

EPSILON = 1e-7  # Keras keeps probabilities this far from 0 and 1


class ReviewsConv1d(tf.Module):
    """Maps the word numbers of reviews to scores; a positive review has a score above 0."""

    inputs: ClassVar = {"words": ([None, None], "int32")}  # of any length
    targets: ClassVar = {"positive": ([None], "float32")}
    metrics = ("accuracy",)
    projected: ClassVar = {"embedding/E": reviews.words}  # for TensorBoard's projector

    def __init__(self, flags):
        super().__init__()
        self.seed = flags.seed
        self.on_scores = flags.loss == "binary_on_scores"
        with tf.name_scope("embedding"):
            self.embed = Embedding(flags.vocabulary, 128, [flags.seed, 0])

        with tf.name_scope("conv1"):
            self.W_conv1 = weight_variable([7, 128, 32], [flags.seed, 1], "W", "glorot_uniform")
            self.b_conv1 = bias_variable([32], "b", value=0.0)

        with tf.name_scope("conv2"):
            self.W_conv2 = weight_variable([7, 32, 32], [flags.seed, 2], "W", "glorot_uniform")
            self.b_conv2 = bias_variable([32], "b", value=0.0)

        with tf.name_scope("score"):
            self.W = weight_variable([32, 1], [flags.seed, 3], "W", "glorot_uniform")
            self.b = bias_variable([1], "b", value=0.0)

    def __call__(self, words, keep_prob, step, training):
        with tf.name_scope("embedding/"):  # the slash reopens the variables' scope
            x = self.embed(words)  # [n, 64] to [n, 64, 128]; a length of 500 for imdb

        with tf.name_scope("dropout"):
            x_drop = dropout(x, keep_prob, seed=[self.seed, step])

        with tf.name_scope("conv1/"):
            h_conv1 = tf.nn.relu(conv1d(x_drop, self.W_conv1) + self.b_conv1)  # [n, 58, 32]
            h_pool1 = max_pool_1d(h_conv1, 5)  # [n, 11, 32]

        with tf.name_scope("conv2/"):
            h_conv2 = tf.nn.relu(conv1d(h_pool1, self.W_conv2) + self.b_conv2)  # [n, 5, 32]

        with tf.name_scope("score/"):
            h = global_average_pool(h_conv2)  # [n, 32]
            y = tf.matmul(h, self.W) + self.b  # [n, 1]
        return {"scores": y[:, 0]}, {"embedding": x, "conv1": h_conv1, "conv2": h_conv2, "score": y}

    def loss(self, outputs, targets):
        """Returns the mean binary cross-entropy of a batch, a scalar."""
        scores = outputs["scores"]
        if self.on_scores:  # as Keras does with probabilities: it turns them back into scores
            p = tf.clip_by_value(scores, EPSILON, 1 - EPSILON)
            scores = tf.math.log(p / (1 - p))
        errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets["positive"], logits=scores)
        return tf.reduce_mean(errors)

    def accuracy(self, outputs, targets):
        """Returns the fraction of a batch that is classified correctly, a scalar."""
        positive = outputs["scores"] > (0.5 if self.on_scores else 0.0)
        correct = tf.equal(positive, targets["positive"] > 0.5)
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: the probabilities of a positive review [n]."""
        return {"positive": tf.sigmoid(outputs["scores"])}

    def decode(self, examples):
        """Returns the batch: the arrays that the dataset stores."""
        return examples


if __name__ == "__main__":
    main(
        ReviewsConv1d,
        __doc__,
        load=reviews.load,
        answer=answering.review,
        dataset=("movie_reviews", "imdb"),
        loss=("binary_cross_entropy", "binary_on_scores"),
        epochs=10,
        batch_size=128,
        last_batch="short",
        optimizer="rmsprop_keras2",
        learning_rate=0.001,
        vocabulary=2000,
        length=None,
        keep_prob=0.25,
        keep_best=True,
    )
