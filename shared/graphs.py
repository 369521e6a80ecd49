"""Prepares graphs for TensorBoard. It changes a GraphDef and does not import TensorFlow."""

from __future__ import annotations

from typing import Iterable

GRADIENTS = "train/gradients"  # the box of all gradients
_NODE = ":"  # ends a name that is of one node only, and not of a scope


def shown(graph_def: object, names: dict[str, str], arguments: Iterable[str] = ()) -> object:
    """Renames nodes, and removes operations whose output is never read.

    The program computes with another copy of the graph, which does not change.

    Parameters
    ----------
    graph_def : GraphDef; it is changed in place.
    names : {old name: new name}. The name of a scope applies to all nodes in it. Nodes that get the
        same name become one node.
    arguments : nodes that move into the scope "input". A scope may have the same name as an
        argument; it stays where it is.
    """
    names = {**names, **{f"{argument}{_NODE}": f"input/{argument}" for argument in arguments}}
    nodes = {}
    for node in graph_def.node:
        node.name = _renamed(node.name, names)
        sources = [_renamed_source(source, names) for source in node.input]
        data = [source for source in sources if not source.startswith("^")]
        control = [source for source in sources if source.startswith("^")]
        node.input[:] = [*data, *dict.fromkeys(control)]
        # The operations that must be on the same device, such as b"loc:@conv1/W_conv1".
        for neighbours in [node.attr["_class"].list.s] if "_class" in node.attr else []:
            for number, neighbour in enumerate(neighbours):
                prefix, name = neighbour.decode().split("@")
                neighbours[number] = f"{prefix}@{_renamed(name, names)}".encode()
        nodes.setdefault(node.name, node)
    # TensorFlow 1's order. TensorBoard places the boxes in this order. It gives layers with the
    # same structure the same colour only if a variable that is read comes before the layers.
    ordered = sorted(_without_unread(list(nodes.values())), key=_sort_key)
    del graph_def.node[:]
    graph_def.node.extend(ordered)
    # The library has the functions of a tf.data pipeline, which is not shown.
    if not any(attr.HasField("func") for node in ordered for attr in node.attr.values()):
        graph_def.library.Clear()
    return graph_def


def custom_gradients(graph_def: object, scope: str, optimizer: str) -> dict[str, str]:
    """Maps operations of custom gradients to the names that TensorFlow 1 gives them.

    A function with a custom gradient adds an IdentityN to the graph, with the function's inputs.
    The tape puts the gradient's operations into the scope in which the tape is called, so the
    operations of all layers are mixed there. An operation belongs to the IdentityN that shares most
    of its inputs. If none shares any, it belongs to the same IdentityN as the operation before it.
    The AddN beside them are the tape's own. They sum the gradients of a tensor that several
    operations read.

    Parameters
    ----------
    graph_def : GraphDef, with the names that TensorFlow 2 gave.
    scope : the scope in which the tape is called.
    optimizer : the scope of the optimizer, inside `scope`.
    """
    tensors = {
        node.name: {node.name, *map(_producer, node.input)}
        for node in graph_def.node
        if node.op == "IdentityN"
    }
    names, owner = {}, None
    for node in graph_def.node:
        if not node.name.startswith(scope + "/") or node.name.startswith(optimizer + "/"):
            continue
        loose = node.name[len(scope) + 1 :].split("/")[0]
        if node.op == "AddN":
            names[f"{scope}/{loose}"] = f"{GRADIENTS}/{loose}"
            continue
        sources = set(map(_producer, node.input))
        common = {name: len(sources & inputs) for name, inputs in tensors.items()}
        if any(common.values()):
            owner = max(common, key=lambda name: (common[name], name == owner))
        if owner:
            names[f"{scope}/{loose}"] = f"{GRADIENTS}/{owner}_grad/{loose}"
    return names


def _without_unread(nodes: list) -> list:
    """Removes arguments, outputs and gradients that no other node reads.

    TensorFlow does not compute such gradients either.
    """
    while True:  # a removed node may have been the only reader of another
        read = {_producer(source) for node in nodes for source in node.input}
        remaining = [node for node in nodes if node.name in read or not _needs_reader(node)]
        if len(remaining) == len(nodes):
            return nodes
        nodes = remaining


def _needs_reader(node: object) -> bool:
    """Says whether a node is useless unless another node reads it."""
    return (
        node.op in ("Identity", "Placeholder")
        or (node.op == "NoOp" and "/" not in node.name)
        or node.name.startswith(f"{GRADIENTS}/")
    )


def _sort_key(node: object) -> int:
    """Returns a node's sort key: the input first, then the global step, then all others."""
    return 0 if node.name.startswith("input/") else 2 - node.name.startswith("train/global_step")


def _producer(source: str) -> str:
    """Returns the name of the node that an input such as "^a/b" or "a/b:1" comes from."""
    return source.lstrip("^").split(":")[0]


def _renamed_source(source: str, names: dict[str, str]) -> str:
    control = "^" * source.startswith("^")
    name, colon, output = source[len(control) :].partition(":")
    return control + _renamed(name, names) + colon + output


def _renamed(name: str, names: dict[str, str]) -> str:
    if name + _NODE in names:
        return names[name + _NODE]
    parts = name.split("/")
    for end in range(len(parts), 0, -1):
        new = names.get("/".join(parts[:end]))
        if new is not None:
            return "/".join([new, *parts[end:]])
    return name
