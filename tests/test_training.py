"""The loop trains models of other shapes than a chain from an image to a class."""

import json
import textwrap

import numpy as np
import pytest
from conftest import ROOT

from shared import trace

PROGRAM = '''
    """Two inputs, one of them a sequence of integers; two outputs with weighted losses."""
    import sys

    sys.path[:0] = [{root!r}, {folder!r}]
    from shared.console import quiet_import

    with quiet_import():
        {imports}
    import words
    from {style}.training import main
    from {style}.training.layers import glorot_uniform


    class Words({base}):
        inputs = {{"words": ([None, 5], "int32"), "mood": ([None, 3], "float32")}}
        targets = {{"kind": ([None, 4], "float32"), "size": ([None], "float32")}}
        metrics = ("kind_accuracy", "size_error")

        def __init__(self, flags):
            {super_init}
            with tf.name_scope("words"):
                self.embedding = tf.Variable(glorot_uniform([20, 6], [flags.seed, 0]), name="E")
            with tf.name_scope("kind"):
                self.W_kind = tf.Variable(glorot_uniform([9, 4], [flags.seed, 1]), name="W")
            with tf.name_scope("size"):
                self.W_size = tf.Variable(glorot_uniform([9, 1], [flags.seed, 2]), name="W")

        def __call__(self, words, mood, keep_prob, step, training):
            with tf.name_scope("words/"):
                one_hot = tf.one_hot(words, 20)
                mean = tf.reduce_mean(tf.tensordot(one_hot, self.embedding, 1), 1)
                h = tf.tanh(tf.concat([mean, mood], 1))
            with tf.name_scope("kind/"):
                kind = tf.matmul(h, self.W_kind)
            with tf.name_scope("size/"):
                size = tf.matmul(h, self.W_size)[:, 0]
            return {{"kind": kind, "size": size}}, {{"words": h, "kind": kind, "size": size}}

        def loss(self, outputs, targets):
            cross = tf.nn.softmax_cross_entropy_with_logits(
                labels=targets["kind"], logits=outputs["kind"]
            )
            return 10 * tf.reduce_mean(cross) + 0.25 * self.size_error(outputs, targets)

        def kind_accuracy(self, outputs, targets):
            right = tf.equal(tf.argmax(outputs["kind"], 1), tf.argmax(targets["kind"], 1))
            return tf.reduce_mean(tf.cast(right, tf.float32))

        def size_error(self, outputs, targets):
            return tf.reduce_mean(tf.square(outputs["size"] - targets["size"]))

        def decode(self, examples):
            return examples


    main(
        Words, __doc__, load=words.load, max_steps=300, batch_size=10, optimizer="adam",
        learning_rate=0.01, csv_log=True,
    )
'''
DATA = """
    import numpy as np

    from shared.datasets import Dataset


    class Examples:
        def __init__(self, **arrays):
            self.arrays = arrays

        def __len__(self):
            return len(self.arrays["words"])

        def batch(self, indices):
            return {name: array[indices] for name, array in self.arrays.items()}

        def first(self, count):
            return Examples(**self.batch(slice(count)))

        def slices(self, size=500, end=None):
            for start in range(0, len(self), size):
                yield slice(start, min(start + size, len(self)))


    def load(flags):
        random = np.random.RandomState(0)
        words = random.randint(0, 20, (300, 5)).astype(np.int32)
        examples = Examples(
            words=words,
            mood=random.uniform(size=(300, 3)).astype(np.float32),
            kind=np.eye(4, dtype=np.float32)[words.max(axis=1) // 5],
            size=(words.sum(axis=1) / 50).astype(np.float32),
        )
        parts = (Examples(**examples.batch(slice(k, k + 100))) for k in (0, 100, 200))
        return Dataset("words", *parts)
"""
WORDING = {
    "tf1_style": {
        "imports": "import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()",
        "base": "object",
        "super_init": "pass",
    },
    "tf2_style": {
        "imports": "import tensorflow as tf",
        "base": "tf.Module",
        "super_init": "super().__init__()",
    },
}


@pytest.fixture
def train(tmp_path, run):
    """Runs the program of a style; returns its lines and the digests that it recorded."""
    (tmp_path / "words.py").write_text(textwrap.dedent(DATA))

    def train(style, *flags):
        names = dict(WORDING[style], style=style, root=str(ROOT), folder=str(tmp_path))
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(PROGRAM).format(**names))
        lines = run(program, "--trace_file=trace.npz", *flags).stdout
        return lines, trace.load(tmp_path / "trace.npz")

    return train


def test_two_inputs_two_outputs(train, tmp_path):
    """Both styles train it, log every metric, resume it, and agree in every bit."""
    whole, recorded = train("tf1_style", "--run_dir=whole")
    assert "step 100, training kind_accuracy 0." in whole
    assert ", training size_error " in whole
    *_, kind, size = whole.splitlines()
    assert kind.startswith("test kind_accuracy ") and size.startswith("test size_error ")
    result = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert result["test_kind_accuracy"] > 0.75 and result["test_size_error"] < 0.2
    header = (tmp_path / "whole" / "history.csv").read_text().splitlines()[0]
    assert header.endswith("validation_loss,validation_kind_accuracy,validation_size_error")

    (tmp_path / "trace.npz").unlink()
    train("tf2_style", "--run_dir=parts", "--max_steps=130", "--steps_per_call=20")
    _, other = train("tf2_style", "--run_dir=parts", "--max_steps=300")
    assert other.losses == recorded.losses and len(other.losses) == 300
    # The shorter run recorded more of its last step: the slots, an evaluation.
    assert all(row.items() <= other.rows[step].items() for step, row in recorded.rows.items())
    assert {name for _, name in other.values} >= {"evaluation/kind", "evaluation/size"}
    assert np.isfinite(list(other.losses.values())).all()
    assert all(list((tmp_path / folder).glob("events*")) for folder in ("whole", "parts"))
