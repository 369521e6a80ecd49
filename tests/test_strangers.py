"""parity old.py new.py: pairs the variables, judges by the reference's rounding, finds the line."""

import difflib
import os
import re
import shlex
from types import SimpleNamespace
from typing import NamedTuple

import forks
import numpy as np
import pytest
from conftest import ROOT
from rich.console import Console

from compare.parity import (
    envelope,
    evidence,
    first_difference,
    layouts,
    lines,
    mapping,
    strangers,
    usage,
)
from compare.parity.names import Renaming
from shared import recorder, trace


def recording(path, *steps, loss=1.0):
    """Returns a recording whose step N has the tensors `steps[N]`, all in full."""
    made = trace.Trace(str(path), values_at=range(len(steps)))
    for number, tensors in enumerate(steps):
        values = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
        made.record(number, loss if number else None, values)
    made.save()
    return trace.load(str(path))


@pytest.fixture
def pair(tmp_path):
    """Returns a function that records two programs and pairs their variables."""

    def pair(ours, theirs, renaming=lambda name: None):
        sides = [recording(tmp_path / "a.npz", ours), recording(tmp_path / "b.npz", theirs)]
        return mapping.find(*sides, renaming)

    return pair


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


# Which variable is which.


def test_variables_pair_by_shape_role_and_order(pair):
    ours = {
        "c1/W": numbers(3, 4),
        "c1/b": np.zeros(4),
        "bn/beta": np.zeros(4),
        "bn/gamma": np.ones(4),
        "bn/moving_variance": np.ones(4),
        "c2/W": numbers(3, 4, seed=1),
    }
    theirs = {
        "dense/kernel": numbers(3, 4, seed=2),
        "dense/bias": np.zeros(4),
        "norm/gamma": np.ones(4),
        "norm/beta": np.zeros(4),
        "norm/moving_variance": np.ones(4),
        "dense_1/kernel": numbers(3, 4, seed=3),
    }
    assert pair(ours, theirs).weights == {
        "c1/W": "dense/kernel",
        "c1/b": "dense/bias",
        "bn/beta": "norm/beta",
        "bn/gamma": "norm/gamma",
        "bn/moving_variance": "norm/moving_variance",
        "c2/W": "dense_1/kernel",
    }


def test_slots_by_hand_do_not_take_the_place_of_unnamed_weights(pair):
    ours = {"dense/bias": np.zeros(4), "gradients/dense/bias": np.ones(4)}
    theirs = {"Variable": np.zeros(4), "gradients/Variable": np.ones(4)}
    found = pair(ours, {**theirs, "Variable_1": np.zeros(4), "Variable_2": np.zeros(4)})
    assert found.weights == {"dense/bias": "Variable"} and found.alone[0] == []


def test_averages_without_names_of_their_own_beside_slots_by_hand(pair):
    ours = {"n/gamma": np.ones(4), "gradients/n/gamma": np.ones(4)}
    ours.update({"n/moving_mean": np.zeros(4), "n/moving_variance": np.ones(4)})
    theirs = {"gamma": np.ones(4), "gradients/gamma": np.ones(4), "Variable": np.zeros(4)}
    slots = {"Variable_2": np.zeros(4), "Variable_3": np.zeros(4)}
    found = pair(ours, {**theirs, "Variable_1": np.ones(4), **slots})
    assert found.weights == {
        "n/gamma": "gamma",
        "n/moving_mean": "Variable",
        "n/moving_variance": "Variable_1",
    }
    assert found.alone == ([], list(slots))
    # Slots are no averages: no variance starts at 1.
    found = pair(ours, {**theirs, **slots})
    assert found.alone[0] == ["n/moving_mean", "n/moving_variance"]


def test_what_starts_at_the_same_number_pairs_before_the_order(pair):
    """A scale starts at 1, an offset at 0."""
    ones, zeros = np.ones(4), np.zeros(4)
    ours = {"n/gamma": ones, "n/beta": zeros, "m/gamma": ones, "m/beta": zeros}
    theirs = {"p": zeros, "q": ones, "r": zeros, "s": ones}
    weights = {"n/gamma": "q", "n/beta": "p", "m/gamma": "s", "m/beta": "r"}
    assert pair(ours, theirs).weights == weights


def test_equal_values_pair_before_the_order(pair):
    a, b = numbers(3, 4), numbers(3, 4, seed=1)
    assert pair({"x": a, "y": b}, {"p": b, "q": a}).weights == {"x": "q", "y": "p"}


def test_equal_names_pair_before_the_role(pair):
    """A bias is no offset, though both start at 0."""
    ours = {"dense/bias": np.zeros(4), "norm/offset": np.zeros(4)}
    theirs = {"net/offset": np.zeros(4), "net/dense/bias": np.zeros(4)}
    weights = {"dense/bias": "net/dense/bias", "norm/offset": "net/offset"}
    assert pair(ours, theirs).weights == weights


def test_weights_that_start_alike_pair_by_their_first_gradients(tmp_path):
    zeros, ga, gb, gc = np.zeros(4), numbers(4), numbers(4, seed=1), numbers(4, seed=2)

    def started(path, gradients):
        start = {name: zeros for name in gradients}
        given = {f"differentiated/{name}": value for name, value in gradients.items()}
        return recording(tmp_path / path, start, {**start, **given})

    ours = started("a.npz", {"a/b": ga, "b/b": gb, "c/b": gc})
    theirs = started("b.npz", {"p": gb, "q": ga, "r": gc})
    found = mapping.find(ours, theirs, lambda name: None)
    assert found.weights == {"a/b": "p", "b/b": "q", "c/b": "r"}
    mapping.exchange(ours, theirs, found)
    assert found.weights == {"a/b": "q", "b/b": "p", "c/b": "r"}
    # A gradient that is no other's stays a difference.
    found = mapping.find(ours, started("c.npz", {"p": gb, "q": 2 * ga, "r": gc}), lambda name: None)
    before = dict(found.weights)
    mapping.exchange(ours, trace.load(str(tmp_path / "c.npz")), found)
    assert found.weights == before


def test_averages_of_weights_in_another_order_than_the_weights(tmp_path):
    """Two biases start alike; an average moves where its weight moves."""
    moved = {"w": numbers(4, 3), "a": numbers(4, seed=1), "b": numbers(4, seed=2)}
    start = {"w": numbers(4, 3, seed=3), "a": np.zeros(4), "b": np.zeros(4)}
    after = {name: start[name] + moved[name] for name in start}
    given = {f"differentiated/{name}": value for name, value in moved.items()}

    def started(path, named):
        kept = {named[name]: start[name] for name in named}
        averages = {named[name]: start[name] + 0.2 * moved[name] for name in named}
        first = {**start, "slot": np.zeros(4), **kept}  # in a row with the averages
        last = {**after, **given, "slot": -moved["a"], **averages}
        return recording(tmp_path / path, first, last)

    ours = started("a.npz", {name: f"{name}/ExponentialMovingAverage" for name in start})
    theirs = started("b.npz", {"b": "Variable", "w": "Variable_1", "a": "Variable_2"})
    found = mapping.find(ours, theirs, lambda name: None)
    partners = {"w": "Variable_1", "a": "Variable_2", "b": "Variable"}
    assert found.slots == {f"{k}/ExponentialMovingAverage": v for k, v in partners.items()}


def test_a_matrix_may_be_transposed(pair):
    found = pair({"w": numbers(3, 4)}, {"kernel": numbers(4, 3)})
    assert found.weights == {"w": "kernel"} and found.transposed == ["w"]


def test_a_vector_may_be_the_kernel_of_one_unit(tmp_path):
    vector, slot = numbers(5), np.ones(5)
    sides = [
        recording(tmp_path / name, {weight: v, of_weight: s}, step(**{weight: v, of_weight: s}))
        for name, weight, of_weight, v, s in (
            ("a.npz", "u", "u/Momentum", vector, slot),
            ("b.npz", "score/kernel", "sgd/score_kernel_momentum", vector[:, None], slot[:, None]),
        )
    ]
    found = mapping.find(*sides, lambda name: None)
    assert found.weights["u"] == "score/kernel" and found.alone == ([], [])
    values = mapping.initial_values(sides[0], found)
    assert values["score/kernel"].shape == (5, 1)
    candidate = mapping.renamed(sides[1], found)
    assert candidate.values[1, "u"].shape == (5,) and candidate.forms["u"] == "float32 [5]"


CELLS = {
    "lstm": ({"kernel": (7, 16), "bias": (16,)}, (3, 16), (4, 16), (16,), layouts.split_lstm),
    "rnn": ({"kernel": (7, 4), "bias": (4,)}, (3, 4), (4, 4), (4,), layouts.split_rnn),
    "gru": (
        {
            "gates/kernel": (7, 8),
            "gates/bias": (8,),
            "candidate/kernel": (7, 4),
            "candidate/bias": (4,),
        },
        *((3, 12), (4, 12), (12,), layouts.split_gru),
    ),
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_recurrent_cell_has_another_layout(tmp_path, kind):
    shapes, *theirs, split = CELLS[kind]
    ours = {f"rnn/{name}": numbers(*shape, seed=1) for name, shape in shapes.items()}
    other = dict(zip(("kernel", "recurrent_kernel", "bias"), split(*ours.values())))
    assert [value.shape for value in other.values()] == theirs
    start = {f"l/{name}": np.zeros_like(value) for name, value in other.items()}
    other = {f"l/{name}": value for name, value in other.items()}
    sides = [recording(tmp_path / "a.npz", ours, ours)]
    sides.append(recording(tmp_path / "b.npz", start, other))
    found = mapping.find(*sides, lambda name: None)
    assert set(found.weights) == set(ours) and found.alone == ([], [])
    initial = mapping.initial_values(sides[0], found)
    assert {n: v.tobytes() for n, v in initial.items()} == {
        n: v.tobytes() for n, v in other.items()
    }
    renamed = mapping.renamed(sides[1], found)
    for name, value in ours.items():
        np.testing.assert_allclose(renamed.values[1, name], value, rtol=1e-6)
        assert renamed.forms[name] == sides[0].forms[name]


def test_a_variable_beside_a_cell_has_no_layer(pair):
    """Variables named by hand stand in no scope."""
    theirs = {"l/kernel": np.ones((3, 16)), "l/recurrent_kernel": np.ones((4, 16))}
    found = pair({"W": np.ones((3, 16))}, {**theirs, "l/bias": np.zeros(16)})
    assert found.weights == {"W": "l/kernel"} and not found.cells


def test_the_map_leaves_cells_out(tmp_path):
    """As rules they would pair tensors of another layout."""
    report = {"mapping": {"rnn/kernel": "l/kernel, l/r", "rnn/bias": "l/bias", "w": "v"}}
    strangers.write_map(str(tmp_path / "map"), {**report, "cells": ["rnn/kernel", "rnn/bias"]})
    renaming = Renaming(str(tmp_path / "map"))
    assert [renaming(name) for name in report["mapping"]] == [None, None, "v"]


def test_a_gru_with_reset_after_is_another_function(pair):
    ours = {f"rnn/{name}": np.ones(shape) for name, shape in CELLS["gru"][0].items()}
    theirs = {"kernel": np.ones((3, 12)), "recurrent_kernel": np.ones((4, 12))}
    theirs["bias"] = np.zeros((2, 12))
    found = pair(ours, {f"gru/{name}": value for name, value in theirs.items()})
    assert found.reset_after == ["gru/bias"] and not found.cells


def test_what_has_no_partner_is_told(pair):
    found = pair({"w": numbers(3, 4), "b": np.zeros(4)}, {"kernel": numbers(3, 4, seed=1)})
    assert found.weights == {"w": "kernel"} and found.alone == (["b"], [])


def test_a_layer_that_is_shared_no_more(pair):
    theirs = {f"{side}/kernel": numbers(3, 4, seed=2) for side in ("left", "right")}
    found = pair({"shared/kernel": numbers(3, 4)}, theirs)
    assert found.weights == {"shared/kernel": "left/kernel"}
    assert found.alone == ([], ["right/kernel"])


def test_a_map_decides_and_ignores(tmp_path, pair):
    (tmp_path / "map.txt").write_text("x  q\nglobal/(.*)  -\n")
    ours = {"x": numbers(2, 2), "y": numbers(2, 2, seed=1), "global/z": numbers(5)}
    theirs = {"p": numbers(2, 2, seed=2), "q": numbers(2, 2, seed=3)}
    found = pair(ours, theirs, Renaming(str(tmp_path / "map.txt")))
    assert found.weights == {"x": "q", "y": "p"} and found.alone == ([], [])


def test_slots_pair_by_what_they_hold(pair):
    ours = {"w": numbers(2, 3), "w/Adam": np.zeros((2, 3)), "w/Adam_1": np.ones((2, 3))}
    theirs = {
        "dense/kernel": numbers(2, 3, seed=1),
        "adam/dense_kernel_momentum": np.zeros((2, 3)),
        "adam/dense_kernel_velocity": np.ones((2, 3)),
    }
    assert pair(ours, theirs).slots == {
        "w/Adam": "adam/dense_kernel_momentum",
        "w/Adam_1": "adam/dense_kernel_velocity",
    }


# Why they part.

W, G = numbers(4, 3), numbers(4, 3, seed=1)


def step(weights=None, given=None, gradient=G, **more):
    """Returns the tensors of one step of plain gradient descent with the rate 0.1."""
    given = gradient if given is None else given
    weights = W - np.float32(0.1) * given if weights is None else weights
    return {"w": weights, "differentiated/w": gradient, "gradients/w": given, **more}


def explained(tmp_path, ours, theirs, losses=(1.0, 1.0), start=None):
    start = {"w": W} if start is None else start
    sides = [
        recording(tmp_path / f"{name}.npz", start, tensors, loss=loss)
        for name, tensors, loss in zip("ab", (ours, theirs), losses)
    ]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1], found)
    return evidence.explain(*sides, found, parting, [sides[0]])


def with_slot(value, name="w/RMSProp", **more):
    return step(**{name: np.full((4, 3), value) + G * G, **more})


def test_slots_that_start_at_another_number(tmp_path):
    keras = "rm_sprop/w_velocity"
    start = {"w": W}
    ours, theirs = with_slot(0.9), with_slot(0.0, keras, weights=W - G)
    sides = [
        recording(tmp_path / "a.npz", start, ours),
        recording(tmp_path / "b.npz", start, theirs),
    ]
    found = mapping.find(*sides, lambda name: None)
    assert found.slots == {"w/RMSProp": keras}
    renamed = mapping.renamed(sides[1], found)
    parting = envelope.part(sides[0], renamed, [sides[0]], [0, 1], found)
    cause = evidence.explain(sides[0], renamed, found, parting, [sides[0]])
    assert "w/RMSProp is 0.9 more in the reference" in cause.texts[0]


def test_a_velocity_that_holds_the_old_rate(tmp_path):
    def rated(rate, weights, accumulator):
        constants = {"learning_rate": rate, "momentum": 0.9}
        constants = {f"constants/Momentum/{name}": [value] for name, value in constants.items()}
        return step(weights=weights, **constants, **{"w/Momentum": accumulator * G})

    starts = [{"w": W, "w/Momentum": 0 * G}, rated(0.1, W - 0.1 * G, 1)]
    sides = [
        recording(tmp_path / f"{name}.npz", *starts, rated(0.05, weights, 1.9))
        for name, weights in (("a", W - 0.195 * G), ("b", W - 0.24 * G))
    ]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1, 2], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert "since the learning rate changed (from 0.1 to 0.05)" in cause.texts[0]


@pytest.mark.parametrize("is_keras", [True, False])
def test_a_velocity_that_holds_the_old_rate_parts_even_if_rounding_hides_it(tmp_path, is_keras):
    def rated(rate, slot):
        slots = {"w/Momentum": slot, "constants/Momentum/learning_rate": [rate]}
        return step(weights=W - np.float32(0.1) * G, **slots)

    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W}, rated(0.1, slot), rated(0.05, slot))
        for name, slot in (("a", G), ("b", np.float32(-0.1 if is_keras else 1) * G))
    ]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1, 2], found)
    assert (parting and parting.step) == (2 if is_keras else None)
    if is_keras:
        cause = evidence.explain(*sides, found, parting, [sides[0]])
        assert "since the learning rate changed (from 0.1 to 0.05)" in cause.texts[0]


# An optimizer that is written out: Adam's rule as a program would have it, changed.
ADAM = {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3, "counted": 0, "l2": 0}
ADAM.update(dict.fromkeys(("inside", "alone", "corrected"), False))
GRADIENTS = [numbers(4, 3, seed=seed) for seed in (1, 2)]


def adam(gradients=GRADIENTS, **changes):
    """Returns the weights after each step."""
    c = SimpleNamespace(**{**ADAM, **changes})
    w, m, v, found = W.astype(np.float64), 0, 0, []
    for t, g in enumerate(gradients, 1 + c.counted):
        g = g + c.l2 * w
        m, v = c.beta1 * m + (1 - c.beta1) * g, c.beta2 * v + (1 - c.beta2) * g * g
        second = np.sqrt(1 - c.beta2**t)
        rate = c.rate * (1 if c.alone else second) / (1 - c.beta1**t)
        epsilon = c.epsilon * (second if c.corrected else 1)
        w = w - rate * m / (np.sqrt(v + epsilon) if c.inside else np.sqrt(v) + epsilon)
        found.append(w)
    return found


WRITTEN_OUT = [
    ({"rate": 0.0101}, "the update is 1.01 times that of the rule: the learning rate"),
    ({"beta1": 0.89}, "beta1 is 0.89, and 0.9 in the other program"),
    ({"beta2": 0.99}, "beta2 is 0.99, and 0.999 in the other program"),
    ({"epsilon": 1e-2}, "epsilon is 0.01, and 0.001 in the other program"),
    ({"counted": 1}, "its bias correction counts one step more"),
    ({"inside": True}, "epsilon under the square root"),
    ({"beta1": 0.999, "beta2": 0.9}, "beta1 and beta2 are exchanged"),
    ({"alone": True}, "the bias correction of the first moment alone"),
    (
        {"corrected": True, "epsilon": 1e-2},
        "an epsilon of 0.01 beside the root of the corrected second moment",
    ),
    ({"l2": 0.03}, "0.03 times the weight is added to each gradient"),
    (
        {"gradients": [g * 3 for g in GRADIENTS[:1]] + GRADIENTS[1:]},
        "its gradients are not clipped",
    ),
]


@pytest.mark.parametrize(("changes", "text"), WRITTEN_OUT)
def test_a_changed_rule_that_is_written_out(tmp_path, changes, text):
    constants = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3}
    constants = {f"constants/Adam/{name}": [value] for name, value in constants.items()}
    made = changes.get("gradients", GRADIENTS)

    def side(name, weights, more):
        steps = [
            step(w, given, gradient, **more) for w, given, gradient in zip(weights, GRADIENTS, made)
        ]
        return recording(tmp_path / name, {"w": W}, *steps)

    sides = [side("a.npz", adam(), constants), side("b.npz", adam(**changes), {})]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1, 2], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert "The candidate's is that of Adam, but" in cause.texts[0] and text in cause.texts[0]
    is_rate = "the learning rate" in text
    assert cause.place == (evidence.IN_SCHEDULE if is_rate else evidence.IN_OPTIMIZER)


def by(rule, slot=0.0, rate=0.1, **more):
    """Returns the weights after each of four steps by a rule."""
    w, found, slot = W.astype(np.float64), [], slot + np.zeros(W.shape)
    for t in range(1, 5):
        used, slot = rule(numbers(4, 3, seed=t), slot, **more)
        w = w - rate * used
        found.append(w)
    return found


def sgd(g, slot, most=np.inf, norm=None):
    return np.clip(g, -most, most) if norm is None else g * norm / np.linalg.norm(g), slot


def momentum(g, slot, momentum=0.9):
    slot = momentum * slot + g
    return slot, slot


def rmsprop(g, slot, outside=0.0):
    slot = 0.9 * slot + 0.1 * g * g
    return g / (np.sqrt(slot + 1e-10) + outside), slot


def adagrad(g, slot, is_late=False, is_root=True):
    used = slot if is_late else slot + g * g
    return g / (np.sqrt(used) if is_root else used), slot + g * g


MOMENTUM = "Momentum", {"momentum": 0.9}, by(momentum)
RMSPROP = "RMSProp", {"decay": 0.9, "momentum": 0, "epsilon": 1e-10}, by(rmsprop, 1.0)
ADAGRAD, SGD = ("Adagrad", {}, by(adagrad, 0.1)), ("SGD", {}, by(sgd))
RULES_BY_HAND = [
    (MOMENTUM, by(momentum, momentum=0.8), "that of Momentum, but momentum is 0.8"),
    (MOMENTUM, by(rmsprop, 0.0), "RMSProp, with a learning rate of 0.1 and a decay of 0.9, and"),
    (RMSPROP, by(rmsprop, 0.0), "its mean square starts at 0, and at 1 in the other"),
    (RMSPROP, by(rmsprop, 1.0, outside=0.05), "it has an epsilon of 0.05 beside the square root"),
    (ADAGRAD, by(adagrad, 1.0), "its accumulator starts at 1, and at 0.1 in the other"),
    (ADAGRAD, by(adagrad, 0.1, is_root=False), "without the square root"),
    (ADAGRAD, by(adagrad, 0.1, is_late=True), "with the accumulator of the step before"),
    (ADAGRAD, by(sgd, rate=0.2), "that of SGD, with a learning rate of 0.2, and not that of"),
    (SGD, by(momentum), "Momentum, with a learning rate of 0.1 and a momentum of 0.9, and not"),
    (SGD, by(adagrad, 0.1), "that of Adagrad, with a learning rate of 0.1, and not that of SGD"),
    (SGD, by(sgd, most=0.5), "that of SGD, but its gradients are clipped by value, to 0.5"),
    (SGD, by(sgd, norm=9.0), "are clipped so that small ones grow, too: to a norm of 9"),
]


@pytest.mark.parametrize(("ours", "theirs", "text"), RULES_BY_HAND)
def test_another_rule_that_is_written_out(tmp_path, ours, theirs, text):
    kind, constants, weights = ours
    constants = {"learning_rate": 0.1, **constants}
    constants = {f"constants/{kind}/{name}": [value] for name, value in constants.items()}

    def side(name, weights, more):
        gradients = [numbers(4, 3, seed=t) for t in range(1, 5)]
        steps = [step(w, gradient=g, **more) for w, g in zip(weights, gradients)]
        return recording(tmp_path / name, {"w": W}, *steps)

    sides = [side("a.npz", weights, constants), side("b.npz", theirs, {})]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], range(5), found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    place = evidence.IN_CLIPPING if "clipped" in text else evidence.IN_OPTIMIZER
    assert text in cause.texts[0] and cause.place == place


@pytest.mark.parametrize("later", [0.1, 0.0])
def test_weights_that_do_not_move_at_first(tmp_path, later):
    """A rate of 0, as of a warm-up that counts from 0, is no operation that is never run."""
    ours = [W - 0.1 * G, W - 0.2 * G]
    theirs = [W, W - later * G]
    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W}, *[step(w) for w in weights])
        for name, weights in (("a", ours), ("b", theirs))
    ]
    found = mapping.find(*sides, lambda name: None)
    cause = evidence.explain(*sides, found, envelope.Parting(1, 0.0, {"w": 9.0}), [sides[0]])
    assert ("its learning rate is 0 there" in cause.texts[0]) == bool(later)


def test_a_small_change_of_an_optimizer_that_gradients_show_first(tmp_path):
    """A decay that the rounding of the weights hides, until the gradients are others, too."""
    decay, moved = 1e-4 * W.astype(np.float64), W - 0.1 * G.astype(np.float64)

    def side(name, first, second, factor):
        other, later = {"differentiated/v": G}, {"differentiated/v": factor * numbers(4, 3, seed=2)}
        steps = step(first, v=W, **other), step(second, gradient=2 * G, v=W, **later)
        return recording(tmp_path / name, {"w": W, "v": W}, *steps)

    sides = [
        side("a.npz", moved, moved - 0.2 * G, 1.0),
        side("b.npz", moved - decay, moved - 0.2 * G - 2 * decay, 0.999),
    ]
    found = mapping.find(*sides, lambda name: None)
    cause = evidence.explain(*sides, found, envelope.Parting(2, 0.0, {"w": 9.0}), [sides[0]])
    assert "A decay of the weights differs" in cause.texts[0] and "since step 1" in cause.texts[0]


def test_sums_of_gradients_may_be_set_back_at_another_time(tmp_path):
    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W, "sum": 0 * G}, step(sum=value))
        for name, value in (("a", G), ("b", 0 * G))
    ]
    found = mapping.find(*sides, lambda name: None)
    assert found.weights["sum"] == "sum"
    assert envelope.part(*sides, [sides[0]], [0, 1], found) is None
    # The first step's sums are not what a program starts from.
    assert mapping.initial_values(sides[0], found).keys() == {"w"}


@pytest.mark.parametrize("is_of_one", [True, False])
def test_a_constraint(tmp_path, is_of_one):
    """It changes the weights of its layer alone, after the update."""
    start, moved = {"w": W, "v": 2 * W}, W - np.float32(0.1) * G
    more = {"differentiated/v": G, "gradients/v": G}
    norms = np.linalg.norm(moved, axis=0)
    other = 2 * W - 0.1 * G
    bounded = moved * np.minimum(1, norms.mean() / norms)
    ours = step(v=other, **more)
    theirs = step(bounded, v=other if is_of_one else other + numbers(4, 3, seed=5), **more)
    found = explained(tmp_path, ours, theirs, start=start)
    assert ("after a constraint" in found.texts[0]) == is_of_one
    assert found.place == (["w"] if is_of_one else (evidence.BESIDES, ["w", "v"]))


def test_an_update_that_rounds_as_its_gradient_does_tells_no_rule(tmp_path):
    """A single number fits any rule, so its rounding in an earlier step is no evidence."""

    def side(name, rounded, factor):
        w, v, slots, steps = W, np.zeros(1), [0.1, 0.1], []
        for t in (1, 2):
            given = 0.1 * t * (1 + rounded) * np.ones(1)
            used, slots[0] = adagrad(0.9 * G, slots[0])
            w = w - 0.1 * (factor if t == 2 else 1) * used
            used, slots[1] = adagrad(0.9 * given, slots[1])
            v = v - 0.1 * used
            known = {"gradients/v": 0.9 * given, "constants/Adagrad/learning_rate": [0.1]}
            more = {"v": v, "differentiated/v": given, **(known if factor == 1 else {})}
            steps.append(step(weights=w, given=0.9 * G, **more))
            if factor > 1:
                del steps[-1]["gradients/w"]
        return recording(tmp_path / name, {"w": W, "v": np.zeros(1)}, *steps)

    sides = [side("a.npz", 0.0, 1), side("b.npz", 1e-6, 2)]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1, 2], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert "the update is 2 times that of the rule" in cause.texts[0]
    assert "They differ so since" not in cause.texts[0]


def test_gradients_that_are_applied_twice(tmp_path):
    other = numbers(4, 3, seed=6)
    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W}, step(), step(W - G, gradient=gradient))
        for name, gradient in (("a", other), ("b", G))
    ]
    found = mapping.find(*sides, lambda name: None)
    cause = evidence.explain(*sides, found, envelope.Parting(2, 0.0, {"w": 9.0}), [sides[0]])
    assert "called twice for one gradient" in cause.texts[0] and cause.place == evidence.IN_STEP
    early = evidence.explain(*sides, found, envelope.Parting(1, 0.0, {"w": 9.0}), [sides[0]])
    assert early.texts == cause.texts


AVERAGE, SHADOW = "w/ExponentialMovingAverage", "Variable_7"


@pytest.mark.parametrize(
    ("moved", "text"),
    [
        (0.01, "their decay is 0.9 in the reference, their decay is 0.99 in the candidate"),
        (0.0, "they do not move in the candidate"),
    ],
)
def test_averages_of_weights(tmp_path, moved, text):
    new = W - np.float32(0.1) * G
    ours = {"w": W, AVERAGE: W}, step(**{AVERAGE: W + 0.1 * (new - W)})
    theirs = {"w": W, SHADOW: W}, step(**{SHADOW: W + moved * (new - W)})
    sides = [recording(tmp_path / "a.npz", *ours), recording(tmp_path / "b.npz", *theirs)]
    found = mapping.find(*sides, lambda name: None)
    assert found.slots == {AVERAGE: SHADOW} and found.averages == {AVERAGE: "w"}
    assert found.alone == ([], [])
    renamed = mapping.renamed(sides[1], found)
    parting = envelope.part(sides[0], renamed, [sides[0]], [0, 1], found)
    cause = evidence.explain(sides[0], renamed, found, parting, [sides[0]])
    assert text in cause.texts[0] and cause.place == (evidence.ASSIGNED, [AVERAGE])


def test_averages_of_weights_do_not_take_the_place_of_a_missing_scale(tmp_path):
    """Nor that of batch norm's moving mean, which they are called like."""
    start, moved = np.zeros(3), np.full(3, 0.1)
    means = "bn/moving_mean", "batch_norm/moving_mean"
    sides = []
    for number, trained in enumerate((["bn/beta", "bn/gamma"], ["batch_norm/beta"])):
        names = [f"{name}/ExponentialMovingAverage" for name in trained] if not number else ["avg"]
        every = [*trained, means[number], *names]
        first = {name: np.ones(3) if "gamma" in name else start for name in every}
        then = {name: value + moved for name, value in first.items()}
        then.update({f"differentiated/{name}": moved for name in trained})
        sides.append(recording(tmp_path / f"{number}.npz", first, then))
    found = mapping.find(*sides, lambda name: None)
    assert found.weights == {"bn/beta": "batch_norm/beta", means[0]: means[1]}
    assert found.alone == (["bn/gamma"], [])
    assert found.averages == {"bn/beta/ExponentialMovingAverage": "bn/beta"}


def test_averages_that_only_the_reference_keeps(tmp_path):
    sides = [
        recording(tmp_path / f"{n}.npz", {"w": W, **more}, step(**more))
        for n, more in (("a", {AVERAGE: W}), ("b", {}))
    ]
    found = mapping.find(*sides, lambda name: None)
    assert strangers._notes(sides[0], found, {}) == [strangers.NO_AVERAGES]
    assert strangers._notes(sides[1], found, {}) == []


def test_squares_of_a_row_that_is_used_twice(tmp_path):
    parts = numbers(2, 4, 3, seed=2)
    total, squares = parts.sum(0), (parts**2).sum(0)
    keras = "adam/w_velocity"
    ours = {"w": W, "w/Adam_1": 0 * W}, step(W - 1, None, total, **{"w/Adam_1": 0.1 * total**2})
    theirs = step(W - 1.1, None, total, **{keras: 0.1 * squares, "squares/w": squares})
    sides = [recording(tmp_path / "a.npz", *ours)]
    sides.append(recording(tmp_path / "b.npz", {"w": W, keras: 0 * W}, theirs))
    found = mapping.find(*sides, lambda name: None)
    renamed = mapping.renamed(sides[1], found)
    parting = envelope.part(sides[0], renamed, [sides[0]], [0, 1], found)
    cause = evidence.explain(sides[0], renamed, found, parting, [sides[0]])
    assert "not the squares of the gradients of w" in cause.texts[0]


def test_gradients_that_several_runs_sum_up(tmp_path):
    """The reference has only the sum that its optimizer is given."""
    ours, theirs = step(), step(given=4 * G)
    del ours["differentiated/w"]
    found = explained(tmp_path, ours, theirs)
    assert "all of the candidate's gradients are 4 times the reference's" in found.texts[0]
    assert found.place == evidence.IN_STEP


def test_a_gradient_that_is_stopped_in_part(tmp_path):
    more = {"v": W - np.float32(0.1) * G, "differentiated/v": G, "gradients/v": G}
    theirs = step(gradient=np.float32(0.5) * G, **more)
    found = explained(tmp_path, step(**more), theirs, start={"w": W, "v": W})
    assert "the candidate's gradients of w are 0.5 times" in found.texts[0]
    assert found.place == (evidence.STOPPED, ["w"])


def test_two_optimizers_of_one_kind(tmp_path):
    made = recorder.Recorder(trace.Trace(str(tmp_path / "t.npz")))
    for rate in (0.1, 0.2):
        made.begin([str(rate)])
        made.record({}, {}, {}, {}, {"Adam/learning_rate": np.float32(rate)}, {})
    assert made._tensors["constants/Adam_2/learning_rate"] == np.float32(0.2)
    both = {"constants/Adam/beta1": 0.5, "constants/Adam_2/beta1": 0.6}
    sides = [recording(tmp_path / f"{n}.npz", {}, step(**c)) for n, c in (("a", both), ("b", {}))]
    one = recording(tmp_path / "c.npz", {}, step(**{"constants/Adam/beta1": 0.5}))
    assert envelope.different_constants(sides[0], one, 1) == ["Adam_2/beta1 0.6 / 0.5"]


def test_what_is_assigned_after_the_update_belongs_to_the_step(tmp_path):
    made = recorder.Recorder(trace.Trace(str(tmp_path / "t.npz")))
    made.operations = recorder.OperationsFile(str(tmp_path / "operations"), 2)
    made.operations.lines["assigned"] = {}
    made.initial(lambda: {"w": W, "average": W})
    for number in (1, 2):
        made.begin(["w"])
        made.record({}, {"w": W + number, "average": W + number - 1}, {}, {}, {}, {})
        if number == 2:
            made.operations.write([{"name": "w", "type": "Mul", "line": "", "inputs": []}], [W])
        made.amend({"average": W + number})
    made.operations.lines["assigned"]["average"] = "new.py:7"
    made._refresh()
    made._trace.save()
    assert recorder.read_operations(made.operations._path)[2]["assigned"] == {"average": "new.py:7"}
    rows = trace.load(str(tmp_path / "t.npz")).rows
    assert all(rows[step]["average"] == rows[step]["w"] for step in (0, 1, 2))


X = numbers(6, 5, seed=3)
DATA = [
    (X[::-1].copy(), "holds the same examples in another order"),
    (X * 255, "is 255 times the reference's (scaling)"),
    (X * 2 - 1, "is 2 times the reference's plus -1"),
    (X[::-1] * (1 + 1e-7), "holds the same examples in another order"),
    (X[:, ::-1].copy(), "with its axes or its elements in another order"),
    (X[:5], "has 6 examples, the candidate's 5"),
    (X.astype(np.float16), "holds the same numbers with fewer digits"),
    (numbers(6, 5, seed=4), "holds other examples: 0 of 6 are in both"),
]


@pytest.mark.parametrize(("theirs", "text"), DATA)
def test_other_data(tmp_path, theirs, text):
    ours = step(**{"inputs/x": X})
    found = explained(tmp_path, ours, step(gradient=2 * G, **{"inputs/0": theirs}), (1.0, 2.0))
    assert text in found.texts[0] and found.place == evidence.IN_DATA


def test_data_may_be_scaled_in_another_order():
    assert evidence._same_numbers(X / 255, X * np.float32(1 / 255))
    assert not evidence._same_numbers(X, X.astype(np.float16).astype(np.float32))


def test_labels_may_be_numbers_or_one_hot():
    labels = np.array([2, 0, 1, 1])
    assert evidence._same_numbers(labels, np.eye(3)[labels])
    assert not evidence._same_numbers(labels, np.eye(3)[labels[::-1]])


@pytest.mark.parametrize("is_one_hot", [False, True])
def test_other_classes(tmp_path, is_one_hot):
    classes = np.array([2, 0, 1, 1, 0, 2])
    theirs = np.roll(classes, 1)
    theirs = np.eye(3)[theirs] if is_one_hot else theirs
    fed = step(**{"inputs/y": classes}), step(gradient=2 * G, **{"inputs/0": theirs})
    text = explained(tmp_path, *fed, (1.0, 2.0)).texts[0]
    assert "y holds the same examples in another order" in text
    theirs = (classes + 1) % 3
    theirs = np.eye(3)[theirs] if is_one_hot else theirs
    fed = fed[0], step(gradient=2 * G, **{"inputs/0": theirs[[0, 1, 2, 3, 4, 1]]})
    text = explained(tmp_path, *fed, (1.0, 2.0)).texts[0]
    assert "y holds other examples: 0 of 6 are the same" in text


def test_cells_of_another_kind(tmp_path):
    start = {"rnn/lstm_cell/kernel": (7, 16)}, {"gru/gru_cell/kernel": (3, 12)}
    sides = []
    for name, rows in zip("ab", start):
        values = {key: numbers(*shape) for key, shape in rows.items()}
        more = {f"differentiated/{key}": value for key, value in values.items()}
        sides.append(recording(tmp_path / f"{name}.npz", values, {**values, **more}))
    found = mapping.find(*sides, lambda name: None)
    cause = evidence.explain(*sides, found, envelope.Parting(1, 0.0, {}), [sides[0]])
    assert "the cells are of other kinds, LSTM / GRU" in cause.texts[0]


def test_a_model_that_is_called_twice_in_a_step(tmp_path):
    """Its averages move twice; only the candidate's own lines tell that from another momentum."""
    start, name = {"w": W, "bn/moving_mean": np.zeros(3)}, "bn/moving_mean"
    moved = numbers(3)
    sides = [
        recording(tmp_path / f"{n}.npz", start, step(**{name: factor * moved}))
        for n, factor in (("a", 0.1), ("b", 0.19))
    ]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert "the momentum (decay)" in cause.texts[0] and cause.place == (evidence.MOVED, [name])
    side = operations(tmp_path, "own", INPUT)
    side.lines.update(moved={name: "own.py:4"}, variables={name: "own.py:2"})
    assert strangers._locate([side, side], found, cause.place).candidate.place == "own.py:4"
    side.lines.update(moved={})  # of a layer
    assert strangers._locate([side, side], found, cause.place).candidate.place == "own.py:2"
    cause = evidence.explain(*sides, found, parting, [sides[0]], twice={name: "new.py:4"})
    assert "called twice" in cause.texts[0] and cause.place == (evidence.AGAIN, [name])
    parting = envelope.Parting(1, 9.0, {"w": 9.0, name: 9.0})  # and dropout draws other noise
    cause = evidence.explain(*sides, found, parting, [sides[0]], twice={name: "new.py:4"})
    assert "called twice" in cause.texts[0]
    side = operations(tmp_path, "new", INPUT)
    side.lines.update(twice={name: "new.py:4"}, variables={name: "new.py:2"})
    located = strangers._locate([side, side], found, cause.place)
    assert (located.reference.place, located.candidate.place) == ("new.py:2", "new.py:4")


def test_penalty(tmp_path):
    penalized = step(gradient=G + np.float32(0.02) * W)
    found = explained(tmp_path, penalized, step(), (1.1, 1.0))
    assert "minus 0.02 times the weight itself" in found.texts[0] and found.place == (
        evidence.PENALIZED,
        ["w"],
    )


def test_another_norm_as_penalty(tmp_path):
    ours = step(gradient=G + np.float32(0.02) * W)
    found = explained(tmp_path, ours, step(gradient=G + np.float32(0.01) * np.sign(W)), (1.1, 1.0))
    text = "plus 0.01 times the sign of the weight plus -0.02 times the weight itself"
    assert text in found.texts[0] and found.place == (evidence.PENALIZED, ["w"])


def test_averages_that_start_with_nothing(tmp_path):
    keras = "adam/w_average"
    sides = [
        recording(tmp_path / f"{n}.npz", {"w": W, name: value}, step(**{name: value}, **constants))
        for n, name, value, constants in (
            ("a", AVERAGE, W, {}),
            ("b", keras, 0 * W, {"constants/Adam/use_ema": 1.0}),
        )
    ]
    found = mapping.find(*sides, lambda name: None)
    assert found.averages == {AVERAGE: "w"}
    sides[1] = mapping.renamed(sides[1], found)
    parting = envelope.part(*sides, [sides[0]], [0, 1], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert "averages of the weights start at other" in cause.texts[0]
    assert cause.place == evidence.IN_OPTIMIZER


def test_sum_instead_of_mean(tmp_path):
    ours, theirs = step(**{"inputs/x": X}), step(gradient=6 * G, **{"inputs/x": X})
    found = explained(tmp_path, ours, theirs, (0.5, 3.0))
    assert "the candidate adds the losses of the 6 examples" in found.texts[0]


def test_a_program_without_recorded_gradients(tmp_path):
    """There is nothing of which the losses could be a multiple."""
    moved = {"w": W - np.float32(0.1) * G}
    found = explained(tmp_path, moved, {"w": W - np.float32(0.2) * G}, (1.0, 1.5))
    assert found.place == evidence.FORWARD_PASS and "the losses do not" in found.texts[0]


def test_not_trained(tmp_path):
    found = explained(tmp_path, step(), {"w": W})
    assert found.texts[0].startswith("w is not trained in the candidate")


CLIPPED = [
    (G * np.float32(0.3), "by the global norm, here to 0.3 times"),
    (np.clip(G, -0.4, 0.4), "by value"),
]


@pytest.mark.parametrize(("given", "text"), CLIPPED)
def test_clipping(tmp_path, given, text):
    found = explained(tmp_path, step(given=given), step())
    assert text in found.texts[0] and "/ not clipped" in found.texts[0]
    assert found.place == evidence.IN_CLIPPING


def test_clipping_whose_effect_shows_later(tmp_path):
    """Adam's first steps are the same for a gradient of any scale."""
    early = [step(), step(given=G * np.float32(0.5))]
    late = [step(W - G), step(W - 2 * G)]
    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W}, *steps)
        for name, *steps in (("a", early[0], late[0]), ("b", early[1], late[1]))
    ]
    for side in sides:  # the weights of the first step agree
        side.values[1, "w"], side.rows[1]["w"] = sides[0].values[1, "w"], sides[0].rows[1]["w"]
    found = mapping.find(*sides, lambda name: None)
    parting = envelope.part(*sides, [sides[0]], [0, 1, 2], found)
    cause = evidence.explain(*sides, found, parting, [sides[0]])
    assert parting.step == 2 and "They are so since step 1" in cause.texts[0]


def test_constants_and_optimizers(tmp_path):
    ours = step(**{"constants/Adam/epsilon": 1e-8, "constants/Adam/beta1": 0.9})
    theirs = step(**{"constants/Adam/epsilon": 1e-7, "constants/Adam/beta1": 0.9})
    assert "Adam/epsilon 1e-08 / 1e-07." in explained(tmp_path, ours, theirs).texts[0]
    rates = [step(**{"constants/Adam/learning_rate": rate}) for rate in (0.1, 0.2)]
    assert explained(tmp_path, *rates).place == "schedule/Adam"
    other = step(W - G, **{"constants/SGD/learning_rate": 1.0})
    assert "the optimizers are others: Adam / SGD" in explained(tmp_path, ours, other).texts[0]


def test_decay_besides_the_gradient(tmp_path):
    found = explained(tmp_path, step(), step(W - np.float32(0.1) * G - np.float32(0.01) * W))
    assert "minus 0.01 times the weight itself, and the gradients agree" in found.texts[0]
    # A weight that was 0 is its update: twice the update is no decay.
    moved = [step(-np.float32(rate) * G) for rate in (0.1, 0.2)]
    found = explained(tmp_path, *moved, start={"w": np.zeros_like(W)})
    assert "the weight itself" not in found.texts[0]


def test_gradients_that_are_a_millionth_larger_are_no_weight_of_the_loss(tmp_path):
    theirs = step(gradient=G * np.float32(1.00001))
    sides = [
        recording(tmp_path / f"{name}.npz", {"w": W}, tensors, loss=loss)
        for name, tensors, loss in (("a", step(), 1.0), ("b", theirs, 1.00001))
    ]
    found = mapping.find(*sides, lambda name: None)
    cause = evidence.explain(*sides, found, envelope.Parting(1, 9.0, {}), [sides[0]])
    assert "a weight of the loss" not in cause.texts[0]


def test_another_of_two_optimizers(tmp_path):
    constants = {"constants/Adam/beta1": 0.9, "constants/SGD/learning_rate": 0.1}
    found = explained(tmp_path, step(**constants), step(W - np.sign(G), **constants))
    assert "of the optimizers (Adam, SGD) another updates them" in found.texts[0]


def test_a_weight_that_does_not_move(tmp_path):
    found = explained(tmp_path, step(), step(weights=W))
    assert found.texts[0].startswith("w does not move in the candidate")


def test_no_gradient(tmp_path):
    found = explained(tmp_path, step(), step(gradient=np.zeros_like(G)))
    assert "no gradient reaches w in the candidate" in found.texts[0]


@pytest.mark.parametrize(
    ("moved", "text"),
    [
        (0.01, "each moves 0.1 times as far in the candidate: the momentum"),
        (0.0, "bn/moving_mean does not move in the candidate"),
    ],
)
def test_averages(tmp_path, moved, text):
    mean = numbers(3, seed=5)
    start = {"w": W, "bn/moving_mean": np.zeros(3)}
    ours = step(**{"bn/moving_mean": np.float32(0.1) * mean})
    theirs = step(**{"bn/moving_mean": np.float32(moved) * mean})
    assert text in explained(tmp_path, ours, theirs, start=start).texts[0]


def test_unbiased_variance(tmp_path):
    batch, start = np.abs(numbers(3, seed=6)), {"w": W, "bn/moving_variance": np.ones(3)}
    variances = [0.9 + np.float32(0.1) * batch * factor for factor in (1, 32 / 31)]
    sides = [step(**{"bn/moving_variance": value}) for value in variances]
    assert "by n/(n-1) with n of about 32" in explained(tmp_path, *sides, start=start).texts[0]


def test_each_batch_norm_has_its_own_n(tmp_path):
    start, sides = {}, [{}, {}]
    for number, n in enumerate((4096, 256)):
        name, batch = f"bn_{number}/moving_variance", 1 + np.abs(numbers(9, seed=n))
        start[name] = np.ones(9)
        for side, factor in zip(sides, (n / (n - 1), 1)):
            side[name] = 0.9 + 0.1 * batch * factor
    for number, side in enumerate(sides):
        sides[number] = recording(tmp_path / f"{number}.npz", start, side)
    found = envelope.unbiased(*sides, 0, 1, list(start))
    assert [round(n / 100) for n in found.values()] == [41, 3]


def test_a_loss_that_is_not_finite(tmp_path):
    found = explained(tmp_path, step(), step(gradient=G * np.nan), (1.0, np.nan))
    assert found.place == evidence.FROM_NAN
    assert "The loss of the candidate is not finite" in found.texts[0]


def test_a_missing_term_of_the_loss_is_not_a_frozen_variable(tmp_path):
    start = {"w": W, "v": W}
    both = {"v": W - np.float32(0.1) * G, "differentiated/v": G, "gradients/v": G}
    ours, theirs = step(**both), step(gradient=numbers(4, 3, seed=7), v=W)
    assert explained(tmp_path, ours, theirs, (2.0, 1.0), start).place == evidence.FORWARD_PASS
    assert "v is not trained" in explained(tmp_path, ours, step(v=W), start=start).texts[0]


def test_data_that_one_program_scales_in_its_graph(tmp_path):
    fed = step(**{"inputs/x": X}), step(weights=W - G, **{"inputs/x": X * 255})
    assert "data differ" not in explained(tmp_path, *fed).texts[0]
    old = operations(tmp_path, "old", ("Placeholder", 1, [], X), ("Mul", 2, [0], X * 255))
    new = operations(tmp_path, "new", ("Placeholder", 1, [], X * 255))
    assert strangers._is_scaled_inside([old, new], (X, X * 255))
    plain = operations(tmp_path, "plain", ("Placeholder", 1, [], X))
    assert not strangers._is_scaled_inside([plain, new], (X, X * 255))


def test_a_variable_that_only_the_candidate_trains(tmp_path):
    theirs = {"w": W, "v": np.zeros(7)}
    sides = [recording(tmp_path / "a.npz", {"w": W}, step())]
    more = step(v=np.ones(7), **{"differentiated/v": np.ones(7)})
    sides.append(recording(tmp_path / "b.npz", theirs, more))
    found = mapping.find(*sides, lambda name: None)
    sides[1] = mapping.renamed(sides[1], found)
    assert strangers._only_one_has(*sides, found)
    cause = evidence.explain(*sides, found, envelope.Parting(1, 0.0, {}), [sides[0]])
    assert "The reference has no counterpart of v" in cause.texts[0]


def test_slots_written_by_hand_are_no_other_shape(tmp_path):
    """What the candidate lacks is not another shape of its velocities."""
    both = {"w": W, "v": numbers(6)}
    sides = [
        recording(tmp_path / "a.npz", both, {**step(), **both, "gradients/v": numbers(6)}),
        recording(tmp_path / "b.npz", {"w": W, "Variable": numbers(7)}, step(Variable=numbers(7))),
    ]
    found = mapping.find(*sides, lambda name: None)
    assert found.alone == (["v"], ["Variable"])
    cause = evidence.explain(*sides, found, envelope.Parting(1, 0.0, {}), [sides[0]])
    assert cause.texts[0].startswith("The candidate has no counterpart of v")


def test_another_forward_pass(tmp_path):
    found = explained(tmp_path, step(), step(gradient=numbers(4, 3, seed=7)), (1.0, 1.3))
    assert found.place == evidence.FORWARD_PASS
    assert "the losses do not (1 and 1.3)" in found.texts[0]


# Within rounding.


def test_within_the_references_own_rounding(tmp_path):
    def side(name, change):
        moved = W - np.float32(0.1) * G + np.float32(change) * numbers(4, 3, seed=8)
        return recording(tmp_path / name, {"w": W}, step(moved))

    reference, disturbed = side("a.npz", 0), side("d.npz", 1e-5)
    near, far = side("n.npz", 5e-5), side("f.npz", 5e-4)
    found = mapping.find(reference, near, lambda name: None)
    assert envelope.part(reference, near, [disturbed], [0, 1], found) is None
    parting = envelope.part(reference, far, [disturbed], [0, 1], found)
    assert parting.step == 1 and 1 < parting.tensors["w"] < 3


def test_a_unit_that_rounding_switches(tmp_path):
    """Its gradient jumps, and no disturbance of the last bits need meet it."""
    switched = np.zeros((4, 3), np.float32)
    switched[0, 0] = 1e-3

    def side(name, change, switches):
        moved = W - np.float32(0.1) * G + np.float32(change) * numbers(4, 3, seed=8)
        return recording(tmp_path / name, {"w": W}, step(moved + switches * switched))

    reference, disturbed = side("a.npz", 0, False), side("d.npz", 1e-6, False)
    candidate, wider = side("c.npz", 1e-6, True), side("f.npz", 1e-5, True)
    found = mapping.find(reference, candidate, lambda name: None)
    parting = envelope.part(reference, candidate, [disturbed], [0, 1], found)
    assert parting.is_near and not envelope.Parting(1, 1.0, {"w": 1e6}).is_near
    both = [disturbed, envelope.shrunk(reference, wider)]
    assert envelope.part(reference, candidate, both, [0, 1], found) is None


# Which line.


def operations(tmp_path, name, *rows):
    """Returns the lines.Operations of rows (type, line number, inputs, value)."""
    written = recorder.OperationsFile(str(tmp_path / name), 1)
    about = [
        {"name": f"{kind}_{number}", "type": kind, "line": f"{name}.py:{line}", "inputs": inputs}
        for number, (kind, line, inputs, _) in enumerate(rows)
    ]
    written.write(about, [np.asarray(row[3]) for row in rows])
    return lines.Operations(str(tmp_path / name))


INPUT = ("Placeholder", 1, [], X)
KERNEL = numbers(5, 5, seed=9)
PRODUCT = ("MatMul", 2, [0], X @ KERNEL)


def test_weights_of_one_shape_that_are_used_in_another_order(pair, tmp_path):
    """As the shortcut of a block, which one program makes before its layers; its batch norm is
    made behind it."""
    kernels = [numbers(5, 4, seed=seed) for seed in (1, 2)]
    zeros, ones = np.zeros(4, np.float32), np.ones(4, np.float32)
    ours = {"short/kernel": kernels[0], "short/beta": zeros, "deep/kernel": kernels[1]}
    ours["deep/gamma"] = ones
    theirs = {"a/kernel": kernels[0], "a/beta": zeros, "b/kernel": kernels[1], "b/gamma": ones}
    found = pair(ours, theirs)
    reference = trace.load(str(tmp_path / "a.npz"))
    relu = np.maximum(X, 0)

    def side(name, first, second):
        read = ("ReadVariableOp", 2, [], first), ("ReadVariableOp", 2, [], second)
        rows = ("Slice", 3, [0], X[:3]), ("Relu", 3, [0], relu)
        both = ("MatMul", 4, [1, 3], X[:3] @ first), ("MatMul", 5, [2, 4], relu @ second)
        return operations(tmp_path, name, INPUT, *read, *rows, *both)

    same = side("old", *kernels), side("same", *kernels)
    assert usage.exchanged(same, found, reference) == {}
    other = side("old", *kernels), side("new", *kernels[::-1])
    assert usage.exchanged(other, found, reference) == {
        "short/kernel": "b/kernel",
        "deep/kernel": "a/kernel",
    }


def test_layers_that_draw_noise_in_another_order(tmp_path):
    drawn = [recorder.noise(0, number, (6, 5)) for number in (0, 1)]
    tensors = X, np.tanh(X)

    def side(name, order):
        rows = [INPUT, ("Tanh", 2, [0], np.tanh(X))]
        for layer, number in enumerate(order):
            rows.append(("PyFunc", 3, [], drawn[number]))
            kept = np.where(drawn[number] > 0.5, tensors[layer], 0)
            rows.append(("SelectV2", 3, [layer, len(rows) - 1], kept))
        return operations(tmp_path, name, *rows)

    assert usage.noise_order([side("old", [0, 1]), side("same", [0, 1])], []) == []
    assert usage.noise_order([side("old", [0, 1]), side("new", [1, 0])], []) == [1, 0]
    assert usage.noise_order([side("old", [0, 1]), side("back", [1, 0])], [1, 0]) == []
    corrected = side("corrected", [0, 1])
    assert usage.noise_order([side("old", [0, 1]), corrected], [1, 0]) == [1, 0]


def test_the_first_operation_that_differs(tmp_path):
    relu, tanh = np.maximum(PRODUCT[3], 0), np.tanh(PRODUCT[3])
    old = operations(
        tmp_path, "old", INPUT, PRODUCT, ("Relu", 3, [1], relu), ("Mean", 4, [2], relu.mean())
    )
    new = operations(
        tmp_path, "new", INPUT, PRODUCT, ("Tanh", 7, [1], tanh), ("Mean", 8, [2], tanh.mean())
    )
    found = lines.locate(old, new)
    assert (found.reference.place, found.reference.operation) == ("old.py:3", "Relu")
    assert (found.candidate.place, found.candidate.operation) == ("new.py:7", "Tanh")
    assert (found.agree, found.all) == (2, 2)
    assert lines.locate(old, old) is None


def test_other_operations_to_the_same_numbers_do_not_count(tmp_path):
    moved = PRODUCT[3] + 1
    old = operations(
        tmp_path, "old", INPUT, PRODUCT, ("BiasAdd", 3, [1], moved), ("Exp", 4, [2], np.exp(moved))
    )
    half = PRODUCT[3] + 0.25
    new = operations(
        tmp_path,
        "new",
        INPUT,
        PRODUCT,
        ("Add", 6, [1], half),
        ("Add", 7, [2], moved),
        ("Sqrt", 8, [3], np.sqrt(np.abs(moved))),
    )
    found = lines.locate(old, new)
    assert (found.reference.place, found.candidate.place) == ("old.py:4", "new.py:8")


def test_terms_of_a_loss_in_another_order(tmp_path):
    """A term alone has no counterpart where the other program adds the vectors first."""
    tanh, elu, square = np.tanh(PRODUCT[3]), np.where(X > 0, X, 1), PRODUCT[3] ** 2
    old = operations(
        tmp_path,
        "old",
        INPUT,
        PRODUCT,
        ("Square", 3, [1], square),
        ("Tanh", 4, [1], tanh),
        ("AddV2", 5, [2, 3], square + tanh),
        ("Mean", 5, [4], (square + tanh).mean()),
    )
    new = operations(
        tmp_path,
        "new",
        INPUT,
        PRODUCT,
        ("Square", 6, [1], square),
        ("Mean", 6, [2], square.mean()),
        ("Elu", 7, [1], elu),
        ("Mean", 8, [4], elu.mean()),
        ("AddV2", 9, [3, 5], elu.mean()),
    )
    assert lines.locate(old, new).candidate.place == "new.py:7"


def in_helper(tmp_path, name, kinds, values):
    """Returns operations that line 9 makes, which lines 3 and 4 call."""
    rows = [INPUT]
    for number, (kind, value) in enumerate(zip(kinds, values)):
        rows.append((kind, f"9 < {name}.py:{3 + number}", [number], value))
    return operations(tmp_path, name, *rows)


@pytest.mark.parametrize(
    ("ours", "theirs", "place", "inside"),
    [
        (["Conv2D", "Conv2D"], ["Conv2D", "Conv2D"], "new.py:4", "new.py:9"),
        (["Relu6", "Relu6"], ["Relu", "Relu"], "new.py:9", ""),  # in each call, seen in one
        (["Relu6", "Relu6"], ["Relu6", "Elu"], "new.py:4", "new.py:9"),
    ],
)
def test_the_call_of_a_helper_function(tmp_path, ours, theirs, place, inside):
    old = in_helper(tmp_path, "old", ours, (X + 1, np.exp(X)))
    new = in_helper(tmp_path, "new", theirs, (X + 1, np.cos(X)))
    found = lines.locate(old, new).candidate
    assert (found.place, found.inside) == (place, inside)


def test_another_operation_of_the_helpers_line_may_agree(tmp_path):
    """In the other call what stands on the line agrees, too, but not the operation that parts."""
    sides = []
    for name, function in (("old", np.tanh), ("new", np.cos)):
        rows = [INPUT]
        for line, factor in ((3, 2.0), (4, 3.0)):
            call = f"9 < {name}.py:{line}"
            rows.append(("Conv2D", call, [0], function(factor * X)))
            rows.append(("Exp", call, [0], np.exp(factor * X)))
        sides.append(operations(tmp_path, name, *rows))
    assert lines.locate(*sides).candidate.place == "new.py:9"


def test_a_layer_that_is_called_before_another(tmp_path):
    kernel, half = KERNEL, X * 0.5
    old = operations(
        tmp_path,
        "old",
        INPUT,
        ("MatMul", 2, [0], X @ kernel),
        ("Tanh", 2, [1], np.tanh(X @ kernel)),
        ("Round", 3, [2], np.round(np.tanh(X @ kernel), 1)),
    )
    place = CALLED.partition(":")[2]
    rounded = np.round(half, 1)
    rows = ("Round", place, [0], rounded), ("MatMul", 9, [1], rounded @ kernel)
    new = operations(tmp_path, "new", INPUT, *rows, ("Tanh", 9, [2], np.tanh(rounded @ kernel)))
    assert lines.locate(old, new).candidate.place == "new.py:8"
    ends = operations(tmp_path, "ends", INPUT, ("Reshape", 2, [0], X[:3]))  # only another form
    assert lines.locate(ends, new).candidate.place == "new.py:5"


def test_an_operation_that_the_candidate_lacks(tmp_path):
    absolute = np.abs(PRODUCT[3])
    old = operations(
        tmp_path,
        "old",
        INPUT,
        PRODUCT,
        ("Abs", 3, [1], absolute),
        ("Exp", 4, [2], np.exp(absolute)),
    )
    new = operations(tmp_path, "new", INPUT, PRODUCT, ("Exp", 8, [1], np.exp(PRODUCT[3])))
    found = lines.locate(old, new)
    assert (found.candidate.place, found.lacks) == ("new.py:2", "Abs")
    other = ("Neg", 7, [1], -PRODUCT[3]), ("Exp", 8, [2], np.exp(-PRODUCT[3]))
    found = lines.locate(old, operations(tmp_path, "other", INPUT, PRODUCT, *other))
    assert (found.candidate.place, found.lacks) == ("other.py:7", "")


def test_an_operation_that_draws_random_numbers(tmp_path):
    noise = numbers(6, 5, seed=5)
    old = operations(tmp_path, "old", INPUT, ("Neg", 2, [0], -X))
    random = ("RandomStandardNormal", 7, [], noise), ("AddV2", 8, [0, 1], X + noise)
    new = operations(tmp_path, "new", INPUT, *random)
    assert lines.locate(old, new).draws == "RandomStandardNormal"
    new = operations(tmp_path, "other", INPUT, ("Exp", 7, [0], np.exp(X)))
    assert lines.locate(old, new).draws == ""


def test_what_a_fused_operation_computes_inside(tmp_path):
    mean, variance = X.mean(0), X.var(0)
    fused = (X - mean) / np.sqrt(variance + 1e-3)
    other = (X - mean) / np.sqrt(variance + 1e-1)
    old = operations(tmp_path, "old", INPUT, ("FusedBatchNormV3", 3, [0], fused))
    rows = ("Mean", 5, [0], mean), ("Mean", 5, [0, 1], variance), ("Sub", 6, [0, 1], X - mean)
    root = np.sqrt(variance + 1e-1)
    new = operations(
        tmp_path, "new", INPUT, *rows, ("Sqrt", 7, [2], root), ("RealDiv", 8, [3, 4], other)
    )
    assert lines.locate(old, new).candidate.place == "new.py:7"


def test_a_loss_that_is_ready_too_early(tmp_path):
    total = X[:, 0].sum()
    data = ("Placeholder", 1, [], X[:, 0])
    old = operations(tmp_path, "old", data, ("Sum", 2, [0], total), ("RealDiv", 2, [1], total / 6))
    found = lines.end(old, operations(tmp_path, "new", data, ("Sum", 5, [0], total)))
    assert (found.candidate.place, found.lacks) == ("new.py:5", "RealDiv")
    more = ("Mul", 3, [1], 1e-5 * total), ("AddV2", 3, [1, 2], total * (1 + 1e-5))  # a small term
    old = operations(tmp_path, "two", data, ("Sum", 2, [0], total), *more)
    found = lines.end(old, operations(tmp_path, "other", data, ("Sum", 5, [0], total)))
    assert (found.reference.place, found.candidate.place) == ("two.py:3", "other.py:5")


def test_what_is_computed_for_its_shape_alone_does_not_count(tmp_path):
    """Keras makes the first step of an eager recurrent layer twice, once for its shape."""
    old = operations(tmp_path, "old", INPUT, ("Exp", 2, [0], np.exp(X)))
    rows = ("Tanh", 5, [0], np.tanh(X)), ("ZerosLike", 6, [1], 0 * X), ("Cos", 7, [0], np.cos(X))
    new = operations(tmp_path, "new", INPUT, *rows)
    assert lines.locate(old, new).candidate.place == "new.py:7"


def test_numbers_in_another_order(tmp_path):
    kernel, turned = numbers(30, 4, seed=3), X.T.reshape(1, -1)
    flat = X.reshape(1, -1)
    old = operations(
        tmp_path, "old", INPUT, ("Reshape", 2, [0], flat), ("MatMul", 3, [1], flat @ kernel)
    )
    rows = ("Transpose", 5, [0], X.T), ("Reshape", 6, [1], turned)
    weights = ("Relu", 7, [], kernel)
    new = operations(tmp_path, "new", INPUT, *rows, weights, ("MatMul", 8, [2, 3], turned @ kernel))
    assert lines.locate(old, new).candidate.place == "new.py:5"


def test_a_mask_of_large_numbers_hides_no_difference(tmp_path):
    """A score of -1e9 where a mask is 0 is rounding beside which the other scores would agree."""
    mask = X > 0
    scores, other = X @ KERNEL, np.tanh(X) @ KERNEL
    masked = [np.where(mask, each, -1e9) for each in (scores, other)]
    old = operations(
        tmp_path, "old", INPUT, ("MatMul", 2, [0], scores), ("SelectV2", 3, [1], masked[0])
    )
    rows = ("Tanh", 5, [0], np.tanh(X)), ("MatMul", 6, [1], other), ("SelectV2", 7, [2], masked[1])
    new = operations(tmp_path, "new", INPUT, *rows)
    assert lines.locate(old, new).candidate.place == "new.py:5"
    again = operations(
        tmp_path,
        "again",
        INPUT,
        ("MatMul", 2, [0], scores),
        ("SelectV2", 3, [1], np.where(mask, scores, -np.inf)),
    )
    assert lines.locate(old, again) is None


@pytest.mark.parametrize("is_reversed", [False, True])
def test_what_a_loop_gives_after_the_end_of_an_example(tmp_path, is_reversed):
    """TensorFlow 1 gives zeros there, Keras the last result: the layers agree, and not what is
    computed of another order."""
    made = numbers(4, 3, 5, seed=8)  # [time, example, units]
    ended, kept = made.copy(), made.copy()
    ended[2:, 0], kept[2:, 0] = 0, made[1, 0]
    total = ended.sum(0)
    wrong = kept[::-1] * np.arange(4.0)[:, None, None]
    stack = ("TensorArrayGatherV3", 2, [0], ended), ("Sum", 3, [1], total)
    old = operations(tmp_path, "old", INPUT, *stack)
    last = ("Mul", 6, [1], wrong) if is_reversed else ("Sum", 6, [1], total)
    more = [("Sum", 7, [2], wrong.sum(0))] if is_reversed else []
    new = operations(tmp_path, "new", INPUT, ("TensorListStack", 5, [0], kept), last, *more)
    found = lines.locate(old, new)
    assert (found and found.candidate.place) == ("new.py:6" if is_reversed else None)


def test_targets_do_not_look_like_logits(tmp_path):
    """Probabilities of two targets agree, but not the targets, which are 0.08 apart."""
    target = np.eye(5)[[0, 1, 2, 3, 4, 0]] * 0.9
    weight = ("ReadVariableOp", 9, [], KERNEL)
    logits = ("MatMul", 2, [0, 1], X @ KERNEL)
    shared = INPUT, weight, logits, ("OneHot", 3, [0], target / 0.9)
    sides = []
    for name, constant in (("old", 0.02), ("new", 0.1)):
        smooth = target + constant
        exponents = np.exp(X @ KERNEL)
        losses = -(smooth * np.log(exponents / exponents.sum(1, keepdims=True))).sum(1)
        rows = ("AddV2", 4, [3], smooth), ("SoftmaxCrossEntropyWithLogits", 5, [2, 4], losses)
        sides.append(operations(tmp_path, name, *shared, *rows))
    assert lines.locate(*sides).candidate.place == "new.py:4"


def test_the_mean_of_a_term_that_is_missing(tmp_path):
    """The sum of the term lacks it, not the sum of all terms; a weight is lacking in the latter."""
    data, penalty = ("Placeholder", 1, [], X[:, 0]), ("Sum", 3, [], 0.03127)
    total = X[:, 0].sum()
    count = ("Size", 2, [0], 6.0)
    mean = ("RealDiv", 2, [1, 2], total / 6), ("AddV2", 4, [3, 4], total / 6 + 0.03127)
    old = operations(
        tmp_path, "old", data, ("Sum", 2, [0], total), count, mean[0], penalty, mean[1]
    )
    new = operations(
        tmp_path,
        "new",
        data,
        ("Sum", 7, [0], total),
        ("Sum", 8, [], 0.03127),
        ("AddV2", 9, [1, 2], total + 0.03127),
    )
    assert lines.locate(old, new).candidate.place == "new.py:7"


def test_a_target_that_is_not_changed(tmp_path):
    target, scores = np.eye(5)[[0, 1, 2, 3, 4, 0]], X @ KERNEL
    shared = INPUT, ("OneHot", 2, [0], target), ("MatMul", 3, [0], scores)
    smooth = target * 0.9
    old = operations(
        tmp_path,
        "old",
        *shared,
        ("Mul", 4, [1], smooth),
        ("Mul", 5, [2, 3], scores * smooth),
        ("Sum", 5, [4], (scores * smooth).sum(1)),
    )
    new = operations(
        tmp_path,
        "new",
        *shared,
        ("Mul", 5, [1, 2], scores * target),
        ("Sum", 5, [3], (scores * target).sum(1)),
    )
    found = lines.locate(old, new)
    assert (found.candidate.place, found.lacks) == ("new.py:2", "Mul")


@pytest.mark.parametrize("is_given", [False, True])
def test_what_a_call_is_not_given(tmp_path, is_given):
    """As the weights of a loss: they are an argument of its call, not where it is made."""
    losses, weights = X[:, 0], np.arange(6.0)
    data = ("Placeholder", 1, [], losses), ("Placeholder", 1, [], weights)
    weighted = losses * weights
    old = operations(
        tmp_path, "old", *data, ("Mul", 3, [0, 1], weighted), ("Mean", 3, [2], weighted.mean())
    )
    place = CALLED.partition(":")[2]
    squares = ("Square", place, [0, 1] if is_given else [0], losses**2)
    new = operations(tmp_path, "new", *data, squares, ("Mean", place, [2], (losses**2).mean()))
    assert lines.locate(old, new).candidate.place == ("new.py:5" if is_given else "new.py:8")


def test_inputs_that_are_masked_instead_of_a_mask(tmp_path):
    """The call of the layer lacks the mask, although its inputs depend on it."""
    mask, place = np.array([1.0, 0.5, 1.0, 0.25, 1.0, 0.75]), CALLED.partition(":")[2]
    masked, kernel = X * mask[:, None], numbers(5, 2, seed=3)
    rows = INPUT, ("Placeholder", 1, [], mask), ("Mul", 2, [0, 1], masked)
    cell = ("While", 3, [0, 1], X @ kernel * mask[:, None] + 1)
    old = operations(tmp_path, "old", *rows, ("Sum", 2, [2], masked.sum(1)), cell)
    cell = ("While", place, [2], np.tanh(masked @ kernel))
    new = operations(tmp_path, "new", *rows, ("Sum", 2, [2], masked.sum(1)), cell)
    assert lines.locate(old, new).candidate.place == "new.py:8"


@pytest.mark.parametrize("is_exchanged", [False, True])
def test_targets_that_are_exchanged(tmp_path, is_exchanged):
    total, prices, kinds = X.sum(1, keepdims=True), numbers(6, 1, seed=4), numbers(6, 1, seed=5)
    rows = INPUT, ("Placeholder", 1, [], prices), ("Placeholder", 1, [], kinds)
    rows = *rows, ("Sum", 2, [0], total)
    right = ("Sub", 3, [1, 3], total - prices), ("Square", 3, [4], (total - prices) ** 2)
    old = operations(tmp_path, "old", *rows, *right)
    place = CALLED.partition(":")[2]
    wrong = ("Sub", [2, 3], total - kinds) if is_exchanged else ("Mul", [3, 1], total * prices)
    wrong = (wrong[0], place, *wrong[1:]), ("Square", place, [4], wrong[2] ** 2)
    new = operations(tmp_path, "new", *rows, *wrong)
    new.lines["step"] = "new.py:8"  # as `fit` is given the targets
    assert lines.locate(old, new).candidate.place == ("new.py:8" if is_exchanged else "new.py:5")


def test_what_a_call_is_not_given_behind_a_fused_operation(tmp_path):
    weights, logits, place = np.arange(6.0) + 0.5, numbers(6, 3), CALLED.partition(":")[2]
    data = ("Placeholder", 1, [], logits), ("Placeholder", 1, [], weights)
    losses = np.log(np.exp(logits).sum(1))
    kind = "SparseSoftmaxCrossEntropyWithLogits"
    weighted = ("Mul", 3, [1, 2], losses * weights), ("Mean", 3, [3], (losses * weights).mean())
    old = operations(tmp_path, "old", *data, (kind, 3, [0], losses), *weighted)
    mean = ("Mean", place, [2], losses.mean())
    new = operations(tmp_path, "new", *data, (kind, place, [0], losses), mean)
    new.lines["step"] = "new.py:8"  # as `fit` is given the weights
    assert lines.locate(old, new).candidate.place == "new.py:8"


def test_a_difference_too_small_to_show_in_a_loss(tmp_path):
    """An epsilon beside a variance: the mean that follows is the same but for 1e-7."""
    square = X * X + 1.0

    def side(name, epsilon):
        rows = [INPUT, ("Square", 2, [0], square), ("AddV2", 3, [1], square + epsilon)]
        return operations(tmp_path, name, *rows, ("Mean", 4, [2], 2.51237 + epsilon * 2e-3))

    found = lines.locate(side("old", 1e-3), side("new", 5e-4))
    assert (found.reference.place, found.candidate.place) == ("old.py:3", "new.py:3")


def test_what_a_loop_leaves_in_its_last_step_is_no_difference(tmp_path):
    """Nothing is computed of it; the difference is in the loss."""
    tanh = np.tanh(X)
    old = operations(
        tmp_path, "old", INPUT, ("Tanh", 2, [0], tanh), ("Sum", 3, [1], tanh.sum() + 0.1)
    )
    rows = INPUT, ("Mul", 5, [0], X * 7), ("Tanh", 2, [0], tanh), ("Mean", 3, [2], tanh.mean())
    assert lines.locate(old, operations(tmp_path, "new", *rows)).candidate.place == "new.py:3"


def test_parts_that_are_joined_in_another_order(tmp_path):
    both, other = np.hstack([X, 2 * X]), np.hstack([2 * X, X])
    kernel = numbers(10, 3, seed=4)

    def side(name, joined):
        rows = [INPUT, ("Mul", 2, [0], 2 * X), ("ConcatV2", 3, [0, 1], joined)]
        weights = ("ReadVariableOp", 4, [], kernel)
        return operations(tmp_path, name, *rows, weights, ("MatMul", 4, [2, 3], joined @ kernel))

    found = lines.locate(side("old", both), side("new", other))
    assert (found.reference.place, found.candidate.place) == ("old.py:3", "new.py:3")


CALLED = "new.py:5 < new.py:1 << new.py:8 < new.py:2"  # line 5 makes a layer, line 8 calls it


def test_the_call_of_a_layer(tmp_path):
    old = operations(tmp_path, "old", INPUT, ("Mul", 3, [0], X * 3))
    rows = [INPUT, ("Mul", CALLED.partition(":")[2], [0], X * 4)]
    new = operations(tmp_path, "new", *rows)
    assert lines.locate(old, new).candidate.place == "new.py:5"
    assert lines.locate(old, new, is_called=True).candidate.place == "new.py:8"
    new.lines["variables"] = {"bn/beta": "new.py:5 < new.py:1"}
    assert lines.of_call(new, ["bn/beta"]).place == "new.py:8"


def test_a_dropout_that_does_nothing(tmp_path):
    old = operations(tmp_path, "old", INPUT, ("dropout", 3, [0], np.where(X > 0, 2 * X, 0)))
    new = operations(tmp_path, "new", INPUT, ("MatMul", 9, [0], X @ KERNEL))
    assert lines.locate(old, new).candidate.place == "new.py:9"
    new.lines["idle"] = {"Placeholder_0": "new.py:7"}
    assert lines.locate(old, new).candidate.place == "new.py:7"


def test_batch_norm_that_does_not_train(tmp_path):
    start = {"w": W, "bn/moving_mean": np.zeros(3)}
    moved = step(**{"bn/moving_mean": numbers(3)})
    still = step(gradient=numbers(4, 3, seed=7), **{"bn/moving_mean": np.zeros(3)})
    found = explained(tmp_path, moved, still, (1.0, 1.3), start)
    assert found.place == (evidence.EVALUATION, ["bn/moving_mean"])
    assert "Batch norm does not train in the candidate" in found.texts[0]


def test_the_call_that_made_a_variable(tmp_path):
    written = recorder.OperationsFile(str(tmp_path / "o"), 1)
    made = {"a/w": "n.py:9 < n.py:3", "b/w": "n.py:9 < n.py:4", "b/b": "n.py:9 < n.py:4"}
    written.lines["variables"] = made
    written.write([], [])
    side = lines.Operations(str(tmp_path / "o"))
    assert lines.of_variables(side, ["b/w"]).place == "n.py:4"
    assert lines.of_variables(side, ["a/w", "b/w", "b/b"]).place == "n.py:9"


def test_the_operation_that_is_not_finite_first(tmp_path):
    logarithm = np.where(X > 0, np.log(np.abs(X)), np.nan)
    rows = [INPUT, ("Log", 2, [0], logarithm), ("Mean", 3, [1], logarithm.mean())]
    old = operations(tmp_path, "old", INPUT, ("Mean", 2, [0], X.mean()))
    new = operations(tmp_path, "new", *rows)
    assert lines.first_not_finite(old, new).candidate.place == "new.py:2"


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ({4: "loss += tf.nn.l2_loss(w)", 9: "w = tf.Variable(start)"}, 4),
        ({4: "loss += tf.add_n(model.losses)", 9: "layers.Dense(3, kernel_regularizer=l2)"}, 9),
        ({4: "loss += tf.reduce_sum(w * w)", 9: "layers.Dense(3)"}, 4),
        ({9: "layers.Dense(3, kernel_regularizer=l2)"}, 6),  # model.losses is not added
        ({9: "layers.Dense(3)"}, 6),
        ({6: "model.fit(x)", 9: "layers.Dense(3)"}, 9),
    ],
)
def test_the_line_of_a_penalty(tmp_path, monkeypatch, texts, line):
    monkeypatch.setattr(
        lines.user_lines, "text", lambda place: texts.get(int(place.split(":")[1]), "")
    )
    penalty = ("L2Loss", 4, [1], (KERNEL**2).sum() / 2)
    rows = (
        ("Placeholder", 1, [], X),
        ("ReadVariableOp", 2, [], KERNEL),
        ("MatMul", 3, [0, 1], PRODUCT[3]),
        penalty if 4 in texts else ("SoftmaxCrossEntropyWithLogits", 3, [2], X[:, 0]),
        ("Mean", 5, [2], PRODUCT[3].mean()),
        ("AddV2", 6, [3, 4], 1.0),
    )
    side = operations(tmp_path, "new", *rows)
    side.lines["variables"] = {"w": "new.py:9"}
    other = operations(tmp_path, "old", rows[0])
    assert lines.of_penalty(side, other, ["w"]).place == f"new.py:{line}"


def test_the_line_that_multiplies_the_penalties(tmp_path):
    total = (KERNEL**2).sum() / 2
    rows = INPUT, ("ReadVariableOp", 2, [], KERNEL), ("L2Loss", 9, [1], total)
    other = operations(tmp_path, "old", *rows, ("AddV2", 6, [0, 2], 1.0))
    side = operations(tmp_path, "new", *rows, ("Mul", 5, [2], 2 * total), ("AddV2", 6, [0, 3], 1.0))
    side.lines["variables"] = {"w": "new.py:9"}
    assert lines.of_penalty(side, other, ["w"]).place == "new.py:5"
    square = (X**2).sum() / 2
    rows = *rows, ("ReadVariableOp", 3, [], X), ("L2Loss", 9, [3], square)
    other = operations(tmp_path, "old2", *rows, ("AddV2", 6, [0, 2], 1.0))
    more = ("AddV2", 7, [2, 4], total + square), ("Mul", 8, [5], 2 * (total + square))
    side = operations(tmp_path, "new2", *rows, *more, ("AddV2", 6, [0, 6], 1.0))
    side.lines["variables"] = {"w": "new2.py:9"}
    assert lines.of_penalty(side, other, ["w"]).place == "new2.py:8"


@pytest.mark.parametrize(
    ("frozen", "line"), [({}, 7), ({"w": ""}, 2), ({"w": "new.py:4"}, 4), ({"v": "new.py:4"}, 7)]
)
def test_the_line_because_of_which_a_weight_is_not_trained(tmp_path, frozen, line):
    """It differentiates by others, makes a layer with trainable=False, or sets that later."""
    side = operations(tmp_path, "new", INPUT)
    side.lines.update(variables={"w": "new.py:2"}, gradient="new.py:7", frozen=frozen)
    assert lines.of_untrained(side, side, ["w"]).place == f"new.py:{line}"


def test_the_line_of_one_of_two_penalties(tmp_path):
    ours, theirs = (KERNEL**2).sum() / 2, (X**2).sum() / 2
    rows = INPUT, ("ReadVariableOp", 2, [], KERNEL), ("ReadVariableOp", 3, [], X)
    old = operations(tmp_path, "old", *rows, ("L2Loss", 4, [1], ours), ("AddV2", 6, [0, 3], 1.0))
    two = ("L2Loss", 5, [1], ours), ("L2Loss", 7, [2], theirs), ("AddV2", 8, [3, 4], ours + theirs)
    new = operations(tmp_path, "new", *rows, *two, ("AddV2", 6, [0, 5], 1.0))
    new.lines["variables"] = {"w": "new.py:9"}
    assert lines.of_penalty(new, old, ["w"]).place == "new.py:7"


def test_the_line_of_one_of_two_optimizers(tmp_path):
    side = operations(tmp_path, "new", INPUT)
    side.lines.update(optimizer="new.py:2", optimizers={"Adam": "new.py:1"})
    assert lines.of_kind(side, "optimizer/Adam").place == "new.py:2"
    side.lines["schedule"] = "new.py:5"
    assert lines.of_kind(side, "schedule/Adam").place == "new.py:5"
    side.lines["optimizers"]["Adam_2"] = "new.py:3"
    assert lines.of_kind(side, "optimizer/Adam").place == "new.py:1"
    side.lines.update(optimizer="", optimizers={}, step="new.py:4")  # it is written out
    assert lines.of_kind(side, "clip").place == "new.py:4"
    assert lines.of_kind(side, "fed").place == "new.py:4"
    side.lines["fed"] = "new.py:9"
    assert lines.of_kind(side, "fed").place == "new.py:9"
    side.lines["clip"] = "new.py:5 < new.py:8"  # in a function that line 8 calls
    assert lines.of_kind(side, "clip").place == "new.py:5"


def test_another_layout_is_the_same(tmp_path):
    turned = numbers(2, 3, 4)
    old = operations(tmp_path, "old", ("Placeholder", 1, [], turned), ("Relu", 2, [0], turned * 3))
    new = operations(
        tmp_path,
        "new",
        ("Placeholder", 1, [], turned.transpose(0, 2, 1)),
        ("Relu", 5, [0], turned.transpose(0, 2, 1) * 4),
    )
    assert lines.locate(old, new).candidate.place == "new.py:5"


# The recorder.


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--weights=gone.npz", "--weights=gone.npz: No such file or directory; expected an .npz"),
        ("--weights=mine.txt", "expected an .npz of arrays"),
        ("--operations=mine.txt", "--operations=mine.txt: exists; name a new file"),
        ("--trace=mine.txt", "mine.txt"),
        ("--last_step=0", "expected numbers of at least 1"),
    ],
)
def test_options_of_a_recording_in_one_line(run, tmp_path, option, text):
    for name in ("mine.txt", "new.py"):
        (tmp_path / name).write_text("not an array\n")
    process = run("-m", "tf2_style.run", "--trace=t.npz", option, "new.py", check=False)
    assert process.returncode == 2 and text in process.stderr, process.stderr
    assert process.stderr.count("\n") == 1
    assert (tmp_path / "mine.txt").read_text() == "not an array\n"


@pytest.mark.proof
def test_a_model_that_its_first_batch_builds(run, tmp_path):
    """Its variables get their values late; its layer has no __init__ of its own."""
    (tmp_path / "new.py").write_text(
        "import keras, numpy as np\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
        "model = keras.Sequential([keras.layers.Dense(3, name='d'), Twice()])\n"
        "model.compile('sgd', keras.losses.MeanSquaredError())\n"
        "model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)\n"
    )
    np.savez(tmp_path / "w.npz", **{"sequential/d/kernel": np.full((2, 3), 0.5, np.float32)})
    options = ["--values_at=0,1", "--weights=w.npz", "--operations=o.npz"]
    run("-m", "tf2_style.run", "--trace=t.npz", *options, "new.py")
    found = trace.load(str(tmp_path / "t.npz"))
    assert np.all(found.values[0, "sequential/d/kernel"] == 0.5)
    assert [name for name in found.forms if name.endswith("kernel") and "/" not in name] == []
    places = {about["line"] for about in lines.Operations(str(tmp_path / "o.npz")).about}
    assert {line.rpartition(":")[2] for line in places} >= {"4", "5", "6"}  # 6: the loss


@pytest.mark.proof
def test_the_time_steps_of_a_cell_can_be_seen(run, tmp_path):
    (tmp_path / "old.py").write_text(
        "import numpy as np, tensorflow as tf\n"
        "x, n = tf.placeholder(tf.float32, [None, 3, 2]), tf.placeholder(tf.int32, [None])\n"
        "cell = tf.nn.rnn_cell.LSTMCell(4)\n"
        "x = tf.nn.dropout(x, 1.0)\n"
        "_, state = tf.nn.dynamic_rnn(cell, x, sequence_length=n, dtype=tf.float32)\n"
        "train = tf.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_mean(state.h))\n"
        "with tf.Session() as session:\n"
        "    session.run(tf.global_variables_initializer())\n"
        "    session.run(train, {x: np.ones((2, 3, 2)), n: [1, 2]})\n"
    )
    np.savez(tmp_path / "w.npz", **{"rnn/lstm_cell/kernel": numbers(6, 16)})
    losses = []
    for options in (["--operations=o.npz"], []):
        path = tmp_path / f"{len(losses)}.npz"
        run("-m", "tf1_style.run", f"--trace={path}", "--weights=w.npz", *options, "old.py")
        losses.append(trace.load(str(path)).losses[1])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    types = [about["type"] for about in lines.Operations(str(tmp_path / "o.npz")).about]
    assert types.count("Sigmoid") == 9 and "Exit" not in types


def test_a_forward_pass_that_no_loss_depends_on_changes_no_noise():
    class Made:
        type, _get_control_flow_context = "PyFunc", staticmethod(lambda: None)

        def __init__(self, *inputs):
            self.inputs = [SimpleNamespace(op=operation) for operation in inputs]
            self._id = len(made)
            made.append(self)

    made = []

    noise = recorder.NumberedNoise()
    layers = [noise.new() for _ in range(4)]
    for layer in layers[:3]:  # the last one draws nothing
        layer.operations.append(Made())
    second, third = (layer.operations[0] for layer in layers[1:3])
    assert [layer.number for layer in layers] == [0, 1, 2, 3]
    noise.number([Made(Made(third))])
    assert [layer.number for layer in layers] == [1, 2, 0, 3]
    noise.number([Made(second)])  # another loss
    assert [layer.number for layer in layers] == [2, 0, 1, 3]
    assert noise.drawn() == []
    random = Made()
    random.type, random._id = "StatelessRandomNormalV2", 0.5
    noise.number([Made(random)])
    ((operation, layer),) = noise.drawn()
    noise.number([])
    assert operation is random and layer.number == 0 and noise.drawn() == []
    assert [layer.number for layer in layers] == [3, 1, 2, 4]
    noise.count = 1  # a loop's body is made again
    assert [noise.new(), noise.new()] == layers[1:3]


@pytest.mark.parametrize(("kind", "most"), [("normal", 9), ("truncated normal", 2)])
def test_noise_is_the_same_in_both_programs(tmp_path, kind, most):
    both = [recorder.Recorder(trace.Trace(str(tmp_path / n)), None, {}, "aligned") for n in "ab"]
    ours, theirs = (one.noise(3, 1, [500], kind) for one in both)
    assert np.array_equal(ours, theirs) and ours.dtype == np.float32
    assert 1.5 < np.abs(ours).max() <= most and abs(ours.mean()) < 0.2
    assert not np.array_equal(ours, both[0].noise(4, 1, [500], kind))
    both[0].random = "off"
    assert not both[0].noise(3, 1, [500], kind).any()


def test_a_step_ends_when_a_variable_is_updated_again(tmp_path):
    made = recorder.Recorder(trace.Trace(str(tmp_path / "t.npz")))
    made.initial(lambda: {"d": np.zeros(1), "g": np.zeros(1)})
    none = ({}, {}, {}, {})
    for number in range(3):
        for name in "dg":
            assert made.begin([name])
            made.record({name: 1.0}, {name: np.full(1, number + 1.0)}, *none)
    made._trace.save()
    found = trace.load(str(tmp_path / "t.npz"))
    assert found.steps == [0, 1, 2, 3] and set(found.losses.values()) == {2.0}
    assert all(set(row) == {"d", "g"} for row in found.rows.values())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["old.py", "gone.py"], "gone.py: No such file or directory; expected a Python program"),
        (["old.py", "old.py", "--steps=0"], "--steps=0: expected at least 1"),
    ],
)
def test_errors_in_one_line(run, tmp_path, arguments, text):
    (tmp_path / "old.py").write_text("")
    process = run("-m", "compare", "parity", *arguments, check=False)
    assert process.returncode == 2 and text in process.stderr
    assert process.stderr.count("\n") == 1


# Whole programs: tests/strangers has an old one, and new ones in five styles with planted mistakes.

STRANGERS = ROOT / "tests" / "strangers"
FORWARD = "the losses do not"
ORDER, LABELS = "in another order", "holds other examples"
RATE, CLIPPED = "constants differ: Adam/learning_rate", "clipped differently"
PENALTY, MOVED = "A penalty on the weights differs", "times as far in the candidate"
# Program, mistake, what the cause says, what stands in the candidate's line.
PLANTED = [
    ("new_fit.py", "order", ORDER, "model.fit("),
    ("new_fit.py", "scale", "255 times the reference's", "model.fit("),
    ("new_fit.py", "labels", LABELS, "model.fit("),
    ("new_fit.py", "batch", "has 32 examples, the candidate's 31", "model.fit("),
    ("new_fit.py", "l2_missing", PENALTY, "layers."),
    ("new_fit.py", "l2_bias", PENALTY, "layers.Conv2D("),
    ("new_fit.py", "bn_momentum_a_little", MOVED, "BatchNormalization"),
    ("new_fit.py", "bn_epsilon", FORWARD, "BatchNormalization"),
    ("new_fit.py", "bn_center", "no counterpart of", "BatchNormalization"),
    ("new_fit.py", "padding", "has another shape than", "layers.Conv2D("),
    ("new_fit.py", "leaky", FORWARD, "layers.Conv2D("),
    ("new_fit.py", "average_pool", FORWARD, "AveragePooling2D"),
    ("new_fit.py", "frozen", "is not trained in the candidate", "trainable="),
    ("new_fit.py", "dropout_a_little", FORWARD, "layers.Dropout"),
    ("new_fit.py", "relu_before_bn", FORWARD, "layers.ReLU"),
    ("new_fit.py", "rate_a_little", RATE, "kind(rate"),
    ("new_fit.py", "schedule_late", RATE, "kind(rate"),
    ("new_fit.py", "no_clip", CLIPPED, "kind(rate"),
    ("new_fit.py", "clipnorm", "each by its own norm", "kind(rate"),
    ("new_fit.py", "clipvalue", "by value", "kind(rate"),
    ("new_fit.py", "sgd", "the optimizers are others: Adam / SGD", "keras.optimizers.SGD"),
    ("new_fit.py", "beta2", "Adam/beta2 0.999 / 0.99", "kind(rate"),
    ("new_fit.py", "adam_epsilon", "Adam/epsilon 1e-08 / 1e-07", "kind(rate"),
    ("new_fit.py", "decay", "weight_decay none / 0.001", "kind(rate"),
    ("new_fit.py", "sum", "adds the losses of the 32 examples", None),
    ("new_train_step.py", "tanh", FORWARD, "layers.Conv2D("),
    ("new_tape.py", "evaluation_mode", "Batch norm does not train", "model(x, training="),
    (
        "new_tape.py",
        "stop_gradient",
        "the candidate's gradients are 0.5 times",
        "tf.stop_gradient(",
    ),
    ("new_tape.py", "losses_forgotten", PENALTY, "SparseCategoricalCrossentropy("),
    ("new_tape.py", "variable_missing", "is not trained in the candidate", "tape.gradient("),
    ("new_eager.py", "dropout", FORWARD, "layers.Dropout"),
    ("new_function.py", "elu", FORWARD, "tf.nn.elu"),
    ("new_function.py", "dropout", FORWARD, "tf.nn.dropout"),
    (
        "new_function.py",
        "biased_variance",
        "by n/(n-1) with n of about 11",
        "variance = tf.Variable",
    ),
]
ONE_OF_A_KIND = (
    "order",
    "l2_missing",
    "bn_momentum_a_little",
    "padding",
    "average_pool",
    "clipnorm",
)
IN_CI = [("new_fit.py", name) for name in ONE_OF_A_KIND] + [
    ("new_tape.py", "variable_missing"),
    ("new_eager.py", "dropout"),
    ("new_function.py", "elu"),
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Returns a function that compares old.py with a new program; old.py is recorded once."""
    kept, record = tmp_path_factory.mktemp("kept"), strangers.record

    def record_once(program, path, options, environment):
        if program.name == "candidate":
            return record(program, path, options, environment)
        made = [path]
        made += [option.split("=")[1] for option in options if option.startswith("--operations=")]
        wanted = [o for o in options if not o.startswith(("--weights", "--operations="))]
        key = "_".join([program.title, os.path.basename(path), *wanted, *environment])
        key = key.replace("/", "_")
        files = [kept / f"{key}.{number}of{len(made)}" for number in range(len(made))]
        if files[0].exists():
            sources, targets = files, made
        else:
            record(program, path, options, environment)
            sources, targets = made, files
        for source, target in zip(sources, targets):
            os.link(source, target)
        return trace.load(path)

    def judge(name, mistake="", old="old.py"):
        folder = tmp_path_factory.mktemp("judged")
        name, old = STRANGERS / name, old.split()  # or the path of a program
        what = [
            shlex.join([str(STRANGERS / old[0]), *old[1:]]),
            f"{shlex.quote(str(name))} {mistake}",
        ]
        settings = SimpleNamespace(steps=20, weights="reference", random="aligned")
        console = Console(quiet=True)
        return strangers.compare(console, what, str(folder), Renaming(None), settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "record", record_once)
        patch.setattr(strangers.runner, "run", forked(strangers.runner.run))
        yield judge


def forked(run):
    """Returns a function like `runner.run` that runs what needs no other kernels in a fork."""

    def in_fork(command, run_dir, environment):
        if "TF_ENABLE_ONEDNN_OPTS" in environment:
            return run(command, run_dir, environment=environment)
        _, _, module, *arguments = command
        script = ROOT / module.replace(".", "/") / "__main__.py"
        ended = forks.run([script, *arguments], env={**os.environ, **environment}, check=False)
        error = strangers.runner._reason(ended.stderr.strip().splitlines())
        return SimpleNamespace(exit_code=ended.returncode, error=error)

    return in_fork


RIGHT = ["new_fit.py", "new_train_step.py", "new_tape.py", "new_eager.py", "new_function.py"]


@pytest.mark.proof
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_is_not_accused(judge, name):
    report = judge(name, "")
    assert report["verdict"] == strangers.WITHIN, report.get("causes")
    assert len(report["mapping"]) == 11 and not report["alone"][0]


def planted():
    for name, mistake, text, line in PLANTED:
        marks = [pytest.mark.proof if (name, mistake) in IN_CI else pytest.mark.full]
        yield pytest.param(name, mistake, text, line, marks=marks, id=f"{name[4:-3]}-{mistake}")


@pytest.mark.parametrize(("name", "mistake", "text", "line"), list(planted()))
def test_a_planted_mistake_is_named_with_its_line(judge, name, mistake, text, line):
    report = judge(name, mistake)
    assert report["verdict"] == strangers.DIFFERENT and text in report["causes"][0], report
    # At the first step the biases are 0. For some steps n/(n-1) is less than rounding.
    if mistake != "biased_variance":
        assert report["step"] == {"l2_bias": 2, "schedule_late": 6}.get(mistake, 1)
    assert line is None or line in report["located"]["candidate"]["text"]


class Change(NamedTuple):
    """A change of a program; see tests/strangers/mistakes.txt."""

    kind: str
    program: str
    name: str
    texts: list[tuple[str, str]]  # before, after
    old: list[tuple[str, str]]  # the same of the old program
    cause: str | None
    places: list[str]

    @property
    def old_program(self) -> str:
        return f"old_{self.program.partition('_')[0]}"

    def made(self) -> tuple[str, str]:
        """Returns the texts of the old program and of the changed one."""
        found = []
        for name, pairs in ((self.old_program, self.old), (self.program, self.texts)):
            text = (STRANGERS / f"{name}.py").read_text()
            for before, after in pairs:
                assert text.count(before) == 1, before
                text = text.replace(before, after)
            found.append(text)
        return found[0], found[1]


def changes():
    """Returns the Changes of mistakes.txt."""
    found = []
    _, *blocks = (STRANGERS / "mistakes.txt").read_text().split("\n== ")
    for block in blocks:
        kind, program, name = re.match(r"(.+): (\w+) (\w+)\n", block).groups()
        marked = {
            mark: re.findall(rf"^{re.escape(mark)} (.*)$", block, re.MULTILINE) for mark in "?@"
        }
        both = [_texts(block, before, after) for before, after in (("<", ">"), ("<<", ">>"))]
        cause = "".join(marked["?"]) or None
        found.append(Change(kind, program, name, *both, cause, marked["@"]))
    return found


def _texts(block, before, after):
    """Returns (before, after) of the lines that are marked so."""
    pairs = re.findall(rf"((?:^{before} .*\n?)+)((?:^{after}(?: .*)?$\n?)*)", block, re.MULTILINE)
    return [
        tuple("\n".join(line[len(before) + 1 :] for line in part.splitlines()) for part in pair)
        for pair in pairs
    ]


CHANGES_IN_CI = (
    *("image_tape twice_called", "words_fit no_sample_weight", "vae_fit no_half"),
    *("vae_tape function", "prices_fit own_schedule", "prices_fit own_loss"),
)


def changed():
    for change in changes():
        is_in_ci = f"{change.program} {change.name}" in CHANGES_IN_CI
        marks = [pytest.mark.proof if is_in_ci else pytest.mark.full]
        yield pytest.param(change, marks=marks, id=f"{change.program}-{change.name}")


def test_changes_can_be_made():
    for change in changes():
        for text in change.made():
            compile(text, change.name, "exec")
        assert all(place in text for place in change.places), change


@pytest.mark.parametrize("change", list(changed()))
def test_a_changed_program(judge, tmp_path, change):
    """A mistake is named first, with its line; a right program is not accused."""
    text = (STRANGERS / f"{change.program}.py").read_text()
    path, old = tmp_path / f"{change.program}.py", f"{change.old_program}.py"
    ours, theirs = change.made()
    path.write_text(theirs)
    if change.old:
        (tmp_path / old).write_text(ours)
        old = str(tmp_path / old)
    report = judge(path, old=old)
    if change.cause is None:
        assert report["verdict"] in (strangers.WITHIN, first_difference.IDENTICAL), report
        return
    assert report["verdict"] == strangers.DIFFERENT, report
    assert re.search(change.cause, report["causes"][0])
    named = report["located"]["candidate"]["place"]
    before, after = text.splitlines(), theirs.splitlines()
    if change.places:
        right = [n for n, line in enumerate(after) if any(p in line for p in change.places)]
    else:
        blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        right = [n for kind, *_, low, high in blocks if kind != "equal" for n in range(low, high)]
    assert named in [f"{path}:{n + 1}" for n in right]


@pytest.mark.parametrize(
    ("kind", "mistake", "text"),
    [
        pytest.param("lstm", "", None, marks=pytest.mark.proof),
        pytest.param("gru", "", None, marks=pytest.mark.full),
        pytest.param("rnn", "", None, marks=pytest.mark.full),
        pytest.param("lstm", "hard_sigmoid", FORWARD, marks=pytest.mark.full),
        pytest.param("gru", "reset_after", "only GRU(reset_after=False)", marks=pytest.mark.full),
    ],
)
def test_recurrent_cells_beside_layers(judge, kind, mistake, text):
    report = judge("new_cells.py", f"{kind} {mistake}", f"old_cells.py {kind}")
    assert report["verdict"] == (strangers.DIFFERENT if text else strangers.WITHIN)
    assert not text or text in report["causes"][0]
    assert not text or f'"{kind}": lambda' in report["located"]["candidate"]["text"]


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ('"""It has no placeholder and no Session."""\nimport tensorflow as tf\n', "tf2"),
        ("import tensorflow as tf  # no feed_dict\ntf.function(print)\n", "tf2"),
        ("import tensorflow as tf\nx = tf . placeholder(tf.float32)\n", "tf1"),
        ("import tensorflow.compat.v1 as tf\n", "tf1"),
        ("import tensorflow as tf\ntf.layers.dense(x, 1)\n", "tf1"),
        ("import tensorflow as tf\ntf.train.AdamOptimizer(0.1)\n", "tf1"),
        ("import tensorflow as tf\ntf.keras.layers.Dense(1)\n", "tf2"),
        ("import tensorflow as tf\ntf.keras.optimizers.Adam(1)\ntf.train.Checkpoint()\n", "tf2"),
        ("import tensorflow as tf\nprint 'a %s' % tf.Session()\n", "tf1"),
        ("import tensorflow as tf\nif x:\n\tprint 1\n        tf.Session()\n", "tf1"),
    ],
)
def test_the_style_of_a_program(tmp_path, text, style):
    (tmp_path / "it.py").write_text(text)
    assert strangers.program("reference", str(tmp_path / "it.py")).style == style
