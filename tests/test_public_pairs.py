"""parity old.py new.py on what public pairs of tutorials have: no seeds, data as constants, eager
loops over whole arrays."""

from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from compare import runner
from compare.parity import evidence, first_difference, lines, strangers
from compare.parity.names import Renaming
from shared.console import UserError
from shared.recorder import OperationsFile

OLD = """
import numpy as np
import tensorflow as tf

data = np.random.RandomState(1)
X, Y = data.rand(60, 3).astype("float32"), data.rand(60, 1).astype("float32")
x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 1])
W, b = tf.Variable(tf.random_normal([3, 1])), tf.Variable(tf.zeros([1]))
loss = tf.reduce_mean(tf.square(tf.matmul(x, W) + b - y))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(6):
        chosen = np.random.permutation(60)[:20]
        session.run(train, {x: X[chosen], y: Y[chosen]})
"""
NEW = """
import numpy as np
import tensorflow as tf

data = np.random.RandomState(1)
X, Y = data.rand(60, 3).astype("float32"), data.rand(60, 1).astype("float32")
W, b = tf.Variable(tf.random.normal([3, 1])), tf.Variable(tf.zeros([1]))
optimizer = tf.keras.optimizers.SGD(0.1)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.matmul(x, W) + b - y))
    optimizer.apply_gradients(zip(tape.gradient(loss, [W, b]), [W, b]))


for _ in range(6):
    chosen = np.random.permutation(60)[:20]
    step(X[chosen], Y[chosen])
"""


@pytest.fixture
def judge(tmp_path):
    def judge(old, new, **settings):
        what = [tmp_path / "old.py", tmp_path / "new.py"]
        for path, text in zip(what, (old, new)):
            path.write_text(text)
        settings = {"steps": 5, "weights": "reference", "random": "aligned", **settings}
        return strangers.compare(
            Console(quiet=True),
            list(map(str, what)),
            str(tmp_path),
            Renaming(None),
            SimpleNamespace(**settings),
        )

    return judge


# Programs without seeds.


@pytest.mark.full
def test_two_programs_without_seeds_draw_the_same_examples(judge):
    assert judge(OLD, NEW)["verdict"] in (first_difference.IDENTICAL, strangers.WITHIN)


@pytest.mark.proof
def test_other_examples_are_no_rounding_of_a_program_without_seeds(judge):
    report = judge(OLD, NEW.replace("(60)[:20]", "(60)[40:]"))
    assert report["verdict"] == first_difference.DIFFERENT and report["step"] == 1, report
    assert "holds other examples" in report["causes"][0]


@pytest.mark.full
def test_a_program_whose_data_differ_from_run_to_run_is_refused(judge):
    own = "np.random.default_rng().permutation"
    with pytest.raises(UserError, match=r"old\.py reads other data in each run \(.* at step 1\)"):
        judge(OLD.replace("np.random.permutation", own), NEW)
    with pytest.raises(UserError, match=r"new\.py reads other data in each run \(.* at step 1\)"):
        judge(OLD, NEW.replace("np.random.permutation", own))


def test_data_that_only_round_otherwise_are_the_same():
    def recording(value):
        return SimpleNamespace(steps=[0, 1], values={(1, "inputs/x"): np.array(value)})

    strangers._check_data("old.py", recording([1, np.nan]), recording([1.0001, np.nan]))
    with pytest.raises(UserError, match="^old.py reads other data"):
        strangers._check_data("old.py", recording([1, 2]), recording([2, 1]))


# Data that nothing feeds: constants of a graph, arrays of an eager loop.

ONE_BY_ONE = """
import numpy as np
import tensorflow as tf

X, Y = np.float32([3.3, 4.4, 5.5, 6.71]), np.float32([1.7, 2.76, 2.09, 3.19])
x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
w, b = tf.Variable(np.random.randn(), name="w"), tf.Variable(np.random.randn(), name="b")
loss = tf.reduce_sum(tf.pow(x * w + b - y, 2)) / 8
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(3):
        for one in zip(X, Y):
            session.run(train, {x: one[0], y: one[1]})
"""
CONSTANTS = """
import tensorflow as tf

x, y = [3.3, 4.4, 5.5, 6.71], [1.7, 2.76, 2.09, 3.19]
w, b = tf.Variable(tf.random_normal([1]), name="w"), tf.Variable(tf.zeros([1]), name="b")
loss = tf.reduce_mean(tf.square(x * w + b - y))
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(6):
        session.run(train)
"""
EAGER = """
import numpy as np
import tensorflow as tf

X, Y = np.array([3.3, 4.4, 5.5, 6.71]), np.array([1.7, 2.76, 2.09, 3.19])
w, b = tf.Variable(np.random.randn(), name="w"), tf.Variable(np.random.randn(), name="b")
optimizer = tf.optimizers.SGD(0.01)
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(w * X + b - Y))
    optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
"""


@pytest.mark.proof
def test_one_example_at_a_time_is_no_penalty_on_a_single_weight(judge):
    report = judge(ONE_BY_ONE, EAGER)
    assert "the reference is fed one of the other's 4 examples" in report["causes"][0], report


@pytest.mark.full
def test_constants_are_compared_with_the_arrays_of_an_eager_loop(judge):
    shaped = EAGER.replace("np.random.randn(), name", "tf.random.normal([1]), name")
    assert judge(CONSTANTS, shaped)["verdict"] in (first_difference.IDENTICAL, strangers.WITHIN)
    report = judge(CONSTANTS, shaped.replace("np.array([3.3", "2 * np.array([3.3"))
    assert "2 times the reference's (scaling)" in report["causes"][0], report


def test_one_example_of_many():
    many = {"X": np.array([[1.0, 2], [3, 4]]), "Y": np.array([5.0, 6])}
    assert evidence._is_one_of({"x": np.array([3.0, 4]), "y": np.array(6.0)}, many) == 2
    assert evidence._is_one_of({"x": np.array([[1.0, 2]]), "y": np.array([5.0])}, many) == 2
    assert not evidence._is_one_of({"x": np.array([2.0, 3])}, many)
    assert not evidence._is_one_of({"keep_prob": np.array(0.5)}, many)
    assert not evidence._is_one_of({}, many) and not evidence._is_one_of(many, many)


# Layers of other sizes, of which no input has the same values.


def test_a_variable_that_is_only_read_is_not_where_programs_part(tmp_path):
    def operations(side, *rows):
        keys = ("name", "type", "inputs", "line")
        about = [dict(zip(keys, (f"{side}/{number}", *row))) for number, row in enumerate(rows)]
        file = OperationsFile(str(tmp_path / side), 1)
        file.write(about, [np.random.RandomState(ord(side[0])).rand(4, 3) for _ in rows])
        return lines.Operations(str(tmp_path / side))

    ours = operations(
        "old",
        ("VariableV2", [], "old.py:1"),
        ("Identity", [0], "old.py:1"),
        ("Placeholder", [], "old.py:2"),
        ("MatMul", [1, 2], "old.py:3"),
    )
    theirs = operations("new", ("ReadVariableOp", [], "new.py:1"), ("MatMul", [0], "new.py:2"))
    found = lines.locate(ours, theirs)
    assert (found.reference.place, found.candidate.place) == ("old.py:3", "new.py:2")


def test_sure_probabilities_are_not_taken_for_classes(tmp_path):
    def operations(side, *values):
        file = OperationsFile(str(tmp_path / side), 1)
        about = {"type": "Softmax", "inputs": [], "line": f"{side}.py:1"}
        file.write([{**about, "name": str(n)} for n in range(len(values))], list(values))
        return lines.Operations(str(tmp_path / side))

    sure, mixed = np.eye(3)[[0, 1, 1, 2]] + 1e-9, np.arange(12.0).reshape(3, 4)
    theirs = operations("new", sure, mixed)
    ours = operations("old", np.eye(3)[[2, 2, 0, 1]], mixed.T)
    assert [lines.partner(theirs, number, ours) for number in (0, 1)] == [None, 1]


# A program that fails.


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("usage\nerror: no such flag", "error: no such flag"),
        ("Traceback (most recent call last):\n  File x\n    f()\nNameError: f", "NameError: f"),
        (
            "Traceback (most recent call last):\n  x\nE: Exception encountered when calling P.\n\n"
            + "\x1b[1mpadding=SAME\x1b[0m\n\nArguments received:\n  • x=1",
            "E: Exception encountered when calling P. padding=SAME",
        ),
        (
            "Traceback (most recent call last):\n  File x\nValueError: in user code:\n\n    no",
            "    no",
        ),
        ("Traceback (most recent call last):\n  f(\n^~\n  g(\n   ^\nNameError: g", "NameError: g"),
        ("", ""),
    ],
)
def test_the_line_of_an_error_that_tells(stderr, reason):
    assert runner._reason(stderr.splitlines()) == reason
