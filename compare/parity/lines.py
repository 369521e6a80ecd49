"""Finds the line at which two programs part: matches the operations of both by their values.

Of the candidate's operations that have no match, those count that no matched operation depends on:
the others only compute the same in another way. The first that counts is where they part.
"""

import math
import os
import re
from dataclasses import dataclass

import numpy as np

from shared import recorder, user_lines

# Relative difference of two tensors that hold the same. If all match by the first, a mistake may be
# too small for it.
CLOSE = (1e-4, 1e-5, 2e-6)
# A small difference, such as that of another epsilon: the inputs of an operation differ by less
# than INPUTS_AGREE, and its result by more than SLIGHT and less than NEAR. Single numbers that
# differ by more than NUMBERS_AGREE show it too. Operations that AMPLIFY rounding do not count.
SLIGHT, INPUTS_AGREE, NEAR, NUMBERS_AGREE = 1e-5, 1e-6, 2e-2, 2e-7
AMPLIFY = ("Exp", "Log", "LogSoftmax", "Mean", "Softmax", "SquaredDifference", "Sub", "Sum")
# Words of a line that passes its caller's mode on.
PASSES_ON = re.compile(
    r"\b(is_?)?train\w*\b(?!\s*=\s*(True|False|1|0)\b)|\bdropout\([^,()]+,\s*(rate\s*=\s*)?[a-z_]\w*\s*[,)]",
)
# Operations whose result does not depend on the values of their input.
SHAPES = ("OnesLike", "Rank", "Shape", "ShapeN", "Size", "ZerosLike")
# Operations that only give their input another form, and types that do the same.
FORMS = ("Cast", "ExpandDims", "Identity", "Pack", "Reshape", "Squeeze", "StopGradient")
SAME_TYPES = {
    "AddN": "Add",
    "AddV2": "Add",
    "BiasAdd": "Add",
    "ConcatV2": "Concat",
    "MaxPoolV2": "MaxPool",
}
# Numbers that are this many times all others of a tensor, such as the -1e9 of what is masked, would
# hide the difference of the others.
FAR = 300
MOST_ROWS = 2000  # of a loop's result, to be looked for among another's
PARTS = ("Split", "SplitV", "Unpack")  # operations with several results
LIKE = 2  # operations that have to follow alike, where one program lacks an operation
# Operations that put together what a loop makes, and those that order it. TensorFlow 1 gives 0 for
# the time steps after the end of an example, Keras repeats the last result.
STACKS = ("TensorArrayGatherV3", "TensorListStack")
ORDERS = (*FORMS, "ReverseSequence", "ReverseV2", "Transpose")
INPUTS = ("Placeholder", "IteratorGetNext", "QueueDequeueManyV2", "QueueDequeueV2")
# What the forward pass begins with. The weights are aligned already; those of TensorFlow 1 are read
# after the update, if at all.
VARIABLES = ("ReadVariableOp", "VariableV2", "Const")
SOURCES = ("Placeholder", *VARIABLES)


INSIDE = "inside"  # the type of a part of a fused operation


def _batch_norm(x: np.ndarray) -> list[np.ndarray]:
    mean = x.mean(tuple(range(x.ndim - 1)))
    return [mean, x - mean, ((x - mean) ** 2).mean(tuple(range(x.ndim - 1)))]


def _cross_entropy(logits: np.ndarray) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        logarithms = logits - np.logaddexp.reduce(logits, -1, keepdims=True)
        return [logarithms, np.exp(logarithms)]


# Operations by how their types begin, and what they compute of their largest input.
INNER = {
    "FusedBatchNorm": _batch_norm,
    "SoftmaxCrossEntropy": _cross_entropy,
    "SparseSoftmaxCrossEntropy": _cross_entropy,
}


@dataclass
class SourceLine:
    """A line of a program.

    Attributes
    ----------
    place : "file:number".
    text : the line; without a place the name of the operation.
    operation : the type of the operation, such as "MaxPool"; "" if the line is not one's.
    shape : of its first output; None if there is no operation.
    inside : "file:number" of the line in a helper function that it calls and that made the
        operation; "" if it made it itself.
    """

    place: str
    text: str
    operation: str = ""
    shape: list[int] | None = None
    inside: str = ""


@dataclass
class Located:
    """Where two programs part.

    Attributes
    ----------
    reference, candidate : SourceLine; None if it is not known.
    agree, all : how many of the candidate's operations before it agree, of how many.
    lacks : the type of the reference's operation that the candidate has not between its line and
        the next; "" if it has another operation instead.
    draws : the type of an operation that draws random numbers, from which the candidate's first
        operation that parts is computed; "" if there is none.
    """

    reference: SourceLine | None
    candidate: SourceLine | None
    agree: int = 0
    all: int = 0
    lacks: str = ""
    draws: str = ""


class Operations:
    """The operations of one program, from the inputs to the loss.

    Attributes
    ----------
    count : how many there are. Behind them stands what fused ones compute inside.
    """

    def __init__(self, path: str):
        self.about, values, self.lines = recorder.read_operations(path)
        self.values = [np.asarray(value, np.float64).reshape(-1) for value in values]
        self.compared = [_without_masks(value) for value in self.values]
        self.shapes = [list(value.shape) for value in values]
        self.norms = [float(np.linalg.norm(value)) for value in self.compared]
        self.sorted = {}
        self.is_taken = []  # whether another operation takes it, if for its shape alone
        self.is_rooted = []  # whether an operation depends on an input or on a variable
        self.is_weighted = []  # whether it depends on a variable, as logits do and targets do not
        self.is_read = []  # whether it gives a variable, in any form
        self.is_looped = []  # whether it gives what a loop makes, in any order
        self.users = [[] for _ in self.about]
        for number, operation in enumerate(self.about):
            made, _, called = operation["line"].partition(user_lines.CALLED)
            operation["stack"] = made.split(user_lines.FROM)
            operation["line"] = operation["stack"][0]
            operation["calls"] = called.split(user_lines.FROM)  # where a layer is called
            operation["called"] = operation["calls"][0]
            self.is_taken.append(False)
            for other in operation["inputs"]:
                self.is_taken[other] = True
            if operation["type"] in SHAPES:  # it does not depend on the values of its input
                operation["inputs"] = []
            is_source = operation["type"] in SOURCES or operation["type"].startswith("Iterator")
            rooted = any(self.is_rooted[other] for other in operation["inputs"])
            self.is_rooted.append(is_source or rooted)
            is_variable = operation["type"] in VARIABLES and operation["type"] != "Const"
            weighted = any(self.is_weighted[other] for other in operation["inputs"])
            self.is_weighted.append(is_variable or weighted)
            is_form = operation["type"] in FORMS and operation["inputs"]
            is_read = is_form and all(self.is_read[other] for other in operation["inputs"])
            self.is_read.append(operation["type"] in VARIABLES or bool(is_read))
            is_order = operation["type"] in ORDERS
            looped = is_order and any(self.is_looped[other] for other in operation["inputs"])
            self.is_looped.append(operation["type"] in STACKS or looped)
            for other in operation["inputs"]:
                self.users[other].append(number)
        self.count = len(self.about)
        for number in range(self.count):
            self._add_inner(number)

    def _add_inner(self, number: int) -> None:
        """Adds what a fused operation computes inside, where the other program may have a line."""
        operation = self.about[number]
        inner = next((INNER[key] for key in INNER if operation["type"].startswith(key)), None)
        inputs = sorted(
            operation["inputs"], key=lambda n: (self.values[n].size, self.is_weighted[n])
        )
        if not inner or not inputs or len(self.shapes[inputs[-1]]) < 2:
            return
        for value in inner(self.values[inputs[-1]].reshape(self.shapes[inputs[-1]])):
            self.about.append({**operation, "type": INSIDE, "inputs": inputs[-1:]})
            self.values.append(value.reshape(-1))
            self.compared.append(value.reshape(-1))
            self.shapes.append(list(value.shape))
            self.norms.append(float(np.linalg.norm(value)))
            self.is_rooted.append(True)
            self.is_read.append(False)
            self.is_weighted.append(True)
            self.is_looped.append(False)
            self.users[inputs[-1]].append(len(self.about) - 1)
            self.users.append([])

    def in_order(self, number: int) -> np.ndarray:
        if number not in self.sorted:
            self.sorted[number] = np.sort(self.compared[number])
        return self.sorted[number]

    def is_telling(self, number: int) -> bool:
        """Says whether a value is one that two operations would not have by chance."""
        value = self.values[number]
        if value.size == 1:  # a sum has more digits than a rate or a count
            return bool(
                np.isfinite(value[0]) and abs(value[0] * 1e3 - round(value[0] * 1e3)) > 1e-3
            )
        return value.size > 1 and bool(np.ptp(value) > 0)

    def is_varied(self, number: int) -> bool:
        """Says whether a value can be known in another order: one-hot classes look alike, and so do
        probabilities that are all 0 or 1."""
        value = self.in_order(number)
        most = np.abs(value).max()
        return bool(most) and len(np.unique(np.round(value / most, 3))) > 2

    def holds(self, array: np.ndarray) -> bool:
        """Says whether an operation has the numbers of an array, as far as float32 has them."""
        array = array.reshape(-1)
        return any(
            value.size == array.size and np.allclose(value, array, rtol=1e-5, atol=1e-6)
            for value in self.values
        )

    def line(self, number: int, level: int = 0) -> SourceLine:
        """Returns the line of an operation, or `level` calls further outside."""
        operation = self.about[number]
        if not operation["line"]:  # of a graph without a program
            return SourceLine("", operation["name"], operation["type"], self.shapes[number])
        return _line(operation["stack"], level, operation["type"], self.shapes[number])

    def find(self, found: dict) -> int | None:
        """Returns the operation that a SourceLine, as a dict, is the line of; None if of none."""
        place = found.get("inside") or found["place"] or found["text"]
        key = place, found["operation"], found["shape"]
        for number, about in enumerate(self.about):
            if (about["line"] or about["name"], about["type"], self.shapes[number]) == key:
                return number
        return None

    def apart(self, partners: list) -> list[int]:
        """Returns the operations without a partner on which none with one depends, in order.

        Not those of which nothing is computed but the loss is: a loop leaves some in its last step.
        Nor, in an evaluation, those of which nothing is taken but the shape.
        """
        has_loss = not self.shapes[self.count - 1] if self.count else False
        leads_to_match = [False] * len(self.about)
        is_used = [
            not self.shapes[number]
            if has_loss
            else number >= self.count or not self.is_taken[number]
            for number in range(len(self.about))
        ]
        for number in reversed(range(len(self.about))):
            leads_to_match[number] = any(
                (partners[user] is not None and self.is_telling(user)) or leads_to_match[user]
                for user in self.users[number]
            )
            is_used[number] |= any(is_used[user] for user in self.users[number])
        return [
            number
            for number, partner in enumerate(partners)
            if partner is None
            and not leads_to_match[number]
            and is_used[number]
            and self.is_rooted[number]
            and self.about[number]["type"] not in (*SOURCES, INSIDE)
            and (self.shapes[number] or not self.about[number]["type"].startswith("TensorArray"))
            and not self.is_read[number]
        ]


def _without_masks(value: np.ndarray) -> np.ndarray:
    """Returns numbers of which those that mask others are no larger than the others."""
    sizes = np.abs(value)
    most = sizes.max(initial=0)
    if np.isnan(most) or value.dtype.kind != "f":
        return value
    masks = sizes >= most * 0.9
    rest = sizes[~masks].max(initial=0)
    is_mask = rest > 0 and rest * FAR < most and len(set(np.sign(value[masks]))) == 1
    return np.where(masks, np.sign(value) * rest, value) if is_mask else value


def locate(reference: Operations, candidate: Operations, is_called=False) -> Located | None:
    """Returns where the forward passes part, or None if all operations have a match.

    With `is_called`, the candidate's line is not that which makes a layer, but calls it.
    """
    found = None if is_called else _slight(reference, candidate)
    if found:
        return found
    for close in CLOSE:
        found = _locate(reference, candidate, close, is_called)
        if found:
            return found
    return None


def _slight(reference: Operations, candidate: Operations) -> Located | None:
    """Returns where the forward passes part by little, or None if the first difference is no small
    one. What follows it may agree within `CLOSE`, such as the mean of a loss."""
    back, partners = (
        [_partner(a, n, b, SLIGHT, of_numbers=NUMBERS_AGREE) for n in range(len(a.about))]
        for a, b in ((reference, candidate), (candidate, reference))
    )
    others = reference.apart(back)
    for number in candidate.apart(partners):
        about, value, norm = (
            each[number] for each in (candidate.about, candidate.compared, candidate.norms)
        )
        inputs = [n for n in about["inputs"] if _type(candidate, n) not in SOURCES]
        agree = [_partner(candidate, n, reference, INPUTS_AGREE) is not None for n in inputs]
        if not about["line"] or not inputs or not all(agree):
            continue
        is_sum_of_larger = norm < max(candidate.norms[n] for n in inputs) / 2
        if value.size == 1 or about["type"] in AMPLIFY or is_sum_of_larger:
            return None
        for ours in others:
            theirs = reference.compared[ours]
            is_near = theirs.size == value.size and np.linalg.norm(theirs - value) <= NEAR * norm
            if is_near and _type(reference, ours) == about["type"]:
                agree = sum(partner is not None for partner in partners[:number])
                return Located(reference.line(ours), candidate.line(number), agree, number)
        return None
    return None


def _locate(reference, candidate, close: float, is_called=False) -> Located | None:
    sides = reference, candidate
    partners = [_partner(candidate, n, reference, close) for n in range(len(candidate.about))]
    back = [_partner(reference, n, candidate, close) for n in range(len(reference.about))]
    apart = candidate.apart(partners)
    inside = set(apart)
    entries = [
        number
        for number in apart
        if candidate.about[number]["line"] and not inside & set(candidate.about[number]["inputs"])
    ]
    if not entries:
        return None
    mains = {number: _main_input(candidate, number, partners) for number in entries}
    known = [number for number in entries if mains[number] is not None] or entries
    # Terms of a loss may be added up in another order, so what is computed of them comes last.
    first = next((number for number in known if candidate.shapes[number]), known[0])
    others = reference.apart(back)
    ours = None
    if mains[first] is not None:
        ours = _next(reference, partners[mains[first]], set(others))
    if ours is None:
        ours = next(iter(others), None)
    line = candidate.line(first, _call(candidate, first, partners, reference, ours))
    agree = sum(partner is not None for partner in partners[:first])
    before = sum(number not in inside for number in range(first))
    other, lacks = _other_line(sides, first, ours, mains[first], back, is_called)
    theirs = None if ours is None else reference.line(ours)
    if ours is not None and mains[first] is not None and not other:
        turned = _turned(sides, first, ours, mains[first], back, close)
        theirs, other = turned or (theirs, None)
    return Located(theirs, other or line, agree, before, lacks, _draws(candidate, first, partners))


def _draws(side: Operations, number: int, partners: list) -> str:
    """Returns the type of an operation that draws random numbers, of which one is computed."""
    queue = [number]
    while queue:
        number = queue.pop()
        if "Random" in _type(side, number):
            return _type(side, number)
        queue += [other for other in side.about[number]["inputs"] if partners[other] is None]
    return ""


def _other_line(
    sides, first: int, ours, main, back: list, is_called: bool
) -> tuple[SourceLine | None, str]:
    """Returns the line to be named instead of that of the candidate's first operation that parts,
    or None; and the type of an operation that it lacks, or "".

    Parameters
    ----------
    first, ours : where the candidate and the reference part.
    main : the candidate's largest input of `first` that the reference has, too.
    back : the partners of the reference's operations.
    """
    reference, candidate = sides
    operation = candidate.about[first]
    called = operation["called"]
    is_step = called == candidate.lines.get("step")
    is_given_other = is_step and _takes_other_input(sides, ours, first, back)
    if called and (
        (is_called and not is_step)
        or is_given_other
        or _lacks_input(sides, ours, first, main, back)
    ):
        kind, shape = operation["type"], candidate.shapes[first]
        return SourceLine(called, user_lines.text(called), kind, shape, operation["line"]), ""
    if ours is None or main is None:
        return None, ""
    if _type(reference, ours) == operation["type"]:
        return _operand(sides, first, ours, back)
    if called and not is_step and _is_in_other_order(sides, first, ours):
        kind, shape = operation["type"], candidate.shapes[first]
        return SourceLine(called, user_lines.text(called), kind, shape, operation["line"]), ""
    idle = candidate.lines.get("idle", {}).get(candidate.about[main]["name"])
    if idle and _is_noise(reference, ours):  # a layer that should draw noise and does nothing
        return SourceLine(idle, user_lines.text(idle)), ""
    if not _lacks(reference, ours, candidate, first):
        return None, ""
    lacks, inputs = _type(reference, ours), reference.about[ours]["inputs"]
    known = {back[number] for number in inputs} & set(operation["inputs"])
    # What it would be computed from: a product with something else is rather made behind it, but
    # for a number such as the whole loss.
    is_around = len(inputs) == 1 or not reference.shapes[ours]
    around = back[inputs[0]] if len(inputs) == 1 else next(iter(known), None)
    if not is_around or around is None or not candidate.about[around]["line"]:
        return None, lacks
    if {lacks, operation["type"]} == {"Mean", "Sum"}:
        return None, lacks  # one reduction stands for both
    if lacks == "Mul" and not candidate.shapes[around] and len(operation["inputs"]) > 1:
        return None, lacks  # a weight of one of the terms of a sum
    if _type(candidate, around) in PARTS:
        return None, lacks  # it would be computed of one part alone, where that is used
    return _line_beside(candidate, around, first, lacks), lacks


def _operand(sides, first: int, ours: int, back: list) -> tuple[SourceLine | None, str]:
    """Returns the line of a tensor that the reference changes before a product, and the candidate
    takes as it is, such as a target; and what it lacks. Both operations are of one type."""
    reference, candidate = sides
    inputs, taken = reference.about[ours]["inputs"], candidate.about[first]["inputs"]
    around = back[inputs[0]] if len(inputs) == 1 else None
    if around not in taken or not candidate.about[around]["line"]:
        return None, ""
    size = candidate.values[around].size
    others = [n for n in taken if n != around and candidate.is_telling(n)]
    if size == 1 or all(candidate.values[n].size != size for n in others):
        return None, ""
    return candidate.line(around, _level_beside(candidate, around, first)), _type(reference, ours)


def _is_in_other_order(sides, first: int, ours: int) -> bool:
    """Says whether the candidate makes later what the reference makes at `ours`, and the reference
    what the candidate makes at `first`, as where a layer is called before another."""
    reference, candidate = sides
    path, theirs = _path(reference, ours), _path(candidate, first)
    is_later = path[:1] != theirs[:1] and {*path[:1]} & {*theirs[1:]}
    return bool(is_later and {*theirs[:2]} & {*path[1:]})


def _line_beside(side: Operations, number: int, other: int, kind: str) -> SourceLine:
    """Returns the line of an operation, before another, that lacks one of a kind: where a layer is
    called, if the program itself has such operations besides its layers; else where it is made."""
    called = side.about[number]["called"]
    has = any(about["type"] == kind and not about["called"] for about in side.about)
    if called and has and called != side.lines.get("step"):
        return SourceLine(called, user_lines.text(called), inside=side.about[number]["line"])
    return side.line(number, _level_beside(side, number, other))


def _level_beside(side: Operations, number: int, other: int) -> int:
    """Returns how many calls outside of an operation's line the caller of both is."""
    stack, beside = (side.about[n]["stack"] for n in (number, other))
    shared = len(os.path.commonprefix([stack[::-1], beside[::-1]]))
    return len(stack) - shared - 1 if 0 < shared < len(stack) else 0


def end(reference: Operations, candidate: Operations) -> Located | None:
    """Returns where the candidate's loss is ready and the reference's is not, or None."""
    for close in CLOSE:
        found = _end(reference, candidate, close)
        if found:
            return found
    return None


def _end(reference: Operations, candidate: Operations, close: float) -> Located | None:
    back = [_partner(reference, n, candidate, close) for n in range(len(reference.about))]
    apart, count = set(reference.apart(back)), len(candidate.about)
    for last in reversed(range(candidate.count)):
        is_own = candidate.is_rooted[last] and bool(candidate.about[last]["line"])
        if is_own and candidate.is_telling(last):
            same = _partner(candidate, last, reference, close)
            ours = None if same is None else _next(reference, same, apart)
            if ours is not None:
                lacks = _type(reference, ours)
                return Located(reference.line(ours), candidate.line(last), count, count, lacks)
    return None


def _turned(sides, first: int, ours: int, main: int, back: list, close: float):
    """Returns both lines that order the input of an operation, if it has the same numbers in
    another order in the two programs; else None. Two layouts of one tensor are no other order: the
    shapes differ. Where a program orders nothing, the line is that of the input."""
    reference, candidate = sides
    other = _main_input(reference, ours, back)
    if _type(reference, ours) != _type(candidate, first) or other is None:
        return None
    shape = candidate.shapes[main]
    is_alike = len(shape) < 3 or shape == reference.shapes[other]
    if not is_alike or len(candidate.about[first]["inputs"]) < 2 or candidate.is_looped[main]:
        return None
    moved = _reordered(candidate, main, reference, close)
    turned = _reordered(reference, other, candidate, close)
    if moved is None and turned is None:
        return None
    return (
        reference.line(ours if turned is None else turned),
        candidate.line(main if moved is None else moved),
    )


def _reordered(side: Operations, number: int, other: Operations, close: float) -> int | None:
    """Returns the operation that puts numbers in another order, which reach one in that order; or
    None. Where the data have it already, that is the operation itself, as a flattening."""
    first, found = number, None
    while _partner(side, number, other, close, is_any_order=False) is None:
        found = number
        number = max(
            (n for n in side.about[number]["inputs"] if side.is_telling(n)),
            key=lambda n: side.values[n].size,
            default=None,
        )
        if number is None:
            return first
    return found


def _lacks(reference: Operations, ours: int, candidate: Operations, first: int) -> bool:
    """Says whether the candidate lacks operations of the reference from `ours` on: whether what
    follows them is what it has at `first`, and not what follows one that it has instead."""
    path, theirs = _path(reference, ours), _path(candidate, first)[:LIKE]
    if path[:1] == theirs[:1] or (theirs[1:] and path[1:LIKE] == theirs[1:]):
        return False
    return any(path[k : k + LIKE] == theirs for k in range(1, len(path) - len(theirs) + 1))


def _path(side: Operations, number: int) -> list[str]:
    """Returns the types of the operations from one on, each of which takes the one before."""
    found = []
    while len(found) < 3 * LIKE:
        kind = SAME_TYPES.get(_type(side, number), _type(side, number))
        is_added = any(_type(side, other) == "Pack" for other in side.about[number]["inputs"])
        if kind not in FORMS:
            found.append("Add" if kind == "Sum" and is_added else kind)
        users = [user for user in side.users[number] if _type(side, user) not in SHAPES]
        if not users:
            break
        number = users[0]
    return found


def _lacks_input(sides, ours, first: int, main, back: list) -> bool:
    """Says whether the reference's line depends on something fed that the candidate's does not,
    such as lengths or weights of the examples, which a call of a layer or a loss is to be given;
    or whether `fit` gives such weights to the candidate's loss alone."""
    reference, candidate = sides
    if ours is None:
        return False
    operation = candidate.about[first]
    is_step = operation["called"] == candidate.lines.get("step")
    if is_step and (main is None or len(candidate.shapes[main]) > 1):
        return False  # `fit` is only given the weights of the losses
    if is_step and any(
        _type(candidate, number) in INPUTS and candidate.is_telling(number)
        for number in set(operation["inputs"]) - {main}
    ):  # or it is given such that the reference has not
        return True
    # What reaches a layer in its main input, as where that is masked, it is not given beside it.
    main = _given(candidate, first) if main is None else main
    has = before(candidate, _last_of_line(candidate, first), main)
    its_main = _main_input(reference, ours, back)
    its_main = _given(reference, ours) if its_main is None else its_main
    return any(
        _type(reference, number) in INPUTS
        and reference.is_telling(number)
        and back[number] not in has
        and not any(_holds_as(candidate, other, reference.values[number]) for other in has)
        for number in before(reference, _last_of_line(reference, ours), its_main)
    )


def _takes_other_input(sides, ours, first: int, back: list) -> bool:
    """Says whether the candidate's operation takes something fed that the reference feeds, too, but
    to another operation, as where the targets of two outputs are exchanged."""
    if ours is None:
        return False
    reference, candidate = sides
    given = [_fed_to_line(side, n) for side, n in ((reference, ours), (candidate, first))]
    known = {back[number] for number in given[0]} - {None}
    known = {number for number in known if _type(candidate, number) in INPUTS}
    everywhere = {back[n] for n, about in enumerate(reference.about) if about["type"] in INPUTS}
    return bool(known) and any(n in everywhere - known for n in given[1])


def _fed_to_line(side: Operations, number: int) -> set[int]:
    """Returns what is fed, in any form, to the operations of one's line and scope."""

    def place(n):
        return side.about[n]["stack"], side.about[n]["name"].rpartition("/")[0]

    beside = [n for n in range(side.count) if place(n) == place(number)]
    found, queue = set(), [other for n in beside for other in side.about[n]["inputs"]]
    while queue:
        number = queue.pop()
        if _type(side, number) in INPUTS and side.is_telling(number):
            found.add(number)
        elif _type(side, number) in FORMS:
            queue += side.about[number]["inputs"]
    return found


def _given(side: Operations, number: int) -> int | None:
    """Returns the largest operation of other lines that those of one's line take, such as the
    inputs of a recurrent layer, whose operations are in a loop."""
    stack = side.about[number]["stack"]
    mine = {n for n in range(side.count) if side.about[n]["stack"] == stack}
    taken = {other for n in mine for other in side.about[n]["inputs"]} - mine
    taken = [n for n in taken if side.is_telling(n) and _type(side, n) not in SOURCES]
    taken = [n for n in taken if not side.is_read[n]]
    return max(taken, key=lambda n: side.values[n].size, default=None)


def _last_of_line(side: Operations, number: int) -> int:
    """Returns the last operation of the line that made one, in the same call."""
    stack = side.about[number]["stack"]
    return max(n for n in range(side.count) if side.about[n]["stack"] == stack)


def before(side: Operations, number: int, without: int | None = None) -> set[int]:
    """Returns the operations that one depends on, also if `without` were not computed."""
    seen, queue = set(), [number]
    while queue:
        number = queue.pop()
        if number not in seen and number != without:
            seen.add(number)
            queue += side.about[number]["inputs"]
    return seen


def _holds_as(side: Operations, number: int, given: np.ndarray) -> bool:
    """Says whether an operation has class numbers one-hot, or lengths as a mask or as padding."""
    shape = side.shapes[number]
    if len(shape) != 2 or shape[0] != given.size:
        return False
    value = side.values[number].reshape(shape)
    is_whole = np.array_equal(value, np.round(value))
    is_padded = is_whole and np.array_equal((value != 0).sum(1), given)
    return is_padded or np.array_equal(value.argmax(1), given)


def _is_noise(side: Operations, number: int) -> bool:
    return "dropout" in side.about[number]["name"].lower()


def _call(side: Operations, number: int, partners: list, other: Operations, ours) -> int:
    """Returns how many calls outside of an operation's line the mistake is.

    A line in a helper function that other calls reach, too, and whose same operation agrees there,
    is right: the call is wrong. Unless it makes another operation than the reference's in every
    call.
    """
    stack, kind = side.about[number]["stack"], _type(side, number)
    made = {}  # by each line and its calls
    for n in range(side.count):
        made.setdefault(tuple(side.about[n]["stack"]), []).append(n)
    place = made[tuple(stack)].index(number)
    for level in range(len(stack) - 1):
        inside, outside = tuple(stack[: level + 1]), tuple(stack[level + 1 :])
        elsewhere = [
            numbers[place]
            for calls, numbers in made.items()
            if calls[: level + 1] == inside
            and calls[level + 1 :] not in ((), outside)
            and place < len(numbers)
            and partners[numbers[place]] is not None
            and side.is_telling(numbers[place])
        ]
        if not elsewhere:
            return level
        if ours is not None and _type(other, ours) != kind:
            theirs = [_type(other, partners[n]) for n in elsewhere if _type(side, n) == kind]
            if _type(other, ours) in theirs:
                return level
    return len(stack) - 1


def _type(side: Operations, number: int) -> str:
    return side.about[number]["type"]


def _line(stack: list[str], level: int, operation: str = "", shape=None) -> SourceLine:
    place = stack[level]
    return SourceLine(place, user_lines.text(place), operation, shape, stack[0] if level else "")


def first_not_finite(reference: Operations, candidate: Operations) -> Located | None:
    """Returns the first operation of the candidate that makes NaN or infinite of finite numbers."""

    def is_finite(number):
        return bool(np.isfinite(candidate.values[number]).all())

    for number, operation in enumerate(candidate.about):
        if not is_finite(number) and all(map(is_finite, operation["inputs"])):
            found = _locate(reference, candidate, CLOSE[0])
            ours = found.reference if found else None
            return Located(ours, candidate.line(number))
    return None


def _partner(
    side: Operations,
    number: int,
    other: Operations,
    close: float,
    is_any_order=True,
    of_numbers: float | None = None,
) -> int | None:
    """Returns the first operation of the other program with the same numbers, in any layout.

    `close` is for tensors, `of_numbers` for single numbers.
    """
    value, norm = side.compared[number], side.norms[number]
    if not value.size or not np.isfinite(norm):
        return None
    if is_any_order and side.is_looped[number] and side.is_telling(number):
        for found in range(other.count):
            if other.is_looped[found] and _has_same_rows(side, number, other, found, close):
                return found
    if value.size == 1:  # the mean of numbers that differ may differ by less than they
        close = of_numbers or max(close / 10, CLOSE[-1])
    for found in range(len(other.about)):
        theirs = other.compared[found]
        if theirs.size != value.size or abs(other.norms[found] - norm) > close * norm + 1e-9:
            continue
        if np.linalg.norm(theirs - value) <= close * norm + 1e-9:
            return found
        if is_any_order and len(side.shapes[number]) > 1 and side.is_varied(number):
            difference = other.in_order(found) - side.in_order(number)
            if np.linalg.norm(difference) <= close * norm + 1e-9:
                return found
    return None


def _has_same_rows(side, number: int, other, found: int, close: float) -> bool:
    """Says whether all rows of one result that are not 0 are among those of the other."""
    shapes = side.shapes[number], other.shapes[found]
    if len(shapes[0]) != 3 or sorted(shapes[0]) != sorted(shapes[1]):
        return False
    if shapes[0][2] != shapes[1][2] or math.prod(shapes[0][:2]) > MOST_ROWS:
        return False
    rows = [
        side.values[number].reshape(-1, shapes[0][2]),
        other.values[found].reshape(-1, shapes[1][2]),
    ]
    for some, all_ in (rows, rows[::-1]):
        some = some[np.any(some != 0, 1)]
        apart = np.linalg.norm(some[:, None] - all_[None], axis=2).min(1, initial=np.inf)
        if len(some) and np.linalg.norm(apart) <= close * np.linalg.norm(some) + 1e-9:
            return True
    return False


def partner(side: Operations, number: int, other: Operations) -> int | None:
    """Returns the first operation of the other program with the same numbers, or None."""
    return _partner(side, number, other, CLOSE[0])


def _main_input(side: Operations, number: int, partners: list) -> int | None:
    """Returns the largest input of an operation that has a partner and tells something; of two, the
    one that is computed, as a prediction beside its target."""
    inputs = [
        other
        for other in side.about[number]["inputs"]
        if partners[other] is not None
        and side.is_telling(other)
        and (side.about[other]["type"] == "Placeholder" or side.about[other]["type"] not in SOURCES)
    ]
    return max(
        inputs,
        key=lambda other: (side.values[other].size, _type(side, other) not in INPUTS),
        default=None,
    )


def _next(side: Operations, number: int, apart: set[int]) -> int | None:
    """Returns the first operation after `number`, and depending on it, that parts."""
    reached = {number}
    for later in range(number + 1, len(side.about)):
        if reached & set(side.about[later]["inputs"]):
            if later in apart:
                return later
            reached.add(later)
    return None


def of_variables(side: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line that made the first of some variables."""
    stacks = {n: place.split(user_lines.FROM) for n, place in side.lines["variables"].items()}
    stack = next((stacks[n] for n in names if n in stacks), [""])
    others = [found for n, found in stacks.items() if n not in names]
    level = 0
    while level < len(stack) - 1 and any(
        stack[level] in found and found[found.index(stack[level]) + 1 :] != stack[level + 1 :]
        for found in others
    ):  # the line is in a helper function, which made other variables, too
        level += 1
    return _line(stack, level) if stack[0] else None


def of_call(side: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line that calls the layer of some variables, if it is not that of the step."""
    made = {side.lines["variables"].get(n, "").partition(user_lines.FROM)[0] for n in names}
    for about in side.about:
        place = about["called"]
        if place and about["line"] in made and place != side.lines.get("step"):
            place = about["calls"][passed_on(about["calls"], 0)]
            return SourceLine(place, user_lines.text(place), inside=about["line"])
    return None


def passed_on(calls: list[str], at: int) -> int:
    """Returns the number of the call that decides the mode of a layer: if a line only passes it on,
    as `layer(h, training=training)` does, it is its caller."""
    while at + 1 < len(calls) and PASSES_ON.search(user_lines.text(calls[at])):
        at += 1
    return at


def of_kind(side: Operations, kind: str) -> SourceLine | None:
    """Returns the line of the "clip" (of gradients), of the "optimizer", of its learning rate's
    "schedule" (if an object is one), of the "step", or where the step is "fed"."""
    kind, _, optimizer = kind.partition("/")
    optimizers = side.lines.get("optimizers", {})  # of one alone, the line that made it
    place = optimizers.get(optimizer, "") if len(optimizers) > 1 else ""
    place = place or side.lines.get(kind, "")
    if kind == "fed":
        place = place or side.lines["step"]
    if kind == "clip" and place in side.lines["variables"].values():
        place = ""  # what TensorFlow gives as the line of a gradient that nothing changes
    # What is not clipped may be clipped by the optimizer, which may be written out in the step.
    place = place or side.lines["optimizer"] or side.lines["step"]
    return _line(place.split(user_lines.FROM), 0) if place else None


def of_stop(side: Operations, other: Operations) -> SourceLine | None:
    """Returns the line that stops a gradient, where the other program stops none."""

    def stops(operations):
        return [n for n, about in enumerate(operations.about) if about["type"] == "StopGradient"]

    norms = [other.norms[number] for number in stops(other)]
    for number in stops(side):
        is_known = any(np.isclose(side.norms[number], norm, rtol=1e-5) for norm in norms)
        # Keras's batch norm stops gradients of its own, at the line of the layer.
        line = side.line(number) if side.about[number]["line"] else None
        if line and "stop_gradient" in line.text and not is_known:
            return line
    return None


def of_untrained(side: Operations, other: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line because of which variables are not trained: that stops their gradient, that
    made them if they are not to be trained, or that differentiates by others."""
    stop = of_stop(side, other)
    place = side.lines.get("gradient", "")
    frozen = {name: at for name, at in side.lines.get("frozen", {}).items() if name in names}
    if any(frozen.values()):
        place = next(filter(None, frozen.values()))
    elif stop or not place or frozen:
        return stop or of_variables(side, names)
    return SourceLine(place, user_lines.text(place))


def of_penalty(side: Operations, other: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line that adds a penalty on some variables to the loss; or that made the first of
    them, as a layer with a regularizer; of variables of the program's own, the loss's line. If they
    are the other program's penalties, it is the line that multiplies them."""
    made = of_variables(side, names)
    depends = []  # on the data
    for about in side.about:
        is_data = about["type"] == "Placeholder" or about["type"].startswith("Iterator")
        depends.append(is_data or any(depends[number] for number in about["inputs"]))
    if made is None or not any(depends):  # an eager loop's data are no operation
        return made
    own = [number for number in range(side.count) if side.about[number]["line"]]
    scalars = [n for n in own if side.is_rooted[n] and not side.shapes[n] and not depends[n]]
    partners = {number: _partner(side, number, other, CLOSE[0]) for number in scalars}
    known = set()  # penalties that the other program has, and sums of them
    for number in scalars:
        inputs = side.about[number]["inputs"]
        is_sum = SAME_TYPES.get(_type(side, number), "") == "Add" and known.issuperset(inputs)
        if is_sum or partners[number] is not None:
            known.add(number)
        elif len(inputs) == 1 and inputs[0] in known:
            return side.line(number)
    alone = [number for number in scalars if partners[number] is None]
    for number in [*alone, *scalars]:  # those that the other program has, too, are right
        if not re.search(r"\.losses\b|\bfit\(|regulariz", side.line(number).text):
            return side.line(number)
    # Without any penalty the loss lacks them: a layer's regularizer does nothing if its loss is not
    # added. Keras's `fit` always adds it, so there a layer has no regularizer.
    is_fit = any(re.search(r"\bfit\(", side.line(number).text) for number in own)
    is_own = re.search(r"\b(Variable|get_variable)\(", made.text)
    return side.line(own[-1]) if is_own or not (scalars or is_fit) else made


def of_move(side: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line of the program itself that assigns some variables in a forward pass; without
    one, that made them."""
    places = side.lines.get("moved", {})
    place = next((places[name] for name in names if name in places), "")
    return _line([place], 0) if place else of_variables(side, names)


def of_second_call(side: Operations, names: list[str]) -> SourceLine | None:
    """Returns the line that assigns some variables a second time in a forward pass."""
    places = side.lines.get("twice", {})
    place = next((places[name] for name in names if name in places), "")
    return _line([place], 0) if place else of_variables(side, names)


def of_assignment(side: Operations, names: list[str], kind: str = "") -> SourceLine | None:
    """Returns the line that assigns the first of some variables after the update; without one, the
    line of `kind` (see `of_kind`), or that made the variables."""
    places = side.lines.get("assigned", {})
    place = next((places[name] for name in names if name in places), "")
    if place:
        return SourceLine(place, user_lines.text(place))
    return of_kind(side, kind) if kind else of_variables(side, names)


def shown(line: SourceLine) -> str:
    """Returns a line as the verdict prints it."""
    path, _, number = line.place.rpartition(":")
    what = f"    {line.operation}  {line.shape}" if line.operation else ""
    if not line.place:
        return f"operation {line.text}{what}"
    if line.inside:
        what += f"    by way of {os.path.basename(line.inside)}  {user_lines.text(line.inside)}"
    return f"{os.path.basename(path)}:{number}  {line.text}{what}"
