"""Checkpoints of strangers' programs, converted for a Keras program and back, and refused."""

import os
import subprocess
import sys
import zipfile

import forks
import numpy as np
import pytest
from forks import ROOT

from compare.__main__ import main
from compare.checkpoint import programs, saved, values, writing
from shared.console import StopRun, UserError, quiet_import

PROGRAMS = ROOT / "tests" / "checkpoints"
KINDS = ["layers", "momentum", "nesterov", "lstm", "stacked", "gru", "centered", "ema"]
KINDS += ["partitioned", "embedding", "estimator", "own_momentum"]
# What two runs of 20 steps may differ in: the losses are about 1 and 2, and 3 units in the last
# place of a float32 were measured (3.6e-7). A run without its slots is off by 1e-2 at least.
ROUNDING, LOST = 2e-6, 5e-3


def convert(*arguments):
    with quiet_import():
        import tensorflow as tf  # noqa: F401
    return main(["checkpoint", "convert", *map(str, arguments)])


def go_on(tf1_command, folder):
    """Runs old and new programs of every kind, and converts what they save."""
    random = np.random.RandomState(3)
    arrays = {"X": random.randn(50, 16, 6, 4), "Y": random.randn(50, 16, 2)}
    np.savez(folder / "data.npz", **{name: array.astype("f4") for name, array in arrays.items()})

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def old(action):
        subprocess.run(
            [*tf1_command, PROGRAMS / "old.py", folder, action, *KINDS],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
        )

    def new(action):
        forks.run([PROGRAMS / "new.py", folder, action, *KINDS], folder)

    old("first")
    new("start")
    for kind in KINDS:
        old_folder = folder / kind / "old"
        source = old_folder / ("model.ckpt-10" if kind == "estimator" else "trained")
        like = f"--like={folder / kind / 'new_start'}"
        convert(source, folder / kind / "converted", "--to=tf2", like)
    new("run")
    for kind in KINDS:
        like = "model.ckpt-0" if kind == "estimator" else "start"
        like = f"--like={folder / kind / 'old' / like}"
        convert(folder / kind / "new_trained", folder / kind / "back", "--to=tf1", like)
    old("back")
    for kind in KINDS:
        found = {path.stem: np.load(path) for path in (folder / kind).glob("*.npy")}
        assert len(found["old_first"]) >= 20
        for action in ("first", "back"):
            np.testing.assert_allclose(
                found[f"new_{action}"], found[f"old_{action}"], 0, ROUNDING, err_msg=kind
            )
        assert np.abs(found["new_without"] - found["old_first"]).max() > LOST, kind


@pytest.mark.legacy
def test_strangers_of_tensorflow_1_15_go_on(tmp_path, tf115_python):
    go_on([tf115_python], tmp_path)


@pytest.mark.proof
def test_strangers_of_tensorflow_2_go_on(tmp_path):
    go_on([sys.executable, "-m", "tf1_style.run"], tmp_path)


# ---- what is paired, and what is refused


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """A folder with the first checkpoints of Keras programs."""
    folder = tmp_path_factory.mktemp("starts")
    np.savez(folder / "data.npz", X=np.zeros(1), Y=np.zeros(1))
    kinds = ["partitioned", "momentum", "lstm", "gru", "without", "reset_after"]
    kinds += ["own_momentum", "own_list"]
    forks.run([PROGRAMS / "new.py", folder, "start", *kinds], folder)
    return folder


def arrays(shapes, *slots, **more):
    """Returns random weights with their slots, as tf.train.Saver names them."""
    random = np.random.RandomState(0)
    found = {"global_step": np.int32(7), **more}
    for name, shape in shapes.items():
        for slot in ("", *(f"/{slot}" for slot in slots)):
            found[name + slot] = random.normal(size=shape).astype(np.float32)
    return found


DENSE = {"one/w": (24, 5), "one/b": (5,), "two/w": (5, 2), "two/b": (2,)}
ADAM = arrays(DENSE, "Adam", "Adam_1")
MOMENTUM = arrays(DENSE, "Momentum")
PATHS = [
    f"{'one' if i < 2 else 'two'}/{'wb'[i % 2]} optimizer/_trainable_variables/{i}"
    for i in range(4)
]
LIKE = "--like={starts}/partitioned/new_start"


def write(path, content):
    with quiet_import():
        import tensorflow as tf  # noqa: F401
    writing.tf1(str(path), content)


@pytest.fixture
def tensors(starts, tmp_path, monkeypatch):
    """Function: writes a checkpoint `old`, converts it to `new`, and returns its tensors."""

    def tensors(content, *options, rules="", to="tf2"):
        monkeypatch.chdir(tmp_path)
        if content is not None:
            write(tmp_path / "old", content)
        (tmp_path / "map").write_text(rules)
        options = [option.format(starts=starts) for option in options]
        if rules:
            options.append("--map=map")
        convert("old", "new", f"--to={to}", *options)
        new = saved.Saved("new")
        return {name: new.value(name) for name in new.tensors}

    return tensors


def test_slots_step_and_rate_follow_the_weights(tensors, capsys):
    found = tensors({**ADAM, "beta1_power": np.float32(0.5)}, LIKE, "--learning_rate=0.25")
    expected = {
        "adam/iteration": np.int64(7),
        "adam/learning_rate": np.float32(0.25),
        "sequential/dense/kernel": ADAM["one/w"],
        "adam/sequential_dense_kernel_momentum": ADAM["one/w/Adam"],
        "adam/sequential_dense_1_bias_velocity": ADAM["two/b/Adam_1"],
    }
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
    assert len(found) == 14
    assert "left out: beta1_power\n" in capsys.readouterr().out


@pytest.mark.parametrize("like", [True, False])
def test_velocity_is_minus_rate_times_the_accumulator(tensors, like):
    options = ["--like={starts}/momentum/new_start"] if like else []
    slots = [f"{name}/Momentum optimizer/_variables/{2 + i}" for i, name in enumerate(DENSE)]
    rules = "\n".join([*PATHS, *slots, "global_step optimizer/_iterations"])
    found = tensors(MOMENTUM, "--learning_rate=0.5", *options, rules=rules)
    name = "sgd/sequential_dense_kernel_momentum" if like else "one/w/Momentum"
    np.testing.assert_array_equal(found[name], -0.5 * MOMENTUM["one/w/Momentum"])
    rate = found["sgd/learning_rate" if like else "optimizer/_learning_rate"]
    assert rate == np.float32(0.5)


@pytest.mark.parametrize("kind", ["own_momentum", "own_list"])
def test_an_optimizer_of_their_own_gets_the_accumulator_as_it_is(tensors, kind):
    """That of the guide is known by its list; of another one, a map says what its slots are."""
    slots = [f"{name}/Momentum optimizer/_variables/{2 + i}" for i, name in enumerate(DENSE)]
    rules = "\n".join(slots * (kind == "own_list"))
    options = ["--learning_rate=0.5", f"--like={{starts}}/{kind}/new_start"]
    if kind == "own_list":
        with pytest.raises(StopRun, match="no counterpart for one/b/Momentum"):
            tensors(MOMENTUM, *options)
    found = tensors(MOMENTUM, *options, rules=rules)
    (slot,) = [name for name in found if name.endswith("sequential_dense_kernel_momentum")]
    np.testing.assert_array_equal(found[slot], MOMENTUM["one/w/Momentum"])


def test_averages_partitions_and_names_decide(tensors):
    """Parts are merged; a rule puts an average in the place of its weight."""
    parts = dict(zip(("one/w/part_0", "one/w/part_1"), np.split(ADAM["one/w"], 2)))
    average = "two/b/ExponentialMovingAverage"
    content = {**without(ADAM, "one/w"), **parts, average: np.float32([3, 4])}
    rules = f"{average} sequential/dense_1/bias\ntwo/b -"
    found = tensors(content, LIKE, "--partial", rules=rules)
    np.testing.assert_array_equal(found["sequential/dense/kernel"], ADAM["one/w"])
    np.testing.assert_array_equal(found["sequential/dense_1/bias"], [3, 4])


OWN_OPTIMIZER = """
import tensorflow as tf
net, opt = tf.Module(), tf.Module()
net.w, net.b = tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.zeros([2]))
opt.m, opt.v = ([tf.Variable(tf.zeros_like(x)) for x in (net.w, net.b)] for _ in "mv")
tf.train.Checkpoint(net=net, opt=opt).write("like")
"""


def test_slots_for_an_optimizer_of_its_own(tensors, run, tmp_path):
    """Nothing tells its variables from weights, so the map names those of one shape."""
    (tmp_path / "new.py").write_text(OWN_OPTIMIZER)
    run("new.py")
    content = without(arrays({"w": (3, 2), "b": (2,)}, "Adam", "Adam_1"), "global_step")
    rules = "\n".join(
        f"{name} net/{name}\n{name}/Adam opt/m/{place}\n{name}/Adam_1 opt/v/{place}"
        for place, name in enumerate("wb")
    )
    with pytest.raises(StopRun, match="no counterpart for b/Adam .*also expects opt/m/0"):
        tensors(content, "--like=like")
    found = tensors(content, "--like=like", rules=rules)
    np.testing.assert_array_equal(found["opt/v/1"], content["b/Adam_1"])


LSTM = {"rnn/lstm_cell/kernel": (9, 20), "rnn/lstm_cell/bias": (20,), "w": (5, 2), "b": (2,)}
CELL = "net/gru_cell/"
GRU = {
    f"{CELL}gates/kernel": (9, 10),
    f"{CELL}gates/bias": (10,),
    f"{CELL}candidate/kernel": (9, 5),
}
GRU.update({f"{CELL}candidate/bias": (5,), "w": (5, 2), "b": (2,)})
SAME = {"encoder/w": (24, 5), "decoder/w": (24, 5)}
RESET = "--like={starts}/reset_after/new_start"
KERNEL_LINE = "rnn/lstm_cell/kernel optimizer/_trainable_variables/0\n"


def without(content, *names):
    return {name: value for name, value in content.items() if name not in names}


REFUSED = {
    "exchanged": (
        ADAM,
        [LIKE],
        "one/w/Adam optimizer/_variables/3\none/w/Adam_1 optimizer/_variables/2",
        "one/w/Adam is Adam's m of one/w, but optimizer/_variables/3 is Adam's v of seq",
    ),
    "exchanged, without --like": (
        arrays({"w": (2,)}, "Adam", "Adam_1"),
        [],
        "w a/_trainable_variables/0\nw/Adam a/_variables/3\nw/Adam_1 a/_variables/2",
        "w/Adam_1 is Adam's v, but would be a/_variables/2 and w/Adam a/_variables/3",
    ),
    "another weight's slots": (
        ADAM,
        [LIKE],
        "one/b/Adam optimizer/_variables/2",
        "one/b/Adam is Adam's m of one/b, but optimizer/_variables/2 is Adam's m of sequential",
    ),
    "another weight's slots, without --like": (
        arrays({"w": (2,), "b": (2,)}, "Momentum"),
        ["--learning_rate=1"],
        "w a/_trainable_variables/0\nb a/_trainable_variables/1\n"
        + "w/Momentum a/_variables/3\nb/Momentum a/_variables/2",
        "b/Momentum would be a/_variables/2, before w/Momentum, but the weight b",
    ),
    "shape": (
        ADAM,
        [LIKE],
        "one/w optimizer/_trainable_variables/2",
        "one/w gives float32 [24, 5], but sequential/dense_1/kernel is float32 [5, 2]",
    ),
    "dtype": (
        {**ADAM, "one/b": np.zeros(5)},
        [LIKE],
        "",
        "one/b gives float64 [5], but sequential/dense/bias is float32 [5]",
    ),
    "mistyped": (
        ADAM,
        [LIKE],
        "one/w optimizer/_trainable_variable/0",
        "optimizer/_trainable_variable/0, which {starts}/partitioned/new_start has not",
    ),
    "weight for a slot": (
        ADAM,
        [LIKE],
        "one/w optimizer/_variables/2",
        "one/w is a weight, but optimizer/_variables/2 is Adam's m",
    ),
    "no rate": (
        arrays({"w": (2,)}, "Momentum"),
        [],
        "w a/_trainable_variables/0\nw/Momentum a/_variables/2\nglobal_step a/_iterations",
        "w/Momentum: a velocity of Keras's SGD is -learning_rate times the accumulator",
    ),
    "another optimizer": (
        ADAM,
        ["--like={starts}/momentum/new_start"],
        "",
        "no counterpart for one/b/Adam (Adam's m of one/b)",
    ),
    "no slots": (
        ADAM,
        ["--like={starts}/without/new_start"],
        "",
        "has no slots of an optimizer: save it after optimizer.build(model.trainable_variables)",
    ),
    "no step": (
        without(ADAM, "global_step"),
        [LIKE],
        "",
        "adam/iteration needs a step, and old has no counter of steps; give it with --step",
    ),
    "a weight too many": (
        {**ADAM, "other": np.zeros(3, np.float32)},
        [LIKE],
        "",
        "no counterpart for other (weight float32 [3])",
    ),
    "reset_after": (
        arrays(GRU, "Adam", "Adam_1"),
        [RESET],
        "",
        "a GRU with reset_after=True, Keras's default, computes another function",
    ),
    "parts of a cell": (
        arrays(LSTM, "Adam", "Adam_1"),
        ["--like={starts}/lstm/new_start"],
        KERNEL_LINE + "rnn/lstm_cell/bias optimizer/_trainable_variables/3",
        "rnn/lstm_cell/bias would be optimizer/_trainable_variables/3, but the rest of its cell",
    ),
    "GRU without --like": (
        arrays(GRU),
        [],
        f"{CELL}gates/kernel a/_trainable_variables/0\n{CELL}gates/bias a/_trainable_variables/2",
        "a recurrent layer of Keras has two kernels; give a checkpoint that the new program",
    ),
    "LSTM without a place": (
        arrays(LSTM),
        [],
        KERNEL_LINE + "rnn/lstm_cell/bias optimizer/_trainable_variables/3",
        "a recurrent layer of Keras has two kernels; give a checkpoint that the new program",
    ),
    "peepholes": (
        arrays({**LSTM, "rnn/lstm_cell/w_f_diag": (5,)}),
        ["--like={starts}/lstm/new_start", "--partial"],
        "",
        "rnn/lstm_cell has w_f_diag: peepholes, which Keras's recurrent layers have not",
    ),
    "projection": (
        arrays({**LSTM, "rnn/lstm_cell/projection/kernel": (5, 3)}),
        ["--like={starts}/lstm/new_start", "--partial"],
        "",
        "rnn/lstm_cell has projection/kernel: a projection of the output (num_proj)",
    ),
    "no averages": (ADAM, [LIKE, "--averages"], "", "old has no moving averages of weights"),
    "another weight, its slots not listed": (
        {**ADAM, **{f"one/w{slot}": np.zeros((3, 3), "f4") for slot in ("", "/Adam", "/Adam_1")}},
        [LIKE],
        "",
        "also expects sequential/dense/kernel (weight float32 [24, 5]); say which",
    ),
    "style": (ADAM, ["--like=old"], "", "--like=old is a checkpoint of tf1, expected one of tf2"),
    "rate": (ADAM, [LIKE, "--learning_rate=0"], "", "expected a number above 0"),
    "no checkpoint": (ADAM, ["--like=nowhere"], "", "no checkpoint at nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused(tensors, starts, tmp_path, case):
    content, options, rules, message = REFUSED[case]
    if not any(option.startswith("--like") for option in options):
        options = [*options, "--partial"]
    with pytest.raises((UserError, StopRun)) as stop:
        tensors(content, *options, rules=rules)
    assert message.format(starts=starts) in str(stop.value) and "\n" not in str(stop.value)
    assert not list(tmp_path.glob("new*"))


def test_ambiguous_weights_are_listed_and_a_map_decides(tensors, tmp_path):
    """Without the graph beside it, nothing says which of two was created first."""
    write(tmp_path / "like", {f"{side}/w": np.zeros((2, 2), "f4") for side in "ab"})
    content = {"encoder/w": np.eye(2, dtype="f4"), "decoder/w": np.ones((2, 2), "f4")}
    with pytest.raises(StopRun, match="decoder/w may be a/w or b/w; encoder/w may be a/w or b/w"):
        tensors(content, "--like=like", to="tf1")
    found = tensors(content, "--like=like", to="tf1", rules="encoder/w b/w")
    np.testing.assert_array_equal(found["b/w"], np.eye(2))
    np.testing.assert_array_equal(found["a/w"], np.ones((2, 2)))


def test_an_lstm_is_split_where_the_map_leaves_a_place(tensors, capsys):
    rules = KERNEL_LINE + (
        "rnn/lstm_cell/bias optimizer/_trainable_variables/2\n"
        "rnn/lstm_cell/kernel/Adam optimizer/_variables/2\n"
        "rnn/lstm_cell/bias/Adam optimizer/_variables/6"
    )
    content = arrays(LSTM, "Adam")
    found = tensors(content, "--partial", rules=rules)
    i, j, f, o = np.split(content["rnn/lstm_cell/kernel/Adam"], 4, 1)
    wanted = np.concatenate([i, f, j, o], 1)
    np.testing.assert_array_equal(found["rnn/lstm_cell/kernel/Adam"], wanted[:4])
    np.testing.assert_array_equal(found["optimizer/_variables/4"], wanted[4:])
    assert found["optimizer/_trainable_variables/1"].shape == (5, 20)
    assert "forget bias 1 added" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["new.keras", "new.index", "new.h5"])
def test_another_kind_of_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "old", ADAM)
    with pytest.raises(UserError, match="expected the path of a checkpoint|a checkpoint such as"):
        convert("old", name, "--to=tf2", "--like=old")
    with zipfile.ZipFile("model.keras", "w"):
        pass
    with pytest.raises(UserError, match="model.keras is a model of Keras"):
        convert("model.keras", "new", "--to=tf2", "--like=old")
    assert not list(tmp_path.glob("new*"))


def test_averages_become_the_weights(tensors):
    averages = {f"{name}/ExponentialMovingAverage": 2 * ADAM[name] for name in DENSE}
    found = tensors({**ADAM, **averages}, LIKE, "--averages")
    np.testing.assert_array_equal(found["sequential/dense/kernel"], 2 * ADAM["one/w"])
    kernel_m = "adam/sequential_dense_kernel_momentum"
    np.testing.assert_array_equal(found[kernel_m], ADAM["one/w/Adam"])


def test_a_bias_goes_with_its_kernel(tensors, tmp_path):
    """The kernels' shapes differ, and neither names nor an order tell the biases apart."""
    shapes = {"a/w": (3, 2), "a/b": (2,), "c/w": (2, 2), "c/b": (2,)}
    content = without(arrays(shapes), "global_step")
    names = {"y/kernel": (3, 2), "y/bias": (2,), "alpha/kernel": (2, 2), "alpha/bias": (2,)}
    write(tmp_path / "like", without(arrays(names), "global_step"))
    found = tensors(content, "--like=like", to="tf1")
    np.testing.assert_array_equal(found["y/bias"], content["a/b"])


def test_parts_of_the_other_program_are_written(tensors, tmp_path):
    parts = {"w/part_0": np.zeros((2, 3), "f4"), "w/part_1": np.zeros((1, 3), "f4")}
    write(tmp_path / "like", parts)
    content = {"net/w": np.eye(3, dtype="f4")}
    np.testing.assert_array_equal(tensors(content, "--like=like", to="tf1")["w"], np.eye(3))


# ---- what only the graph beside the checkpoint shows


@pytest.fixture
def save_graph(tmp_path):
    """Function: saves a graph's variables after some steps; returns the last step's result."""

    def save_graph(name, build, steps=0):
        with quiet_import():
            import tensorflow.compat.v1 as tf
        with tf.Graph().as_default(), tf.Session() as session:
            result, op = None, build(tf)
            session.run(tf.global_variables_initializer())
            for _ in range(steps):
                result = session.run(op)
            tf.train.Saver().save(session, str(tmp_path / name))
        return result

    return save_graph


def test_rows_dealt_out_to_parts_are_collected(tensors, save_graph, tmp_path):
    """tf.nn.embedding_lookup gives the first of three parts the rows 0, 3, 6."""

    def build(tf):
        parts, init = tf.fixed_size_partitioner(3), tf.random_normal_initializer()
        table = tf.get_variable("table", [7, 2], initializer=init, partitioner=parts)
        return tf.nn.embedding_lookup(table, list(range(7)))

    rows = save_graph("old", build, 1)
    write(tmp_path / "like", {"embedding": np.zeros((7, 2), "f4")})
    np.testing.assert_array_equal(tensors(None, "--like=like", to="tf1")["embedding"], rows)
    convert("new", "back", "--to=tf1", "--like=old")
    old, back = (saved.Saved(name).reader.get_tensor("table") for name in ("old", "back"))
    np.testing.assert_array_equal(back, old)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_an_order_of_use_that_contradicts_is_a_doubt(tensors, save_graph, tmp_path, order):
    def build(tf):
        w = {name: tf.get_variable(f"{name}/w", initializer=2 * tf.eye(2)) for name in order}
        return tf.matmul(tf.matmul(tf.ones([1, 2]), w["a"]), w["b"])

    save_graph("old", build)
    write(tmp_path / "like", {name: np.zeros((2, 2), "f4") for name in ("dense/w", "dense_1/w")})
    if order == "ba":
        with pytest.raises(StopRun, match=r"b/w may be .*dense_1/w \(a/w is used first, and creat"):
            tensors(None, "--like=like", to="tf1")
    else:
        np.testing.assert_array_equal(
            tensors(None, "--like=like", to="tf1")["dense/w"], 2 * np.eye(2)
        )


TWO_OPTIMIZERS = """
import keras, tensorflow as tf
a, b = (keras.layers.Dense(units, use_bias=False) for units in (2, 3))
one, two = keras.optimizers.Adam(beta_1=0.5), keras.optimizers.Adam()
for layer, optimizer in ((a, one), (b, two)):
    layer.build((None, 1))
    optimizer.build(layer.trainable_variables)
tf.train.Checkpoint(a=a, b=b, one=one, two=two).write("like")
"""


def test_each_adam_has_its_own_steps_and_rate(tensors, save_graph, run, tmp_path, capsys):
    """The program's counter counts the steps of both; the powers of beta show each one's."""

    def build(tf):
        step = tf.train.get_or_create_global_step()
        op = tf.no_op()
        for units, rate, beta in ((2, 0.5, 0.5), (3, 0.25, 0.9)):
            w = tf.get_variable(f"w{units}", initializer=tf.ones([1, units]))
            loss = tf.reduce_sum(w * w)
            with tf.control_dependencies([op]):
                op = tf.train.AdamOptimizer(rate, beta).minimize(loss, step, [w])
        return op

    (tmp_path / "new.py").write_text(TWO_OPTIMIZERS)
    run("new.py")
    save_graph("start", build)
    save_graph("old", build, 3)
    tensors(None, "--like=like")
    new = saved.Saved("new")
    for name, rate in (("one", 0.5), ("two", 0.25)):
        assert new.value(new.resolve(f"{name}/_iterations")) == 3
        assert new.value(new.resolve(f"{name}/_learning_rate")) == rate
    assert "beta1_power_1 and beta2_power_1 have it; global_step is 6" in capsys.readouterr().out
    convert("new", "back", "--to=tf1", "--like=start", "--step=6")
    old, back = saved.Saved("old"), saved.Saved("back")
    for name in old.tensors:
        np.testing.assert_array_equal(back.value(name), old.value(name), name)


def test_arguments_of_a_checkpoint_have_no_order(tensors, save_graph, run, tmp_path):
    """tf.train.Checkpoint sorts them by name: the discriminator comes before the generator."""
    (tmp_path / "new.py").write_text(TWO_MODELS)
    run("new.py")
    save_graph("old", lambda tf: [tf.get_variable(f"{name}/w", [2]) for name in "gd"])
    with pytest.raises(StopRun, match="g/w may be discriminator/w or generator/w"):
        tensors(None, "--like=like")


TWO_MODELS = """
import tensorflow as tf
generator, discriminator = tf.Module(), tf.Module()
generator.w, discriminator.w = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
tf.train.Checkpoint(generator=generator, discriminator=discriminator).write("like")
"""


FIT = """
import keras, numpy as np, tensorflow as tf
model = keras.Sequential([keras.layers.Dense(5), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
checkpoint = tf.train.Checkpoint(step=tf.Variable(0), model=model, optimizer=model.optimizer)
status = checkpoint.restore("new")
model.fit(np.ones([8, 24]), np.ones([8, 2]), verbose=0)
status.assert_consumed()
print("restored", checkpoint.step.numpy(), model.optimizer.iterations.numpy())
"""


@pytest.mark.proof
def test_a_program_that_fits_stands_for_its_checkpoint(tensors, run, tmp_path):
    """Its weights and slots are made in its first step; it saves no checkpoint itself."""
    (tmp_path / "new.py").write_text(FIT)
    (tmp_path / "wrong.py").write_text("raise ValueError('no data')")
    (tmp_path / "none.py").write_text("import keras")
    write(tmp_path / "old", MOMENTUM)
    for name, message in (
        ("wrong", "wrong.py ended with exit 1 before its first step: ValueError: no data"),
        ("none", "none.py made no tf.train.Checkpoint before its first step"),
        ("nowhere", "nowhere.py: No such file"),
    ):
        with pytest.raises(UserError, match=message):
            tensors(None, f"--for={name}.py", rules="one/w -")
    with pytest.raises(UserError, match="expected --like"):
        tensors(None, "--for=none.py", to="tf1")
    found = tensors(None, "--for=new.py", "--learning_rate=0.5")
    name = "sgd/sequential_dense_kernel_momentum"
    np.testing.assert_array_equal(found[name], -0.5 * MOMENTUM["one/w/Momentum"])
    assert "restored 7 8" in run("new.py").stdout


OWN = """
import sys, tensorflow as tf
w = tf.Variable([1.0, 2.0])
slot = tf.Variable([0.0, 0.0], trainable=False)
checkpoint = tf.train.Checkpoint(w=w, slot=slot)
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(w * w)
    slot.assign(0.9 * slot + tape.gradient(loss, w))
    w.assign_sub(0.1 * slot)
step = tf.function(step) if "function" in sys.argv else step
for _ in range(5):
    step()
checkpoint.write("end")
"""


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["function", "eager"])
def test_a_program_with_its_own_optimizer_ends_after_its_first_step(tmp_path, kind):
    """Else --for would train to the end, and write over the program's own checkpoints."""
    program = tmp_path / "own.py"
    program.write_text(OWN.replace('"end"', repr(str(tmp_path / "end"))))
    path = programs.first_state(f"{program} {kind}", str(tmp_path))
    with quiet_import():
        import tensorflow as tf
    value = tf.train.load_checkpoint(path).get_tensor("w/.ATTRIBUTES/VARIABLE_VALUE")
    np.testing.assert_allclose(value, [0.8, 1.6])
    assert not list(tmp_path.glob("end*"))


KERAS = """
import sys, numpy as np
{imports}
l = keras.layers
model = keras.Sequential([l.Input((6, 4)), l.Bidirectional(l.LSTM(3, return_sequences=True)),
    l.BatchNormalization(), l.GRU(4), l.Dense(4), l.Dense(4)])
x = np.random.RandomState(0).randn(16, 6, 4).astype("float32")
"""
KERAS_2 = """
model.compile("adam", "mse")
model.fit(x, x[:, 0], verbose=0)
model.save_weights("old.h5")
np.save("expected", model.predict(x, verbose=0))
"""
KERAS_3 = """
import tensorflow as tf
if sys.argv[1] == "weights":
    model.load_weights("new.weights.h5")
else:
    status = tf.train.Checkpoint(model=model).restore(sys.argv[1])
    model.predict(x, verbose=0)
    status.assert_consumed()
np.testing.assert_array_equal(model.predict(x, verbose=0), np.load("expected.npy"))
"""


@pytest.mark.proof
def test_weights_of_keras_2(run, tmp_path, monkeypatch):
    """As weights of Keras 3, by Keras itself, and as a checkpoint: the same predictions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.py").write_text(KERAS.format(imports="import tf_keras as keras") + KERAS_2)
    (tmp_path / "new.py").write_text(KERAS.format(imports="import keras") + KERAS_3)
    (tmp_path / "small.py").write_text(
        "import keras\nmodel = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(3)])\n"
        "model.load_weights('new.weights.h5')"
    )
    run("old.py")
    with pytest.raises(UserError, match="small.py ended with exit 1 .*[Ll]ayer"):
        convert("old.h5", "new.weights.h5", "--to=tf2", "--for=small.py")
    convert("old.h5", "new.weights.h5", "--to=tf2", "--for=new.py weights")
    run("new.py", "weights")
    convert("old.h5", "ckpt", "--to=tf2", "--for=new.py checkpoint")
    run("new.py", "./ckpt")
    for target, options, message in (
        ("other.weights.h5", [], "with --for=PROGRAM, whose model they fit"),
        ("other.h5", ["--for=new.py"], "a name that ends in .weights.h5"),
    ):
        with pytest.raises(UserError, match=message):
            convert("old.h5", target, "--to=tf2", *options)
    with pytest.raises(UserError, match="expected the weights of a model of Keras 2"):
        convert("new.weights.h5", "other", "--to=tf2", "--for=new.py checkpoint")
    assert not list(tmp_path.glob("other*"))


@pytest.mark.parametrize("steps", [0, 1, 5000, 40000])
def test_the_powers_of_beta_show_the_step(steps):
    powers = values.power(0.9, steps + 1), values.power(0.999, steps + 1)
    assert values.step_of_powers(*powers) == steps
    assert values.step_of_powers(np.float32(0.4), powers[1]) is None
