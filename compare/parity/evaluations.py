"""Compares what two programs that train evaluate between their steps, where the steps agree.

What an evaluation computes is compared for the examples that both evaluate. Single numbers, such as
an accuracy, are no evidence: the outputs that they are computed of are compared instead. If those
differ, both programs run again, the candidate's evaluation with the reference's weights, so that
the rounding of the steps does not count.
"""

import re
from dataclasses import asdict, dataclass, field

import numpy as np

from compare.parity import evidence, lines, mapping, usage
from compare.parity.envelope import ENVELOPES, ROUNDING, difference
from compare.parity.first_difference import DIFFERENT, IDENTICAL
from compare.parity.mapping import Mapping
from compare.parity.predictions import FORWARD, OUTPUTS, WITHIN
from shared import user_lines
from shared.predictions import EVALUATED_ROWS
from shared.trace import Recording

NONE = "neither program evaluates in these steps; --steps=N compares an evaluation after step N"
ONLY_ONE = "only the {side} makes one ({when})"
OTHER_EXAMPLES = (
    "the programs evaluate other examples, or their inputs are not known ({counts} examples)"
)
NUMBERS = "they give single numbers alone, and what these are computed of is not known"
RANDOM = "the reference's draws random numbers"
BATCHES = (
    "both use the batch's own mean and variance (batch norm in training mode), in batches of "
    "other sizes"
)
DATA = "The evaluation's data differ: {what}."
WEIGHTS = (
    "The weights differ when the programs evaluate: {names}. One evaluates with averages of the "
    "weights, or with other variables than it trains."
)
DROPOUT = (
    "The {side} draws random numbers in its evaluation, and the other does not: dropout is left on."
)
BATCH_NORM = (
    "Batch norm uses the batch's own mean and variance in the {side}'s evaluation, and the moving "
    "averages in the other's: it is in training mode there."
)
PARTLY = (
    "Of the evaluation one program gives what the other computes further, such as logits and their "
    "softmax. That is no difference, because a program may do so later."
)
RANDOM_TYPES = re.compile("Random|Multinomial")
MOST_NAMES = 4
MOST_STEPS = 3  # whose evaluations are compared, the latest
PARTLY_CLOSE = 1e-3
CLOSE = 1e-4  # relative difference of two operations that hold the same
CHOICES = ("If", "Merge", "Select", "SelectV2", "StatelessIf")
READS = ("ReadVariableOp", "VariableV2", "Identity")  # of a variable
IN_TRAINING = re.compile(r"train\w*\s*=\s*(True|1)\b|[(,]\s*True\s*[,)]")


@dataclass
class Group:
    """Calls of an evaluation that give the same results.

    Attributes
    ----------
    step : the step after which they are made.
    number : which of the evaluation's groups they are.
    calls : how many examples each call has.
    arrays : {"inputs": {name: array}, "outputs": ..., "behind": ...}, by the recording's names.
    """

    step: int
    number: int
    calls: list[int] = field(default_factory=list)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def inputs(self) -> list[np.ndarray]:
        return [array for array in self.arrays.get("inputs", {}).values() if array.ndim]

    def rows(self) -> int:
        inputs = self.inputs() or [*self.arrays.get("outputs", {}).values()]
        return len(max(inputs, key=np.size)) if inputs else 0

    def results(self, kind: str) -> dict[str, np.ndarray]:
        """Returns the results that are evidence: no classes and no counts."""
        return {
            name: array
            for name, array in self.arrays.get(kind, {}).items()
            if array.dtype.kind == "f" and array.ndim and len(array) and not _is_integer(array)
        }


@dataclass
class SharedExamples:
    """Which examples two groups share.

    Attributes
    ----------
    ours, theirs : the rows of the groups.
    is_in_order : whether both have them as their first rows.
    scaling : how the candidate's differ, if they are the reference's on another scale; else "".
    """

    ours: np.ndarray
    theirs: np.ndarray
    is_in_order: bool
    scaling: str = ""


@dataclass
class Match:
    """Two groups that evaluate the same examples.

    Attributes
    ----------
    distance : of the results that are nearest, as a multiple of what rounding may do.
    names : of those results.
    is_explicit : whether both programs take them as results, not only a number of them.
    is_same : whether they have the same bits.
    is_partly : whether one is the softmax, or alike, of the other.
    """

    ours: Group
    theirs: Group
    examples: SharedExamples
    distance: float
    names: tuple[str, str]
    is_explicit: bool
    is_same: bool = False
    is_partly: bool = False


def groups(side: Recording, step: int) -> list[Group]:
    """Returns what a program evaluates after a step."""
    found, prefix = {}, f"evaluation/{step}/"
    for (at, name), value in side.values.items():
        if at != step or not name.startswith(prefix):
            continue
        number, kind, *_ = name[len(prefix) :].split("/")
        if not number.isdecimal():
            continue
        group = found.setdefault(int(number), Group(step, int(number)))
        if kind == "calls":
            group.calls = value.tolist()
        else:
            group.arrays.setdefault(kind, {})[name] = value
    return [group for _, group in sorted(found.items()) if group.arrays]


def _steps(side: Recording) -> list[int]:
    """Returns the steps after which a program evaluates."""
    names = (name.split("/") for _, name in side.values if name.startswith("evaluation/"))
    found = {int(parts[1]) for parts in names if parts[3] != "calls"}
    return sorted(found, reverse=True)


def judge(runs, reference: Recording, candidate: Recording, found: Mapping) -> dict:
    """Returns what parity.json holds besides of two programs whose steps agree: "evaluation", and
    if that differs the verdict, the causes and the lines.

    Parameters
    ----------
    runs : strangers.Runs.
    reference, candidate : recordings; the candidate's under the reference's names.
    found : which variable is which.
    """
    why, agree = "", []
    for step in _steps(reference):
        if step in _steps(candidate):
            sides = reference, candidate
            report = _judge_step(runs, sides, step, found)
            if "verdict" in report:
                return report
            if "verdict" in report["evaluation"]:
                agree.append(report["evaluation"])
                if len(agree) == MOST_STEPS:
                    break
            elif step:  # a call before the first step may only build a model
                why = why or report["evaluation"]["why"]
    if not agree:
        return {"evaluation": {"why": why or _why_none(reference, candidate)}}
    latest, *earlier = agree
    if any(other["verdict"] == WITHIN for other in earlier):
        latest["verdict"] = WITHIN
    more = {"earlier": [other["step"] for other in earlier[::-1]]} if earlier else {}
    return {"evaluation": {**latest, **more}}


def show(console, report: dict) -> None:
    """Prints the verdict of two programs whose steps agree."""
    evaluated, steps = report["evaluation"], f"{report['steps']} steps"
    if "verdict" not in evaluated:
        text = f"{report['verdict']}: {steps}; no evaluation was compared: {evaluated['why']}"
    else:
        what = f"evaluation after step {evaluated['step']}"
        if evaluated.get("earlier"):
            earlier = ", ".join(map(str, evaluated["earlier"]))
            what = f"evaluations after steps {earlier} and {evaluated['step']}"
        outputs = f"the outputs for {evaluated['examples']} examples"
        if evaluated["verdict"] != DIFFERENT:
            text = f"{report['verdict']}: {steps}, and the {what}: {outputs}"
        else:
            text = f"they part: {steps} agree, but the {what} differs: {outputs}"
    console.print(text, soft_wrap=True)
    for note in evaluated.get("notes", ()):
        console.print(note, soft_wrap=True)


def _why_none(reference, candidate) -> str:
    makes = {"reference": _steps(reference), "candidate": _steps(candidate)}
    makes = {side: [step for step in steps if step] for side, steps in makes.items()}
    if not any(makes.values()):
        return NONE
    alone = [side for side, steps in makes.items() if steps]
    if len(alone) == 1:
        steps = " and ".join(map(str, sorted(makes[alone[0]])[:3]))
        return ONLY_ONE.format(side=alone[0], when=f"after step {steps}")
    steps = [f"the {side} after step {steps[0]}" for side, steps in makes.items()]
    return "they make one after other steps, " + " and ".join(steps)


def _judge_step(runs, sides, step: int, found: Mapping) -> dict:
    """Returns the same for what is evaluated after one step."""
    both = [groups(side, step) for side in sides]
    matches = _matches(*both, {})
    if not matches:
        return {"evaluation": {"why": _why_not(*both)}}
    same = {match.ours.number for match in matches if match.is_same}
    is_same = same == {match.ours.number for match in matches}
    own = {}
    if not is_same:
        own = _own_rounding(sides[0], runs.rounding(sides[0]), step)
        matches = _matches(*both, own)
    examples = max(len(match.examples.ours) for match in matches)
    about = {"step": step, "examples": examples}
    worst = _worst(matches)
    if worst is None:
        verdict = IDENTICAL if is_same else WITHIN
        given = [m.is_partly for m in matches if m.distance <= 1 and m.is_explicit]
        is_partly = bool(given) and all(given)
        notes = {"notes": [PARTLY]} if is_partly else {}
        return {"evaluation": {**about, "verdict": verdict, **notes}}
    names = _other_weights(*sides, found, step)
    weights = _weights(sides[0], found, step)
    operations, again = runs.evaluation(step, worst, weights)
    if not names:
        worst = _again(again, worst, own) or worst
        why = _agreement(worst, operations)
        if worst.distance <= 1 or why == WITHIN:
            is_partly = worst.is_partly or (worst.distance > 1 and worst.is_explicit)
            notes = {"notes": [PARTLY]} if is_partly else {}
            return {"evaluation": {**about, "verdict": WITHIN, **notes}}
        if why:
            return {"evaluation": {"why": why}}
    examples = len(worst.examples.ours)
    if not names and operations:
        names = _without_weights(operations, sides[0], found, weights, step)
    located, causes = _explain(worst, operations, names)
    runs.compared = again[0], again[1], step
    return {
        "evaluation": {**about, "examples": examples, "verdict": DIFFERENT},
        "verdict": DIFFERENT,
        "causes": causes,
        "located": located and asdict(located),
        "outputs": [
            {"reference": worst.names[0], "candidate": worst.names[1], "distance": worst.distance}
        ]
        if worst.examples.is_in_order
        else [],
    }


def _matches(ours: list[Group], theirs: list[Group], own: dict[str, np.ndarray]) -> list[Match]:
    found = [_match(a, b, own) for a in ours for b in theirs]
    return [match for match in found if match is not None]


def _worst(matches: list[Match]) -> Match | None:
    """Returns the match that differs most, of groups of the reference none of whose agree."""
    found = []
    for number in {match.ours.number for match in matches}:
        mine = [match for match in matches if match.ours.number == number]
        if all(match.distance > 1 for match in mine):
            # What both programs take as a result tells more than what a number is computed of.
            found.append(max(mine, key=lambda m: (m.is_explicit, not m.examples.scaling)))
    return max(found, key=lambda m: (m.is_explicit, len(m.examples.ours)), default=None)


def _match(ours: Group, theirs: Group, own: dict) -> Match | None:
    """Compares the results of two groups; None if they cannot be compared."""
    given = [group.results("outputs") for group in (ours, theirs)]
    behind = [group.results("behind") for group in (ours, theirs)]
    is_explicit = any(_fit(a, b) for a in given[0].values() for b in given[1].values())
    results = given if is_explicit else [{**a, **b} for a, b in zip(given, behind)]
    pairs = [(a, b) for a in results[0] for b in results[1] if _fit(results[0][a], results[1][b])]
    widest = max((_width(results[0][a]) for a, _ in pairs), default=0)
    pairs = [(a, b) for a, b in pairs if widest == 1 or _width(results[0][a]) > 1]
    if not pairs:
        return None
    examples = shared_examples(ours, theirs)
    if examples is None:  # the inputs differ or are not known, which only accuses nobody
        count = min(len(results[0][pairs[0][0]]), len(results[1][pairs[0][1]]))
        examples = SharedExamples(np.arange(count), np.arange(count), True)
        best = _nearest(pairs, results, examples, own)
        is_same = best[0] <= 1 and len(results[0][best[1]]) == len(results[1][best[2]])
        return Match(ours, theirs, examples, 0.0, best[1:], is_explicit) if is_same else None
    last = max(examples.ours), max(examples.theirs)
    pairs = [p for p in pairs if all(n < len(r[k]) for n, r, k in zip(last, results, p))]
    if not pairs:
        return None
    distance, *names = _nearest(pairs, results, examples, own)
    arrays = [results[0][names[0]][examples.ours], results[1][names[1]][examples.theirs]]
    is_same = arrays[0].tobytes() == arrays[1].tobytes()
    is_partly = distance > 1 and (_is_computed_of(*arrays) or _is_computed_of(*arrays[::-1]))
    distance = 0.0 if is_partly else distance
    return Match(ours, theirs, examples, distance, tuple(names), is_explicit, is_same, is_partly)


def _is_computed_of(a, b) -> bool:
    """Says whether b is the softmax of a, its logarithm, or the sigmoid."""
    a, b = _flat(a), _flat(b)
    if np.allclose(a.sum(1), 1):  # probabilities themselves
        return False
    with np.errstate(all="ignore"):
        logarithms = a - np.logaddexp.reduce(a, -1, keepdims=True)
        results = np.exp(logarithms), logarithms, 1 / (1 + np.exp(-a))
        return any(np.linalg.norm(b - c) <= PARTLY_CLOSE * np.linalg.norm(c) for c in results)


def _nearest(pairs, results, examples, own):
    """Returns the distance and the names of the results that are nearest."""
    found = []
    for name, other in pairs:
        ours = _flat(results[0][name])[examples.ours]
        theirs = _flat(results[1][other])[examples.theirs]
        moved = own.get(name)
        moved = 0.0 if moved is None else float(np.linalg.norm(_flat(moved)[examples.ours]))
        found.append((_distance(ours, theirs, moved), name, other))
    return min(found)


def _distance(ours, theirs, own: float) -> float:
    if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        return np.inf
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs)
    away = float(np.linalg.norm(theirs - ours))
    return away and away / (ENVELOPES * own + ROUNDING * float(np.linalg.norm(ours)) + 1e-12)


def _flat(array):
    return array.reshape(len(array), -1).astype(np.float64)


def _width(array) -> int:
    return array[0].size


def _fit(ours, theirs) -> bool:
    return _width(ours) == _width(theirs)


def _is_integer(array) -> bool:
    return bool(np.all(np.isfinite(array)) and np.array_equal(array, np.round(array)))


def shared_examples(ours: Group, theirs: Group) -> SharedExamples | None:
    """Returns the examples that two groups share; None if there are none, or if it is not known."""
    inputs = [group.inputs() for group in (ours, theirs)]
    wide = [[a for a in arrays if len(a) and _width(a) > 1] for arrays in inputs]
    if not all(wide):  # single numbers are told apart only if all are the same
        if any(wide):
            return None
        wide = [[a for a in arrays if len(np.unique(a)) > 2] for arrays in inputs]
        if not all(wide) or len(wide[0][0]) != len(wide[1][0]):
            return None
    # The widest tell examples apart; labels do not.
    for a in sorted(wide[0], key=_width, reverse=True):
        likely = [b for b in wide[1] if _fit(a, b)]
        shared = [examples for b in likely if (examples := _shared_rows(a, b))]
        if not likely:
            continue
        found = min(shared, key=lambda e: (bool(e.scaling), -len(e.ours)), default=None)
        alike = [other for other in wide[0] if found and _fit(a, other) and not found.scaling]
        for other in alike:  # of two texts both have to be the same
            if not any(_holds_rows(found, other, b) for b in likely):
                return None
        return found
    return None


def _holds_rows(examples: SharedExamples, ours, theirs) -> bool:
    if max(examples.ours) >= len(ours) or max(examples.theirs) >= len(theirs):
        return False
    return _close(_flat(ours)[examples.ours], _flat(theirs)[examples.theirs])


def _shared_rows(ours, theirs) -> SharedExamples | None:
    a, b = _flat(ours), _flat(theirs)
    count = min(len(a), len(b))
    rows = np.arange(count)
    if _close(a[:count], b[:count]):
        return SharedExamples(rows, rows, True)
    keys = [evidence._keys(array) for array in (a, b)]
    if any(len(np.unique(key)) < len(key) for key in keys):  # which is which is not known
        return None
    order = np.argsort(keys[1])
    places = np.searchsorted(keys[1][order], keys[0])
    pairs = []
    for row, place in enumerate(places):
        for at in order[max(place - 1, 0) : place + 1]:
            if _close(a[row], b[at]):
                pairs.append((row, at))
                break
    if pairs:
        return SharedExamples(*np.array(pairs).T, False)
    if len(a) != len(b) and EVALUATED_ROWS not in (len(a), len(b)):
        return None
    what = evidence._difference("input", a[:count], b[:count])
    if np.ptp(a[:count]) and "times the reference's" in what and "fewer digits" not in what:
        return SharedExamples(rows, rows, True, what)
    return None


def _close(a, b) -> bool:
    """Says whether examples are the same, as float32 holds them, scaled in any order."""
    largest = np.abs(a).max(initial=0)
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6 * largest))


def _own_rounding(reference: Recording, envelope: list[Recording], step: int) -> dict:
    """Returns how far each result of the reference moves by its rounding, number by number."""
    own = {}
    for group in groups(reference, step):
        for name, array in {**group.results("outputs"), **group.results("behind")}.items():
            others = [side.values.get((step, name)) for side in envelope]
            away = [
                np.abs(other.astype(np.float64) - array)
                for other in others
                if other is not None and other.shape == array.shape
            ]
            if away:
                own[name] = np.nan_to_num(np.max(away, 0))
    return own


def _why_not(ours: list[Group], theirs: list[Group]) -> str:
    """Says why no groups of both programs can be compared."""
    has = [
        any(group.results(kind) for group in side for kind in ("outputs", "behind"))
        for side in (ours, theirs)
    ]
    if not all(has):
        return NUMBERS
    counts = [max(group.rows() for group in side) for side in (ours, theirs)]
    return OTHER_EXAMPLES.format(counts=" and ".join(map(str, counts)))


def _weights(reference: Recording, found: Mapping, step: int) -> dict[str, np.ndarray]:
    """Returns the weights with which the reference evaluates, by the candidate's names."""
    side = object.__new__(Recording)
    side.__dict__.update(reference.__dict__)
    side.steps = [step]
    side.values = dict(reference.values)
    for name in found.weights:
        value = reference.values.get((step, f"evaluation/{step}/weights/{name}"))
        if value is not None and not mapping.role(name).startswith("moving"):
            side.values[step, name] = value
    return mapping.initial_values(side, found)


def _other_weights(reference, candidate, found: Mapping, step: int) -> list[str]:
    """Returns the weights that a program changes between the step and its evaluation, and the other
    does not change alike."""
    names = []
    for name, other in found.weights.items():
        keys = (f"evaluation/{step}/weights/{n}" for n in (name, other))
        used = [side.values.get((step, key)) for side, key in zip((reference, candidate), keys)]
        made = [side.values.get((step, name)) for side in (reference, candidate)]
        if mapping.role(name).startswith("moving") or name in found.transposed:
            continue
        if any(value is not None for value in used) and all(v is not None for v in made):
            evaluated = [b if a is None else a for a, b in zip(used, made)]
            moved = max(difference(a, b) or 0.0 for a, b in zip(evaluated, made))
            if (difference(*evaluated) or 0.0) > 0.1 * moved:
                names.append(name)
    return names


def _again(again: list[Recording], match: Match, own: dict) -> Match | None:
    """Returns the match of the same groups where the candidate has the reference's weights."""
    step = match.ours.step
    both = [
        [group for group in groups(side, step) if group.number == before.number]
        for side, before in zip(again, (match.ours, match.theirs))
    ]
    return next(iter(_matches(*both, own)), None)


def _agreement(match: Match, operations) -> str:
    """Returns WITHIN if what differs is no difference between the programs; why it tells nothing;
    or ""."""
    if operations is None:
        return "" if match.is_explicit else NUMBERS
    reference, candidate = operations
    if any(RANDOM_TYPES.search(about["type"]) for about in reference.about):
        return RANDOM
    calls = match.ours.calls, match.theirs.calls
    if calls[0] != calls[1] and all(map(_batch_norm, operations, calls)):
        return BATCHES
    if not match.examples.is_in_order:
        return "" if match.is_explicit else NUMBERS
    # A number may be computed of the logits, or of what follows them.
    sides = (match.theirs, reference), (match.ours, candidate)
    for group, other in sides:
        results = {**group.results("outputs"), **group.results("behind")}
        if any(_holds(other, array) for array in results.values()):
            return WITHIN
    if match.is_explicit or match.examples.scaling or lines.locate(reference, candidate):
        return ""
    return WITHIN


def _holds(side: lines.Operations, array: np.ndarray) -> bool:
    """Says whether an operation computes an array, for the examples that operations have."""
    for value, shape in zip(side.values, side.shapes):
        if shape and shape[0] <= len(array) and _width(array) * shape[0] == value.size:
            ours = array[: shape[0]].reshape(-1).astype(np.float64)
            if np.linalg.norm(value - ours) <= CLOSE * np.linalg.norm(ours):
                return True
    return False


def _batch_norm(side: lines.Operations, calls: list[int]) -> bool:
    """Says whether batch norm takes the mean of the batch itself.

    Parameters
    ----------
    calls : how many examples each call has; the operations have those of the first ones.
    """
    for number, about in enumerate(side.about[: side.count]):
        shapes = {other: side.shapes[other] for other in about["inputs"]}
        # Where a fused one takes the batch's mean and variance, it is given none.
        is_fused = about["type"].startswith("FusedBatchNorm")
        if is_fused and sum(len(shape) == 1 for shape in shapes.values()) <= 2:
            return True
        for other, shape in shapes.items() if about["type"] == "Mean" else ():
            value = side.values[number]
            if len(shape) > 1 and value.size == shape[-1] > 1:
                batch = side.values[other].reshape(shape)[: calls[0] if calls else None]
                means = batch.reshape(-1, shape[-1])
                # The operations may have fewer examples than the call.
                is_mean = np.all(np.abs(means.mean(0) - value) <= 0.2 * means.std(0) + 1e-6)
                if is_mean and _is_chosen(side, number):
                    return True
    return False


def _is_chosen(side: lines.Operations, number: int) -> bool:
    """Says whether a value goes on; a `tf.cond` may take another instead, such as an average."""
    queue = [number]
    while queue:
        for user in side.users[queue.pop()]:
            kind = side.about[user]["type"]
            if kind in lines.FORMS:
                queue.append(user)
            elif kind in CHOICES:
                return bool(np.allclose(side.values[user], side.values[number], rtol=CLOSE))
    return True


def _explain(match: Match, operations, names: list[str]):
    """Returns the lines, or None, and the sentences of the cause.

    Parameters
    ----------
    operations : both programs', or None.
    names : the weights that differ in the evaluation.
    """
    if operations is None:
        return None, [_plain_cause(match, names)]
    called = lines.Located(*(lines.of_kind(side, "evaluated") for side in operations))
    if names or match.examples.scaling or not match.examples.is_in_order:
        return called, [_plain_cause(match, names)]
    located = lines.locate(*operations, is_called=True) or lines.end(*operations) or called
    places = located.reference, located.candidate
    drops = [_drops(side, place) for side, place in zip(operations, places)]
    batch = [*map(_batch_norm, operations, (match.ours.calls, match.theirs.calls))]
    text, is_mode = FORWARD, batch[0] != batch[1] or drops[0] != drops[1]
    if batch[0] != batch[1]:
        text = BATCH_NORM.format(side="candidate" if batch[1] else "reference")
    elif drops[0] != drops[1]:
        text = DROPOUT.format(side="candidate" if drops[1] else "reference")
    if located.candidate and is_mode:
        located.candidate = _outside(operations[1], located.candidate)
    return located, [text, *_how_far(match)]


def _plain_cause(match: Match, names: list[str]) -> str:
    if names:
        return WEIGHTS.format(names=_list(names))
    return DATA.format(what=match.examples.scaling) if match.examples.scaling else FORWARD


def _how_far(match: Match) -> list[str]:
    results = [
        {**group.results("outputs"), **group.results("behind")}
        for group in (match.ours, match.theirs)
    ]
    ours, theirs = (_flat(side[name]) for side, name in zip(results, match.names))
    ours, theirs = ours[match.examples.ours], theirs[match.examples.theirs]
    largest = float(np.abs(ours).max()) or 1.0
    most = float(np.abs(theirs - ours).max())
    return [OUTPUTS.format(most=most, relative=most / largest)]


def _list(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _without_weights(operations, reference, found: Mapping, weights, step: int) -> list[str]:
    """Returns the weights that the reference's evaluation reads, where the candidate's reads others
    of that size, although they were given the same values.

    Parameters
    ----------
    weights : those values, by the candidate's names.
    """
    names = []
    for name, other in found.weights.items():
        pair = reference.values.get((step, name)), weights.get(other)
        if mapping.role(name).startswith("moving") or any(value is None for value in pair):
            continue
        ours, theirs = (_reads(side, value) for side, value in zip(operations, pair))
        if any(ours) and theirs and not any(theirs):
            names.append(name)
    return names


def _reads(side: lines.Operations, array: np.ndarray) -> list[bool]:
    """Says of each variable of an array's size that is read whether it holds the array."""
    array = array.reshape(-1).astype(np.float64)
    return [
        bool(np.linalg.norm(value - array) <= ROUNDING * np.linalg.norm(array))
        for value, about in zip(side.values, side.about)
        if about["type"] in READS and value.size == array.size
    ]


def _drops(side: lines.Operations, line: lines.SourceLine | None) -> bool:
    """Says whether a dropout that does something is where a line is."""
    number = side.find(asdict(line)) if line else None
    if number is None:
        return False
    near = {number}
    for _ in range(2):  # it may scale before it drops
        near |= {user for at in near for user in side.users[at]}
    return any(_is_noisy(side, at) and _makes_zeros(side, at) for at in near)


def _is_noisy(side: lines.Operations, number: int) -> bool:
    near = {number}
    for _ in range(4):
        near |= {other for at in near for other in side.about[at]["inputs"]}
    types = [side.about[at]["type"] for at in near]
    return any(kind in usage.NOISE or RANDOM_TYPES.search(kind) for kind in types)


def _makes_zeros(side: lines.Operations, number: int) -> bool:
    value = side.values[number]
    before = [side.values[other] for other in side.about[number]["inputs"]]
    return any(
        other.size == value.size > 1 and np.mean((value == 0) & (other != 0)) > 0.01
        for other in before
    )


def _outside(side: lines.Operations, line: lines.SourceLine) -> lines.SourceLine:
    """Returns the line that decides the mode of the evaluation: if a line only passes it on, as in
    `layer(h, training=training)`, that of its caller."""
    number = side.find(asdict(line))
    if number is None:
        return line
    about = side.about[number]
    calls = [place for place in about["calls"] if place] or about["stack"]
    if line.place not in calls:
        return line
    texts, at = [user_lines.text(place) for place in calls], calls.index(line.place)
    literal = [n for n in range(at, len(calls)) if IN_TRAINING.search(texts[n])]
    at = literal[0] if literal else lines.passed_on(calls, at)
    if calls[at] == line.place:
        return line
    inside = line.inside or line.place
    return lines.SourceLine(calls[at], texts[at], line.operation, line.shape, inside)
