"""What TensorBoard is given: the same from both styles, pictures, graphs, the embedding."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import STYLES, script, tensors
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared import batches, console, datasets, evaluation, graphs, pictures
from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

BOXES = {
    "mnist_softmax": "input softmax loss accuracy train",
    "mnist_deep": "input conv1 pool1 conv2 pool2 fc1 dropout fc2 loss accuracy train",
    "mnist_convnet": "input conv1 conv2 conv3 fc1 dropout fc2 loss accuracy train",
}
LAYERS = {
    "mnist_softmax": ["softmax"],
    "mnist_deep": ["conv1", "conv2", "fc1", "fc2"],
    "mnist_convnet": ["conv1", "conv2", "conv3", "fc1", "fc2"],
}
MODEL = {"mnist_convnet": ["--batch_norm", "--nocsv_log"]}


@pytest.fixture(
    scope="module",
    params=["mnist_softmax", "mnist_deep", pytest.param("mnist_convnet", marks=pytest.mark.proof)],
)
def pair(request, tmp_path_factory):
    """Both styles' runs of one script: its name, their folders, what their event files hold."""
    folder = tmp_path_factory.mktemp(request.param)
    for style in STYLES:
        command = [sys.executable, script(style, request.param), f"--log_dir={folder}"]
        command += ["--dataset=digits", "--max_steps=25", "--eval_every=10", "--summary_every=10"]
        command += [f"--run_dir={folder / 'runs' / style}", *MODEL.get(request.param, [])]
        subprocess.run(command, check=True, capture_output=True)
    folders = [folder / style / request.param for style in STYLES]
    return request.param, folders, [Events(folder) for folder in folders]


def run_dirs(folders):
    return [folders[0].parents[1] / "runs" / style for style in STYLES]


class Events:
    """One run's event file, with TensorFlow 1's kinds of summaries and 2's brought together."""

    def __init__(self, folder):
        self.all = EventAccumulator(str(folder), {"tensors": 0, "histograms": 0, "images": 0})
        self.all.Reload()
        self.scalars, self.histograms, self.images = {}, {}, {}
        for tag in self.all.Tags()["scalars"]:
            self.scalars[tag] = [(event.step, event.value) for event in self.all.Scalars(tag)]
        for tag in self.all.Tags()["histograms"]:
            self.histograms[tag] = [
                (event.step, event.histogram_value.num, event.histogram_value.min)
                for event in self.all.Histograms(tag)
            ]
        for tag in self.all.Tags()["images"]:
            self.images[tag] = [
                pixels(event.encoded_image_string) for event in self.all.Images(tag)
            ]
        for tag in self.all.Tags()["tensors"]:
            self._sort(tag)

    @property
    def steps(self):
        """The steps of each curve and histogram, by tag."""
        series = {**self.scalars, **self.histograms}
        return {tag: [event[0] for event in events] for tag, events in series.items()}

    def _sort(self, tag):
        plugin = self.all.SummaryMetadata(tag).plugin_data.plugin_name
        for event in self.all.Tensors(tag):
            value = tensor_util.make_ndarray(event.tensor_proto)
            if plugin == "scalars":
                self.scalars.setdefault(tag, []).append((event.step, float(value)))
            elif plugin == "histograms":
                number = (event.step, value[:, 2].sum(), value[0, 0])
                self.histograms.setdefault(tag, []).append(number)
            elif plugin == "images":
                self.images.setdefault(tag, []).append(pixels(value[2]))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_same_scalars(pair):
    _, _, (tf1, tf2) = pair
    paces = [events.scalars.pop("steps_per_second") for events in (tf1, tf2)]
    assert tf1.scalars == tf2.scalars
    assert {tag: tf1.steps[tag] for tag in tf1.scalars} == {
        "loss/training": [0, 10, 20],
        "accuracy/training": [0, 10, 20],
        "learning_rate": [0, 10, 20],
        "loss/validation": [0, 10, 20, 25],
        "accuracy/validation": [0, 10, 20, 25],
        "loss/test": [25],
        "accuracy/test": [25],
    }
    assert all([step for step, _ in pace] == [10, 20] for pace in paces)


def test_validation_is_on_the_examples_held_out(pair):
    name, folders, (tf1, _) = pair
    data = datasets.load("digits")
    if name == "mnist_softmax":  # which takes all for a 0 while its weights are 0
        expected = np.mean(data.validation.labels == 0)
        assert tf1.scalars["accuracy/validation"][0][1] == pytest.approx(expected)
        assert expected != np.mean(data.test.labels == 0)
    result = json.loads((run_dirs(folders)[0] / "result.json").read_text())
    for kind in ("loss", "accuracy"):
        for part in ("test", "validation"):
            step, value = tf1.scalars[f"{kind}/{part}"][-1]
            assert step == 25 and value == pytest.approx(result[f"{part}_{kind}"])


@pytest.mark.parametrize("pair", ["mnist_softmax"], indirect=True)
def test_last_histograms_are_of_the_batch_of_their_step(pair):
    _, folders, (tf1, _) = pair
    held = tensors(run_dirs(folders)[0])
    data = datasets.load("digits")
    numbers = batches.indices(25, 100, len(data.train), seed=0)
    logits = data.train.batch(numbers)[0] @ held["softmax/W"] + held["softmax/b"]
    assert tf1.histograms["activations/softmax"][-1][2] == pytest.approx(logits.min(), rel=1e-4)


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_histograms_are_of_the_step_as_it_is_taken(run, tmp_path, style):
    """With its dropout, behind which activations and gradients are others."""
    held = []
    for keep_prob in (0.5, 1):
        flags = ["--max_steps=1", f"--keep_prob={keep_prob}", f"--run_dir={keep_prob}"]
        run(script(style, "mnist_deep"), "--dataset=digits", *flags)
        held.append(Events(tmp_path / str(keep_prob)).histograms)
    for layer, is_same in (("fc1", True), ("fc2", False)):
        least = [histograms[f"activations/{layer}"][0][2] for histograms in held]
        assert (least[0] == least[1]) == is_same, layer


def test_same_histograms(pair):
    """Of weights, gradients and activations: as many numbers, and the same least one."""
    name, _, (tf1, tf2) = pair
    assert set(tf1.histograms) == set(tf2.histograms)
    groups = {tuple(tag.split("/")[:2]) for tag in tf1.histograms}
    kinds = ("weights", "gradients", "activations")
    assert groups == {(kind, layer) for kind in kinds for layer in LAYERS[name]}
    for tag, series in tf1.histograms.items():
        np.testing.assert_array_equal(series, tf2.histograms[tag], err_msg=tag)
        assert [step for step, _, _ in series] == [0, 10, 20, 25]


def test_same_pictures(pair):
    name, _, (tf1, tf2) = pair
    assert (
        set(tf1.images) == set(tf2.images) == {"images/input", "images/mistakes", "images/filters"}
    )
    for tag, (picture,) in tf1.images.items():
        np.testing.assert_array_equal(picture, tf2.images[tag][0], err_msg=tag)
        assert picture.std() > 10  # something is to be seen
    assert tf1.images["images/filters"][0].shape == (
        (256, 512) if name == "mnist_deep" else (128, 512)
    )


def test_same_boxes(pair):
    """At the top level of the graph; and in a layer as many nodes, as both compute the same."""
    name, _, events = pair
    boxes = BOXES[name].split()
    counts = []
    for style, graph in zip(STYLES, (each.all.Graph() for each in events)):
        names = [node.name for node in graph.node]
        assert {node.split("/")[0] for node in names} == set(boxes), style
        assert not [node for node in names if "/" not in node], "loose nodes"
        assert {node.split("/")[1] for node in names if node.startswith("train/")} >= {
            "gradients",
            "global_step",
        }
        for layer in LAYERS[name]:
            weights = {"softmax": {"W", "b"}}.get(layer, {f"W_{layer}", f"b_{layer}"})
            if name == "mnist_convnet" and layer != "fc2":  # with batch norm in the bias's place
                weights = {f"W_{layer}", "beta", "moving_mean", "moving_variance"}
            inside = {node.split("/")[1] for node in names if node.startswith(layer + "/")}
            assert weights <= inside, style
        read = {source.split(":")[0] for node in graph.node for source in node.input}
        bare = [node.name for node in graph.node if "_output_shapes" not in node.attr]
        assert not read & set(bare), "edges without shapes"
        counts.append({box: sum(node.startswith(box + "/") for node in names) for box in boxes})
    for other_ops in ("train", "dropout", "input"):  # softmax has no use for keep_prob
        for count in counts:
            count.pop(other_ops, None)
    assert counts[0] == counts[1]


def test_graph_is_whole(pair):
    """Whatever a node reads is there: TensorFlow takes the graph that is shown."""
    _, _, events = pair
    for each in events:
        with tf.Graph().as_default():
            graph_def = tf.Graph().as_graph_def()
            graph_def.MergeFromString(each.all.Graph().SerializeToString())
            tf.graph_util.import_graph_def(graph_def, name="")


def test_hyperparameters(pair):
    _, _, events = pair
    from tensorboard.plugins.hparams import metadata

    held = []
    for each in events:
        content = each.all.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        info = metadata.parse_session_start_info_plugin_data(content)
        held.append({name: str(value) for name, value in info.hparams.items()})
    assert [style in each.pop("style") for style, each in zip(STYLES, held)] == [True, True]
    assert held[0] == held[1] and {"learning_rate", "max_steps", "seed"} <= set(held[0])


def test_run_metadata_in_tf1_only(pair):
    _, _, (tf1, tf2) = pair
    assert tf1.all.Tags()["run_metadata"] == ["step 1"] and not tf2.all.Tags()["run_metadata"]
    nodes = {
        stats.node_name
        for device in tf1.all.RunMetadata("step 1").step_stats.dev_stats
        for stats in device.node_stats
    }
    assert any("train" in name for name in nodes), "the step that trains, not another"


def test_same_embedding(pair):
    """And its labels and sprite belong to the same images."""
    name, folders, _ = pair
    held = [
        {path.name: path.read_bytes() for path in [*folder.glob("projector*/*")]}
        for folder in folders
    ]
    vectors = [np.frombuffer(each.pop("embedding.bytes"), np.float32) for each in held]
    np.testing.assert_allclose(*vectors, rtol=1e-5, atol=1e-5)  # not fused where it runs eagerly
    assert held[0] == held[1]
    assert len(held[0]["labels.tsv"].split()) == 400
    size = {"mnist_softmax": 10, "mnist_deep": 1024, "mnist_convnet": 200}[name]
    assert len(vectors[0]) == 400 * size
    assert f"tensor_shape: {size}\n" in (folders[0] / "projector_config.pbtxt").read_text()


def test_evaluation(pair):
    name, folders, _ = pair
    held = [dict(np.load(run_dir / "evaluation.npz")) for run_dir in run_dirs(folders)]
    for key, array in held[0].items():
        np.testing.assert_array_equal(array, held[1][key], err_msg=key)
    accuracy = np.mean(held[0]["logits"].argmax(axis=1) == held[0]["labels"])
    assert (
        accuracy == json.loads((run_dirs(folders)[0] / "result.json").read_text())["test_accuracy"]
    )
    assert held[0]["images"].shape == (25, 28, 28)
    shapes = {
        "mnist_softmax": (10, 28, 28),
        "mnist_deep": (32, 5, 5),
        "mnist_convnet": (12, 3, 3),
    }
    assert held[0]["filters"].shape == shapes[name]


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_numbers_that_are_not_finite(run, style):
    """No histogram can be drawn; the loss ends the run, in one line."""
    flags = ["--learning_rate=1e38", "--summary_every=1"]
    process = run(script(style, "mnist_softmax"), "--dataset=digits", *flags, check=False)
    assert process.returncode == 3 and process.stderr.count("\n") == 1, process.stderr
    assert "the loss is" in process.stderr


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_summaries_can_be_had_less_often(run, tmp_path, style):
    command = [script(style, "mnist_softmax"), "--dataset=digits", "--max_steps=3"]
    run(*command, "--summary_every=0", "--eval_every=0", "--run_dir=run")
    events = Events(tmp_path / "run")
    assert not events.histograms and "loss/training" not in events.scalars
    assert events.scalars["accuracy/test"]


LOGITS = st.lists(
    st.lists(st.floats(-50, 50, width=32), min_size=10, max_size=10), min_size=1, max_size=40
)


@given(LOGITS, st.data())
def test_worst_mistakes(rows, data):
    logits = np.array(rows, np.float32)
    labels = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=len(rows), max_size=len(rows)))
    )
    worst = evaluation.mistakes(logits, labels, count=5)
    wrong = logits.argmax(axis=1) != labels
    assert len(worst) == min(5, wrong.sum()) and wrong[worst].all()
    confidence = evaluation.probabilities(logits).max(axis=1)
    assert (np.diff(confidence[worst]) <= 0).all()
    left_out = np.setdiff1d(np.flatnonzero(wrong), worst)
    assert not len(left_out) or confidence[left_out].max() <= confidence[worst].min()


@given(st.integers(1, 30))
def test_sprite_holds_the_images_in_order(count):
    images = np.random.RandomState(count).randint(0, 256, (count, 784)).astype(np.uint8)
    square = pictures.sprite(images)
    columns = len(square) // 28
    for number in range(count):
        row, column = divmod(number, columns)
        part = square[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        np.testing.assert_array_equal(part.reshape(784), images[number])


def test_filters():
    """A unit's weights as it sees them, each on its own scale, 0 in the middle."""
    weights = np.zeros((5, 5, 1, 3), np.float32)
    weights[1, 2, 0, 1], weights[4, 0, 0, 1] = 4, -2
    units = pictures.filters(weights)
    assert units.shape == (3, 5, 5) and units[1, 1, 2] == 1 and units[1, 4, 0] == -0.5
    assert not units[0].any()
    dense = np.arange(784 * 2, dtype=np.float32).reshape(784, 2)
    assert pictures.filters(dense)[1, 0, 1] == np.float32(3 / 1567)
    tiles = pictures.tiled(units)
    assert tiles.shape == (64, 512)
    # Of the second tile, 60 pixels wide, the weight in row 1 and column 2, and that opposed to it.
    assert tiles[2 + 18, 66 + 30] == 255 and 60 < tiles[2 + 54, 66 + 6] < 70
    assert tiles[2 + 30, 2 + 30] == 128


def test_pace_is_that_since_it_was_asked(monkeypatch):
    clock = iter([100.0, 102.0, 103.0])
    monkeypatch.setattr(console.time, "perf_counter", lambda: next(clock))
    progress = console.Progress(0, 100)
    paces = [progress.pace()]
    for steps in (10, 20):
        for _ in range(steps):
            progress.step(0.5)
        paces.append(progress.pace())
    assert paces == [None, 5, 20]


def test_shown_graph_is_renamed_throughout():
    graph_def = tf.Graph().as_graph_def()
    for name, op, sources in [
        ("images", "Placeholder", []),
        ("gradient_tape/a/b", "Neg", ["images:0"]),
        ("gradient_tape_2", "NoOp", ["^gradient_tape/a/b"]),
        ("Identity", "Identity", ["gradient_tape/a/b", "^gradient_tape_2"]),
        ("layer/Identity", "Identity", ["images"]),
        ("layer/Neg", "Neg", ["layer/Identity"]),
        ("layer/output", "Identity", ["layer/Neg"]),
    ]:
        graph_def.node.add(name=name, op=op, input=sources)
    graph_def.node[1].attr["_class"].list.s.append(b"loc:@images")
    names = {"images": "input/images", "gradient_tape": "train/gradients"}
    shown = graphs.shown(graph_def, names)
    assert [(node.name, list(node.input)) for node in shown.node] == [
        ("input/images", []),
        ("train/gradients/a/b", ["input/images:0"]),
        ("layer/Identity", ["input/images"]),
        ("layer/Neg", ["layer/Identity"]),
    ]
    assert shown.node[1].attr["_class"].list.s == [b"loc:@input/images"]
