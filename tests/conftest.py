"""Shared by the tests: running scripts as a user does, reading their files, small datasets."""

import gzip
import json
import os
import shutil
import subprocess
import sys

import forks
import numpy as np
import pytest
from forks import ROOT
from hypothesis import settings

from shared import datasets, machine
from shared.console import UserError, quiet_import
from shared.datasets import idx, sources

settings.register_profile("suite", deadline=None)  # the processor may be busy
settings.load_profile("suite")

STYLES = ("tf1_style", "tf2_style")
# The output of mnist_softmax on the digits, 200 steps.
TUTORIAL_LINES = """\
step 0, training accuracy 0.07
step 100, training accuracy 0.97
test accuracy 0.9075
"""
# No sandbox: CI may run as root. No traffic but the page's own. WebGL in software.
CHROMIUM = """
    --headless=new --no-sandbox --disable-gpu --enable-unsafe-swiftshader --disable-quic
    --no-first-run --disable-background-networking --disable-component-update --disable-sync
"""
NOWHERE = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture(autouse=True)
def no_tensorflow_2_behavior(monkeypatch):
    """TensorFlow 2 sets this variable in its process. TensorFlow 1.15.5 would obey it."""
    monkeypatch.delenv("TF2_BEHAVIOR", raising=False)


@pytest.fixture
def environment(tmp_path_factory):
    """An environment without data: no data folder, empty caches, no mirror that answers."""
    home = tmp_path_factory.mktemp("home")
    return dict(
        os.environ,
        HOME=str(home),
        XDG_CACHE_HOME=str(home / ".cache"),
        KERAS_HOME=str(home / ".keras"),
        TWINS_DATA_DIR="",
        TWINS_MIRROR=NOWHERE,
        PYTHONPATH=str(ROOT),
    )


@pytest.fixture
def run(tmp_path, environment):
    """Runs a command line in an empty folder; returns the finished process.

    A script runs in a fork. If options of Python come first, it runs in a process of its own.
    """

    def run(*command, check=True, **changes):
        command, env = [*map(str, command)], dict(environment, **changes)
        if command[0].endswith(".py"):
            return forks.run(command, tmp_path, env, check)
        process = subprocess.run(
            [sys.executable, *command],
            check=False,
            cwd=tmp_path,
            env=env,
            text=True,
            capture_output=True,
        )
        if check:
            assert process.returncode == 0, process.stderr
        return process

    return run


def script(style, name):
    return ROOT / style / f"{name}.py"


def result(run_dir):
    return json.loads((run_dir / "result.json").read_text())


def tensors(run_dir, kind="*"):
    """Returns the tensors of a run's newest checkpoint, {name: array}.

    `kind` is tf1 or tf2, if the run has both. A TF2 checkpoint names a tensor by its path through
    the objects; its counter of saves is left out.
    """
    with quiet_import():
        import tensorflow as tf
    (folder,) = (run_dir / "checkpoints").glob(kind)
    reader = tf.train.load_checkpoint(str(folder))
    return {
        name.replace("/.ATTRIBUTES/VARIABLE_VALUE", ""): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("_CHECKPOINTABLE", "save_counter"))
    }


def bits(array):
    return (array.shape, array.dtype.str, array.tobytes())


def needs_bfloat16():
    """Skips a test if the processor has no bfloat16."""
    try:
        machine._check_precision("bfloat16", False, "2.21.0")
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mnist_dir():
    """A folder that holds MNIST; skips the test if there is none."""
    folder = os.environ.get("TWINS_DATA_DIR") or sources.cache_dir("mnist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINS_MIRROR", NOWHERE)
        try:
            datasets.load("mnist", folder)
        except datasets.DataError:
            if os.environ.get("TWINS_DATA_DIR"):
                raise
            pytest.skip("MNIST is not at hand: set TWINS_DATA_DIR")
    return folder


@pytest.fixture(scope="session")
def tf115_python():
    """A Python 3.7 with TensorFlow 1.15.5; skips the test if there is none."""
    python = ROOT / ".venv-tf115" / "bin" / "python"
    if not python.exists():
        pytest.skip("no TensorFlow 1.15.5: ./run_all.sh legacy installs it")
    return str(python)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium, driven by selenium; skips the test if there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install selenium")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, path in programs.items():
        if not path:
            pytest.skip(f"no {name}: apt install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = programs["chromium"]
    profile = tmp_path_factory.mktemp("profile")
    for argument in [*CHROMIUM.split(), f"--user-data-dir={profile}", "--window-size=1400,1250"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = selenium.ChromeService(programs["chromedriver"])
    with selenium.Chrome(options=options, service=service) as browser:
        yield browser


def write_idx(folder, arrays, pack=True):
    """Writes arrays as IDX files with the names of MNIST's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        path = folder / (sources.FILES[key][0] + (".gz" if pack else ""))
        with gzip.open(path, "wb", compresslevel=1) if pack else open(path, "wb") as file:
            idx.write(file, array)


def random_images(examples=53, tests=17, rows=6, columns=5):
    """Returns the arrays of a small random dataset."""
    random = np.random.RandomState(0)
    return {
        "train_images": random.randint(0, 256, (examples, rows, columns)).astype(np.uint8),
        "train_labels": random.randint(0, datasets.CLASSES, examples).astype(np.uint8),
        "test_images": random.randint(0, 256, (tests, rows, columns)).astype(np.uint8),
        "test_labels": random.randint(0, datasets.CLASSES, tests).astype(np.uint8),
    }
