"""compare bench: programs take turns; missed thresholds and missing programs are shown."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, STYLES

from compare.bench import drawing, programs, thresholds
from compare.bench.programs import IMPORT
from compare.bench.race import Ended, Program

DEEP = "mnist_deep"
SPARSE = "stories_qa, 10,000 words: sparse updates of the embeddings / dense ones"
EVEN = {"last": [1.0], "first": [1.0]}
# A line every so many seconds; then an error.
PROGRAM = """
import sys, time
for number in range(int(sys.argv[2])):
    print(f"step {10 * number}, whatever", flush=True)
    time.sleep(float(sys.argv[1]))
sys.exit("out of steps\\nthat was the last")
"""


def program(seconds, lines=1000):
    return Program([sys.executable, "-c", PROGRAM, str(seconds), str(lines)])


def test_pace_is_that_of_the_steps():
    with program(0.02) as one, program(0.1) as other:
        one.run_to(10)
        other.run_to(10)
        ratio = other.pace(seconds=1) / one.pace(seconds=1)
        assert 3 < ratio < 7
        assert 0.0019 <= one.pace(steps=500) < 0.01  # a line may be read a little late


def test_programs_stand_still_while_they_are_not_measured():
    with program(0.01) as one:
        one.run_to(50)
        status = Path(f"/proc/{one._process.pid}/stat")
        deadline = time.monotonic() + 10
        while status.read_text().split()[2] != "T":
            assert time.monotonic() < deadline, "it was not stopped"
            time.sleep(0.01)
        one.run_to(60)
        assert one.step == 60


def test_lines_from_before_the_measurement_do_not_count():
    """The signal that pauses a program may come late."""
    with program(0.02) as one:
        one.run_to(10)
        one._signal(signal.SIGCONT)
        time.sleep(1)
        one._signal(signal.SIGSTOP)
        assert one.pace(seconds=1) >= 0.0019


def test_program_that_ends_too_early():
    with program(0.01, lines=3) as one, pytest.raises(Ended, match="^that was the last$"):
        one.run_to(1000)
    with program(0.01, lines=3) as one:
        with pytest.raises(Ended, match="^that was the last$"):
            one.run_to_end()
        assert one.step == 20


def found(**changes):
    """All that a benchmark finds, every threshold met by a little."""

    def rows(model, precision, milliseconds):
        for name, value in milliseconds.items():
            yield {
                "model": model,
                "precision": precision,
                "program": name,
                "is_ours": name.startswith("tf"),
                "milliseconds": [value * 0.9, value, value * 3],
                "fault": "",
            }

    tf1, tf2 = STYLES
    many = {f"{style} {programs.FAST}": 10.0 for style in STYLES}
    deep = {tf1: 11.0, tf2: 11.0, **many, "Keras, fit": 15.0, "PyTorch": 11.9}
    deep["Keras, fit, steps_per_execution"] = 14.0  # which is faster
    deep["PyTorch, fused, channels_last"] = 12.0
    deep.update({programs.LEGACY: 22.5, programs.LIMIT: 8.4})
    deep.update({programs.OLD: 12.0, programs.OLD_LEGACY: 22.0})
    half = {tf1: 5.6, tf2: 5.6, **dict.fromkeys(many, 5.4)}
    half["PyTorch, fused, channels_last, autocast"] = 5.0
    softmax = {tf1: 1.0, tf2: 1.09, **dict.fromkeys(many, 0.19), "Keras, fit": 1.22}
    softmax["PyTorch"] = 0.51
    stories = {tf1: 5.0, tf2: 5.4, **dict.fromkeys(many, 4.9), "Keras, fit": 6.2}
    stories["Keras's optimizer in a tf.function"] = 5.0
    stories.update({f"{style} {programs.SPARSE}": 2.4 for style in STYLES})
    return {
        "command": "python -m compare bench",
        "date": "2026-11-21",
        "device": "a machine",
        "rows": [
            *rows("mnist_softmax", "float32", softmax),
            *rows("stories_qa", "float32", stories),
            *rows("mnist_deep", "float32", deep),
            *rows("mnist_deep", "bfloat16", half),
        ],
        "causes": [],
        "start": {IMPORT: [3.0, 2.9], tf1: [3.6, 3.7], tf2: [3.6, 3.7]},
        "memory": {IMPORT: 500.0, tf1: 1199.0, tf2: 1150.0},
        "logging": {style: {"on": [10.7, 10.8], "off": [10.0, 10.0]} for style in STYLES},
        "recording": {style: {"on": [11.4], "off": [10.0]} for style in STYLES},
        "long": {
            "precision": "bfloat16",
            **{style: {"last": [10.4], "first": [10.0], "test_accuracy": 0.99} for style in STYLES},
        },
        **changes,
    }


def judged(measured):
    measured["thresholds"] = thresholds.judged(measured)
    return {each["what"]: each for each in measured["thresholds"]}


def test_thresholds_that_are_met():
    measured = found()
    of = judged(measured)
    assert len(of) == 22 and thresholds.all_met(measured)
    assert of["mnist_deep float32, plain / Keras fit at its best"]["figures"] == {
        style: round(11 / 14, 4) for style in STYLES
    }
    assert of["mnist_deep float32 / PyTorch at its best"]["shown"] == dict.fromkeys(STYLES, "0.84")
    assert of["mnist_softmax float32, plain, TF2 / TF1"]["figures"] == {"tf2_style": 1.09}
    assert of["stories_qa float32 / PyTorch at its best"]["figures"] == {}


@pytest.mark.parametrize(
    ("model", "name", "factor", "what"),
    [
        (DEEP, "tf2_style", 1.09, "mnist_deep float32, plain / Keras fit at its best"),
        (
            DEEP,
            "Keras, fit, steps_per_execution",
            0.9,
            "mnist_deep float32, plain / Keras fit at its best",
        ),
        (DEEP, "PyTorch", 0.98, "mnist_deep float32 / PyTorch at its best"),
        (DEEP, programs.LEGACY, 0.98, "mnist_deep float32 / TensorFlow 1.15.5"),
        (DEEP, programs.OLD, 1.02, "an old program, tf1_style.run / TensorFlow 1.15.5"),
        (DEEP, programs.LIMIT, 0.98, "mnist_deep float32 / the machine's limit"),
        ("mnist_softmax", "PyTorch", 0.9, "mnist_softmax float32 / PyTorch at its best"),
        (
            "mnist_softmax",
            "Keras, fit",
            0.98,
            "mnist_softmax float32, plain / Keras fit at its best",
        ),
        (
            "mnist_softmax",
            "tf1_style --steps_per_call=100",
            1.06,
            "mnist_softmax --steps_per_call=100 / TF1 plain",
        ),
        ("stories_qa", "tf2_style", 1.02, "stories_qa float32, plain, TF2 / TF1"),
        (
            "stories_qa",
            "Keras's optimizer in a tf.function",
            0.97,
            "stories_qa float32 / Keras's LSTM at its best",
        ),
        ("stories_qa", f"tf1_style {programs.SPARSE}", 1.05, SPARSE),
    ],
)
def test_step_thresholds_that_are_missed(model, name, factor, what):
    measured = found()
    for row in measured["rows"]:
        if (row["model"], row["precision"], row["program"]) == (model, "float32", name):
            row["milliseconds"] = [factor * value for value in row["milliseconds"]]
    missed = [each["what"] for each in judged(measured).values() if not each["is_met"]]
    assert missed == [what]
    assert not thresholds.all_met(measured)


@pytest.mark.parametrize(
    ("part", "value", "what"),
    [
        ("start", {IMPORT: [2.0], **{style: [3.1] for style in STYLES}}, "from the shell to 92 %"),
        ("memory", {IMPORT: 1.0, **dict.fromkeys(STYLES, 702.0)}, "MiB of mnist_deep"),
        ("logging", {style: {"on": [1.1], "off": [1.0]} for style in STYLES}, "on / off"),
        ("recording", {style: {"on": [1.2], "off": [1.0]} for style in STYLES}, "recorded every"),
        (
            "long",
            {
                "precision": "bfloat16",
                **{style: {**EVEN, "test_accuracy": 0.9899} for style in STYLES},
            },
            "accuracy in bfloat16",
        ),
        (
            "long",
            {
                "precision": "float32",  # whose accuracy has no threshold here
                **{style: {**EVEN, "last": [1.1], "test_accuracy": 0.9} for style in STYLES},
            },
            "last / first thousand",
        ),
    ],
)
def test_other_thresholds_that_are_missed(part, value, what):
    (missed,) = [each for each in judged(found(**{part: value})).values() if not each["is_met"]]
    assert what in missed["what"]


def test_what_was_not_measured_is_not_judged(tmp_path):
    measured = found()
    for row in measured["rows"]:
        if row["program"].startswith("PyTorch"):
            row.update(milliseconds=[], fault="No module named 'torch'; install it")
    of = judged(measured)
    unknown = [
        row
        for row in thresholds.thresholds_table(measured).rows
        if row["verdict"] == "not measured"
    ]
    assert ["PyTorch" in row["what"] for row in unknown] == [True] * 4
    assert len(of) == 22 and thresholds.all_met(measured)
    rows = {row["program"]: row for row in thresholds.steps_table("", measured["rows"]).rows}
    assert rows["PyTorch"]["note"] == "No module named 'torch'; install it"
    assert rows["PyTorch"]["ms a step"] == ""
    drawing.draw(measured, str(tmp_path / "bench.png"))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")

    of_ours = next(row for row in measured["rows"] if row["is_ours"])
    assert thresholds.none_failed(measured)
    of_ours.update(fault="it failed after a measurement")
    of = judged(measured)
    assert not thresholds.none_failed(measured)
    assert STYLES[0] not in of["mnist_softmax float32, plain / Keras fit at its best"]["figures"]


def test_peer_that_is_not_installed(run, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    peer = ROOT / "compare" / "bench" / "peers" / "torch_mnist.py"
    flags = ["--way=fused", "--model=mnist_deep"]
    process = run(peer, *flags, check=False, PYTHONPATH=str(tmp_path))
    assert process.returncode == 1
    assert process.stderr == (
        "No module named 'torch'; .venv/bin/python -m pip install torch==2.13.0 "
        "--extra-index-url https://download.pytorch.org/whl/cpu\n"
    )


@pytest.mark.full
def test_bench_of_the_softmax(run, tmp_path):
    command = ["-m", "compare", "bench", "--quick", "--dataset=digits", "--rounds=1"]
    command += ["--model=mnist_softmax", "--part=steps", "--part=causes", "--part=start"]
    process = run(*command, check=False)
    assert process.returncode in (0, 1) and process.stderr == ""  # 1 on a busy machine
    with open(tmp_path / "runs" / "bench-quick" / "bench.json") as file:
        measured = json.load(file)
    rows = {row["program"]: row for row in measured["rows"]}
    assert {*STYLES, *(f"{style} {programs.FAST}" for style in STYLES)} <= set(rows)
    for name, row in rows.items():
        assert row["fault"] or row["milliseconds"][0] > 0
        assert not (row["is_ours"] and row["fault"]), name
    causes = {row["program"]: row for row in measured["causes"]}
    assert {"tf.function, arrays", "Session.run, feed_dict", "tf2_style --threads=1"} <= set(causes)
    assert not [name for name, row in causes.items() if row["fault"] or not row["milliseconds"]]
    assert set(measured["start"]) == {IMPORT, *STYLES}
    page = (tmp_path / "runs" / "bench-quick" / "table.md").read_text()
    assert "# Milliseconds a step" in page and "# Thresholds" in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds=0"], "argument --rounds: got '0', expected a whole number from 1 to 100"),
        (["--part=all"], "argument --part: invalid choice: 'all'"),
        (["--data_dir=nowhere"], "no folder nowhere; expected one that holds the files of mnist"),
    ],
)
def test_user_errors_in_one_line(run, tmp_path, flags, message):
    process = run("-m", "compare", "bench", *flags, check=False)
    assert process.returncode == 2
    assert message in process.stderr and process.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
