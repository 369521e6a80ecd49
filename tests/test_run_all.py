"""run_all.sh sets up once, hands its arguments on, and works from anywhere."""

import os
import pty
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.fixture
def project(tmp_path, no_gpu):
    """A copy of run_all.sh in a path with spaces, beside a `compare` that shows its arguments.

    It needs no packages, so that setting it up takes seconds and no network.
    """
    folder = tmp_path / "a folder" / "the project"
    (folder / "compare").mkdir(parents=True)
    shutil.copy(ROOT / "run_all.sh", folder)
    (folder / "tests").mkdir()
    for name in ("requirements.txt", "requirements-legacy.txt", "tests/requirements-tf115.txt"):
        (folder / name).write_text("")
    (folder / "compare" / "__main__.py").write_text(
        "import os, sys\nprint(sys.argv[1:], sys.prefix, os.getcwd())\n"
    )
    return folder


@pytest.fixture
def no_gpu(tmp_path, monkeypatch):
    """Keeps these tests from installing TensorFlow with CUDA where there is a driver."""
    stub(tmp_path / "stubs" / "nvidia-smi", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'stubs'}{os.pathsep}{os.environ['PATH']}")


def stub(path, command):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def run_all(path, cwd, *arguments, **changes):
    return subprocess.run(
        [path, *arguments],
        cwd=cwd,
        env=dict(os.environ, **changes),
        text=True,
        capture_output=True,
        check=False,
    )


def test_sets_up_once_and_runs_from_anywhere(project, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(project / "run_all.sh")
    first = run_all(link, tmp_path, "--quick", "--data_dir=a b")
    expected = f"['accuracy', '--quick', '--data_dir=a b'] {project / '.venv'} {tmp_path}\n"
    assert first.returncode == 0, first.stderr
    assert first.stdout == expected and "installing" in first.stderr
    again = run_all("./run_all.sh", project, PYTHONPATH="/nowhere")
    assert again.stdout == f"['accuracy'] {project / '.venv'} {project}\n" and again.stderr == ""

    # The libraries for old programs are added once, and a program runs where it is called.
    (project / "tf1_style" / "run").mkdir(parents=True)
    shutil.copy(project / "compare" / "__main__.py", project / "tf1_style" / "run")
    first = run_all(project / "run_all.sh", tmp_path, "old", "old.py", "--steps=3")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"['old.py', '--steps=3'] {project / '.venv'} {tmp_path}\n"
    assert "adding the libraries for old programs" in first.stderr
    assert run_all(project / "run_all.sh", tmp_path, "old", "old.py").stderr == ""

    process = run_all("./run_all.sh", project, "test", TWINS_DATA_DIR="/no/such/folder")
    assert process.returncode == 2 and "/no/such/folder" in process.stderr


@pytest.mark.proof
@pytest.mark.parametrize(("code", "commands"), [(0, 2), (1, 2), (2, 1)])
def test_on_a_gpu(project, code, commands):
    """The benchmark follows the accuracies, unless there is no GPU: 2 is an error of the user."""
    (project / "compare" / "__main__.py").write_text(
        f"import sys\nprint(sys.argv[1:])\nsys.exit({code} if 'accuracy' in sys.argv else 0)\n"
    )
    process = run_all("./run_all.sh", project, "--quick", "--device=gpu:1", "--seed=3")
    lines = ["['accuracy', '--quick', '--device=gpu:1', '--seed=3']"]
    lines += ["['bench', '--part=steps', '--quick', '--device=gpu:1']"]
    assert process.stdout.splitlines() == lines[:commands]
    assert process.returncode == code


@pytest.mark.proof
def test_what_was_cut_short_is_done_again(project):
    (project / ".venv").mkdir()
    (project / ".venv" / "half").write_text("")
    process = run_all("./run_all.sh", project)
    assert process.returncode == 0 and "installing" in process.stderr
    assert not (project / ".venv" / "half").exists()
    (project / "requirements.txt").write_text("# another\n")
    assert "installing" in run_all("./run_all.sh", project).stderr


@pytest.mark.proof
def test_cuda_comes_with_the_driver(project, tmp_path):
    stub(tmp_path / "stubs" / "nvidia-smi", "exit 0")
    process = run_all("./run_all.sh", project, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert process.returncode == 2 and "requirement tensorflow[and-cuda]" in process.stderr


@pytest.mark.proof
def test_failed_installation(project):
    (project / "requirements.txt").write_text("no-such-package-of-tf-twins==1\n")
    process = run_all("./run_all.sh", project, PIP_NO_INDEX="1")
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.splitlines()[-1].startswith(
        "the installation failed; it needs the network"
    )


def wheel(folder):
    """Writes the smallest package that pip installs."""
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as file:
        file.writestr("tiny.py", "")
        metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        file.writestr("tiny-1.0.dist-info/METADATA", metadata)
        wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr("tiny-1.0.dist-info/WHEEL", wheel)
        file.writestr("tiny-1.0.dist-info/RECORD", "")


@pytest.mark.proof
@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_of_pip(project, tmp_path, is_terminal):
    """A terminal shows what pip does; a log has one line."""
    wheel(tmp_path)
    (project / "requirements.txt").write_text("tiny==1.0\n")
    reader, writer = pty.openpty() if is_terminal else os.pipe()
    process = subprocess.run(
        ["./run_all.sh"],
        cwd=project,
        env=dict(os.environ, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=writer,
        check=True,
    )
    os.set_blocking(reader, False)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    os.close(writer)
    assert process.stdout.startswith(b"['accuracy']")
    assert ("Successfully installed tiny-1.0" in shown) == is_terminal
    assert is_terminal or shown.count("\n") == 1


@pytest.mark.proof
def test_legacy(project, tmp_path):
    """With a Python 3.7 that is named; one that is not 3.7 is passed over; and without any."""
    (project / "pytest.py").write_text("import sys\nprint(sys.argv[1:])\n")
    stub(tmp_path / "stubs" / "python3.7", "exit 1")
    nowhere = {"PYENV_ROOT": str(tmp_path)}
    process = run_all("./run_all.sh", project, "legacy", TF115_PYTHON=sys.executable, **nowhere)
    assert process.returncode == 69 and process.stdout == "" and process.stderr.count("\n") == 1
    assert process.stderr.startswith("no Python 3.7, which TensorFlow 1.15.5 needs; install one")
    assert not (project / ".venv-tf115").exists()

    python = python37()
    process = run_all("./run_all.sh", project, "legacy", "-x", TF115_PYTHON=python, **nowhere)
    assert process.returncode == 0, process.stderr
    assert process.stdout == "['-m', 'legacy and not accuracy', '-x']\n"
    version = subprocess.check_output([project / ".venv-tf115" / "bin" / "python", "--version"])
    assert version.startswith(b"Python 3.7.")


def python37():
    for python in ("python3.7", *Path.home().glob(".pyenv/versions/3.7.*/bin/python")):
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(python)
    pytest.skip("needs a Python 3.7")


def test_no_python(project, tmp_path):
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "dirname", "readlink", "cksum", "cat"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    process = run_all("./run_all.sh", project, PATH=str(tmp_path / "bin"))
    assert process.returncode == 2
    assert process.stderr.startswith("no Python 3.10 to 3.13") and process.stderr.count("\n") == 1
