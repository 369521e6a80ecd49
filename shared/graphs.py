"""Graphs as TensorBoard is to show them; takes TensorFlow's GraphDef, needs no TensorFlow."""

from __future__ import annotations


def shown(graph_def: object, names: dict[str, str]) -> object:
    """Returns the graph with other names, and without the outputs of functions, which none reads.

    Only the picture changes: what is computed is the graph that this is a copy of.

    Parameters
    ----------
    graph_def : GraphDef; it is changed in place.
    names : new name by old, of nodes or of scopes with all that is in them.
    """
    for node in graph_def.node:
        node.name = _renamed(node.name, names)
        for number, source in enumerate(node.input):
            control = "^" * source.startswith("^")
            node.input[number] = control + _renamed(source[len(control) :], names)
        # What an operation is to be placed with, as b"loc:@conv1/W_conv1".
        for neighbours in [node.attr["_class"].list.s] if "_class" in node.attr else []:
            for number, neighbour in enumerate(neighbours):
                prefix, name = neighbour.decode().split("@")
                neighbours[number] = f"{prefix}@{_renamed(name, names)}".encode()
    while _drop_outputs(graph_def):  # each may have read another
        pass
    # In TensorFlow 1's order: TensorBoard places the boxes by it, and gives layers of one structure
    # the same colour only where it has met what they are made of before, a variable that is read.
    nodes = sorted(graph_def.node, key=_place)
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    return graph_def


def _place(node: object) -> int:
    """Returns where a node stands: the input first, next the step, then all others."""
    return 0 if node.name.startswith("input/") else 2 - node.name.startswith("train/global_step")


def _drop_outputs(graph_def: object) -> bool:
    read = {source.lstrip("^").split(":")[0] for node in graph_def.node for source in node.input}
    for node in graph_def.node:
        is_output = node.op == "Identity" or (node.op == "NoOp" and "/" not in node.name)
        if is_output and node.name not in read:
            graph_def.node.remove(node)
            return True
    return False


def _renamed(source: str, names: dict[str, str]) -> str:
    name, colon, output = source.partition(":")
    parts = name.split("/")
    for end in range(len(parts), 0, -1):
        new = names.get("/".join(parts[:end]))
        if new is not None:
            name = "/".join([new, *parts[end:]])
            break
    return name + colon + output
