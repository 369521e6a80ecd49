"""Names the usual causes of a pattern of differences.

If several causes have the same pattern, the text names all of them.
"""

import math

import numpy as np

from compare.parity import names
from compare.parity.distances import as_recorded, ulp_distance
from compare.parity.first_difference import (
    Comparison,
    has_moved,
    is_evaluation,
    weights,
)
from shared.trace import Recording

DRIFT = (
    "The programs drift apart: earlier steps were within the tolerance, as far as full values were "
    "compared. Run again without a tolerance: the first step at which any bit differs tells more."
)
GAP = (
    "The first difference is in one of the steps {first} to {last}. Record every step to find out "
    "which."
)
COUNTS = "No weight differs, only counters or gradients that are not applied."
LATE = (
    "They differ at the first recorded step, {step}. Record step 0 and every step after it to find "
    "out more."
)
SLOTS = (
    "The weights start equal, but the optimizer's slots do not: RMSProp's mean square starts at 1 "
    "in TensorFlow 1 and at 0 in Keras; Adagrad's accumulator starts at 0.1 in TensorFlow 1."
)
EVALUATION = (
    "The variables agree, but the evaluation does not: dropout is still on, or batch norm uses the "
    "batch's mean and variance instead of the moving averages."
)
AVERAGES = (
    "Only batch norm's moving averages differ. They are updated twice in a step, or not at all (in "
    "TensorFlow 1 the train_op must depend on UPDATE_OPS; in TensorFlow 2 every call of the model "
    "with training=True updates them), or the momentum differs."
)
MOMENTUM = (
    "Only batch norm's moving averages differ ({names}), and each moves {factor:.4g} times as far "
    "in the candidate: the momentum (decay) differs, or they are updated twice in a step."
)
START = (
    "{which} with other values: another seed, another initialiser, or a checkpoint that only one "
    "program restored."
)
SUM = (
    "The {who}'s loss is {n} times the other's: one takes the sum over a batch of {n}, the other "
    "its mean."
)
SCALED = (
    "The {who}'s loss is {factor:.6g} times the other's{updates}: a weight of the loss, or what "
    "its sum is divided by. tf.losses divides by the number of nonzero weights "
    "(SUM_BY_NONZERO_WEIGHTS), Keras by the size of the batch."
)
PENALTY = (
    "A penalty on the weights (L2) is {which} in the candidate: its {what} of {names} is the "
    "reference's {sign} {value:.4g} times the weight itself.{loss}"
)
LESS, MORE = "smaller or missing", "larger, or only there"
MISSING_LOSSES = (
    " In Keras, the loss has to add model.losses; in TensorFlow 1, the regularization losses."
)
DECOUPLED = " The losses agree, so the decay is in the optimizer (weight_decay, decoupled)."
NOT_FINITE = (
    "The loss is no longer finite on one side: the learning rate is too high, or the loss takes "
    "the logarithm of a probability that became 0, as in -sum(labels * log(softmax(logits))). Use "
    "softmax_cross_entropy_with_logits."
)
STILL = (
    "{name} did not change in the {still}: it is not among the optimizer's variables, or no "
    "gradient reaches it (trainable=False, stop_gradient)."
)
STILL_AVERAGES = (
    "Batch norm's moving averages ({names}) did not change in the {still}. In a TensorFlow 1 graph "
    "the train_op must depend on UPDATE_OPS, to which a Keras layer adds nothing (run its updates "
    "with the step); in TensorFlow 2 only a call of the model with training=True moves them."
)
SOME = (
    "Of {all} trained weights only these differ: {some}. So the cause affects them alone: their "
    "gradients, a decay, a clip, or the inputs that they are multiplied by."
)
MOST_FACTORS = 4
SMALL_BATCH = 8  # a loss that is 2 times another is no sign of a batch of two
MOST_CLASSES = 1000  # a loss of 11.3 is no sign of 80,822 classes
AVERAGED = ("moving_mean", "moving_variance")
FACTOR = "The candidate's update of {name} is {factor:.4g} times the reference's{inverse}."
SAME_FACTOR = (
    "Every update of the candidate is {factor:.4g} times the reference's{inverse}: the learning "
    "rate (or its schedule), or a clip of all gradients together (clip_by_global_norm, "
    "global_clipnorm) that only one program has."
)
OWN_FACTORS = (
    "Each variable's update has a factor of its own: {factors}. So the gradients are clipped "
    "differently: {who} each variable's by its own norm (clip_by_norm, clipnorm), the other all by "
    "their global norm (clip_by_global_norm, global_clipnorm), or not at all."
)
OTHER = (
    "The loss agrees, but the update does not: the gradients differ (clipped, stopped, or of a "
    "loss that is not the recorded one), or the learning rate, or the optimizer's constants."
)
ROUNDING = (
    "The difference has the size of rounding: the same mathematics in another order or with "
    "another kernel (another number of threads, another device or version, XLA, a division "
    "written as a product, a sum of three gradients in another order)."
)
DATA_OR_FORWARD = (
    "All earlier steps agree, so this step has other data or another forward pass. The numbers do "
    "not tell these causes apart: the examples' order or the seed of their shuffle; the labels; "
    "the scaling of the images; dropout's rate, which is 1 - keep_prob, or its noise; a layer's "
    "padding, stride or activation. To find out, run both programs without dropout, then with the "
    "examples in the file's order. The change that makes them agree names the cause."
)
REPORTED = (
    "Only the reported loss differs: every weight agrees. So the programs compute the same, and "
    "one reports another number{which}."
)
RUNNING_MEAN = (
    ": the candidate's is the mean of all losses so far, as logs['loss'] of Keras's fit is"
)
OTHER_REPORT = (
    ": the loss after the update, a mean over steps, or a loss without its penalty (Keras's "
    "model.losses)"
)
NOT_COMPARED = (
    "Nothing was compared before step {step}: no tensor was recorded by both. Record the variables "
    "before the loop, trace.record(0, None, {{...}}); a Keras model has none until it is built."
)
WITNESSES = (
    "The moving averages of {names} agree, so the data, their scaling and the layers before them "
    "do: the difference lies behind them, in a later layer or in the loss and its penalties."
)
NEAR_ZERO = (
    "The gradients of {names} agree but for rounding (within 1e-6 of the largest element). Adam "
    "and RMSprop make a full step even of a gradient that is 0 but for rounding, so this is "
    "rounding."
)
BLIND_LOSS = (
    "The loss is that of equal scores for all {classes} classes. Zero weights give it for any "
    "data, so the data may differ as well. The numbers do not tell these causes apart: the "
    "examples' order or the seed of their shuffle; the labels; the scaling of the images, if the "
    "only weights that differ are multiplied by images."
)
UPDATE = (
    "The {what} agree, so the gradients agree and the update differs: the learning rate (or its "
    "schedule, a step early or late), or epsilon (1e-8 in TensorFlow 1's Adam, 1e-7 in Keras's), "
    "or the rounding of the same rule."
)


def explain(comparison: Comparison, reference: Recording, candidate: Recording) -> list[str]:
    """Returns the usual causes of the first difference, the likeliest first."""
    first = comparison.first_difference
    if all(map(is_evaluation, first.tensors)) and not first.losses:
        return [EVALUATION]
    if first.previous is not None and not _was_compared(comparison, reference, candidate):
        return [NOT_COMPARED.format(step=first.step)]
    if first.previous is None:
        return [LATE.format(step=first.step)] if first.step else _explain_start(comparison)
    if first.step - first.previous > 1:
        return [GAP.format(first=first.previous + 1, last=first.step)]
    are_finite = first.losses and np.isfinite(first.losses).all()
    if are_finite and not first.tensors and weights(comparison.pairs):
        return [_explain_report(comparison, reference, candidate)]
    penalty = _penalty_text(comparison, reference, candidate)
    if penalty:
        return [penalty]
    if first.losses:
        found = _explain_loss(comparison, reference, candidate)
        witnesses = _agreeing_averages(comparison, reference, candidate)
        if witnesses and found == [DATA_OR_FORWARD]:
            return [WITNESSES.format(names=_list(witnesses))]
    else:
        found = _explain_update(comparison, reference, candidate)
    # With a tolerance, an update that differs in an unknown way may have begun to differ earlier.
    return [DRIFT] if comparison.tolerance and found in ([OTHER], [DATA_OR_FORWARD]) else found


def _was_compared(comparison: Comparison, reference: Recording, candidate: Recording) -> bool:
    """Says whether any tensor was compared before the first difference."""
    return any(
        name in reference.rows[step] and other in candidate.rows[step]
        for step in comparison.steps
        if step < comparison.first_difference.step
        for name, other in comparison.pairs.items()
    )


def _explain_report(comparison: Comparison, reference: Recording, candidate: Recording) -> str:
    """Explains a loss that differs although every tensor agrees."""
    step = comparison.first_difference.step
    so_far = [loss for at, loss in sorted(reference.losses.items()) if at <= step]
    is_mean = np.isclose(np.mean(so_far), candidate.losses[step], rtol=1e-5) and len(so_far) > 1
    return REPORTED.format(which=RUNNING_MEAN if is_mean else OTHER_REPORT)


def _agreeing_averages(
    comparison: Comparison, reference: Recording, candidate: Recording
) -> list[str]:
    """Returns the moving averages that have moved in the differing step, and agree."""
    first = comparison.first_difference
    return [
        name
        for name, other in comparison.pairs.items()
        if name.endswith(AVERAGED)
        and name not in first.tensors
        and has_moved(reference, name, first.step)
        and other in candidate.rows[first.step]
    ]


def _explain_start(comparison: Comparison) -> list[str]:
    differing = _different_weights(comparison)
    if not differing:
        return [SLOTS]
    every = weights(comparison.pairs)
    which = f"Only {_list(differing)} start{'s' if len(differing) == 1 else ''}"
    if differing == every:
        which = "Every weight starts"
    return [START.format(which=which)]


def _explain_loss(comparison: Comparison, reference: Recording, candidate: Recording) -> list[str]:
    ours, theirs = comparison.first_difference.losses
    if not np.isfinite([ours, theirs]).all():
        return [NOT_FINITE]
    if ulp_distance(as_recorded(ours), as_recorded(theirs)) <= 16:
        return [ROUNDING]
    if not ours or not theirs:
        return [DATA_OR_FORWARD]
    ratio = theirs / ours
    factors = _factors(comparison, reference, candidate, _different_weights(comparison))
    is_scaled = bool(factors) and all(abs(f / ratio - 1) < 1e-3 for f in factors.values())
    who, factor = ("candidate", ratio) if abs(ratio) > 1 else ("reference", 1 / ratio)
    is_whole = 1.5 < factor < 1e4 and abs(factor / round(factor) - 1) < 1e-5
    if is_whole and factor >= SMALL_BATCH:
        return [SUM.format(who=who, n=round(factor))]
    if is_whole or is_scaled:
        updates = ", and so is every update" if is_scaled else ""
        return [SCALED.format(who=who, factor=factor, updates=updates)]
    return [DATA_OR_FORWARD]


def _penalty_text(comparison: Comparison, reference: Recording, candidate: Recording) -> str | None:
    """Explains gradients, or updates, that differ by one multiple of the weights themselves."""
    first = comparison.first_difference
    names_ = [name for name in _different_weights(comparison) if not name.endswith(AVERAGED)]
    for what, amount_of in (("gradient", _gradient_of), ("update", _update_of)):
        multiples = []
        for name in names_:
            weight = reference.values.get((first.previous, name))
            ours = amount_of(reference, name, comparison)
            theirs = amount_of(candidate, comparison.pairs[name], comparison)
            multiples.append(_multiple_of_weight(weight, ours, theirs))
        if not multiples or None in multiples or np.ptp(multiples) > 0.01 * abs(multiples[0]):
            continue
        value = float(np.median(multiples))
        is_less = (value > 0) == (what == "update")
        loss = DECOUPLED
        if first.losses:
            if is_less != (first.losses[1] < first.losses[0]):
                continue
            loss = MISSING_LOSSES if is_less else ""
        return PENALTY.format(
            which=LESS if is_less else MORE,
            what=what,
            names=_list(names_),
            sign="plus" if value > 0 else "minus",
            value=abs(value),
            loss=loss,
        )
    return None


def _multiple_of_weight(
    weight: np.ndarray | None, ours: np.ndarray | None, theirs: np.ndarray | None
) -> float | None:
    """Returns the number k for which theirs - ours is k times the weight, up to rounding."""
    if weight is None or ours is None or theirs is None or weight.size < 3:
        return None
    if not weight.shape == ours.shape == theirs.shape:
        return None
    weight, difference = weight.astype(np.float64), theirs - ours
    square, norm = np.vdot(weight, weight), np.linalg.norm(difference)
    if norm < 2e-6 * np.sqrt(square):  # no more than rounding
        return None
    multiple = np.vdot(weight, difference) / square if square else 0
    rest = np.linalg.norm(difference - multiple * weight)
    return float(multiple) if rest < 1e-3 * norm + 1e-7 * np.sqrt(square) else None


def _explain_update(
    comparison: Comparison, reference: Recording, candidate: Recording
) -> list[str]:
    """Explains an update that differs although its loss is the same."""
    first, found = comparison.first_difference, []
    differing, every = _different_weights(comparison), weights(comparison.pairs)
    still = {"candidate": [], "reference": []}
    for name in list(differing):
        movements = [
            has_moved(recording, its_name, first.step)
            for recording, its_name in ((reference, name), (candidate, comparison.pairs[name]))
        ]
        if movements in ([True, False], [False, True]):
            differing.remove(name)
            still["candidate" if movements[0] else "reference"].append(name)
    for side, names_ in still.items():
        averages = [name for name in names_ if name.endswith(AVERAGED)]
        if averages:
            found.append(STILL_AVERAGES.format(names=_list(averages), still=side))
        found += [STILL.format(name=name, still=side) for name in names_ if name not in averages]
    if not differing:
        return found or [COUNTS]
    if all(name.endswith(AVERAGED) for name in differing):
        factors = list(_factors(comparison, reference, candidate, differing).values())
        if len(factors) == len(differing) and np.ptp(factors) < 1e-3 * abs(factors[0]):
            return [*found, MOMENTUM.format(names=_list(differing), factor=factors[0])]
        return [*found, AVERAGES]
    if _gradients_are_near(comparison, reference, candidate, differing):
        return [*found, NEAR_ZERO.format(names=_list(differing))]
    if _agree(comparison, reference, candidate, "gradients"):
        found.append(UPDATE.format(what="gradients"))
    elif _agree(comparison, reference, candidate, "slots"):
        found.append(UPDATE.format(what="optimizer's slots"))
    factors = _factor_texts(comparison, reference, candidate, differing)
    if not factors and _is_rounding(comparison, reference, candidate, differing):
        return [*found, ROUNDING]
    trained = [name for name in every if not name.endswith(AVERAGED)]
    some = [name for name in _different_weights(comparison) if name in trained]
    if len(some) < len(trained):
        found.append(SOME.format(all=len(trained), some=_list(some)))
    found += factors
    loss = reference.losses.get(first.step, 0)
    classes = round(math.exp(loss)) if 0 < loss < 12 else 0
    if 2 <= classes <= MOST_CLASSES and abs(loss - math.log(classes)) < 1e-6 * loss:
        found.append(BLIND_LOSS.format(classes=classes))
    return found or [OTHER]


def _different_weights(comparison: Comparison) -> list[str]:
    """Returns the weights that differ at the first difference."""
    return [
        name for name in weights(comparison.pairs) if name in comparison.first_difference.tensors
    ]


def _gradients_are_near(
    comparison: Comparison, reference: Recording, candidate: Recording, differing: list[str]
) -> bool:
    """Says whether the gradients of the differing weights agree to the rounding of their largest
    elements, although the weights differ."""
    step = comparison.first_difference.step
    for name in differing:
        ours = reference.values.get((step, f"gradients/{name}"))
        theirs = candidate.values.get((step, f"gradients/{comparison.pairs[name]}"))
        if ours is None or theirs is None or ours.shape != theirs.shape:
            return False
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
        if not 0 < np.abs(theirs - ours).max() <= 1e-6 * np.abs(ours).max():
            return False
    return True


def _agree(comparison: Comparison, reference: Recording, candidate: Recording, kind: str) -> bool:
    """Says whether a `kind`, "gradients" or "slots", was recorded there and agrees everywhere."""
    first = comparison.first_difference
    chosen = [
        name
        for name, other in comparison.pairs.items()
        if _is_kind(name, comparison.pairs, kind)
        and name in reference.rows[first.step]
        and other in candidate.rows[first.step]
    ]
    return bool(chosen) and not set(chosen) & set(first.tensors)


def _is_kind(name: str, every: dict[str, str], kind: str) -> bool:
    if kind == "gradients":
        return name.startswith("gradients/")
    return names.slot(name, every) is not None


def _factors(
    comparison: Comparison, reference: Recording, candidate: Recording, differing: list[str]
) -> dict[str, float]:
    """Returns the factor of each weight whose update is the reference's times a constant."""
    factors = {}
    for name in differing:
        ours = _update_of(reference, name, comparison)
        theirs = _update_of(candidate, comparison.pairs[name], comparison)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            continue
        square = np.vdot(ours, ours)
        factor = np.vdot(ours, theirs) / square if square else 0
        if factor and np.linalg.norm(theirs - factor * ours) < 1e-3 * np.linalg.norm(theirs):
            factors[name] = float(factor)
    return factors


def _factor_texts(
    comparison: Comparison, reference: Recording, candidate: Recording, differing: list[str]
) -> list[str]:
    """Explains updates that are the reference's times a constant."""
    every = _factors(comparison, reference, candidate, differing)
    factors = {name: factor for name, factor in every.items() if abs(factor - 1) > 1e-3}
    trained = [name for name in weights(comparison.pairs) if not name.endswith(AVERAGED)]
    if len(factors) > 1 and len(every) == len(trained):
        values = list(factors.values())
        if len(values) == len(every) and np.ptp(values) < 1e-3 * abs(values[0]):
            inverse = _inverse(values[0])
            return [SAME_FACTOR.format(factor=values[0], inverse=inverse)]
        if min(every.values()) > 0:
            who = _clips_by_each_norm(comparison, reference, candidate, factors)
            listed = [f"{name} {factor:.4g}" for name, factor in factors.items()]
            return [OWN_FACTORS.format(factors=_list(listed), who=who)]
    return [
        FACTOR.format(name=name, factor=factor, inverse=_inverse(factor))
        for name, factor in factors.items()
    ][:MOST_FACTORS]


def _inverse(factor: float) -> str:
    return f" (1/{1 / factor:.4g})" if 0 < factor < 0.5 else ""


def _clips_by_each_norm(
    comparison: Comparison, reference: Recording, candidate: Recording, factors: dict[str, float]
) -> str:
    """Returns the program whose updates all have one norm, the limit times the learning rate."""
    for who, side in (("the candidate", candidate), ("the reference", reference)):
        names_ = [comparison.pairs[n] if side is candidate else n for n in factors]
        norms = [np.linalg.norm(_update_of(side, name, comparison)) for name in names_]
        if np.ptp(norms) < 1e-3 * max(norms):
            return who
    return "one program"


def _update_of(recording: Recording, name: str, comparison: Comparison) -> np.ndarray | None:
    """Returns the amount that the first different update added to a weight, or None if unknown."""
    first = comparison.first_difference
    before = recording.values.get((first.previous, name))
    after = recording.values.get((first.step, name))
    if before is None or after is None or before.shape != after.shape:
        return None
    return after.astype(np.float64) - before.astype(np.float64)


def _gradient_of(recording: Recording, name: str, comparison: Comparison) -> np.ndarray | None:
    """Returns the recorded gradient of a weight at the first difference, or None."""
    found = recording.values.get((comparison.first_difference.step, f"gradients/{name}"))
    return None if found is None else found.astype(np.float64)


def _is_rounding(
    comparison: Comparison, reference: Recording, candidate: Recording, differing: list[str]
) -> bool:
    """Says whether every difference is in the last few bits of the tensor's largest elements."""
    step, pairs = comparison.first_difference.step, []
    for name in differing:
        a = reference.values.get((step, name))
        b = candidate.values.get((step, comparison.pairs[name]))
        if a is None or b is None or a.shape != b.shape:
            return False
        pairs.append((a.astype(np.float64), b.astype(np.float64)))
    return all(np.abs(b - a).max() <= 1e-6 * np.abs(a).max() for a, b in pairs)


def _list(items: list[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")
