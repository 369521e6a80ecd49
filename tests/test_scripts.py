"""The scripts as a user meets them: what they print, leave, refuse and survive."""

import fcntl
import os
import pty
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios

import pytest
from conftest import ROOT, STYLES, TUTORIAL_LINES, bits, result, script, tensors, write_idx

from shared import trace
from shared.datasets import digits

DIGITS = "--dataset=digits"


def in_shell(form, *command, **options):
    """Runs a command line of bash, in which `{}` stands for a script and its flags."""
    quoted = " ".join(shlex.quote(str(part)) for part in (sys.executable, *command))
    return subprocess.run(
        ["bash", "-c", form.format(quoted)], text=True, capture_output=True, check=False, **options
    )


@pytest.mark.parametrize("style", STYLES)
def test_prints_the_tutorials_lines_and_nothing_else(run, tmp_path, style):
    process = run(script(style, "mnist_softmax"), DIGITS, "--max_steps=200")
    assert process.stdout == TUTORIAL_LINES
    assert process.stderr == ""
    run_dir = tmp_path / "runs" / style / "mnist_softmax"
    left = sorted(path.name.split(".out.")[0] for path in run_dir.iterdir())
    projector = ["projector", "projector_config.pbtxt"]
    events = ["events", "events"]  # one of them holds the HParams
    assert left == ["checkpoints", "evaluation.npz", *events, *projector, "result.json"]
    left = result(run_dir)
    assert left["test_accuracy"] == 0.9075 and left["status"] == "complete"
    assert left["flags"] == {
        "dataset": "digits",
        "validation_size": 100,
        "validation_start": 0,
        "batch_order": "shuffled",
        "batch_size": 100,
        "last_batch": "filled",
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "decay": 1.0,
        "reduce_on_plateau": False,
        "plateau_factor": 0.1,
        "plateau_patience": 10,
        "early_stopping": False,
        "patience": 1,
        "keep_best": False,
        "seed": 0,
        "precision": "float32",
    }
    assert left["threads"] == len(os.sched_getaffinity(0))

    again = run(script(style, "mnist_softmax"), DIGITS, "--max_steps=200", f"--run_dir={run_dir}")
    assert again.stdout == "test accuracy 0.9075\n"  # it is complete: nothing is trained


@pytest.mark.parametrize(
    ("style", "number"),
    [
        pytest.param("tf1_style", signal.SIGINT, marks=pytest.mark.proof),
        ("tf2_style", signal.SIGTERM),
    ],
)
def test_goes_on_as_if_never_stopped(run, tmp_path, environment, style, number):
    command = [script(style, "mnist_softmax"), DIGITS, "--max_steps=1000"]
    run(*command, "--run_dir=unbroken", "--nolog")
    assert sorted(os.listdir(tmp_path / "unbroken")) == [
        "checkpoints",
        "evaluation.npz",
        "result.json",
    ]

    process = subprocess.Popen(
        [sys.executable, *map(str, command), "--run_dir=stopped", "--eval_every=1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(number)
    error = process.stderr.readline()
    process.send_signal(number)  # while it winds up
    _, rest = process.communicate()
    assert rest == ""
    assert process.returncode == 128 + number
    step = result(tmp_path / "stopped")["step"]
    assert 20 <= step < 1000
    name = signal.Signals(number).name
    assert error == f"stopped by {name} after step {step}; --run_dir=stopped resumes it\n"

    lines = run(*command, "--run_dir=stopped", f"--eval_every={step}").stdout.splitlines()
    assert lines[0] == f"resumed from step {step} in stopped"
    assert lines[1].startswith(f"step {step}, training accuracy ")
    stopped, unbroken = tensors(tmp_path / "stopped"), tensors(tmp_path / "unbroken")
    assert len(stopped) == 3
    assert {k: bits(v) for k, v in stopped.items()} == {k: bits(v) for k, v in unbroken.items()}
    accuracies = [result(tmp_path / name)["test_accuracy"] for name in ("stopped", "unbroken")]
    assert accuracies[0] == accuracies[1]


@pytest.mark.proof
def test_run_goes_on_with_other_threads_or_afresh(run, tmp_path):
    command = [script("tf1_style", "mnist_softmax"), DIGITS, "--run_dir=run", "--eval_every=0"]
    run(*command, "--max_steps=20", "--threads=2")
    more = run(*command, "--max_steps=30", "--threads=1").stdout.splitlines()
    assert more[0] == "resumed from step 20 in run"
    assert more[1].startswith("that run had --threads 2, not 1: the numbers will differ from")
    afresh = run(*command, "--max_steps=5", "--seed=1", "--restart")
    assert afresh.stdout.startswith("test accuracy")
    assert result(tmp_path / "run")["step"] == 5
    assert len(list((tmp_path / "run" / "checkpoints" / "tf1").glob("*.index"))) == 1


@pytest.mark.parametrize("style", [STYLES[0], pytest.param(STYLES[1], marks=pytest.mark.proof)])
def test_checkpoints_every_n_steps_and_the_five_newest(run, tmp_path, style):
    """And of a copy, not of the folder it was copied from, whose absolute path was given."""
    command = [script(style, "mnist_softmax"), DIGITS, "--save_every=3", "--nolog"]

    def files(run_dir):
        return run_dir / "checkpoints" / style.split("_")[0]

    def steps(run_dir):
        return sorted(int(path.stem.split("-")[1]) for path in files(run_dir).glob("*.index"))

    run(*command, "--max_steps=10", f"--run_dir={tmp_path / 'first'}")
    assert steps(tmp_path / "first") == [3, 6, 9, 10]
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    run(*command, "--max_steps=17", f"--run_dir={tmp_path / 'copy'}")
    assert steps(tmp_path / "copy") == [9, 10, 12, 15, 17]
    assert steps(tmp_path / "first") == [3, 6, 9, 10]
    names = {path.name.split(".")[0] for path in files(tmp_path / "copy").iterdir()}
    assert names == {"checkpoint", "model"}


@pytest.mark.parametrize("style", STYLES)
def test_loss_that_is_not_finite(run, tmp_path, style):
    """The weights that gave it are not saved, though they were due."""
    command = [script(style, "mnist_softmax"), DIGITS, "--run_dir=run", "--learning_rate=1e38"]
    process = run(*command, "--save_every=1", check=False)
    assert process.returncode == 3
    assert process.stderr.count("\n") == 1 and "the loss is nan at step 1" in process.stderr
    assert result(tmp_path / "run")["status"] == "diverged"
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("style", "name", "flag", "message"),
    [
        ("tf1_style", "mnist_softmax", "--max_steps=-5", "-5 is not a positive integer"),
        ("tf2_style", "mnist_deep", "--keep_prob=0", "expected a number above 0 and at most 1"),
        ("tf1_style", "mnist_softmax", "--batch_size=1298", "expected at most 1297"),
        ("tf1_style", "mnist_softmax", "--device=gpu", "TensorFlow sees no such GPU"),
        ("tf2_style", "mnist_softmax", "--device=gpu", "TensorFlow sees no such GPU"),
        ("tf2_style", "mnist_softmax", "--run_dir=notes/run", "notes is not a folder"),
        ("tf1_style", "mnist_softmax", "--log_dir=notes/log", "notes is not a folder"),
        ("tf1_style", "mnist_softmax", "--trace_file=.", "a folder, expected the path"),
        ("tf2_style", "mnist_softmax", "--export_dir=notes/a/b", "notes is not a folder"),
        ("tf1_style", "mnist_softmax", "--trace_values_at=a", "expected steps such as 0,100"),
        ("tf2_style", "mnist_softmax", f"--seed={'9' * 5000}", "9999... "),
    ],
)
def test_user_errors_in_one_line(run, tmp_path, style, name, flag, message):
    """Exit 2, no traceback, nothing left behind. (More in test_datasets.py and test_runs.py.)"""
    (tmp_path / "notes").write_text("mine")
    process = run(script(style, name), DIGITS, flag, check=False, CUDA_VISIBLE_DEVICES="-1")
    assert process.returncode == 2
    assert message in process.stderr and process.stderr.count("\n") == 1
    assert len(process.stderr) < 1000
    assert process.stdout == "" and os.listdir(tmp_path) == ["notes"]


@pytest.mark.proof  # test_datasets.py has the errors
def test_wrong_data_in_one_line(run, tmp_path):
    """A wrong shape, then nothing at all."""
    folder = tmp_path / "data"
    write_idx(folder, digits.load())
    command = [script("tf1_style", "mnist_softmax"), f"--data_dir={folder}"]
    process = run(*command, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "shape 1397 x 28 x 28, expected 60000 x 28 x 28" in process.stderr

    for path in folder.iterdir():
        path.unlink()
    process = run(*command, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "mnist not found" in process.stderr and "--dataset=digits" in process.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("log", ["--log", "--nolog"])
def test_full_disk_in_one_line(tmp_path, environment, style, log):
    """In a file system of 32 KiB, mounted where only this test sees it."""
    mount = "unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=32k tmpfs disk"
    (tmp_path / "disk").mkdir()
    if in_shell(mount + "'", cwd=tmp_path).returncode:
        pytest.skip("needs the right to mount a file system")
    process = in_shell(
        mount + """ && "$@"; code=$?; find disk -type f; exit $code' sh {}""",
        script(style, "mnist_softmax"),
        DIGITS,
        "--max_steps=50",
        "--run_dir=disk/run",
        log,
        cwd=tmp_path,
        env=environment,
    )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1 and "No space left on device" in process.stderr
    assert "disk/run/result.json\n" in process.stdout and "model.ckpt" not in process.stdout


# Runs a program, and keeps what it left in a file system that goes with the process.
RUN_AND_KEEP = """
import shutil, subprocess, sys
code = subprocess.call([sys.executable, *sys.argv[1:]])
shutil.copytree("disk", "kept")
sys.exit(code)
"""


def in_small_filesystem(folder, size, *command, **options):
    """Runs a command where a folder is a file system of its own; only that command sees it."""
    mount = f"mount -t tmpfs -o size={size} tmpfs {folder}"
    process = in_shell(
        f"unshare --mount --map-root-user sh -c '{mount} || exit 77; exec \"$@\"' sh {{}}",
        *command,
        **options,
    )
    if process.returncode == 77 or "unshare" in process.stderr:
        pytest.skip("needs the right to mount a file system")
    return process


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "output", ["--trace_file=small/trace.npz", "--export_dir=small/export", "--log_dir=small"]
)
def test_a_run_is_complete_when_all_is_written(run, tmp_path, environment, style, output):
    """An output does not fit on its disk; the same command writes it once there is room."""
    (tmp_path / "small").mkdir()
    command = [script(style, "mnist_softmax"), DIGITS, "--max_steps=20", "--run_dir=run", output]
    options = {"cwd": tmp_path, "env": environment}
    process = in_small_filesystem("small", "8k", *command, **options)
    assert process.returncode == 2 and "test accuracy" not in process.stdout
    assert process.stderr.count("\n") == 1 and "No space left on device" in process.stderr
    assert result(tmp_path / "run")["status"] != "complete"

    assert run(*command).stdout.endswith("test accuracy 0.87\n")
    assert result(tmp_path / "run")["status"] == "complete"
    whole = [part.replace("small", "whole").replace("=run", "=other") for part in command[1:]]
    run(command[0], *whole)
    names = [
        sorted(
            str(path.relative_to(tmp_path / name)).split(".out.")[0]
            for path in (tmp_path / name).rglob("*")
        )
        for name in ("small", "whole")
    ]
    assert names[0] == names[1] != []
    if "trace" in output:
        traces = [trace.load(str(tmp_path / name / "trace.npz")) for name in ("small", "whole")]
        assert traces[0].rows == traces[1].rows and traces[0].losses == traces[1].losses
        assert traces[0].values.keys() == traces[1].values.keys()


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "kib",
    [
        pytest.param(100, marks=pytest.mark.full),
        pytest.param(200, marks=pytest.mark.full),
        300,
        pytest.param(400, marks=pytest.mark.full),
        pytest.param(600, marks=pytest.mark.full),
    ],
)
def test_a_disk_of_any_size(tmp_path, environment, style, kib):
    """The exit code is 0 if all is there and the run is complete, 2 if neither."""
    (tmp_path / "disk").mkdir()
    command = [script(style, "mnist_softmax"), DIGITS, "--max_steps=20", "--run_dir=disk/run"]
    command += ["--trace_file=disk/run/trace.npz", "--export_dir=disk/export", "--csv_log"]
    process = in_small_filesystem(
        "disk", f"{kib}k", "-c", RUN_AND_KEEP, *command, cwd=tmp_path, env=environment
    )
    kept = tmp_path / "kept"
    is_complete = result(kept / "run")["status"] == "complete"
    assert process.returncode == (0 if is_complete else 2)
    assert process.stderr.count("\n") == (0 if is_complete else 1)
    if is_complete:
        trace.load(str(kept / "run" / "trace.npz"))
        assert (kept / "export" / "saved_model.pb").exists()
        assert (kept / "run" / "evaluation.npz").exists()


def test_help_and_module(run):
    process = run("-m", "tf2_style.mnist_softmax", "--help")
    assert process.stdout.startswith("Softmax regression on MNIST")
    assert "--batch_size: Examples in a batch.\n    (default: '100')" in process.stdout


@pytest.mark.parametrize(
    ("style", "closed", "left"),
    [
        pytest.param("tf1_style", ">&-", "", marks=pytest.mark.proof),
        pytest.param(
            "tf2_style", "2>&-", "step 0, training accuracy 0.07\n", marks=pytest.mark.proof
        ),
        pytest.param("tf1_style", "<&- >&- 2>&-", "", marks=pytest.mark.proof),
        pytest.param("tf2_style", "<&- >&- 2>&-", "", marks=pytest.mark.proof),
    ],
)
def test_closed_streams(tmp_path, environment, style, closed, left):
    """`>&-` and so on, as services start programs."""
    command = [script(style, "mnist_softmax"), DIGITS, "--max_steps=5", "--run_dir=run"]
    process = in_shell(f"{{}} {closed}", *command, cwd=tmp_path, env=environment)
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith(left) and bool(process.stdout) == bool(left)
    assert result(tmp_path / "run")["status"] == "complete"


def test_closed_streams_stay_apart_from_files(tmp_path):
    """The numbers 0, 1 and 2 are taken before the first file is opened, for children too."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from shared import console\n"
        "import subprocess\n"
        "with open('file', 'w') as file:\n"
        "    print('printed'); print('error', file=sys.stderr)\n"
        "    child = [sys.executable, '-c', 'import os; print([os.fstat(n) for n in range(3)])']\n"
        "    subprocess.run(child, check=True)\n"
        "    print(sys.stdin.read() == '', file.fileno() > 2, file=file)\n"
    )
    process = in_shell("{} <&- >&- 2>&-", program, cwd=tmp_path)
    assert process.returncode == 0
    assert (tmp_path / "file").read_text() == "True True\n"


@pytest.mark.proof
def test_reader_that_leaves(environment, tmp_path):
    command = [script("tf1_style", "mnist_softmax"), DIGITS]
    form = "{} | head -n 1; echo ${{PIPESTATUS[0]}}"
    process = in_shell(form, *command, cwd=tmp_path, env=environment)
    assert process.stdout == "step 0, training accuracy 0.07\n141\n" and process.stderr == ""


def on_terminal(*command, **options):
    """Starts a command as the leader of a terminal's session; returns it and the terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        **options,
    )
    os.close(follower)
    return process, leader


def shown_on(terminal, until=None):
    """What a terminal shows, to the end or until it shows a text."""
    shown = b""
    while not (until and until in shown):
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the terminal's other side is closed
            break
    return shown.decode()


def test_progress_bar_on_a_terminal(tmp_path, environment):
    """Whose window is closed, which is SIGHUP: the run saves its state, and is resumed."""
    command = [script("tf2_style", "mnist_softmax"), DIGITS, "--max_steps=20000", "--run_dir=run"]
    options = {"cwd": tmp_path, "env": environment}
    process, terminal = on_terminal(*command, "--eval_every=1", **options)
    shown_on(terminal, until=b"accuracy=0.")
    os.close(terminal)
    assert process.wait() == 128 + signal.SIGHUP
    left = result(tmp_path / "run")
    assert left["status"] == "stopped" and 0 < left["step"] < 20000
    assert (tmp_path / "run" / "checkpoints" / "tf2" / f"model.ckpt-{left['step']}.index").exists()

    last = left["step"] // 1000 * 1000 + 1500  # it is reported 500 steps before that
    process, terminal = on_terminal(*command, f"--max_steps={last}", "--eval_every=1000", **options)
    text = shown_on(terminal)
    assert process.wait() == 0
    os.close(terminal)
    assert text.startswith(f"resumed from step {left['step']} in run\r\n")
    assert f"{last}/{last}" in text and "step/s, loss=0." in text and ", accuracy=0." in text
    assert "accuracy=]" not in text and "step 1000," not in text
    assert text.splitlines()[-1].startswith("test accuracy 0.")


def test_what_a_signal_left_half_made_is_not_reported(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, signal, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from shared import console\n"
        "class HalfMade:\n"
        "    def __del__(self):\n"
        "        self.never_made\n"
        "def main():\n"
        "    half_made = HalfMade()\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "with console.one_line_errors():\n"
        "    main()\n"
    )
    process = in_shell("{}", program, cwd=tmp_path)
    assert (process.returncode, process.stderr) == (130, "stopped by SIGINT\n")


@pytest.mark.parametrize("is_ignored", [False, True])
@pytest.mark.parametrize("is_in_loop", [False, True])
def test_hangup(tmp_path, is_in_loop, is_ignored):
    """SIGHUP ends a program with exit 129, unless it was started by nohup."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, signal, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from shared import console\n"
        "with console.one_line_errors():\n"
        "    if sys.argv[1:]:\n"
        "        with console.Signals() as signals:\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "            print('received', signals.received, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('not stopped', flush=True)\n"
    )
    form = "nohup {}" if is_ignored else "{}"
    process = in_shell(form, program, *["loop"] * is_in_loop, cwd=tmp_path, stdin=subprocess.PIPE)
    number = None if is_ignored else int(signal.SIGHUP)
    expected = f"received {number}\n" * is_in_loop + "not stopped\n" * is_ignored
    assert process.stdout == expected
    assert process.returncode == (0 if is_ignored else 129)
    assert is_ignored or process.stderr == "stopped by SIGHUP\n"


def test_interrupted_while_tensorflow_loads(tmp_path, environment):
    stub = "import time\nprint('loading', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "tensorflow.py").write_text(stub)
    process = subprocess.Popen(
        [sys.executable, script("tf2_style", "mnist_softmax"), DIGITS],
        cwd=tmp_path,
        env=dict(environment, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"loading\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == -signal.SIGINT and error == b""


def test_missing_tensorflow_in_one_line(run, tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError('No module named tensorflow')"
    )
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    command = ["-u", script("tf2_style", "mnist_softmax"), DIGITS]
    process = run(*command, check=False, PYTHONPATH=path)
    assert process.returncode == 2
    assert "./run_all.sh installs what is needed" in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_damaged_checkpoints_in_one_line(run, tmp_path, style):
    """Truncated, then forgotten by its state file: nothing is begun afresh in silence."""
    command = [script(style, "mnist_softmax"), DIGITS, "--run_dir=run", "--nolog"]
    run(*command, "--max_steps=5")
    folder = tmp_path / "run" / "checkpoints" / style.split("_")[0]
    (data,) = folder.glob("*.data*")
    data.write_bytes(data.read_bytes()[:500])
    process = run(*command, "--max_steps=9", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert f"could not restore run/checkpoints/{folder.name}/model.ckpt-5: " in process.stderr
    assert "the data file ends before" in process.stderr and "--restart" in process.stderr

    (folder / "checkpoint").unlink()
    process = run(*command, "--max_steps=9", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "expected that of step 5; --restart begins a new run" in process.stderr
    assert result(tmp_path / "run")["step"] == 5 and data.exists()


def test_summary(run, tmp_path):
    """The layers of a model, alike in both styles; nothing is trained."""
    lines = [
        run(script(style, "mnist_convnet"), "--batch_norm", "--summary").stdout.splitlines()
        for style in STYLES
    ]
    assert lines[0] == lines[1]
    assert [line.split("  ")[0] for line in lines[0]] == [
        *("layer", "conv1", "conv2", "conv3", "fc1", "fc2", "", "")
    ]
    assert " ".join(lines[0][1].split()) == (
        "conv1 28 x 28 x 12 144 W_conv1 3 x 3 x 1 x 12, beta 12, moving_mean 12, moving_variance 12"
    )
    total = 9 * 12 + 36 * 12 * 24 + 36 * 24 * 32 + 1568 * 200 + 2010 + 3 * (12 + 24 + 32 + 200)
    assert lines[0][6].split() == [f"{total:,}", "in", "total"]
    assert lines[0][7].split()[0] == str(2 * (12 + 24 + 32 + 200))
    assert list(tmp_path.iterdir()) == []
