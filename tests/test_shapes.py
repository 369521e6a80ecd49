"""The pairs of docs/shapes.md that need more than images and labels.

The convolutional pairs are tested in test_convolutions.py and test_stereo.py. The batches of
mnist_pipeline are tested in test_pipeline.py.
"""

import os
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import STYLES, bits, needs_bfloat16, result, script, tensors
from PIL import Image

from shared.console import quiet_import
from shared.datasets import sources
from shared.flags import parse

with quiet_import():
    import tensorflow as tf

    from tf2_style.mnist_gan import MnistGan
    from tf2_style.reviews_conv1d import ReviewsConv1d
    from tf2_style.training.two_sides import TwoSidesTrainer

FLAGS = {
    "mnist_gan": ["--dataset=digits", "--max_steps=30", "--batch_size=16"],
    "same_digit": ["--dataset=digits", "--max_steps=20", "--batch_size=16"],
    "stories_qa": ["--max_steps=20", "--batch_size=16"],
    "posts_profile": ["--max_steps=6", "--batch_size=8", "--vocabulary=400"],
    "reviews_conv1d": ["--max_steps=20", "--batch_size=16"],
    "mnist_pipeline": ["--dataset=digits", "--max_steps=20", "--batch_size=99", "--hidden=20"],
}
ONE_STEP_PER_CALL = ("mnist_gan", "mnist_pipeline")
GAN = {
    "dataset": ("digits",),
    "max_steps": 1,
    "batch_size": 8,
    "optimizer": "adam",
    "learning_rate": 0.001,
}
REVIEWS = os.environ.get("TWINS_DATA_DIR") or sources.cache_dir("movie_reviews")


@pytest.fixture
def flags():
    """Returns the flags of a short run of a program; skips the test if there is no data for it."""

    def flags(name):
        if name != "reviews_conv1d":
            return FLAGS[name]
        if not os.path.isdir(os.path.join(REVIEWS, "movie_reviews")):
            pytest.skip("movie_reviews is not at hand: set TWINS_DATA_DIR")
        return [*FLAGS[name], f"--data_dir={REVIEWS}"]

    return flags


@pytest.mark.proof
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FLAGS)
def test_parity(run, flags, name, precision):
    if precision == "bfloat16":
        needs_bfloat16()
    many = precision == "bfloat16" and name not in ONE_STEP_PER_CALL
    calls = "--steps_per_call=5" if many else "--steps_per_call=1"
    process = run("-m", "compare", "parity", name, *flags(name), f"--precision={precision}", calls)
    assert process.stdout.startswith("bit-identical: ")


@pytest.mark.proof
@pytest.mark.parametrize("name", FLAGS)
def test_resume_in_the_other_style(run, tmp_path, flags, name):
    """An embedding, the slots of two optimizers, a layer used twice: all cross over."""
    short = ["--max_steps=3", "--eval_every=0"]
    run(script("tf2_style", name), *flags(name), "--run_dir=whole", "--eval_every=0")
    run(script("tf2_style", name), *flags(name), *short, "--run_dir=parts")
    steps = [flag for flag in flags(name) if flag.startswith("--max_steps")]
    run(script("tf1_style", name), *flags(name), *steps, "--run_dir=parts", "--eval_every=0")
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts", "tf1")
    assert sorted(map(bits, whole.values())) == sorted(map(bits, parts.values()))
    assert result(tmp_path / "whole")["test_loss"] == result(tmp_path / "parts")["test_loss"]


@pytest.mark.proof
def test_words_in_the_projector(run, tmp_path, flags):
    for style in STYLES:
        run(script(style, "reviews_conv1d"), *flags("reviews_conv1d"), f"--run_dir={style}")
        folder = tmp_path / style / "projector"
        labels = (folder / "labels.tsv").read_text().splitlines()
        assert labels[:3] == ["[padding]", "[unknown]", "the"] and len(labels) == 2000
        vectors = np.fromfile(folder / "embedding.bytes", np.float32).reshape(2000, 128)
        (name,) = (name for name in tensors(tmp_path / style) if name.endswith(("E", "embed/E")))
        assert bits(vectors) == bits(tensors(tmp_path / style)[name])
        assert "sprite" not in (tmp_path / style / "projector_config.pbtxt").read_text()


@pytest.mark.proof
def test_an_answer_to_a_question(run):
    """Both styles answer from a run of one of them; a text without a question is an error."""
    run(script("tf2_style", "stories_qa"), "--max_steps=1", "--nolog", "--run_dir=run")
    question = "--predict_text=Mary visited Paris. John moved to Rome. Where is Mary?"
    answers = [
        run(script(style, "stories_qa"), "--run_dir=run", question).stdout for style in STYLES
    ]
    assert answers[0] == answers[1] and answers[0].endswith(" %)\n")
    wrong = ["--run_dir=run", "--predict_text=Where is Mary?"]
    process = run(script("tf1_style", "stories_qa"), *wrong, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "expected a story and a question, such as" in process.stderr


@pytest.mark.proof
def test_a_mistake_that_is_kept(run, tmp_path, flags):
    """Scores taken for probabilities make a worse model."""
    losses = []
    for loss in ("binary_cross_entropy", "binary_on_scores"):
        more = [f"--loss={loss}", "--epochs=3", "--max_steps=200", "--batch_size=128"]
        run(script("tf2_style", "reviews_conv1d"), *flags("reviews_conv1d"), *more)
        losses.append(result(tmp_path / "runs" / "tf2_style" / "reviews_conv1d")["test_loss"])
        (tmp_path / "runs").rename(tmp_path / loss)
    assert losses[0] < 0.7 and losses[1] > losses[0] + 0.05


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_on_scores"])
def test_why_it_is_a_mistake(loss):
    """A score below 0 or above 1 then has no gradient, however wrong it is."""
    model = ReviewsConv1d(SimpleNamespace(seed=0, loss=loss, vocabulary=10))
    score = tf.Variable([-1.0, -1.0, 2.0, 2.0, 0.5])
    with tf.GradientTape() as tape:
        mean = model.loss({"scores": score}, {"positive": tf.constant([0.0, 1.0, 0.0, 1.0, 1.0])})
    gradient = tape.gradient(mean, score).numpy()
    outside, inside = gradient[:4], gradient[4]
    assert inside < 0 and (outside == 0).all() == (loss == "binary_on_scores")


@pytest.mark.proof
def test_swapped_images(run, tmp_path):
    """The scores of two swapped images have the same bits with --symmetric, and others without."""
    first, second = (np.random.RandomState(k).rand(5, 784).astype(np.float32) for k in (0, 1))
    for style in STYLES:
        for symmetric in ("--symmetric", "--nosymmetric"):
            folder = tmp_path / f"{style}{symmetric}"
            more = [symmetric, f"--run_dir={folder}", f"--export_dir={folder}/export", "--nolog"]
            run(script(style, "same_digit"), *FLAGS["same_digit"], *more)
            export = tf.saved_model.load(str(folder / "export")).signatures["serving_default"]
            one, other = (
                export(first=tf.constant(a), second=tf.constant(b))["probability"].numpy()
                for a, b in ((first, second), (second, first))
            )
            assert len(set(one)) == 5 and (bits(one) == bits(other)) == (symmetric == "--symmetric")


@pytest.mark.proof
def test_pictures_of_the_generator(run, tmp_path):
    """Both styles leave the same picture, and exports that draw the same from the same noise."""
    noise = tf.constant(np.random.RandomState(0).normal(size=[3, 100]).astype(np.float32))
    drawn = []
    for style in STYLES:
        run(script(style, "mnist_gan"), *FLAGS["mnist_gan"], "--run_dir=" + style, "--export_dir=e")
        export = tf.saved_model.load(str(tmp_path / "e")).signatures["serving_default"]
        drawn.append(export(noise=noise)["pictures"].numpy())
        shutil.rmtree(tmp_path / "e")
    assert bits(drawn[0]) == bits(drawn[1]) and drawn[0].shape == (3, 784)
    sheets = [np.asarray(Image.open(tmp_path / style / "pictures.png")) for style in STYLES]
    assert bits(sheets[0]) == bits(sheets[1]) and sheets[0].std() > 10


def test_a_side_moves_only_its_own_weights(monkeypatch):
    """The first update leaves the generator as it is, the second the discriminator."""
    for name in ("intra", "inter"):  # TensorFlow has started, so these cannot be set any more
        setter = f"set_{name}_op_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, setter, lambda threads: None)
    flags = parse([""], "", **GAN)
    trainer = TwoSidesTrainer(MnistGan, flags)
    batch = {"images": tf.constant(np.random.RandomState(0).rand(8, 784), tf.float32)}
    for side, variables in trainer.model.sides.items():
        gradients, _, _ = trainer.gradients_of(side, batch, 1.0)
        assert len(gradients) == 4 and all(np.abs(gradient).max() > 0 for gradient in gradients)
        before = {name: array.copy() for name, array in trainer.values(trainer.weights).items()}
        getattr(trainer.optimizer, side).apply(gradients, tf.constant(0.001))
        after = trainer.values(trainer.weights)
        moved = {name for name in after if bits(before[name]) != bits(after[name])}
        assert moved == {variable.name.split(":")[0] for variable in variables}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ONE_STEP_PER_CALL)
def test_some_refuse_steps_per_call(run, style, name):
    process = run(script(style, name), "--dataset=digits", "--steps_per_call=2", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "got --steps_per_call=2, expected 1" in process.stderr


@pytest.mark.legacy
@pytest.mark.parametrize("name", [*FLAGS, "mnist_inception", "mnist_separable"])
def test_tensorflow_1_15(run, tf115_python, tmp_path, flags, name):
    """The old TensorFlow runs the programs; the losses are those of today's, to rounding."""
    short = flags(name) if name in FLAGS else FLAGS["same_digit"]
    command = [script("tf1_style", name), *short, "--nolog", "--eval_every=0"]
    if name == "mnist_pipeline":  # TensorFlow 1.15.5 shuffles in another order
        command.append("--batch_order=file")
    run(*command, "--run_dir=new")
    subprocess.run([tf115_python, *map(str, command), "--run_dir=old"], cwd=tmp_path, check=True)
    new, old = (result(tmp_path / folder)["test_loss"] for folder in ("new", "old"))
    assert old == pytest.approx(new, rel=1e-3)
