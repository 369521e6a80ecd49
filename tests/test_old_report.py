"""tf1_style.run --report and --check: what an old program uses, and what takes its place."""

import json
import re
import subprocess
import sys
import types

import pytest
from conftest import ROOT

from compare import guide
from tf1_style.run import modules, successors

PROGRAM = """\
import sys
import tensorflow as tf
from tensorflow.contrib import rnn, slim
from tensorflow.examples.tutorials.mnist import input_data as data
from keras.layers import *
from model import build
layers = tf.layers
open("ran", "w").close()

def local(layers):
    return layers.append(tf.log(1.0))

def main(_):
    digits = data.read_data_sets("MNIST", one_hot=True)
    x = tf.placeholder(tf.float32, [None, 784])
    h = slim.fully_connected(layers.dense(x, 10), 10)
    h = Dense(5)(tf.reduce_sum(h, reduction_indices=1))
    step = tf.train.AdamOptimizer().minimize(build(h, rnn.BasicLSTMCell(3)))
    with tf.Session() as sess:
        sess.run(step, feed_dict={x: digits.test.images})
        print(tf.app.flags.FLAGS.rate)

if __name__ == "__main__":
    tf.contrib.tensor_forest.client.random_forest.TensorForestEstimator(None)
"""
MODULE = """\
import numpy
from tensorflow.python.ops import math_ops
import tensorflow

def build(x, cell):
    print tensorflow.nn.relu(x)
    return tensorflow.mul(math_ops.reduce_mean(x), 3 / 2)
"""
FOREST = "tf.contrib.tensor_forest.client.random_forest.TensorForestEstimator"
# symbol -> how it is served, successor, entry, work, places
EXPECTED = {
    FOREST: ("gone", "", "contrib.md#tfcontrib", "gone", "old.py:24"),
    "tf.Session": (
        *("same", "tf.config", "names-and-sessions.md#tfsession-and-tfconfigproto"),
        *("rewrite", "old.py:19"),
    ),
    "tf.Session.run": (
        *("same", "tf.function", "names-and-sessions.md#sessionrun", "rewrite", "old.py:20"),
    ),
    "tf.placeholder": (
        *("same", "tf.TensorSpec", "names-and-sessions.md#tfplaceholder", "rewrite", "old.py:15"),
    ),
    "tf.app.flags.FLAGS": (
        *("same", "absl.flags", "names-and-sessions.md#tfappflags", "rewrite", "old.py:21"),
    ),
    "tf.train.Optimizer.minimize": (
        *("same", "tf.GradientTape", "training.md#minimize", "rewrite", "old.py:18"),
    ),
    "tf.train.AdamOptimizer": (
        *("same", "Adam", "optimizers.md#tftrainadamoptimizer", "rewrite", "old.py:18"),
    ),
    "tf.examples.tutorials.mnist.input_data.read_data_sets": (
        *("stand-in", "shared.input_data", "input.md#input_data", "rewrite", "old.py:14"),
    ),
    "tf.contrib.slim.fully_connected": (
        *("tf_slim", "tf.keras.layers.Dense", "layers.md#tfcontriblayers", "rewrite", "old.py:16"),
    ),
    "tf.contrib.rnn.BasicLSTMCell": (
        *("alias", "tf.keras.layers.LSTMCell"),
        *("rnn-and-embeddings.md#tfnnrnn_cell-and-dynamic_rnn", "rewrite", "old.py:18"),
    ),
    "tf.layers.dense": (
        *("tf_keras", "tf.keras.layers.Dense", "layers.md#tflayersdense", "rewrite", "old.py:16"),
    ),
    "keras.layers.Dense": ("tf_keras", "tf.keras.layers.Dense", "", "rename", "old.py:17"),
    "tf.log": (
        "same",
        "tf.math.log",
        "names-and-sessions.md#tflog-and-other-names-that-moved",
        "rename",
        "old.py:11",
    ),
    "tf.mul": (
        "alias",
        "tf.multiply",
        "names-and-sessions.md#tflog-and-other-names-that-moved",
        "rename",
        "model.py:7",
    ),
    "tf.reduce_sum": (
        *(
            "alias",
            "tf.reduce_sum",
            "names-and-sessions.md#tfnn-and-other-operations-whose-arguments-changed",
        ),
        *("rename", "old.py:17"),
    ),
    "tf.python.ops.math_ops.reduce_mean": (
        *(
            "alias",
            "tf.reduce_mean",
            "names-and-sessions.md#tfnn-and-other-operations-whose-arguments-changed",
        ),
        *("rename", "model.py:7"),
    ),
    "tf.float32": ("same", "tf.float32", "", "none", "old.py:15"),
    "tf.nn.relu": ("same", "tf.nn.relu", "", "none", "model.py:6"),
}
SUMMARY = re.compile(
    r"18 symbols: 9 run as they are, \d+ under another name or with other arguments, "
    r"2 through tf_keras, 1 through tf_slim, 1 by a stand-in, 1 gone"
)


@pytest.fixture
def program(tmp_path):
    """The command line of the program, which is in a folder of its own."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "old.py").write_text(PROGRAM)
    (folder / "model.py").write_text(MODULE)
    return ["-m", "tf1_style.run"], folder / "old.py"


def test_check_prints_what_the_program_uses(run, program, tmp_path):
    command, path = program
    text = run(*command, "--check", path).stdout
    assert SUMMARY.fullmatch(text.splitlines()[0]), text
    assert "tf.placeholder  (served: same; work: rewrite)\n  at old.py:15\n" in text
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.py", "old.py"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.proof
def test_json_names_each_symbol_with_its_lines_and_successor(run, program, tmp_path):
    command, path = program
    report = tmp_path / "report.json"
    run(*command, f"--report={report}", "--check", "-m", "old", PYTHONPATH=f"{path.parent}:{ROOT}")
    content = json.loads(report.read_text())
    assert SUMMARY.fullmatch(content["summary"])
    found = {row["symbol"]: row for row in content["symbols"]}
    assert found.keys() == EXPECTED.keys()
    for symbol, (served, successor, entry, work, place) in EXPECTED.items():
        row = found[symbol]
        (where,) = row["places"]
        assert (row["served"], row["work"]) == (served, work), symbol
        assert successor in row["successor"]
        assert row["guide"] == (entry and f"docs/migration/{entry}")
        assert f"{where['file'].split('/')[-1]}:{where['line']}" == place
    order = [successors.WORK.index(row["work"]) for row in content["symbols"]]
    assert order == sorted(order)


@pytest.mark.proof
def test_a_run_that_ends_at_a_gone_symbol_leaves_its_line_and_a_page(run, program, tmp_path):
    command, path = program
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>\n<title>TensorFlow 1 symbols of old.py</title>")
    process = run(*command, "--report=report.html", path, check=False)
    assert process.returncode == 2
    line, summary = process.stderr.splitlines()
    assert line.startswith("old.py:24: tf.contrib.tensor_forest"), line
    assert line.endswith("cannot be had on TensorFlow 2; see docs/migration/contrib.md#tfcontrib")
    assert summary.endswith(": report.html")
    assert SUMMARY.match(summary)
    html = page.read_text()
    assert SUMMARY.search(html)
    assert 'http-equiv="Content-Security-Policy"' in html
    assert "docs/migration/names-and-sessions.md#tfplaceholder" in html
    assert (tmp_path / "ran").exists()


def test_refused_before_the_program_runs(run, program, tmp_path):
    command, path = program
    (tmp_path / "mine.txt").write_text("12 symbols: what I found\n")
    for name, message in (
        ("report.pdf", "--report=report.pdf: expected a file that ends in .txt, .json or .html"),
        ("mine.txt", "--report=mine.txt: something else is there"),
    ):
        process = run(*command, f"--report={name}", path, check=False)
        assert process.returncode == 2
        assert message in process.stderr
        assert len(process.stderr.splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    assert (tmp_path / "mine.txt").read_text() == "12 symbols: what I found\n"


def test_every_entry_that_is_named_exists():
    known = {entry.address for entry in guide.entries()}
    assert len(successors.rules()) > 100
    assert {successors.anchor(title) for _, _, title in successors.rules()} <= known
    assert set(successors.pages().values()) <= known


def test_an_entry_of_its_own_comes_before_the_general_one():
    slugs = {"cond": "tfcond", "clip_by_norm": "clip_by_norm", "nn.relu": ""}
    for name, slug in slugs.items():
        assert successors.of(f"tensorflow.{name}").guide.partition("#")[2] == slug


EVERY_SUCCESSOR = """
import importlib, json, re, sys
from tensorflow.tools.compatibility.all_renames_v2 import symbol_renames
from tf1_style.run import old_names, successors
names = {"tensorflow" + name[2:] for name in symbol_renames} | set(old_names.NAMES)
found = {name: successors.of(name) for name in names | set(sys.argv[1].split())}
texts = {found.text for found in found.values()} | {text for _, text, _ in successors.rules()}
wrong = []
for name in set(re.findall(r"\\b(?:tf|absl)\\.\\w+(?:\\.\\w+)*", " ".join(texts))):
    root, _, tail = name.partition(".")
    value = importlib.import_module("tensorflow" if root == "tf" else f"absl.{tail.split('.')[0]}")
    for part in tail.split(".")[root == "absl":]:
        value = getattr(value, part, wrong)
    wrong += [name] * (value is wrong)
print(json.dumps([wrong, len(texts), found]))
"""


@pytest.mark.proof
def test_every_successor_is_in_todays_tensorflow(environment):
    """Without TF_USE_LEGACY_KERAS, so `tf.keras` is Keras 3."""
    expected = {
        "tensorflow.layers.max_pooling2d": "tf.keras.layers.MaxPooling2D",
        "tensorflow.contrib.layers.conv2d_transpose": "tf.keras.layers.Conv2DTranspose",
        "tensorflow.contrib.layers.python.layers.layers.fully_connected": "tf.keras.layers.Dense",
        "tensorflow.python.framework.ops.Tensor": "tf.Tensor",
        "tensorflow.python.platform.gfile.Exists": "tf.io.gfile.exists",
        "tensorflow.contrib.learn.datasets.mnist.read_data_sets": "tf.keras.datasets",
        "tensorflow.keras.layers.Dense": "tf.keras.layers.Dense",
        "keras.utils.np_utils.to_categorical": "tf.keras.utils.to_categorical",
        "tensorflow.train.shuffle_batch": "tf.data.Dataset",
        "tensorflow.initialize_all_variables": "nothing",
        "tensorflow.container": "tf.compat.v1.container",
        "tensorflow.contrib.nothing_like_it": "",
    }
    code = [sys.executable, "-c", EVERY_SUCCESSOR, " ".join(expected)]
    process = subprocess.run(
        code, check=False, env=environment, cwd=ROOT, text=True, capture_output=True
    )
    assert process.returncode == 0, process.stderr
    wrong, count, found = json.loads(process.stdout)
    assert wrong == []
    assert count > 500
    for name, start in expected.items():
        assert found[name][0].startswith(start), (name, found[name])
        assert start or found[name][0] == ""


@pytest.mark.parametrize(("folder", "is_own"), [(ROOT.parent, False), (ROOT / "shared", True)])
def test_this_project_inside_a_programs_folder_is_not_its_own(folder, is_own):
    program = types.SimpleNamespace(folder=str(folder), _installed=set())
    assert modules.OldProgram.owns(program, str(ROOT / "shared" / "flags.py")) == is_own
    assert modules.OldProgram.owns(program, str(ROOT.parent / "old.py"))
