"""result.json: whatever is read back can be used, or is refused in one line."""

import copy
import json
import math
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import datasets, flags, runs
from shared.console import StopRun, UserError
from shared.runs import result

FUZZED = 20_000
TEXTS = st.text(string.printable[:-6] + "äß漢", max_size=20)
FIGURES = st.floats() | st.integers(-(2**52), 2**52)
AMOUNTS = st.floats(0, 1e300)
RESULTS = st.fixed_dictionaries(
    {
        "script": TEXTS,
        "style": st.sampled_from(["tf1_style", "tf2_style"]),
        "status": st.sampled_from(["running", "complete", "stopped", "diverged"]),
        "step": st.integers(10, 2**62),
        "threads": st.integers(1, 1024),
        "flags": st.dictionaries(TEXTS, st.none() | st.booleans() | TEXTS | FIGURES, max_size=5),
        "test_loss": FIGURES,
    },
    optional={
        "log_dir": st.none() | TEXTS,
        "device": TEXTS,
        "versions": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "onednn": st.none() | TEXTS,
        "command": st.lists(TEXTS | st.just("caf\udce9"), max_size=4),  # a name that is not UTF-8
        "restored": st.none() | TEXTS,
        "started": TEXTS,
        "trace_file": st.none() | TEXTS,
        "best_step": st.none() | st.integers(1, 10),
        "peak_memory_mib": AMOUNTS,
        "train_seconds": AMOUNTS,
        "steps_per_second": st.none() | AMOUNTS,
        "stopped_early": st.booleans(),
        "test_accuracy": st.floats(0, 1),
        "validation_loss": st.none() | FIGURES,
        "validation_accuracy": st.none() | st.floats(0, 1),
        "another_key": st.just({"of": ["a later version"]}),
    },
)
WHOLE = {
    "script": "mnist_mlp",
    "style": "tf1_style",
    "status": "complete",
    "step": 20,
    "threads": 2,
    "flags": {},  # see `whole`
    "log_dir": None,
    "device": "a machine (2 cores)",
    "versions": {"tensorflow": "2.21.0", "numpy": "2.1", "python": "3.11.7"},
    "onednn": "1",
    "command": ["tf1_style/mnist_mlp.py", "--max_steps=20", "--run_dir=run"],
    "restored": None,
    "started": "2026-01-01T00:00:00+0000",
    "peak_memory_mib": 512.5,
    "best_step": None,
    "trace_file": "",
    "test_loss": 0.5,
    "test_accuracy": 0.9,
    "validation_loss": 0.4,
    "validation_accuracy": 0.8,
    "train_seconds": 1.5,
    "steps_per_second": 13.3,
    "stopped_early": False,
}
DATA = datasets.load("digits")


def parsed(*arguments):
    """The flags of mnist_mlp."""
    known = {"max_steps": 20, "batch_size": 10, "optimizer": "sgd", "learning_rate": 0.5}
    known.update(hidden="200,60", activation="relu", keep_prob=1.0, batch_norm=False)
    return flags.parse(["mnist_mlp", "--dataset=digits", *arguments], "", **known)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """The folder of a complete run, as far as it is looked at before a checkpoint is restored."""
    folder = tmp_path_factory.mktemp("run")
    checkpoints = folder / "checkpoints" / "tf1"
    checkpoints.mkdir(parents=True)
    (checkpoints / "model.ckpt-20.index").touch()
    (checkpoints / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-20"\n')
    return folder


@pytest.fixture(scope="module")
def whole(run_dir):
    """The result of that run."""
    run = runs.Run("mnist_mlp", "tf1_style", parsed(), DATA)
    return dict(copy.deepcopy(WHOLE), flags=run.result["flags"])


@given(written=RESULTS)
def test_what_is_written_is_read(tmp_path_factory, written):
    folder = str(tmp_path_factory.mktemp("run"))
    result.write(folder, written)
    assert repr(result.read(folder)) == repr(written)


USES = ([], ["--max_steps=30"], ["--predict=digit.png"])


def refused(run_dir, content, uses=USES):
    """The message that refuses a result.json, by any of its uses; None if none refuses it."""
    (run_dir / "result.json").write_bytes(content)
    messages = []
    for arguments in uses:
        given = parsed(f"--run_dir={run_dir}", *arguments)
        try:
            if given.predict:
                runs.trained(given, "mnist_mlp")
            else:
                runs.Run("mnist_mlp", "tf2_style", given, DATA).release()
        except StopRun as error:
            assert error.exit_code == 2 and len(str(error)) < 2000
            str(error).encode("utf-8")
            messages.append(str(error))
    return messages[0] if messages else None


def test_a_whole_one_is_not_refused(run_dir, whole):
    assert refused(run_dir, json.dumps(whole).encode()) is None


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("script", None, "script is null, expected text"),
        ("script", "a\nb", 'script is "a\\nb", expected text'),
        ("script", "a\ud800", "expected text"),
        ("style", "tf3_style", 'style is "tf3_style", expected tf1_style or tf2_style'),
        ("style", ["tf1_style"], "expected tf1_style or tf2_style"),
        ("status", "done", 'status is "done", expected a status'),
        ("step", 20.0, "step is 20.0, expected a number of steps"),
        ("step", True, "step is true"),
        ("step", -1, "step is -1"),
        ("step", 2**63, "expected a number of steps"),
        ("step", 0, "it is complete at step 0"),
        ("best_step", 21, "it is complete at step 20"),
        ("threads", "2", 'threads is "2", expected a number of threads'),
        ("flags", [], "flags is [], expected the values of flags"),
        ("flags", {"seed": [0]}, "expected the values of flags"),
        ("flags", {"dataset": "a\0"}, "expected the values of flags"),
        ("log_dir", "a\0", "expected a path"),
        ("log_dir", 5, "log_dir is 5, expected a path"),
        ("versions", {"numpy": 2}, "expected the versions of packages"),
        ("command", "mnist_mlp.py", "expected a command line"),
        ("command", ["mnist_mlp.py", 5], "expected a command line"),
        ("command", ["mnist_mlp.py", "--max_steps=0"], "no number of steps can be read"),
        ("command", ["mnist_mlp.py", "--epochs=" + "9" * 5000], "no number of steps"),
        ("command", ["mnist_mlp.py", "--flagfile=gone"], "no number of steps can be read"),
        ("restored", {}, "restored is {}, expected a path"),
        ("trace_file", 1.5, "trace_file is 1.5, expected a path"),
        ("test_loss", None, "test_loss is null, expected a number"),
        ("test_loss", "0.5", "expected a number"),
        ("test_accuracy", 1.5, "test_accuracy is 1.5, expected a fraction"),
        ("test_accuracy", math.nan, "test_accuracy is NaN, expected a fraction"),
        ("validation_accuracy", [], "expected a fraction"),
        ("train_seconds", -1, "train_seconds is -1, expected a number of seconds"),
        ("train_seconds", math.inf, "expected a number of seconds"),
        ("stopped_early", 1, "stopped_early is 1, expected true or false"),
    ],
)
def test_a_wrong_value_is_refused(run_dir, whole, key, value, fault):
    message = refused(run_dir, json.dumps(dict(whole, **{key: value})).encode())
    assert fault in message and "\n" not in message


@pytest.mark.parametrize("key", result.REQUIRED)
def test_a_missing_key_is_refused(run_dir, whole, key):
    left = {name: value for name, value in whole.items() if name != key}
    assert f"it lacks {key}" in refused(run_dir, json.dumps(left).encode())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "Expecting value"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (1 << 20) + b"{}", "more than 1,048,576 bytes"),
        (b'{"step": ' + b"9" * 100_000 + b"}", ""),
    ],
)
def test_a_file_of_another_kind_is_refused(run_dir, content, fault):
    assert f"not the result of a run ({fault}" in refused(run_dir, content)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden", 5), ("hidden", "x"), ("hidden", "999999,999999"), ("keep_prob", "x")]
    + [("keep_prob", 2), ("optimizer", "adamw"), ("batch_norm", "perhaps"), ("activation", None)],
)
def test_a_prediction_refuses_flags_that_no_model_has(run_dir, whole, name, value):
    changed = dict(whole, flags=dict(whole["flags"], **{name: value}))
    (run_dir / "result.json").write_text(json.dumps(changed))
    with pytest.raises(UserError, match=name):
        runs.trained(parsed(f"--run_dir={run_dir}", "--predict=digit.png"), "mnist_mlp")


def test_a_prediction_names_the_script_of_the_run(run_dir, whole):
    (run_dir / "result.json").write_text(json.dumps(whole))
    with pytest.raises(UserError, match="is one of mnist_mlp, not of mnist_deep; predict with"):
        runs.trained(parsed(f"--run_dir={run_dir}", "--predict=digit.png"), "mnist_deep")


@pytest.mark.proof
def test_damaged_files(run_dir, whole):
    """Each is used or refused in one line; and of both kinds there are many."""
    chance = random.Random(0)
    uses = ([chance.choice(USES)] for _ in range(FUZZED))
    found = [refused(run_dir, damaged(whole, chance), use) for use in uses]
    assert 200 < found.count(None) < FUZZED / 2


def damaged(whole, chance):
    """The file of a result with some values or bytes of it changed."""
    changed = copy.deepcopy(whole)
    for _ in range(chance.choice((0, 1, 1, 2))):
        place = chance.choice((changed, changed, changed.get("flags")))
        if not isinstance(place, dict) or not place:
            continue
        key = chance.choice(sorted(place))
        values = (
            None,
            True,
            -1,
            0,
            2**70,
            1e308,
            math.nan,
            "",
            "a\0",
            "\ud800",
            "--",
            [],
            {},
            [{}],
        )
        place[key] = chance.choice((*values, [place[key]], place[chance.choice(sorted(place))]))
        if chance.random() < 0.2:
            del place[key]
    content = bytearray(json.dumps(changed).encode())
    for _ in range(chance.choice((0, 0, 1, 3))):
        start = chance.randrange(len(content) + 1)
        end = start + chance.choice((0, 1, 1, 50, 10_000))
        tokens = (b"", b"{", b"]", b'"', b"null", b"1e999", b"\\", b"\xff", b"9" * 50, b"\\u0000")
        content[start:end] = chance.choice((*tokens, bytes([chance.randrange(256)])))
    return bytes(content)
