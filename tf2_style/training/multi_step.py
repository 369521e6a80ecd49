"""Many steps in one call, for --steps_per_call (TensorFlow 2 style)."""

import tensorflow as tf

from shared import batches
from tf2_style.training.trainer import KEEP_PROB, LEARNING_RATE

INDICES = tf.TensorSpec([None, None], tf.int64, name="indices")


class MultiStep:
    """Trains like `Trainer.train_step`, bit-identical, but runs many steps in one call.

    The constructor copies all examples to the device, as the dataset stores them. A call gets only
    the indices of the examples that each step takes. The steps are a loop over `tf.range`, which
    becomes part of the graph.
    """

    def __init__(self, trainer, flags, examples, *is_due):
        """`is_due` are functions that take a step and return whether a call must end before it."""
        self._trainer = trainer
        self._calls = batches.Calls(flags, len(examples), *is_due)
        self._arrays = {name: tf.constant(array) for name, array in examples.arrays.items()}

    @tf.function(input_signature=[INDICES, KEEP_PROB, LEARNING_RATE])
    def body(self, indices, keep_prob, learning_rate):
        """Runs a step for each row of `indices`, [n, examples]; returns their losses [n]."""
        count = tf.shape(indices)[0]
        losses = tf.TensorArray(tf.float32, count)
        for k in tf.range(count):
            rows = {name: tf.gather(array, indices[k]) for name, array in self._arrays.items()}
            batch = self._trainer.model.decode(rows)
            loss = self._trainer.update(batch, keep_prob, learning_rate)
            losses = losses.write(k, loss)
        return losses.stack()

    def __call__(self, step, keep_prob, learning_rate):
        """Trains from `step` until the call must end; returns the losses of its steps [n]."""
        with self._calls.indices(step) as indices:
            keep_prob, learning_rate = tf.constant(keep_prob), tf.constant(learning_rate)
            return self.body(tf.constant(indices), keep_prob, learning_rate).numpy()
