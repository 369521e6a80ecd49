"""SavedModels: both styles write the same signature; either style loads them, bit-identical."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import STYLES, bits, script

from shared import datasets
from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

DIGITS = "--dataset=digits"
SIGNATURE = """\
The given SavedModel SignatureDef contains the following input(s):
  inputs['images'] tensor_info:
      dtype: DT_FLOAT
      shape: (-1, 784)
      name: NAME
The given SavedModel SignatureDef contains the following output(s):
  outputs['classes'] tensor_info:
      dtype: DT_INT64
      shape: (-1)
      name: NAME
  outputs['scores'] tensor_info:
      dtype: DT_FLOAT
      shape: (-1, 10)
      name: NAME
"""


@pytest.fixture
def test_set():
    return tuple(datasets.load("digits").test.batch(slice(None), one_hot=False).values())


def command_line(tmp_path, *arguments):
    """Runs saved_model_cli, which TensorFlow installs beside Python."""
    return subprocess.run(
        [Path(sys.executable).parent / "saved_model_cli", *arguments],
        cwd=tmp_path,
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1"),
        text=True,
        capture_output=True,
        check=True,
    ).stdout


def in_tf1(path, images):
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], path)
        signature = loaded.signature_def["serving_default"]
        names = {key: info.name for key, info in signature.outputs.items()}
        return session.run(names, {signature.inputs["images"].name: images})


def in_tf2(path, images):
    loaded = tf.saved_model.load(path)
    outputs = loaded.signatures["serving_default"](images=tf.constant(images))
    return {key: value.numpy() for key, value in outputs.items()}


@pytest.mark.parametrize(
    "name",
    [
        "mnist_softmax",
        *(pytest.param(name, marks=pytest.mark.proof) for name in ("mnist_deep", "mnist_pipeline")),
    ],
)
def test_either_style_loads_either_export(run, tmp_path, test_set, name):
    images, labels = test_set
    predictions = []
    for style in STYLES:
        flags = [DIGITS, "--max_steps=20", "--nolog", f"--run_dir={style}/run"]
        run(script(style, name), *flags, f"--export_dir={style}/export")
        path = str(tmp_path / style / "export")
        predictions += [in_tf1(path, images), in_tf2(path, images)]
        result = json.loads((tmp_path / style / "run" / "result.json").read_text())
        assert np.mean(predictions[-1]["classes"] == labels) == result["test_accuracy"]
    for prediction in predictions:
        assert set(prediction) == {"scores", "classes"}
        assert prediction["scores"].shape == (400, 10) and prediction["classes"].shape == (400,)
        np.testing.assert_allclose(prediction["scores"].sum(1), 1, rtol=1e-5)
        assert {k: bits(v) for k, v in prediction.items()} == {
            k: bits(v) for k, v in predictions[0].items()
        }


@pytest.mark.proof
def test_saved_model_cli_shows_and_runs_an_export_without_dropout(run, tmp_path, test_set):
    np.save(tmp_path / "images.npy", test_set[0])
    scores = []
    for style in STYLES:
        flags = [DIGITS, "--max_steps=3", "--nolog", f"--export_dir={style}"]
        run(script(style, "mnist_deep"), *flags)
        serve = ["--dir", style, "--tag_set", "serve", "--signature_def", "serving_default"]
        shown = command_line(tmp_path, "show", *serve)
        lines = [
            line.partition("name: ")[0] + "name: NAME" if "name: " in line else line
            for line in shown.splitlines()
            if line and "Method" not in line
        ]
        assert "\n".join(lines) + "\n" == SIGNATURE
        command_line(
            tmp_path, "run", *serve, "--inputs", "images=images.npy", "--outdir", f"{style}_out"
        )
        scores.append(np.load(tmp_path / f"{style}_out" / "scores.npy"))
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            meta = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / style))
        functions = [
            node for function in meta.graph_def.library.function for node in function.node_def
        ]
        names = [node.name for node in [*meta.graph_def.node, *functions]]
        assert [name for name in names if "Conv2D" in name]
        assert not [name for name in names if "dropout" in name or "train/" in name]
    assert bits(scores[0]) == bits(scores[1])


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_a_complete_run_can_be_exported_later(run, tmp_path, style):
    """A new export replaces an older one. It never replaces another folder."""
    command = [script(style, "mnist_softmax"), DIGITS, "--max_steps=5", "--nolog", "--run_dir=run"]
    run(*command)
    before = (tmp_path / "run" / "result.json").read_text()
    for _ in range(2):
        process = run(*command, "--export_dir=run/export")
        assert process.stdout.startswith("test accuracy ")
    assert (tmp_path / "run" / "result.json").read_text() == before
    assert (tmp_path / "run" / "export" / "saved_model.pb").exists()
    assert sorted(os.listdir(tmp_path / "run")) == [
        "checkpoints",
        "evaluation.npz",
        "export",
        "result.json",
    ]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    process = run(*command, "--export_dir=mine", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "--export_dir=mine: something else is there" in process.stderr
    assert os.listdir(tmp_path / "mine") == ["notes"]
