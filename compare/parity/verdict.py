"""The result of a comparison: in the form of parity.json, and in words."""

import os
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from compare.parity import causes, first_difference
from compare.parity.distances import Tolerance, distances
from compare.parity.first_difference import Comparison
from shared import trace

MOST_ROWS = 15  # rows of the table of distances


def report(titles: list[str], pair: list[trace.Recording], comparison: Comparison) -> dict:
    """Returns the result of a comparison in the form of parity.json.

    Parameters
    ----------
    titles : the titles of the reference and the candidate.
    pair : the two recordings.
    comparison : the comparison of the two.
    """
    found = {
        "reference": titles[0],
        "candidate": titles[1],
        "verdict": comparison.verdict,
        "tolerance": str(comparison.tolerance),
        "first_step": comparison.steps[0],
        "last_step": comparison.steps[-1],
        "steps": len(comparison.steps),
        "losses": comparison.losses,
        "compared": comparison.counts,
        "full_values": comparison.full_values,
        "faults": comparison.faults,
    }
    first = comparison.first_difference
    if first:
        differing = {name: comparison.pairs[name] for name in first.tensors}
        has_losses = all(first.step in recording.losses for recording in pair)
        found["first_difference"] = {**asdict(first), "has_losses": has_losses}
        found["distances"] = [asdict(item) for item in distances(*pair, first.step, differing)]
        found["causes"] = causes.explain(comparison, *pair)
    return found


def of_runs(reference: str, candidate: str) -> dict:
    """Compares the traces in two run folders bit for bit; returns what `report` does."""
    pair = [trace.load(trace_in(folder)) for folder in (reference, candidate)]
    comparison = first_difference.compare(*pair, lambda name: None, Tolerance())
    return report([reference, candidate], pair, comparison)


def trace_in(path: str) -> str:
    """Returns the path of the trace in a run folder; any other path is returned unchanged."""
    return os.path.join(path, "trace.npz") if os.path.isdir(path) else path


def sentences(found: dict) -> list[str]:
    """Returns the verdict of a report in words; it begins with what could not be compared."""
    faults = [f"not comparable: {fault}" for fault in found["faults"]]
    if "first_difference" not in found:
        return [*faults, _agreement(found)]
    first = found["first_difference"]
    difference = _difference(first, found["tolerance"])
    return [*faults, f"first difference at step {first['step']}: {difference}"]


def show(console: Console, found: dict) -> None:
    """Prints the verdict; if the programs differ, also the distances and the usual causes."""
    for sentence in sentences(found):
        console.print(sentence, soft_wrap=True)
    if "first_difference" not in found:
        return
    first, distances_ = found["first_difference"], found["distances"]
    if distances_:
        console.print(_table(distances_, first["step"]))
    unseen = sorted(set(first["tensors"]) - {item["name"] for item in distances_})
    if unseen:
        console.print(
            f"no full values at step {first['step']} of {', '.join(unseen)}; record them with "
            f"--trace_values_at={first['step']}, or Trace(values_at=[{first['step']}])",
            soft_wrap=True,
        )
    for cause in found["causes"]:
        console.print(cause)


def _agreement(found: dict) -> str:
    """Says what was compared, and at how many steps."""
    counts = list(found["compared"].values())
    steps = _many(found["steps"], "step")
    always = _many(counts.count(found["steps"]), "tensor")
    parts = [f"{always} at {steps} ({found['first_step']} to {found['last_step']})"]
    if found["losses"]:
        parts[0] = "loss and " + parts[0]
    for fewer in sorted(set(counts) - {found["steps"]}, reverse=True):
        parts.append(f"{counts.count(fewer)} more at {_many(fewer, 'step')}")
    parts.append(f"{found['full_values']} in full at the last step")
    if found["tolerance"]:
        parts.append(f"allowed: {found['tolerance']}")
    return f"{found['verdict']}: {', '.join(parts)}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _difference(first: dict, tolerance: str) -> str:
    texts = []
    if first["losses"]:
        texts.append("the loss, {:.9g} and {:.9g}".format(*first["losses"]))
    elif first["has_losses"]:
        texts.append("the loss is " + ("within the tolerance" if tolerance else "the same"))
    if first["tensors"]:
        count = len(first["tensors"])
        texts.append(f"{_many(count, 'tensor')} differ{'s' if count == 1 else ''}")
    return "; ".join(texts)


def _table(found: list[dict], step: int) -> Table:
    table = Table(title=f"Differences after step {step}, the largest first")
    table.add_column("tensor", overflow="fold")
    for name in ("absolute", "relative", "ulp", "largest at", "reference", "candidate"):
        table.add_column(name, justify="right")
    for item in found[:MOST_ROWS]:
        table.add_row(
            item["name"],
            f"{item['absolute']:.3g}",
            f"{item['relative']:.3g}",
            f"{item['ulp']:,}",
            ",".join(map(str, item["index"])) or "-",
            f"{item['reference']:.7g}",
            f"{item['candidate']:.7g}",
        )
    if len(found) > MOST_ROWS:
        table.caption = f"and {len(found) - MOST_ROWS} more"
    return table
