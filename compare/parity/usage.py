"""Corrects the alignment by what two forward passes compute.

Weights of one shape are paired in the order of their creation, and layers that draw noise in the
order of their calls. A program may make or call them in another order, such as the shortcut of a
block after its layers.
"""

import numpy as np

from compare.parity import lines, mapping
from compare.parity.lines import Operations
from compare.parity.mapping import Mapping
from shared.recorder import noise
from shared.trace import Recording

NOISE = ("PyFunc", "PyFuncStateless", "EagerPyFunc")  # draw the noise that is the same in both
MOST_LAYERS = 64  # that draw noise and whose order is looked for


def exchanged(sides: list[Operations], found: Mapping, reference: Recording) -> dict[str, str]:
    """Returns {reference's name: candidate's name} of weights of one shape that the candidate uses
    where the reference uses another of them; {} if there are none.

    Parameters
    ----------
    sides : both programs' operations of the first step, from the same weights.
    found : how the weights are paired until now.
    reference : its recording, with the first values.
    """
    starts = {
        name: reference.values.get((reference.steps[0], name))
        for name in found.weights
        if mapping.role(name) == "kernel" and "," not in found.weights[name]
    }
    starts = {n: v for n, v in starts.items() if v is not None and v.size > 1 and np.ptp(v) > 0}
    groups = {}
    for name, value in starts.items():
        groups.setdefault(value.shape, []).append(name)
    single = {names[0] for names in groups.values() if len(names) == 1}
    uses = [_uses(side, starts, single) for side in sides]
    new = {}
    for names in groups.values():
        ours, theirs = ({name: use.get(name) for name in names} for use in uses)
        wrong = [name for name in names if ours[name] != theirs[name]]
        moved = {theirs[name]: name for name in wrong}
        if None not in moved and set(moved) == {ours[name] for name in wrong}:
            new.update({name: found.weights[moved[ours[name]]] for name in wrong})
    for name, other in list(new.items()):
        new.update(_followers(found, name, other))
    is_exchange = sorted(new.values()) == sorted(found.weights.get(name, "") for name in new)
    return new if is_exchange else {}


def _uses(side: Operations, starts: dict[str, np.ndarray], single: set[str]) -> dict[str, tuple]:
    """Returns {weight: what it is used for}, by the reference's names: the operation that takes it
    and something computed, its shapes, and the weights of `single` before it."""
    read = {}  # number of an operation that gives a weight -> its name
    for number in range(side.count):
        about = side.about[number]
        if about["type"] not in lines.VARIABLES:
            continue
        if about["name"] in starts:
            read[number] = about["name"]
            continue
        value = side.values[number]
        same = (
            name
            for name, start in starts.items()
            if start.size == value.size and np.allclose(start.reshape(-1), value, 1e-5, 1e-7)
        )
        read[number] = next(same, "")
    found = {}
    for number, name in read.items():
        queue = [number] if name and name not in found else []
        while queue:
            number = queue.pop()
            for user in side.users[number]:
                inputs = [n for n in side.about[user]["inputs"] if not side.is_read[n]]
                if side.is_read[user]:
                    queue.append(user)
                elif inputs and user < side.count:
                    given = max(inputs, key=lambda n: side.values[n].size)
                    before = {read.get(n) for n in lines.before(side, given)} & single
                    shapes = str(side.shapes[user]), str(side.shapes[given])
                    found[name] = (side.about[user]["type"], *shapes, *sorted(before))
    return found


def _followers(found: Mapping, name: str, other: str) -> dict[str, str]:
    """Returns the pairs of what two programs make after a kernel, such as the batch norm of a
    convolution, if it is alike."""
    both = []
    for order, kernel in zip(found.order, (name, other)):
        rest = order[order.index(kernel) + 1 :]
        ends = (n for n, each in enumerate(rest) if mapping.role(each) == "kernel")
        both.append(rest[: next(ends, None)])
    paired = [n for n in both[0] if n in found.weights]
    kept = [n for n in both[1] if n in found.weights.values()]
    if sorted(map(mapping.role, paired)) != sorted(map(mapping.role, kept)):
        return {}
    by_role = {mapping.role(n): n for n in kept}
    return {n: by_role[mapping.role(n)] for n in paired} if len(by_role) == len(kept) else {}


def noise_order(sides: list[Operations], present: list[int]) -> list[int]:
    """Returns for each layer of the candidate that draws noise, in the order of the calls, the
    number of the reference's layer that drops some of the same tensor; [] for the same order.

    Parameters
    ----------
    sides : both programs' operations of the first step.
    present : the order with which the candidate's were recorded.
    """
    numbers = [_drawn(side) for side in sides]
    tensors = [
        {number: _dropped(side, operation, sides[0]) for number, operation in drawn.items()}
        for side, drawn in zip(sides, numbers)
    ]
    count = max([*numbers[0], *numbers[1]], default=-1) + 1
    order = [*present, *range(len(present), count)]
    unknown = []
    for number, tensor in tensors[1].items():
        called = present.index(number) if number in present else number
        same = [n for n, other in tensors[0].items() if other == tensor is not None]
        if not same:
            unknown.append(called)
        elif number not in same:
            order[called] = same[0]
    for called in unknown:  # what is left, if another layer has its number now
        if order.count(order[called]) > 1:
            order[called] = min(set(range(count)) - set(order), default=called)
    return [] if order == sorted(set(order)) else order


def _drawn(side: Operations) -> dict[int, int]:
    """Returns {number of the noise: operation that draws it}."""
    found = {}
    for operation in range(side.count):
        shape = side.shapes[operation]
        # An eager loop is given its noise.
        if side.about[operation]["type"] in (*NOISE, "Placeholder") and shape:
            value = side.values[operation].reshape(shape)
            known = (n for n in range(MOST_LAYERS) if np.array_equal(noise(0, n, shape), value))
            number = next(known, None)
            if number is not None:
                found.setdefault(number, operation)
    return found


def _dropped(side: Operations, number: int, reference: Operations) -> int | None:
    """Returns the reference's operation with the numbers of which a layer drops some, or None."""
    given = [
        other
        for user in side.users[number]
        for other in side.about[user]["inputs"]
        if other != number and side.is_telling(other) and not side.is_read[other]
    ]
    given = [n for n in given if side.values[n].size == side.values[number].size]
    return lines.partner(side, given[0], reference) if given else None
