"""Several steps in one call (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from shared import batches, datasets


class Loop:
    """Trains as `Trainer.train_step` does, to the same bits, but many steps in one `Session.run`.

    All examples are put on the device once, as bytes. What is fed are the numbers of those that
    each step takes; the steps are a `tf.while_loop` of the graph. Its variables have to be resource
    variables (see `Trainer`): TensorFlow 1's own are read once, outside of the loop, and that the
    steps see them updated all the same is an accident of shared memory.
    """

    def __init__(self, trainer, values, examples, *wants):
        """`wants` are functions of a step that say whether a call has to end before it."""
        self._trainer = trainer
        self._calls = batches.Calls(values, len(examples), *wants)
        self._indices = tf.placeholder(tf.int64, [None, None], name="indices")
        count = tf.shape(self._indices)[0]
        images, labels = self._variable(examples.images), self._variable(examples.labels)

        def body(k, losses):
            batch = self._indices[k]
            x = tf.cast(tf.gather(images, batch), tf.float32) * examples.SCALE
            y_ = tf.one_hot(tf.gather(labels, batch), datasets.CLASSES)
            loss, _, _ = trainer.forward(x, y_, trainer.keep_prob, training=True)
            _, train_op = trainer.minimize(loss)
            with tf.control_dependencies([train_op]):
                return k + 1, losses.write(k, loss)

        _, losses = tf.while_loop(
            lambda k, losses: k < count,
            body,
            [0, tf.TensorArray(tf.float32, count)],
            parallel_iterations=1,  # each step reads what the one before it has written
        )
        self._losses = losses.stack()

    def _variable(self, array):
        """Returns an array on the device. A constant would be copied with the graph."""
        value = tf.placeholder(array.dtype, array.shape)
        variable = tf.Variable(value, trainable=False, collections=[])
        self._trainer.session.run(variable.initializer, feed_dict={value: array})
        return variable

    def __call__(self, step, keep_prob, learning_rate):
        """Trains from `step` on until a call has to end; returns the losses of its steps [n]."""
        with self._calls.of(step) as indices:
            return self._trainer.session.run(
                self._losses,
                feed_dict={
                    self._indices: indices,
                    self._trainer.keep_prob: keep_prob,
                    self._trainer.learning_rate: learning_rate,
                },
            )
