"""No output replaces a file of the user's: by flag, by variable, by library call, by command."""

import io
import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from conftest import STYLES, script
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from compare import drawing, tables
from compare.__main__ import main
from shared import datasets, evaluation, flags, outputs, runs
from shared.console import UserError
from shared.trace import Trace

PROGRAM = "import shared.trace, sys; shared.trace.Trace(*sys.argv[1:]); print('it trains')"
NOTES = b"the only copy of my thesis\n"


def buffer(write, *arguments, **settings):
    file = io.BytesIO()
    write(file, *arguments, **settings)
    return file.getvalue()


def photo(**text):
    info = PngImagePlugin.PngInfo()
    for name, value in text.items():
        info.add_text(name, value)
    return buffer(Image.new("L", (30, 20)).save, "PNG", pnginfo=info)


# Files of the user's, some of which are of the formats that the project writes.
THEIRS = {
    "text": NOTES,
    "JSON": b'{"rows": 3, "date": "today"}',
    "a list in JSON": b"[1, 2]",
    "NumPy": buffer(np.save, np.zeros(3)),
    "arrays": buffer(np.savez, weights=np.zeros(3), steps=np.arange(2)),
    "photo": photo(Software="a camera"),
    "page": b"<!DOCTYPE html><html><head><title>My page</title></head></html>",
    "Markdown": b"# Notes\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n",
    "CSV": b"epoch,loss\n1,2\n",
    "bytes": bytes(range(256)) * 3,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWINS_TRACE_FILE", raising=False)


def put(path, content=NOTES):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def contents(root="."):
    """The path and the bytes of every file."""
    return {path: path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


@pytest.mark.parametrize("whose", THEIRS)
@pytest.mark.parametrize("kind", outputs.KINDS)
def test_every_kind_leaves_every_file_of_the_users_alone(kind, whose):
    put("output", THEIRS[whose])
    with pytest.raises(UserError, match="--x=output: something else is there, expected nothing or"):
        outputs.check("output", kind, "--x")


@given(st.binary(min_size=1, max_size=200), st.sampled_from(sorted(outputs.KINDS)))
def test_no_kind_takes_any_bytes_for_its_own(content, kind):
    put("bytes", content)
    with pytest.raises(UserError):
        outputs.check("bytes", kind)


def a_table():
    table = tables.Table("A title", [{"case": "a | b", "minutes": "1"}], [])
    origin = {"command": "python -m compare sweep losses", "date": "2026-01-02", "device": ""}
    tables.write_markdown([table], origin, ".")
    return "table.md"


def results():
    table = tables.Table("A title", [{"case": "a", "minutes": "1"}], [])
    tables.write(table, [{"case": "a"}], "an abacus", ".", tables.console())
    return "results.json"


def a_plot():
    with drawing.picture("new/plot.png", 2, 2) as figure:
        figure.subplots()
    return "new/plot.png"


def an_older_plot():
    from matplotlib.figure import Figure

    Figure(figsize=(1, 1)).savefig("old.png")
    return "old.png"


def a_picture():
    put("picture.png", photo(**outputs.PNG_TEXT))
    return "picture.png"


def a_trace():
    with Trace("t.npz") as trace:
        trace.record(0, None, {"w": np.zeros(2)})
    return "t.npz"


def an_evaluation():
    digits = datasets.load("digits").test
    logits = np.zeros((len(digits), 10), np.float32)
    evaluation.save(".", digits, {"logits": logits}, np.zeros((784, 2), np.float32))
    return "evaluation.npz"


def projector():
    evaluation.save_embedding(".", np.zeros((3, 2), np.float32), ["a", "b", "c"])
    outputs.check_whole_folder("projector", "projector")
    return "projector_config.pbtxt"


def a_study():
    with sqlite3.connect("study.db") as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER)")
    return "study.db"


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("table", a_table),
        ("results", results),
        ("plot", a_plot),
        ("plot", an_older_plot),
        ("plot", a_picture),
        ("picture", a_picture),
        ("trace", a_trace),
        ("evaluation", an_evaluation),
        ("projector", projector),
        ("database", a_study),
    ],
)
def test_an_older_output_is_replaced(kind, write):
    outputs.check(write(), kind)


def test_an_empty_file_holds_nothing_to_lose():
    put("empty", b"")
    for kind in outputs.KINDS:
        outputs.check("empty", kind)


def test_places_where_no_file_can_be(tmp_path):
    put("notes")
    os.mkfifo("pipe")
    Path("link").symlink_to("nowhere")
    Path("to_notes").symlink_to("notes")
    Path("folder").mkdir()
    for path, message in {
        "": "expected a path",
        "folder": "a folder, expected the path of a file",
        "new/": "a folder, expected the path of a file",
        "notes/t.npz": "notes is not a folder",
        "pipe": "something else is there",
        "link": "something else is there",
        "to_notes": "something else is there",
        "x" * 250: "too long",
        "x/" * 2100 + "y": "too long",
        "a\0b": "expected a path",
        os.fsdecode(b"\xff"): r"\\udcff: not UTF-8",
    }.items():
        with pytest.raises(UserError, match=message):
            outputs.check(path, "trace")
    assert Path("link").is_symlink() and contents(tmp_path)[tmp_path / "notes"] == NOTES


# The commands of compare: what they write, below the folder or at the file that is named.
EXPERIMENTS = {
    "bench": ["bench"],
    "crossval": ["crossval"],
    "ensemble": ["ensemble", "--script=mnist_mlp"],
    "ladder": ["ladder"],
    "sweep": ["sweep", "losses"],
    "tune": ["tune"],
}
PLACES = [
    (name, pattern.replace("*", "a"))
    for name, patterns in outputs.EXPERIMENT_FILES.items()
    for pattern in patterns
]
PLACES += [("sweep", f"tf2_style/cross-entropy-seed0/{name}") for name in outputs._RUN_FILES]
PLACES += [("ladder", "tf1_style/perceptron-seed0.json"), ("ladder", "parity/a/tf1_style/run")]
PLACES += [("tune", ""), ("tune", "tf2_style/trial-0-seed0"), ("bench", "")]


@pytest.mark.parametrize(("name", "place"), [*PLACES])
def test_experiments_leave_files_alone(name, place):
    if place.endswith("seed0/result.json"):
        pytest.skip("its reader refuses it: tests/test_runs.py")
    put(Path("out", place))
    before = contents()
    with pytest.raises(UserError, match=f"--output_dir=out/?{place}") as error:
        main([*EXPERIMENTS[name], "--quick", "--output_dir=out"])
    assert error.value.exit_code == 2 and contents() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "run", "--output=mine"],
        ["fonts", "run", "--output=mine"],
        ["checkpoint", "convert", "run", "mine", "--to=tf2"],
        ["checkpoint", "convert", "run", "folder/x", "--to=tf1"],
    ],
)
def test_commands_leave_files_alone(arguments):
    put("mine"), put("folder/x.index"), put("folder/x.data-00000-of-00001")
    before = contents()
    with pytest.raises(UserError, match="mine|folder/x") as error:
        main(arguments)
    assert "run" not in str(error.value).split() and contents() == before


def test_a_checkpoint_is_not_written_over_data_without_an_index():
    put("x.data-00000-of-00001")
    with pytest.raises(UserError, match="x: .* expected the path of a new checkpoint"):
        main(["checkpoint", "convert", "run", "x", "--to=tf1"])


def open_run(*arguments):
    defaults = {"max_steps": 2, "batch_size": 10, "optimizer": "sgd", "learning_rate": 0.5}
    parsed = flags.parse(["script", "--dataset=digits", *arguments], "Doc.", **defaults)
    run = runs.Run("mnist_softmax", "tf2_style", parsed, datasets.load("digits"))
    run.release()
    return run


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("mine", ["--run_dir=mine"]),
        ("mine", ["--run_dir=mine/run"]),
        ("mine", ["--log_dir=mine"]),
        ("mine", ["--log_dir=mine/logs"]),
        ("mine", ["--trace_file=mine"]),
        ("mine", ["--export_dir=mine"]),
        ("mine/notes", ["--export_dir=mine"]),
        ("mine/saved_model.pb", ["--export_dir=mine"]),
    ],
)
@pytest.mark.parametrize("restart", ["--restart", "--norestart"])
def test_flags_leave_files_alone(place, arguments, restart):
    put(place)
    before = contents()
    with pytest.raises(UserError, match="mine") as error:
        open_run(*arguments, restart)
    assert error.value.exit_code == 2 and contents() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--run_dir=run", "--trace_file=run/evaluation.npz"],
        ["--export_dir=out", "--trace_file=out/t.npz"],
        ["--export_dir=out", "--trace_file=out/deep/t.npz"],
    ],
)
def test_a_trace_is_not_lost_to_the_run_itself(arguments):
    with pytest.raises(UserError, match="the run itself writes there"):
        open_run(*arguments)


@pytest.mark.parametrize("path", ["t.npz", Path("t.npz"), "new/t.npz"])
def test_a_trace_of_a_program_replaces_a_trace_and_nothing_else(path, tmp_path):
    for steps in (1, 2):
        with Trace(path) as trace:
            for step in range(steps):
                trace.record(step, None, {"w": np.zeros(2)})
    before = contents()
    put("mine")
    with pytest.raises(UserError, match="mine: something else is there"):
        Trace("mine")
    assert contents() == {**before, Path("mine"): NOTES}


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["mine"], {}, "mine: something else is there, expected nothing or a trace"),
        ([], {"TWINS_TRACE_FILE": "mine"}, "TWINS_TRACE_FILE=mine: something else is there"),
        ([], {"TWINS_TRACE_FILE": "a\nb"}, "TWINS_TRACE_FILE=a b: something else is there"),
        ([], {"TWINS_TRACE_FILE": os.fsdecode(b"\xff")}, r"\udcff: not UTF-8"),
        (["t.npz"], {"TWINS_TRACE_EVERY": "9" * 5000}, "999...: expected steps such as 1,100"),
        (["t.npz"], {"TWINS_TRACE_VALUES_AT": "1," + "9" * 5000}, "expected steps such as 1,100"),
    ],
)
def test_a_program_of_the_users_ends_in_one_line(run, arguments, variables, message):
    """As the library is used: no handler of ours is around the call."""
    put("mine"), put("a\nb")
    process = run("-c", PROGRAM, *arguments, check=False, **variables)
    assert process.returncode == 2 and not process.stdout
    assert process.stderr.count("\n") == 1 and message in process.stderr
    assert contents() == {Path("mine"): NOTES, Path("a\nb"): NOTES}


def test_other_errors_of_a_program_keep_their_traceback(run):
    process = run("-c", f"{PROGRAM}; 1 / 0", check=False)
    assert process.returncode == 1 and "ZeroDivisionError" in process.stderr


@pytest.mark.parametrize("style", [pytest.param(STYLES[0], marks=pytest.mark.proof), STYLES[1]])
def test_a_program_of_ours_replaces_its_own_outputs_alone(run, style):
    """A file of the user's is put in the place of each output, or beside it, one after another."""
    command = ["--dataset=digits", "--max_steps=2", "--run_dir=run", "--restart", "--keep_best"]
    command += ["--export_dir=out", "--trace_file=t.npz", "--save_activations", "--csv_log"]
    run(script(style, "mnist_softmax"), *command, "--epochs=1")
    kind = style[:3]
    for place in (
        "t.npz",
        "out/notes",
        "out/variables/notes",
        "out/saved_model.pb",
        "run/result.json",
        "run/evaluation.npz",
        "run/history.csv",
        "run/projector_config.pbtxt",
        f"run/checkpoints/{kind}/notes",
        f"run/best/{kind}/notes",
        "run/activations/notes",
        "run/projector/notes",
    ):
        old = Path(place).read_bytes() if Path(place).exists() else None
        put(place)
        before = contents()
        with pytest.raises(UserError, match=place.split("/")[0]) as error:
            open_run(*command)
        assert error.value.exit_code == 2 and contents() == before, place
        os.remove(place) if old is None else put(place, old)
    open_run(*command)  # and nothing else has stood in the way

    if style == "tf1_style":  # the variable is checked before --restart removes the run
        put("mine")
        before = contents()
        command = [argument for argument in command if "trace" not in argument]
        process = run(
            script(style, "mnist_softmax"), *command, check=False, TWINS_TRACE_FILE="mine"
        )
        assert process.returncode == 2 and process.stderr.count("\n") == 1
        assert process.stderr.startswith("TWINS_TRACE_FILE=mine: something else is there")
        assert not process.stdout and contents() == before


@pytest.mark.parametrize(
    "command",
    [
        ["report", "{}"],
        ["report", "run", "--output={}"],
        ["report", "run", "--output", "{}"],
        ["parity", "{}", "run"],
        ["parity", "--reference={}", "--candidate=x"],
        ["parity", "a", "b", "--map={}"],
        ["checkpoint", "show", "{}"],
        ["checkpoint", "convert", "run", "{}", "--to=tf1"],
        ["fonts", "{}"],
        ["ensemble", "a", "{}"],
        ["sweep", "losses", "--output_dir={}"],
        ["accuracy", "--data_dir={}"],
        ["{}"],
    ],
)
def test_arguments_that_are_not_utf8(command):
    arguments = [argument.format(os.fsdecode(b"runs/\xe9t\xe9")) for argument in command]
    with pytest.raises(UserError, match="udc.*: not UTF-8"):
        main(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", ""],
        ["report", "run", "--output="],
        ["report", "run", "--output", ""],
        ["parity", "", "run"],
        ["checkpoint", "convert", "run", "", "--to=tf1"],
        ["checkpoint", "show", ""],
        ["fonts", "run", "--output="],
        ["sweep", "losses", "--output_dir="],
        ["ensemble", "a", ""],
    ],
)
def test_empty_arguments(arguments):
    with pytest.raises(UserError, match="got an empty (argument|--output)"):
        main(arguments)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "name", ["data_dir", "run_dir", "restore", "log_dir", "trace_file", "export_dir", "predict"]
)
def test_flags_that_are_empty_or_not_utf8(name):
    for text, message in (("", "got an empty"), (os.fsdecode(b"\xff"), "not UTF-8")):
        for arguments in ([f"--{name}={text}"], [f"--{name}", text]):
            with pytest.raises(UserError, match=message):
                open_run(*arguments)


@pytest.mark.parametrize("variable", ["TWINS_DATA_DIR", "TWINS_TRACE_FILE", "TWINS_MIRROR"])
def test_variables_that_are_not_utf8(variable, monkeypatch):
    monkeypatch.setenv(variable, os.fsdecode(b"a\xff"))
    with pytest.raises(UserError, match=rf"{variable}=a\\udcff: not UTF-8"):
        open_run()
    with pytest.raises(UserError, match=rf"{variable}=a\\udcff: not UTF-8"):
        main(["report", "run"])


def test_a_message_is_one_line_whatever_the_user_wrote(run):
    """Line ends and what a terminal takes for one; the text may be of an argument or a file."""
    process = run("-m", "compare", "report", "a\nb\r\x0b\x0c\x1c\x85\u2028c", check=False)
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1 and "a b c" in process.stderr


def test_json_that_is_too_deep_or_too_large_is_not_ours(monkeypatch):
    put("deep", b"[" * 10**6)
    put("ours", json.dumps({"device": "", "rows": []}).encode())
    outputs.check("ours", "accuracy")
    monkeypatch.setattr(outputs, "_MOST_JSON", 5)
    for path in ("deep", "ours"):
        with pytest.raises(UserError, match="something else"):
            outputs.check(path, "accuracy")


def test_a_resumed_run_leaves_files_among_its_summaries_alone():
    run = open_run("--run_dir=run", "--log_dir=logs")
    run.begin(0, "a machine")
    run.save(step=1)
    put("run/checkpoints/tf2/model.ckpt-1.index")
    put("run/checkpoints/tf2/checkpoint", b'model_checkpoint_path: "model.ckpt-1"\n')
    run.release()
    put("logs/tf2_style/mnist_softmax/projector/notes")
    before = contents()
    with pytest.raises(UserError, match="--log_dir=.*/projector/notes: something else is there"):
        open_run("--run_dir=run", "--log_dir=logs")
    assert contents() == before


def test_temporary_files_of_a_kill_do_not_stand_in_the_way():
    put("run/activations/epoch-0001.npz.tmp-abcd1234")
    put("run/checkpoints/tf1/model.ckpt-5_temp/part-00000-of-00001.data-00000-of-00001")
    put("run/checkpoints/tf2/checkpoint.tmp0123")
    outputs.check_run("run", is_restarted=True)
