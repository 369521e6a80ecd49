"""Measures the distance of two arrays, and says whether a tolerance allows it."""

from dataclasses import dataclass

import numpy as np

from shared.trace import Recording

# For each dtype: the largest relative and the smallest absolute distance between neighbouring
# numbers. For integers it is 1.
LAST_PLACE = {
    "float64": (2.0**-52, 2.0**-1074),
    "float32": (2.0**-23, 2.0**-149),
    "float16": (2.0**-10, 2.0**-24),
    "bfloat16": (2.0**-7, 2.0**-133),
}


@dataclass(frozen=True)
class Tolerance:
    """The difference that is allowed between two numbers; none by default.

    A difference is allowed if it is at most atol + rtol * |reference|, or at most `ulp` units in
    the last place.
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
        """Says whether each element of `candidate` [...] is close enough to its reference."""
        if same_bits(reference, candidate):
            return True
        if reference.shape != candidate.shape or not self:
            return False
        absolute, bound = _absolute(reference, candidate), self.rtol * np.abs(reference)
        near = (absolute <= self.atol + bound) & np.isfinite(absolute)
        return bool(np.all(near | (ulp_distance(reference, candidate) <= self.ulp)))

    def allows_norms(self, reference: tuple, candidate: tuple, dtype: str = "float32") -> bool:
        """Says whether two tensors may be close enough, judged by digest, norm and size alone.

        If all elements are within the tolerance, the norms are within this bound. The converse
        does not hold.
        """
        (digest, norm, size), (other_digest, other_norm, other_size) = reference, candidate
        if (digest, size) == (other_digest, other_size):
            return True
        if size != other_size or not self:
            return False
        place, least = LAST_PLACE.get(dtype, (0.0, 1.0))
        relative = self.rtol + self.ulp * place + 1e-6  # the rounding of a norm
        absolute = (self.atol + self.ulp * least) * size**0.5
        if not np.isfinite([norm, other_norm]).all():
            return str(norm) == str(other_norm)
        return abs(norm - other_norm) <= absolute + relative * norm


@dataclass(frozen=True)
class Distance:
    """The distance of two tensors: the largest differences over all elements.

    Attributes
    ----------
    name : the reference's name for the tensor.
    absolute, relative, ulp : the largest difference of each kind.
    index : the element with the largest absolute difference.
    reference, candidate : the two values of that element.
    """

    name: str
    absolute: float
    relative: float
    ulp: int
    index: tuple[int, ...]
    reference: float
    candidate: float


def same_bits(reference: np.ndarray, candidate: np.ndarray) -> bool:
    """Says whether two arrays have the same shape, dtype and bytes."""
    return (reference.shape, reference.dtype, reference.tobytes()) == (
        candidate.shape,
        candidate.dtype,
        candidate.tobytes(),
    )


def as_recorded(loss: float) -> np.ndarray:
    """Returns a loss as float32 if float32 can represent it exactly, else as float64.

    A trace stores every loss as float64; the distance in the last place needs the original dtype.
    """
    with np.errstate(over="ignore"):
        single = np.float32(loss)
    return np.asarray(single if float(single) == loss else np.float64(loss))


def ulp_distance(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Returns for each element how many floating-point numbers lie between the two, uint64 [...].

    The distance between -0 and 0 is 1. For integers it is the absolute difference.
    """
    if reference.dtype != candidate.dtype:
        reference, candidate = reference.astype(np.float64), candidate.astype(np.float64)
    if reference.dtype.kind == "f":
        reference, candidate = _ordered(reference), _ordered(candidate)
    wide = np.uint64 if reference.dtype == np.uint64 else np.int64
    a, b = reference.astype(wide), candidate.astype(wide)
    with np.errstate(over="ignore"):  # it may overflow; as uint64 it is right
        return np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)


def _ordered(array: np.ndarray) -> np.ndarray:
    """Maps floating-point numbers to integers; keeps their order, neighbours stay neighbours."""
    integers = array.view(f"i{array.dtype.itemsize}").astype(np.int64)
    magnitude = integers & np.int64(2 ** (8 * array.dtype.itemsize - 1) - 1)
    return np.where(integers < 0, ~magnitude, integers)


def _absolute(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Returns |candidate - reference| as float64; infinite if only one of the two is NaN."""
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = np.abs(b - a)
    is_same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(is_same, 0, np.where(np.isnan(difference), np.inf, difference))


def distances(
    reference: Recording, candidate: Recording, step: int, pairs: dict[str, str]
) -> list[Distance]:
    """Returns the distances of all tensors that differ at a step, the largest first.

    Tensors without full values at that step are left out.
    """
    found = []
    for name, other in pairs.items():
        a, b = reference.values.get((step, name)), candidate.values.get((step, other))
        if a is not None and b is not None and a.shape == b.shape and not same_bits(a, b):
            found.append(distance(name, a, b))
    return sorted(found, key=lambda item: -item.absolute)


def distance(name: str, reference: np.ndarray, candidate: np.ndarray) -> Distance:
    """Returns the distance of two arrays of the same shape."""
    absolute = _absolute(np.atleast_1d(reference), np.atleast_1d(candidate))
    scale = np.maximum(np.abs(reference), np.abs(candidate)).reshape(absolute.shape)
    with np.errstate(all="ignore"):
        relative = np.where(absolute == 0, 0, absolute / scale)
    relative = np.where(np.isnan(relative), np.inf, relative)  # one of the two is NaN
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
