"""What a pattern of differences usually means; what looks alike is said to look alike."""

import math

import numpy as np

from compare import names
from compare.parting import Verdict, as_recorded, is_evaluation, moved, ulp_distance, weights
from shared.trace import Recording

DRIFT = (
    "They drift apart: until then they were within the tolerance, as far as it was held to full "
    "values. Without a tolerance this names the first step at which anything at all differs, which "
    "tells more."
)
GAP = (
    "They part somewhere in the steps {first} to {last}; a record of every step tells which it is, "
    "and more."
)
COUNTS = (
    "No weight differs, but what is beside them: counts, or gradients that nothing was done with."
)
LATE = (
    "They differ at the first step that was recorded, {step}; a record of step 0 and of every step "
    "after it tells more."
)
SLOTS = (
    "The weights start alike, the optimizer's slots do not: RMSProp's mean square starts at 1 in "
    "TensorFlow 1 and at 0 in Keras, Adagrad's accumulator at 0.1 in TensorFlow 1."
)
EVALUATION = (
    "The variables agree, and evaluation makes something else of them: dropout left on, or batch "
    "norm by the batch's mean and variance, in the place of the moving averages."
)
AVERAGES = (
    "Only batch norm's moving averages differ. They are moved twice in a step, or not at all (in "
    "TensorFlow 1 by UPDATE_OPS, which the train_op has to depend on; in TensorFlow 2 whenever the "
    "model is called for training, also when one only looks), or by another momentum."
)
START = (
    "{which} at other values: another seed, another initialiser, or a checkpoint restored on one "
    "side only."
)
SUM = (
    "The {who}'s loss is {n} times the other's, as where one takes the sum over a batch of {n} and "
    "the other its mean."
)
NOT_FINITE = (
    "The loss is no longer a finite number on one side: a rate that is too high there, or the "
    "logarithm of a probability that became 0, as in -sum(labels * log(softmax(logits))), which "
    "softmax_cross_entropy_with_logits avoids."
)
STILL = (
    "{name} did not move in the {still}: it is not among the variables the optimizer is given, "
    "or no gradient reaches it (trainable=False, stop_gradient)."
)
SOME = (
    "Of {all} weights only these differ: {some}. So it is what happens to them alone: their "
    "gradients, a decay or a clip, the inputs that they are multiplied by."
)
MOST_FACTORS = 4
FACTOR = "The candidate's update of {name} is {factor:.4g} times the reference's{inverse}."
OTHER = (
    "The loss is the same and the update is not: the gradients (clipped, stopped, or of another "
    "loss than the one that is shown), the learning rate, or the optimizer's constants."
)
ROUNDING = (
    "The difference is of the size of rounding: the same mathematics in another order or by "
    "another kernel (another number of threads, another device or version, XLA, a division "
    "written as a product, a sum of three gradients added up otherwise)."
)
DATA_OR_FORWARD = (
    "Up to here all was the same, so this step was given other data or made another forward pass "
    "of it. These look alike in the numbers: the examples' order or the seed of their shuffle; the "
    "labels; the scaling of the images; dropout's rate, which is 1 - keep_prob, or its noise; a "
    "layer's padding, stride or activation. To tell them apart, run both without dropout, then in "
    "the file's order (--keep_prob=1, --batch_order=file): what makes them agree is where they "
    "differ."
)
BLIND_LOSS = (
    "The loss is that of equal scores for all {classes} classes, as zero weights give it for any "
    "data; so it may just as well be the data. These look alike in the numbers: the examples' "
    "order or the seed of their shuffle; the labels; the scaling of the images, if only weights "
    "that are multiplied by images differ."
)
UPDATE = (
    "The {what} agree, so the gradients do, and it is the update that differs: the learning rate "
    "(or its schedule, a step early or late), or epsilon (1e-8 in TensorFlow 1's Adam, 1e-7 in "
    "Keras's), or the same rule rounded otherwise."
)


def explain(verdict: Verdict, reference: Recording, candidate: Recording) -> list[str]:
    """Returns what the pattern at the step of parting usually means, the likeliest first."""
    parting = verdict.parting
    if all(map(is_evaluation, parting.tensors)) and not parting.losses:
        return [EVALUATION]
    if parting.previous is None:
        return [LATE.format(step=parting.step)] if parting.step else _initial(verdict)
    if verdict.tolerance:
        return [DRIFT]
    if parting.step - parting.previous > 1:
        return [GAP.format(first=parting.previous + 1, last=parting.step)]
    if parting.losses:
        return _loss(verdict)
    return _update(verdict, reference, candidate)


def _initial(verdict: Verdict) -> list[str]:
    differing = weights_in(verdict)
    if not differing:
        return [SLOTS]
    every = weights(verdict.names)
    which = f"Only {_list(differing)} start{'s' if len(differing) == 1 else ''}"
    if differing == every:
        which = "Every weight starts"
    return [START.format(which=which)]


def _loss(verdict: Verdict) -> list[str]:
    reference, candidate = verdict.parting.losses
    if not np.isfinite([reference, candidate]).all():
        return [NOT_FINITE]
    if ulp_distance(as_recorded(reference), as_recorded(candidate)) <= 16:
        return [ROUNDING]
    for ratio, who in (
        (candidate / reference if reference else 0, "candidate"),
        (reference / candidate if candidate else 0, "reference"),
    ):
        if 1.5 < ratio < 1e4 and abs(ratio / round(ratio) - 1) < 1e-5:
            return [SUM.format(who=who, n=round(ratio))]
    return [DATA_OR_FORWARD]


def _update(verdict: Verdict, reference: Recording, candidate: Recording) -> list[str]:
    """Explains an update that parts though the loss it was made from is the same."""
    parting, found = verdict.parting, []
    differing, every = weights_in(verdict), weights(verdict.names)
    for name in list(differing):
        movements = [
            moved(recording, its_name, parting.step)
            for recording, its_name in ((reference, name), (candidate, verdict.names[name]))
        ]
        if movements in ([True, False], [False, True]):
            still = "candidate" if movements[0] else "reference"
            differing.remove(name)
            found.append(STILL.format(name=name, still=still))
    if not differing:
        return found or [COUNTS]
    if all(name.endswith(("/moving_mean", "/moving_variance")) for name in differing):
        return [*found, AVERAGES]
    if _agree(verdict, reference, candidate, "gradients"):
        found.append(UPDATE.format(what="gradients"))
    elif _agree(verdict, reference, candidate, "slots"):
        found.append(UPDATE.format(what="optimizer's slots"))
    if len(weights_in(verdict)) < len(every):
        found.append(SOME.format(all=len(every), some=_list(weights_in(verdict))))
    found += _factors(verdict, reference, candidate, differing)
    loss = reference.losses.get(parting.step, 0)
    classes = round(math.exp(loss)) if 0 < loss < 12 else 0
    if classes >= 2 and abs(loss - math.log(classes)) < 1e-6 * loss:
        found.append(BLIND_LOSS.format(classes=classes))
    if _is_rounding(verdict, reference, candidate, differing):
        found.append(ROUNDING)
    return found or [OTHER]


def weights_in(verdict: Verdict) -> list[str]:
    """Returns the weights that differ at the step of parting."""
    return [name for name in weights(verdict.names) if name in verdict.parting.tensors]


def _agree(verdict: Verdict, reference: Recording, candidate: Recording, what: str) -> bool:
    """Says whether gradients, or slots, were recorded at the step of parting and are all alike."""
    parting = verdict.parting
    chosen = [
        name
        for name in verdict.names
        if (name.startswith("gradients/") if what == "gradients" else _is_slot(name, verdict.names))
        and name in reference.rows[parting.step]
        and verdict.names[name] in candidate.rows[parting.step]
    ]
    return bool(chosen) and not set(chosen) & set(parting.tensors)


def _is_slot(name: str, every: dict[str, str]) -> bool:
    return names.slot(name, every) is not None


def _factors(
    verdict: Verdict, reference: Recording, candidate: Recording, differing: list[str]
) -> list[str]:
    """Says so where the candidate's updates are the reference's times one number."""
    factors = {}
    for name in differing:
        ours = _step_of(reference, name, verdict)
        theirs = _step_of(candidate, verdict.names[name], verdict)
        if ours is None or theirs is None:
            continue
        square = np.vdot(ours, ours)
        factor = np.vdot(ours, theirs) / square if square else 0
        if factor and np.linalg.norm(theirs - factor * ours) < 1e-3 * np.linalg.norm(theirs):
            factors[name] = factor
    return [
        FACTOR.format(
            name=name, factor=factor, inverse=f" (1/{1 / factor:.4g})" if 0 < factor < 0.5 else ""
        )
        for name, factor in factors.items()
        if abs(factor - 1) > 1e-3
    ][:MOST_FACTORS]


def _step_of(recording: Recording, name: str, verdict: Verdict) -> np.ndarray | None:
    """Returns what the update that parts added to a weight, float64; None where unknown."""
    parting = verdict.parting
    before = recording.values.get((parting.previous, name))
    after = recording.values.get((parting.step, name))
    if before is None or after is None:
        return None
    return after.astype(np.float64) - before.astype(np.float64)


def _is_rounding(
    verdict: Verdict, reference: Recording, candidate: Recording, differing: list[str]
) -> bool:
    """Says whether all that differs does so in the last few bits of its largest elements."""
    step, pairs = verdict.parting.step, []
    for name in differing:
        a = reference.values.get((step, name))
        b = candidate.values.get((step, verdict.names[name]))
        if a is None or b is None or a.shape != b.shape:
            return False
        pairs.append((a.astype(np.float64), b.astype(np.float64)))
    return all(np.abs(b - a).max() <= 1e-6 * np.abs(a).max() for a, b in pairs)


def _list(items: list[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")
