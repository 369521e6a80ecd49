from tensorflow import *
import tensorflow as tf
from utils import weights


def dense(x, size, name):
    with tf.variable_scope(name):
        w = tf.get_variable("w", initializer=weights(int(x.get_shape()[1]), size))
        b = tf.get_variable("b", [size], initializer=tf.zeros_initializer())
        return matmul(x, w) + b
