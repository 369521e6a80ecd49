"""parity old.py new.py where neither program trains: what they predict, and from which line on."""

import os
import shlex
import subprocess
import sys
from types import SimpleNamespace

import forks
import numpy as np
import pytest
from conftest import ROOT
from rich.console import Console

from compare.parity import first_difference, predictions, strangers
from compare.parity.names import Renaming
from shared.console import UserError
from shared.predictions import OPERATION_ROWS, PredictedOperations, Predictions

STRANGERS = ROOT / "tests" / "strangers"
NEW = shlex.quote(str(STRANGERS / "new_predict.py"))


def array(*rows):
    return np.array(rows, np.float32)


# What is kept of a program's calls.


def test_calls_are_joined_along_the_examples():
    made, weights = Predictions(), {"w": array(1, 2)}
    for first in (0, 2):
        made.begin(weights)
        made.end("call", [array(first, first + 1)], [array([first], [first + 1])], weights)
    found = made.tensors()
    assert found["inputs/0"].tolist() == [0, 1, 2, 3]
    assert found["outputs/0"].tolist() == [[0], [1], [2], [3]]


def test_a_call_before_the_weights_are_restored_does_not_count():
    made, initial, restored = Predictions(), {"w": array(0)}, {"w": array(5)}
    made.begin(initial)
    made.end("call", [array(7)], [array(7)], initial)
    assert made.begin(restored)
    made.end("call", [array(8)], [array(8)], restored)
    assert made.tensors()["outputs/0"].tolist() == [8] and made.weights["w"] == 5


def test_averages_that_a_call_itself_moves_are_no_other_weights():
    made = Predictions()
    for step in range(3):
        made.begin({"mean": array(step)})
        made.end("call", [array(1)], [array(step)], {"mean": array(step + 1)})
    assert made.tensors()["outputs/0"].tolist() == [0, 1, 2]


def test_operations_of_two_batch_sizes_hold_the_same_examples():
    values = np.arange(2 * OPERATION_ROWS, dtype=np.float32)
    about = [{"type": "Placeholder"}, {"type": "Reshape"}]
    whole, parts = PredictedOperations(), PredictedOperations()
    whole.add(about, [values, np.repeat(values, 3)], len(values))
    for part in np.split(values, 4):
        parts.add(about, [part, np.repeat(part, 3)], len(part))
    for ours, theirs in zip(whole.values(), parts.values()):
        assert ours.tolist() == theirs.tolist()
    assert len(whole.values()[0]) == OPERATION_ROWS


# Which output is which, and whether they agree.


def test_outputs_pair_by_value_before_their_order():
    ours = {"logits": array([1, 2]), "probabilities": array([3, 4])}
    theirs = {"a": array([3, 4]), "b": array([1, 2.5])}
    pairs = {p.reference: p for p in predictions.pair_up(ours, theirs, {})}
    assert pairs["probabilities"].candidate == "a" and pairs["probabilities"].distance == 0
    assert pairs["logits"].candidate == "b" and pairs["logits"].distance > 1
    assert not predictions.agree(list(pairs.values()), ours, theirs)


def test_an_output_that_only_one_has_does_no_harm():
    ours, theirs = {"logits": array([1, 2]), "classes": array(1)}, {"a": array([1, 2])}
    pairs = predictions.pair_up(ours, theirs, {})
    assert predictions.agree(pairs, ours, theirs)
    assert not predictions.agree(predictions.pair_up(ours, {}, {}), ours, {})


def test_rounding_is_the_references_own():
    ours, theirs = {"a": array([1, 2])}, {"b": array([1, 2.001])}
    (pair,) = predictions.pair_up(ours, theirs, {"a": 0.0})
    assert pair.distance > 1
    (pair,) = predictions.pair_up(ours, theirs, {"a": 0.0005})
    assert pair.distance < 1


def test_values_that_are_not_finite_differ():
    ours, theirs = {"a": array(1, np.nan)}, {"b": array(1, 2)}
    (pair,) = predictions.pair_up(ours, theirs, {})
    assert pair.distance == np.inf


def test_one_trains_and_one_predicts():
    trains = SimpleNamespace(forms={"w": ""})
    predicts = SimpleNamespace(forms={"w": "", "outputs/0": ""})
    assert predictions.check([predicts, predicts], ["a", "b"])
    assert not predictions.check([trains, trains], ["a", "b"])
    with pytest.raises(UserError, match=r"old\.py trains, new\.py only predicts; expected"):
        predictions.check([trains, predicts], ["old.py", "new.py"])


# Whole programs.


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    def judge(arguments, **settings):
        folder = tmp_path_factory.mktemp("judged")
        what = [str(STRANGERS / "old_predict.py"), f"{NEW} {arguments}"]
        settings = SimpleNamespace(steps=20, weights="reference", random="aligned", **settings)
        console = Console(quiet=True)
        return strangers.compare(console, what, str(folder), Renaming(None), settings)

    return judge


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("predict", marks=pytest.mark.proof),
        pytest.param("call", marks=pytest.mark.full),
        pytest.param("function", marks=pytest.mark.full),
        pytest.param("plain", marks=pytest.mark.full),
    ],
)
def test_a_right_program_is_not_accused(judge, way):
    report = judge(way)
    assert report["verdict"] in (strangers.WITHIN, first_difference.IDENTICAL), report
    assert report["examples"] == 70 and len(report["mapping"]) == 4


@pytest.mark.parametrize(
    ("arguments", "text", "line"),
    [
        pytest.param("predict pool", "the outputs do not", "pool(2)", marks=pytest.mark.proof),
        pytest.param("call pool", "the outputs do not", "pool(2)", marks=pytest.mark.full),
        pytest.param("function elu", "the outputs do not", "tf.nn.elu", marks=pytest.mark.full),
        pytest.param("plain elu", "the outputs do not", "tf.nn.elu", marks=pytest.mark.full),
        pytest.param("predict logits", "the outputs do not", None, marks=pytest.mark.full),
        pytest.param("predict weights", "The weights differ", "Conv2D(", marks=pytest.mark.full),
        pytest.param("call scale", "0.00392157 times", None, marks=pytest.mark.full),
    ],
)
def test_a_planted_mistake_is_named_with_its_line(judge, arguments, text, line):
    report = judge(arguments)
    assert report["verdict"] == first_difference.DIFFERENT and text in report["causes"][0], report
    assert line is None or line in report["located"]["candidate"]["text"]


@pytest.mark.parametrize(
    ("way", "text"),
    [
        pytest.param(
            "nothing", "made no step of training and no prediction", marks=pytest.mark.full
        ),
        pytest.param("train", "train trains, ", marks=pytest.mark.proof),
    ],
)
def test_what_cannot_be_compared(run, way, text):
    old, new = STRANGERS / "old_predict.py", f"{NEW} {way}"
    process = run("-m", "compare", "parity", old, new, check=False)
    assert process.returncode == 2 and text in process.stderr
    assert process.stderr.count("\n") == 1
    assert os.sep in process.stderr


# A graph stands for the old program.

GRAPHS = """
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
random = np.random.RandomState(3)
SHAPES = {"W1": [3, 3, 1, 4], "b1": [4], "W2": [144, 5], "b2": [5]}
restored = {name: random.randn(*SHAPES[name]).astype("float32") * 0.2 for name in sorted(SHAPES)}
x, y = tf.placeholder(tf.float32, [None, 144], name="x"), tf.placeholder(tf.int64, [None])
keep_prob = tf.placeholder(tf.float32, name="keep_prob")
weights = {name: tf.get_variable(name, shape) for name, shape in SHAPES.items()}
h = tf.nn.conv2d(tf.reshape(x, [-1, 12, 12, 1]), weights["W1"], [1, 1, 1, 1], "SAME")
h = tf.nn.relu(h + weights["b1"])
h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="pool")
h = tf.nn.dropout(tf.reshape(h, [-1, 144]), keep_prob)
logits = tf.matmul(h, weights["W2"]) + weights["b2"]
probabilities = tf.nn.softmax(logits, name="probabilities")
tf.train.AdamOptimizer().minimize(tf.losses.sparse_softmax_cross_entropy(y, logits))
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for name, variable in weights.items():
        variable.load(restored[name], session)
    tf.train.Saver().save(session, "model.ckpt")
    frozen = tf.graph_util.convert_variables_to_constants
    with open("frozen.pb", "wb") as file:
        file.write(frozen(session, session.graph_def, ["probabilities"]).SerializeToString())
    ends = {"x": x, "keep_prob": keep_prob}, {"probabilities": probabilities}
    tf.saved_model.simple_save(session, "saved", *ends)
"""


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "make.py").write_text(GRAPHS)
    forks.run([folder / "make.py"], cwd=folder)
    return folder


@pytest.mark.parametrize(
    ("graph", "arguments", "text"),
    [
        pytest.param("model.ckpt.meta", "predict", "", marks=pytest.mark.proof),
        pytest.param("saved", "function", "", marks=pytest.mark.full),
        pytest.param("frozen.pb", "predict", "", marks=pytest.mark.full),
        pytest.param("frozen.pb", "predict pool", "the outputs do not", marks=pytest.mark.proof),
        pytest.param("frozen.pb", "call weights", "The weights differ", marks=pytest.mark.full),
    ],
)
def test_a_graph_stands_for_the_old_program(run, graphs, tmp_path, graph, arguments, text):
    new = f"{NEW} {arguments}"
    page = tmp_path / "page.html"
    command = "-m", "compare", "parity", graphs / graph, new, f"--report={page}"
    process = run(*command, check=False)
    assert process.returncode == (1 if text else 0), process.stderr + process.stdout
    assert text in process.stdout
    if "pool" in arguments:
        assert "  operation pool    MaxPool  [64, 6, 6, 4]\n" in process.stdout
        assert "pool(2)" in process.stdout and "<code>pool</code>" in page.read_text()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("old.pb", b"no graph", "old.pb: "),
        pytest.param("old.pb", b"", "old.pb: it has no operations;", marks=pytest.mark.proof),
        pytest.param("old.meta", b"\x00", "old.meta: ", marks=pytest.mark.proof),
        pytest.param("old", None, "old: ", marks=pytest.mark.proof),
    ],
)
def test_what_is_no_graph(tmp_path, name, content, text):
    path, inputs = tmp_path / name, tmp_path / "inputs.npz"
    path.mkdir() if content is None else path.write_bytes(content)
    np.savez(inputs, **{"0": array(1)})
    command = ["-m", "tf1_style.run.graph_file", f"--trace={tmp_path / 'trace.npz'}", path, inputs]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, *map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert process.returncode == 2 and process.stderr.count("\n") == 1, process.stderr
    assert text in process.stderr and "expected a frozen graph" in process.stderr


def test_a_graph_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pb: no such file"):
        strangers.program("reference", str(tmp_path / "gone.pb"))
    assert strangers.is_pair(["gone.pb", "new.py"]) and not strangers.is_pair(["a.py", "b.pb"])
    assert not strangers.is_pair(["old.npz", "new.npz"])
