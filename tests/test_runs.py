"""What a run directory lets in."""

import json
import os
import shutil
import signal

import pytest

from shared import datasets, files, flags, runs
from shared.console import StopRun, UserError


def parse(*arguments):
    defaults = {"max_steps": 20, "batch_size": 10, "optimizer": "sgd", "learning_rate": 0.5}
    return flags.parse(["script", "--dataset=digits", *arguments], "Doc.", **defaults)


def write_checkpoint(run_dir, step, kind="tf1"):
    """As far as a run looks at one before it is restored: its name in TensorFlow's state file."""
    folder = run_dir / "checkpoints" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"model.ckpt-{step}.index").touch()
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-{step}"\n')


def open_run(*arguments, script="mnist_softmax", style="tf1_style"):
    """A run that locks nothing, as if it were the only one of its process."""
    run = runs.Run(script, style, parse(*arguments), datasets.load("digits"))
    run.release()
    return run


@pytest.fixture
def complete(tmp_path):
    """The folder of a run of 20 steps."""
    run = open_run(f"--run_dir={tmp_path / 'run'}")
    run.begin(0, "a machine", tensorflow="0")
    run.release()
    run.save(step=20)
    write_checkpoint(tmp_path / "run", 20)
    run.finish(20, 1.0, test={"loss": 0.5, "accuracy": 0.9}, validation=None)
    return tmp_path / "run"


def test_complete_run_is_known(complete):
    again = open_run(f"--run_dir={complete}")
    assert again.start.kind == "complete" and again.result["test_accuracy"] == 0.9
    assert open_run(f"--run_dir={complete}", "--max_steps=30").start.kind == "resumed"
    assert open_run(f"--run_dir={complete}", "--restart").start.kind == "new"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--seed=1", "--seed 0, not 1"),
        ("--batch_size=9", "--batch_size 10, not 9"),
        ("--learning_rate=0.1", "--learning_rate 0.5, not 0.1"),
        ("--optimizer=adam", "--optimizer sgd, not adam"),
        ("--batch_order=file", "--batch_order shuffled, not file"),
        ("--max_steps=19", "step 20, past step 19, where"),
    ],
)
def test_other_numbers_are_refused(complete, argument, message):
    before = (complete / "result.json").read_text()
    with pytest.raises(UserError, match=message):
        open_run(f"--run_dir={complete}", argument)
    assert (complete / "result.json").read_text() == before
    open_run(f"--run_dir={complete}", argument, "--restart")


@pytest.mark.parametrize("more", [[], ["--batch_size=9", "--optimizer=adam"], ["--epochs=1"]])
def test_other_scripts_are_refused(complete, more):
    """The message names the script that the folder belongs to, and no flags."""
    with pytest.raises(UserError) as caught:
        open_run(f"--run_dir={complete}", *more, script="mnist_mlp")
    assert str(caught.value) == (
        f"the run in {complete} is one of mnist_softmax, not of mnist_mlp; name another --run_dir, "
        "or begin a new run with --restart"
    )


@pytest.mark.parametrize(
    "command",
    [
        ["--max_steps=45"],
        ["--max_steps", "45"],
        ["-max_steps=45"],
        ["--run_dir", "run", "--nolog", "--seed", "1", "--max_steps", "45"],
        ["--max_steps=3", "--max_steps=45"],
        ["--flagfile=FLAGS"],
    ],
)
def test_a_run_takes_its_own_number_of_steps(complete, tmp_path, monkeypatch, command):
    """However it was written; the program's default is 20. A second resumption knows it too."""
    (tmp_path / "flags").write_text("--dataset=digits\n--max_steps=45\n")
    command = [part.replace("FLAGS", str(tmp_path / "flags")) for part in command]
    left = json.loads((complete / "result.json").read_text())
    left.update(status="stopped", command=["mnist_softmax.py", *command])
    (complete / "result.json").write_text(json.dumps(left))
    for _ in range(2):
        monkeypatch.setattr("sys.argv", ["mnist_softmax.py"])
        flags = parse(f"--run_dir={complete}")
        run = runs.Run("mnist_softmax", "tf1_style", flags, datasets.load("digits"))
        run.begin(20, "a machine")
        run.release()
        assert flags.max_steps == 45
    for argument, steps in (("--max_steps=50", 50), ("--epochs=1", 130), ("--restart", 20)):
        flags = parse(f"--run_dir={complete}", argument)
        runs.Run("mnist_softmax", "tf1_style", flags, datasets.load("digits")).release()
        assert flags.max_steps == steps


def test_a_run_takes_its_own_number_of_epochs(complete):
    left = json.loads((complete / "result.json").read_text())
    left.update(status="stopped", command=["mnist_softmax.py", "--epochs=2"])
    (complete / "result.json").write_text(json.dumps(left))
    flags = parse(f"--run_dir={complete}")
    runs.Run("mnist_softmax", "tf1_style", flags, datasets.load("digits")).release()
    assert flags.max_steps == 260


def test_a_run_from_before_commands_were_recorded_is_resumed(complete):
    left = json.loads((complete / "result.json").read_text())
    del left["command"]
    (complete / "result.json").write_text(json.dumps(left))
    assert open_run(f"--run_dir={complete}").start.kind == "complete"


def test_changed_data_is_another_number(complete):
    values = parse(f"--run_dir={complete}")
    with pytest.raises(UserError, match="--validation_size 100, not 3"):
        runs.Run("mnist_softmax", "tf1_style", values, datasets.load("digits", "", 3))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"step": 20', '"step": "20"'),
        ('"step": 20', '"step": -3'),
        ('"step": 20', '"step": true'),
        ('"test_accuracy": 0.9', '"test_accuracy": null'),
        ('"status"', '"state"'),
        ("}", ""),
        ("{", "["),
    ],
)
def test_file_that_is_not_a_result(complete, old, new):
    path = complete / "result.json"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    with pytest.raises(UserError, match=r"not the result of a run \(.*\); remove it"):
        open_run(f"--run_dir={complete}")


@pytest.mark.parametrize("restart", ["--restart", "--norestart"])
def test_folder_that_is_not_that_of_a_run_is_left_alone(tmp_path, restart):
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    with pytest.raises(UserError, match="has checkpoints, but no result.json"):
        open_run(f"--run_dir={tmp_path}", restart)
    assert (tmp_path / "checkpoints" / "mine").exists()


def test_restart_forgets_the_old_result(complete):
    open_run(f"--run_dir={complete}", "--restart").begin(0, "a machine")
    assert [path.name for path in complete.iterdir()] == ["result.json"]
    assert json.loads((complete / "result.json").read_text())["step"] == 0


def test_restart_that_cannot_remove_does_not_go_on(complete, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (complete / "projector").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="symbolic link"):
        open_run(f"--run_dir={complete}", "--restart").begin(0, "a machine")


@pytest.mark.parametrize("name", ["a*", "b[1]", "c?", "d\\e", "gs://bucket/f"])
@pytest.mark.parametrize("flag", ["run_dir", "log_dir", "restore", "trace_file", "export_dir"])
def test_paths_that_tensorflow_takes_for_something_else(name, flag):
    with pytest.raises(UserError, match="expected a local path"):
        parse(f"--{flag}={name}")


def test_checkpoint_newer_than_the_result(complete):
    """As a kill between the two leaves them."""
    write_checkpoint(complete, 25, "tf2")
    run = open_run(f"--run_dir={complete}", "--max_steps=30")
    assert run.start.checkpoint == f"{complete}/checkpoints/tf2/model.ckpt-25"
    run.begin(25, "a machine")
    assert json.loads((complete / "result.json").read_text())["step"] == 25


def test_restored_run_that_died_before_its_first_checkpoint(complete, tmp_path):
    for _ in range(2):
        run = open_run(f"--run_dir={tmp_path / 'new'}", f"--restore={complete}", "--max_steps=30")
        assert run.start.kind == "restored" and run.start.checkpoint.endswith("model.ckpt-20")
        run.begin(20, "a machine")
        run.release()


@pytest.mark.parametrize("place", ["", "..", "checkpoints", "checkpoints/tf1", "projector", "."])
def test_export_does_not_replace_the_run(complete, place):
    with pytest.raises(UserError, match="the run itself is there; name another folder"):
        open_run(f"--run_dir={complete}", f"--export_dir={complete / place}")
    open_run(f"--run_dir={complete}", f"--export_dir={complete / 'export'}")


def test_export_does_not_take_the_place_of_the_run_or_its_summaries(tmp_path, monkeypatch):
    """Which are not there yet."""
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["--export_dir=runs/tf1_style/mnist_softmax"],
        ["--export_dir=runs/tf1_style"],
        ["--run_dir=r", "--log_dir=logs", "--export_dir=logs/tf1_style/mnist_softmax"],
    ):
        with pytest.raises(UserError, match="the run itself is there"):
            open_run(*arguments)
    open_run("--export_dir=runs/tf1_style/mnist_softmax-2")


def test_trace_does_not_replace_what_is_none(complete, tmp_path):
    (tmp_path / "notes").write_text("mine")
    before = (complete / "result.json").read_text()
    with pytest.raises(
        UserError, match="notes: something else is there, expected nothing or a trace"
    ):
        open_run(f"--run_dir={complete}", "--max_steps=30", f"--trace_file={tmp_path / 'notes'}")
    assert (complete / "result.json").read_text() == before


def test_checkpoint_before_the_first_step(complete):
    with pytest.raises(UserError, match="is at step -2, expected at least 0"):
        open_run(f"--run_dir={complete}", "--max_steps=30").begin(-2, "a machine")


def test_leftovers_are_removed_and_nothing_else(complete):
    export = complete / "export"
    names = ["result.json.tmp-abcd1234", "t.npz.tmp-abcd1234", "mine.tmp-abcd1234", "mine.tmp-x"]
    for name in names:
        (complete / name).touch()
    lost = complete / "export.tmp-abcd1234" / "before"  # killed between taking away and giving
    lost.mkdir(parents=True)
    (lost / "saved_model.pb").touch()
    flags = ["--max_steps=30", f"--trace_file={complete / 't.npz'}", f"--export_dir={export}"]
    open_run(f"--run_dir={complete}", *flags).begin(20, "a machine")
    assert sorted(path.name for path in complete.glob("*.tmp-*")) == sorted(names[2:])
    assert (export / "saved_model.pb").exists()


def test_run_without_its_checkpoint(complete):
    shutil.rmtree(complete / "checkpoints")
    with pytest.raises(
        UserError, match="no checkpoint in .*, expected that of step 20; --restart begins"
    ):
        open_run(f"--run_dir={complete}", "--max_steps=30")


def test_signals_wait_for_the_state_to_be_saved(complete):
    run = open_run(f"--run_dir={complete}", "--max_steps=30")
    run.begin(20, "a machine")
    with run.signals:
        run.stop_if_asked()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(
            StopRun, match="stopped by SIGTERM after step 20; --run_dir=.* resumes it"
        ) as stop:
            run.stop_if_asked()
    assert stop.value.exit_code == 143
    assert json.loads((complete / "result.json").read_text())["status"] == "stopped"


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    files.write_json(str(path), {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(str(path), {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1} and len(list(tmp_path.iterdir())) == 1


def test_runs_do_not_share_a_folder(tmp_path):
    made = [runs.new_directory(str(tmp_path), "tf1_style", "mnist_deep") for _ in range(3)]
    assert made == [f"{tmp_path}/tf1_style/mnist_deep{number}" for number in ("", "-2", "-3")]


def test_where_the_summaries_go(tmp_path):
    """A run that goes on writes where it wrote; another one does not write between."""
    logs = f"--log_dir={tmp_path / 'logs'}"

    def log_dir(name, *flags):
        run = open_run(f"--run_dir={tmp_path / name}", *flags)
        run.begin(0, "a machine")
        run.release()
        return run.log_dir and os.path.relpath(run.log_dir, tmp_path)

    assert log_dir("a") == "a" and log_dir("b", "--nolog") is None
    assert log_dir("c", logs) == "logs/tf1_style/mnist_softmax"
    assert log_dir("d", logs) == "logs/tf1_style/mnist_softmax-2"
    assert log_dir("c", logs) == "logs/tf1_style/mnist_softmax"
    assert log_dir("c") == "logs/tf1_style/mnist_softmax"
    assert log_dir("c", "--nolog") is None
    assert log_dir("c", logs) == "logs/tf1_style/mnist_softmax"
    assert log_dir("c", logs, "--restart") == "logs/tf1_style/mnist_softmax-3"
    write_checkpoint(tmp_path / "c", 0)
    assert log_dir("e", f"--restore={tmp_path / 'c'}") == "e"


def test_restart_forgets_the_old_summaries(complete):
    for name in ("events.out.tfevents.1.host", "projector_config.pbtxt", "evaluation.npz", "mine"):
        (complete / name).touch()
    open_run(f"--run_dir={complete}", "--restart").begin(0, "a machine")
    assert sorted(os.listdir(complete)) == ["mine", "result.json"]


def test_lost_run_names_the_checkpoint_that_is_good(complete):
    run = open_run(f"--run_dir={complete}", "--max_steps=30")
    run.begin(20, "a machine")
    with pytest.raises(
        StopRun, match=r"loss is inf at step 25; .* \(the last checkpoint is of step 20"
    ) as e:
        run.check_loss(25, float("inf"))
    assert e.value.exit_code == 3
    assert json.loads((complete / "result.json").read_text())["status"] == "diverged"
