"""Runs two programs again to find the first step that differs, then to record its values."""

from rich.console import Console

from compare.parity import first_difference, programs
from compare.parity.distances import Tolerance
from compare.parity.first_difference import Comparison
from compare.parity.names import Renaming
from compare.parity.programs import Side
from shared.console import UserError
from shared.trace import Recording


def narrow(
    console: Console,
    sides: list[Side],
    folder: str,
    pair: list[Recording],
    comparison: Comparison,
    renaming: Renaming,
) -> tuple[list[Recording], Comparison]:
    """Runs both programs again, up to their first difference, and records more around it.

    Returns
    -------
    The recordings and the comparison of the last run that repeated the first one.
    """
    tolerance = comparison.tolerance

    def run_again(tag: str, **settings: object) -> bool:
        """Records both programs once more; returns whether they differ again as before."""
        nonlocal pair, comparison
        first = comparison.first_difference
        after = [
            programs.record(console, side, folder, tag, max(first.step, 1), every=1, **settings)
            for side in sides
        ]
        for side, old, new in zip(sides, pair, after):
            if not _repeats(old, new, first.step):
                comparison.faults.append(
                    f"the {side.name} does not repeat itself: a second run has other values "
                    "(a random number without a seed, or a run that resumes from its own files?)"
                )
                return False
        narrowed = first_difference.compare(*after, renaming, tolerance)
        if not narrowed.first_difference:  # only the norms exceed the tolerance
            return False
        narrowed.faults = comparison.faults
        pair, comparison = after, narrowed
        return True

    first = comparison.first_difference
    if first.previous is not None and first.previous < first.step - 1 and not run_again("narrowed"):
        return pair, comparison
    # With a tolerance the full values decide. They are large, so a few steps at a time.
    while tolerance and (unseen := _steps_without_values(pair, comparison)):
        last = comparison.first_difference.step
        chosen = unseen[len(unseen) // 9 :: len(unseen) // 9 + 1] + [last]
        if not run_again(f"to_step_{last}", values_at=",".join(map(str, chosen))):
            return pair, comparison
    first = comparison.first_difference
    steps = sorted({first.previous or 0, first.step})
    run_again(f"step_{first.step}", values_at=",".join(map(str, steps)))
    return pair, comparison


def _repeats(old: Recording, new: Recording, last: int) -> bool:
    """Says whether two recordings of the same program agree up to the step `last`."""
    try:
        own = first_difference.compare(old, new, lambda name: None, Tolerance())
    except UserError:  # nothing in common
        return False
    return own.first_difference is None or own.first_difference.step > last


def _steps_without_values(pair: list[Recording], comparison: Comparison) -> list[int]:
    """Returns the last steps before the first difference that were compared by norms alone."""
    end = comparison.first_difference.step
    full = [{step for step, _ in recording.values} for recording in pair]
    seen = max((step for step in full[0] & full[1] if step < end), default=-1)
    return [step for step in comparison.steps if seen < step < end]
