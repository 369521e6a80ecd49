"""Runs scripts in forks of a process that has imported TensorFlow.

The import takes 3 seconds, most of the time of a short script. A script in a fork starts with
TensorFlow loaded, and with nothing else of the project.
"""

import atexit
import functools
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(command, cwd=ROOT, env=None, check=True):
    """Runs the script `command[0]`; returns the finished process.

    The parameters and the result are those of `subprocess.run` with text=True and
    capture_output=True.
    """
    command, env = [*map(str, command)], env or dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        streams = [os.path.join(folder, name) for name in ("stdout", "stderr")]
        process = start(command, cwd, env, streams)
        process.join()
        stdout, stderr = (Path(path).read_text() for path in streams)
    finished = subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)
    process.close()
    assert not check or finished.returncode == 0, stderr
    return finished


def start(command, cwd, env, streams):
    """Starts the script `command[0]`; returns its process, of the class of `multiprocessing`.

    `streams` are the paths of two new files, for stdout and stderr.
    """
    process = _context().Process(target=_main, args=(command, cwd, env, streams))
    process.start()
    return process


@functools.cache
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow"])
    with pytest.MonkeyPatch.context() as patch:
        # TensorFlow reads these when it is loaded. The values are those of `quiet_import`.
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
        forkserver.ensure_running()
    return context


def _main(command, cwd, env, streams):
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = command
    paths = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [str(Path(command[0]).parent), *filter(None, paths)]
    try:
        runpy.run_path(command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # a fork of `multiprocessing` ends without them
