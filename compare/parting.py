"""Where two recordings part, by how much, and what that usually means."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from compare import names
from shared.console import UserError
from shared.trace import Recording

IDENTICAL = "bit-identical"
# What a unit in the last place can be of a number, at most, and where it no longer shrinks with the
# number. Of whole numbers it is 1.
LAST_PLACE = {
    "float64": (2.0**-52, 2.0**-1074),
    "float32": (2.0**-23, 2.0**-149),
    "float16": (2.0**-10, 2.0**-24),
    "bfloat16": (2.0**-7, 2.0**-133),
}


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be; by default not a bit.

    Near enough is what lies within atol + rtol * |reference|, or within `ulp` units in the last
    place.
    """

    atol: float = 0.0
    rtol: float = 0.0
    ulp: int = 0

    def __bool__(self) -> bool:
        return bool(self.atol or self.rtol or self.ulp)

    def __str__(self) -> str:
        parts = [f"--{name}={value:g}" for name, value in vars(self).items() if value]
        return " ".join(parts)

    def allows(self, reference: np.ndarray, candidate: np.ndarray) -> bool:
        """Says whether each element of `candidate` [...] is near enough to that of `reference`."""
        if same_bits(reference, candidate):
            return True
        if reference.shape != candidate.shape or not self:
            return False
        absolute, bound = _absolute(reference, candidate), self.rtol * np.abs(reference)
        near = (absolute <= self.atol + bound) & np.isfinite(absolute)
        return bool(np.all(near | (ulp_distance(reference, candidate) <= self.ulp)))

    def allows_norms(self, reference: tuple, candidate: tuple, dtype: str = "float32") -> bool:
        """Says whether two tensors can be near enough, by their digests, norms and sizes alone.

        If all elements are within the tolerance, the norms are within this bound; the converse does
        not hold.
        """
        (digest, norm, size), (other_digest, other_norm, other_size) = reference, candidate
        if (digest, size) == (other_digest, other_size):
            return True
        if size != other_size or not self:
            return False
        place, least = LAST_PLACE.get(dtype, (0.0, 1.0))
        relative = self.rtol + self.ulp * place + 1e-6  # which is what a norm may be rounded by
        absolute = (self.atol + self.ulp * least) * size**0.5
        if not np.isfinite([norm, other_norm]).all():
            return str(norm) == str(other_norm)
        return abs(norm - other_norm) <= absolute + relative * norm


@dataclass
class Parting:
    """The first step at which two recordings differ."""

    step: int
    previous: int | None  # the step recorded before it
    losses: tuple[float, float] | None  # None where they are near enough
    tensors: list[str]  # by the reference's names


@dataclass
class Verdict:
    """What is said of two recordings."""

    steps: list[int]  # that both hold
    names: dict[str, str]  # the reference's names to the candidate's, of what both hold
    tolerance: Tolerance
    parting: Parting | None = None
    faults: list[str] = field(default_factory=list)  # what could not be held against each other
    losses: int = 0  # how many steps' losses were compared
    counts: dict[str, int] = field(default_factory=dict)  # at how many steps a tensor was compared
    values: int = 0  # how many tensors were compared in full after the last step

    @property
    def is_same(self) -> bool:
        return self.parting is None and not self.faults


@dataclass(frozen=True)
class Distance:
    """How far apart a tensor is, at its worst."""

    name: str
    absolute: float
    relative: float
    ulp: int
    index: tuple[int, ...]  # where the largest absolute difference is
    reference: float  # the values there
    candidate: float


def same_bits(reference: np.ndarray, candidate: np.ndarray) -> bool:
    return (reference.shape, reference.dtype, reference.tobytes()) == (
        candidate.shape,
        candidate.dtype,
        candidate.tobytes(),
    )


def compare(
    reference: Recording, candidate: Recording, renaming: Callable, tolerance: Tolerance
) -> Verdict:
    """Holds two recordings against each other, step by step, up to where they part."""
    pairs, faults = _pair(reference, candidate, renaming)
    faults += _drop_other_forms(reference, candidate, pairs, tolerance)
    steps = sorted(set(reference.steps) & set(candidate.steps))
    if not steps:
        raise UserError("the two recorded no step in common; record both with the same --every")
    last = [recording.steps[-1] for recording in (reference, candidate)]
    if last[0] != last[1]:
        faults.append(f"the reference's last step is {last[0]}, the candidate's {last[1]}")
    verdict = Verdict(steps, pairs, tolerance, faults=faults)
    _count(verdict, reference, candidate)
    previous = None
    for step in steps:
        losses = _losses(reference, candidate, step, tolerance)
        tensors = [
            name
            for name, other in pairs.items()
            if not _near(reference, candidate, step, name, other, tolerance)
        ]
        # Where variables differ, what is made of them in evaluation says no more.
        tensors = [name for name in tensors if not is_evaluation(name)] or tensors
        if losses or tensors:
            verdict.parting = Parting(step, previous, losses, tensors)
            return verdict
        previous = step
    verdict.values = sum(
        (steps[-1], name) in reference.values and (steps[-1], other) in candidate.values
        for name, other in pairs.items()
    )
    return verdict


def is_evaluation(name: str) -> bool:
    """Says whether a name is that of what evaluation gives, recorded beside the variables."""
    return name.startswith("evaluation/")


def _count(verdict: Verdict, reference: Recording, candidate: Recording) -> None:
    """Notes what both recorded at the same steps; what they never did is a fault."""
    both = set(reference.losses) & set(candidate.losses) & set(verdict.steps)
    verdict.losses = len(both)
    if not both and (reference.losses or candidate.losses):
        verdict.faults.append("no step's loss was recorded by both")
    for name, other in verdict.names.items():
        verdict.counts[name] = sum(
            name in reference.rows[step] and other in candidate.rows[step] for step in verdict.steps
        )
    never = [name for name, count in verdict.counts.items() if not count]
    if never:
        verdict.faults.append(f"at no step was {_some(never)} recorded by both")


def _pair(
    reference: Recording, candidate: Recording, renaming: Callable
) -> tuple[dict[str, str], list[str]]:
    """Returns which name goes with which, and what is said of those that go with none."""
    held = [{name for row in side.rows.values() for name in row} for side in (reference, candidate)]
    renamed = {name: _renamed(name, renaming) for name in sorted(held[0])}
    for name, other in renamed.items():
        if list(renamed.values()).count(other) > 1:
            raise UserError(f"{name} is not the only one to become {other}; mend --map")
    pairs = {name: other for name, other in renamed.items() if other in held[1]}
    alone = [sorted(held[0] - set(pairs)), sorted(held[1] - set(pairs.values()))]
    if not pairs:
        raise UserError(
            f"no variable of the two goes by the same name: the reference has {_some(alone[0])}, "
            f"the candidate {_some(alone[1])}; --map=FILE says what became of each"
        )
    return pairs, [
        f"only the {side} has {_some(rest)}"
        for side, rest in zip(("reference", "candidate"), alone)
        if rest
    ]


def _renamed(name: str, renaming: Callable) -> str:
    """Returns what became of a name; the gradient of a variable goes by the variable's."""
    prefix = "gradients/" if name.startswith("gradients/") else ""
    stem = name[len(prefix) :]
    return prefix + (renaming(stem) or stem)


def _drop_other_forms(
    reference: Recording, candidate: Recording, pairs: dict[str, str], tolerance: Tolerance
) -> list[str]:
    """Removes from `pairs` what has another shape, or dtype, and says so of each."""
    faults = []
    for name, other in list(pairs.items()):
        forms = reference.forms[name], candidate.forms[other]
        shapes = [form.partition(" ")[2] for form in forms]
        if forms[0] != forms[1] and not (tolerance and shapes[0] == shapes[1]):
            del pairs[name]
            faults.append(f"{name} is {forms[0]} in the reference, {forms[1]} in the candidate")
    return faults


def _some(items: list[str]) -> str:
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def _losses(
    reference: Recording, candidate: Recording, step: int, tolerance: Tolerance
) -> tuple[float, float] | None:
    """Returns the losses of a step if both have one and they are not near enough."""
    if step not in reference.losses or step not in candidate.losses:
        return None
    losses = reference.losses[step], candidate.losses[step]
    arrays = [as_recorded(loss) for loss in losses]
    if np.isnan(losses).all() or tolerance.allows(*arrays):
        return None
    return losses


def as_recorded(loss: float) -> np.ndarray:
    """Returns a loss as float32, if it may have been one, for its distance in the last place."""
    with np.errstate(over="ignore"):
        single = np.float32(loss)
    return np.asarray(single if float(single) == loss else np.float64(loss))


def _near(
    reference: Recording,
    candidate: Recording,
    step: int,
    name: str,
    other: str,
    tolerance: Tolerance,
) -> bool:
    """Holds one tensor after one step to the other's: in full where both have the values."""
    values = reference.values.get((step, name)), candidate.values.get((step, other))
    if values[0] is not None and values[1] is not None:
        return tolerance.allows(*values)
    cells = reference.rows[step].get(name), candidate.rows[step].get(other)
    return None in cells or tolerance.allows_norms(*cells, reference.forms[name].split()[0])


def ulp_distance(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Returns how many floating-point numbers lie from each element to the other, uint64 [...].

    Between -0 and 0 it is 1. Integers are taken as they are.
    """
    if reference.dtype != candidate.dtype:
        reference, candidate = reference.astype(np.float64), candidate.astype(np.float64)
    if reference.dtype.kind == "f":
        reference, candidate = _ordered(reference), _ordered(candidate)
    wide = np.uint64 if reference.dtype == np.uint64 else np.int64
    a, b = reference.astype(wide), candidate.astype(wide)
    with np.errstate(over="ignore"):  # as uint64 the difference wraps round to the right one
        return np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)


def _ordered(array: np.ndarray) -> np.ndarray:
    """Returns integers in the order of the floating-point numbers whose bits they are."""
    integers = array.view(f"i{array.dtype.itemsize}").astype(np.int64)
    magnitude = integers & np.int64(2 ** (8 * array.dtype.itemsize - 1) - 1)
    return np.where(integers < 0, ~magnitude, integers)


def _absolute(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Returns |candidate - reference| as float64; infinite where just one of them is NaN."""
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = np.abs(b - a)
    is_same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(is_same, 0, np.where(np.isnan(difference), np.inf, difference))


def distances(
    reference: Recording, candidate: Recording, step: int, pairs: dict[str, str]
) -> list[Distance]:
    """Returns how far apart each tensor is that differs and has its values, the farthest first."""
    found = []
    for name, other in pairs.items():
        a, b = reference.values.get((step, name)), candidate.values.get((step, other))
        if a is not None and b is not None and a.shape == b.shape and not same_bits(a, b):
            found.append(distance(name, a, b))
    return sorted(found, key=lambda item: -item.absolute)


def distance(name: str, reference: np.ndarray, candidate: np.ndarray) -> Distance:
    """Returns how far apart two arrays of one shape are."""
    absolute = _absolute(np.atleast_1d(reference), np.atleast_1d(candidate))
    scale = np.maximum(np.abs(reference), np.abs(candidate)).reshape(absolute.shape)
    with np.errstate(all="ignore"):
        relative = np.where(absolute == 0, 0, absolute / scale)
    relative = np.where(np.isnan(relative), np.inf, relative)  # as of NaN against a number
    index = np.unravel_index(np.argmax(absolute), absolute.shape)
    at = index if np.ndim(reference) else ()
    return Distance(
        name,
        float(absolute.max()),
        float(relative.max()),
        int(ulp_distance(reference, candidate).max()),
        tuple(map(int, at)),
        float(reference[at]),
        float(candidate[at]),
    )


def moved(recording: Recording, name: str, step: int) -> bool | None:
    """Says whether a tensor has changed since the recording's first step; None if unknown."""
    first = recording.rows[recording.steps[0]].get(name)
    now = recording.rows[step].get(name)
    return None if first is None or now is None else first[0] != now[0]


def weights(pairs: Iterable[str]) -> list[str]:
    """Returns those names that are not slots, powers or counts, nor made of the variables."""
    every = [name for name in pairs if not name.startswith(("gradients/", "evaluation/"))]
    return [name for name in every if names.is_weight(name, every)]
