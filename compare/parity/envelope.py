"""Judges a candidate by the reference's own rounding: how far a disturbed reference goes.

No tolerance has to be chosen. The constants here are measured; they say what rounding can do.
"""

import re
from dataclasses import dataclass

import numpy as np

from compare.parity import mapping
from compare.parity.mapping import Mapping
from shared.trace import Recording

ENVELOPES = 30  # a candidate may be that many times as far away as the reference's own rounding
SLOTS = 30  # slots may be that many times further away than weights
ROUNDING = 5e-6  # relative difference that is never more than rounding
# The same rule of an optimizer, written in another order, rounds its updates and slots by this:
# 1 - beta2 alone, as float32, is 1.3e-5 off.
UPDATE_ROUNDING = 3e-5
# Constants that change what an optimizer does, so that not to have one is to have 0.
DECISIVE = (
    *("weight_decay", "nesterov", "amsgrad", "centered", "use_ema"),
    "gradient_accumulation_steps",
)
DISTURBANCE = 5e-7  # relative change of the initial weights, a few of their last bits
# A unit near the edge of a ReLU, or two that max-pooling chooses between, may switch with rounding:
# a step of a gradient that grows not in proportion. A larger disturbance, once forth and once back,
# meets such an edge for certain. It counts as much less as it is larger.
WIDER = 10
NEAR = 1000  # times the allowed rounding; what is farther away is no such step


@dataclass
class Parting:
    """The first step at which the candidate leaves the reference's rounding.

    Attributes
    ----------
    step : the step.
    loss : how many times the allowed rounding the loss is away; 0 if it is within.
    tensors : the same of each weight and slot outside, by the reference's names.
    """

    step: int
    loss: float
    tensors: dict[str, float]

    @property
    def is_near(self) -> bool:
        """Says whether a switch of single units might be the difference."""
        return 0 < max([self.loss, *self.tensors.values()]) < NEAR


def shrunk(reference: Recording, wider: Recording) -> Recording:
    """Returns a recording WIDER times nearer to the reference than the wider disturbed one."""

    def between(ours, theirs):
        return ours + (theirs - ours) / WIDER

    found = object.__new__(Recording)
    found.steps, found.forms = wider.steps, wider.forms
    found.losses = {
        step: between(reference.losses[step], loss)
        for step, loss in wider.losses.items()
        if step in reference.losses
    }
    found.rows = {
        step: {
            name: (digest, between(reference.rows[step][name][1], norm), size)
            for name, (digest, norm, size) in row.items()
            if name in reference.rows[step]
        }
        for step, row in wider.rows.items()
        if step in reference.rows
    }
    found.values = {
        place: between(reference.values[place].astype(np.float64), value)
        for place, value in wider.values.items()
        if place in reference.values and reference.values[place].shape == value.shape
    }
    return found


def difference(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    """Returns the norm of b - a; None if one is missing, or of another shape."""
    if a is None or b is None or a.shape != b.shape:
        return None
    return float(np.linalg.norm((b.astype(np.float64) - a).reshape(-1)))


def distance(a: Recording, b: Recording, step: int, name: str) -> float:
    """Returns the distance of a tensor: of its elements if both have them, else of the norms."""
    found = difference(a.values.get((step, name)), b.values.get((step, name)))
    if found is not None:
        return found
    cells = a.rows[step].get(name), b.rows[step].get(name)
    if None in cells or cells[0][0] == cells[1][0]:
        return 0.0
    return abs(cells[0][1] - cells[1][1])


def distance_moved(recording: Recording, step: int, name: str, first: int) -> float:
    """Returns how far a tensor is from its first value, or its norm if that is not known."""
    values = recording.values
    moved = difference(values.get((first, name)), values.get((step, name)))
    return scale(recording, step, name) if moved is None else moved


def scale(recording: Recording, step: int, name: str) -> float:
    cell = recording.rows[step].get(name)
    return cell[1] if cell else 0.0


def fused_variance(reference, candidate, found: Mapping, steps) -> dict[str, int]:
    """Returns {moving variance: n} where Keras's layer averages the biased variance, and TensorFlow
    1's fused kernel n/(n-1) times it: a difference of the libraries, not of the programs."""
    names = [
        name
        for name, other in found.weights.items()
        if mapping.role(name) == "moving variance" and other.endswith("/moving_variance")
    ]
    if not names or len(steps) < 2:
        return {}
    return unbiased(reference, candidate, *steps[:2], names) or {}


def part(reference, candidate, envelope, steps, found, fused=None) -> Parting | None:
    """Returns where the candidate leaves the reference's rounding, or None.

    Parameters
    ----------
    reference, candidate, envelope : recordings; the last a list of the reference's, disturbed.
    steps : the steps that are compared.
    found : which variable is which.
    fused : see `fused_variance`; the other moving variances have to agree.
    """
    names = [*_judged(reference, candidate, found), *found.slots]
    widest = dict.fromkeys(names, 0.0)
    widest_loss = 0.0
    for step in steps:
        outside = {}
        for name in names:
            own = max(distance(reference, other, step, name) for other in envelope)
            moved = distance_moved(reference, step, name, steps[0])
            widest[name] = max(widest[name], own + UPDATE_ROUNDING / ENVELOPES * moved)
            allowed = ENVELOPES * widest[name] + ROUNDING * scale(reference, step, name) + 1e-12
            if (
                name in found.slots and name not in found.averages
            ):  # second moments double the rounding of gradients
                allowed *= SLOTS
            if fused and name in fused:
                allowed += 2 / fused[name] * scale(reference, step, name)
            away = distance(reference, candidate, step, name) / allowed
            if not away <= 1:
                outside[name] = away
        loss = 0.0
        if step in reference.losses and step in candidate.losses:
            ours = reference.losses[step]
            own = max(abs(ours - other.losses.get(step, ours)) for other in envelope)
            widest_loss = max(widest_loss, own)
            allowed = ENVELOPES * widest_loss + ROUNDING * abs(ours) + 1e-12
            loss = abs(candidate.losses[step] - ours) / allowed
            loss = 0.0 if loss <= 1 else loss
        others = different_constants(reference, candidate, step)
        if outside or loss or others or old_rates(reference, candidate, step):
            return Parting(step, loss, outside)
    return None


def _judged(reference: Recording, candidate: Recording, found: Mapping) -> list[str]:
    """Returns the weights that have to agree: not what a program keeps by the way, such as sums of
    gradients, which it may set back at another time."""
    trained = mapping.trained(reference) | mapping.trained(candidate)
    return [
        name
        for name in found.weights
        if name in trained
        or mapping.role(name).startswith("moving")
        or not any(mapping.moves(side, name) for side in (reference, candidate))
    ]


def unbiased(
    reference: Recording, candidate: Recording, before: int, step: int, names: list[str]
) -> dict[str, int] | None:
    """Returns {moving variance: n} if one program averages n/(n-1) times the variance.

    Each layer has its own n: the examples times the positions. Those that agree within rounding
    are left out. None if another variance differs in another way, or none does.
    """
    found = {}
    for name in names:
        start, ours, theirs = (
            side.values.get((at, name))
            for side, at in ((reference, before), (reference, step), (candidate, step))
        )
        if start is None or ours is None or theirs is None:
            return None
        start, ours, theirs = (a.reshape(-1).astype(np.float64) for a in (start, ours, theirs))
        n = _unbiased(start, ours, theirs)
        if n:
            found[name] = n
        elif np.linalg.norm(theirs - ours) > 4 * ROUNDING * np.linalg.norm(ours):
            return None
    return found or None


def _unbiased(start: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> int | None:
    """With r and c after one step from s, and the momentum m, r - c = (c - m s) / (n - 1)."""
    matrix, difference = np.stack([theirs, start], 1), ours - theirs
    if not np.any(difference):
        return None
    (share, rest), *_ = np.linalg.lstsq(matrix, difference, rcond=None)
    left = np.linalg.norm(matrix @ [share, rest] - difference)
    is_plausible = 0 < abs(share) < 0.2 and 0 < -rest / share < 0.9999  # 1: another momentum
    if not is_plausible or left > 0.1 * np.linalg.norm(difference):
        return None
    # If it is the candidate that averages n/(n-1) times the variance, r - c = -(c - m s) / n.
    return round(1 / share) + 1 if share > 0 else round(-1 / share)


def constants(side: Recording, step: int) -> dict[str, float]:
    found = {}
    for (at, name), value in side.values.items():
        is_constant = name.startswith("constants/") and not name.endswith("_power")
        if at == step and is_constant and value.size == 1:
            found[name.partition("/")[2]] = float(value.reshape(()))
    return found


def kinds(constants: dict[str, float]) -> list[str]:
    """Returns the optimizers' kinds; of several of one kind, Adam and Adam_2, the kind alone."""
    return sorted({_kind(name) for name in constants})


def _kind(name: str) -> str:
    return re.sub(r"_\d+$", "", name.partition("/")[0])


def _counterpart(name: str, others: dict[str, float]) -> str:
    """Returns a constant's name in the other program, in which fewer optimizers may be told apart,
    because all of their constants are the same."""
    key = name.partition("/")[2]
    earlier = [
        other for other in others if _kind(other) == _kind(name) and other.endswith("/" + key)
    ]
    return name if name in others or not earlier else earlier[-1]


def different_constants(reference: Recording, candidate: Recording, step: int) -> list[str]:
    """Returns the optimizers' constants that differ at a step, such as "Adam/beta2 0.999 / 0.99".

    A constant that only one program has counts if it changes what the optimizer does.
    """
    ours, theirs = (constants(side, step) for side in (reference, candidate))
    if kinds(ours) != kinds(theirs):
        return []
    found = {}
    for name in [*ours, *theirs]:
        a, b = ours.get(_counterpart(name, ours)), theirs.get(_counterpart(name, theirs))
        is_decisive = name.endswith(DECISIVE) and bool(a or b)
        if None in (a, b) and not is_decisive:
            continue
        if not np.isclose(a or 0, b or 0, rtol=1e-5, atol=0):
            shown = ["none" if value is None else f"{value:.6g}" for value in (a, b)]
            found[name] = f"{name} {' / '.join(shown)}"
    return list(found.values())


def old_rates(reference: Recording, candidate: Recording, step: int) -> tuple | None:
    """Returns the rates (at the first step, now) if they differ, and the velocity of one program
    holds the rates of the past, as in Keras's SGD: another rule, even if rounding hides it."""
    sides = reference, candidate
    if not any("Momentum" in kinds(constants(side, step)) for side in sides):
        return None
    for side in sides:
        first, now = (
            constants(side, at).get("Momentum/learning_rate") for at in (side.steps[1], step)
        )
        if None not in (first, now) and first != now:
            return None if _is_velocity(reference) == _is_velocity(candidate) else (first, now)
    return None


def _is_velocity(side: Recording) -> bool:
    """Says whether a slot is the update itself at the first step, not the sum of gradients."""
    first, one = side.steps[:2]
    slots = {
        name: value
        for (at, name), value in side.values.items()
        if at == one and not name.startswith(("gradients/", "differentiated/", "inputs/"))
    }
    updates = {
        name: value - side.values[first, name]
        for name, value in slots.items()
        if f"gradients/{name}" in side.forms and (first, name) in side.values
    }
    updates = {name: update for name, update in updates.items() if np.any(update)}

    def is_a_slot(name, update):
        close = 1e-3 * abs(update).max()
        return any(
            slot.shape == update.shape and np.allclose(slot, update, rtol=1e-3, atol=close)
            for other, slot in slots.items()
            if other != name
        )

    return bool(updates) and all(is_a_slot(*item) for item in updates.items())
