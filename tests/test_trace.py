"""The recorder: what a trace holds, and that looking changes nothing."""

import json

import numpy as np
import pytest
from conftest import STYLES, bits, needs_bfloat16, script, tensors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from shared import trace
from shared.console import UserError
from shared.trace import Trace

FLOATS = npst.arrays(np.float32, st.integers(2, 60))


@given(FLOATS, st.data())
def test_digest_depends_on_where_each_byte_is(array, data):
    first = data.draw(st.integers(0, len(array) - 1))
    second = data.draw(st.integers(0, len(array) - 1))
    swapped = array.copy()
    swapped[[first, second]] = swapped[[second, first]]
    assert (trace.digest(swapped) == trace.digest(array)) == (bits(swapped) == bits(array))
    touched = array.copy()
    touched.view(np.uint8)[data.draw(st.integers(0, 4 * len(array) - 1))] ^= 1
    assert trace.digest(touched) != trace.digest(array)


def test_digest_is_of_the_elements_in_their_order():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert trace.digest(array.T) == trace.digest(array.T.copy()) != trace.digest(array)
    assert trace.digest(np.float32(0)) != trace.digest(np.float32(-0.0))


def test_norm_of_millions_is_not_rounded_away():
    array = np.full(3_000_000, 0.1, np.float32)
    assert trace.norm(array) == pytest.approx(3e6**0.5 * float(np.float32(0.1)), rel=1e-6)
    assert trace.norm(np.array([3, 4])) == 5.0
    assert np.isnan(trace.norm(np.array([1, np.nan], np.float32)))
    for size in (1e-30, 1e25):  # whose squares float32 has no room for
        assert trace.norm(np.full(4, size, np.float32)) == pytest.approx(2 * size)


def record(path, steps, **settings):
    """A program with one variable, which counts the steps."""
    recorder = Trace(str(path), **settings)
    for step in steps:
        recorder.record(
            step, step / 3 if step else None, {"w:0": np.full((2, 3), step, np.float32)}
        )
    recorder.save()


def test_what_a_trace_holds(tmp_path):
    recorder = Trace(str(tmp_path / "t.npz"), values_at=[1])
    recorder.record(0, None, {"w:0": np.zeros((2, 3), np.float32)})
    w = np.array([[1, 2, 2], [0, 0, 0]], np.float32)
    recorder.record(1, np.float32(0.1), {"w:0": w, "n": np.int64(7)}, gradients={"w:0": -w})
    w[:] = 9  # it is a copy that is kept
    recorder.save()
    recording = trace.load(str(tmp_path / "t.npz"))
    assert recording.steps == [0, 1]
    assert recording.losses == {1: float(np.float32(0.1))}
    assert set(recording.rows[0]) == {"w"} and set(recording.rows[1]) == {"w", "n", "gradients/w"}
    assert recording.rows[1]["w"][1:] == (3.0, 6) and recording.rows[1]["n"][2] == 1
    assert recording.rows[1]["w"][0] != recording.rows[1]["gradients/w"][0]
    assert set(recording.values) == {(1, "w"), (1, "n"), (1, "gradients/w")}
    assert recording.values[1, "w"].tolist() == [[1, 2, 2], [0, 0, 0]]


def test_which_steps_are_recorded(tmp_path):
    record(tmp_path / "t.npz", range(12), every=5, values_at=[7], last_step=11)
    recording = trace.load(str(tmp_path / "t.npz"))
    assert recording.steps == [0, 5, 7, 10, 11]
    assert {step for step, _ in recording.values} == {7, 11}


def test_last_step_is_kept_though_nobody_said_which_it_is(tmp_path):
    """Unless its arrays have been overwritten since."""
    recorder = Trace(str(tmp_path / "t.npz"))
    w, b = np.zeros(2, np.float32), np.zeros(2, np.float32)
    for step in range(3):
        w = w + 1
        recorder.record(step, None, {"w": w, "b": b})
    b += 1
    recorder.save()
    recording = trace.load(str(tmp_path / "t.npz"))
    assert {key: value.tolist() for key, value in recording.values.items()} == {(2, "w"): [3, 3]}


def test_complex_numbers_are_kept_as_two(tmp_path):
    recorder = Trace(str(tmp_path / "t.npz"), values_at=[0])
    recorder.record(0, None, {"z": np.array([3 + 4j], np.complex64)})
    recorder.save()
    recording = trace.load(str(tmp_path / "t.npz"))
    assert recording.values[0, "z"].tolist() == [[3, 4]] and recording.rows[0]["z"][1] == 5
    assert recording.forms["z"] == "complex64 [1]"


def test_bfloat16_is_kept_as_float32(tmp_path):
    import ml_dtypes

    recorder = Trace(str(tmp_path / "t.npz"), values_at=[0])
    recorder.record(0, None, {"w": np.array([1.5, -3], ml_dtypes.bfloat16)})
    recorder.save()
    values = trace.load(str(tmp_path / "t.npz")).values[0, "w"]
    assert values.dtype == np.float32 and values.tolist() == [1.5, -3]


def test_without_a_file_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWINS_TRACE_FILE", raising=False)
    recorder = Trace()
    assert not recorder.is_due(0)
    recorder.record(0, 1.0, {"w": np.zeros(3)})
    recorder.save()
    assert not list(tmp_path.iterdir())


def test_settings_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINS_TRACE_FILE", str(tmp_path / "t.npz"))
    monkeypatch.setenv("TWINS_TRACE_EVERY", "4")
    monkeypatch.setenv("TWINS_TRACE_VALUES_AT", "1, 8")
    record("", range(10))
    recording = trace.load(str(tmp_path / "t.npz"))
    assert recording.steps == [0, 1, 4, 8] and {step for step, _ in recording.values} == {1, 8}


@pytest.mark.parametrize("text", ["0", "x", "-1", "1.5"])
def test_settings_that_are_none(tmp_path, monkeypatch, text):
    monkeypatch.setenv("TWINS_TRACE_EVERY", text)
    with pytest.raises(UserError, match=f"TWINS_TRACE_EVERY={text}: expected steps such as 1,100"):
        Trace(str(tmp_path / "t.npz"))


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    record(tmp_path / "t.npz", range(3))

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UserError, match="could not write .*t.npz: No space left on device"):
        record(tmp_path / "t.npz", range(5))
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]
    assert trace.load(str(tmp_path / "t.npz")).steps == [0, 1, 2]


def test_run_that_goes_on_keeps_what_came_before(tmp_path):
    record(tmp_path / "t.npz", range(6), values_at=[2, 5])
    recorder = Trace(str(tmp_path / "t.npz"), first_step=4)
    recorder.record(4, None, {"w": np.full((2, 3), 4, np.float32)})  # its loss is known from before
    recorder.save()
    record(tmp_path / "t.npz", range(5, 9), first_step=4)
    record(tmp_path / "whole.npz", range(9), values_at=[2])
    recordings = [trace.load(str(tmp_path / name)) for name in ("t.npz", "whole.npz")]
    assert recordings[0].rows == recordings[1].rows
    assert recordings[0].losses == recordings[1].losses
    assert set(recordings[0].values) == {(2, "w"), (8, "w")}


def test_names_that_look_like_files(tmp_path):
    recorder = Trace(str(tmp_path / "t.npz"), values_at=[0])
    recorder.record(0, None, {"x": np.zeros(1), "x.npy": np.ones(1), "steps": np.ones(2)})
    recorder.save()
    values = trace.load(str(tmp_path / "t.npz")).values
    assert values[0, "x"] == 0 and values[0, "x.npy"] == 1 and len(values[0, "steps"]) == 2


@given(st.data())
def test_damaged_files_end_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "t.npz"
    record(path, range(3), values_at=[1])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        trace.load(str(path))
    except UserError as error:
        assert "expected" in str(error)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no zip"])
def test_files_that_are_no_traces(tmp_path, content):
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(
        UserError, match=r"t.npz: not a trace, or a damaged one \(.+\); expected the .npz"
    ):
        trace.load(str(tmp_path / "t.npz"))
    with pytest.raises(UserError, match="No such file"):
        trace.load(str(tmp_path / "other.npz"))
    np.savez(tmp_path / "t.npz", weights=np.zeros(3))
    with pytest.raises(UserError, match="not a trace"):
        trace.load(str(tmp_path / "t.npz"))


@pytest.mark.proof
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "name",
    [pytest.param("mnist_deep", marks=pytest.mark.full), "mnist_convnet --batch_norm"],
)
@pytest.mark.parametrize("style", STYLES)
def test_looking_changes_nothing(run, tmp_path, style, name, precision):
    """With everything looked at, and with nothing, a run leaves the same bits."""
    if precision == "bfloat16":
        needs_bfloat16()
    name, *model = name.split()
    command = [script(style, name), *model, "--dataset=digits", "--max_steps=12"]
    command.append(f"--precision={precision}")
    looks = ["--trace_file=t.npz", "--trace_values_at=0,3", "--eval_every=1", "--save_every=5"]
    looks += ["--summary_every=1"]
    run(*command, "--run_dir=seen", *looks)
    run(*command, "--run_dir=unseen", "--eval_every=0", "--nolog")
    seen, unseen = tensors(tmp_path / "seen"), tensors(tmp_path / "unseen")
    assert {k: bits(v) for k, v in seen.items()} == {k: bits(v) for k, v in unseen.items()}

    recording = trace.load(str(tmp_path / "t.npz"))
    assert recording.steps == list(range(13)) and sorted(recording.losses) == list(range(1, 13))
    assert {step for step, _ in recording.values} == {0, 3, 12}
    names = {name for step, name in recording.values if step == 12} - {"evaluation/logits"}
    # The optimizer's slots and the step included.
    assert len(names) == len(seen) == {"mnist_deep": 27, "mnist_convnet": 41}[name]
    assert sorted(bits(recording.values[12, name]) for name in names) == sorted(
        map(bits, seen.values())
    )


@pytest.mark.proof
def test_complete_run_has_nothing_to_trace(run, tmp_path):
    command = [script("tf2_style", "mnist_softmax"), "--dataset=digits", "--max_steps=3"]
    run(*command, "--run_dir=run", "--nolog")
    process = run(*command, "--run_dir=run", "--trace_file=t.npz", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "is complete, no step is left to record" in process.stderr
    assert not (tmp_path / "t.npz").exists()
    assert json.loads((tmp_path / "run" / "result.json").read_text())["step"] == 3


def test_a_trace_that_cannot_be_written_at_exit(run, tmp_path):
    """The exit code says so, in people's own programs too."""
    (tmp_path / "own.py").write_text(
        "from shared.trace import Trace\n"
        "trace = Trace('folder/t.npz')\n"
        "trace.record(0, None, {'w': [1.0]})\n"
        "open('folder', 'w').close()\n"
        "print('done', end='')\n"
    )
    process = run(tmp_path / "own.py", check=False)
    assert (process.returncode, process.stdout) == (2, "done")
    assert "could not write" in process.stderr and process.stderr.count("\n") == 1
