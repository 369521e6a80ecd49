"""Finds which weight of one program is which of another, from a checkpoint of each.

Recurrent layers are paired as a whole: TensorFlow 1's fused kernels with Keras's two kernels. The
rest is paired by the rules of --map, then by shape and role. Among several of one shape and role
equal names decide, then the layer: a bias goes with its kernel. Then the order of creation does,
unless the graph shows that the old program used them in another order. What remains is ambiguous,
and is not guessed.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from compare.checkpoint.saved import WEIGHT, Saved, whole
from compare.parity.mapping import role
from shared.console import UserError

GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}
# Weights of TensorFlow 1's cells that the layers of Keras have not.
OTHER_CELLS = {
    r"/w_[fio]_diag$": "peepholes",
    r"(?<=lstm_cell)/projection/kernel$": "a projection of the output (num_proj)",
    r"(?<=lstm_cell)/(input|transform|forget|output|state)/(gamma|beta)$": "layer norm of gates",
    r"/candidate/hidden_projection/kernel$": "a GRU of cuDNN with one bias of its gates",
}
FUSED = {"LSTM": 4, "GRU": 2, "RNN": 1}  # columns of a fused kernel (GRU: the gates') per unit


@dataclass(frozen=True)
class Unit:
    """A weight, or all weights of a recurrent layer.

    Attributes
    ----------
    members : the names; of a fused GRU the gates' kernel and bias, then the candidate's.
    kind : "LSTM", "GRU", "RNN", or "" for a single weight.
    is_fused : whether the layout is that of TensorFlow 1's cells.
    sizes : the numbers of inputs and units of a recurrent layer.
    """

    members: tuple[str, ...]
    kind: str = ""
    is_fused: bool = False
    sizes: tuple[int, int] = (0, 0)


@dataclass
class Pairing:
    """Which unit is which.

    Attributes
    ----------
    found : (source's unit, target's unit).
    by_order : the source's names that only the order of creation could tell apart.
    alone : the source's and the target's units without a partner.
    left_out : the source's names that the rules leave out.
    doubts : {source's name: why the order did not decide}.
    """

    found: list[tuple[Unit, Unit]] = field(default_factory=list)
    by_order: list[str] = field(default_factory=list)
    alone: tuple[list[Unit], list[Unit]] = ((), ())
    left_out: list[str] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)


def pair(source: Saved, target: Saved, renaming: Callable) -> Pairing:
    """Pairing the weights of two checkpoints.

    Parameters
    ----------
    source, target : the checkpoint to convert, and one of the program that is to restore it.
    renaming : maps a name of the source to a name or path of the target, to "-" if it is to be
        left out, or to None if it says nothing.

    Raises
    ------
    UserError : a rule names what the target has not, or pairs what cannot be the same.
    """
    pairs = Pairing()
    left = units(source, target)
    _apply_rules(pairs, left, source, target, renaming)
    for rest, side, other in zip(left, (source, target), (target, source)):
        if other.cells() and not side.cells():
            _refuse_other_cells(rest, other)
    for key in (_shape_and_role, _shape):
        for decide in (_by_name, _by_layer, _by_order):
            groups = [{}, {}]
            for group, side, rest in zip(groups, (source, target), left):
                for unit in rest:
                    group.setdefault(key(side, unit), []).append(unit)
            for value, ours in groups[0].items():
                decide(pairs, left, ours, groups[1].get(value, []), source, target)
    places = {name: place for place, name in enumerate(source.tensors)}
    pairs.found.sort(key=lambda found: places[found[0].members[0]])
    pairs.alone = tuple(left)
    return pairs


def units(source: Saved, target: Saved) -> list[list[Unit]]:
    """Returns the units of two checkpoints; fused ones where the other side has the layer split."""
    split = [_split_units(source), _split_units(target)]
    found = []
    for number, side in enumerate((source, target)):
        ours, theirs = split[number], split[1 - number]
        if ours and theirs:  # both have Keras's layout
            ours = []
        elif theirs:
            ours = _fused_units(side, theirs, (source, target)[1 - number])
        inside = {name: unit for unit in ours for name in unit.members}
        every = [tensor.name for tensor in side.of_kind(WEIGHT) if tensor.dtype != "variant"]
        found.append(list(dict.fromkeys(inside.get(name, Unit((name,))) for name in every)))
    fused = {unit for rest in found for unit in rest if unit.is_fused}
    if not fused:  # no cell of TensorFlow 1
        found = [[Unit((n,)) for unit in rest for n in unit.members] for rest in found]
    return found


def _split_units(side: Saved) -> list[Unit]:
    """Returns the recurrent layers of Keras."""
    found = []
    for names in side.cells():
        if len(names) != 3:
            continue
        kernel, recurrent = (side.tensors[name].shape for name in names[:2])
        gates, rest = divmod(recurrent[1], recurrent[0]) if len(recurrent) == 2 else (0, 1)
        if not rest and gates in GATES:
            found.append(Unit(tuple(names), GATES[gates], False, (kernel[0], recurrent[0])))
    return found


def _fused_units(side: Saved, wanted: list[Unit], other: Saved) -> list[Unit]:
    """Returns the cells of TensorFlow 1 that have the sizes of Keras's layers."""
    sizes = {(unit.kind, unit.sizes) for unit in wanted}
    inside = {name for unit in wanted for name in unit.members}
    plain = [tensor.shape for tensor in other.of_kind(WEIGHT) if tensor.name not in inside]
    found = []
    for name in side.tensors:
        scope, _, last = name.rpartition("/")
        members = [name, f"{scope}/{last.replace('kernel', 'bias').replace('weights', 'biases')}"]
        kinds = ["LSTM", "RNN"]
        if scope.endswith("/gates"):
            candidate = scope[: -len("gates")] + "candidate/"
            members += [candidate + member.rpartition("/")[2] for member in members]
            kinds = ["GRU"]
        if last not in ("kernel", "weights") or not all(m in side.tensors for m in members):
            continue
        if len(side.tensors[name].shape) != 2 or len(side.tensors[members[-1]].shape) != 1:
            continue
        rows, columns = side.tensors[name].shape
        for kind in kinds:
            width = side.tensors[members[-1]].shape[0] // (4 if kind == "LSTM" else 1)
            fits = columns == FUSED[kind] * width and (kind, (rows - width, width)) in sizes
            is_named = re.search("lstm|gru|rnn|cell", scope, re.IGNORECASE)
            if fits and (is_named or [rows, columns] not in plain):
                found.append(Unit(tuple(members), kind, True, (rows - width, width)))
                break
    return found


def _refuse_other_cells(rest: list[Unit], other: Saved) -> None:
    """Refuses cells of TensorFlow 1 that compute what no layer of Keras does.

    Raises
    ------
    UserError : there is one, and the other side has no such weight.
    """
    for name in [name for unit in rest for name in unit.members]:
        found = re.search("|".join(OTHER_CELLS), name)
        if not found or any(re.search(re.escape(found[0]) + "$", n) for n in other.tensors):
            continue
        cell, rest = name[: found.start()], name[found.start() + 1 :]
        what = next(text for pattern, text in OTHER_CELLS.items() if re.search(pattern, name))
        raise UserError(
            f"{cell} has {rest}: {what}, which Keras's recurrent layers have not, so no weights "
            "make them equal; write the cell anew in the new program, with these names"
        )


def _apply_rules(pairs, left, source, target, renaming) -> None:
    """Pairing what the rules name."""
    for name in [member for unit in left[0] for member in unit.members]:
        new = renaming(name)
        ours = next((unit for unit in left[0] if name in unit.members), None)
        if new is None or new == "-" and ours is None:
            continue
        if ours is None:  # a cell that was paired by another of its weights
            _check_member(pairs, target, name, new)
            continue
        if new == "-":
            left[0].remove(ours)
            pairs.left_out += ours.members
            continue
        other = find_target(target, name, new)
        theirs = next((unit for unit in left[1] if other in unit.members), None)
        if theirs is None:
            taken = next((s for s, t in pairs.found if other in t.members), None)
            was = f"is {target.tensors[other].kind}" if taken is None else f"is {taken.members[0]}"
            raise UserError(f"{name} is a weight, but {new} {was} in {target.path}; mend --map")
        if (ours.kind, ours.sizes) != (theirs.kind, theirs.sizes):
            raise UserError(
                f"{name} is {_described(ours, source)}, but {new} is {_described(theirs, target)}; "
                "mend --map"
            )
        _found(pairs, left, ours, theirs)


def _check_member(pairs, target, name: str, new: str) -> None:
    partner = next(theirs for ours, theirs in pairs.found if name in ours.members)
    if find_target(target, name, new) not in partner.members:
        raise UserError(
            f"{name} would be {new}, but the rest of its cell is {partner.members[0]}; mend --map"
        )


def find_target(target: Saved, name: str, new: str) -> str:
    """Returns the name of the target's tensor that a rule means.

    Raises
    ------
    UserError : there is none.
    """
    other = target.resolve(new)
    if other is None:
        every = [*target.tensors, *map(target.path_of, target.tensors)]
        near = difflib.get_close_matches(new, every, 3) or every[:5]
        raise UserError(
            f"{name} would be {new}, which {target.path} has not; expected a name or path such as "
            f"{', '.join(dict.fromkeys(near))}; mend --map"
        )
    return other


def _described(unit: Unit, side: Saved) -> str:
    if unit.kind:
        return f"part of an {unit.kind} with {unit.sizes[0]} inputs and {unit.sizes[1]} units"
    return f"a weight of {side.tensors[unit.members[0]].form}"


def _by_name(pairs, left, ours, theirs, source, target) -> None:
    """Pairing units of one shape and role that have equal names, or are the only ones."""
    if len(ours) == len(theirs) == 1:
        _found(pairs, left, ours[0], theirs[0])
        return
    named = {unit: _namesake(unit, theirs) for unit in ours}
    partners = [partner for partner in named.values() if partner]
    if len(partners) == len(set(partners)) == min(len(ours), len(theirs)):
        for unit, partner in named.items():
            if partner:
                _found(pairs, left, unit, partner)


def _by_layer(pairs, left, ours, theirs, source, target) -> None:
    """Pairing units whose layers have another weight in common, if no other of them is in it."""
    layers = {}
    for unit, partner in pairs.found:
        layers.setdefault(_layer(source, unit), set()).add(_layer(target, partner))
    found = []
    for unit in ours:
        beside = [other for other in ours if _layer(source, other) == _layer(source, unit)]
        places = layers.get(_layer(source, unit), set()) - {""}
        fitting = [other for other in theirs if _layer(target, other) in places]
        if len(beside) == len(fitting) == 1 and _layer(source, unit):
            found.append((unit, fitting[0]))
    partners = [partner for _, partner in found]
    for unit, partner in found:
        if partners.count(partner) == 1:
            _found(pairs, left, unit, partner)


def _layer(side: Saved, unit: Unit) -> str:
    """Returns the scope of a unit; "" if it has none, or only a place in an optimizer's list."""
    scope = unit.members[0].rpartition("/")[0]
    return "" if re.search(r"(^|/)_?(trainable_)?variables$", scope) else scope


def _by_order(pairs, left, ours, theirs, source, target) -> None:
    """Pairing units by the order of their creation, where it is known and nothing contradicts."""
    sides = ((source, ours), (target, theirs))
    if not ours or len(ours) != len(theirs) or not all(_has_order(*side) for side in sides):
        return
    for side, group in sides:
        doubt = _doubt(side, group)
        if doubt:
            pairs.doubts.update((unit.members[0], doubt) for unit in ours)
            return
    for unit, partner in zip(ours, theirs):
        _found(pairs, left, unit, partner)
        pairs.by_order += unit.members


def _doubt(side: Saved, group: list[Unit]) -> str:
    """Says that the graph beside a checkpoint uses variables in another order than they are made.

    Either may be the order in which the other program makes its own.
    """
    uses = [whole(name) for name in side.graph.uses()] if side.graph else []
    places = {name: place for place, name in reversed(list(enumerate(uses)))}
    known = [unit.members[0] for unit in group if unit.members[0] in places]
    used = sorted(known, key=places.get)
    if used == known:
        return ""
    first = next(name for name, other in zip(used, known) if name != other)
    return f"{first} is used first, and created later"


def _namesake(unit: Unit, others: list[Unit]) -> Unit | None:
    """Returns the unit of the same name; one name may have more scopes before it."""
    name = f"/{unit.members[0]}"
    same = [other for other in others if _ends_alike(name, f"/{other.members[0]}")]
    return same[0] if len(same) == 1 else None


def _ends_alike(name: str, other: str) -> bool:
    return name.endswith(other) or other.endswith(name)


def _has_order(side: Saved, group: list[Unit]) -> bool:
    """Says whether it is known in which order the variables were created.

    Names that differ in their numbers alone were given in that order: dense, dense_1, dense_2.
    """
    roots = side.roots()
    is_ordered = side.is_ordered and len({roots.get(unit.members[0]) for unit in group}) <= 1
    return is_ordered or len({re.sub(r"_?\d+", "", unit.members[0]) for unit in group}) == 1


def _found(pairs, left, unit, partner):
    pairs.found.append((unit, partner))
    left[0].remove(unit)
    left[1].remove(partner)


def _shape(side: Saved, unit: Unit) -> tuple:
    if unit.kind:
        return unit.kind, *unit.sizes
    tensor = side.tensors[unit.members[0]]
    return tensor.dtype.startswith("float"), *tensor.shape


def _shape_and_role(side: Saved, unit: Unit) -> tuple:
    return (*_shape(side, unit), role(unit.members[0]))


def candidates(unit: Unit, pairs: Pairing, source: Saved, target: Saved) -> list[str]:
    """Returns the names of the target's units that a unit of the source might be."""
    shape = _shape(source, unit)
    return [other.members[0] for other in pairs.alone[1] if _shape(target, other) == shape]
