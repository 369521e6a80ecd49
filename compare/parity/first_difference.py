"""Finds the first step at which two recordings differ."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from compare.parity import names
from compare.parity.distances import Tolerance, as_recorded
from shared.console import UserError
from shared.trace import Recording

IDENTICAL = "bit-identical"
WITHIN = "within tolerance"
BARE_NAMES = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "embeddings"}
DIFFERENT = "different"
INCOMPARABLE = "incomparable"


@dataclass
class FirstDifference:
    """The first step at which two recordings differ, and what differs there.

    Attributes
    ----------
    step : the step.
    previous : the last recorded step before it; None if it is the first one.
    losses : the losses of the reference and the candidate; None if they are within the tolerance.
    tensors : the reference's names of the tensors that differ.
    """

    step: int
    previous: int | None
    losses: tuple[float, float] | None
    tensors: list[str]


@dataclass
class Comparison:
    """The result of comparing two recordings.

    Attributes
    ----------
    steps : the steps that both recorded.
    pairs : the candidate's name for each name of the reference, if both recorded the tensor.
    tolerance : the difference that was allowed.
    first_difference : None if no difference was found.
    faults : one sentence for each thing that could not be compared.
    losses : the number of steps whose loss both recorded.
    counts : for each tensor, the number of steps at which both recorded it.
    full_values : the number of tensors that were compared element by element at the last step.
    """

    steps: list[int]
    pairs: dict[str, str]
    tolerance: Tolerance
    first_difference: FirstDifference | None = None
    faults: list[str] = field(default_factory=list)
    losses: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    full_values: int = 0

    @property
    def is_same(self) -> bool:
        return self.first_difference is None and not self.faults

    @property
    def verdict(self) -> str:
        if self.first_difference:
            return DIFFERENT
        if self.faults:
            return INCOMPARABLE
        return WITHIN if self.tolerance else IDENTICAL


def compare(
    reference: Recording, candidate: Recording, renaming: Callable, tolerance: Tolerance
) -> Comparison:
    """Compares two recordings step by step and stops at the first difference.

    Parameters
    ----------
    reference, candidate : the recordings.
    renaming : maps a name of the reference to the candidate's name, or to None if it is unchanged.
    tolerance : the difference that is allowed.

    Raises
    ------
    UserError : the recordings have no step, or no tensor, in common.
    """
    pairs, faults = _pair_names(reference, candidate, renaming)
    faults += _drop_other_forms(reference, candidate, pairs, tolerance)
    steps = sorted(set(reference.steps) & set(candidate.steps))
    if not steps:
        raise UserError(
            "the two recordings have no step in common; record both with the same --every"
        )
    last = [recording.steps[-1] for recording in (reference, candidate)]
    if last[0] != last[1]:
        faults.append(f"the reference's last step is {last[0]}, the candidate's {last[1]}")
    comparison = Comparison(steps, pairs, tolerance, faults=faults)
    _count(comparison, reference, candidate)
    previous = None
    for step in steps:
        losses = _different_losses(reference, candidate, step, tolerance)
        tensors = [
            name
            for name, other in pairs.items()
            if not _is_near(reference, candidate, step, name, other, tolerance)
        ]
        # If variables differ, the evaluation differs too, and listing it would add nothing.
        tensors = [name for name in tensors if not is_evaluation(name)] or tensors
        if losses or tensors:
            comparison.first_difference = FirstDifference(step, previous, losses, tensors)
            return comparison
        previous = step
    comparison.full_values = sum(
        (steps[-1], name) in reference.values and (steps[-1], other) in candidate.values
        for name, other in pairs.items()
    )
    return comparison


def is_evaluation(name: str) -> bool:
    """Says whether a tensor was recorded by an evaluation; all others are variables."""
    return name.startswith("evaluation/")


def _pair_names(
    reference: Recording, candidate: Recording, renaming: Callable
) -> tuple[dict[str, str], list[str]]:
    """Returns the pairs of names, and a fault for each side that has names without a partner."""
    recorded = [
        {name for row in side.rows.values() for name in row} for side in (reference, candidate)
    ]
    renamed = {name: _renamed(name, renaming) for name in sorted(recorded[0])}
    for name, other in renamed.items():
        if list(renamed.values()).count(other) > 1:
            raise UserError(f"{name} is not the only name that becomes {other}; correct --map")
    pairs = {name: other for name, other in renamed.items() if other in recorded[1]}
    alone = [sorted(recorded[0] - set(pairs)), sorted(recorded[1] - set(pairs.values()))]
    if not pairs:
        raise UserError(
            f"the two recordings have no variable name in common: the reference has "
            f"{_list(alone[0])}, the candidate {_list(alone[1])}; map the names with --map=FILE"
            + _lost(recorded)
        )
    return pairs, [
        f"only the {side} has {_list(rest)}"
        for side, rest in zip(("reference", "candidate"), alone)
        if rest
    ]


def _lost(recorded: list[set[str]]) -> str:
    """Returns a remark if a side has Keras's bare names, of which a dict keeps one each."""
    for side, names_ in zip(("reference", "candidate"), recorded):
        variables = {name for name in names_ if not is_evaluation(name)}
        if variables and variables <= BARE_NAMES:
            return (
                f". In Keras 3, v.name is the same for the variables of every layer, so the "
                f"{side}'s dict lost all but the last of each name: record {{v.path: v}}"
            )
    return ""


def _renamed(name: str, renaming: Callable) -> str:
    """Returns the candidate's name; a gradient is renamed like its variable."""
    prefix = "gradients/" if name.startswith("gradients/") else ""
    stem = name[len(prefix) :]
    return prefix + (renaming(stem) or stem)


def _drop_other_forms(
    reference: Recording, candidate: Recording, pairs: dict[str, str], tolerance: Tolerance
) -> list[str]:
    """Removes pairs of different shape or dtype, and returns a fault for each."""
    faults = []
    for name, other in list(pairs.items()):
        forms = reference.forms[name], candidate.forms[other]
        shapes = [form.partition(" ")[2] for form in forms]
        if forms[0] != forms[1] and not (tolerance and shapes[0] == shapes[1]):
            del pairs[name]
            faults.append(f"{name} is {forms[0]} in the reference, {forms[1]} in the candidate")
    return faults


def _count(comparison: Comparison, reference: Recording, candidate: Recording) -> None:
    """Counts for each tensor the steps that both recorded; a count of 0 is a fault."""
    both = set(reference.losses) & set(candidate.losses) & set(comparison.steps)
    comparison.losses = len(both)
    if not both and (reference.losses or candidate.losses):
        comparison.faults.append("no step's loss was recorded by both")
    for name, other in comparison.pairs.items():
        comparison.counts[name] = sum(
            name in reference.rows[step] and other in candidate.rows[step]
            for step in comparison.steps
        )
    never = [name for name, count in comparison.counts.items() if not count]
    if never:
        comparison.faults.append(f"at no step was {_list(never)} recorded by both")


def _list(items: list[str]) -> str:
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def _different_losses(
    reference: Recording, candidate: Recording, step: int, tolerance: Tolerance
) -> tuple[float, float] | None:
    """Returns the two losses of a step; None if they agree, or only one was recorded."""
    if step not in reference.losses or step not in candidate.losses:
        return None
    losses = reference.losses[step], candidate.losses[step]
    arrays = [as_recorded(loss) for loss in losses]
    if np.isnan(losses).all() or tolerance.allows(*arrays):
        return None
    return losses


def _is_near(
    reference: Recording,
    candidate: Recording,
    step: int,
    name: str,
    other: str,
    tolerance: Tolerance,
) -> bool:
    """Says whether a tensor is within the tolerance: by its elements if both recorded them."""
    values = reference.values.get((step, name)), candidate.values.get((step, other))
    if values[0] is not None and values[1] is not None:
        return tolerance.allows(*values)
    cells = reference.rows[step].get(name), candidate.rows[step].get(other)
    return None in cells or tolerance.allows_norms(*cells, reference.forms[name].split()[0])


def has_moved(recording: Recording, name: str, step: int) -> bool | None:
    """Says whether a tensor has changed since the first recorded step; None if unknown."""
    first = recording.rows[recording.steps[0]].get(name)
    now = recording.rows[step].get(name)
    return None if first is None or now is None else first[0] != now[0]


def weights(recorded: Iterable[str]) -> list[str]:
    """Returns the names of weights: no slots, counters, gradients or results of evaluation."""
    every = [name for name in recorded if not name.startswith(("gradients/", "evaluation/"))]
    return [name for name in every if names.is_weight(name, every)]
