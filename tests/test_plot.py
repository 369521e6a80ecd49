"""--plot: what is drawn, that it is the same in both styles, and what it refuses."""

import re
import shutil
from collections import namedtuple

import pytest
from conftest import script

from shared import plot
from shared.console import UserError

DIGITS = "--dataset=digits"
needs_graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")

Node = namedtuple("Node", "name op input attr")
Shapes = namedtuple("Shapes", "shape")
Attribute = namedtuple("Attribute", "list")
Graph = namedtuple("Graph", "node")


def layers(*nodes, inputs=("x",), scopes=(), weights=()):
    """The layers of a graph, whose nodes are given as "name operation source source"."""
    graph = []
    for line in nodes:
        name, operation, *sources = line.split()
        attributes = {"_output_shapes": Attribute(Shapes([]))}
        graph.append(Node(name, operation, sources, attributes))
    return plot.Layers(Graph(graph), inputs, scopes, list(weights))


def test_branches_that_join_outside_of_the_layers():
    found = layers(
        "input/x Placeholder",
        "a/W VariableV2",
        "a/MatMul MatMul input/x a/W",
        "a/add AddV2 a/MatMul a/W",  # a bias is no sum of layers
        "one Const",
        "shift AddV2 a/add one",  # nor is this
        "Reshape Reshape shift",
        "add AddV2 Reshape input/x",
        "b/Relu Relu add",
        "loss/add AddV2 b/Relu add",
        "train/gradients/a/mul Mul b/Relu a/add",
        scopes=["b"],
        weights=["a/W"],
    )
    assert list(found.operations.items()) == [
        ("input/x", []),
        ("a", ["dense"]),
        ("add", ["sum"]),
        ("b", []),
    ]
    assert set(found.edges) == {("input/x", "a"), ("a", "add"), ("input/x", "add"), ("add", "b")}
    assert found.shared == {}


def test_a_bias_is_not_shared_with_those_that_read_the_sum():
    found = layers(
        "input/x Placeholder",
        "w/W VariableV2",
        "b/b VariableV2",
        "Conv2D Conv2D input/x w/W",
        "BiasAdd BiasAdd Conv2D b/b",
        "Conv2D_1 Conv2D BiasAdd w/W",
        "BiasAdd_1 BiasAdd Conv2D_1 b/b",
        "MaxPool MaxPool BiasAdd_1",
        weights=["w/W", "b/b"],
    )
    assert found.shared == {("Conv2D", "Conv2D_1"): ["w"]}
    assert ("Conv2D", "Conv2D_1") in found.edges and ("Conv2D_1", "MaxPool") in found.edges


def test_what_is_no_connection():
    """The size of a batch, and the order in which operations run."""
    found = layers(
        "input/x Placeholder",
        "a/Relu Relu input/x",
        "Shape Shape input/x",
        "noise RandomStandardNormal Shape ^a/Relu",
        "Identity Identity noise ^a/Relu",
        "b/Relu Relu Identity ^a/Relu",
        scopes=["a", "b"],
    )
    assert set(found.edges) == {("input/x", "a")}


def test_variables_that_two_layers_read():
    found = layers(
        "input/x Placeholder",
        "base/W VarHandleOp",
        "base/W/read ReadVariableOp base/W",
        "left/MatMul MatMul input/x base/W/read",
        "right/MatMul MatMul input/x base/W/read",
        scopes=["left", "right"],
        weights=["base/W"],
    )
    assert found.shared == {("left", "right"): ["base"]}


def texts(path):
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def edges(path):
    return set(re.findall(r"<title>([^<]*)&#45;&gt;([^<]*)</title>", path.read_text()))


@needs_graphviz
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "mnist_inception",
            {("inception/pool/AvgPool", "inception/c"), ("inception/join/concat", "block1/add")},
            marks=pytest.mark.proof,
        ),
        pytest.param(
            "mnist_pipeline", {("input/images", "fc1"), ("fc1", "fc2")}, marks=pytest.mark.proof
        ),
        ("same_digit", {("input/first", "lstm"), ("input/second", "lstm"), ("lstm", "merge")}),
        pytest.param(
            "mnist_gan",
            {("input/images", "discriminator"), ("generator", "discriminator")},
            marks=pytest.mark.proof,
        ),
    ],
)
def test_both_styles_draw_the_same(run, tmp_path, name, expected):
    for style in ("tf1_style", "tf2_style"):
        flags = ["--hidden=20"] if name == "mnist_pipeline" else []
        process = run(script(style, name), DIGITS, *flags, f"--plot={style}.svg")
        assert process.stdout == ""
    assert (tmp_path / "tf1_style.svg").read_bytes() == (tmp_path / "tf2_style.svg").read_bytes()
    found = edges(tmp_path / "tf1_style.svg")
    assert expected <= found


@needs_graphviz
def test_outputs_with_the_names_of_targets(run, tmp_path):
    for style in ("tf1_style", "tf2_style"):
        run(script(style, "posts_profile"), "--vocabulary=100", f"--plot={style}.svg")
    assert (tmp_path / "tf1_style.svg").read_bytes() == (tmp_path / "tf2_style.svg").read_bytes()
    ends = {("fc", "heads/MatMul")} | {("heads/MatMul", n) for n in ("age", "income", "gender")}
    assert ends <= edges(tmp_path / "tf2_style.svg")
    assert "shared" not in " ".join(texts(tmp_path / "tf2_style.svg"))
    assert "300 × 256" in texts(tmp_path / "tf2_style.svg")


@needs_graphviz
def test_a_picture_replaces_its_own_kind_only(run, tmp_path):
    for _ in range(2):
        run(script("tf2_style", "mnist_softmax"), DIGITS, "--plot=it.png")
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "it.svg").write_text("<svg>mine</svg>")
    process = run(script("tf2_style", "mnist_softmax"), DIGITS, "--plot=it.svg", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert process.stderr.startswith("--plot=it.svg: something else is there")
    assert (tmp_path / "it.svg").read_text() == "<svg>mine</svg>"


def test_an_unknown_format():
    with pytest.raises(UserError, match="got it.gif, expected the name of a .png or .svg file"):
        plot.check("it.gif")


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="--plot needs pydot and Graphviz; install them"):
        plot.check(str(tmp_path / "it.svg"))
