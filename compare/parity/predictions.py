"""Compares two programs of which neither trains: what they predict from the recorded inputs."""

from dataclasses import asdict, dataclass

import numpy as np

from compare.parity import evidence, lines
from compare.parity.envelope import ENVELOPES, ROUNDING, difference
from compare.parity.first_difference import DIFFERENT, IDENTICAL
from compare.parity.mapping import Mapping
from shared.console import UserError
from shared.trace import Recording

STEP = 1  # of a recording, that holds what a program predicts
WITHIN = "agrees within rounding"
WEIGHTS = (
    "The weights differ when the programs predict: {names}. One restores another checkpoint, "
    "another variable of it, or none."
)
FORWARD = (
    "The inputs and the weights agree, but the outputs do not: the forward pass computes something "
    "else."
)
OUTPUTS = "The outputs differ by up to {most:.3g} ({relative:.3g} of the largest)."
SAME_OPERATIONS = "All operations of the candidate agree with one of the reference."


@dataclass
class OutputPair:
    """One output of both programs.

    Attributes
    ----------
    reference, candidate : their names; None if it has no counterpart.
    distance : the norm of the difference, as a multiple of what rounding may do.
    """

    reference: str | None
    candidate: str | None
    distance: float


def predicts(recording: Recording) -> bool:
    return any(name.startswith("outputs/") for name in recording.forms)


def inputs(recording: Recording) -> dict[str, np.ndarray]:
    """Returns what a program predicts from, by its names without "inputs/"."""
    found = _tensors(recording, "inputs/")
    return {name.partition("/")[2]: value for name, value in found.items()}


def check(pair: list[Recording], titles: list[str]) -> bool:
    """Says whether neither program trains.

    Raises
    ------
    UserError : one trains, the other does not.
    """
    kinds = [predicts(side) for side in pair]
    if kinds[0] != kinds[1]:
        only, trains = (titles[number] for number in (kinds.index(True), kinds.index(False)))
        raise UserError(
            f"{trains} trains, {only} only predicts; expected two programs that train, or two that "
            "predict"
        )
    return kinds[0]


def judge(runs, reference: Recording, candidate: Recording, found: Mapping) -> dict:
    """Returns what parity.json holds of two programs that predict: verdict, cause and lines.

    Parameters
    ----------
    runs : strangers.Runs.
    reference, candidate : recordings; the candidate's under the reference's names.
    found : which variable is which.
    """
    sides = [_tensors(side, "outputs/") for side in (reference, candidate)]
    inputs = [_tensors(side, "inputs/") for side in (reference, candidate)]
    sizes = [max((len(a) for a in side.values() if a.ndim), default=0) for side in sides]
    shared = min(sizes)
    cut = [
        {name: _head(array, size, shared) for name, array in side.items()}
        for side, size in zip(sides, sizes)
    ]
    about = {"examples": shared, "predicted": sizes}
    pairs = pair_up(*cut, {})
    if all(p.distance == 0 and p.reference for p in pairs) and sizes[0] == sizes[1]:
        return {**about, "verdict": IDENTICAL, "outputs": [asdict(p) for p in pairs]}
    envelope = [_tensors(side, "outputs/") for side in runs.predicted_envelope()]
    own = {
        name: max(
            difference(array, _head(side.get(name), sizes[0], shared)) or 0.0 for side in envelope
        )
        for name, array in cut[0].items()
    }
    pairs = pair_up(*cut, own)
    about["outputs"] = [asdict(pair) for pair in pairs]
    if agree(pairs, *cut):
        return {**about, "verdict": WITHIN}
    operations = runs.operations(0)
    located = operations and lines.locate(*operations)
    if operations and located is None and _are_among(operations, cut[1]):
        return {**about, "verdict": WITHIN, "notes": [SAME_OPERATIONS]}
    cause = _cause(reference, candidate, found, inputs, pairs, cut)
    if isinstance(cause.place, list):  # it has restored its own over the reference's
        about["weights"] = "own"
    if operations and isinstance(cause.place, list):
        names = [found.weights.get(name, name) for name in cause.place]
        located = lines.Located(
            lines.of_variables(operations[0], cause.place),
            lines.of_variables(operations[1], names),
        )
    elif operations and cause.place == evidence.IN_STEP:
        located = lines.Located(*(lines.of_kind(side, "step") for side in operations))
    return {
        **about,
        "verdict": DIFFERENT,
        "causes": cause.texts,
        "located": asdict(located) if located else None,
    }


def _tensors(side: Recording, prefix: str) -> dict[str, np.ndarray]:
    return {
        name: value
        for (step, name), value in side.values.items()
        if step == STEP and name.startswith(prefix)
    }


def _head(array, size, shared):
    """Returns the part of an output that belongs to the first `shared` of `size` examples."""
    return array[:shared] if array is not None and array.ndim and len(array) == size else array


def pair_up(reference: dict, candidate: dict, own: dict[str, float]) -> list[OutputPair]:
    """Pairs the outputs: those within rounding first, then those of one shape.

    Parameters
    ----------
    reference, candidate : {name: array}
    own : how far each output of the reference moves by its own rounding.
    """
    left, found = list(candidate), []
    distances = {
        (name, other): _distance(array, candidate[other], own.get(name, 0.0))
        for name, array in reference.items()
        for other in candidate
    }
    for within in (True, False):
        for name in reference:
            if any(pair.reference == name for pair in found):
                continue
            others = [o for o in left if distances[name, o] is not None]
            others = [o for o in others if not within or distances[name, o] <= 1]
            if others:
                best = min(others, key=lambda other: distances[name, other])
                left.remove(best)
                found.append(OutputPair(name, best, distances[name, best]))
    alone = [name for name in reference if not any(p.reference == name for p in found)]
    return (
        found + [OutputPair(n, None, 0.0) for n in alone] + [OutputPair(None, n, 0.0) for n in left]
    )


def _distance(ours, theirs, own):
    """Returns the distance in multiples of what rounding may do; None if the shapes do not fit."""
    if ours.size != theirs.size or not ours.size:
        return None
    if ours.shape != theirs.shape and ours.shape[:1] != theirs.shape[:1]:
        return None
    ours, theirs = (array.reshape(-1).astype(np.float64) for array in (ours, theirs))
    if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        return np.inf
    ours, theirs = (np.nan_to_num(array) for array in (ours, theirs))
    away = float(np.linalg.norm(theirs - ours))
    return away and away / (ENVELOPES * own + ROUNDING * float(np.linalg.norm(ours)) + 1e-12)


def agree(pairs: list[OutputPair], reference: dict, candidate: dict) -> bool:
    """Says whether at least one output has a counterpart, and all that have are within rounding."""
    both = [pair for pair in pairs if pair.reference and pair.candidate]
    return bool(both) and all(pair.distance <= 1 for pair in both)


def _are_among(operations: list[lines.Operations], outputs: dict) -> bool:
    """Says whether the candidate's last operation computes what one of the reference does."""
    ours, theirs = operations
    last = theirs.count - 1
    return last >= 0 and lines.partner(theirs, last, ours) is not None


def _cause(reference, candidate, found, inputs, pairs, outputs) -> evidence.Cause:
    names = [name for name in found.weights if not _same_weight(reference, candidate, name)]
    if names:
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        return evidence.Cause([WEIGHTS.format(names=shown)], names)
    what = _data(*inputs)
    if what:
        return evidence.Cause([evidence.DATA.format(what=what)], evidence.IN_STEP)
    texts = [FORWARD]
    worst = max(pairs, key=lambda pair: pair.distance)
    if worst.distance:
        ours, theirs = outputs[0][worst.reference], outputs[1][worst.candidate]
        away = np.abs(theirs.reshape(-1).astype(np.float64) - ours.reshape(-1))
        largest = float(np.abs(ours).max()) or 1.0
        texts.append(OUTPUTS.format(most=away.max(), relative=away.max() / largest))
    return evidence.Cause(texts, evidence.FORWARD_PASS)


def _same_weight(reference, candidate, name):
    pair = [side.values.get((STEP, name)) for side in (reference, candidate)]
    away = difference(*pair)
    return away is None or away <= ROUNDING * float(np.linalg.norm(pair[0])) + 1e-12


def _data(ours: dict, theirs: dict) -> str:
    """Says how the inputs differ; "" if they do not, or if one program's are not known."""
    rest = list(theirs)
    for name, array in ours.items():
        if array.ndim == 0 or len(array) < 2 or not rest:
            continue
        same = [other for other in rest if evidence._same_numbers(array, theirs[other])]
        if same:
            rest.remove(same[0])
            continue
        like = [o for o in rest if theirs[o].ndim and theirs[o].size == array.size]
        if like:
            return evidence._difference(name, array, theirs[like[0]])
        if any(theirs[o].ndim and theirs[o].shape[1:] == array.shape[1:] for o in rest):
            shorter = next(o for o in rest if theirs[o].shape[1:] == array.shape[1:])
            n = min(len(array), len(theirs[shorter]))
            if not np.array_equal(array[:n], theirs[shorter][:n]):
                return evidence._difference(name, array, theirs[shorter])
    return ""


def show(console, report: dict) -> None:
    """Prints the verdict."""
    count = f"the outputs for {report['examples']} examples"
    if report["verdict"] != DIFFERENT:
        console.print(f"{report['verdict']}: {count}; neither program trains", soft_wrap=True)
    else:
        console.print(f"they part: {count} differ; neither program trains", soft_wrap=True)
    if report["predicted"][0] != report["predicted"][1]:
        console.print(
            "the reference predicts {} examples, the candidate {}; the first {} are "
            "compared".format(*report["predicted"], report["examples"]),
            soft_wrap=True,
        )
