"""parity old.py new.py on what public pairs of tutorials have: no seeds, data as constants, eager
loops over whole arrays."""

from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from compare.parity import first_difference, strangers
from compare.parity.names import Renaming
from shared.console import UserError

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
