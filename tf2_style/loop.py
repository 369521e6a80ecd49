"""Several steps in one call (TensorFlow 2 style)."""

import tensorflow as tf

from shared import batches, datasets

INDICES = tf.TensorSpec([None, None], tf.int64, name="indices")
KEEP_PROB = tf.TensorSpec([], tf.float32, name="keep_prob")
LEARNING_RATE = tf.TensorSpec([], tf.float32, name="learning_rate")


class Loop:
    """Trains as `Trainer.train_step` does, to the same bits, but many steps in one call.

    All examples are put on the device once, as bytes. What is handed over are the numbers of those
    that each step takes; the steps are a loop over `tf.range`, which becomes part of the graph.
    """

    def __init__(self, trainer, values, examples, *wants):
        """`wants` are functions of a step that say whether a call has to end before it."""
        self._trainer = trainer
        self._calls = batches.Calls(values, len(examples), *wants)
        self._images, self._labels = tf.constant(examples.images), tf.constant(examples.labels)
        self._scale = examples.SCALE

    @tf.function(input_signature=[INDICES, KEEP_PROB, LEARNING_RATE])
    def body(self, indices, keep_prob, learning_rate):
        """Does a step for each row of `indices`, [n, examples]; returns their losses [n]."""
        count = tf.shape(indices)[0]
        losses = tf.TensorArray(tf.float32, count)
        for k in tf.range(count):
            batch = indices[k]
            x = tf.cast(tf.gather(self._images, batch), tf.float32) * self._scale
            y_ = tf.one_hot(tf.gather(self._labels, batch), datasets.CLASSES)
            loss = self._trainer.train_step(x, y_, keep_prob, learning_rate)
            losses = losses.write(k, loss)
        return losses.stack()

    def __call__(self, step, keep_prob, learning_rate):
        """Trains from `step` on until a call has to end; returns the losses of its steps [n]."""
        with self._calls.of(step) as indices:
            return self.body(tf.constant(indices), keep_prob, learning_rate).numpy()
