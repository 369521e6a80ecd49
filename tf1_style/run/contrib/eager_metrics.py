"""Stands for `tf.contrib.eager.metrics`: metrics that are objects, in graphs and in eager mode."""

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import resource_variable_ops, summary_ops_v2


class Metric:
    """Adds up what it is called with; `result()` is the figure so far."""

    def __init__(self, name=None):
        self.name = name or type(self).__name__.lower()
        self._built = False
        self._variables = []

    def __call__(self, *arguments, **keywords):
        if not self._built:
            with tf.variable_scope(self.name.replace(" ", "_")), tf.init_scope():
                self.build(*arguments, **keywords)
            self._built = True
        return self.call(*arguments, **keywords)

    def build(self, *arguments, **keywords):
        pass

    def add_variable(self, name, shape=None, dtype=None, initializer=None):
        variable = resource_variable_ops.ResourceVariable(
            tf.zeros(shape or [], dtype or tf.float64), trainable=False, name=name
        )
        self._variables.append(variable)
        return variable

    @property
    def variables(self):
        return self._variables

    def init_variables(self):
        """Starts again; in a graph it returns the operation that does."""
        if not tf.executing_eagerly():
            return tf.group(*[variable.initializer for variable in self._variables])
        for variable in self._variables:
            variable.assign(tf.zeros_like(variable))

    def result(self, write_summary=True):
        value = self.value()
        if write_summary:
            summary_ops_v2.scalar(self.name, value)
        return value


class Mean(Metric):
    """The mean of all values, weighted where weights are given."""

    def __init__(self, name=None, dtype=tf.float64):
        super().__init__(name)
        self.dtype = dtype

    def build(self, *arguments, **keywords):
        self.numer = self.add_variable("numer", (), self.dtype)
        self.denom = self.add_variable("denom", (), self.dtype)

    def call(self, values, weights=None):
        numbers = tf.cast(values, self.dtype)
        if weights is None:
            count = tf.cast(tf.size(numbers), self.dtype)
        else:
            weights = tf.cast(weights, self.dtype)
            numbers, count = numbers * weights, tf.reduce_sum(weights * tf.ones_like(numbers))
        adds = [self.denom.assign_add(count), self.numer.assign_add(tf.reduce_sum(numbers))]
        if tf.executing_eagerly():
            return values if weights is None else (values, weights)
        with tf.control_dependencies(adds):
            return tf.identity(values)

    def value(self):
        return self.numer / self.denom


class Accuracy(Mean):
    """The share of labels that the predictions equal."""

    def __init__(self, name=None, dtype=tf.float64):
        super().__init__(name, dtype)

    def call(self, labels, predictions, weights=None):
        super().call(tf.equal(labels, predictions), weights)
        return labels, predictions


class CategoricalAccuracy(Accuracy):
    """Of one-hot labels and scores."""

    def call(self, labels, predictions, weights=None):
        hits = tf.argmax(labels, -1), tf.argmax(predictions, -1)
        super().call(*hits, weights)
        return labels, predictions


class SparseAccuracy(Accuracy):
    """Of labels that are numbers, and scores."""

    def call(self, labels, predictions, weights=None):
        super().call(tf.cast(labels, tf.int64), tf.argmax(predictions, -1), weights)
        return labels, predictions


class BinaryAccuracy(Accuracy):
    """Of labels 0 or 1, and probabilities."""

    def __init__(self, threshold, name=None, dtype=tf.float64):
        super().__init__(name, dtype)
        self.threshold = threshold

    def call(self, labels, predictions, weights=None):
        super().call(tf.cast(labels, tf.bool), predictions > self.threshold, weights)
        return labels, predictions
