"""What TensorBoard shows of a run: the same in both styles."""

import io
import json
from collections import Counter

import forks
import numpy as np
import pytest
from conftest import STYLES, script, tensors
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared import batches, console, datasets, evaluation, graphs, pictures, summaries
from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

BOXES = {
    "mnist_softmax": "input softmax loss accuracy train",
    "mnist_deep": "input conv1 pool1 conv2 pool2 fc1 dropout fc2 loss accuracy train",
    "mnist_convnet": "input conv1 conv2 conv3 fc1 dropout fc2 loss accuracy train",
    "mnist_pipeline": "input fc1 fc2 loss accuracy train",
}
LAYERS = {
    "mnist_softmax": ["softmax"],
    "mnist_deep": ["conv1", "conv2", "fc1", "fc2"],
    "mnist_convnet": ["conv1", "conv2", "conv3", "fc1", "fc2"],
    "mnist_pipeline": ["fc1", "fc2"],
}
MODEL = {
    "mnist_convnet": ["--batch_norm", "--nocsv_log"],
    "mnist_pipeline": ["--hidden=10", "--validation_size=100"],
}


@pytest.fixture(
    scope="module",
    params=[
        *("mnist_softmax", "mnist_deep"),
        *(
            pytest.param(name, marks=pytest.mark.proof)
            for name in ("mnist_convnet", "mnist_pipeline")
        ),
    ],
)
def pair(request, tmp_path_factory):
    """Returns a script's name, and the log folders and events of its run in each style."""
    folder = tmp_path_factory.mktemp(request.param)
    for style in STYLES:
        command = [script(style, request.param), f"--log_dir={folder}"]
        command += ["--dataset=digits", "--max_steps=25", "--eval_every=10", "--summary_every=10"]
        command += [f"--run_dir={folder / 'runs' / style}", *MODEL.get(request.param, [])]
        forks.run(command)
    folders = [folder / style / request.param for style in STYLES]
    return request.param, folders, [Events(folder) for folder in folders]


def run_dirs(folders):
    return [folders[0].parents[1] / "runs" / style for style in STYLES]


class Events:
    """The events of one folder; the summaries of both styles have the same form."""

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
    if name == "mnist_softmax":  # it predicts 0 for all images while its weights are 0
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
    recorded = tensors(run_dirs(folders)[0])
    data = datasets.load("digits")
    numbers = batches.indices(25, 100, len(data.train), seed=0)
    logits = data.train.batch(numbers)["images"] @ recorded["softmax/W"] + recorded["softmax/b"]
    assert tf1.histograms["activations/softmax"][-1][2] == pytest.approx(logits.min(), rel=1e-4)


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_histograms_are_of_the_step_as_it_is_taken(run, tmp_path, style):
    """Dropout is on, so the layers behind it have other activations."""
    recorded = []
    for keep_prob in (0.5, 1):
        flags = ["--max_steps=1", f"--keep_prob={keep_prob}", f"--run_dir={keep_prob}"]
        run(script(style, "mnist_deep"), "--dataset=digits", *flags)
        recorded.append(Events(tmp_path / str(keep_prob)).histograms)
    for layer, is_same in (("fc1", True), ("fc2", False)):
        least = [histograms[f"activations/{layer}"][0][2] for histograms in recorded]
        assert (least[0] == least[1]) == is_same, layer


def test_same_histograms(pair):
    """Weights, gradients and activations have the same count and the same least number."""
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
        assert picture.std() > 10  # it is not blank
    assert tf1.images["images/filters"][0].shape == (
        (256, 512) if name == "mnist_deep" else (128, 512)
    )


def children(graph, scope=""):
    """Names of the boxes and nodes in a box of a graph, with the number of nodes in each.

    An AssignSub of TensorFlow 1 is an AssignSubVariableOp in TensorFlow 2.
    """
    prefix = f"{scope}/" if scope else ""
    inside = [name[len(prefix) :] for name in node_names(graph) if name.startswith(prefix)]
    return Counter(name.split("/")[0].replace("VariableOp", "") for name in inside)


def test_same_boxes(pair):
    """Each box holds the same boxes in both styles, and a layer holds as many nodes."""
    name, _, events = pair
    graphs = [each.all.Graph() for each in events]
    boxes = BOXES[name].split()
    tf1, tf2 = (children(graph) for graph in graphs)
    assert set(tf1) == set(tf2) == set(boxes)
    for box in set(boxes) - {"train", "dropout"}:
        assert tf1[box] == tf2[box], box
    for layer in LAYERS[name]:
        tf1, tf2 = (children(graph, layer) for graph in graphs)
        assert tf1 == tf2, layer
        weights = {"softmax": {"W", "b"}}.get(layer, {f"W_{layer}", f"b_{layer}"})
        if name == "mnist_convnet" and layer != "fc2":  # with batch norm instead of the bias
            weights = {f"W_{layer}", "beta", "moving_mean", "moving_variance"}
        assert weights <= set(tf1)
    if name == "mnist_deep":
        assert children(graphs[1], "fc1")["IdentityN"] == 1


def test_same_boxes_in_train(pair):
    """The gradients, the slots and the optimizer lie in the same boxes, and none lies loose."""
    name, _, events = pair
    graphs = [each.all.Graph() for each in events]
    tf1, tf2 = (set(children(graph, "train")) for graph in graphs)
    assert tf1 == tf2 >= {"gradients", "global_step", "learning_rate"}
    tf1, tf2 = (set(children(graph, "train/gradients")) for graph in graphs)
    assert tf1 - {"Shape"} == tf2  # TensorFlow 1 computes the ones that TensorFlow 2 has at once
    for layer in {"fc1", "fc2"} & set(LAYERS[name]):  # their weights are multiplied by `matmul`
        tf1, tf2 = (children(graph, f"train/gradients/{layer}") for graph in graphs)
        assert ("IdentityN_grad" in tf1) == ("IdentityN_grad" in tf2), layer
    has_sgd = name in ("mnist_softmax", "mnist_pipeline")
    optimizer = "GradientDescent" if has_sgd else "Adam"
    tf1, tf2 = (children(graph, f"train/{optimizer}") for graph in graphs)
    updates = [{box for box in each if box.startswith("update_")} for each in (tf1, tf2)]
    assert updates[0] == updates[1] == {f"update_{layer}" for layer in LAYERS[name]}
    variables = [{name for name in node_names(graph) if name.endswith("/read")} for graph in graphs]
    assert variables[0] == variables[1]


def node_names(graph):
    return [node.name for node in graph.node]


def test_edges_have_shapes(pair):
    _, _, events = pair
    for graph in (each.all.Graph() for each in events):
        read = {source.split(":")[0] for node in graph.node for source in node.input}
        bare = [node.name for node in graph.node if "_output_shapes" not in node.attr]
        assert not read & set(bare)


def test_graph_is_whole(pair):
    """The shown graph holds each node that another reads, so TensorFlow can import it.

    It has no functions beside it: TensorBoard would show those of a tf.data pipeline in one style.
    """
    _, _, events = pair
    for each in events:
        assert not each.all.Graph().library.function
        with tf.Graph().as_default():
            graph_def = tf.Graph().as_graph_def()
            graph_def.MergeFromString(each.all.Graph().SerializeToString())
            tf.graph_util.import_graph_def(graph_def, name="")


def hparams(events):
    """The HParams of a run: its values, and the columns and metrics of TensorBoard's table."""
    from tensorboard.plugins.hparams import metadata

    content = {
        tag: events.all.SummaryMetadata(tag).plugin_data.content
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.EXPERIMENT_TAG)
    }
    session = metadata.parse_session_start_info_plugin_data(
        content[metadata.SESSION_START_INFO_TAG]
    )
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    values = {
        name: getattr(value, value.WhichOneof("kind")) for name, value in session.hparams.items()
    }
    return values, experiment.hparam_infos, [info.name.tag for info in experiment.metric_infos]


def test_hparams(pair):
    name, folders, events = pair
    (tf1, columns, metrics), (tf2, _, _) = map(hparams, events)
    assert [tf1.pop("style"), tf2.pop("style")] == list(STYLES)
    assert tf1 == tf2 and tf1["script"] == name and tf1["max_steps"] == 25
    flags = json.loads((run_dirs(folders)[0] / "result.json").read_text())["flags"]
    assert set(flags) <= set(tf1)
    # TensorBoard shows the columns that differ first, five of them.
    first = [column.name for column in columns if column.differs]
    assert sorted(first) == ["learning_rate", "max_steps", "optimizer", "script", "style"]
    assert {column.name for column in columns} >= {*tf1, "style"}
    assert metrics[:2] == ["accuracy/test", "loss/test"]
    assert set(metrics) < set(events[0].scalars) and "learning_rate" not in metrics


@pytest.mark.parametrize("first", [None, "tf1_style", "tf2_style"])
@pytest.mark.parametrize("last", STYLES)
def test_hparams_are_those_of_the_last_run(tmp_path, first, last):
    """A resumed run's HParams replace the earlier ones and name both styles."""
    for style, steps in ((first, 3), (last, 6)):
        if style:
            (tmp_path / "checkpoints" / style[:3]).mkdir(parents=True, exist_ok=True)
            values = {"style": summaries.style_of(tmp_path, style), "max_steps": steps}
            summaries.save_hparams(str(tmp_path), values, ["loss", "accuracy"])
    expected = last if first in (None, last) else f"{first[:3]}, then {last[:3]}"
    values, _, _ = hparams(Events(tmp_path))
    assert values == {"style": expected, "max_steps": 6}
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_hparams_leave_other_event_files_alone(tmp_path):
    others = ["events.out.tfevents.1.host", "mine.hparams", "events.out.tfevents.2.host.3.v2"]
    for name in others:
        (tmp_path / name).write_text("a user's")
    summaries.save_hparams(str(tmp_path), {"seed": 0}, ["loss"])
    assert all((tmp_path / name).read_text() == "a user's" for name in others)


@pytest.mark.proof
@pytest.mark.parametrize("styles", [STYLES, STYLES[::-1]])
def test_run_finished_in_the_other_style(run, tmp_path, styles):
    """One folder holds event files of both styles, and TensorBoard's reader reads them as one."""
    for style, steps in zip(styles, (3, 6)):
        flags = ["--dataset=digits", "--eval_every=1", "--summary_every=2"]
        run(script(style, "mnist_softmax"), *flags, f"--max_steps={steps}", "--run_dir=run")
    events = Events(tmp_path / "run")
    values, _, _ = hparams(events)
    assert values["style"] == f"{styles[0][:3]}, then {styles[1][:3]}"
    assert values["max_steps"] == 6
    # `Events` reads the kinds of summaries of one style after those of the other.
    assert sorted(events.steps["loss/training"]) == [0, 1, 2, 3, 4, 5]
    assert sorted(events.steps["accuracy/test"]) == [3, 6]
    assert set(events.steps["weights/softmax/W"]) == {0, 2, 3, 4, 6}
    assert set(children(events.all.Graph())) == set(BOXES["mnist_softmax"].split())


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
    """Labels and sprite are equal; the vectors are equal but for rounding."""
    name, folders, _ = pair
    recorded = [
        {path.name: path.read_bytes() for path in [*folder.glob("projector*/*")]}
        for folder in folders
    ]
    vectors = [np.frombuffer(each.pop("embedding.bytes"), np.float32) for each in recorded]
    np.testing.assert_allclose(*vectors, rtol=1e-5, atol=1e-5)  # eager operations are not fused
    assert recorded[0] == recorded[1]
    assert len(recorded[0]["labels.tsv"].split()) == 400
    size = {"mnist_softmax": 10, "mnist_deep": 1024, "mnist_convnet": 200, "mnist_pipeline": 10}[
        name
    ]
    assert len(vectors[0]) == 400 * size
    assert f"tensor_shape: {size}\n" in (folders[0] / "projector_config.pbtxt").read_text()


def test_evaluation(pair):
    name, folders, _ = pair
    recorded = [dict(np.load(run_dir / "evaluation.npz")) for run_dir in run_dirs(folders)]
    for key, array in recorded[0].items():
        np.testing.assert_array_equal(array, recorded[1][key], err_msg=key)
    accuracy = np.mean(recorded[0]["logits"].argmax(axis=1) == recorded[0]["labels"])
    assert (
        accuracy == json.loads((run_dirs(folders)[0] / "result.json").read_text())["test_accuracy"]
    )
    assert recorded[0]["images"].shape == (25, 28, 28)
    shapes = {
        "mnist_softmax": (10, 28, 28),
        "mnist_deep": (32, 5, 5),
        "mnist_convnet": (12, 3, 3),
        "mnist_pipeline": (10, 28, 28),
    }
    assert recorded[0]["filters"].shape == shapes[name]


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_numbers_that_are_not_finite(run, style):
    """No histogram is written; the loss ends the run in one line."""
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
    """Each unit's weights have a scale of their own, with 0 as mid-grey."""
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


def graph_of(*nodes):
    """A GraphDef of nodes: name, operation, inputs."""
    graph_def = tf.Graph().as_graph_def()
    for name, op, sources in nodes:
        graph_def.node.add(name=name, op=op, input=sources)
    return graph_def


def inputs(graph_def):
    return [(node.name, list(node.input)) for node in graph_def.node]


def test_shown_graph_is_renamed_throughout():
    graph_def = graph_of(
        ("images", "Placeholder", []),
        ("gradient_tape/a/b", "Neg", ["images:0"]),
        ("gradient_tape/a/unread", "Shape", ["gradient_tape/a/b"]),
        ("gradient_tape_2", "NoOp", ["^gradient_tape/a/b"]),
        ("train/Apply", "Apply", ["gradient_tape/a/b"]),
        ("Identity", "Identity", ["gradient_tape/a/b", "^gradient_tape_2"]),
        ("layer/Identity", "Identity", ["images"]),
        ("layer/Neg", "Neg", ["layer/Identity"]),
        ("layer/output", "Identity", ["layer/Neg"]),
    )
    graph_def.node[1].attr["_class"].list.s.append(b"loc:@images")
    names = {"images": "input/images", "gradient_tape": "train/gradients"}
    shown = graphs.shown(graph_def, names)
    assert inputs(shown) == [
        ("input/images", []),
        ("train/gradients/a/b", ["input/images:0"]),
        ("train/Apply", ["train/gradients/a/b"]),
        ("layer/Identity", ["input/images"]),
        ("layer/Neg", ["layer/Identity"]),
    ]
    assert shown.node[1].attr["_class"].list.s == [b"loc:@input/images"]


def test_nodes_of_one_name_become_one():
    """A variable has one read; what waits for it waits once, what reads it twice reads it twice."""
    graph_def = graph_of(
        ("W", "Placeholder", []),
        ("a/ReadVariableOp", "ReadVariableOp", ["W"]),
        ("b/ReadVariableOp", "ReadVariableOp", ["W"]),
        ("b/Square", "Mul", ["a/ReadVariableOp", "b/ReadVariableOp:0"]),
        ("b/Assign", "Assign", ["W", "b/Square", "^a/ReadVariableOp", "^b/ReadVariableOp"]),
    )
    names = {"a/ReadVariableOp": "W/read", "b/ReadVariableOp": "W/read"}
    assert inputs(graphs.shown(graph_def, names)) == [
        ("W", []),
        ("W/read", ["W"]),
        ("b/Square", ["W/read", "W/read:0"]),
        ("b/Assign", ["W", "b/Square", "^W/read"]),
    ]


def test_gradients_of_the_tapes_scope_go_to_their_layers():
    """Also where two layers read the same tensor, as a query and a key do."""
    graph_def = graph_of(
        ("a/x", "Relu", []),
        ("a/IdentityN", "IdentityN", ["a/MatMul", "a/x", "a/W/read"]),
        ("b/IdentityN", "IdentityN", ["b/MatMul", "a/x", "b/W/read"]),
        ("train/ones", "Const", []),
        ("train/zeros_like", "ZerosLike", ["b/IdentityN:1"]),
        ("train/MatMul", "MatMul", ["b/W/read", "gradient_tape/c"]),
        ("train/transpose/perm", "Const", []),
        ("train/transpose", "Transpose", ["train/MatMul", "train/transpose/perm"]),
        ("train/MatMul_1", "MatMul", ["a/x:0", "gradient_tape/c"]),
        ("train/AddN", "AddN", ["gradient_tape/c", "gradient_tape/e"]),
        ("train/MatMul_2", "MatMul", ["a/W/read", "gradient_tape/d"]),
        ("train/MatMul_3", "MatMul", ["a/x", "gradient_tape/d"]),
        ("train/Adam/Apply", "Apply", ["a/W/read", "train/MatMul_3"]),
    )
    assert graphs.custom_gradients(graph_def, "train", "train/Adam") == {
        "train/zeros_like": "train/gradients/b/IdentityN_grad/zeros_like",
        "train/MatMul": "train/gradients/b/IdentityN_grad/MatMul",
        "train/transpose": "train/gradients/b/IdentityN_grad/transpose",
        "train/MatMul_1": "train/gradients/b/IdentityN_grad/MatMul_1",
        "train/AddN": "train/gradients/AddN",
        "train/MatMul_2": "train/gradients/a/IdentityN_grad/MatMul_2",
        "train/MatMul_3": "train/gradients/a/IdentityN_grad/MatMul_3",
    }
