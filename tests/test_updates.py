"""Tests of what parity says of an optimizer that a program writes out."""

import itertools

import numpy as np
from test_strangers import numbers

from compare.parity import envelope, evidence, mapping, updates
from shared import trace

RATE, BETA1, BETA2, EPSILON = 0.01, 0.9, 0.999, 1e-8
CONSTANTS = {"learning_rate": RATE, "beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON}
START = {"w": 0.01 * numbers(4, 3), "table": 0.01 * numbers(5, 2, seed=1)}
CLIP = 4.6  # of the global norm, which is more in two of the steps
RAW = [{name: numbers(*w.shape, seed=9 + t) for name, w in START.items()} for t in range(1, 6)]


def norm_of(gradients):
    return np.sqrt(sum(np.sum(g**2) for g in gradients.values()))


def clipped(gradients, limit=CLIP):
    factor = min(1, limit / norm_of(gradients))
    return {name: factor * g for name, g in gradients.items()}


def adam(gradients, beta2=BETA2, factors=(1,) * 5):
    """Returns all tensors after each step: the weights and their slots."""
    w = {name: value.astype(np.float64) for name, value in START.items()}
    m, v = ({name: 0.0 * value for name, value in w.items()} for _ in range(2))
    found = [dict(w)]
    for t, (each, factor) in enumerate(zip(gradients, factors), 1):
        rate = factor * RATE * np.sqrt(1 - beta2**t) / (1 - BETA1**t)
        for name, g in each.items():
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            v[name] = beta2 * v[name] + (1 - beta2) * g * g
            w[name] = w[name] - rate * m[name] / (np.sqrt(v[name]) + EPSILON)
        slots = {f"{n}/Adam{end}": s[n] for end, s in (("", m), ("_1", v)) for n in w}
        found.append({**w, **slots})
    return found


def recorded(path, steps, given, values_at, is_by_hand):
    """Records a program; of one with an optimizer's object the rows of a table that the optimizer
    is given are not known, and one that writes it out has slots of other names."""
    made = trace.Trace(str(path), values_at=values_at)
    for number, tensors in enumerate(steps):
        tensors = {n: value for n, value in tensors.items() if n in START or not is_by_hand}
        if number:
            for name, gradient in RAW[number - 1].items():
                tensors[f"differentiated/{name}"] = gradient
                if is_by_hand or name != "table":
                    tensors[f"gradients/{name}"] = given[number - 1][name]
            if not is_by_hand:
                tensors |= {f"constants/Adam/{n}": [value] for n, value in CONSTANTS.items()}
        tensors = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
        made.record(number, 1.0 if number else None, tensors)
    made.save()
    return trace.load(str(path))


def explained(tmp_path, values_at=range(6), limit=CLIP, **changes):
    """Returns why an Adam with clipped gradients and one that is written out part."""
    given = [clipped(gradients, limit) for gradients in RAW]
    sides = [
        recorded(tmp_path / "a.npz", adam(given), given, values_at, False),
        recorded(tmp_path / "b.npz", adam(given, **changes), given, values_at, True),
    ]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], list(values_at), found)
    return parting.step, evidence.explain(*sides, found, parting, [sides[0]])


def test_a_rate_that_falls_a_step_early(tmp_path):
    """A factor of the first step, which float32 makes of 1 - beta2, is no other rule."""
    factors = (1 - 7e-6, 1 - 5e-6, 1 - 5e-6, 0.7, 1)
    at, cause = explained(tmp_path, (0, 1, 3, 4, 5), factors=factors)
    assert at == 4 and cause.place == evidence.IN_SCHEDULE
    assert "as with a rate of 0.007 in place of 0.01" in cause.texts[0]
    assert "It agreed before step 4" in cause.texts[0] and "since" not in cause.texts[0]


def test_a_rate_that_differs_from_the_start_is_no_step(tmp_path):
    at, cause = explained(tmp_path, factors=(0.7,) * 5)
    assert at == 1 and "the update is 0.7 times" in cause.texts[0]
    assert "It agreed before" not in cause.texts[0]


def test_a_beta2_behind_a_clip_of_which_a_table_s_is_not_recorded(tmp_path):
    _, cause = explained(tmp_path, limit=3.0, beta2=0.99)
    assert "beta2 is 0.99, and 0.999 in the other program" in cause.texts[0]


def test_a_clip_that_is_the_program_s_own_is_no_finding():
    """Only its rounding, or a norm that counts rows twice, makes it another number."""
    given = [clipped(gradients) for gradients in RAW[:3]]
    steps = [updates.Step(CONSTANTS, own, raw) for own, raw in zip(given, RAW)]

    def said(limit):
        made = adam([clipped(gradients, limit) for gradients in RAW[:3]])
        moves = [{n: b[n] - a[n] for n in START} for a, b in itertools.pairwise(made)]
        return updates.explain("Adam", steps, 1, {}, moves)

    assert "clipped" not in (said(1.005 * CLIP) or "")
    assert "clipped by their global norm, to 3.68" in said(0.8 * CLIP)
