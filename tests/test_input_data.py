"""The stand-in for the module that vanished behaves as the original did."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import random_images, write_idx

from shared import input_data
from shared.datasets import sources

CALLS = Path(__file__).with_name("input_data_calls.py")

# What the original of TensorFlow 1.15.5 delivers for these seeds of input_data_calls.py.
RECORDED = {
    1: "4d3f6dbd45cf18e39a0d91a7946b56ecdebe7d2d8117341e32f93bfe57dae3d0",
    2: "c4788890404f3588d67ac234aff3eb2a3b2cad7d09e925a4d8fcedd7c0d41b5b",
}


@pytest.fixture
def folder(tmp_path):
    write_idx(tmp_path / "files", random_images())
    return tmp_path / "files"


@pytest.mark.parametrize("seed", RECORDED)
def test_delivers_what_the_original_delivered(run, folder, seed):
    assert run(CALLS, "ours", folder, seed).stdout.strip() == RECORDED[seed]


@pytest.mark.legacy
@pytest.mark.parametrize("seed", RECORDED)
def test_the_record_is_the_original(folder, seed, tf115_python):
    command = [tf115_python, CALLS, "original", folder, str(seed)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == RECORDED[seed]


OLD_SCRIPT = """
import sys
import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()
from shared import input_data

mnist = input_data.read_data_sets(sys.argv[1], one_hot=True, validation_size=20)
x = tf.placeholder(tf.float32, [None, 30])
y_ = tf.placeholder(tf.float32, [None, 10])
W = tf.Variable(tf.zeros([30, 10]))
b = tf.Variable(tf.zeros([10]))
y = tf.nn.softmax(tf.matmul(x, W) + b)
cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)
correct = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1)), tf.float32))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    while mnist.train.epochs_completed < 300:
        for i in range(int(mnist.train.num_examples / 10)):
            batch_xs, batch_ys = mnist.train.next_batch(10)
            sess.run(train_step, feed_dict={x: batch_xs, y_: batch_ys})
    feed = {x: mnist.train.images, y_: mnist.train.labels}
    print(sess.run(correct, feed_dict=feed), mnist.validation.images.shape)
"""

OTHER_OLD_SCRIPT = """
import sys
import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()
from shared import input_data

data = input_data.read_data_sets(sys.argv[1], False, False, tf.uint8, False, 20, 7)
data.test.name = "test"
images, labels = data.test.next_batch(5, shuffle=False)
x = tf.placeholder(tf.uint8, [None, 6, 5, 1])
with tf.Session() as sess:
    total = sess.run(tf.reduce_sum(tf.cast(x, tf.int64), [1, 2, 3]), feed_dict={x: images})
print(total.tolist(), labels.tolist(), data.test.name)
"""


def test_old_scripts_run(run, folder, tmp_path):
    (tmp_path / "old.py").write_text(OLD_SCRIPT)
    assert run("old.py", folder).stdout.splitlines()[-1] == "1.0 (20, 30)"
    (tmp_path / "other.py").write_text(OTHER_OLD_SCRIPT)
    files = random_images()
    sums = files["test_images"][:5].astype(int).sum(axis=(1, 2)).tolist()
    expected = f"{sums} {files['test_labels'][:5].tolist()} test"
    assert run("other.py", folder).stdout.splitlines()[-1] == expected


def test_import_loads_no_tensorflow(run):
    code = "import sys; from shared import input_data; print('tensorflow' in sys.modules)"
    assert run("-c", code).stdout == "False\n"


def test_types_and_shapes(folder):
    train, validation, test = input_data.read_data_sets(folder, one_hot=True, validation_size=13)
    assert [part.num_examples for part in (train, validation, test)] == [40, 13, 17]
    assert train.images.shape == (40, 30) and train.images.dtype == np.float32
    assert train.labels.shape == (40, 10) and train.labels.dtype == np.float64
    plain = input_data.read_data_sets(folder, reshape=False, dtype="uint8", validation_size=0)
    assert plain.train.images.shape == (53, 6, 5, 1) and plain.train.images.dtype == np.uint8
    assert plain.train.labels.dtype == np.uint8
    with pytest.raises(AttributeError):
        plain.train.images = None


def test_counter_moves_past_the_end_and_batches_are_views(folder):
    part = input_data.read_data_sets(folder, validation_size=0, seed=1).train
    images, _ = part.next_batch(53)
    assert part.epochs_completed == 0 and np.shares_memory(images, part.images)
    images, _ = part.next_batch(1)
    assert part.epochs_completed == 1 and part._index_in_epoch == 1
    part._index_in_epoch = 50
    images, labels = part.next_batch(10, shuffle=False)
    assert len(images) == len(labels) == 10 and not np.shares_memory(images, part.images)
    assert np.array_equal(images[:3], part.images[50:]) and part.epochs_completed == 2


def test_fake_data():
    sets = input_data.read_data_sets("nowhere", fake_data=True, one_hot=True)
    images, labels = sets.train.next_batch(2, fake_data=True)
    assert images == [[1] * 784] * 2 and labels == [[1] + [0] * 9] * 2
    assert sets.test.num_examples == 10000


@pytest.mark.parametrize("dtype", [np.float64, "int32", None])
def test_other_dtypes_are_refused(folder, dtype):
    with pytest.raises(TypeError, match="expected uint8 or float32"):
        input_data.read_data_sets(folder, dtype=dtype, validation_size=0)


def test_validation_size_out_of_range(folder):
    with pytest.raises(ValueError, match="expected 0 to 53"):
        input_data.read_data_sets(folder)


def test_files_that_are_not_gzipped(tmp_path):
    write_idx(tmp_path, random_images(), pack=False)
    assert input_data.read_data_sets(tmp_path, validation_size=0).train.num_examples == 53


def test_early_functions(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    with open(path, "rb") as file:
        labels = input_data.extract_labels(file)
    assert np.array_equal(labels, input_data.extract_labels(str(path)))
    one_hot = input_data.extract_labels(str(path), one_hot=True)
    assert one_hot.dtype == np.float64 and np.array_equal(one_hot.argmax(1), labels)
    images = input_data.extract_images(str(folder / "t10k-images-idx3-ubyte.gz"))
    assert images.shape == (17, 6, 5, 1)
    assert input_data.maybe_download(path.name, str(folder)) == str(path)
    assert input_data.SOURCE_URL.startswith("https://")
    with pytest.raises(ValueError, match="magic number 2049"):
        input_data.extract_images(str(path))


def test_missing_files_come_from_where_mnist_is(tmp_path, mnist_dir, monkeypatch):
    monkeypatch.setenv("TWINS_DATA_DIR", str(mnist_dir))
    sets = input_data.read_data_sets(str(tmp_path / "MNIST_data"))
    assert sets.train.num_examples == 55000 and sets.train.images.shape == (55000, 784)
    assert sorted(path.name for path in (tmp_path / "MNIST_data").iterdir()) == sorted(
        file + ".gz" for file, _ in sources.FILES.values()
    )
    monkeypatch.setenv("TWINS_DATA_DIR", "/nowhere")  # what is there now is enough
    input_data.read_data_sets(str(tmp_path / "MNIST_data"))


def test_nothing_is_left_of_what_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ConnectionError, match="127.0.0.1:9"):
        input_data.read_data_sets(str(tmp_path), source_url="http://127.0.0.1:9/")
    assert not list(tmp_path.iterdir())
