"""Recording an unedited program changes no bit of it; of one that XLA compiles, only rounding."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

# The runner switches oneDNN on where it is not set; TensorFlow does so on some processors only.
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}

NEW = """
import sys
import numpy as np, tensorflow as tf
tf.keras.utils.set_random_seed(3)
x = np.random.rand(40, 6).astype("float32")
y = np.random.randint(0, 3, 40)
layers = [tf.keras.layers.Dense(16, "tanh"), tf.keras.layers.BatchNormalization()]
layers += [tf.keras.layers.Dropout(0.3, seed=4), tf.keras.layers.Dense(3)]
model = tf.keras.Sequential([tf.keras.Input([6]), *layers])
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
way = sys.argv[1]
if way.startswith("fit"):
    model.compile(tf.keras.optimizers.Adam(0.01), loss, jit_compile=way == "fit_xla")
    model.fit(x, y, batch_size=8, epochs=4, verbose=0)
    found = model.evaluate(x, y, verbose=0, return_dict=True).values()
    model.fit(x, y, batch_size=8, verbose=0, validation_data=(x[:20], y[:20]))
else:
    optimizer = tf.keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        if way == "assign":
            for variable, gradient in zip(model.trainable_variables, gradients):
                variable.assign(variable - 0.1 * gradient)
        else:
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    step = tf.function(step) if way == "function" else step
    @tf.function
    def test(x, y):
        logits = model(x)
        hits = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
        return hits, loss(y, logits)
    for i in range(25):
        step(x[i % 5 * 8 :][:8], y[i % 5 * 8 :][:8])
        if i % 10 == 0:
            found = test(x, y)
found = [*model.variables, model(x), *found]
np.savez(sys.argv[2], *[np.asarray(v) for v in found])
"""
OLD = """
import sys
import numpy as np, tensorflow as tf
random = np.random.RandomState(3)
X, Y = random.rand(40, 6).astype("float32"), random.randint(0, 3, 40)
tf.set_random_seed(5)
x, y = tf.placeholder(tf.float32, [None, 6]), tf.placeholder(tf.int64, [None])
h = tf.layers.batch_normalization(tf.layers.dense(x, 16, tf.tanh), training=True)
logits = tf.layers.dense(tf.nn.dropout(h, 0.7, seed=4), 3)
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train = tf.train.AdamOptimizer(0.01).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    hits = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
    for i in range(25):
        part = slice(i % 5 * 8, i % 5 * 8 + 8)
        value, _ = session.run([loss, train], {x: X[part], y: Y[part]})
        if i % 10 == 0:
            tested = session.run([hits, loss], {x: X, y: Y})
    np.savez(sys.argv[2], value, *tested, *session.run(tf.global_variables()))
"""
PREDICT = """
import sys
import numpy as np, tensorflow as tf
tf.keras.utils.set_random_seed(3)
x = np.random.rand(40, 6).astype("float32")
model = tf.keras.Sequential([tf.keras.Input([6]), tf.keras.layers.Dense(3, "softmax")])
found = model.predict(x, batch_size=16, verbose=0)
np.savez(sys.argv[2], found, model(x).numpy(), tf.matmul(x, model.weights[0]).numpy())
"""
WORDS = """
import sys
import numpy as np, tensorflow as tf
keys = tf.lookup.KeyValueTensorInitializer(["up", "down"], [0, 1])
table = tf.lookup.StaticHashTable(keys, -1)
w = tf.Variable(tf.ones([2, 3]))
@tf.function
def step(words):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(tf.gather(w, table.lookup(words))))
    w.assign_sub(0.1 * tf.convert_to_tensor(tape.gradient(loss, w)))
for i in range(25):
    step(tf.constant(["up", "down"]) if i % 2 else np.array(["down", "down"]))
np.savez(sys.argv[2], w.numpy())
"""


@pytest.fixture
def results(tmp_path):
    """Returns a function that runs a program and returns the arrays that it saves."""

    def results(text, way, *options):
        (tmp_path / "it.py").write_text(text)
        path = tmp_path / f"{len(options)}{len(list(tmp_path.iterdir()))}.npz"
        style = "tf1_style" if text == OLD else "tf2_style"
        start = ["-m", f"{style}.run", *options] if options or text == OLD else []
        process = subprocess.run(
            [sys.executable, *start, str(tmp_path / "it.py"), way, str(path)],
            env={**os.environ, **SETTINGS},
            text=True,
            capture_output=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        with np.load(path) as arrays:
            return [arrays[name] for name in arrays.files]

    return results


@pytest.mark.parametrize(
    ("text", "way"),
    [
        pytest.param(OLD, "session", marks=pytest.mark.proof),
        pytest.param(NEW, "fit", marks=pytest.mark.proof),
        pytest.param(NEW, "function", marks=pytest.mark.full),
        pytest.param(NEW, "eager", marks=pytest.mark.full),
        pytest.param(NEW, "assign", marks=pytest.mark.full),
        pytest.param(PREDICT, "predict", marks=pytest.mark.proof),
        pytest.param(WORDS, "words", marks=pytest.mark.proof),
    ],
    ids=["session", "fit", "function", "eager", "assign", "predict", "words"],
)
def test_recording_changes_no_bit(results, tmp_path, text, way):
    plain = results(text, way)
    values = f"--trace={tmp_path / 'a.npz'}", "--values_at=0,1,20", "--evaluations"
    at = "0" if way == "predict" else "3"
    tenth = f"--trace={tmp_path / 'b.npz'}", "--every=10", "--evaluations"
    for options in (values, tenth):
        recorded = results(text, way, *options)
        assert [a.tobytes() for a in recorded] == [a.tobytes() for a in plain], options
    # What is fetched is not fused with what follows it, so it is rounded.
    operations = f"--operations={tmp_path / 'o.npz'}", f"--operations_at={at}"
    recorded = results(text, way, f"--trace={tmp_path / 'c.npz'}", *operations)
    for ours, theirs in zip(plain, recorded):
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
    assert (tmp_path / "o.npz").exists()


@pytest.mark.full
def test_recording_changes_a_compiled_program_by_rounding(results, tmp_path):
    plain = results(NEW, "fit_xla")
    recorded = results(NEW, "fit_xla", f"--trace={tmp_path / 'a.npz'}", "--values_at=0,1,20")
    for ours, theirs in zip(plain, recorded):
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-5)
