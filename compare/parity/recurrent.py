"""Pairs recurrent cells whose weights have other layouts: TensorFlow 1's, and Keras's layers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compare.parity import layouts
from shared.trace import Recording, digest, norm

PREFIXES = ("", "gradients/", "differentiated/")
LAST = {"weights": "kernel", "biases": "bias"}  # the names of TensorFlow 0.x and 1.0


@dataclass
class Cell:
    """One recurrent layer of both programs.

    Attributes
    ----------
    reference : the names of TensorFlow 1's weights, in the order of `layouts`' functions.
    candidate : the names of Keras's kernel, recurrent kernel and bias.
    split, fuse : functions of `layouts` from the reference's layout to Keras's, and back.
    """

    reference: list[str]
    candidate: list[str]
    split: Callable
    fuse: Callable

    @property
    def weights(self) -> dict[str, str]:
        """The candidate's names, joined, by the reference's names: kernels first, then bias."""
        kernels, bias = ", ".join(self.candidate[:2]), self.candidate[2]
        joined = {name: bias if "bias" in name else kernels for name in self.reference}
        if len(joined) == 2:
            return joined
        return {name: f"{part} ({name.split('/')[-2]})" for name, part in joined.items()}

    def fused(self, values: list[np.ndarray], is_weight: bool) -> list[np.ndarray]:
        """Returns Keras's values in the reference's layout; only weights have a forget bias."""
        if self.fuse is layouts.fuse_lstm and not is_weight:
            return list(self.fuse(*values, forget_bias=0))
        return list(self.fuse(*values))


def parts(name: str) -> list[str]:
    """Returns the variables that a name of `Cell.weights` joins."""
    return name.partition(" (")[0].split(", ")


def find(reference: dict[str, tuple], candidate: dict[str, tuple]) -> list[Cell]:
    """Pairs the cells of one size in the order of their creation.

    Parameters
    ----------
    reference, candidate : names of weights without a partner, to their shapes.
    """
    cells, taken = [], set()
    for layer in _groups(candidate).values():
        if set(layer) != {"kernel", "recurrent_kernel", "bias"}:
            continue
        names = [layer[last] for last in ("kernel", "recurrent_kernel", "bias")]
        made = _cell(reference, [candidate[name] for name in names], names, taken)
        if made:
            cells.append(made)
            taken.update(made.reference)
    return cells


def with_reset_after(candidate: dict[str, tuple]) -> list[str]:
    """Returns the biases of Keras's GRU layers that no GRUCell of TensorFlow 1 can equal."""
    return [
        layer["bias"]
        for layer in _groups(candidate).values()
        if "recurrent_kernel" in layer and "bias" in layer and len(candidate[layer["bias"]]) == 2
    ]


def _groups(shapes: dict[str, tuple]) -> dict[str, dict[str, str]]:
    """Returns {layer's name: {last part of the name: whole name}}."""
    groups = {}
    for name in shapes:
        layer, _, last = name.rpartition("/")
        groups.setdefault(layer, {})[LAST.get(last, last)] = name
    return groups


def _cell(reference, shapes, names, taken) -> Cell | None:
    """Returns the first cell of the reference, not taken yet, that fits Keras's shapes."""
    (inputs, width), (units, _), bias = shapes
    rows = inputs + units
    groups = _groups({name: shape for name, shape in reference.items() if name not in taken})
    for layer, group in groups.items():
        if not {"kernel", "bias"} <= set(group) or len(bias) != 1:
            continue
        found = [group["kernel"], group["bias"]]
        if [reference[name] for name in found] == [(rows, width), (width,)]:
            if width == 4 * units:
                return Cell(found, names, layouts.split_lstm, layouts.fuse_lstm)
            if width == units:
                return Cell(found, names, layouts.split_rnn, layouts.fuse_rnn)
        beside = groups.get(layer.removesuffix("/gates") + "/candidate", {})
        if width == 3 * units and layer.endswith("/gates") and {"kernel", "bias"} <= set(beside):
            found += [beside["kernel"], beside["bias"]]
            sizes = [(rows, 2 * units), (2 * units,), (rows, units), (units,)]
            if [reference[name] for name in found] == sizes:
                return Cell(found, names, layouts.split_gru, layouts.fuse_gru)
    return None


def fuse(recording: Recording, cells: list[Cell]) -> None:
    """Puts the reference's layout in the place of Keras's tensors, under `Cell.weights`."""
    for cell in cells:
        for prefix in PREFIXES:
            parts = [prefix + name for name in cell.candidate]
            joined = [prefix + name for name in cell.weights.values()]  # the bias keeps its name
            for part in parts:
                recording.forms.pop(part, None)
            for step, row in recording.rows.items():
                values = [recording.values.pop((step, part), None) for part in parts]
                for part in parts:
                    row.pop(part, None)
                if all(value is not None for value in values):
                    for name, value in zip(joined, cell.fused(values, not prefix)):
                        recording.values[step, name] = value
                        recording.forms[name] = f"{value.dtype} {list(value.shape)}"
                        row[name] = digest(np.ascontiguousarray(value)), norm(value), value.size


def split(values: dict[str, np.ndarray], cells: list[Cell]) -> dict[str, np.ndarray]:
    """Returns the reference's weights in Keras's layout, by the candidate's names."""
    found = {}
    for cell in cells:
        if all(name in values for name in cell.reference):
            found.update(zip(cell.candidate, cell.split(*[values[n] for n in cell.reference])))
    return found
