"""Finds what an update does otherwise than an optimizer's rule, by trying what it may be.

An optimizer that a program writes out has no constants that can be read. But from the same
gradients, the rule with one change gives either the recorded weights, or other ones; and so do the
rules of other optimizers.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

EXPLAINED = 0.03  # of the difference, what a change may leave unexplained
NEAR = 1e-4  # of 1, a factor that may be rounding
SAME_CLIP = 0.01  # relative difference of gradients up to which two clips are the same
FEW = 8  # numbers of which a factor of its own for each step is no evidence
MOST_NUMBERS = 20_000  # of the weights; of larger ones a sample is enough
# Values of constants between which the best is looked for.
SHARES = (0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1)
GRIDS = {
    "beta1": SHARES,
    "beta2": (0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1),
    "momentum": SHARES,
    "decay": SHARES,
}
MOST = 0.9999  # of a share; a mean square of more than that stays as it starts
EPSILONS = np.logspace(-10, -1, 10)
STARTS = (0, 0.05, 0.1, 0.5, 1, 2, 10)
DECAYS = np.logspace(-7, 0, 15)  # what of a weight is added to its gradient
LIMITS = np.logspace(-3, 0, 10)  # of clipped gradients, beside the largest


@dataclass
class Step:
    """What one step of training is computed from.

    Attributes
    ----------
    constants : of the optimizer, such as {"learning_rate": 0.01}.
    gradients : {name: gradient}, as the optimizer is given them.
    raw : the same, as the differentiation returned them.
    rate_before : the learning rate of the step before; None if it is not known.
    weights : {name: weight before the step}; None if it is not known.
    """

    constants: dict[str, float]
    gradients: dict[str, np.ndarray]
    raw: dict[str, np.ndarray]
    rate_before: float | None = None
    weights: dict[str, np.ndarray] | None = None


@dataclass
class Change:
    """A way in which an update may differ from the rule.

    Attributes
    ----------
    constants : of the optimizer, that have other values.
    counted : how many steps more the bias correction counts.
    rest : names of other changes: see WORDS.
    start : what the first slot starts with; None as in the rule.
    """

    constants: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    rest: tuple[str, ...] = ()
    start: float | None = None

    def switches(self, name: str, constants: dict[str, float]) -> bool:
        """Says whether an option is on: that of the constants, or with a change the other."""
        return bool(constants.get(name)) != (name in self.rest)


def _adam(c, change, t, g, m, v, largest):
    beta1, beta2, epsilon = c["beta1"], c["beta2"], c["epsilon"]
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    largest = np.maximum(largest, v)
    t += change.counted
    first = 1 - beta1**t if t and beta1 < 1 else 0.0
    second = np.sqrt(1 - beta2**t) if t else 0.0
    rate = c["learning_rate"]
    if "no bias correction" not in change.rest:
        rate *= 1 if "first alone" in change.rest else second
        rate /= 1 if "second alone" in change.rest else first or np.nan
    used = largest if change.switches("amsgrad", c) else v
    if "inside" in change.rest:
        root = np.sqrt(used + epsilon)
    else:
        root = np.sqrt(used) + epsilon * (second if "corrected" in change.rest else 1)
    moved = beta1 * m + (1 - beta1) * g if change.switches("nesterov", c) else m
    return -rate * moved / root, m, v, largest


def _momentum(c, change, t, g, accumulator):
    momentum, rate = c["momentum"], c["learning_rate"]
    if "velocity" in change.rest:
        accumulator = momentum * accumulator + rate * g
        return -accumulator, accumulator
    dampened = 1 - momentum if "dampened" in change.rest else 1
    accumulator = momentum * accumulator + dampened * g
    if change.switches("nesterov", c):
        return -rate * (g + momentum * accumulator), accumulator
    return -rate * accumulator, accumulator


def _sgd(c, change, t, g):
    return (-c["learning_rate"] * g,)


def _rmsprop(c, change, t, g, square, moment, mean):
    old = square
    square = c["decay"] * square + (1 - c["decay"]) * g * g
    mean = c["decay"] * mean + (1 - c["decay"]) * g
    used = old if "late" in change.rest else square
    used = used - mean * mean if change.switches("centered", c) else used
    outside = np.sqrt(used) + c["epsilon"]
    root = outside if "outside" in change.rest else np.sqrt(used + c["epsilon"])
    moment = c.get("momentum", 0) * moment + c["learning_rate"] * g / root
    return -moment, square, moment, mean


def _adagrad(c, change, t, g, square):
    old, epsilon = square, c.get("epsilon", 0)
    square = square + g * g
    used = old if "late" in change.rest else square
    if "no root" in change.rest:
        return -c["learning_rate"] * g / (used + epsilon), square
    root = np.sqrt(used) + epsilon if "outside" in change.rest else np.sqrt(used + epsilon)
    return -c["learning_rate"] * g / root, square


# Kind -> the rule, what its slots hold (see `mapping.SLOTS`), and with what they start.
RULES = {
    "SGD": (_sgd, (), ()),
    "Momentum": (_momentum, ("Momentum's accumulator",), (0,)),
    "Adam": (_adam, ("first moment", "second moment", "largest second moment"), (0, 0, 0)),
    "RMSProp": (_rmsprop, ("mean square", "RMSProp's momentum", "mean gradient"), (1, 0, 0)),
    "Adagrad": (_adagrad, ("accumulator",), (0.1,)),
}
NEEDED = {
    "Adam": {"learning_rate", "beta1", "beta2", "epsilon"},
    "Momentum": {"learning_rate", "momentum"},
    "RMSProp": {"learning_rate", "decay", "epsilon"},
}
WORDS = {
    "Momentum": {"dampened": "with the gradient times 1 - momentum in the accumulator"},
    "Adam": {
        "no bias correction": "without the bias correction",
        "first alone": "with the bias correction of the first moment alone",
        "second alone": "with the bias correction of the second moment alone",
        "inside": "with epsilon under the square root",
        "amsgrad": "{} the largest second moment so far (amsgrad)",
    },
    "RMSProp": {
        "outside": "with epsilon beside the square root",
        "centered": "{} the mean of the gradients subtracted (centered)",
        "late": "with the mean square of the step before",
    },
    "Adagrad": {
        "no root": "without the square root",
        "late": "with the accumulator of the step before",
    },
}
NESTEROV = {"nesterov": "{} Nesterov's look-ahead (nesterov)"}
# Where epsilon may stand otherwise than in the rule, whatever its value.
PLACES = {
    "Adam": {
        "corrected": "beside the root of the corrected second moment, as in PyTorch",
        "inside": "under the square root",
    },
    "RMSProp": {"outside": "beside the square root"},
    "Adagrad": {"": "under the square root", "outside": "beside the square root"},
}
# Other optimizers as programs write them out: kind, constants, what the first slot starts with, and
# changes of the rule.
OTHERS = [
    ("SGD", {}, None, ()),
    ("Momentum", {"momentum": 0.9}, None, ()),
    ("Momentum", {"momentum": 0.9}, None, ("nesterov",)),
    ("Adam", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}, None, ()),
    ("Adam", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}, None, ()),
    ("Adagrad", {"epsilon": 0}, 0.1, ()),
    ("Adagrad", {"epsilon": 1e-7}, 0, ()),
    ("RMSProp", {"decay": 0.9, "epsilon": 1e-7}, 0, ()),
    ("RMSProp", {"decay": 0.9, "epsilon": 1e-10}, 0, ()),
    ("RMSProp", {"decay": 0.9, "epsilon": 1e-10}, 1, ()),
]
SEARCHED = {"Momentum": "momentum", "RMSProp": "decay"}  # of their constants

RATE = "times that of the rule"
CLIPPED = "its gradients are clipped"
VELOCITY = (
    "it keeps the old rate in its velocity since the learning rate changed (from {before:.4g} to "
    "{now:.4g}): it multiplies each gradient by the rate before it adds it, as Keras's SGD does, "
    "where TensorFlow 1's MomentumOptimizer multiplies the whole accumulator by the new rate"
)


def explain(
    kind: str, steps: list[Step], first: int, slots: dict, updates: list[dict[str, np.ndarray]]
) -> str | None:
    """Returns whose rule an update follows, with which change, or None if it is not known.

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
    case = _Case(kind, steps, first, slots, updates)
    apart = np.linalg.norm(case.updates - case.made())
    found = [
        (np.linalg.norm(case.updates - value) / apart, text)
        for value, text in _trials(case)
        if np.isfinite(value).all()
    ]
    least = min((rest for rest, _ in found), default=np.inf)
    if least > EXPLAINED / 10:
        value, text = _rates(case)
        if np.linalg.norm(case.updates - value) / apart < min(least, EXPLAINED) / 10:
            return f"that of {case.kind}, but {text}"
    return next(text for rest, text in found if rest <= 1.5 * least) if least < EXPLAINED else None


class _Case:
    """What an update is computed from: all numbers of the judged weights in one row a step.

    Attributes
    ----------
    updates : of the judged steps, one behind the other.
    raw, given : of each step the gradients, differentiated and as the optimizer gets them.
    norms : of each step the norms of the differentiated gradients, of each number's weight.
    all_norms : of each step their global norm.
    """

    def __init__(self, kind, steps, first, slots, updates):
        names = list(updates[0])
        self.kind, self.steps, self.first, self.count = kind, steps, first, len(updates)
        every = -(-sum(updates[0][name].size for name in names) // MOST_NUMBERS)

        def row(arrays):
            return np.concatenate([arrays[name].reshape(-1)[::every] for name in names])

        self.updates = np.concatenate([row(update) for update in updates])
        self.raw = [row(step.raw) for step in steps]
        self.given = [row(step.gradients) for step in steps]
        self.weights = None
        if all(step.weights for step in steps):
            self.weights = [row(step.weights) for step in steps]
        norms = [{name: np.linalg.norm(a) for name, a in step.raw.items()} for step in steps]
        self.all_norms = [np.linalg.norm(list(each.values())) for each in norms]
        like = updates[0]
        self.norms = [
            row({name: np.full(like[name].shape, each[name]) for name in names}) for each in norms
        ]
        self.slots = {}
        for slot in RULES[kind][1]:
            if all((name, slot) in slots for name in names):
                self.slots[slot] = row({name: slots[name, slot] for name in names})

    def made(self, change: Change | None = None, gradients=None, kind: str = "") -> np.ndarray:
        """Returns the updates of the judged steps by a rule, that of `kind` or its own."""
        change = change or Change()
        rule, slots, starts = RULES[kind or self.kind]
        known = {} if kind else self.slots
        if change.start is not None:
            known, starts = {}, (change.start, *starts[1:])
        state = [known.get(slot, start) for slot, start in zip(slots, starts)]
        if "velocity" in change.rest:
            state = [state[0] * (self.steps[0].rate_before or 0)]
        found = []
        with np.errstate(all="ignore"):
            for number, (step, g) in enumerate(zip(self.steps, gradients or self.given)):
                own = step.constants  # of which another rule has the learning rate alone
                own = {"learning_rate": own["learning_rate"]} if kind else own
                constants = {**own, **change.constants}
                update, *state = rule(constants, change, self.first + number, g, *state)
                found.append(np.broadcast_to(update, g.shape))
        return np.concatenate(found[-self.count :])

    def best(self, made: Callable, grid, is_logarithmic=False) -> float:
        """Returns the value with which `made` comes nearest to the updates."""

        def away(value):
            found = np.linalg.norm(made(value) - self.updates)
            return found if np.isfinite(found) else np.inf

        grid = list(grid)
        nearest = min(range(len(grid)), key=lambda number: away(grid[number]))
        low, high = grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)]
        for _ in range(50):
            if is_logarithmic:
                third = (high / low) ** (1 / 3)
                a, b = low * third, high / third
            else:
                a, b = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, b) if away(a) <= away(b) else (a, high)
        return (low * high) ** 0.5 if is_logarithmic else (low + high) / 2

    def are_given(self, gradients: list[np.ndarray]) -> bool:
        """Says whether gradients are those that the rule's own program gives to its optimizer."""
        return all(
            np.linalg.norm(g - own) <= SAME_CLIP * np.linalg.norm(own)
            for g, own in zip(gradients, self.given)
        )

    def factor(self, value: np.ndarray) -> float:
        """Returns by how much `value` has to be multiplied to come nearest to the updates."""
        square = np.vdot(value, value)
        return float(np.vdot(value, self.updates) / square) if square > 0 else 0.0


def _rates(case: _Case) -> tuple[np.ndarray, str]:
    """Returns updates with a factor for each judged step, as of a schedule that is shifted."""
    made = np.split(case.made(), case.count)
    moves = np.split(case.updates, case.count)
    with np.errstate(all="ignore"):
        factors = [np.vdot(a, b) / np.vdot(a, a) for a, b in zip(made, moves)]
    if made[0].size < FEW:  # of these any update may be a multiple
        return np.full(case.updates.shape, np.inf), ""
    value = np.concatenate([factor * each for factor, each in zip(factors, made)])
    later = ", ".join(f"{factor:.4g}" for factor in factors[1:])
    return value, _with_rate(case, factors[0], f" (later {later} times)" * bool(later))


def _with_rate(case: _Case, factor: float, also: str = "") -> str:
    rate = case.steps[-case.count].constants["learning_rate"]
    text = f"the update is {factor:.6g} {RATE}{also}: the learning rate"
    if case.kind in ("SGD", "Momentum"):
        text += " or a factor of the gradients"
    return f"{text}, as with a rate of {factor * rate:.4g} in place of {rate:.4g}"


def _trials(case: _Case) -> Iterator[tuple[np.ndarray, str]]:
    """Yields updates, each with the words for whose they are, the simplest first."""
    for value, text in _changes(case):
        yield value, f"that of {case.kind}, but {text}"
    yield from _other_rules(case)


def _changes(case: _Case) -> Iterator[tuple[np.ndarray, str]]:
    """Yields updates by the rule with one change, each with the words for it."""
    kind, constants = case.kind, case.steps[-1].constants
    rates = [step.constants["learning_rate"] for step in case.steps]
    rates = [case.steps[0].rate_before or rates[0], *rates]
    changed = [pair for pair in itertools.pairwise(rates) if pair[0] != pair[1]]
    if kind == "Momentum" and changed:
        before, now = changed[-1]
        yield case.made(Change(rest=("velocity",))), VELOCITY.format(before=before, now=now)
    factor = case.factor(case.made())
    if abs(factor - 1) > NEAR:
        yield factor * case.made(), _with_rate(case, factor)
    yield case.made(gradients=case.raw), "its gradients are not clipped"
    yield from _constants(case, constants)
    if kind == "Adam":
        exchanged = {"beta1": constants["beta2"], "beta2": constants["beta1"]}
        yield case.made(Change(exchanged)), "beta1 and beta2 are exchanged"
        for counted in (-1, 1):
            more = "more" if counted > 0 else "less"
            text = f"its bias correction counts one step {more} (the counter starts at another "
            yield case.made(Change(counted=counted)), text + "number)"
    words = {**WORDS.get(kind, {}), **(NESTEROV if kind in ("Adam", "Momentum") else {})}
    for name, text in words.items():
        text = text.format("with" if not constants.get(name) else "without")
        yield case.made(Change(rest=(name,))), f"it is computed {text}"
    yield from _starts_and_places(case)
    yield from _other_gradients(case)


def _constants(case, constants):
    for name, grid in {**GRIDS, "epsilon": EPSILONS}.items():
        if name not in constants:
            continue
        is_epsilon = name == "epsilon"
        value = case.best(lambda x, name=name: case.made(Change({name: x})), grid, is_epsilon)
        if name == "decay" and value > MOST:
            continue
        shown = f"{value:.4g}" if is_epsilon else _shown(value)
        text = f"{name} is {shown}, and {constants[name]:.4g} in the other program"
        yield case.made(Change({name: value})), text


def _starts_and_places(case):
    """The first slot starts at another number, or epsilon stands at another place."""
    if case.kind in ("RMSProp", "Adagrad"):
        slot = RULES[case.kind][1][0]
        start = case.best(lambda x: case.made(Change(start=x)), STARTS)
        usual = np.mean(case.slots.get(slot, RULES[case.kind][2][0]))
        text = f"its {slot} starts at {_shown(start)}, and at {usual:.4g} in the other program"
        yield case.made(Change(start=start)), text
    for name, text in PLACES.get(case.kind, {}).items():

        def made(x, name=name):
            return case.made(Change({"epsilon": x}, rest=(name,)))

        value = case.best(made, EPSILONS, True)
        yield made(value), f"it has an epsilon of {value:.4g} {text}"


def _other_gradients(case):
    """The gradients are changed on the way to the update, in a way that is written out, too."""
    if case.weights:

        def coupled(x):
            pairs = zip(case.given, case.weights)
            return case.made(gradients=[g + x * w for g, w in pairs])

        value = case.best(coupled, DECAYS, True)
        text = f"{value:.4g} times the weight is added to each gradient (a decay, or L2)"
        yield coupled(value), text

    def by_value(x):
        return [np.clip(g, -x, x) for g in case.raw]

    def by_norm(x):
        pairs = zip(case.raw, case.norms)
        return [g * np.minimum(1, x / (n + 1e-30)) for g, n in pairs]

    def by_global_norm(x):
        pairs = zip(case.raw, case.all_norms)
        return [g * min(1, x / (n + 1e-30)) for g, n in pairs]

    def to_global_norm(x):
        pairs = zip(case.raw, case.all_norms)
        return [g * x / (n + 1e-30) for g, n in pairs]

    largest = max(np.abs(g).max() for g in case.raw), max(n.max() for n in case.norms)
    for clipped, most, text in (
        (by_value, largest[0], "by value, to"),
        (by_norm, largest[1], "each by its own norm, to"),
        (by_global_norm, max(case.all_norms), "by their global norm, to"),
        (to_global_norm, 100 * max(case.all_norms), "so that small ones grow, too: to a norm of"),
    ):

        def made(x, clipped=clipped):
            return case.made(gradients=clipped(x))

        limit = case.best(made, LIMITS * most, True) if most > 0 else 1.0
        if not case.are_given(clipped(limit)):
            yield made(limit), f"{CLIPPED} {text} {limit:.4g}"


def _other_rules(case: _Case) -> Iterator[tuple[np.ndarray, str]]:
    """Yields the updates of other optimizers, if their slots' first values are known."""
    for kind, constants, start, rest in OTHERS:
        if kind == case.kind or (kind != "SGD" and case.first != 1):
            continue
        name, found = SEARCHED.get(kind), dict(constants)
        made = _with_best_rate(case, kind, constants, start, rest)
        if name:
            found[name] = case.best(lambda x, made=made, name=name: made({name: x})[0], SHARES)
        value, rate = made(found)
        text = f"that of {kind}{' with nesterov' if rest else ''}, with a learning rate of "
        text += f"{rate:.4g}" + (f" and a {name} of {_shown(found[name])}" if name else "")
        if not name or 1e-6 < found[name] < MOST:
            yield value, f"{text}, and not that of {case.kind}"


def _with_best_rate(case, kind, constants, start, rest):
    """Returns a function from constants to another rule's updates, with the rate that fits best."""

    def made(more):
        change = Change({**constants, **more}, rest=rest, start=start)
        value = case.made(change, kind=kind)
        factor = case.factor(value) if np.isfinite(value).all() else np.nan
        return factor * value, factor * case.steps[-1].constants["learning_rate"]

    return made


def _shown(value: float) -> str:
    return "0" if abs(value) < 1e-6 else f"{value:.4g}"
