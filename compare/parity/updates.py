"""Finds what an update does otherwise than an optimizer's rule, by trying what it may be.

An optimizer that a program writes out has no constants that can be read. But from the same
gradients, the rule with one constant changed gives either the recorded weights, or other ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

EXPLAINED = 0.03  # of the difference, what a change may leave unexplained
# Values of constants between which the best is looked for.
GRIDS = {
    "beta1": (0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1),
    "beta2": (0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1),
    "momentum": (0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1),
    "decay": (0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1),
}
EPSILONS = np.logspace(-10, -1, 10)


@dataclass
class Step:
    """What one step of training is computed from.

    Attributes
    ----------
    constants : of the optimizer, such as {"learning_rate": 0.01}.
    gradients : {name: gradient}, as the optimizer is given them.
    raw : the same, as the differentiation returned them.
    rate_before : the learning rate of the step before; None if it is not known.
    """

    constants: dict[str, float]
    gradients: dict[str, np.ndarray]
    raw: dict[str, np.ndarray]
    rate_before: float | None = None


@dataclass
class Change:
    """A way in which an update may differ from the rule.

    Attributes
    ----------
    constants : of the optimizer, that have other values.
    counted : how many steps more the bias correction counts.
    rest : names of other changes: see `_adam` and `_momentum`.
    """

    constants: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    rest: tuple[str, ...] = ()


def _adam(c, change, t, g, m, v):
    beta1, beta2, epsilon = c["beta1"], c["beta2"], c["epsilon"]
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    rate = c["learning_rate"]
    if "no bias correction" not in change.rest:
        t += change.counted
        rate *= np.sqrt(1 - beta2**t) / (1 - beta1**t) if t and beta1 < 1 else np.inf
    root = np.sqrt(v + epsilon) if "inside" in change.rest else np.sqrt(v) + epsilon
    return -rate * m / root, m, v


def _momentum(c, change, t, g, accumulator):
    momentum, rate = c["momentum"], c["learning_rate"]
    dampened = 1 - momentum if "dampened" in change.rest else 1
    accumulator = momentum * accumulator + dampened * g
    if bool(c.get("nesterov")) != ("nesterov" in change.rest):
        return -rate * (g + momentum * accumulator), accumulator
    return -rate * accumulator, accumulator


def _sgd(c, change, t, g):
    return (-c["learning_rate"] * g,)


def _rmsprop(c, change, t, g, square, moment):
    square = c["decay"] * square + (1 - c["decay"]) * g * g
    outside = np.sqrt(square) + c["epsilon"]
    root = outside if "outside" in change.rest else np.sqrt(square + c["epsilon"])
    moment = c.get("momentum", 0) * moment + c["learning_rate"] * g / root
    return -moment, square, moment


def _adagrad(c, change, t, g, square):
    square = square + g * g
    return -c["learning_rate"] * g / np.sqrt(square + c.get("epsilon", 0)), square


# Kind -> the rule, what its slots hold (see `mapping.SLOTS`), and with what they start.
RULES = {
    "Adam": (_adam, ("first moment", "second moment"), (0, 0)),
    "Momentum": (_momentum, ("Momentum's accumulator",), (0,)),
    "SGD": (_sgd, (), ()),
    "RMSProp": (_rmsprop, ("mean square", "RMSProp's momentum"), (1, 0)),
    "Adagrad": (_adagrad, ("accumulator",), (0.1,)),
}
NEEDED = {
    "Adam": {"learning_rate", "beta1", "beta2", "epsilon"},
    "Momentum": {"learning_rate", "momentum"},
    "RMSProp": {"learning_rate", "decay", "epsilon"},
}
WORDS = {
    "no bias correction": "without the bias correction",
    "inside": "with epsilon under the square root",
    "outside": "with epsilon beside the square root",
    "dampened": "with the gradient times 1 - momentum in the accumulator",
}

VELOCITY = (
    "it keeps the old rate in its velocity since the learning rate changed (from {before:.4g} to "
    "{now:.4g}): it multiplies each gradient by the rate before it adds it, as Keras's SGD does, "
    "where TensorFlow 1's MomentumOptimizer multiplies the whole accumulator by the new rate"
)


def explain(
    kind: str, steps: list[Step], first: int, slots: dict, updates: list[dict[str, np.ndarray]]
) -> str | None:
    """Returns what an update does otherwise than an optimizer's rule, or None if it is not known.

    Parameters
    ----------
    kind : of the optimizer whose rule it should follow.
    steps : the steps from the first one on whose slots are known, to the last that is judged. At
        the first step alone, epsilon and beta2, or the rate and the counter, look the same.
    first : the number of the first of `steps`.
    slots : {(name, slot's kind): value before the first step}.
    updates : of each judged step {name: what it added to a weight}.
    """
    if kind not in RULES or not NEEDED.get(kind, {"learning_rate"}) <= set(steps[-1].constants):
        return None
    names = list(updates[0])
    given = np.concatenate([step[name].reshape(-1) for name in names for step in updates])

    def made(change: Change, is_raw=False) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = _simulated(kind, steps, first, slots, names, change, is_raw)
        return np.concatenate([part for row in found for part in row[-len(updates) :]])

    right = made(Change())
    apart = np.linalg.norm(given - right)
    found = [
        (np.linalg.norm(given - value) / apart, text)
        for value, text in _trials(kind, steps, given, made)
        if np.isfinite(value).all()
    ]
    least = min(rest for rest, _ in found)
    return next(text for rest, text in found if rest <= 1.5 * least) if least < EXPLAINED else None


def _simulated(kind, steps, first, slots, names, change, is_raw) -> list[list[np.ndarray]]:
    """Returns of each weight the updates of the steps, flat."""
    rule, kinds, starts = RULES[kind]
    found = []
    for name in names:
        parts = []
        state = [slots.get((name, slot), start) for slot, start in zip(kinds, starts)]
        for number, step in enumerate(steps, first):
            gradient = (step.raw if is_raw else step.gradients)[name]
            update, *state = rule(
                {**step.constants, **change.constants}, change, number, gradient, *state
            )
            parts.append(np.broadcast_to(update, gradient.shape).reshape(-1))
        found.append(parts)
    return found


def _trials(kind: str, steps, given, made: Callable) -> Iterator[tuple[np.ndarray, str]]:
    """Yields updates, each with the words for what is changed in it, the simplest first."""
    constants, rate_before = steps[-1].constants, steps[-1].rate_before
    if kind == "Momentum" and rate_before and rate_before != constants["learning_rate"]:
        rate = constants["learning_rate"]
        kept = Change({"momentum": constants["momentum"] * rate_before / rate})
        yield made(kept), VELOCITY.format(before=rate_before, now=rate)
    right = made(Change())
    factor = float(np.vdot(right, given) / np.vdot(right, right))
    yield factor * right, f"the update is {factor:.6g} times that of the rule: the learning rate"
    raw = made(Change(), is_raw=True)
    yield raw, "its gradients are not clipped"
    for name, grid in {**GRIDS, "epsilon": EPSILONS}.items():
        if name not in constants:
            continue
        value = _best(lambda x, name=name: made(Change({name: x})), given, grid, name == "epsilon")
        text = f"{name} is {value:.4g}, and {constants[name]:.4g} in the other program"
        yield made(Change({name: value})), text
    if kind == "Adam":
        for counted in (-1, 1):
            more = "more" if counted > 0 else "less"
            text = (
                f"its bias correction counts one step {more} (the counter starts at another number)"
            )
            yield made(Change(counted=counted)), text
    for name, text in WORDS.items():
        yield made(Change(rest=(name,))), f"it is computed {text}"
    text = "with" if not constants.get("nesterov") else "without"
    yield (
        made(Change(rest=("nesterov",))),
        f"it is computed {text} Nesterov's look-ahead (nesterov)",
    )


def _best(made: Callable, given: np.ndarray, grid, is_logarithmic: bool) -> float:
    """Returns the value of a constant that comes nearest to what is given."""

    def away(value):
        found = np.linalg.norm(made(value) - given)
        return found if np.isfinite(found) else np.inf

    grid = list(grid)
    nearest = min(range(len(grid)), key=lambda number: away(grid[number]))
    low, high = grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)]
    for _ in range(60):
        if is_logarithmic:
            third = (high / low) ** (1 / 3)
            a, b = low * third, high / third
        else:
            a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if away(a) <= away(b) else (a, high)
    return (low * high) ** 0.5 if is_logarithmic else (low + high) / 2
