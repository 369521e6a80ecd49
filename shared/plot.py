"""Draws the layers of a model as a picture, with Graphviz, for --plot.

The layers and what connects them come from the graph that TensorBoard shows, which is the same in
both styles.
"""

from __future__ import annotations

import io
import os
import re
from typing import Iterable, Mapping

import numpy as np

from shared import files, outputs, pictures
from shared.console import UserError

FORMATS = {".png": "picture", ".svg": "drawing"}  # extension: the kind of file in `outputs`
DPI = 96

# What a layer computes, by the operations in it.
_OPERATIONS = {
    "Gather": "embedding",
    "GatherV2": "embedding",
    "ResourceGather": "embedding",
    "While": "loop over time",
    "StatelessWhile": "loop over time",
    "LoopCond": "loop over time",
    "Conv2D": "convolution",
    "DepthwiseConv2dNative": "depthwise convolution",
    "MatMul": "dense",
    "MaxPool": "max pooling",
    "AvgPool": "average pooling",
    "ConcatV2": "concatenation",
    "Add": "sum",
    "AddV2": "sum",
}
_ARITHMETIC = {"Add", "AddV2", "BiasAdd", "Mul"}
_LOOP = "loop over time"


class Layers:
    """The layers of a graph, and what connects them.

    A layer is a scope that has activations or variables, and no layers in it. Outside of these, an
    operation that joins or pools layers is a layer of its own.

    Attributes
    ----------
    operations : {layer: [what it computes]}, in the order of the graph.
    shapes : {layer: shape of its output}; the size of the batch is None.
    edges : {(layer, layer that reads its output): None}, in the order of the graph.
    shared : {layers that read the same variables: [scopes of these variables]}.
    """

    def __init__(
        self,
        graph_def: object,
        inputs: Iterable[str],
        scopes: Iterable[str],
        weights: list[str],
        metrics: Iterable[str] = (),
    ):
        """Finds the layers.

        Parameters
        ----------
        graph_def : GraphDef of a training step, as TensorBoard shows it.
        inputs : names of the model's inputs, without the scope "input".
        scopes : names of the activations.
        weights : names of the model's variables.
        metrics : names of the metrics. Their scopes and that of the loss have no layers.
        """
        self._nodes = {
            node.name: node
            for node in graph_def.node
            if not node.name.startswith("train/")  # the gradients also read the layers' outputs
        }
        scopes = {*scopes, *map(os.path.dirname, weights)} - {""}
        self._leaves = {
            scope for scope in scopes if not any(other.startswith(f"{scope}/") for other in scopes)
        }
        self._inputs = [f"input/{name}" for name in inputs]
        self._weights = set(weights)
        self._losses = {"loss", *metrics}
        self._known = {}  # operation outside of the scopes: whether it is a layer
        self.operations, self.shapes, self.edges = {name: [] for name in self._inputs}, {}, {}
        readers = {}  # weight: layers
        for node in self._nodes.values():
            self._add_node(node, readers)
        self.shared = {}
        for name in sorted(weights):  # the styles create them in different orders
            layers = tuple(readers.get(name, ()))
            scopes = self.shared.setdefault(layers, []) if len(layers) > 1 else []
            if os.path.dirname(name) not in scopes:
                scopes.append(os.path.dirname(name))

    def _add_node(self, node: object, readers: dict) -> None:
        """Adds what a node computes to its layer, and the edges that end in it."""
        layer = self._layer(node.name)
        if layer:
            described = self.operations.setdefault(layer, [])
            operation = _OPERATIONS.get(node.op)
            if operation == _LOOP:
                described[:] = [*filter("embedding".__eq__, described), _LOOP]  # not what is in it
            elif operation == "sum" and layer != node.name:
                pass  # a layer that adds its bias
            elif operation and _LOOP not in described and operation not in described:
                described.append(operation)
        for name, output in self._sources(node):
            weight, other = self._weight(name), self._layer(name)
            if weight and layer and layer not in readers.setdefault(weight, []):
                readers[weight].append(layer)
            if other and other != layer:
                shapes = self._nodes[name].attr["_output_shapes"].list.shape
                if output < len(shapes) and not shapes[output].unknown_rank:
                    sizes = [dim.size for dim in shapes[output].dim]
                    self.shapes[other] = [None if size < 0 else size for size in sizes]
                if layer:
                    self.edges[other, layer] = None

    def _sources(self, node: object) -> list[tuple[str, int]]:
        """Returns the tensors that a node reads, also through nodes that are in no layer.

        Of a variable that a layer's output was added to or multiplied by in no layer, such as a
        bias, the node reads only the result.
        """
        found, seen = [], set()
        waiting = [(*tensor, True) for tensor in _tensors(node)]
        while waiting:
            name, output, is_itself = waiting.pop(0)
            if name in seen or name not in self._nodes:
                continue
            seen.add(name)
            if self._layer(name) or (self._weight(name) and is_itself):
                found.append((name, output))
            elif self._nodes[name].op != "Shape":  # the size of a batch is no data
                is_itself = is_itself and self._nodes[name].op not in _ARITHMETIC
                waiting += [(*tensor, is_itself) for tensor in _tensors(self._nodes[name])]
        return found

    def _layer(self, node: str) -> str | None:
        if node in self._inputs:
            return node
        if self._weight(node):
            return None
        leaf = _longest_prefix(node, self._leaves)
        return leaf or (node if self._is_layer(node) else None)

    def _is_layer(self, node: str) -> bool:
        """Says whether an operation outside of the scopes is a layer, such as a sum of layers."""
        if node not in self._known:
            operation = _OPERATIONS.get(self._nodes[node].op)
            scope = re.sub(r"_\d+$", "", node.split("/")[0])  # without TensorFlow's number
            is_loss = scope in self._losses
            sources = self._sources(self._nodes[node]) if operation and not is_loss else []
            layers = {self._layer(name) for name, _ in sources} - {None}
            self._known[node] = len(layers) > (operation == "sum")
        return self._known[node]

    def _weight(self, node: str) -> str | None:
        return node if node in self._weights else _longest_prefix(node, self._weights)


def _longest_prefix(name: str, prefixes: set[str]) -> str | None:
    """Returns the longest of the scopes that a node is in."""
    while "/" in name:
        name = os.path.dirname(name)
        if name in prefixes:
            return name
    return None


def _tensors(node: object) -> list[tuple[str, int]]:
    """Returns the inputs of a node, such as "a/b:1", as pairs of a node and an output's number."""
    pairs = (source.partition(":") for source in node.input if not source.startswith("^"))
    return [(name, int(output or 0)) for name, _, output in pairs]


def check(path: str) -> None:
    """Refuses a path that is not of a PNG or SVG file, and a machine without Graphviz."""
    extension = os.path.splitext(path)[1].lower()
    if extension not in FORMATS:
        raise UserError(f"--plot: got {path}, expected the name of a .png or .svg file")
    outputs.check(path, FORMATS[extension], "--plot")
    try:
        import pydot

        pydot.call_graphviz(program="dot", arguments=["-V"], working_dir=".")
    except (ImportError, OSError):
        raise UserError(
            "--plot needs pydot and Graphviz; install them, such as with `pip install pydot` and "
            "`apt-get install graphviz`"
        )


def plot(path: str, title: str, layers: Layers, parameters: Mapping[str, int]) -> None:
    """Writes a PNG or SVG file that shows layers, their shapes, and variables that they share.

    Parameters
    ----------
    path : the file to write, which ends in .png or .svg.
    title : the name of the model.
    parameters : {weight: number of its parameters}.
    """
    import pydot
    from PIL import Image

    extension = os.path.splitext(path)[1].lower()
    graph = pydot.Dot(f'"tf_twins {title}"', graph_type="digraph", dpi=str(DPI), bgcolor="white")
    graph.set_node_defaults(shape="box", fontname="Helvetica", fontsize="11")
    for layer, described in layers.operations.items():
        lines = [layer, ", ".join(described)]
        shape = layers.shapes.get(layer)
        if shape:
            lines.append(" × ".join(map(str, shape[1:])) if shape[1:] else "1 number")
        style = {"style": "filled", "fillcolor": "#e8eef7"} if layer.startswith("input/") else {}
        graph.add_node(pydot.Node(_quoted(layer), label=_label(lines), **style))
    for source, target in layers.edges:
        graph.add_edge(pydot.Edge(_quoted(source), _quoted(target)))
    for readers, scopes in layers.shared.items():
        count = sum(n for name, n in parameters.items() if os.path.dirname(name) in scopes)
        name = os.path.commonpath(scopes) or "variables"
        node = _quoted(f"shared {scopes[0]}")
        lines = [name, f"{count:,} parameters, shared"]
        graph.add_node(pydot.Node(node, label=_label(lines), shape="note"))
        for reader in map(_quoted, readers):
            graph.add_edge(pydot.Edge(node, reader, style="dashed", arrowhead="none"))
    content = graph.create(format=extension[1:])
    if extension == ".png":  # with the mark by which the project knows its own pictures
        content = pictures.png(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
    with files.writing(path), files.replacing(path) as file:
        file.write(content)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "'") + '"'


def _label(lines: list[str]) -> str:
    return _quoted("\\n".join(line for line in lines if line))
