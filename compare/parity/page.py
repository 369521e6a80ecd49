"""Writes the page of `parity old.py new.py --report`: both sources, the two lines, the differences.

The page needs no other file and no network. It links each line to the line of the other program
whose operations have the same values.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compare.parity import drawings, envelope, first_difference, lines
from compare.report import sources
from shared import files, outputs
from shared.trace import Recording

MOST_TENSORS = 6
SIDES = ("reference", "candidate")
# Scrolls each source to its marked line; the rest of the page works without it.
SCRIPT = (
    "for (const line of document.querySelectorAll('.pane .marked')) {"
    " const pane = line.closest('.pane');"
    " pane.scrollTop = line.offsetTop - pane.clientHeight / 3; }"
)


@dataclass
class MarkedLine:
    """A line of a source.

    Attributes
    ----------
    number : from 1.
    html : the line, in colour.
    anchor : its id in the page.
    partners : the numbers and ids of the other program's lines with the same values.
    is_marked : whether the programs part here.
    """

    number: int
    html: str
    anchor: str
    partners: list[tuple[str, str]]
    is_marked: bool


@dataclass
class Source:
    """A file of one of the programs."""

    name: str
    lines: list[MarkedLine]


@dataclass
class TensorDifference:
    """What differs in one tensor; see `drawings`."""

    name: str
    numbers: list[str]
    histogram: str
    heat_map: str


def check(path: str) -> None:
    """Raises a UserError if the page cannot be written there."""
    outputs.check(path, "report", "--report")


def write(path: str, report: dict, runs, verdict: list[str]) -> None:
    """Writes the page.

    Parameters
    ----------
    path : of the HTML file; written whole or not at all.
    report : what `strangers.compare` returns.
    runs : strangers.Runs, with what it recorded last.
    verdict : the lines that parity prints.
    """
    page = _render(report, runs, verdict).encode(errors="backslashreplace")
    with files.writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with files.replacing(path) as file:
            file.write(page)


def _render(report: dict, runs, verdict: list[str]) -> str:
    import jinja2  # imported here, so that other commands need none of it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    operations = runs.seen_operations()
    page = environment.get_template("page.html").render(
        report=report,
        agrees=report["verdict"] != first_difference.DIFFERENT,
        verdict=verdict,
        located=[_shown(report, side) for side in SIDES],
        sources=_sources(report, runs, operations),
        tensors=_tensors(report, runs, operations),
        constants=_constants(report, runs),
        script=SCRIPT,
        script_hash=digest,
    )
    return page.lstrip()


def _shown(report: dict, side: str) -> dict | None:
    found = (report.get("located") or {}).get(side)
    if not found:
        return None
    if not found["place"]:  # the operation of a graph without a program
        return {**found, "where": "operation", "anchor": "sources"}
    path, _, number = found["place"].rpartition(":")
    where = f"{os.path.basename(path)}:{number}"
    return {**found, "where": where, "anchor": _anchor(side, path, number)}


def _anchor(side: str, path: str, number: int | str) -> str:
    stem = "".join(c if c.isalnum() else "-" for c in os.path.basename(path))
    return f"{side}-{stem}-{number}"


def _sources(report: dict, runs, operations) -> list[list[Source]]:
    """Returns the files of each program: those with the named line first."""
    partners = _partners(operations)
    found = []
    for which, side in enumerate(SIDES):
        program = os.path.abspath(runs.pair[which].path)
        place = (report.get("located") or {}).get(side) or {"place": ""}
        marked = place["place"]
        paths = [marked.rpartition(":")[0], *([program] if program.endswith(".py") else [])]
        paths += [key.rpartition(":")[0] for key in partners[which]]
        unique = [path for path in dict.fromkeys(paths) if path and os.path.isfile(path)]
        other = SIDES[1 - which]
        found.append([_source(side, other, p, marked, partners[which]) for p in unique])
    return found


def _source(side: str, other: str, path: str, marked: str, partners: dict) -> Source:
    text = Path(path).read_text(errors="replace")
    made = []
    for number, code in enumerate(sources.highlight(text), 1):
        place = f"{path}:{number}"
        links = []
        for partner in sorted(partners.get(place, ())):
            there, _, at = partner.rpartition(":")
            links.append((at, _anchor(other, there, at)))
        anchor = _anchor(side, path, number)
        made.append(MarkedLine(number, code, anchor, links, place == marked))
    return Source(os.path.basename(path), made)


def _partners(operations) -> tuple[dict, dict]:
    """Returns for each program {line: lines of the other whose operations have the same values}."""
    found = ({}, {})
    if operations:
        for number in range(len(operations[1].about)):
            ours = lines.partner(operations[1], number, operations[0])
            if ours is None or not operations[1].is_telling(number):
                continue
            places = operations[0].about[ours]["line"], operations[1].about[number]["line"]
            if all(places):
                found[0].setdefault(places[0], set()).add(places[1])
                found[1].setdefault(places[1], set()).add(places[0])
    return found


def _tensors(report: dict, runs, operations) -> list[TensorDifference]:
    """Returns the differences of what differs: the operation's values, then tensors."""
    if report["verdict"] == first_difference.DIFFERENT and operations:
        values = [_value(side, report, name) for side, name in zip(operations, SIDES)]
        shown = [("the first operation that differs", *values)] if _fit(*values) else []
    else:
        shown = []
    for name, ours, theirs in _differing(report, runs):
        shown.append((name, ours, theirs))
    return [_tensor(*item) for item in shown[:MOST_TENSORS]]


def _value(side: lines.Operations, report: dict, name: str):
    """Returns the value of the operation that a line of the verdict names, or None."""
    found = (report.get("located") or {}).get(name)
    number = side.find(found) if found else None
    return None if number is None else side.values[number].reshape(side.shapes[number])


def _fit(ours, theirs) -> bool:
    return ours is not None and theirs is not None and ours.size == theirs.size > 1


def _differing(report: dict, runs) -> list[tuple]:
    """Returns (name, reference's value, candidate's value), the most distant first."""
    if runs.compared is None:
        return []
    reference, candidate, step = runs.compared
    if "outputs" in report:
        names = {p["reference"]: (p["candidate"], p["distance"]) for p in report["outputs"]}
        names = {name: pair for name, pair in names.items() if name and pair[0]}
    else:
        names = {name: (name, away) for name, away in report.get("tensors", {}).items()}
    found = []
    for name, (other, _) in sorted(names.items(), key=lambda item: -item[1][1]):
        ours, theirs = reference.values.get((step, name)), candidate.values.get((step, other))
        if _fit(ours, theirs):
            found.append((name, ours, theirs.reshape(ours.shape)))
    return found


def _tensor(name: str, ours: np.ndarray, theirs: np.ndarray) -> TensorDifference:
    ours = np.asarray(ours, np.float64)
    theirs = np.asarray(theirs, np.float64).reshape(ours.shape)
    away = np.abs(theirs - ours)
    at = np.unravel_index(int(np.argmax(away)), away.shape)
    largest = float(np.abs(ours).max())
    numbers = [
        f"shape {list(ours.shape)}",
        (
            f"largest difference {away.max():.4g} at [{', '.join(map(str, at))}]: "
            f"{ours[at]:.6g} and {theirs[at]:.6g}"
        ),
        f"{away.max() / largest:.3g} of the largest value" if largest else "all of it 0",
        f"{np.mean(away > 0):.0%} of the elements differ",
    ]
    return TensorDifference(
        name, numbers, drawings.histogram(ours, theirs), drawings.heat_map(away)
    )


def _constants(report: dict, runs) -> list[tuple[str, list[str], bool]]:
    """Returns the optimizers' constants: name, both programs' values, whether they differ."""
    if runs.compared is None or "outputs" in report:
        return []
    *sides, step = runs.compared
    values = [_constants_at(side, step) for side in sides]
    found = []
    for name in sorted(set(values[0]) | set(values[1])):
        pair = [side.get(name) for side in values]
        differs = None in pair or not np.isclose(*pair, rtol=1e-5, atol=0)
        found.append((name, ["none" if v is None else f"{v:.6g}" for v in pair], differs))
    return found


def _constants_at(side: Recording, step: int) -> dict[str, float]:
    return envelope.constants(side, step) or envelope.constants(side, step + 1)
