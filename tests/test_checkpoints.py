"""Checkpoints: restored by either style, damaged, shown and converted."""

import fcntl
import os
import shutil

import forks
import numpy as np
import pytest
from conftest import STYLES, bits, script, tensors
from hypothesis import given
from hypothesis import strategies as st

from compare.checkpoint import renaming, writing
from shared import checkpoints, repair
from shared.console import StopRun, UserError, quiet_import

DIGITS = "--dataset=digits"


def train(run, style, *flags, name="mnist_softmax", **options):
    return run(script(style, name), DIGITS, "--nolog", "--eval_every=0", *flags, **options)


def state(path, kind):
    """Returns the tensors of a run's newest checkpoint of one kind, by TensorFlow 1's names."""
    found = tensors(path, kind)
    if kind == "tf2":
        paths = renaming.default_paths(TF1_NAMES[len(found)])
        names = {path: name for name, path in paths.items()}
        found = {names[path]: value for path, value in found.items()}
    return {name: bits(value) for name, value in found.items()}


WEIGHTS = ["softmax/W", "softmax/b"]
TF1_NAMES = {
    9: [*WEIGHTS, "global_step", "train/beta1_power", "train/beta2_power"]
    + [f"train/{weight}/{slot}" for weight in WEIGHTS for slot in ("Adam", "Adam_1")],
}
ADAM = ["--optimizer=adam", "--learning_rate=0.001"]


BOTH_WAYS = [STYLES, pytest.param(*STYLES[::-1], marks=pytest.mark.proof)]


@pytest.mark.parametrize(("first", "second"), BOTH_WAYS)
def test_run_resumes_in_the_other_style(run, tmp_path, first, second):
    """In one run folder, from one style to the other and back, with Adam's slots."""
    kinds = [style.split("_")[0] for style in (first, second)]
    train(run, first, *ADAM, "--max_steps=90", "--run_dir=unbroken")
    train(run, first, *ADAM, "--max_steps=30", "--run_dir=run")
    process = train(run, second, *ADAM, "--max_steps=60", "--run_dir=run")
    assert process.stdout.startswith("resumed from step 30 in run\n")
    process = train(run, first, *ADAM, "--max_steps=90", "--run_dir=run")
    assert process.stdout.startswith("resumed from step 60 in run\n")
    unbroken = state(tmp_path / "unbroken", kinds[0])
    assert state(tmp_path / "run", kinds[0]) == unbroken and len(unbroken) == 9
    assert sorted(os.listdir(tmp_path / "run" / "checkpoints")) == ["tf1", "tf2"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Folders of runs of five steps, by their style and optimizer."""
    folder = tmp_path_factory.mktemp("trained")
    for style in STYLES:
        for name, flags in (("adam", ADAM), ("sgd", [])):
            command = [script(style, "mnist_softmax"), DIGITS, "--nolog", *flags]
            command += ["--eval_every=0", "--max_steps=5", f"--run_dir={folder / style / name}"]
            forks.run(command)
    return folder


@pytest.mark.proof
@pytest.mark.parametrize(("first", "second"), [STYLES, STYLES[::-1]])
def test_restore(run, tmp_path, trained, first, second):
    """From a run's folder and from a checkpoint; the restored run stays unchanged."""
    source = trained / first / "adam"
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    kinds = [style.split("_")[0] for style in (first, second)]
    prefix = source / "checkpoints" / kinds[0] / "model.ckpt-5"
    for path in (source, prefix):
        flags = [*ADAM, "--max_steps=9", f"--restore={path}", f"--run_dir={path.name}"]
        process = train(run, second, *flags)
        assert process.stdout.startswith(f"resumed from step 5 of {prefix}\n")
        assert "will differ" not in process.stdout
    train(run, second, *ADAM, "--max_steps=9", "--run_dir=whole")
    whole = state(tmp_path / "whole", kinds[1])
    assert state(tmp_path / "adam", kinds[1]) == state(tmp_path / prefix.name, kinds[1]) == whole
    assert before == {path: path.stat().st_mtime_ns for path in source.rglob("*")}

    # The new run has a checkpoint of its own from the start.
    assert (tmp_path / "adam" / "checkpoints" / kinds[1] / "model.ckpt-5.index").exists()
    # With later checkpoints of its own, the same command resumes from those.
    again = train(run, second, *ADAM, "--max_steps=12", f"--restore={source}", "--run_dir=adam")
    assert again.stdout.startswith("resumed from step 9 in adam\n")


@pytest.mark.proof
def test_other_flags_are_reported(run, trained):
    flags = ["--max_steps=9", "--batch_size=20", "--learning_rate=0.1"]
    process = train(run, "tf2_style", *flags, f"--restore={trained / 'tf1_style' / 'sgd'}")
    assert process.stdout.splitlines()[1] == (
        "that run had --batch_size 100, not 20; --learning_rate 0.5, not 0.1: the numbers will "
        "differ from those of an uninterrupted run"
    )


@pytest.mark.proof
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (STYLES[0], STYLES[1]),
        (STYLES[1], STYLES[0]),
        pytest.param(STYLES[0], STYLES[0], marks=pytest.mark.full),
        pytest.param(STYLES[1], STYLES[1], marks=pytest.mark.full),
    ],
)
def test_missing_and_surplus_tensors_are_listed(run, tmp_path, trained, first, second):
    """A checkpoint with Adam's slots in a program without, and the reverse."""
    flags = ["--max_steps=9", f"--restore={trained / first / 'adam'}", "--run_dir=to_sgd"]
    process = train(run, second, *flags, check=False)
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert "it also holds train/beta1_power, train/beta2_power, train/softmax/W/A" in process.stderr
    assert not (tmp_path / "to_sgd").exists()
    process = train(run, second, *flags, "--partial")
    assert process.stdout.startswith("restored in part: it also holds train/beta1_power, ")

    flags = [*ADAM, "--max_steps=9", f"--restore={trained / first / 'sgd'}", "--run_dir=to_adam"]
    process = train(run, second, *flags, check=False)
    assert process.returncode == 1 and "it lacks train/beta1_power, " in process.stderr
    process = train(run, second, *flags, "--partial")
    assert "restored in part: it lacks train/beta1_power, " in process.stdout
    assert "resumed from step 5 of " in process.stdout


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_checkpoints_that_do_not_fit(run, tmp_path, trained, style):
    shutil.copytree(trained / style / "sgd", tmp_path / "first")
    write_tensors(tmp_path / "shape", {"global_step": 5, "softmax/W": np.zeros([78, 10], "f4")})
    write_tensors(tmp_path / "names", {"step": 5, "dense/kernel": np.zeros([784, 10], "f4")})
    wrong = [
        (["--restore=nowhere"], "no checkpoint at nowhere; expected a run's folder"),
        (["--restore=first/result.json"], "could not restore first/result.json"),
        (["--restore=first", "--max_steps=4"], "model.ckpt-5 is at step 5, past step 4, where"),
        (["--restore=shape", "--partial"], "the shape [78, 10], expected [784, 10]"),
        (["--restore=names"], "no variable of this program is in it; it holds dense/kernel, step,"),
    ]
    for flags, message in wrong:
        process = train(run, style, "--run_dir=new", *flags, check=False)
        assert process.returncode == 2, process.stderr
        assert message in process.stderr and process.stderr.count("\n") == 1
        assert not (tmp_path / "new").exists()


def write_tensors(prefix, values):
    """Writes a checkpoint as of TensorFlow 1, of any names."""
    with quiet_import():
        import tensorflow as tf  # noqa: F401
    writing.tf1(str(prefix), values)


def test_second_run_in_a_folder_is_refused(run, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = train(run, "tf2_style", "--restart", "--run_dir=run", check=False)
    assert process.returncode == 2 and process.stderr == (
        "another process works in run; wait until it ends, or name another --run_dir\n"
    )
    os.close(lock)
    assert not list(folder.iterdir())


def test_paths_of_a_checkpoint(tmp_path):
    folder = tmp_path / "checkpoints" / "tf1"
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-5"\n')
    (folder / "model.ckpt-5.index").touch()
    (folder / "model.ckpt-4.index").touch()
    (folder / "old").touch()  # a single file, as TensorFlow wrote before 0.12
    expected = {
        "": "model.ckpt-5",
        "checkpoints/tf1": "model.ckpt-5",
        "checkpoints/tf1/model.ckpt-4": "model.ckpt-4",
        "checkpoints/tf1/model.ckpt-4.index": "model.ckpt-4",
        "checkpoints/tf1/old": "old",
    }
    for path, name in expected.items():
        assert checkpoints.find(str(tmp_path / path)) == str(folder / name)
    for path in ("checkpoints", "checkpoints/tf1/model.ckpt-3", "nowhere"):
        with pytest.raises(UserError, match="no checkpoint at .*; expected a run's folder"):
            checkpoints.find(str(tmp_path / path))


def test_newest_of_both_kinds(tmp_path):
    assert checkpoints.newest(str(tmp_path)) is None
    for kind, step in (("tf1", 900), ("tf2", 1000)):
        folder = tmp_path / "checkpoints" / kind
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_text(
            f'model_checkpoint_path: "/moved/model.ckpt-{step}"\n'
            f'all_model_checkpoint_paths: "/moved/model.ckpt-{step - 1}"\n'
            f'all_model_checkpoint_paths: "/moved/model.ckpt-{step}"\n'
        )
        for number in (step - 1, step):
            (folder / f"model.ckpt-{number}.index").touch()
    assert checkpoints.newest(str(tmp_path)) == f"{tmp_path}/checkpoints/tf2/model.ckpt-1000"
    # A save that failed after the state file named its checkpoint.
    (folder / "model.ckpt-1000.index").unlink()
    assert checkpoints.newest(str(tmp_path)) == f"{tmp_path}/checkpoints/tf2/model.ckpt-999"
    (folder / "model.ckpt-999.index").unlink()
    assert checkpoints.newest(str(tmp_path)) == f"{tmp_path}/checkpoints/tf2/model.ckpt-1000"


NAMES = st.dictionaries(st.text("abc/", min_size=1, max_size=3), st.just((2,)), max_size=5)


@given(NAMES, NAMES)
def test_names_in_only_one_of_the_two_are_listed(saved, variables):
    alone = set(saved) ^ set(variables)
    if not set(saved) & set(variables):
        with pytest.raises(UserError, match="no variable of this program"):
            checkpoints.restorable("path", saved, variables, True)
    elif alone:
        with pytest.raises(StopRun) as stop:
            checkpoints.restorable("path", saved, variables, False)
        assert stop.value.exit_code == 1
        assert all(name in str(stop.value) for name in alone)
        common = checkpoints.restorable("path", saved, variables, True)
        assert set(common) == set(saved) & set(variables)
    else:
        assert set(checkpoints.restorable("path", saved, variables, False)) == set(saved)


def test_what_a_killed_process_leaves_is_removed(tmp_path):
    kept = ["model.ckpt-5.index", "model.ckpt-5.data-00000-of-00001", "model.ckpt-5.meta"]
    foreign = ["notes.txt", "model.txt", "checkpoint", "model.ckpt-3.bak", "model.ckpt-5.index.bak"]
    left = [
        "model.ckpt-1.index",
        "model.ckpt-50.index",
        "model.ckpt-5.meta.tmpa1b2",
        "model.ckpt-5.data-00000-of-00001.tempstate12",
        "checkpoint.tmp0a",
    ]
    for name in kept + foreign + left:
        (tmp_path / name).touch()
    (tmp_path / "model.ckpt-9_temp").mkdir()
    (tmp_path / "model.ckpt-9_temp" / "part-0").touch()
    repair.remove_lost_checkpoints(
        str(tmp_path), [f"{tmp_path}/model.ckpt-5", f"{tmp_path}/model.ckpt-4"]
    )
    assert sorted(os.listdir(tmp_path)) == sorted(kept + foreign)
    repair.remove_lost_checkpoints(str(tmp_path / "nowhere"), [])
    repair.remove_lost_checkpoints(
        str(tmp_path), []
    )  # a state file that TensorFlow makes nothing of
    assert sorted(os.listdir(tmp_path)) == sorted(kept + foreign)
    (tmp_path / "checkpoint").unlink()  # killed before it was ever written
    repair.remove_lost_checkpoints(str(tmp_path), [])
    assert sorted(os.listdir(tmp_path)) == sorted(set(foreign) - {"checkpoint"})


def convert(run, *arguments, **options):
    return run("-m", "compare", "checkpoint", "convert", *arguments, **options)


@pytest.mark.proof
def test_converted_there_and_back(run, tmp_path, trained):
    """A checkpoint that is converted to the other style and back is bit-identical."""
    source = trained / "tf1_style" / "adam"
    process = convert(run, source, "new/model.ckpt-5", "--to=tf2")
    wrote, load_it = process.stdout.splitlines()
    assert wrote.startswith("wrote new/model.ckpt-5: 9 of 9 tensors of ")
    assert load_it == (
        'load it with tf.train.Checkpoint(...).restore("new/model.ckpt-5").assert_consumed()'
    )
    convert(run, "new/model.ckpt-5", "back/model.ckpt-5", "--to=tf1")
    for style, path in zip(STYLES, ("back", "new")):
        flags = [*ADAM, "--max_steps=9", f"--restore={path}/model.ckpt-5", f"--run_dir={style}"]
        train(run, style, *flags)
    train(run, "tf1_style", *ADAM, "--max_steps=9", "--run_dir=whole")
    whole = state(tmp_path / "whole", "tf1")
    assert state(tmp_path / STYLES[0], "tf1") == whole == state(tmp_path / STYLES[1], "tf2")

    process = convert(run, source, "new/model.ckpt-5", "--to=tf2", check=False)
    assert process.returncode == 2 and "checkpoint that is there" in process.stderr


@pytest.mark.proof
def test_show(run, trained):
    for style, kind in zip(STYLES, ("tf.train.Saver", "tf.train.Checkpoint")):
        lines = run("-m", "compare", "checkpoint", "show", trained / style / "adam").stdout
        lines = lines.splitlines()
        assert "9 tensors, step 5" in lines[0] and kind in lines[0]
        rows = {line.split("│")[1].strip(): line for line in lines if line.startswith("│")}
        assert len(rows) == 9
        assert "784 x 10" in rows["softmax/W"] and "float32" in rows["softmax/W"]
        assert "weight" in rows["softmax/W"]
        assert "Adam's v of softmax/b" in rows["train/softmax/b/Adam_1"]
        assert "scalar" in rows["global_step"] and "int64" in rows["global_step"]
        assert ("optimizer/v/1" in rows["train/softmax/b/Adam_1"]) == (style == "tf2_style")


ODD = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
model = tf.Module()
model.first, model.second = tf.Variable([1.0, 2.0], name="same"), tf.Variable([3.0], name="same")
model.text, model.half = tf.Variable(["a", "b"]), tf.Variable(tf.ones(3, tf.bfloat16), name="half")
model.odd = {"a/b": tf.Variable(1), "c.S": tf.Variable(2)}
data = iter(tf.data.Dataset.range(3))
checkpoint = tf.train.Checkpoint(model=model, data=data)
import sys
if sys.argv[1] == "write":
    checkpoint.write("odd/ckpt")
else:
    for variable in model.variables[:-1]:
        variable.assign(tf.zeros_like(variable))
    checkpoint.restore(sys.argv[1]).expect_partial()
    assert [v.numpy().tolist() for v in model.variables] == [
        [1, 2], [1, 1, 1], 1, 2, [3], [b"a", b"b"]], model.variables
"""


@pytest.mark.proof
def test_odd_names_and_types_are_converted(run, tmp_path):
    """Names that two variables share, paths with / and . in an attribute, strings, bfloat16."""
    (tmp_path / "odd.py").write_text(ODD)
    run("odd.py", "write")
    shown = run("-m", "compare", "checkpoint", "show", "odd/ckpt").stdout
    expected = ["data/.ATTRIBUTES/ITERATOR_STATE", "half", "model/first", "model/second"]
    expected += ["model/odd/a.Sb", "model/odd/c..S", "model/text"]
    rows = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert rows == sorted(expected)
    process = convert(run, "odd/ckpt", "tf1/ckpt", "--to=tf1", check=False)
    assert process.returncode == 1
    assert "no new name for data/.ATTRIBUTES/ITERATOR_STATE;" in process.stderr
    convert(run, "odd/ckpt", "tf1/ckpt", "--to=tf1", "--partial")
    (tmp_path / "map").write_text("half model/half\n(model/.*) \\1")
    convert(run, "tf1/ckpt", "tf2/ckpt", "--to=tf2", "--map=map")
    run("odd.py", "./tf2/ckpt")


STRANGER = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

x = np.random.RandomState(0).normal(size=(8, 4)).astype(np.float32)
steps = int(sys.argv[1])
"""
STRANGER_TF1 = (
    STRANGER
    + """
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
hidden = tf.nn.tanh(tf.matmul(x, tf.get_variable("one/w", [4, 3], initializer=tf.ones_initializer)))
out = tf.matmul(hidden, tf.get_variable("two/w", [3, 2], initializer=tf.ones_initializer))
step = tf.train.create_global_step()
train_op = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean((out - 1) ** 2), global_step=step)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(steps):
        session.run(train_op)
    tf.train.Saver().save(session, sys.argv[2])
    np.save(sys.argv[2] + ".npy", session.run(out))
"""
)
STRANGER_KERAS = (
    STRANGER
    + """
import keras
import tensorflow as tf
layers = [keras.layers.Dense(3, "tanh", use_bias=False), keras.layers.Dense(2, use_bias=False)]
model = keras.Sequential([keras.layers.Input([4]), *layers])
optimizer = keras.optimizers.Adam(0.01, epsilon=1e-8)
optimizer.build(model.trainable_variables)
checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
checkpoint.restore(sys.argv[2]).expect_partial()
for _ in range(steps):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - 1) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
np.save("keras.npy", model(x))
"""
)
STRANGERS_MAP = r"""
# TensorFlow 1's names, and the paths that `checkpoint show` lists of the Keras program
one/w           optimizer/_trainable_variables/0
two/w           optimizer/_trainable_variables/1
one/w/Adam      optimizer/_variables/2
one/w/Adam_1    optimizer/_variables/3
two/w/Adam      optimizer/_variables/4
two/w/Adam_1    optimizer/_variables/5
global_(step)   optimizer/_iterations
"""


@pytest.mark.proof
def test_other_programs_state_is_converted_with_its_slots(run, tmp_path):
    """From tf.train.AdamOptimizer to Keras's Adam: 20 steps and 10 more are 30."""
    for name, program in (("old.py", STRANGER_TF1), ("new.py", STRANGER_KERAS)):
        (tmp_path / name).write_text(program)
    (tmp_path / "map").write_text(STRANGERS_MAP)
    run("old.py", 20, "./old.ckpt")
    run("old.py", 30, "./whole.ckpt")
    arguments = ["old.ckpt", "new.ckpt", "--to=tf2", "--map=map"]
    process = convert(run, *arguments, check=False)
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert "no new name for beta1_power, beta2_power;" in process.stderr
    assert not list(tmp_path.glob("new.ckpt*"))
    process = convert(run, *arguments, "--partial")
    assert "7 of 9 tensors of old.ckpt\nleft out: beta1_power, beta2_power" in process.stdout
    run("new.py", 10, "./new.ckpt")
    whole, crossed = np.load(tmp_path / "whole.ckpt.npy"), np.load(tmp_path / "keras.npy")
    np.testing.assert_allclose(crossed, whole, rtol=1e-5)
    run("new.py", 10, "./old.ckpt")  # without its state it is elsewhere
    assert np.abs(np.load(tmp_path / "keras.npy") - whole).max() > 1e-2


@pytest.mark.proof
@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("w x\nb x", "two tensors would be called x"),
        ("w x\nb x/y", "x/y is not a path"),
        ("w write\nb y", "write is not a path"),
        ("w __class__/x\nb y", "__class__/x is not a path"),
        ("w root/x\nb y", "root/x is not a path"),
        ("w x//y\nb y", "x//y is not a path"),
        ("other name", "no new name for b, w"),
    ],
)
def test_maps_that_do_not_work(run, tmp_path, rules, message):
    write_tensors(tmp_path / "a", {"w": np.zeros(2), "b": np.zeros(3)})
    (tmp_path / "map").write_text(rules)
    process = convert(run, "a", "new/b", "--to=tf2", "--map=map", check=False)
    assert process.returncode in (1, 2) and process.stderr.count("\n") == 1
    assert message in process.stderr and not (tmp_path / "new").exists()
