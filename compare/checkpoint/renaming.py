"""Converts a checkpoint by names alone, where there is no checkpoint of the new program.

The names are those of --map, or the paths that this project's programs have. Paths such as
optimizer/_variables/3 belong to an optimizer of Keras: then slots are converted for it, and what
its paths show to be wrong is refused.
"""

import itertools
import re

import numpy as np

from compare.checkpoint import values as conversion
from compare.checkpoint.saved import ACCUMULATOR, RATE, STEP, VELOCITY, M, Saved, Tensor, V
from compare.parity import layouts, names
from shared.console import StopRun, UserError

# The slots of tf.train.*Optimizer, and the attributes of tf2_style/training/optimizers.py for them.
ATTRIBUTES = {
    "Adam": "m",
    "Adam_1": "v",
    "Momentum": "accumulators",
    "Adagrad": "accumulators",
    "RMSProp": "mean_squares",
    "RMSProp_1": "moments",
}

# Attribute names that tf.train.Checkpoint itself uses.
RESERVED = ("root", "self", "save_counter", "read", "restore", "save", "write")

_KERAS = re.compile(r"(.*/)?(_variables|_?momentums|_?velocities|_trainable_variables)/(\d+)")
_LIKE = "give a checkpoint that the new program saved at its start with --like"


def convert(source: Saved, renaming, settings) -> tuple[conversion.Converted, dict[str, str]]:
    """Returns the values by their new names, and the old name of each.

    Raises
    ------
    StopRun : exit 1: a tensor has no new name, and --partial is not given.
    UserError : a name is no path, or what it leads to cannot be right.
    """
    new_names = _new_names(source, renaming, settings)
    _check_targets(list(new_names.values()), settings.to)
    is_keras = settings.to == "tf2" and any(map(_KERAS.fullmatch, new_names.values()))
    result = conversion.Converted(used=set(new_names))
    rates = conversion.Rates(source, None, settings.learning_rate)
    if is_keras:
        _check_slots(source, new_names)
    counters = _counters_to_cast(source, new_names) if settings.to == "tf2" else []
    for name, new in new_names.items():
        tensor, value = source.tensors[name], source.value(name)
        kind = _new_kind(tensor, new)
        if kind != tensor.kind:
            rate = rates.needed(tensor)
            value = conversion.scaled(value, tensor.kind, kind, rate)
            result.note(conversion.rate_note(tensor.kind, rate))
        result.values[new] = np.int64(value) if tensor in counters else value
    for tensor in counters:
        result.note(
            f"cast {tensor.name} from {tensor.dtype} to int64, the dtype of TensorFlow 2's counters"
        )
    if is_keras:
        _split_cells(source, new_names, result, settings)
        _add_rate(source, new_names, rates, result)
    elif settings.to == "tf1":
        _refuse_split_cells(source, new_names)
    return result, {new: name for name, new in new_names.items()}


def _new_names(source: Saved, renaming, settings) -> dict[str, str]:
    """Returns the new name of each tensor that is not left out."""
    every = list(source.tensors)
    if renaming:
        new_names = {name: renaming(name) for name in every}
    else:
        new_names = dict(zip(every, every)) if settings.to == "tf1" else default_paths(every)
    # The state of an iterator over data: only TensorFlow's own kernel can read it.
    new_names.update((n, None) for n, t in source.tensors.items() if t.dtype == "variant")
    without = [name for name in every if new_names[name] is None]
    if without and not settings.partial:
        raise StopRun(
            f"{source.path}: no new name for {', '.join(without)}; name each in --map (an "
            "iterator's state cannot be converted), or leave them out with --partial",
            exit_code=1,
        )
    found = {name: new for name, new in new_names.items() if new not in (None, "-")}
    if not found:
        raise UserError(f"--map={settings.map}: no rule matches any of {', '.join(every)}")
    return found


def default_paths(every: list[str]) -> dict[str, str | None]:
    """Maps names of variables to the paths in this project's TensorFlow 2 programs.

    A weight is an attribute of the model, and the last part of its name names the attribute. A slot
    is an item of a list of the optimizer, in the order of the weights' attributes. A variable
    without such a path gets None.
    """
    slots = {name: names.slot(name, every) for name in every}
    paths = {}
    for name in every:
        last, role = name.rpartition("/")[2].replace(".", ".."), names.role(name, every)
        if role == "step":
            paths[name] = last
        elif role == "weight":
            paths[name] = f"model/{last}"
        elif slots[name] is None:
            paths[name] = f"optimizer/{last}"
        else:
            beside = [other for other in every if slots[other] and other.rpartition("/")[2] == last]
            beside.sort(key=lambda other: slots[other][0].rpartition("/")[2])
            attribute = ATTRIBUTES.get(last)
            paths[name] = attribute and f"optimizer/{attribute}/{beside.index(name)}"
    return paths


def _check_targets(targets: list[str], kind: str) -> None:
    """Raises a UserError if two tensors get the same name, or if a name is not a valid path."""
    for target in targets:
        if targets.count(target) > 1:
            raise UserError(
                f"two tensors would be called {target}; give each its own name in --map"
            )
        parents = [target[:end] for end, letter in enumerate(target) if letter == "/"]
        parts = target.split("/")
        is_odd = any(not part or part in RESERVED or part.startswith("__") for part in parts)
        if kind == "tf2" and (set(parents) & set(targets) or is_odd):
            raise UserError(
                f"{target} is not a path: expected attributes joined by /, none of them a variable "
                f"or one of {', '.join(RESERVED)}; give it another name in --map"
            )


def _counters_to_cast(source: Saved, new_names: dict[str, str]) -> list[Tensor]:
    """Returns the counters that must be cast to int64, the only dtype that TensorFlow 2 restores.

    Raises
    ------
    UserError : a tensor gets the name of a counter, but cannot be one.
    """
    counters = [source.tensors[name] for name, new in new_names.items() if names.is_counter(new)]
    for tensor in counters:
        if tensor.shape or not tensor.dtype.startswith(("int", "uint")):
            shape = " x ".join(map(str, tensor.shape)) or "scalar"
            raise UserError(
                f"{tensor.name} is {tensor.dtype}, {shape}; expected an integer scalar, "
                f"because {new_names[tensor.name]} is a counter; give it another name in --map"
            )
    return [tensor for tensor in counters if tensor.dtype != "int64"]


def _new_kind(tensor: Tensor, new: str) -> str:
    """Returns what a slot is in the new program, as far as its new name shows it."""
    place = _KERAS.fullmatch(new)
    if tensor.kind == ACCUMULATOR and place and "velocities" not in place[2]:
        return VELOCITY
    if tensor.kind == VELOCITY and new.rpartition("/")[2] == "Momentum":
        return ACCUMULATOR
    return tensor.kind


def _check_slots(source: Saved, new_names: dict[str, str]) -> None:
    """Refuses Adam's m and v exchanged, and slots in another order than their weights."""
    places = {}
    for name, new in new_names.items():
        found = _KERAS.fullmatch(new)
        if found:
            places[name] = (found[1], found[2].strip("_"), int(found[3]))
    for name, (_, field, number) in places.items():
        tensor = source.tensors[name]
        m = source.slots(tensor.owner).get(M) if tensor.kind == V else None
        is_late = m in places and places[m][1] == field and places[m][2] > number
        if is_late or (tensor.kind, field) in ((M, "velocities"), (V, "momentums")):
            other = f" and {m} {new_names[m]}" if m in new_names else ""
            raise UserError(
                f"{name} is {tensor.kind}, but would be {new_names[name]}{other}: Keras has m "
                "before v; exchange them in --map"
            )
    for kind in {source.tensors[name].kind for name in places}:
        owned = [n for n in places if source.tensors[n].kind == kind and source.tensors[n].owner]
        owned = [name for name in owned if source.tensors[name].owner in places]
        owned.sort(key=lambda name: places[name])
        for slots in itertools.pairwise(owned):
            first, second = (source.tensors[name].owner for name in slots)
            if places[first] > places[second]:
                raise UserError(
                    f"{slots[0]} would be {new_names[slots[0]]}, before {slots[1]}, but the weight "
                    f"{first} would be {new_names[first]}, after {second}: Keras has both in one "
                    "order; mend --map"
                )


def _split_cells(source: Saved, new_names, result, settings) -> None:
    """Splits the fused kernels of LSTM cells, where the map leaves a place between them.

    Keras has the kernel, the recurrent kernel and the bias one after the other.
    """
    for name in list(new_names):
        scope, _, last = name.rpartition("/")
        bias, shape = f"{scope}/bias", source.tensors[name].shape
        if last != "kernel" or not re.search(r"lstm|gru_cell|rnn_cell", scope, re.IGNORECASE):
            continue
        if f"{scope}/recurrent_kernel" in source.tensors or bias not in new_names:
            continue
        gap = _between(new_names[name], new_names[bias])
        if gap is None and _is_next(new_names[name], new_names[bias]):
            continue  # the new program has the fused kernel too
        units, rest = divmod(source.tensors[bias].shape[0], 4)
        if gap is None or rest or shape != [shape[0], 4 * units] or "lstm" not in scope.lower():
            raise UserError(
                f"{name} is the fused kernel of a cell of TensorFlow 1, and a recurrent layer of "
                f"Keras has two kernels; {_LIKE}"
            )
        forget = conversion.forget_bias(source, None, scope, settings.forget_bias)
        _split(result, new_names[name], gap, new_names[bias], forget)
        result.note(f"{scope}: an LSTM, split for Keras; forget bias {forget:g} added")
        for kind, slot in source.slots(name).items():
            beside = source.slots(bias).get(kind)
            if slot in new_names and beside in new_names:
                gap = _between(new_names[slot], new_names[beside])
                if gap is None:
                    raise UserError(
                        f"{slot} and {beside} leave no place for the recurrent kernel's slot "
                        f"between {new_names[slot]} and {new_names[beside]}; {_LIKE}"
                    )
                _split(result, new_names[slot], gap, new_names[beside], 0.0)


def _split(result, kernel: str, recurrent: str, bias: str, forget_bias: float) -> None:
    if recurrent in result.values:
        raise UserError(f"{recurrent} must be left to the recurrent kernel; mend --map, or {_LIKE}")
    parts = layouts.split_lstm(result.values[kernel], result.values[bias], forget_bias)
    result.values.update(zip((kernel, recurrent, bias), parts))


def _between(first: str, last: str) -> str | None:
    """Returns the path in the middle of two of one list: a/2 of a/1 and a/3."""
    places = [_KERAS.fullmatch(path) for path in (first, last)]
    if not all(places) or places[0].group(1, 2) != places[1].group(1, 2):
        return None
    distance = int(places[1][3]) - int(places[0][3])
    if distance < 2 or distance % 2:
        return None
    return f"{first[: -len(places[0][3])]}{int(places[0][3]) + distance // 2}"


def _is_next(first: str, second: str) -> bool:
    places = [_KERAS.fullmatch(path) for path in (first, second)]
    return not all(places) or int(places[1][3]) == int(places[0][3]) + 1


def _add_rate(source: Saved, new_names, rates, result) -> None:
    """Adds the learning rate that an optimizer of Keras looks for, or names it."""
    counters = [new for name, new in new_names.items() if source.tensors[name].kind == STEP]
    folders = {place[1] for place in map(_KERAS.fullmatch, new_names.values()) if place}
    if any(source.tensors[name].kind == RATE for name in new_names) or len(folders) != 1:
        return
    path = f"{folders.pop() or ''}_learning_rate"
    if path in result.values or not counters:
        return
    if rates.own() is None:
        result.note(
            f"{path}, which Keras looks for, is not in {source.path}: {conversion.RATE_ADVICE}"
        )
    else:
        result.values[path] = np.float32(rates.own())
        result.note(f"{path}: {conversion.shown(rates.own())}")


def _refuse_split_cells(source: Saved, new_names) -> None:
    for members in source.cells():
        if members[0] in new_names and members[1] not in new_names:
            raise UserError(
                f"{members[0]} and {members[1]} are one fused kernel in TensorFlow 1; give a "
                "checkpoint of the old program with --like"
            )
