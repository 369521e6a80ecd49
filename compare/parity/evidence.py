"""Tells why two recorded programs part: from inputs, loss, gradients, constants and updates."""

import itertools
import re
from dataclasses import dataclass

import numpy as np

from compare.parity import mapping, updates
from compare.parity.envelope import (
    ENVELOPES,
    Parting,
    constants,
    different_constants,
    kinds,
    old_rates,
    unbiased,
)
from compare.parity.names import slot as slot_of
from shared.trace import Recording

CLOSE = 2e-3  # relative residual up to which one tensor is a multiple of another
ROUNDED = 2e-7  # relative difference of weights that one rounded update leaves
NO_FACTOR = 1e-4  # from 1: another small difference, not a weight of the loss
CLOSE_DATA = 1e-6  # relative difference of data that were scaled in another order

DATA = "The step's data differ: {what}."
APPLIED_TWICE = (
    "The {side} updates its weights a second time with the gradients of the step before: "
    "apply_gradients is called twice for one gradient."
)
PENALTY = (
    "A penalty on the weights differs: the candidate's gradient of {names} is the reference's "
    "{sign} {value:.4g} times the weight itself. {which}"
)
L1 = (
    "A penalty on the weights differs: the candidate's gradient of {names} is the reference's plus "
    "{signs:.4g} times the sign of the weight plus {weights:.4g} times the weight itself, so one "
    "program has an L1 penalty there that the other has not."
)
DECAY = (
    "A decay of the weights differs: the candidate's update of {names} is the reference's {sign} "
    "{value:.4g} times the weight itself, and the gradients agree. The decay is in the optimizer "
    "(weight_decay, decoupled), or added to the gradients behind the loss, not in the loss."
)
SCALED = "The candidate's loss and its gradients are {factor:.6g} times the reference's: {which}."
SCALED_GRADIENTS = (
    "The losses agree, but {which} are {factor:.6g} times the reference's: a factor, a sum over "
    "another number of steps, or a tf.stop_gradient on one of several paths to them."
)
LACKING = (
    "The {side} has no counterpart of {names}: a layer, a bias (use_bias=False), or a part of "
    "batch norm (center=False, scale=False) is missing or has another shape; or one program shares "
    "a layer that the other makes anew."
)
RESET_AFTER = (
    "{names}: Keras's GRU has reset_after=True by default, which computes another function than "
    "TensorFlow 1's GRUCell; only GRU(reset_after=False) can equal it."
)
SHAPES = (
    "{ours} {has} another shape than {theirs}: a layer before it gives another size (padding, "
    "strides, the number of its units), or it is of another size itself."
)
CELLS = (
    "{ours} {has} another shape than {theirs}: the cells are of other kinds, {kinds}, which "
    "compute other functions."
)
NOT_TRAINED = (
    "{names} {is_} not trained in the {side}: not among the variables that are differentiated and "
    "given to its optimizer, or no gradient reaches {it} (tf.stop_gradient, trainable=False)."
)
NO_GRADIENT = (
    "The losses agree, but no gradient reaches {names} in the {side}, or it is a part of the "
    "other's: tf.stop_gradient, or an operation without a gradient."
)
BACKWARD = (
    "The losses agree, but the gradients of {names} differ: a tf.stop_gradient or a custom "
    "gradient on a path to them, a term of the loss that is 0 here, or a mask or lengths that "
    "change nothing while the biases are 0."
)
APPLIED = (
    "The gradients that the optimizer is given ({names}) differ, which are made of several runs: "
    "of other examples, of another number of them, or sums that are not set back to 0."
)
SPARSE = (
    "The gradients and the optimizer's constants agree, but not the squares of the gradients of "
    "{names}: some of its rows are used more than once in the batch. Keras's optimizers add up the "
    "squares of a row's gradients, TensorFlow 1's square their sum. tf.convert_to_tensor(gradient) "
    "before apply makes Keras's do so too."
)
CLIP = "The gradients agree, but {which} are clipped differently: {reference} / {candidate}."
SCALED_BY_HAND = (
    "The gradients agree, but not what the optimizers are given: those of the {side} are "
    "{factor:.6g} times the gradients, in every step (a scale of the loss that is not undone, or a "
    "mean or a sum over something)."
)
CLIPPED_SINCE = " They are so since step {step}, where the weights still agree within rounding."
OPTIMIZER = "The gradients agree, but the optimizers are others: {reference} / {candidate}."
CONSTANTS = "The gradients agree, but the optimizer's constants differ: {which}."
FIRST_SLOTS = (
    "RMSProp's mean square starts at 1 in TensorFlow 1 and at 0 in Keras; Adagrad's accumulator at "
    "initial_accumulator_value."
)
SLOTS_START = (
    "The gradients and the constants agree, but the optimizer's slots do not: {names} is "
    "{offset:.4g} {more} in the reference, in every element, so it started at another number. "
    + FIRST_SLOTS
)
AVERAGES_AT_START = (
    "The averages of the weights start at other numbers: {names}. Those of TensorFlow 1's "
    "ExponentialMovingAverage start with the weights, those of Keras's use_ema with 0."
)
SLOTS_AT_START = "The optimizer's slots start at other numbers: {names}. " + FIRST_SLOTS
SCHEDULE = " It agreed before step {step}: the schedule, or the step that it counts."
UPDATE = (
    "The gradients and the optimizer's constants agree, but the updates of {names} differ: a "
    "constraint, an average of the weights, or an update besides the optimizer's."
)
UNKNOWN_RULE = (
    "The gradients agree, but the updates of {names} differ. The {side} writes its optimizer out; "
    "its rule is none of the usual ones with one change, or it changes the gradients before."
)
VELOCITY = (
    "The gradients and the optimizer's constants agree, but since the learning rate changed (from "
    "{before:.4g} to {now:.4g}) the updates differ: one program multiplies each gradient by the "
    "rate before it adds it to the velocity, as Keras's SGD does, the other the whole accumulator "
    "by the rate of the step, as TensorFlow 1's MomentumOptimizer does."
)
CONSTRAINT = (
    "The gradients and the optimizer's constants agree, but not the weights of {names} after the "
    "update: the candidate's are the reference's after a constraint (kernel_constraint)."
)
SEVERAL = (
    "The gradients and the optimizers' constants agree, but the updates of {names} differ: of the "
    "optimizers ({kinds}) another updates them."
)
STILL = "{names} {do} not move in the {side}: the operation that updates {it} is never run."
NO_RATE = (
    "No weight moves at step {step} in the {side}, and all do later: its learning rate is 0 there "
    "(its schedule, or the step that it counts)."
)
MOMENTUM = (
    "Only moving averages differ, and each moves {factor:.4g} times as far in the candidate: the "
    "momentum (decay) of batch norm."
)
TWICE = (
    "Batch norm's averages move {factor:.4g} times as far in the candidate: the model is called "
    "twice in a step with training=True."
)
UNBIASED = (
    "Only moving variances differ, by n/(n-1) with n of about {n}: one program averages the "
    "unbiased variance (the fused kernel does), the other the biased one."
)
AVERAGES = (
    "Only moving averages differ ({names}): their momentum, their epsilon, or the batch they see."
)
FORWARD = (
    "The step's data and the weights agree, but the losses do not ({reference:.9g} and "
    "{candidate:.9g}): the forward pass or the loss computes something else."
)
EVALUATES = (
    "Batch norm does not train in the {side}: {names} {do} not move there. Its call lacks "
    "training=True, or it is in evaluation mode."
)
FORWARD_ALONE = (
    "The weights agree, but the losses do not ({reference:.9g} and {candidate:.9g}): the step's "
    "data, the forward pass or the loss differ. The data of the {side} are not known: nothing is "
    "fed there."
)
AGREE_BELOW = (
    "The moving averages of {names} agree, so the layers before them do, and the difference lies "
    "behind them."
)
AVERAGED = (
    "The weights agree, but their averages ({names}) do not: {reference} in the reference, "
    "{candidate} in the candidate."
)
NOT_FINITE = (
    "The {what} of the {side} {is_} not finite (NaN or infinite), the other's {is_}: a logarithm "
    "or a division of 0, a root of a negative number, or numbers that grow without limit."
)
START = "The programs start from other values: {names}."
BY_HAND = "The gradients agree, but not the updates{names}. The {side}'s is {how}."
SINCE = " They differ so since step {step}, where the weights still agree within rounding."
FACTOR = (
    "The gradients agree, but each of the candidate's updates is {factor:.6g} times the "
    "reference's: the learning rate, or its schedule."
)
UNSURE = "The numbers do not tell more; unsure."


# Where a cause is: in the forward pass, in the clipping of gradients, in the optimizer, in the line
# that makes the step, or in the lines that make some variables, which are then named instead.
FORWARD_PASS, IN_CLIPPING, IN_OPTIMIZER, IN_STEP = "forward pass", "clip", "optimizer", "step"
IN_DATA = "fed"  # the line that gives the step its data
IN_SCHEDULE = "schedule"  # of the optimizer's learning rate
# Beside names of variables: the line that assigns them after the update; the same, or else the
# optimizer's; because of which the candidate, or the reference, does not train them.
ASSIGNED, BESIDES = "assigned", "besides the optimizer"
STOPPED, STOPPED_IN_REFERENCE = "stopped", "stopped in the reference"
ON_THE_WAY = "on the way"  # the line that stops their gradient, or else calls their layer
MOVED = "moved"  # the line that assigns them in a forward pass
AGAIN = "again"  # the line that assigns them a second time in a forward pass
PENALIZED = "penalized"  # the line that adds a penalty to the loss, where no layer does
STOPS = STOPPED, STOPPED_IN_REFERENCE
FROM_NAN, EVALUATION = "not finite", "evaluation"


@dataclass
class Cause:
    """Why two programs part.

    Attributes
    ----------
    texts : sentences, the cause first.
    place : FORWARD_PASS, IN_CLIPPING, IN_OPTIMIZER or IN_SCHEDULE (with "/Adam_2" for one of
        several), IN_STEP, IN_DATA, or the reference's names of variables, alone or after
        ASSIGNED ...
    inputs : both programs' arrays, if the step's data differ.
    """

    texts: list[str]
    place: str | list[str] | tuple[str, list[str]]
    inputs: tuple | None = None


def explain(
    reference,
    candidate,
    found: mapping.Mapping,
    parting: Parting,
    envelope,
    is_data_same=False,
    twice=(),
) -> Cause:
    """Returns why two programs part.

    Parameters
    ----------
    reference, candidate : recordings; the candidate's under the reference's names.
    found : which variable is which.
    parting : the step at which they part.
    envelope : recordings of the reference, disturbed.
    is_data_same : whether the data are known to be the same, although one program feeds them
        otherwise than the other.
    twice : what the candidate assigns a second time in a forward pass.
    """
    case = Evidence(reference, candidate, found, parting, envelope)
    case.twice = twice
    if parting.step == reference.steps[0] and set(parting.tensors) <= set(found.averages):
        first = constants(candidate, candidate.steps[1])
        is_keras = any(value for name, value in first.items() if name.endswith("/use_ema"))
        text = AVERAGES_AT_START.format(names=_list(parting.tensors))
        return Cause([text], IN_OPTIMIZER if is_keras else list(parting.tensors))
    if parting.step == reference.steps[0] and set(parting.tensors) <= set(found.slots):
        return Cause([SLOTS_AT_START.format(names=_list(parting.tensors))], IN_OPTIMIZER)
    if parting.step == reference.steps[0]:
        return Cause([START.format(names=_list(parting.tensors))], list(parting.tensors))
    rules = (
        case.applied_twice,
        *([] if is_data_same else [case.data]),
        case.lacking,
        case.not_finite,
        case.untrained,
        case.penalty,
        case.earlier_rule,
        case.scaled,
        case.called_twice,
        case.averages,
        case.averaged_weights,
        case.forward,
        case.backward,
        case.clipping,
        case.constants,
        case.slots,
        case.sparse,
        case.decay,
        case.rule,
        case.update,
    )
    for rule in rules:
        cause = rule()
        if cause:
            return cause
    return Cause([UNSURE], FORWARD_PASS)


class Evidence:
    """What both programs did in the step at which they part."""

    def __init__(self, reference, candidate, found, parting, envelope):
        self.sides = (reference, candidate)
        self.found, self.parting, self.envelope = found, parting, envelope
        self.step = parting.step
        before = [step for step in reference.steps if step < self.step]
        self.before = before[-1] if before else None
        self.losses = [side.losses.get(self.step) for side in self.sides]
        both = [mapping.trained(side) for side in self.sides]
        self.trained = [name for name in found.weights if name in both[0] & both[1]]
        self.only = [
            [name for name in found.weights if name in both[0] - both[1]],
            [name for name in found.weights if name in both[1] - both[0]],
        ]

    def value(self, side: Recording, name: str, step: int | None = None) -> np.ndarray | None:
        found = side.values.get((self.step if step is None else step, name))
        return None if found is None else found.astype(np.float64)

    def both(self, name: str, step: int | None = None):
        """Returns both programs' values of a tensor, or None if one has none or another shape."""
        pair = [self.value(side, name, step) for side in self.sides]
        if pair[0] is None or pair[1] is None or pair[0].shape != pair[1].shape:
            return None
        return pair

    def noise(self, name: str) -> float:
        """Returns how far rounding alone moves a tensor of the reference at this step."""
        ours = self.value(self.sides[0], name)
        if ours is None:
            return 0.0
        others = [self.value(side, name) for side in self.envelope]
        away = [np.linalg.norm(other - ours) for other in others if other is not None]
        return ENVELOPES * max(away, default=0.0) + 1e-6 * np.linalg.norm(ours) + 1e-12

    def agrees(self, name: str) -> bool:
        pair = self.both(name)
        return pair is None or np.linalg.norm(pair[1] - pair[0]) <= self.noise(name)

    @property
    def losses_agree(self) -> bool:
        if None in self.losses:
            return True
        return not self.parting.loss

    def applied_twice(self):
        still = [
            self._keeps_gradients(side, self.before, self.step)
            or self._keeps_gradients(side, self.step, self.step + 1)
            for side in self.sides
        ]
        if still[0] == still[1]:
            return None
        who = "candidate" if still[1] else "reference"
        return Cause([APPLIED_TWICE.format(side=who)], IN_STEP)

    def _keeps_gradients(self, side, *steps):
        """Says whether the gradients of two steps are the same, bit for bit."""
        names = [f"differentiated/{name}" for name in self.trained]
        pairs = [[self.value(side, name, step) for step in steps] for name in names]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        return any(np.any(a) for a, _ in known) and all(np.array_equal(a, b) for a, b in known)

    def data(self):
        if None not in self.losses and self.losses_agree and not self._differing():
            return None  # one program scales in its graph what the other is fed
        ours, theirs = (_inputs(side, self.step) for side in self.sides)
        if not ours or not theirs:
            return None
        for who, few, many in (("reference", ours, theirs), ("candidate", theirs, ours)):
            count = _is_one_of(few, many)
            if count:
                what = f"the {who} is fed one of the other's {count} examples"
                return Cause([DATA.format(what=what)], IN_DATA)
        rest = list(theirs)
        for name, array in ours.items():
            if array.ndim == 0 or len(array) < 2:
                continue
            for other in rest:
                if _same_numbers(array, theirs[other]):
                    rest.remove(other)
                    break
            else:
                like = [other for other in rest if theirs[other].size == array.size] or rest
                if not like:
                    return None
                what = _difference(name, array, theirs[like[0]])
                return Cause([DATA.format(what=what)], IN_DATA, (array, theirs[like[0]]))
        return None

    def lacking(self):
        if self.found.reset_after:
            text = RESET_AFTER.format(names=_list(self.found.reset_after))
            return Cause([text], self.found.reset_after)
        alone = [  # without what a program keeps by the way, such as slots written by hand
            [name for name in names if {name, mapping.CANDIDATE + name} & mapping.trained(side)]
            for side, names in zip(self.sides, self.found.alone)
        ]
        for side, names in zip(("candidate", "reference"), alone):
            if all(alone):
                ours, theirs = (_list(side) for side in alone)
                has = "have" if len(alone[0]) > 1 else "has"
                cells = [_cells(names) for names in alone]
                is_other = all(cells) and cells[0] != cells[1]
                text = (CELLS if is_other else SHAPES).format(
                    ours=ours, theirs=theirs, has=has, kinds=" / ".join(cells)
                )
                return Cause([text], FORWARD_PASS)
            if names:
                return Cause([LACKING.format(names=_list(names), side=side)], names)
        return None

    def not_finite(self):
        for side, other in ((1, 0), (0, 1)):
            losses = self.losses[side], self.losses[other]
            who = ("reference", "candidate")[side]
            if None not in losses and not np.isfinite(losses[0]) and np.isfinite(losses[1]):
                text = NOT_FINITE.format(what="loss", side=who, is_="is")
                return Cause([text], FROM_NAN)
            names = [
                name
                for name, pair in self._gradients().items()
                if not np.isfinite(pair[side]).all() and np.isfinite(pair[other]).all()
            ]
            if names:
                what = f"gradients of {_list(names)}"
                return Cause([NOT_FINITE.format(what=what, side=who, is_="are")], names)
        return None

    def untrained(self):
        # A term that is missing in the loss takes the gradients of all that it depends on.
        if not self.losses_agree and self._differing():
            return None
        for side, place, names in zip(("candidate", "reference"), STOPS, self.only):
            if names:
                text = NOT_TRAINED.format(names=_list(names), side=side, **_number(names))
                return Cause([text], (place, names))
        return None

    @property
    def _prefix(self):
        """Returns which gradients are compared: as the differentiation returned them, or, where a
        program sums them up over several runs, as the optimizer is given them."""
        for prefix in ("differentiated/", "gradients/"):
            if any(self.both(prefix + name) for name in self.trained):
                return prefix
        return "differentiated/"

    def _gradients(self):
        """Returns {name: both programs' gradients}."""
        pairs = {name: self.both(self._prefix + name) for name in self.trained}
        return {name: pair for name, pair in pairs.items() if pair is not None}

    def _differing(self):
        return {
            name: pair
            for name, pair in self._gradients().items()
            if np.linalg.norm(pair[1] - pair[0]) > self.noise(self._prefix + name)
        }

    def _main(self, differing):
        """Returns the gradients that differ most, beside their rounding; the rest follow."""
        away = {
            name: np.linalg.norm(pair[1] - pair[0]) / self.noise(self._prefix + name)
            for name, pair in differing.items()
        }
        return {name: differing[name] for name in away if away[name] > max(away.values()) / 3}

    def penalty(self):
        differing, multiples = self._main(self._differing()), {}
        for name, (ours, theirs) in differing.items():
            weight = self.value(self.sides[0], name, self.before)
            # Adam's rounding of the weights is in their gradients from the second step on.
            rounding = self.noise(self._prefix + name) / np.linalg.norm(theirs - ours)
            close = min(max(CLOSE, rounding), 0.05)
            multiple = None if weight is None else _multiple(weight, theirs - ours, close)
            if multiple is None:
                return self._signed_penalty(differing)
            multiples[name] = multiple
        if not self._tells(multiples):
            return None
        value = float(np.median(list(multiples.values())))
        for name, (ours, theirs) in self._differing().items():  # smaller ones, of the same penalty
            multiple = _multiple(self.value(self.sides[0], name, self.before), theirs - ours, 0.05)
            if multiple is not None and abs(multiple / value - 1) < 0.2:
                multiples[name] = multiple
        which = (
            "The candidate's penalty is larger, or the reference has none there."
            if value > 0
            else "The candidate's penalty is smaller, or it is missing there (in Keras the "
            "regularizers' losses must be added: model.losses)."
        )
        sign = "plus" if value > 0 else "minus"
        text = PENALTY.format(names=_list(multiples), sign=sign, value=abs(value), which=which)
        return Cause([text], (PENALIZED, list(multiples)))

    def _signed_penalty(self, differing):
        """The gradients differ by a multiple of the weights' signs, and maybe of the weights."""
        factors = {}
        for name, (ours, theirs) in differing.items():
            weight = self.value(self.sides[0], name, self.before)
            if weight is None or weight.size <= 4:
                return None
            columns = np.stack([np.sign(weight), weight], -1).reshape(-1, 2)
            difference = (theirs - ours).reshape(-1)
            found, *_ = np.linalg.lstsq(columns, difference, rcond=None)
            rest = np.linalg.norm(columns @ found - difference)
            if not rest <= CLOSE * np.linalg.norm(difference):
                return None
            factors[name] = found
        if not factors:
            return None
        signs, weights = np.median(list(factors.values()), axis=0)
        text = L1.format(names=_list(factors), signs=signs, weights=weights)
        return Cause([text], (PENALIZED, list(factors)))

    def _tells(self, multiples):
        """Says whether multiples of weights tell something: any number is one of any other."""
        numbers = sum(self.value(self.sides[0], name, self.before).size for name in multiples)
        values = list(multiples.values())
        same = len(values) > 1 and np.ptp(values) < CLOSE * abs(values[0])
        return numbers > 2 or same

    def scaled(self):
        every = {name: _multiple(*pair) for name, pair in self._differing().items()}
        # A penalty is no part of the multiple, so gradients that have one are left out.
        factors = {name: factor for name, factor in every.items() if factor}
        if not factors or 2 * len(factors) < len(self._gradients()):
            return None
        low, high = min(factors.values()), max(factors.values())
        if not low > 0 or high / low - 1 > CLOSE:
            return None
        factor = float(np.median(list(factors.values())))
        if abs(factor - 1) < NO_FACTOR:
            return None
        if self.losses_agree:
            which = "all of the candidate's gradients"
            if len(every) < len(self._gradients()):
                which = f"the candidate's gradients of {_list(every)}"
            text = SCALED_GRADIENTS.format(which=which, factor=factor)
            is_summed = self._prefix == "gradients/"  # over several runs
            return Cause([text], IN_STEP if is_summed else (STOPPED, list(every)))
        is_whole = len(factors) == len(every)
        if None in self.losses:
            return None
        if is_whole and abs(self.losses[1] / self.losses[0] / factor - 1) > CLOSE:
            return None
        sizes = {len(a) for a in _inputs(self.sides[0], self.step).values() if a.ndim}
        ratio = factor if factor > 1 else 1 / factor
        who = "candidate" if factor > 1 else "reference"
        if any(abs(ratio / size - 1) < CLOSE for size in sizes):
            which = (
                f"the {who} adds the losses of the {round(ratio)} examples, the other averages them"
            )
        else:
            which = "a weight of the loss, or what its sum is divided by (all examples, those of "
            which += "nonzero weight, or the sum of the weights)"
        return Cause([SCALED.format(factor=factor, which=which)], FORWARD_PASS)

    def called_twice(self):
        """Batch norm's averages move twice, and dropout in the second call draws other noise."""
        names = [name for name in self.parting.tensors if mapping.role(name).startswith("moving")]
        if not self.twice or not names or self.losses_agree:
            return None
        factors = []
        for name in names:
            pair, start = self.both(name), self.value(self.sides[0], name, self.before)
            if pair is None or start is None:
                return None
            factors.append(_multiple(pair[0] - start, pair[1] - start))
        if None in factors or max(factors) / min(factors) - 1 > CLOSE or not 1 < factors[0] < 2:
            return None
        return Cause([TWICE.format(factor=factors[0])], (AGAIN, names))

    def averages(self):
        """The forward pass and the gradients agree; only batch norm's averages differ."""
        names = [name for name in self.parting.tensors if mapping.role(name).startswith("moving")]
        if not names or set(names) < set(self.parting.tensors) or not self.losses_agree:
            return None
        if self._differing():
            return None
        ratios = {}
        for name in names:
            pair, start = self.both(name), self.value(self.sides[0], name, self.before)
            if pair is None or start is None:
                return Cause([AVERAGES.format(names=_list(names))], (MOVED, names))
            for side, value in (("candidate", pair[1]), ("reference", pair[0])):
                if not np.any(value - start):
                    text = STILL.format(names=name, side=side, **_number([name]))
                    return Cause([text], [name])
            ratios[name] = _multiple(pair[0] - start, pair[1] - start)
        # Another momentum moves the means as well.
        if all(mapping.role(name) == "moving variance" for name in names):
            steps = self.sides[0].steps
            n = unbiased(*self.sides, *steps[:2], names)  # later the averages start apart
            n = n or unbiased(*self.sides, self.before, self.step, names)
            if n:
                sizes = " and ".join(map(str, sorted(set(n.values()), reverse=True)[:3]))
                return Cause([UNBIASED.format(n=sizes)], (MOVED, names))
        values = [ratio for ratio in ratios.values() if ratio]
        if len(values) == len(ratios) and max(values) / min(values) - 1 < CLOSE:
            factor = float(np.median(values))
            if self.twice and 1 < factor < 2:  # 1 + the momentum
                return Cause([TWICE.format(factor=factor)], (AGAIN, names))
            return Cause([MOMENTUM.format(factor=factor)], (MOVED, names))
        return Cause([AVERAGES.format(names=_list(names))], (MOVED, names))

    def averaged_weights(self):
        """Only averages of the weights differ, as those of tf.train.ExponentialMovingAverage."""
        names = [name for name in self.parting.tensors if name in self.found.averages]
        if not names or set(names) < set(self.parting.tensors) or not self.losses_agree:
            return None
        how = [self._average(side, names) for side in self.sides]
        text = AVERAGED.format(names=_list(names), reference=how[0], candidate=how[1])
        return Cause([text], (ASSIGNED, names))

    def _average(self, side, names):
        """Says how a program averages its weights in this step."""
        parts = [
            [
                self.value(side, name, self.before),
                self.value(side, name),
                self.value(self.sides[0], self.found.averages[name], self.before),
                self.value(self.sides[0], self.found.averages[name]),
            ]
            for name in names
        ]
        parts = [part for part in parts if all(value is not None for value in part)]
        if not parts:
            return "they are not known"
        old, new, before, after = (
            np.concatenate([part[i].reshape(-1) for part in parts]) for i in range(4)
        )
        if not np.any(new - old):
            return "they do not move"
        for weight, which in ((after, ""), (before, " of the weights before the update")):
            share = _multiple(weight - old, new - old, 0.02)
            if share:
                return f"their decay is {1 - share:.5g}{which}"
        return "they are computed in another way"

    def forward(self):
        if self.losses_agree or None in self.losses:
            return None
        losses = {"reference": self.losses[0], "candidate": self.losses[1]}
        blind = [who for who, side in zip(losses, self.sides) if not _inputs(side, self.step)]
        if blind:
            text = FORWARD_ALONE.format(**losses, side=" and the ".join(blind))
        else:
            text = FORWARD.format(**losses)
        agreeing = [
            name
            for name in self.found.weights
            if mapping.role(name).startswith("moving") and self.agrees(name)
        ]
        texts = [text, AGREE_BELOW.format(names=_list(agreeing))] if agreeing else [text]
        for side in (1, 0):
            still = [name for name in self.found.weights if self._stays(name, side)]
            if still:
                who = ("reference", "candidate")[side]
                texts.insert(0, EVALUATES.format(names=_list(still), side=who, **_number(still)))
                return Cause(texts, (EVALUATION, still))
        return Cause(texts, FORWARD_PASS)

    def _stays(self, name, side):
        """Says whether an average of batch norm stays as it is in one program only."""
        start, pair = self.value(self.sides[0], name, self.before), self.both(name)
        if start is None or pair is None or not mapping.role(name).startswith("moving"):
            return False
        return not np.any(pair[side] - start) and bool(np.any(pair[1 - side] - start))

    def backward(self):
        differing = self._differing()
        if not differing:
            return None
        for side, index in (("candidate", 1), ("reference", 0)):
            missing = [name for name, pair in differing.items() if not np.any(pair[index])]
            if missing:
                text = NO_GRADIENT.format(names=_list(missing), side=side)
                return Cause([text], (STOPS[1 - index], missing))
        if self._prefix == "gradients/":
            return Cause([APPLIED.format(names=_list(differing))], IN_STEP)
        return Cause([BACKWARD.format(names=_list(differing))], (ON_THE_WAY, list(differing)))

    def clipping(self):
        """Of an optimizer that scales its steps, such as Adam, the effect may show steps later."""
        parted = self.step
        try:
            for step in self.sides[0].steps[1:]:
                self.step = step
                kinds = [self._clip(side) for side in self.sides]
                scales = [self._scale(side) for side in self.sides]
                given = [name for name in self.trained if not self.agrees(f"gradients/{name}")]
                if None not in kinds and given and not self._differing():
                    if None not in scales and scales[0] != scales[1] and 1 in scales:
                        side, factor = ("candidate", scales[1])
                        if scales[1] == 1:
                            side, factor = "reference", scales[0]
                        return Cause([SCALED_BY_HAND.format(side=side, factor=factor)], IN_CLIPPING)
                    which = f"those of {_list(given)}" if kinds[0] == kinds[1] else "they"
                    text = CLIP.format(which=which, reference=kinds[0], candidate=kinds[1])
                    since = "" if step == parted else CLIPPED_SINCE.format(step=step)
                    return Cause([text + since], IN_CLIPPING)
                if step >= parted:
                    return None
        finally:
            self.step = parted

    def _scale(self, side):
        """Returns what a program multiplies all of its gradients with, the same in each step; None
        if it does something else, or only one step is known."""
        factors = []
        for step in side.steps[1:]:
            pairs = [
                (
                    self.value(side, f"differentiated/{n}", step),
                    self.value(side, f"gradients/{n}", step),
                )
                for n in self.trained
            ]
            factors += [
                [step, _multiple(made, given)]
                for made, given in pairs
                if made is not None and given is not None and made.shape == given.shape
                if np.any(made)
            ]
        values = [factor for _, factor in factors]
        if len({step for step, _ in factors}) < 2 or None in values:
            return None
        median = float(np.median(values))
        if np.ptp(values) > CLOSE * abs(median):
            return None
        return 1 if abs(median - 1) < CLOSE else median

    def _clip(self, side):
        """Says how a program changes its gradients before it applies them; None if unknown."""
        factors, is_by_value = {}, False
        for name in self.trained:
            made = self.value(side, f"differentiated/{name}")
            given = self.value(side, f"gradients/{name}")
            if made is None or given is None or made.shape != given.shape or not np.any(made):
                continue
            factor = _multiple(made, given)
            factors[name] = factor
            if factor is None:
                limit = np.abs(given).max()
                is_by_value |= np.allclose(given, np.clip(made, -limit, limit), rtol=1e-4)
        if not factors:
            return None
        if is_by_value:
            limit = max(np.abs(self.value(side, f"gradients/{name}")).max() for name in factors)
            return f"by value, to {limit:.4g} (clip_by_value, clipvalue)"
        if None in factors.values():
            return "in a way that is none of the usual ones"
        low, high = min(factors.values()), max(factors.values())
        if abs(low - 1) < CLOSE and abs(high - 1) < CLOSE:
            return "not clipped"
        if high / low - 1 < CLOSE:
            names = "clip_by_global_norm, global_clipnorm"
            return f"by the global norm, here to {high:.4g} times ({names})"
        limit = max(
            np.linalg.norm(self.value(side, f"gradients/{name}"))
            for name, factor in factors.items()
            if factor < 1 - CLOSE
        )
        return f"each by its own norm, to {limit:.4g} (clip_by_norm, clipnorm)"

    def slots(self):
        """The gradients and the constants agree, but a slot is a constant number larger."""
        offsets = {}
        for name in self.found.slots:
            pair = self.both(name)
            if pair is None or self.agrees(name):
                continue
            offset = pair[0] - pair[1]
            if offset.size < 2 or np.ptp(offset) > 1e-5 * abs(offset).max():
                return None
            offsets[name] = float(np.median(offset))
        if not offsets or np.ptp(list(offsets.values())) > 1e-4 * abs(max(offsets.values())):
            return None
        offset = next(iter(offsets.values()))
        text = SLOTS_START.format(
            names=_list(offsets), offset=abs(offset), more="more" if offset > 0 else "less"
        )
        return Cause([text], IN_OPTIMIZER)

    def sparse(self):
        """One optimizer adds up the squares of a sparse gradient, the other squares the sum."""
        every = mapping.variables(self.sides[0])
        names = []
        for name in self.found.slots:
            owner = (slot_of(name, every) or ("",))[0]
            pair, gradient = self.both(name), self.both(f"differentiated/{owner}")
            squares = [self.value(side, f"squares/{owner}") for side in self.sides]
            if pair is None or gradient is None or self.agrees(name):
                continue
            for mine, other, sum_ in zip(pair, pair[::-1], squares):
                if sum_ is not None and _multiple(sum_ - gradient[0] ** 2, mine - other, 0.02):
                    names.append(owner)
        if not names:
            return None
        return Cause([SPARSE.format(names=_list(dict.fromkeys(names)))], IN_OPTIMIZER)

    def constants(self):
        optimizers = [kinds(constants(side, self.step)) for side in self.sides]
        if all(optimizers) and optimizers[0] != optimizers[1]:
            ours, theirs = (", ".join(names) for names in optimizers)
            return Cause([OPTIMIZER.format(reference=ours, candidate=theirs)], IN_OPTIMIZER)
        differing = different_constants(*self.sides, self.step)
        if not differing:
            rates = old_rates(*self.sides, self.step)
            return rates and Cause([VELOCITY.format(before=rates[0], now=rates[1])], IN_OPTIMIZER)
        text = CONSTANTS.format(which=", ".join(differing))
        if self.before and any("learning_rate" in which for which in differing):
            text += SCHEDULE.format(step=self.step)
        which = differing[0].partition("/")[0]
        is_rate = all("learning_rate" in text for text in differing)
        return Cause([text], f"{IN_SCHEDULE if is_rate else IN_OPTIMIZER}/{which}")

    def _updates(self):
        """Returns {name: (weight before, both updates)} of the weights whose updates differ."""
        found = {}
        for name in self.trained:
            start, pair = self.both(name, self.before), self.both(name)
            if start is None or pair is None:
                continue
            if name in self.parting.tensors:
                found[name] = start[0], pair[0] - start[0], pair[1] - start[1]
        return found

    def _different_updates(self):
        """Returns the same of all weights whose updates differ by more than the rounding of the
        weights, although they may not part yet; and whether the others' are the same."""
        every, away = {}, {}
        for name in self.trained:
            start, pair = self.both(name, self.before), self.both(name)
            if start is not None and pair is not None:
                every[name] = start[0], pair[0] - start[0], pair[1] - start[1]
                _, ours, theirs = every[name]
                rest, size = np.linalg.norm(theirs - ours), np.linalg.norm(ours) + 1e-30
                if self.step < self.parting.step:
                    rest = min(rest, _beside_rounded_rate(ours, theirs))
                rounding = ROUNDED * np.linalg.norm(pair[0]) + 4 * size * self._apart(name)
                away[name] = 0.0 if rest <= rounding else rest / size
        most = max(away.values(), default=0.0)
        found = {name: every[name] for name, rest in away.items() if rest > most / 100}
        return found, all(not away[name] for name in away if name not in found)

    def _apart(self, name):
        """Returns the relative difference of a weight's gradients, which agree."""
        ours, theirs = self._gradients().get(name, (0, 0))
        return np.linalg.norm(theirs - ours) / (np.linalg.norm(ours) + 1e-30)

    def earlier_rule(self):
        """A small change of an optimizer shows in an earlier step's updates, before the weights
        part, and gradients of other weights differ, too."""
        if not self.losses_agree:
            return None
        parted = self.step, self.before
        steps = self.sides[0].steps
        try:
            for self.before, self.step in itertools.pairwise(steps):
                if self.step >= parted[0] or self._differing():
                    return None
                differing, _ = self._different_updates()
                cause = self._decay(differing) or self._by_hand()
                if cause and cause.place != IN_SCHEDULE and self._is_new_factor(*parted):
                    return None
                if cause:
                    cause.texts[0] += SINCE.format(step=self.step)
                    return cause
        finally:
            self.step, self.before = parted

    def _is_new_factor(self, step, before):
        """Says whether all updates of a step are one multiple of the reference's, and those of the
        steps before agree but for a tenth of that, where another rule would differ, too."""
        moves = self._moves(step, before)
        factor = None if moves is None else _multiple(*moves)
        if factor is None or abs(factor - 1) <= CLOSE:
            return False
        pairs = itertools.pairwise([s for s in self.sides[0].steps if s <= before])
        known = [self._moves(s, b) for b, s in pairs]
        apart = [
            np.linalg.norm(theirs - ours) / (np.linalg.norm(ours) + 1e-30)
            for ours, theirs in filter(None, known)
        ]
        return bool(apart) and max(apart) < abs(factor - 1) / 10

    def _moves(self, step, before):
        """Returns both programs' updates of all weights in a step, flat, or None."""
        pairs = [(self.both(n, before), self.both(n, step)) for n in self.trained]
        if not pairs or any(start is None or end is None for start, end in pairs):
            return None
        rows = [[(end[i] - start[i]).reshape(-1) for start, end in pairs] for i in (0, 1)]
        return np.concatenate(rows[0]), np.concatenate(rows[1])

    def decay(self):
        return self._decay(self._updates())

    def _decay(self, differing):
        multiples = {}
        for name, (weight, ours, theirs) in differing.items():
            away = np.linalg.norm(theirs - ours)
            rounding = ROUNDED * np.linalg.norm(weight) / away if away else 1.0
            close = min(max(CLOSE, rounding), 0.05)
            # It may be taken of the weight before the update, or after it.
            found = [_multiple(w, theirs - ours, close) for w in (weight, weight + ours)]
            multiple = found[1] if found[0] is None else found[0]
            if multiple is None:
                return None
            multiples[name] = multiple
        # Of a weight that was 0, such as a new bias, what it is after the update is the update.
        is_known = any(np.linalg.norm(w) > np.linalg.norm(o) for w, o, _ in differing.values())
        if not multiples or not is_known or not self._tells(multiples):
            return None
        value = float(np.median(list(multiples.values())))
        sign = "plus" if value > 0 else "minus"
        text = DECAY.format(names=_list(multiples), sign=sign, value=abs(value))
        return Cause([text], (BESIDES, list(multiples)))

    def rule(self):
        """One program's update is that of the other's optimizer, but for one change."""
        differing = self._updates()
        if not differing or self._still(differing):
            return None
        cause = self._by_hand()
        if cause:
            return cause
        ours, theirs = (
            np.concatenate([parts[index].reshape(-1) for parts in differing.values()])
            for index in (1, 2)
        )
        factor = _multiple(ours, theirs)
        # Adam hides a factor of its gradients but for epsilon: no factor near 1 is a rate.
        if factor is None or abs(factor - 1) <= CLOSE:
            return None
        rest = np.linalg.norm(theirs - factor * ours)
        if rest > updates.EXPLAINED * np.linalg.norm(theirs - ours):
            return None
        return Cause([FACTOR.format(factor=factor)], IN_SCHEDULE)

    def _by_hand(self):
        differing, others_agree = self._different_updates()
        if not differing:
            return None
        for side, other in ((0, 1), (1, 0)):
            known = kinds(constants(self.sides[side], self.step))
            if len(known) == 1:
                how = self._changed_rule(known[0], self.sides[side], differing, other)
                if how:
                    who = ("reference", "candidate")[other]
                    is_part = len(differing) < len(self.trained) and others_agree
                    names = f" of {_list(differing)} alone" if is_part else ""
                    is_rate = updates.RATE in how and not names
                    place = IN_CLIPPING if updates.CLIPPED in how else IN_OPTIMIZER
                    text = BY_HAND.format(side=who, names=names, how=how)
                    if is_rate and self._is_new_factor(self.step, self.before):
                        text += SCHEDULE.format(step=self.step)
                    return Cause([text], IN_SCHEDULE if is_rate else place)
        return None

    def _still(self, differing):
        """Returns (side, names of weights) if some of those that differ do not move in one."""
        for side, index in (("candidate", 2), ("reference", 1)):
            still = [name for name, parts in differing.items() if not np.any(parts[index])]
            if still:
                return side, still
        return None

    def _changed_rule(self, kind, side, differing, other):
        """Returns what the `other` program changes in the rule of this side's optimizer."""
        names, theirs = list(self.trained), self.sides[other]
        steps = [step for step in side.steps if step <= self.step]
        gradients = [(step, f"gradients/{name}") for step in steps[1:] for name in names]
        if any(place not in side.values for place in gradients):
            steps = steps[-2:]
        slots = {}
        every = mapping.variables(side)
        for name in every:
            owner, what = slot_of(name, every) or (None, None)
            value = self.value(side, name, steps[0])
            if owner in names and value is not None:
                slots[owner, mapping.SLOTS.get(what, what)] = value
        made = [self._made(side, side, kind, step, names) for step in steps[1:]]
        judged = [name for name in names if name in differing]
        if None in made or not judged:
            return None
        moves = [{name: differing[name][1 + other] for name in judged}]
        later = [step for step in side.steps if step > self.step]
        for step in later if self._gives_raw(theirs, made[-1], names) else ():
            move = {name: self._move(theirs, name, step) for name in judged}
            more = self._made(side, theirs, kind, step, names)
            if more is None or any(value is None for value in move.values()):
                break
            made.append(more)
            moves.append(move)
        return updates.explain(kind, made, steps[1], slots, moves)

    def _move(self, side, name, step):
        """Returns what a step added to a weight, or None."""
        pair = self.value(side, name, step - 1), self.value(side, name, step)
        return None if pair[0] is None or pair[1] is None else pair[1] - pair[0]

    def _gives_raw(self, side, known, names):
        """Says whether it is known what a program gives to its update: what its optimizer is given,
        or else the gradients as they are, if the other program leaves them so."""
        if all(f"gradients/{name}" in side.forms for name in names):
            return True
        return all(np.allclose(known.raw[n], known.gradients[n], rtol=1e-5) for n in names)

    def _made(self, side, differentiates, kind, step, names):
        """Returns the updates.Step of a side with the gradients of one, or None if one lacks."""
        raw = {name: self.value(differentiates, f"differentiated/{name}", step) for name in names}
        given = {name: self.value(differentiates, f"gradients/{name}", step) for name in names}
        given = _completed(raw, given)
        own = constants(side, step)
        if not own or any(value is None for value in given.values()):
            return None
        raw = {name: given[name] if value is None else value for name, value in raw.items()}
        own = {name.partition("/")[2]: value for name, value in own.items()}
        before = [s for s in side.steps if s < step][-1]
        rate_before = constants(side, before).get(f"{kind}/learning_rate")
        weights = {name: self.value(differentiates, name, before) for name in names}
        weights = None if any(value is None for value in weights.values()) else weights
        return updates.Step(own, given, raw, rate_before, weights)

    def update(self):
        differing = self._updates()
        found = self._still(differing)
        if found and set(found[1]) == set(self.trained) and self._moves_later(*found):
            return Cause([NO_RATE.format(step=self.step, side=found[0])], IN_SCHEDULE)
        if found:
            side, still = found
            return Cause([STILL.format(names=_list(still), side=side, **_number(still))], still)
        if not differing:
            return None
        several = [kinds(constants(side, self.step)) for side in self.sides]
        constrained = [name for name in differing if self._is_bounded(name)]
        if constrained and len(differing) < len(self.trained):
            text = CONSTRAINT.format(names=_list(constrained))
            return Cause([text], constrained)
        if bool(several[0]) != bool(several[1]):
            who = "candidate" if several[0] else "reference"
            text = UNKNOWN_RULE.format(names=_list(differing), side=who)
        elif len(several[0]) > 1:
            text = SEVERAL.format(names=_list(differing), kinds=", ".join(several[0]))
        else:
            return Cause([UPDATE.format(names=_list(differing))], (BESIDES, list(differing)))
        return Cause([text], IN_OPTIMIZER)

    def _moves_later(self, side, names):
        """Says whether all of some weights move in a later step."""
        its = self.sides[0 if side == "reference" else 1]
        last = [step for step in its.steps if step > self.step][-1:]
        if not last:
            return False
        values = [[self.value(its, name, step) for step in (self.step, *last)] for name in names]
        return all(a is not None and b is not None and np.any(b - a) for a, b in values)

    def _is_bounded(self, name):
        """Says whether the candidate's weight is the reference's in shorter columns, or with fewer
        numbers below 0: a constraint of a layer."""
        ours, theirs = self.both(name)
        if theirs.ndim < 2:
            return False
        most = updates.EXPLAINED * np.linalg.norm(theirs - ours)  # of the difference
        if np.linalg.norm(theirs - np.maximum(ours, 0)) <= most:
            return True
        norms = [np.sqrt((a**2).sum(0)) for a in (ours, theirs)]
        with np.errstate(all="ignore"):
            scaled = ours * (norms[1] / norms[0])
        is_shorter = bool((norms[1] <= (1 + 1e-5) * norms[0]).all())
        return is_shorter and bool(np.linalg.norm(theirs - scaled) <= most)


def _inputs(side: Recording, step: int) -> dict[str, np.ndarray]:
    found = {}
    for (at, name), value in side.values.items():
        if at == step and name.startswith("inputs/"):
            found[name.partition("/")[2]] = value.astype(np.float64)
    return found


def _multiple(of: np.ndarray, value: np.ndarray, close: float = CLOSE) -> float | None:
    """Returns the number k for which `value` is k times `of`, to a relative rest; or None."""
    square = np.vdot(of, of)
    if not square:
        return None
    factor = float(np.vdot(of, value) / square)
    rest = np.linalg.norm(value - factor * of)
    return factor if factor and rest <= close * np.linalg.norm(value) else None


def _beside_rounded_rate(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns how far updates are apart but for a factor near 1: a program that computes
    1 - beta2**t in float32 rounds it that much."""
    square = np.vdot(ours, ours)
    factor = float(np.vdot(ours, theirs) / square) if square else np.inf
    return np.linalg.norm(theirs - factor * ours) if abs(factor - 1) <= updates.NEAR else np.inf


def _completed(raw: dict, given: dict) -> dict:
    """Returns the gradients that an optimizer is given. Those that are not recorded, such as rows
    of an embedding, are multiplied as all others are, by a clip of their global norm."""
    pairs = [(raw[name], value) for name, value in given.items()]
    factors = [_multiple(a, b) for a, b in pairs if a is not None and b is not None and np.any(a)]
    factor = 1.0
    if factors and None not in factors and min(factors) > 0:
        is_one = max(factors) / min(factors) - 1 <= CLOSE
        factor = float(np.median(factors)) if is_one else 1.0
    return {
        name: factor * raw[name] if value is None and raw[name] is not None else value
        for name, value in given.items()
    }


def _same_numbers(a: np.ndarray, b: np.ndarray) -> bool:
    """Says whether two arrays hold the same numbers, flat or not, classes as numbers or one-hot."""
    if a.size == b.size:
        return _close(a.reshape(-1), b.reshape(-1))
    if a.ndim and b.ndim and len(a) == len(b):
        wide, narrow = (a, b) if a.size > b.size else (b, a)
        if wide.ndim == 2 and narrow.size == len(narrow):
            return np.array_equal(wide.argmax(1), narrow.reshape(-1))
    return False


def _is_one_of(few: dict[str, np.ndarray], many: dict[str, np.ndarray]) -> int:
    """Returns how many examples `many` has, if each of the few arrays is one of them; else 0."""
    rows = {len(array) for array in many.values() if array.ndim}
    if not few or len(rows) != 1 or rows <= {0, 1}:
        return 0
    (count,) = rows
    for one in few.values():
        if not any(
            array.size == count * one.size
            and np.isclose(array.reshape(count, -1), one.reshape(1, -1), 1e-6).all(1).any()
            for array in many.values()
        ):
            return 0
    return count


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Says how one input differs from the other."""
    if len(ours) != len(theirs):
        return f"{name} has {len(ours)} examples, the candidate's {len(theirs)}"
    classes = [_class_numbers(array) for array in (ours, theirs)]
    if ours.size != theirs.size and classes[0].size == classes[1].size:
        ours, theirs = classes
    if ours.size != theirs.size:
        return f"{name} is {list(ours.shape)}, the candidate's {list(theirs.shape)}"
    keys = [_keys(a) for a in (ours, theirs)]
    if _close(np.sort(keys[0]), np.sort(keys[1])):
        return f"{name} holds the same examples in another order"
    if _close(np.sort(ours, None), np.sort(theirs, None)):
        return f"{name} holds the same numbers with its axes or its elements in another order"
    a, b = ours.reshape(-1), theirs.reshape(-1)
    multiple = _multiple(a, b)
    if multiple and abs(multiple - 1) < 1e-3:
        return f"the candidate's {name} holds the same numbers with fewer digits (another dtype)"
    if multiple:
        return f"the candidate's {name} is {multiple:.6g} times the reference's (scaling)"
    a0, b0 = a - a.mean(), b - b.mean()
    multiple = _multiple(a0, b0)
    if multiple:
        offset = b.mean() - multiple * a.mean()
        return f"the candidate's {name} is {multiple:.6g} times the reference's plus {offset:.6g}"
    if ours.size == len(ours):
        same = np.count_nonzero(np.isclose(a, b))
        return f"{name} holds other examples: {same} of {len(ours)} are the same"
    shared = np.isclose(keys[0][:, None], keys[1], rtol=CLOSE_DATA, atol=0).any(1).sum()
    return f"{name} holds other examples: {shared} of {len(ours)} are in both"


def _class_numbers(array: np.ndarray) -> np.ndarray:
    """Returns one-hot classes as numbers, and any other array as it is."""
    is_one_hot = array.ndim == 2 and np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()
    return array.argmax(1).astype(array.dtype) if is_one_hot else array


def _keys(array: np.ndarray) -> np.ndarray:
    """Returns a number for each example, the same for the same numbers but for rounding."""
    rows = array.reshape(len(array), -1)
    return rows @ (1 + np.random.RandomState(0).random_sample(rows.shape[1]))


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Says whether two arrays hold the same numbers but for the rounding of float32."""
    largest = np.abs(a).max(initial=0)
    return np.allclose(a, b, rtol=CLOSE_DATA, atol=CLOSE_DATA * largest, equal_nan=True)


def _cells(names) -> str:
    """Returns the kinds of recurrent cells that names of weights tell, such as "LSTM"."""
    found = {kind.upper() for name in names for kind in re.findall("gru|lstm|rnn(?=_cell)", name)}
    return ", ".join(sorted(found))


def _list(names) -> str:
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _number(names):
    many = len(names) > 1
    return {
        "is_": "are" if many else "is",
        "it": "them" if many else "it",
        "do": "do" if many else "does",
    }
