"""Damaged files are read, or refused in one line; no file takes more memory than its bound."""

import collections
import functools
import io
import os
import random
import struct
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import script
from hypothesis import given
from hypothesis import strategies as st

from compare import reading
from compare.__main__ import main
from compare.parity import causes, distances, first_difference, names
from shared import checkpoint_files, checkpoints, evaluation, npz, trace
from shared.console import UserError
from shared.trace import Trace

SEEDS = st.integers(0, 2**32).map(random.Random)
FUZZ = 20_000  # damaged files of each format


@pytest.fixture(scope="module")
def folder():
    """A folder in memory, if the system has one: most of a fuzz is the writing of files."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as path:
        yield Path(path)


def flipped(content, rng):
    """Returns bytes with one to three of them changed, or cut off."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        if content:
            content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    return bytes(content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content)


def npz_bytes(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@functools.lru_cache
def read_npz(content):
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


DTYPES = ["f4", "f8", "f2", "f16", "i4", "i8", ">i8", "U3", "S3", "M8[s]", "?", "u1", "c8", "O"]


def changed_array(array, arrays, rng):
    """Returns an array of another shape, dtype or content."""
    kind = rng.randrange(8)
    try:
        if kind == 0:
            return array.astype(rng.choice(DTYPES))
        if kind == 1:
            return rng.choice([array[..., None], array[:-1], array[::-1], array.reshape(-1)])
        if kind == 2:
            return np.concatenate([array, array])
        if kind == 3:
            return np.zeros(array.shape, rng.choice([[("x", "f4")], "O", "U3"]))
        if kind == 4:
            return arrays[rng.choice(sorted(arrays))]
        if kind == 5 or array.dtype.kind == "U":
            return np.frombuffer(flipped(array.tobytes(), rng), array.dtype).reshape(array.shape)
        array = array.copy()
        place = tuple(rng.randrange(length) for length in array.shape)
        array[place] = rng.choice([0, 1, -1, 7, 2**31, 2**62, 1e300, np.nan, np.inf])
        return array
    except (ValueError, IndexError, TypeError, OverflowError):
        return array


def damaged_npz(content, rng):
    """Returns an .npz with changed bytes, or with missing, added or changed arrays."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    arrays = dict(read_npz(content))
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(sorted(arrays))
        kind = rng.randrange(12)
        if kind == 0:
            del arrays[name]
        elif kind == 1:
            arrays["other"] = arrays[name]
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                arrays[name] = changed_array(arrays[name], arrays, rng)
    return npz_bytes(arrays)


def refused(read, *arguments):
    """Says whether a reader refuses a file; anything but a UserError of one line is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(*arguments)
            return False
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            return True


def record(path, seed=0, **settings):
    """A program with two variables and a counter."""
    draw = np.random.RandomState(seed)
    w, b = draw.normal(size=(2, 3)).astype("f4"), draw.normal(size=3).astype("f4")
    with Trace(str(path), **settings) as recorder:
        for step in range(4):
            loss, gradients = (step / 3, {"a/w": w}) if step else (None, None)
            variables = {"a/w:0": w, "b": b, "global_step": np.int64(step)}
            recorder.record(step, loss, variables, gradients)
            w, b = w * 0.9, b + 1


@pytest.fixture(scope="module")
def traces(folder):
    """The bytes of two traces, one with full values; and the recording of another seed."""
    record(folder / "values.npz", values_at=[0, 1, 2, 3])
    record(folder / "rows.npz", values_at=[])
    record(folder / "other.npz", seed=1, values_at=[1, 2])
    contents = [(folder / name).read_bytes() for name in ("values.npz", "rows.npz")]
    return contents, trace.load(str(folder / "other.npz"))


def use_trace(path, other):
    """Does with a trace what the project does: load, compare, explain, resume."""
    recording = trace.load(path)
    for tolerance in (distances.Tolerance(), distances.Tolerance(1e-3, 1e-3, 2)):
        for pair in ((other, recording), (recording, recording)):
            comparison = first_difference.compare(*pair, lambda name: None, tolerance)
            if comparison.first_difference:
                causes.explain(comparison, *pair)
                distances.distances(*pair, comparison.first_difference.step, comparison.pairs)
    recorder = Trace(path, first_step=2)
    recorder.record(9, 1.0, {"b": np.zeros(3, np.float32)})
    recorder.save()
    assert trace.load(path).steps[-1] == 9 or max(recording.steps) > 9


def fuzz_trace(folder, traces, rng):
    path = folder / "damaged.npz"
    contents, other = traces
    path.write_bytes(damaged_npz(rng.choice(contents), rng))
    return refused(use_trace, str(path), other)


def test_text_with_invalid_characters_is_refused(folder):
    record(folder / "text.npz")
    with np.load(folder / "text.npz") as file:
        arrays = dict(file)
    arrays["names"].view(np.uint32)[0] = sys.maxunicode + 1
    (folder / "text.npz").write_bytes(npz_bytes(arrays))
    assert refused(trace.load, str(folder / "text.npz"))


@given(SEEDS)
def test_damaged_traces(folder, traces, rng):
    fuzz_trace(folder, traces, rng)


def test_traces_whose_arrays_disagree(tmp_path, traces):
    arrays = read_npz(traces[0][0])
    path = str(tmp_path / "t.npz")
    header = "an array with an unexpected header"
    wrong = [
        ("the steps are not in ascending order", {"steps": arrays["steps"][::-1]}),
        ("recorded is bool [3, 4], expected b1 [4, 4]", {"recorded": arrays["recorded"][:-1]}),
        ("has no record of it", {"recorded": np.zeros_like(arrays["recorded"])}),
        ("two tensors of one name", {"names": arrays["names"][[0, 0, 2, 3]]}),
        ("names is int64", {"names": np.arange(4)}),
        ("has the size 7", {"sizes": arrays["sizes"] * 0 + 7}),
        ("does not fit its digest", {"value_0": arrays["value_0"] + 1}),
        ("missing or unexpected: value_99", {"value_99": arrays["value_0"]}),
        (header, {"losses": arrays["losses"].astype("M8[s]")}),
        (header, {"norms": np.zeros(arrays["norms"].shape, [("x", "f4")])}),
        (header, {"names": arrays["names"].astype("S9")}),
        ("a trace of format 2, expected 1; record it again", {"format": np.array(2)}),
    ]
    for message, changes in wrong:
        (tmp_path / "t.npz").write_bytes(npz_bytes({**arrays, **changes}))
        for read in (trace.load, lambda path: Trace(path, first_step=2)):
            with pytest.raises(UserError) as raised:
                read(path)
            assert message in str(raised.value)


def test_tensors_that_change_their_shape_are_compared(tmp_path):
    recordings = []
    for name in ("one", "other"):
        with Trace(str(tmp_path / name), values_at=[0, 1]) as recorder:
            for step, length in enumerate((2, 3)):
                w = np.ones(length + (name == "other" and step), np.float32)
                recorder.record(step, None, {"w": w, "b": w[:1] * (step and len(name))})
        recordings.append(trace.load(str(tmp_path / name)))
    exact = distances.Tolerance()
    comparison = first_difference.compare(*recordings, lambda name: None, exact)
    assert comparison.first_difference.step == 1 and causes.explain(comparison, *recordings)


@pytest.mark.proof
def test_fuzzed_traces(folder, traces):
    fuzz(lambda rng: fuzz_trace(folder, traces, rng))


def fuzz(once):
    """Reads many damaged files; most are refused, and some are read."""
    rng = random.Random(13)
    count = collections.Counter(once(rng) for _ in range(FUZZ))
    assert count[True] > FUZZ / 2 and count[False] > FUZZ / 200, count


@pytest.fixture(scope="module")
def evaluated():
    """The bytes of an evaluation.npz."""
    draw = np.random.RandomState(0)
    return npz_bytes(
        {
            "labels": draw.randint(0, 10, 20).astype(np.uint8),
            "logits": draw.normal(size=(20, 10)).astype(np.float32),
            "mistakes": np.array([3, 7]),
            "images": draw.randint(0, 256, (2, 28, 28)).astype(np.uint8),
            "filters": draw.uniform(-1, 1, (4, 5, 5)).astype(np.float32),
        }
    )


def fuzz_evaluation(folder, evaluated, rng):
    path = folder / "evaluation.npz"
    path.write_bytes(damaged_npz(evaluated, rng))
    return refused(use_evaluation, str(path))


def use_evaluation(path):
    """Does with an evaluation what the report does."""
    from compare.report import pairs

    run = reading.CompleteRun("", {}, evaluation.load(path), {})
    pairs._confusion(run), pairs._mistakes(run), pairs._filters(run)


@given(SEEDS)
def test_damaged_evaluations(folder, evaluated, rng):
    fuzz_evaluation(folder, evaluated, rng)


@pytest.mark.proof
def test_fuzzed_evaluations(folder, evaluated):
    fuzz(lambda rng: fuzz_evaluation(folder, evaluated, rng))


def npy(header, data=b""):
    header = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


FLOATS = "'descr': '<f4', 'fortran_order': False, 'shape': "
ARCHIVES = {
    "an unclosed bracket": (npy(f"{{{FLOATS}((("), 0),
    "an absurd shape": (npy(f"{{{FLOATS}(1000000000000,), }}"), 0),
    "no bytes in an element": (npy(f"{{{FLOATS}(1000000000000,), }}".replace("f4", "U0")), 0),
    "LZMA": (npy(f"{{{FLOATS}(0,), }}"), zipfile.ZIP_LZMA),
    "packed zeros": (bytes(2**28), zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_take_more_than_they_hold(tmp_path, kind):
    content, compression = ARCHIVES[kind]
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("labels.npy", content)
    is_bomb = len(content) > 2**20
    content = None
    for claimed in [None, 1000] if is_bomb else [None]:
        if claimed:  # the directory lies about the size
            size, lie = struct.pack("<I", 2**28), struct.pack("<I", claimed)
            path.write_bytes(path.read_bytes().replace(size, lie))
        tracemalloc.start()
        for read in (trace.load, evaluation.load):
            assert refused(read, str(path))
        with pytest.raises(ValueError):
            npz.load(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()


def event_record(content):
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    length = struct.pack("<Q", len(content))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
    return length + checksums[0] + content + checksums[1]


@pytest.fixture(scope="module")
def events():
    """Events with scalars of either style."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.util.tensor_util import make_tensor_proto

    found = [Event(file_version="brain.Event:2")]
    for step in range(3):
        tensor = make_tensor_proto(np.float32(step / 2))
        metadata = SummaryMetadata()
        metadata.plugin_data.plugin_name = "scalars"
        values = [
            Summary.Value(tag="loss/training", simple_value=step / 2),
            Summary.Value(tag="loss/validation", tensor=tensor, metadata=metadata),
        ]
        found.append(Event(step=step, summary=Summary(value=values)))
    return [event.SerializeToString() for event in found]


def read_events(path):
    scalars = {}
    reading._read_events(str(path), scalars)
    for points in scalars.values():
        assert all(step >= 0 and np.isfinite(number) for step, number in points.items())
    return scalars


def fuzz_events(folder, events, rng):
    """Damages bytes of the file, or of an event with the right checksums."""
    path = folder / "events.out.tfevents.1"
    records = [event_record(event) for event in events]
    if rng.random() < 0.5:
        number = rng.randrange(len(records))
        records[number] = event_record(flipped(events[number], rng))
        path.write_bytes(b"".join(records))
    else:
        path.write_bytes(flipped(b"".join(records), rng))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_events(path)


def test_events_before_the_damage_are_read(tmp_path, events, capsys):
    path = tmp_path / "events.out.tfevents.1"
    records = [event_record(event) for event in events]
    path.write_bytes(b"".join(records))
    curve = {0: 0.0, 1: 0.5, 2: 1.0}
    assert read_events(path) == {"loss/training": curve, "loss/validation": curve}
    assert capsys.readouterr().err == ""
    rest = {
        "a length": event_record(b"")[:3] + b"\xff" + event_record(b"")[4:],
        "an event": event_record(b"\xff\xff\xff"),
        "cut off": records[3][:-5],
        "absurdly long": struct.pack("<Q", 2**60) + bytes(8),
    }
    for content in rest.values():
        path.write_bytes(b"".join([*records[:3], content]))
        assert read_events(path)["loss/training"] == {0: 0.0, 1: 0.5}
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "the curves leave out what follows" in error


def test_a_scalar_of_an_absurd_shape_is_left_out(tmp_path, events):
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event.FromString(events[3])
    event.summary.value[1].tensor.tensor_shape.dim.add().size = 10**12
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(event_record(event.SerializeToString()))
    assert set(read_events(path)) == {"loss/training"}


@given(SEEDS)
def test_damaged_events(folder, events, rng):
    fuzz_events(folder, events, rng)


@pytest.mark.proof
def test_fuzzed_events(folder, events):
    rng = random.Random(13)
    found = [len(fuzz_events(folder, events, rng)) for _ in range(FUZZ)]
    assert 0 < found.count(0) < FUZZ / 2


def varint(number):
    number &= 2**64 - 1
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def table(pairs):
    """Returns a table of LevelDB's format with these keys and values."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    content, addresses = b"", []
    for block in (pairs, [], None):
        if block is None:
            block = [(pairs[-1][0] + b"\xff", addresses[0])]
        parts = [
            b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in block
        ]
        body = b"".join(parts) + struct.pack("<II", 0, 1)
        addresses.append(varint(len(content)) + varint(len(body)))
        content += body + b"\0" + struct.pack("<I", masked_crc32c(body + b"\0"))
    return content + (addresses[1] + addresses[2]).ljust(40, b"\0") + checkpoint_files._MAGIC


def delimited(content):
    return varint(len(content)) + content


# Written as the fields of tensor_bundle.proto, so that no test needs TensorFlow to write them.
def entry(dtype, shape, offset, size):
    dims = b"".join(b"\x12" + delimited(b"\x08" + varint(length)) for length in shape)
    place = b"\x20" + varint(offset) + b"\x28" + varint(size)
    return b"\x08" + varint(dtype) + b"\x12" + delimited(dims) + place


@pytest.fixture(scope="module")
def protos():
    """The protocol buffers of an index; their import is that of TensorFlow."""
    from shared.console import quiet_import

    with quiet_import():
        from tensorflow.core.protobuf import tensor_bundle_pb2 as proto
    return proto.BundleHeaderProto, proto.BundleEntryProto


HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one data file; written by version 1
PAIRS = [(b"", HEADER), (b"b", entry(1, [3], 48, 12)), (b"w", entry(1, [4, 3], 0, 48))]


def write_checkpoint(folder, pairs, data=bytes(60)):
    (folder / "ckpt.index").write_bytes(pairs if isinstance(pairs, bytes) else table(pairs))
    (folder / "ckpt.data-00000-of-00001").write_bytes(data)
    return str(folder / "ckpt")


def checked(path, protos):
    with checkpoints.reading(path):
        checkpoint_files.check(path, *protos)


def test_checkpoints_that_would_end_the_process(tmp_path, protos):
    """TensorFlow ends with SIGABRT on most of these."""
    checked(write_checkpoint(tmp_path, PAIRS), protos)
    whole = table(PAIRS)
    wrong = {
        "has the shape [-1]": [*PAIRS[:2], (b"w", entry(1, [-1], 0, 48))],
        "w takes 48 bytes, expected 4000000000000": [*PAIRS[:2], (b"w", entry(1, [10**12], 0, 48))],
        "w has the unknown dtype 99": [*PAIRS[:2], (b"w", entry(99, [4, 3], 0, 48))],
        "the data file ends before w": [*PAIRS[:2], (b"w", entry(1, [4, 3], 40, 48))],
        "its index has a damaged entry": [*PAIRS[:2], (b"w", b"\xff")],
        "its index has no header": PAIRS[1:],
        "its index has a block at byte 0 of": whole[:-48]
        + (b"\0\0\0" + varint(2**60)).ljust(40, b"\0")
        + whole[-8:],
        "ckpt.index is not a table of tensors, or is incomplete": whole[:-1],
    }
    for message, pairs in wrong.items():
        with pytest.raises(UserError) as raised:
            checked(write_checkpoint(tmp_path, pairs), protos)
        assert message in str(raised.value)
    (tmp_path / "ckpt.data-00000-of-00001").unlink()
    (tmp_path / "ckpt.index").write_bytes(whole)
    with pytest.raises(UserError, match="ckpt.data-00000-of-00001 is missing"):
        checked(str(tmp_path / "ckpt"), protos)


def damaged_index(rng):
    if rng.random() < 0.5:
        return flipped(table(PAIRS), rng)
    pairs = list(PAIRS)
    number = rng.randrange(len(pairs))
    key, value = pairs[number]
    absurd = rng.choice([0, 1, -1, 7, 2**31, 2**62, rng.randrange(300)])
    pairs[number] = rng.choice(
        [
            (key, flipped(value, rng)),
            (flipped(key, rng), value),
            (key, value + bytes([8 * rng.randrange(1, 8)]) + varint(absurd)),
            (key, entry(1, [absurd], 0, 48)),
        ]
    )
    return table(sorted(pairs))


@given(SEEDS)
def test_damaged_indices(folder, protos, rng):
    refused(checked, write_checkpoint(folder, damaged_index(rng)), protos)


@pytest.mark.proof
def test_fuzzed_indices(folder, protos):
    """What passes the check is read by TensorFlow in this process, which would end with it."""
    import tensorflow as tf

    def once(rng):
        path = write_checkpoint(folder, damaged_index(rng))
        if refused(checked, path, protos):
            return True
        try:
            reader = tf.train.load_checkpoint(path)
            for key in reader.get_variable_to_shape_map():
                reader.get_tensor(key)
        except (tf.errors.OpError, ValueError, RuntimeError):
            pass  # what `checkpoints.reading` turns into a UserError
        return False

    fuzz(once)


def test_show_and_convert_refuse_a_checkpoint_without_its_data(tmp_path):
    path = write_checkpoint(tmp_path, PAIRS)
    (tmp_path / "ckpt.data-00000-of-00001").unlink()
    for arguments in (["show", path], ["convert", path, f"{tmp_path}/new/ckpt", "--to=tf1"]):
        with pytest.raises(UserError, match="could not read .*: ckpt.data-00000-of-00001 is miss"):
            main(["checkpoint", *arguments])
    assert not (tmp_path / "new").exists()


def test_counters_are_cast_to_the_dtype_of_tensorflow_2(tmp_path, capsys):
    """An int32 global_step becomes an int64 counter; nothing else may become one."""
    import tensorflow as tf

    source, target = str(tmp_path / "old"), str(tmp_path / "new")
    tf.raw_ops.SaveV2(
        prefix=source,
        tensor_names=["w", "global_step", "rate"],
        shape_and_slices=[""] * 3,
        tensors=[tf.ones([2]), tf.constant(5, tf.int32), tf.constant(0.5)],
    )
    rules = tmp_path / "map"
    command = ["checkpoint", "convert", source, target, "--to=tf2", f"--map={rules}"]
    rules.write_text("w model/w\nglobal_step model/x\nrate optimizer/_iterations\n")
    with pytest.raises(UserError, match="rate is float32, scalar; expected an integer scalar"):
        main(command)
    assert not list(tmp_path.glob("new*"))
    rules.write_text("w model/w\nglobal_step optimizer/_iterations\nrate model/rate\n")
    main(command)
    assert "cast global_step from int32 to int64" in capsys.readouterr().out
    optimizer = tf.train.Checkpoint(_iterations=tf.Variable(0, dtype=tf.int64))
    model = tf.train.Checkpoint(rate=tf.Variable(0.0), w=tf.Variable(tf.zeros([2])))
    tf.train.Checkpoint(model=model, optimizer=optimizer).restore(target)
    assert int(optimizer._iterations) == 5 and float(model.rate) == 0.5


@pytest.mark.proof
def test_restore_refuses_in_one_line(run, tmp_path):
    write_checkpoint(tmp_path, [*PAIRS[:2], (b"w", b"\xff")])
    for style in ("tf1_style", "tf2_style"):
        command = [script(style, "mnist_softmax"), "--dataset=digits", "--restore=ckpt"]
        process = run(*command, check=False)
        assert process.returncode == 2 and process.stderr.count("\n") == 1
        assert "could not restore ckpt: its index has a damaged entry" in process.stderr


def renaming(tmp_path, text):
    (tmp_path / "map").write_text(text)
    return names.Renaming(str(tmp_path / "map"))


RULES = {
    "(" * 5000 + ")" * 5000 + " x": "too long or nested too deeply",
    "[[a] x": "Possible nested set",
    "a{99999999999} b": "repetition number is too large",
    r"a \1": "invalid group reference 1",
    "a b c": "3 fields",
    "(a b": "missing ), unterminated subpattern",
}


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_rules_that_cannot_be_used(tmp_path, rule):
    with pytest.raises(UserError, match=r"map:1: .+; expected an old name") as raised:
        renaming(tmp_path, rule)
    assert RULES[rule] in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize("rule", ["(a+)+b x", "(a|a)*b x", ".*.*.*.*.*.*.*.*.*.*b x"])
def test_rules_that_take_exponential_time_are_stopped(tmp_path, monkeypatch, rule):
    monkeypatch.setattr(names, "SECONDS", 0.2)
    rules = renaming(tmp_path, rule)
    with pytest.raises(UserError, match=r"map:1: .+ takes over 0.2 seconds to compare with a+; "):
        rules("a" * 80)


@given(st.text(st.sampled_from("ab()[]{}|*+?\\1.^$-,:=!<P>i #"), max_size=30))
def test_any_rule_renames_or_is_refused(folder, text):
    def use():
        rules = renaming(folder, text)
        for name in ("a", "ab", "aaaaaaab/b"):
            assert rules(name) is None or isinstance(rules(name), str)

    refused(use)
