"""Finds which variable of one program is which variable of another, without their names."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from compare.parity import names, recurrent
from shared import recorder
from shared.trace import Recording

# What a weight is for, by the last part of its name; anything else is a kernel.
ROLES = {
    "moving mean": r"(\w*_)?(moving|running|pop\w*|batch)?_?(mean|avg|average)(_\d+)?",
    "moving variance": r"(\w*_)?(moving|running|pop\w*|batch)?_?var(iance)?(_\d+)?",
    "scale": r"(\w*_)?(gamma|scale)(_\d+)?",
    "bias": r"(\w*_)?(b|beta|offset|shift|center|\w*bias(es)?|b[_\d]\w*)(_\d+)?",
}
# What is recorded of a variable besides its value.
OF_VARIABLES = ("gradients/", "differentiated/", "squares/")
# Slots by what they hold. Of the others the two programs' values differ by a factor.
SLOTS = {
    "Adam's m": "first moment",
    "Adam's v": "second moment",
    "adam's momentum": "first moment",
    "adam's velocity": "second moment",
    "RMSProp's mean square": "mean square",
    "rm_sprop's velocity": "mean square",
    "Adagrad's accumulator": "accumulator",
    "adagrad's accumulator": "accumulator",
}


CANDIDATE = "candidate:"  # before names that the reference has not


@dataclass
class Mapping:
    """Which variable is which.

    Attributes
    ----------
    weights : {reference's name: candidate's name}
    transposed : the reference's names of matrices that the candidate holds transposed.
    reshaped : {reference's name: (its shape, the candidate's)}, where they differ by axes of size
        1 alone, as a vector does from the kernel of one unit.
    cells : recurrent cells of TensorFlow 1 that the candidate has as Keras's layers. In `weights`,
        the candidate's names of each are joined; see `recurrent.Cell`.
    reset_after : the candidate's weights of GRU layers that no GRUCell can equal.
    slots : {reference's name: candidate's name}, of slots that hold the same numbers, and of
        averages of weights.
    averages : {average of a weight: that weight}, by the reference's names.
    alone : the reference's and the candidate's weights without a partner.
    order : the reference's and the candidate's weights in the order of their creation.
    uncertain : the reference's names that were paired by their order alone, although their shape
        and role fit several.
    """

    weights: dict[str, str] = field(default_factory=dict)
    transposed: list[str] = field(default_factory=list)
    reshaped: dict[str, tuple] = field(default_factory=dict)
    cells: list[recurrent.Cell] = field(default_factory=list)
    reset_after: list[str] = field(default_factory=list)
    slots: dict[str, str] = field(default_factory=dict)
    averages: dict[str, str] = field(default_factory=dict)
    alone: tuple[list[str], list[str]] = ((), ())
    order: tuple[list[str], list[str]] = ((), ())
    uncertain: list[str] = field(default_factory=list)


def variables(recording: Recording) -> list[str]:
    """Returns the names of a program's variables, in the order of their creation."""
    return [name for name in recording.forms if not name.startswith(recorder.PREFIXES)]


def weights(recording: Recording) -> list[str]:
    """Returns the names of the weights: no slots, counters, learning rates or seeds."""
    every = variables(recording)
    return [
        name
        for name in every
        if names.is_weight(name, every)
        and "float" in recording.forms[name]
        and not name.endswith("seed_generator_state")
    ]


def trained(recording: Recording) -> set[str]:
    """Returns the names of the variables that were given to an optimizer, or differentiated."""
    prefixes = ("gradients/", "differentiated/")
    return {name.partition("/")[2] for name in recording.forms if name.startswith(prefixes)}


def that_start(recording: Recording) -> list[str]:
    """Returns the weights whose first values a program starts from: not sums of gradients, for
    instance, which have their first values only when the first step is made."""
    known = trained(recording)
    return [
        name
        for name in weights(recording)
        if name in known or role(name).startswith("moving") or not moves(recording, name)
    ]


def moves(recording: Recording, name: str) -> bool:
    return len({row[name][0] for row in recording.rows.values() if name in row}) > 1


def find(reference: Recording, candidate: Recording, renaming: Callable) -> Mapping:
    """Pairs the weights: by `renaming`, then equal values, then shape, role and order.

    Parameters
    ----------
    reference, candidate : recordings with `shared.recorder`'s tensors.
    renaming : maps a name of the reference to the candidate's name, to "-" if it is to be ignored,
        or to None if it says nothing.
    """
    found = Mapping()
    left = [weights(reference), weights(candidate)]
    copies = set()  # which would pair with batch norm's averages
    if averages(reference) and not averages(candidate):
        copies = _copies_of_all(candidate)
    left[1] = [name for name in left[1] if name not in copies]
    for name in list(left[0]):
        new = renaming(name)
        if new == "-":
            left[0].remove(name)
        elif new in left[1]:
            _pair(found, left, name, new)
    shapes = [
        {n: _shape(side, n) for n in rest} for side, rest in zip((reference, candidate), left)
    ]
    found.cells = recurrent.find(*shapes)
    for cell in found.cells:
        found.weights.update(cell.weights)
        left[0] = [name for name in left[0] if name not in cell.reference]
        left[1] = [name for name in left[1] if name not in cell.candidate]
    starts = [
        {name: _start(side, name) for name in rest}
        for side, rest in zip((reference, candidate), left)
    ]
    for name in list(left[0]):
        same = [other for other in left[1] if starts[1][other] == starts[0][name]]
        twins = [other for other in left[0] if starts[0][other] == starts[0][name]]
        if len(same) == len(twins) == 1 and starts[0][name][1] is not None:
            _pair(found, left, name, same[0])
    for key in (
        _shape_name_trained,
        _shape_role_trained,
        _shape_start_trained,
        _shape_and_trained,
        _shape_and_role,
        _shape,
    ):
        _pair_groups(found, left, (reference, candidate), key)
    # One program has more of them, as where a layer that is shared is made anew.
    _pair_groups(found, left, (reference, candidate), _shape_role_trained, is_partly=True)
    _pair_moving(found, left, (reference, candidate))
    if any(name.endswith("gates/kernel") for name in left[0]):
        found.reset_after = recurrent.with_reset_after(shapes[1])
    for name in list(left[0]):  # a dense kernel as torch and old code have it
        shape = _shape(reference, name)
        turned = [other for other in left[1] if _shape(candidate, other) == shape[::-1]]
        if len(shape) == 2 and len(turned) == 1:
            _pair(found, left, name, turned[0])
            found.transposed.append(name)
    _pair_reshaped(found, left, (reference, candidate))
    found.order = weights(reference), weights(candidate)
    found.weights = {n: found.weights[n] for n in found.order[0] if n in found.weights}
    found.alone = left[0], [n for n in found.order[1] if n in copies or n in left[1]]
    _pair_slots(found, reference, candidate)
    return found


def _pair_slots(found, reference, candidate):
    fused = {name for cell in found.cells for name in cell.reference}  # whose slots are fused, too
    owners = {name: other for name, other in found.weights.items() if name not in fused}
    found.slots = _slots(reference, candidate, owners)
    _pair_averages(found, reference, candidate, owners)
    every = variables(reference)
    for name in found.slots:
        slot = names.slot(name, every)
        if slot and slot[0] in found.reshaped:
            found.reshaped[name] = found.reshaped[slot[0]]


def _pair_reshaped(found, left, sides):
    """Pairs in their order weights that differ by axes of size 1, if both programs have as many."""
    groups = [{}, {}]
    for group, side, rest in zip(groups, sides, left):
        for name in rest:
            sizes = tuple(size for size in _shape(side, name) if size != 1)
            group.setdefault((sizes, name in trained(side)), []).append(name)
    for key, ours in groups[0].items():
        theirs = groups[1].get(key, [])
        for name, other in zip(ours, theirs if len(theirs) == len(ours) else []):
            _pair(found, left, name, other)
            found.reshaped[name] = _shape(sides[0], name), _shape(sides[1], other)


def exchange(reference: Recording, candidate: Recording, found: Mapping) -> None:
    """Pairs weights that start with equal values, such as biases, by their gradients in the first
    step. Neither program has to run again, because both start from the same values either way."""
    groups = {}
    for name in found.weights:
        is_same_form = name not in found.transposed and name not in found.reshaped
        if is_same_form and "," not in found.weights[name]:
            groups.setdefault(_start(reference, name), []).append(name)
    exchanged = {}
    for names_ in groups.values():
        ours = {name: _gradient(reference, name) for name in names_}
        theirs = {name: _gradient(candidate, found.weights[name]) for name in names_}
        wrong = [name for name in names_ if not _are_close(ours[name], theirs[name])]
        fitting = {
            name: [other for other in wrong if _are_close(ours[name], theirs[other])]
            for name in wrong
        }
        chosen = {name: others[0] for name, others in fitting.items() if len(others) == 1}
        if set(chosen) == set(chosen.values()):
            exchanged.update(chosen)
    if exchanged:
        new = {name: found.weights[other] for name, other in exchanged.items()}
        repair(reference, candidate, found, new)


def repair(reference: Recording, candidate: Recording, found: Mapping, new: dict) -> None:
    """Pairs weights anew, by {reference's name: candidate's name}, and what belongs to them."""
    found.weights.update(new)
    found.uncertain = [name for name in found.uncertain if name not in new]
    _pair_slots(found, reference, candidate)


def _gradient(recording, name):
    step = recording.steps[min(1, len(recording.steps) - 1)]
    return recording.values.get((step, f"differentiated/{name}"))


def _are_close(ours, theirs):
    if ours is None or theirs is None:
        return ours is theirs
    return bool(np.linalg.norm(ours - theirs) <= 1e-3 * np.linalg.norm(ours))


def _pair_averages(found, reference, candidate, owners):
    """Pairs the averages of weights, which a program may also keep in variables of its own."""
    ours = averages(reference)
    ours = {name: owner for name, owner in ours.items() if owner in owners}
    known = {owner: name for name, owner in averages(candidate).items()}
    if not ours:
        return
    if not known:
        known = _copies(candidate, [owners[owner] for owner in ours.values()], found.alone[1])
    for name, owner in ours.items():
        if owners[owner] in known:
            found.slots[name] = known[owners[owner]]
            found.averages[name] = owner
    taken = set(found.slots.values())
    found.alone = found.alone[0], [name for name in found.alone[1] if name not in taken]


def averages(side: Recording) -> dict[str, str]:
    """Returns {average: its weight} of TensorFlow 1's averages, and of Keras's use_ema."""
    every = variables(side)
    pairs = {name: names.slot(name, every) for name in every}
    return {
        name: pair[0]
        for name, pair in pairs.items()
        if pair and (pair[1] == "moving average" or pair[1].endswith("'s average"))
    }


def _copies(side, owners, names):
    """Returns {weight: variable} of variables in a row that start as weights do. If several start
    alike, as biases and slots do, it is the one that moves where the weight moves."""
    wanted = Counter(_start(side, name) for name in owners)
    best, found = -1e-6, {}  # a slot of gradients moves against its weight
    for number in range(len(names) - len(owners) + 1):
        row = names[number : number + len(owners)]
        if Counter(_start(side, name) for name in row) != wanted:
            continue
        chosen, cosines = {}, []
        for owner in owners:
            alike = [name for name in row if _start(side, name) == _start(side, owner)]
            along, chosen[owner] = max(
                ((_along(side, owner, name), name) for name in alike), key=lambda pair: pair[0]
            )
            cosines.append(along)
            row.remove(chosen[owner])
        if min(cosines) > best:
            best, found = min(cosines), chosen
    return found


def _along(side, owner, name):
    """Returns the cosine between what two variables change by in the first step; 0 if unknown."""
    steps = side.steps[:2]
    values = [[side.values.get((step, each)) for step in steps] for each in (owner, name)]
    if len(steps) < 2 or any(value is None for pair in values for value in pair):
        return 0.0
    moved = [(after - before).astype(float) for before, after in values]
    if np.linalg.norm(moved[1]) <= 1e-6 * np.linalg.norm(values[1][0]):
        return 0.0  # rounding, as where an average is updated before its weight
    size = np.linalg.norm(moved[0]) * np.linalg.norm(moved[1])
    return float(np.vdot(*moved) / size) if size else 0.0


def _copies_of_all(side):
    """Returns the averages of weights that a program keeps in variables of its own."""
    known = trained(side)
    owners = [name for name in weights(side) if name in known]
    rest = [name for name in weights(side) if name not in known and "/moving_" not in name]
    return set(_copies(side, owners, rest).values())


def _pair(found, left, name, other):
    found.weights[name] = other
    left[0].remove(name)
    left[1].remove(other)


def _pair_groups(found, left, sides, key, is_partly=False):
    """Pairs the weights of one key in their order, if both programs have as many (or `is_partly`
    the first of them)."""
    groups = [{}, {}]
    for group, side, rest in zip(groups, sides, left):
        for name in rest:
            group.setdefault(key(side, name), []).append(name)
    for value, ours in groups[0].items():
        ours, theirs = _fitting((ours, groups[1].get(value, [])), sides)
        if len(ours) == len(theirs) or is_partly:
            for name, other in zip(ours, theirs):
                _pair(found, left, name, other)
            if len(ours) > 1 and key in (_shape, _shape_and_trained):
                found.uncertain += ours


def _pair_moving(found, left, sides):
    """Pairs batch norm's averages with the first variables of their shape that start as they do,
    if all have one: a program may keep slots, too, in variables without names of their own."""
    ours = [name for name in left[0] if role(name).startswith("moving")]
    known = trained(sides[1])
    theirs = [name for name in left[1] if name not in known]
    pairs = {}
    for name in ours:
        start = _start(sides[0], name)
        other = next((n for n in theirs if _start(sides[1], n) == start), None)
        if other is None:
            return
        theirs.remove(other)
        pairs[name] = other
    for name, other in pairs.items():
        _pair(found, left, name, other)


def _start(recording, name):
    """Returns the shape of a variable and the digest of its first values."""
    return _shape(recording, name), recording.rows[recording.steps[0]].get(name, (None,))[0]


def _fitting(both, sides):
    """Leaves out what one program keeps by the way, such as an average of a weight, where the other
    program has nothing but trained weights."""
    known = [trained(side) for side in sides]
    found = []
    for which, (names_, side) in enumerate(zip(both, sides)):
        if set(both[1 - which]) <= known[1 - which]:
            names_ = [name for name in names_ if name in known[which] or not moves(side, name)]
        found.append(names_)
    return found


def _shape(recording, name):
    numbers = recording.forms[name].partition(" ")[2].strip("[]")
    return tuple(int(number) for number in numbers.split(", ") if number)


def _shape_and_role(recording, name):
    return _shape(recording, name), role(name)


def _shape_name_trained(recording, name):
    """Tells a bias from an offset where both programs do."""
    last = re.sub(r"_\d+$", "", name.rpartition("/")[2])
    return _shape(recording, name), last, name in trained(recording)


def _shape_role_trained(recording, name):
    return _shape(recording, name), role(name), name in trained(recording)


def _shape_start_trained(recording, name):
    """Tells a scale from an offset where no name does."""
    return (*_start(recording, name), name in trained(recording))


def _shape_and_trained(recording, name):
    """Pairs variables without names of their own, beside slots by hand of the same shape."""
    return _shape(recording, name), name in trained(recording)


def role(name: str) -> str:
    """Returns what a weight is for: "kernel", "bias", "scale", or an average of batch norm."""
    last = name.rpartition("/")[2]
    for found, pattern in ROLES.items():
        if re.fullmatch(pattern, last, re.IGNORECASE):
            return found
    return "kernel"


def _slots(reference, candidate, pairs):
    found = [{}, {}]
    for side, slots in zip((reference, candidate), found):
        every = variables(side)
        for name in every:
            slot = names.slot(name, every)
            if slot and slot[1] in SLOTS:
                slots[slot[0], SLOTS[slot[1]]] = name
    return {
        name: found[1][pairs[owner], kind]
        for (owner, kind), name in found[0].items()
        if owner in pairs and (pairs[owner], kind) in found[1]
    }


def initial_values(reference: Recording, mapping: Mapping) -> dict[str, np.ndarray]:
    """Returns the values that the candidate's weights are to start with, by their names."""
    first, started = reference.steps[0], that_start(reference)
    values = {
        name: reference.values[first, name]
        for name in mapping.weights
        if (first, name) in reference.values and name in started
    }
    split = recurrent.split(values, mapping.cells)
    fused = {name for cell in mapping.cells for name in cell.reference}
    for name, (_, shape) in mapping.reshaped.items():
        if name in values:
            values[name] = values[name].reshape(shape)
    return split | {
        mapping.weights[name]: value.T if name in mapping.transposed else value
        for name, value in values.items()
        if name not in fused
    }


def renamed(candidate: Recording, mapping: Mapping) -> Recording:
    """Returns the candidate's recording under the reference's names, in the reference's layout.

    The candidate's recurrent cells take the reference's layout in `candidate` itself.
    """
    recurrent.fuse(candidate, mapping.cells)
    back = {other: name for name, other in {**mapping.weights, **mapping.slots}.items()}

    def rename(name):
        prefix = next((p for p in OF_VARIABLES if name.startswith(p)), "")
        stem = name[len(prefix) :]
        return prefix + back.get(stem, CANDIDATE + stem)

    def turned(name, value):
        if _stem(name) in mapping.reshaped:
            return value.reshape(mapping.reshaped[_stem(name)][0])
        return np.ascontiguousarray(value.T) if _stem(name) in mapping.transposed else value

    copy = object.__new__(Recording)
    copy.steps, copy.losses = candidate.steps, candidate.losses
    kept = ("inputs/", "outputs/", "constants/", "evaluation/")
    new = {name: name if name.startswith(kept) else rename(name) for name in candidate.forms}
    copy.forms = {new[name]: form for name, form in candidate.forms.items()}
    for name in mapping.reshaped:
        shape = list(mapping.reshaped[name][0])
        copy.forms[name] = f"{copy.forms[name].partition(' ')[0]} {shape}"
    copy.rows = {
        step: {new[name]: cell for name, cell in row.items()}
        for step, row in candidate.rows.items()
    }
    copy.values = {
        (step, new[name]): turned(new[name], value)
        for (step, name), value in candidate.values.items()
    }
    return copy


def _stem(name):
    for prefix in OF_VARIABLES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
