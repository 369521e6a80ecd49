"""Update rules by their names (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

OPTIMIZERS = {
    "sgd": tf.train.GradientDescentOptimizer,
    "momentum": lambda learning_rate: tf.train.MomentumOptimizer(learning_rate, momentum=0.9),
    "adagrad": tf.train.AdagradOptimizer,
    "rmsprop": tf.train.RMSPropOptimizer,
    "adam": tf.train.AdamOptimizer,
}
