"""What docs/speed.md says about tracing again, counted."""

import numpy as np
import pytest

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

X = np.ones([2, 3], np.float32)


class Trainer:
    def rate(self):
        return 0.01


TRAINER = Trainer()
ARGUMENTS = {
    "arrays": (lambda k: X, 1),
    "a tensor": (lambda k: tf.constant(k), 1),
    "the step": (lambda k: k, 5),
    "a method": (lambda k: TRAINER.rate, 5),
    "a lambda": (lambda k: lambda: 0.01, 5),
    "a dict of numbers": (lambda k: {"epoch": k}, 5),
    "a dict of tensors": (lambda k: {"epoch": tf.constant(k)}, 1),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_graphs_of_five_calls(name):
    argument, graphs = ARGUMENTS[name]
    step = tf.function(lambda x, other: x * 2)
    for k in range(5):
        step(X, argument(k))
    assert step.experimental_get_tracing_count() == graphs


def test_a_function_made_in_the_loop_always_counts_one():
    traced = []
    for _ in range(5):
        step = tf.function(lambda x: traced.append(1) or x)
        step(X)
        assert step.experimental_get_tracing_count() == 1
    assert len(traced) == 5


def test_a_finalized_graph_names_the_line_that_adds_to_it():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        v = tf.compat.v1.get_variable("v", [2])
        session.run(tf.compat.v1.global_variables_initializer())
        graph.finalize()
        with pytest.raises(RuntimeError, match="Graph is finalized and cannot be modified."):
            session.run(tf.compat.v1.assign(v, v + 1))
