"""Optimizers by their names (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf


class KerasRMSProp(tf.train.RMSPropOptimizer):
    """RMSProp with Keras's constants: the mean square starts at 0, and epsilon is 1e-7.

    In TensorFlow 1 the mean square always starts at 1, and epsilon is 1e-10 by default. Keras also
    makes sparse gradients dense: the mean square of each row of an embedding decays in each step.
    """

    def __init__(self, learning_rate, epsilon=1e-7):
        super().__init__(learning_rate, epsilon=epsilon)

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        dense = [
            (tf.convert_to_tensor(gradient), variable) for gradient, variable in grads_and_vars
        ]
        return super().apply_gradients(dense, global_step, name)

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
    # Keras 2 adds its epsilon to the root, not under it. So the small gradients of an embedding
    # make steps as long as those of other weights. Under the root it is the square, 1e-14.
    "rmsprop_keras2": lambda learning_rate: KerasRMSProp(learning_rate, epsilon=1e-14),
    "adam": tf.train.AdamOptimizer,
}
