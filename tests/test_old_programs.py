"""`python -m tf1_style.run` runs old programs unchanged: those of tests/old_programs, in words
of their time. Beside each stands what it prints on genuine TensorFlow 1.15.5."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAMS = ROOT / "tests" / "old_programs"
QUICK = ("zero_names.py",)  # the others are proofs: each starts TensorFlow and Keras 2
FOLDERS = {"several_files": "tools/run.py"}
NUMBER = re.compile(r"-?\d+\.\d*(?:e[-+]?\d+)?")


def programs():
    for path in sorted(PROGRAMS.glob("*.txt")):
        script = FOLDERS.get(path.stem)
        script = f"{path.stem}/{script}" if script else f"{path.stem}.py"
        marks = () if script in QUICK else pytest.mark.proof
        yield pytest.param(script, path, marks=marks, id=path.stem)


def run_old(*arguments, cwd, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "tf1_style.run", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
        timeout=600,
    )


@pytest.mark.parametrize(("script", "expected"), list(programs()))
def test_it_prints_what_it_prints_on_1_15_5(tmp_path, mnist_dir, script, expected):
    process = run_old(PROGRAMS / script, cwd=tmp_path, TWINS_DATA_DIR=str(mnist_dir))
    assert process.returncode == 0, process.stderr[-2000:]
    same_words_and_numbers(process.stdout, expected.read_text())


def same_words_and_numbers(ours, theirs):
    """Processors round differently, and NumPy pads an array's numbers to the same width."""
    ours, theirs = ours.splitlines(), theirs.splitlines()
    for line, other in zip(ours, theirs):
        words = [re.findall(r"[][]|[^][\s]+", NUMBER.sub("#", text)) for text in (line, other)]
        assert words[0] == words[1]
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (line, other)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4, abs=1e-5)
    assert len(ours) == len(theirs)


@pytest.mark.legacy
@pytest.mark.parametrize(("script", "expected"), list(programs()))
def test_what_1_15_5_prints(tmp_path, mnist_dir, tf115_python, script, expected):
    """The files beside the programs are what genuine TensorFlow prints."""
    if script.startswith(("py2_", "mnist_", "zero_names")):
        pytest.skip("needs Python 2, 0.x, or the data of a module that 1.15.5 has removed")
    command = [tf115_python, "-W", "ignore", str(PROGRAMS / script)]
    process = subprocess.run(
        command, cwd=tmp_path, text=True, capture_output=True, check=False, timeout=600
    )
    if re.search("ModuleNotFoundError: No module named '(keras|scipy)", process.stderr):
        pytest.skip("needs Keras 2 or SciPy beside TensorFlow 1.15.5")
    assert process.returncode == 0, process.stderr[-2000:]
    same_words_and_numbers(process.stdout, expected.read_text())


def old(tmp_path, text, *arguments):
    (tmp_path / "old.py").write_text(text)
    return run_old("old.py", *arguments, cwd=tmp_path)


def test_a_fault_of_its_own_keeps_its_traceback_and_nothing_is_written(tmp_path):
    """Its own lines alone, its exit code; no TensorFlow is loaded for a program without it."""
    text = "import helper\n\ndef main():\n    helper.fail(1)\n\nmain()\n"
    (tmp_path / "helper.py").write_text("def fail(n):\n    return n / 0\n")
    process = old(tmp_path, text)
    assert process.returncode == 1 and process.stdout == ""
    lines = process.stderr.splitlines()
    assert lines[-1] == "ZeroDivisionError: division by zero"
    places = [line for line in lines if line.startswith('  File "')]
    assert [re.sub(r".*/", "", place) for place in places] == [
        'old.py", line 6, in <module>',
        'old.py", line 4, in main',
        'helper.py", line 2, in fail',
    ]
    assert sorted(os.listdir(tmp_path)) == ["helper.py", "old.py"]


def test_exit_code_arguments_and_place(tmp_path):
    text = (
        "import os, sys\nprint(sys.argv[1:], __name__, os.path.basename(__file__))\nsys.exit(7)\n"
    )
    process = old(tmp_path, text, "--steps=3", "-m", "x")
    assert process.returncode == 7 and process.stderr == ""
    assert process.stdout == "['--steps=3', '-m', 'x'] __main__ old.py\n"


def test_python_2(tmp_path):
    """Prints, divides and raises as Python 2 does; lines keep their numbers."""
    text = "print 7 / 2, -7 / 2, 7 / 2.0, None <= 0, 1 < 'a', 'b' > 'a'\n"
    text += "for i in xrange(2): print i,\nprint\n"
    text += (
        "import tempfile; f = tempfile.TemporaryFile(); print >>f, 3; f.seek(0); print f.read()\n"
    )
    text += "class Batches:\n    def next(self, timeout=None): return timeout\n"
    text += "import json; print json.dumps({b'a': [b'b']})\n"
    text += "print Batches().next(), iter([5]).next()\nraise ValueError, 'two'\n"
    process = old(tmp_path, text)
    ordered, read, dumped = ["True"] * 3, ["0", "1", "3"], ['{"a":', '["b"]}']
    assert process.stdout.split() == ["3", "-4", "3.5", *ordered, *read, *dumped, "None", "5"]
    assert process.returncode == 1 and "line 9, in <module>" in process.stderr
    assert process.stderr.endswith("ValueError: two\n")


def test_an_array_of_python_2_that_is_compared_with_none(tmp_path):
    text = "import numpy as np\nx = np.zeros(3)\nprint x == None, x != None, 3 != None"
    assert old(tmp_path, text).stdout == "False True True\n"


@pytest.mark.proof
def test_strings_of_python_2_in_an_example(tmp_path):
    """Its strings go in and come out; what is no text comes out as bytes."""
    text = """
import numpy as np
import tensorflow as tf

def feature(values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

features = {"a": feature(["abc"]), "n": feature([np.arange(300).tostring()])}
example = tf.train.Example(features=tf.train.Features(feature=features))
example.features.feature["b"].bytes_list.value.extend(["xyz", "uvw"])
example.features.feature["b"].bytes_list.value.append("x")
found = tf.train.Example.FromString(example.SerializeToString()).features.feature
print found["a"].bytes_list.value[0].index("c"), found["b"].bytes_list.value[1:]
print np.fromstring(found["n"].bytes_list.value[0], "int64").sum(),
print np.fromstring(found["b"].bytes_list.value[0], "uint8").sum()
"""
    process = old(tmp_path, text)
    assert (process.stdout, process.stderr) == ("2 ['uvw', 'x']\n44850 363\n", "")


@pytest.mark.proof
def test_a_file_of_tensorflow_in_python_2(tmp_path):
    """Reads texts, and a picture or a pickle without a word of their being binary."""
    text = """
import cPickle, tensorflow as tf
from tensorflow import gfile
with tf.gfile.GFile('p', 'w') as f: f.write(cPickle.dumps({'a': [300]}, 2))
with gfile.FastGFile('p') as f: print cPickle.load(f)
with tf.gfile.Open('p') as f: print len(f.read()) > 9
with tf.gfile.GFile('t', 'w') as f: f.write('a,b\\n')
with tf.gfile.GFile('t') as f: print f.read().split(',')
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    assert process.stdout.splitlines() == ["{'a': [300]}", "True", "['a', 'b\\n']"]


def test_a_networkx_of_its_time(tmp_path):
    """Its names are its own, and its files are imported when they are asked for."""
    package = tmp_path / "site-packages" / "networkx"
    (package / "readwrite").mkdir(parents=True)
    (package / "readwrite" / "__init__.py").write_text("")
    (package / "readwrite" / "json_graph.py").write_text("KEY = 5\n")
    text = "class Graph:\n    def __init__(self):\n        self.node = {1: {}}\n"
    text += "    def nodes_iter(self):\n        return iter(self.node)\n"
    (package / "__init__.py").write_text(text)
    text = "import networkx as nx\nfrom networkx.readwrite import json_graph\ngraph = nx.Graph()\n"
    text += "print(graph.node, list(graph.nodes_iter()), json_graph.KEY)\n"
    (tmp_path / "old.py").write_text(text)
    path = f"{ROOT}{os.pathsep}{package.parent}"
    process = run_old("old.py", cwd=tmp_path, PYTHONPATH=path)
    assert (process.stdout, process.stderr) == ("{1: {}} [1] 5\n", "")


def test_python_2_that_its_syntax_does_not_show(tmp_path):
    """The traceback of a program that Python 2 would run ends with the option for it."""
    advice = "tf1_style.run: if the program is Python 2, put --python2 before its name\n"
    for text, error in (
        ("n = len(map(int, '3,4'.split(',')))", "object of type 'map' has no len()"),
        ("n = {2: 3}.keys()[0]", "'dict_keys' object is not subscriptable"),
        ("n = range(4 / 2)[1] + 1", "'float' object cannot be interpreted as an integer"),
        ("n = len([1] + range(1))", 'can only concatenate list (not "range") to list'),
        ("n = len(map(int, '3') + [4])", "unsupported operand type(s) for +: 'map' and 'list'"),
    ):
        process = old(tmp_path, f"{text}\nprint(n)\n")
        assert process.stderr.endswith(f"TypeError: {error}\n{advice}")
        process = run_old("--python2", "old.py", cwd=tmp_path)
        assert (process.stdout, process.stderr) == ("2\n", "")


def test_an_import_as_python_2_has_it(tmp_path):
    """A module beside the importing one, in a package that nothing else shows to be Python 2."""
    package = tmp_path / "models"
    package.mkdir()
    (package / "__init__.py").write_text("from cells import cell\nimport cells\n")
    (package / "cells.py").write_text("def cell():\n    return 5\n")
    process = old(tmp_path, "import models\nprint(models.cell(), models.cells.__name__)\nimport x")
    assert process.stdout == "5 models.cells\n"
    assert process.stderr.endswith("ModuleNotFoundError: No module named 'x'\n")


def test_what_python_has_changed(tmp_path):
    """A split at nothing, as readers of bAbI's stories have it; a copy of the names of a module."""
    text = """
import re
print(re.split("(\\W+)?", "Mary moved."), re.split("x*", "axbc"), re.split("(,)?", "a,b,c", 1))
import pickle, math
print("load" in vars(pickle), sorted(name for name in math.__dict__ if name == "log10"))
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    assert process.stdout.splitlines() == [
        "['Mary', ' ', 'moved', '.', ''] ['a', 'bc'] ['a', ',', 'b,c']",
        "True ['log10']",
    ]


def test_what_numpy_has_moved(tmp_path):
    """The names of its folder `lib`, and those of its files."""
    text = """
import numpy as np
from numpy.lib.function_base import average
from numpy.lib import stride_tricks
import numpy.lib.arraysetops as sets
print(np.lib.pad(np.array([1, 2]), [0, 2], "constant", constant_values=(0, 0)), average([1, 2]))
print(stride_tricks.as_strided(np.arange(3), (2,), (8,)), sets.intersect1d([1, 2], [2]))
print(np.lib.stride_tricks is stride_tricks, np.linalg.linalg.norm([3.0, 4.0]))
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    assert process.stdout.splitlines() == ["[1 2 0 0] 1.5", "[0 1] [2]", "True 5.0"]


def test_a_library_of_its_time_sees_what_the_program_sees(tmp_path):
    """An installed one, too, if it knows TensorFlow 1 alone."""
    place = tmp_path / "site-packages" / "tflearn"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("print 7 / 2\nimport numpy as np\nprint np.float(1)\n")
    (tmp_path / "old.py").write_text("import tflearn\n")
    path = f"{ROOT}{os.pathsep}{place.parent}"
    process = run_old("old.py", cwd=tmp_path, PYTHONPATH=path)
    assert process.stdout.split() == ["3", "1.0"], process.stderr


def test_an_input_data_of_its_own(tmp_path):
    """A copy of the tutorial's that does more, or takes other arguments, is the program's."""
    text = (
        'NAMES = ["train-images-idx3-ubyte"]\n\ndef read_data_sets(train_dir, %s):\n    return 5\n'
    )
    more = "class SemiDataSet(object):\n    pass\n"
    usual = "fake_data=False, one_hot=False"
    program = "import input_data\nprint(hasattr(input_data, 'NAMES'))"
    for file, own in (
        (text % usual, False),
        (text % f"n_labeled = 100, {usual}", True),
        (text % usual + more, True),
    ):
        (tmp_path / "input_data.py").write_text(file)
        process = old(tmp_path, program)
        assert (process.stdout, process.stderr) == (f"{own}\n", "")


def test_names_of_opencv_2(tmp_path):
    """And its windows, which do nothing."""
    package = tmp_path / "site-packages" / "cv2"
    package.mkdir(parents=True)
    text = "CAP_PROP_FPS = 5\n\ndef VideoWriter_fourcc(*letters):\n    return ''.join(letters)\n"
    (package / "__init__.py").write_text(text)
    text = "import cv2\nprint(cv2.cv.CV_FOURCC(*'mp4v'), cv2.cv.CV_CAP_PROP_FPS, cv2.waitKey(1))\n"
    (tmp_path / "old.py").write_text(text)
    path = f"{ROOT}{os.pathsep}{package.parent}"
    process = run_old("old.py", cwd=tmp_path, PYTHONPATH=path)
    assert (process.stdout, process.stderr) == ("mp4v 5 -1\n", "")


@pytest.mark.proof
def test_a_loss_with_the_names_of_1_0(tmp_path):
    """A program may hide the errors of TensorFlow; those of today's without a GPU stay hidden."""
    text = """
import os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
import tensorflow as tf

def softmax_loss_function(%s):
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=inputs)

loss = tf.contrib.legacy_seq2seq.sequence_loss(
    [tf.zeros([1, 1])], [tf.ones([1, 1])], [tf.ones([1])],
    softmax_loss_function=softmax_loss_function)
print('%%.4f' %% tf.Session().run(loss))
"""
    for names in ("labels, inputs", "inputs, labels"):
        process = old(tmp_path, text % names)
        assert (process.stdout, process.stderr, process.returncode) == ("0.6931\n", "", 0)


@pytest.mark.proof
def test_flags_of_before_1_5(tmp_path):
    """The dictionary of the flags has their values, and only the program's own."""
    text = """
import tensorflow as tf
flags = tf.app.flags
flags.DEFINE_integer("steps", 1e6, "")
flags.DEFINE_integer("batch", 4, "")
flags.DEFINE_float("rate", 0.25, "")
flags.DEFINE_boolean("log_dir", False, "")

def main(_):
    found = flags.FLAGS.__flags
    print(sorted(found.items()), 1.0 - found["rate"], tf.zeros([found["batch"]]).shape)
    print(sorted((name, flag.value) for name, flag in found.items()))
    flags.FLAGS.words = 9
    print(flags.FLAGS.words)

tf.app.run()
"""
    process = old(tmp_path, text, "--batch=3")
    assert process.stderr == ""
    values = "[('batch', 3), ('log_dir', False), ('rate', 0.25), ('steps', 1000000)]"
    assert process.stdout.splitlines() == [f"{values} 0.75 (3,)", values, "9"]


@pytest.mark.proof
def test_a_shape_with_a_quotient_in_it(tmp_path):
    """Python 3 divides integers to a float, which TensorFlow 1 takes if it is whole."""
    text = """
import tensorflow as tf

print(tf.get_variable("w", [3, 100 / 2]).shape, tf.zeros([4 / 2]).shape)
x = tf.placeholder(tf.float32, [None, 6.0])
x.set_shape([4 / 2, None])
print(x.shape)
try:
    tf.placeholder(tf.float32, [5 / 2])
except ValueError as error:
    print("Ambiguous dimension: 2.5" in str(error))
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    assert process.stdout == "(3, 50) (2,)\n(2, 6)\nTrue\n"


@pytest.mark.proof
def test_apply_of_a_layer_of_keras(tmp_path):
    text = "import tensorflow as tf\nlayer = tf.keras.layers.Dense(2)\n"
    process = old(tmp_path, text + "print(layer.apply(tf.ones([1, 3])).shape)")
    assert (process.stdout, process.stderr) == ("(1, 2)\n", "")


@pytest.mark.proof
def test_a_layer_whose_filters_are_as_wide_as_its_input(tmp_path):
    """A text CNN: oneDNN's gradient is slow for the width, so it is computed as channels."""
    text = """
import numpy as np
import tensorflow as tf
x = np.sin(np.arange(48)).reshape(2, 6, 4, 1).astype("f")
kernel = tf.constant_initializer(np.cos(np.arange(24)).reshape(3, 4, 1, 2))
wide = tf.layers.conv2d(x, 2, [3, 4], kernel_initializer=kernel)
kept = tf.contrib.slim.conv2d(x, 2, [3, 4], padding="VALID", weights_initializer=kernel,
                              activation_fn=None)
layer = tf.keras.layers.Conv2D(2, [3, 4], kernel_initializer=kernel)(x)
same = tf.layers.conv2d(x, 2, [3, 4], kernel_initializer=kernel, padding="same")
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    made = session.run([wide, kept, layer, same[:, 1:-1, 1:2]])
    filters = session.run(tf.trainable_variables()[0])
windows = [x[:, i:i + 3].reshape(2, 12).dot(filters.reshape(12, 2)) for i in range(4)]
print([np.allclose(value[:, :, 0], np.stack(windows, 1), atol=1e-5) for value in made])
operations = tf.get_default_graph().get_operations()
print([str(op.inputs[1].shape) for op in operations if op.type == "Conv2D"])
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    rows = ["(3, 1, 4, 2)"] * 3 + ["(3, 4, 1, 2)"]
    assert process.stdout.splitlines() == ["[True, True, True, True]", str(rows)]


@pytest.mark.proof
def test_an_operation_by_its_name_before_1_5(tmp_path):
    """A gradient that lets only what is positive through, as pictures of saliency have it."""
    text = """
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import gen_nn_ops

@ops.RegisterGradient("GuidedRelu")
def guided(op, grad):
    return tf.where(0.0 < grad, gen_nn_ops._relu_grad(grad, op.outputs[0]), tf.zeros([4]))

x = tf.constant([-1.0, 2.0, 3.0, 4.0])
with tf.get_default_graph().gradient_override_map({"Relu": "GuidedRelu"}):
    y = tf.nn.relu(x) * [1.0, -2.0, 3.0, 4.0]
print(tf.Session().run(tf.gradients(y, x)[0]))
"""
    process = old(tmp_path, text)
    assert (process.stdout, process.stderr) == ("[0. 0. 3. 4.]\n", "")


@pytest.mark.proof
def test_layers_of_cudnn_are_layers_of_its_cells(tmp_path):
    """On a processor, too, where TensorFlow 1.15.5 has no operation for them."""
    text = """
import numpy as np
import tensorflow as tf
from tensorflow.contrib import cudnn_rnn

x = tf.constant(np.sin(np.arange(30)).reshape(5, 2, 3), tf.float32)
lstm = cudnn_rnn.CudnnLSTM(2, 4, direction="bidirectional")
gru = cudnn_rnn.CudnnGRU(1, 4)
outputs, (h, c) = lstm(x)
again, _ = lstm(x, initial_state=(h, c))
found, (state,) = gru(x)
with tf.variable_scope("cudnn_gru/cell_0", reuse=True):
    cell = cudnn_rnn.CudnnCompatibleGRUCell(4)
    options = {"time_major": True, "scope": tf.get_variable_scope()}
    expected, last = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, **options)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    a, b, s, l = session.run([found, expected, state[0], last])
    print(abs(a - b).max() == 0, abs(s - l).max() == 0, abs(s).max() > 0)
    out, h, c, other = session.run([outputs, h, c, again])
    print(out.shape, h.shape, c.shape, np.allclose(out[-1, :, :4], h[2]))
    print(np.allclose(out[0, :, 4:], h[3]), abs(out - other).max() > 0)
    print(len(tf.trainable_variables()), len(lstm.variables), len(gru.trainable_variables))
"""
    process = old(tmp_path, text)
    assert process.stderr == ""
    assert process.stdout.splitlines() == [
        "True True True",
        "(5, 2, 8) (4, 2, 4) (4, 2, 4) True",
        "True True",
        "14 8 6",
    ]


@pytest.mark.proof
def test_a_cell_that_is_gone_is_named_where_it_is_imported(tmp_path):
    process = old(tmp_path, "from tensorflow.contrib.rnn.python.ops.rnn_cell import GridLSTMCell")
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert process.stderr.startswith("old.py:1: tf.contrib.rnn.")
    assert "GridLSTMCell cannot be had" in process.stderr


@pytest.mark.proof
def test_a_tutorial_of_before_1_0_ends_in_the_line(tmp_path):
    text = (
        "from tensorflow.models.rnn import rnn_cell\nfrom tensorflow.models.rnn.ptb import reader"
    )
    process = old(tmp_path, text)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert process.stderr.startswith("old.py:2: tf.models.rnn.ptb cannot be had on TensorFlow 2")


def test_a_program_that_is_missing(tmp_path):
    process = run_old("gone.py", cwd=tmp_path)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "gone.py: no such file" in process.stderr
