"""Update rules by their names (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf


class KerasRMSProp(tf.train.RMSPropOptimizer):
    """RMSProp with Keras's constants: the mean square starts at 0, and epsilon is 1e-7.

    TensorFlow 1's starts at 1, has 1e-10, and no argument for the start.
    """

    def __init__(self, learning_rate):
        super().__init__(learning_rate, epsilon=1e-7)

    def _create_slots(self, var_list):
        for variable in var_list:
            self._zeros_slot(variable, "rms", self._name)
            self._zeros_slot(variable, "momentum", self._name)


OPTIMIZERS = {
    "sgd": tf.train.GradientDescentOptimizer,
    "momentum": lambda learning_rate: tf.train.MomentumOptimizer(learning_rate, momentum=0.9),
    "nesterov": lambda learning_rate: tf.train.MomentumOptimizer(
        learning_rate, momentum=0.9, use_nesterov=True
    ),
    "adagrad": tf.train.AdagradOptimizer,
    "rmsprop": tf.train.RMSPropOptimizer,
    "rmsprop_keras": KerasRMSProp,
    "adam": tf.train.AdamOptimizer,
}
