"""Writes both programs' graphs for TensorBoard, so that what agrees and what does not is seen.

Each operation has one of the devices `agrees`, `first_that_differs`, `differs` and
`no_counterpart`; TensorBoard colours by device. The first that differs is in the scope
`parts_here`. Attributes hold the operation's line, and the other program's operation with the same
values.
"""

import os
import re

from compare.parity import lines
from shared import files, outputs

AGREES, FIRST, DIFFERS, ALONE = "agrees", "first_that_differs", "differs", "no_counterpart"
SIDES = ("reference", "candidate")
FILE = "events.out.tfevents.parity"  # one name, so that a second comparison replaces the first


def check(directory: str) -> None:
    """Raises a UserError if no folder can be made there."""
    outputs.check_folder(directory, "--log_dir")


def write(directory: str, report: dict, operations: list[lines.Operations]) -> None:
    """Writes DIR/reference and DIR/candidate.

    Parameters
    ----------
    report : what `strangers.compare` returns.
    operations : both programs'.
    """
    # Imported here, so that the other commands do not need TensorBoard's package.
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    names = [_names(side, _first(side, report, name)) for side, name in zip(operations, SIDES)]
    for which, name in enumerate(SIDES):
        side, other = operations[which], operations[1 - which]
        graph = _graph(side, other, names[which], names[1 - which], _first(side, report, name))
        folder = os.path.join(directory, name)
        with files.writing(folder):
            os.makedirs(folder, exist_ok=True)
            with files.replacing(os.path.join(folder, FILE)) as file:
                writer = RecordWriter(file)
                writer.write(Event(file_version="brain.Event:2").SerializeToString())
                writer.write(Event(graph_def=graph.SerializeToString()).SerializeToString())


def _first(side: lines.Operations, report: dict, name: str) -> int | None:
    """Returns the number of the operation that the verdict names."""
    found = (report.get("located") or {}).get(name)
    return side.find(found) if found and found["operation"] else None


def _names(side: lines.Operations, first: int | None) -> list[str]:
    """Returns names that TensorBoard takes, each once."""
    found, taken = [], set()
    for number, about in enumerate(side.about):
        name = re.sub(r"[^A-Za-z0-9_./\\-]", "_", about["name"]).strip("/") or about["type"]
        name = f"parts_here/{name}" if number == first else name
        unique, count = name, 0
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        taken.add(unique)
        found.append(unique)
    return found


def _graph(side, other, names, other_names, first):
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    partners = [lines.partner(side, number, other) for number in range(len(side.about))]
    apart = set(side.apart(partners))
    graph = GraphDef()
    for number, about in enumerate(side.about[: side.count]):
        node = graph.node.add(name=names[number], op=about["type"])
        node.input.extend(names[before] for before in about["inputs"])
        node.device = _kind(number, first, partners[number], apart)
        node.attr["line"].s = about["line"].encode()
        if partners[number] is not None:
            node.attr["same_values_as"].s = other_names[partners[number]].encode()
    return graph


def _kind(number, first, partner, apart):
    if number == first:
        return FIRST
    if partner is not None:
        return AGREES
    return DIFFERS if number in apart else ALONE
