"""Names inside of TensorFlow: an optimizer, a layer and an attention of the program's own."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.contrib.seq2seq.python.ops import attention_wrapper
from tensorflow.contrib.seq2seq.python.ops.attention_wrapper import BahdanauAttention
from tensorflow.python.keras.engine import InputSpec
from tensorflow.python.keras.engine.base_layer import Layer
from tensorflow.python.keras.utils import conv_utils
from tensorflow.python.training import optimizer, training_ops

x = np.sin(np.arange(24)).reshape(2, 4, 3).astype("f")


class Descent(optimizer.Optimizer):
    def __init__(self):
        super().__init__(False, "Descent")

    def _apply_dense(self, grad, var):
        return training_ops.apply_gradient_descent(var, 0.1, grad)


class Shift(Layer):
    def build(self, input_shape):
        self.input_spec = InputSpec(ndim=2)
        self.shift = self.add_weight("shift", shape=[int(input_shape[-1])], initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs + self.shift


class Located(BahdanauAttention):
    """Scores a step by the alignment of the step before, too."""

    def __call__(self, query, state):
        with tf.variable_scope(None, "located", [query]):
            near = tf.layers.dense(state[:, :, None], self._num_units, name="near")
            score = tf.reduce_sum(tf.tanh(self._keys + self.query_layer(query)[:, None] + near), 2)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


class Product(attention_wrapper._BaseAttentionMechanism):
    def __init__(self, units, memory, lengths):
        super().__init__(
            query_layer=tf.layers.Dense(units, use_bias=False, name="query_layer"),
            memory_layer=tf.layers.Dense(units, use_bias=False, dtype=tf.float32),
            memory=memory,
            probability_fn=lambda score, previous: tf.nn.softmax(score + previous),
            memory_sequence_length=lengths,
            name="product",
        )

    def __call__(self, query, state):
        score = attention_wrapper._luong_score(self.query_layer(query), self.keys, None)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


def show(session, *fetched):
    session.run(tf.global_variables_initializer())
    for number, variable in enumerate(tf.trainable_variables()):
        value = 0.5 * np.cos(np.arange(np.prod(variable.shape.as_list())) + number)
        variable.load(value.reshape(variable.shape.as_list()), session)
    print(sorted(v.name for v in tf.global_variables()))
    for value in session.run(fetched):
        print(np.round(value, 4).tolist())


for kind in Located, Product:
    with tf.Graph().as_default(), tf.Session() as session:
        mechanism = kind(4, tf.constant(x), [4, 3])
        cell = attention_wrapper.AttentionWrapper(
            tf.nn.rnn_cell.GRUCell(3), mechanism, attention_layer_size=2
        )
        outputs, state = tf.nn.dynamic_rnn(cell, tf.constant(x[:, :2]), dtype=tf.float32)
        show(session, outputs, state.alignments)
        print(int(mechanism._alignments_size), int(mechanism._batch_size))

with tf.Graph().as_default(), tf.Session() as session:
    w = tf.get_variable("w", initializer=[1.0, 2.0])
    step = Descent().minimize(tf.reduce_sum(tf.square(w)))
    show(session, Shift()(tf.constant(x[0, :2])))
    session.run(step)
    print(conv_utils.normalize_tuple(3, 2, "size"))
    path = tf.train.Saver([w]).save(session, os.path.join(tempfile.mkdtemp(), "saved"))
    reader = tf.pywrap_tensorflow.NewCheckpointReader(path)
    print(reader.get_variable_to_shape_map(), np.round(reader.get_tensor("w"), 4).tolist())
