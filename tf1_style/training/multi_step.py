"""Many steps in one call, for --steps_per_call (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from shared import batches


class MultiStep:
    """Trains like `Trainer.train_step`, bit-identical, but runs many steps in one `Session.run`.

    The constructor copies all examples to the device, as the dataset stores them. A call feeds only
    the indices of the examples that each step takes. The steps are a `tf.while_loop` in the graph.
    The loop needs resource variables (see `Trainer`). It reads TensorFlow 1's reference variables
    only once, before it starts. Their updates reach the next step only because the variable and the
    value that was read happen to share their memory.
    """

    def __init__(self, trainer, flags, examples, *is_due):
        """`is_due` are functions that take a step and return whether a call must end before it."""
        self._trainer = trainer
        self._calls = batches.Calls(flags, len(examples), *is_due)
        self._indices = tf.placeholder(tf.int64, [None, None], name="indices")
        count = tf.shape(self._indices)[0]
        arrays = {name: self._variable(array) for name, array in examples.arrays.items()}

        def body(k, losses):
            rows = {name: tf.gather(array, self._indices[k]) for name, array in arrays.items()}
            batch = trainer.model.decode(rows)
            loss, _, _, _ = trainer.forward(batch, trainer.keep_prob, training=True)
            _, train_op = trainer.minimize(loss)
            with tf.control_dependencies([train_op]):
                return k + 1, losses.write(k, loss)

        _, losses = tf.while_loop(
            lambda k, losses: k < count,
            body,
            [0, tf.TensorArray(tf.float32, count)],
            parallel_iterations=1,  # each step reads what the step before it has written
        )
        self._losses = losses.stack()

    def _variable(self, array):
        """Copies an array to the device. A constant would be copied with the graph."""
        value = tf.placeholder(array.dtype, array.shape)
        variable = tf.Variable(value, trainable=False, collections=[])
        self._trainer.session.run(variable.initializer, feed_dict={value: array})
        return variable

    def __call__(self, step, keep_prob, learning_rate):
        """Trains from `step` until the call must end; returns the losses of its steps [n]."""
        with self._calls.indices(step) as indices:
            return self._trainer.session.run(
                self._losses,
                feed_dict={
                    self._indices: indices,
                    self._trainer.keep_prob: keep_prob,
                    self._trainer.learning_rate: learning_rate,
                },
            )
