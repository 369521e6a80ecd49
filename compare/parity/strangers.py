"""Compares two programs that nobody has edited: `python -m compare parity old.py new.py`.

Both are recorded by `tf1_style.run` and `tf2_style.run`. Both start from the reference's weights
and draw the same noise for dropout. The reference then runs again from weights that differ in their
last bits, and with other kernels: how far that leads is the reference's own rounding. A candidate
that stays within it agrees within rounding.
"""

import io
import os
import re
import shlex
import sys
import tokenize
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Console

from compare import runner
from compare.parity import (
    evaluations,
    evidence,
    graphs,
    lines,
    mapping,
    page,
    predictions,
    recurrent,
    suggestions,
    usage,
)
from compare.parity.envelope import DISTURBANCE, WIDER, Parting, fused_variance, part, shrunk
from compare.parity.first_difference import DIFFERENT, IDENTICAL
from compare.parity.mapping import Mapping
from shared import files, trace
from shared.console import UserError
from shared.trace import Recording

# The steps that are compared. All of their values are recorded, so they are few; between them the
# first step that differs is looked for in another run.
VALUES_AT = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
FUSED = (
    "Not counted as a difference: TensorFlow 1's fused batch norm averages the variance times "
    "n/(n-1), here with n of about {n}; tf.nn.moments and Keras's layer give "
    "the variance itself."
)
VARIES = (
    "{title} reads other data in each run ({name} at step {step}), so nothing can be compared; fix "
    "its seeds, also that of a generator of NumPy's, and read files in one thread"
)
NO_AVERAGES = (
    "Not compared: the reference keeps averages of its weights, of which none are found in the "
    "candidate."
)
DRAWS = (
    "The candidate's line draws random numbers ({kind}), which are the same in both programs only "
    "in tf.nn.dropout and Keras's Dropout. Without them the line may be right; unsure."
)
WIDER_STARTS = "forth", "back"  # files of weights
GRAPH = "graph"
MOST_ALIGNED = 3  # times that the alignment is corrected by what the forward passes compute
WITHIN = "agrees within rounding"
ENDS = "agrees within rounding, but ends at another step"
_OLD = re.compile(
    r"tensorflow\.compat\.v1|disable_v2_behavior|\b(placeholder|Session|InteractiveSession|"
    r"get_variable|contrib|global_variables_initializer|initialize_all_variables|tf\.app|"
    r"tf\.layers|tf\.train\.\w+Optimizer|EstimatorSpec|tensorflow\.examples\.tutorials)\b"
)


@dataclass
class Stranger:
    """A program of the user.

    Attributes
    ----------
    name : "reference" or "candidate".
    path : its file.
    arguments : its own arguments.
    style : "tf1" or "tf2", by what its text uses; GRAPH for a graph's file instead of a program.
    """

    name: str
    path: str
    arguments: list[str]
    style: str

    @property
    def title(self) -> str:
        return shlex.join([self.path, *([] if self.style == GRAPH else self.arguments)])

    @property
    def module(self) -> str:
        """The module that records it."""
        return "tf1_style.run.graph_file" if self.style == GRAPH else f"{self.style}_style.run"


def is_pair(what: list[str]) -> bool:
    """Says whether the words of a command line name two programs of the user."""
    if len(what) != 2 or not _split(what[1])[0].endswith(".py"):
        return False
    return _split(what[0])[0].endswith(".py") or _is_graph(what[0])


def _is_graph(text: str) -> bool:
    """Says whether a text of the command line names a graph: a frozen one, a .meta file or a
    SavedModel's folder."""
    is_saved_model = any(
        os.path.exists(os.path.join(text, f"saved_model.{kind}")) for kind in ("pb", "pbtxt")
    )
    return text.endswith((".pb", ".meta")) or is_saved_model or os.path.isdir(text)


def _split(text: str) -> list[str]:
    try:
        return [text] if os.path.exists(text) else shlex.split(text) or [""]
    except ValueError as error:
        raise UserError(f"{text}: {error}; expected a program and its arguments")


def program(name: str, text: str) -> Stranger:
    """Returns a Stranger of a text such as "old.py --steps=3".

    Raises
    ------
    UserError : there is no such file.
    """
    if name == "reference" and _is_graph(text):
        if not os.path.exists(text):
            raise UserError(f"{text}: no such file; expected a graph's file, or a Python program")
        return Stranger(name, text, [], GRAPH)
    path, *arguments = _split(text)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            style = "tf1" if _OLD.search(_code(file.read())) else "tf2"
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a Python program")
    return Stranger(name, path, arguments, style)


def _code(text: str) -> str:
    """Returns a program without its comments and texts, which may speak of another style."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # another Python's syntax
        return text
    kept = [token.string for token in tokens if token.type in (tokenize.NAME, tokenize.OP)]
    return re.sub(r" ?\. ?", ".", " ".join(kept))


def record(program: Stranger, path: str, options: list[str], environment: dict) -> Recording:
    """Runs a program and returns its recording.

    Raises
    ------
    UserError : it failed, or it made no step of training.
    """
    command = [sys.executable, "-m", program.module, f"--trace={path}", *options]
    paths = [str(runner.ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    outcome = runner.run(
        [*command, program.path, *program.arguments], None, environment=environment
    )
    if outcome.exit_code:
        raise UserError(
            f"{program.name}: {program.title} ended with exit {outcome.exit_code}: "
            f"{outcome.error or 'no message'}"
        )
    if not os.path.exists(path):
        raise UserError(
            f"{program.name}: {program.title} made no step of training and no prediction that "
            "could be recorded; expected one that updates its variables with an optimizer or from "
            "a tape's gradients, or that computes from them"
        )
    return trace.load(path)


class Runs:
    """Runs the two programs, and keeps what they record in one folder.

    Attributes
    ----------
    pair : the reference and the candidate.
    start : for each, the name of the file of weights that it starts from; None for its own.
    is_wide : whether the reference's rounding is measured with wider disturbances, too.
    """

    def __init__(self, console, what: list[str], folder: str, settings):
        self.pair = [program(name, text) for name, text in zip(("reference", "candidate"), what)]
        self.start = [None, None]
        self.compared = None  # (reference, candidate, step), what the verdict is about
        self.is_wide = False
        self.noise_order = []  # of the candidate's layers; see `usage.noise_order`
        self._operations = None
        self._envelope = None
        self._batches = None
        self._console = console
        self._folder = os.path.abspath(folder)
        values = [step for step in VALUES_AT if step < settings.steps] + [settings.steps]
        if getattr(settings, "batches", "own") == "reference":  # those of all steps are fed
            values = range(settings.steps + 1)
        self._options = [
            f"--last_step={settings.steps}",
            f"--values_at={','.join(map(str, values))}",
            f"--random={settings.random}",
            "--evaluations",
        ]

    def path(self, name: str) -> str:
        return os.path.join(self._folder, f"{name}.npz")

    def run(self, why: str, *jobs) -> list[Recording]:
        """Runs several programs at once.

        Parameters
        ----------
        why : what the progress says.
        jobs : (which of the pair, name of the recording, weights to start from or None, more
            options, which override earlier ones; environment variables).
        """

        def one(which, name, weights, options=(), environment=None):
            chosen = [*self._options, *options]
            if weights:
                chosen.append(f"--weights={self.path(weights)}")
            if which == 1 and self.noise_order:
                chosen.append(f"--noise_order={','.join(map(str, self.noise_order))}")
            if which == 1 and self._batches:
                chosen.append(f"--batches={self._batches}")
            stranger = self.pair[which]
            path = self.path(f"{stranger.name}_{name}")
            return record(stranger, path, chosen, environment or {})

        with self._console.status(why), ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda job: one(*job), jobs))

    def both(self, why: str, name: str, options: list[str] = ()) -> list[Recording]:
        jobs = [(which, name, self.start[which], options) for which in (0, 1)]
        return self.run(why, *jobs)

    def both_own(self) -> list[Recording]:
        """Records both programs. A graph predicts from what the candidate predicts from.

        Raises
        ------
        UserError : the reference is a graph, and the candidate predicts nothing.
        """
        if self.pair[0].style != GRAPH:
            return self.both("recording both programs", "own")
        (candidate,) = self.run("recording the candidate", (1, "own", None))
        if not predictions.predicts(candidate):
            raise UserError(
                f"{self.pair[1].title} trains; a graph such as {self.pair[0].title} can only stand "
                "for a program that predicts"
            )
        path = self.path("inputs")
        np.savez(path, **predictions.inputs(candidate))
        self.pair[0].arguments = [path]
        return [*self.run("predicting with the graph", (0, "own", None)), candidate]

    @property
    def has_batches(self) -> bool:
        """Whether the candidate is fed the reference's batches."""
        return self._batches is not None

    def write_batches(self, reference: Recording) -> None:
        """Writes what the reference was fed; the candidate is fed it from now on."""
        batches = {
            f"{step}/{name.partition('/')[2]}": value
            for (step, name), value in reference.values.items()
            if name.startswith("inputs/") and value.ndim
        }
        if not batches:
            raise UserError(
                f"--batches=reference: {self.pair[0].title} is fed no arrays and reads no dataset "
                "that could be recorded; leave the option out"
            )
        self._batches = self.path("batches")
        np.savez(self._batches, **batches)

    def write_starts(self, reference: Recording) -> None:
        """Writes the reference's initial weights, as they are and with other last bits."""
        sizes = {"disturbed": DISTURBANCE, "forth": WIDER * DISTURBANCE}
        sizes["back"] = -sizes["forth"]
        values = {
            name: reference.values.get((reference.steps[0], name))
            for name in mapping.that_start(reference)
        }
        start = {name: value for name, value in values.items() if value is not None}
        np.savez(self.path("start"), **start)
        trained = mapping.trained(reference)
        for file, size in sizes.items():
            random, disturbed = np.random.RandomState(0), dict(start)
            for name, value in start.items():
                if name in trained:
                    signs = np.where(random.random_sample(value.shape) < 0.5, 1, -1)
                    disturbed[name] = (value * (1 + size * signs)).astype(value.dtype)
            np.savez(self.path(file), **disturbed)
        self.start[0] = "start"

    def envelope(self) -> list[Recording]:
        """Runs the reference from weights with other last bits, and with other kernels.

        An evaluation draws other noise in the first run: where it draws any, it may be anything.
        """
        self._envelope = self.run(
            "measuring the reference's own rounding",
            (0, "disturbed", "disturbed", ["--other_noise"]),
            (0, "kernels", "start", (), _other_kernels()),
        )
        return list(self._envelope)

    def rounding(self, reference: Recording) -> list[Recording]:
        """Returns the envelope, also where the steps have needed none."""
        if self._envelope is None:
            self.write_starts(reference)
            self.envelope()
        return self._envelope

    def wider_envelope(self, reference: Recording) -> list[Recording]:
        """Runs the reference from weights that differ more; see `envelope.WIDER`."""
        why = "looking for units that rounding switches"
        found = self.run(why, *((0, name, name) for name in WIDER_STARTS))
        self.is_wide = True
        return [shrunk(reference, wider) for wider in found]

    def predicted_envelope(self) -> list[Recording]:
        """Runs the reference likewise, where it predicts from weights that it restores."""
        return self.run(
            "measuring the reference's own rounding",
            (0, "disturbed", self.start[0], ["--disturb"]),
            (0, "kernels", self.start[0], (), _other_kernels()),
        )

    def narrowed(self, first: int, last: int) -> tuple[Recording, Recording, list[Recording]]:
        """Records both programs and the reference's rounding with all values from step to step.

        The first two steps are among them, because rounding is least there.
        """
        values = ",".join(map(str, sorted({0, 1, *range(first, last + 1)})))
        options = [f"--values_at={values}", f"--last_step={last}"]
        jobs = [(which, "narrowed", self.start[which], options) for which in (0, 1)]
        starts = ["disturbed", *(WIDER_STARTS if self.is_wide else ())]
        jobs += [(0, f"narrowed_{start}", start, options) for start in starts]
        reference, candidate, disturbed, *wider = self.run("looking for the step", *jobs)
        return reference, candidate, [disturbed, *(shrunk(reference, other) for other in wider)]

    def operations(self, step: int) -> list[lines.Operations] | None:
        """Returns both programs' operations at a step; None if one has none that can be seen."""
        jobs = []
        for which, stranger in enumerate(self.pair):
            path = self.path(f"{stranger.name}_operations")
            if os.path.exists(path):
                os.remove(path)
            options = [
                f"--operations={path}",
                f"--operations_at={step}",
                f"--last_step={max(step, 1)}",
            ]
            jobs.append((which, "again", self.start[which], [*options, "--values_at="]))
        self.run("looking for the line", *jobs)
        paths = [self.path(f"{stranger.name}_operations") for stranger in self.pair]
        if all(map(os.path.exists, paths)):
            self._operations = [lines.Operations(path) for path in paths]
        return self._operations

    def evaluation(self, step: int, match, weights: dict) -> tuple:
        """Runs both programs until the evaluation after a step, the candidate's with the
        reference's weights; returns their operations, or None, and the recordings.

        Parameters
        ----------
        match : evaluations.Match, whose calls are followed.
        weights : by the candidate's names.
        """
        np.savez(self.path("evaluated"), **weights)
        jobs, paths = [], []
        for which, group in enumerate((match.ours, match.theirs)):
            paths.append(self.path(f"{self.pair[which].name}_operations_evaluated_{step}"))
            options = [f"--operations={paths[-1]}", f"--operations_at={step}"]
            options += [f"--operations_of={group.number}", f"--values_at={step}"]
            options += [f"--last_step={max(step, 1)}"]
            if which == 1:
                options.append(f"--evaluation_weights={self.path('evaluated')}")
            jobs.append((which, f"evaluated_{step}", self.start[which], options))
        again = self.run("following the evaluation", *jobs)
        self._operations = None  # not those of another step
        if all(map(os.path.exists, paths)):
            self._operations = [lines.Operations(path) for path in paths]
        return self._operations, again

    def seen_operations(self) -> list[lines.Operations] | None:
        """Returns both programs' operations where they part, or at the first step."""
        predicts = self.compared is not None and predictions.predicts(self.compared[0])
        return self._operations or self.operations(0 if predicts else 1)


def _other_kernels() -> dict[str, str]:
    """Returns environment variables with which TensorFlow adds in another order."""
    onednn = "1" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "0"
    return {"TF_ENABLE_ONEDNN_OPTS": onednn, "TF_NUM_INTRAOP_THREADS": "1"}


def compare(console, what, folder, renaming, settings) -> dict:
    """Records both programs, aligns them and judges the candidate.

    Parameters
    ----------
    console : where to show the progress.
    what : the two texts of the command line.
    folder : for the recordings.
    renaming : see `mapping.find`.
    settings : argparse.Namespace with steps, weights, random.

    Returns
    -------
    What parity.json holds; see `show`.
    """
    runs = Runs(console, what, folder, settings)
    reference, candidate = runs.both_own()
    titles = [stranger.title for stranger in runs.pair]
    predict = predictions.check([reference, candidate], titles)
    found = mapping.find(reference, candidate, renaming)
    if not found.weights and not predict:
        raise UserError(
            f"no variable of {titles[1]} has the shape of one of {titles[0]}: "
            f"{_forms(reference)} and {_forms(candidate)}"
        )
    if settings.weights == "reference" and not _starts_alike(reference, candidate, found):
        np.savez(runs.path("weights"), **mapping.initial_values(reference, found))
        runs.start[1] = "weights"
    if getattr(settings, "batches", "own") == "reference" and not predict:
        runs.write_batches(reference)
    if runs.start[1] or runs.has_batches:
        why = "recording the candidate from what the reference has"
        own, (candidate,) = candidate, runs.run(why, (1, "aligned", runs.start[1]))
        if not runs.has_batches and not predict:
            _check_data(titles[1], own, candidate)
    mapping.exchange(reference, candidate, found)
    candidate = mapping.renamed(candidate, found)
    report = {
        "reference": titles[0],
        "candidate": titles[1],
        "steps": min(reference.steps[-1], candidate.steps[-1]),
        "ends": [reference.steps[-1], candidate.steps[-1]],
        "mapping": found.weights,
        "transposed": found.transposed,
        "cells": [name for cell in found.cells for name in cell.reference],
        "uncertain": found.uncertain,
        "alone": [list(names) for names in found.alone],
        "weights": "reference" if runs.start[1] else "own",
        "random": settings.random,
        "batches": "reference" if runs.has_batches else "own",
        "notes": [],
    }
    judge = predictions.judge if predict else _judged
    runs.compared = reference, candidate, reference.steps[min(1, len(reference.steps) - 1)]
    judged = judge(runs, reference, candidate, found)
    if not predict and settings.weights == "reference":
        judged, candidate = _judged_again(runs, judged, reference, candidate, found)
    report.update(judged, uncertain=found.uncertain)
    if not predict and report["verdict"] in (IDENTICAL, WITHIN):
        report = _with_evaluation(report, evaluations.judge(runs, reference, candidate, found))
    known = None if "evaluation" in report else suggestions.suggest(report)
    report["suggestion"] = suggestions.as_json(known)
    if getattr(settings, "log_dir", None) and runs.seen_operations():
        graphs.write(settings.log_dir, report, runs.seen_operations())
    if getattr(settings, "report", None):
        page.write(settings.report, report, runs, verdict(report, folder))
    return report


def _judged_again(runs: Runs, report: dict, reference, candidate, found: Mapping) -> tuple:
    """Returns what `_judged` says, and the candidate's recording, after the alignment is corrected
    as often as the operations of both programs show how."""
    for _ in range(MOST_ALIGNED):
        aligned = _aligned(runs, report, reference, found)
        if aligned is None:
            break
        candidate = aligned
        report = _judged(runs, reference, candidate, found)
    return report, candidate


def _aligned(runs: Runs, report: dict, reference: Recording, found: Mapping) -> Recording | None:
    """Returns the candidate's recording with a better alignment, or None if there is none: where it
    parts in the first forward pass, both programs' operations show what is used for what."""
    is_first = report.get("step") == reference.steps[1] and report["loss"]
    sides = runs.seen_operations() if is_first else None
    if not sides:
        return None
    new = usage.exchanged(sides, found, reference)
    order = usage.noise_order(sides, runs.noise_order)
    if not new and order == runs.noise_order:
        return None
    runs.noise_order = order
    found.weights.update(new)
    np.savez(runs.path("weights"), **mapping.initial_values(reference, found))
    runs.start[1] = "weights"
    why = "recording the candidate with another alignment"
    (candidate,) = runs.run(why, (1, "aligned_again", runs.start[1]))
    mapping.repair(reference, candidate, found, new)
    return mapping.renamed(candidate, found)


def _with_evaluation(report: dict, evaluated: dict) -> dict:
    """Adds to a report of steps that agree what is said of the evaluation."""
    found = {**report, **evaluated}
    if evaluated["evaluation"].get("verdict") == WITHIN:
        found["verdict"] = WITHIN  # even if the steps are bit-identical
    return found


def _judged(runs: Runs, reference: Recording, candidate: Recording, found: Mapping) -> dict:
    """Returns the verdict, and if they part the step, the cause and the lines."""
    steps = sorted(set(reference.steps) & set(candidate.steps))
    is_complete = not any(found.alone) and reference.steps[-1] == candidate.steps[-1]
    if is_complete and _same_bits(reference, candidate, steps, [*found.weights, *found.slots]):
        return {"verdict": IDENTICAL}
    envelope = list(runs.rounding(reference))
    _check_data(runs.pair[0].title, reference, envelope[1])
    steps = [s for s in steps if all(_has_values(side, s) for side in (reference, candidate))]
    fused = fused_variance(reference, candidate, found, steps)
    notes = {"notes": _notes(reference, found, fused)}
    parting = part(reference, candidate, envelope, steps, found, fused)
    if parting and parting.is_near:
        envelope += runs.wider_envelope(reference)
        parting = part(reference, candidate, envelope, steps, found, fused)
    if parting is None and _only_one_has(reference, candidate, found):
        parting = Parting(steps[1], 0.0, {})
    if parting is None and reference.steps[-1] != candidate.steps[-1]:
        return {**notes, "verdict": ENDS}
    if parting is None:  # other variables that only one has, such as slots by hand, do no harm
        return {**notes, "verdict": WITHIN}
    earlier = [step for step in steps if step < parting.step]
    if earlier and earlier[-1] < parting.step - 1:
        again = runs.narrowed(earlier[-1], parting.step)
        again = again[0], mapping.renamed(again[1], found), again[2]
        between = range(earlier[-1] + 1, parting.step + 1)  # the step before agrees, judged above
        seen = [s for s in sorted({0, 1, *between}) if all(s in side.rows for side in again[:2])]
        narrowed = part(*again, seen, found, fused)
        if narrowed:
            (reference, candidate, envelope), parting = again, narrowed
    sides = reference, candidate, found, parting, envelope
    runs.compared = reference, candidate, parting.step
    operations = runs.operations(max(parting.step, 1))
    for side, its in zip((reference, candidate), operations or ()):
        _add_inputs(side, its, parting.step)
    twice = operations[1].lines.get("twice", {}) if operations else {}
    cause = evidence.explain(*sides, twice=twice)
    if operations and cause.inputs and _is_scaled_inside(operations, cause.inputs):
        cause = evidence.explain(*sides, is_data_same=True, twice=twice)
    located = _locate(operations, found, cause.place)
    if located and located.draws:
        cause.texts.insert(1, DRAWS.format(kind=located.draws))
    return {
        **notes,
        "verdict": DIFFERENT,
        "step": parting.step,
        "loss": parting.loss,
        "losses": [side.losses.get(parting.step) for side in (reference, candidate)],
        "tensors": parting.tensors,
        "causes": cause.texts,
        "located": None if located is None else asdict(located),
    }


def _check_data(title: str, recording: Recording, again: Recording) -> None:
    """Checks that a program reads the same data in another run.

    Raises
    ------
    UserError : its first step has other data there.
    """
    step = recording.steps[min(1, len(recording.steps) - 1)]
    for (at, name), value in recording.values.items():
        other = again.values.get((at, name))
        if at != step or not name.startswith("inputs/") or other is None:
            continue
        if value.shape != other.shape or not np.allclose(value, other, 1e-2, 1e-3, equal_nan=True):
            name = name.partition("/")[2]
            raise UserError(VARIES.format(title=title, name=name, step=step))


def _add_inputs(side: Recording, operations: lines.Operations, step: int) -> None:
    """Adds to a recording what its step was fed, where only the operations show it."""
    if any(at == step and name.startswith("inputs/") for at, name in side.values):
        return
    for number, about in enumerate(operations.about):
        if about["type"] in ("Placeholder", "Const"):
            value = operations.values[number].reshape(operations.shapes[number])
            side.values[step, f"inputs/{about['name']}_{number}"] = value


def _notes(reference: Recording, found: Mapping, fused: dict[str, int]) -> list[str]:
    """Returns what the verdict leaves out."""
    notes = []
    if fused:
        sizes = " and ".join(map(str, sorted(set(fused.values()), reverse=True)[:3]))
        notes.append(FUSED.format(n=sizes))
    if mapping.averages(reference) and not found.averages:
        notes.append(NO_AVERAGES)
    return notes


def _is_scaled_inside(operations: list[lines.Operations], inputs) -> bool:
    """Says whether one program computes in its graph what the other is fed."""
    return operations[0].holds(inputs[1]) or operations[1].holds(inputs[0])


def _has_values(side: Recording, step: int) -> bool:
    return any(at == step for at, _ in side.values)


def _only_one_has(reference: Recording, candidate: Recording, found: Mapping) -> bool:
    """Says whether only one program trains a variable, or has an average of batch norm."""
    trained = mapping.trained(reference) | mapping.trained(candidate)
    return any(
        {name, mapping.CANDIDATE + name} & trained or mapping.role(name).startswith("moving")
        for name in (*found.alone[0], *found.alone[1])
    )


def _locate(sides: list[lines.Operations] | None, found: Mapping, place) -> lines.Located | None:
    """Returns the lines of a cause's place, or None if they are not known."""
    if sides is None:
        return None
    if place == evidence.FORWARD_PASS:
        return lines.locate(*sides) or lines.end(*sides)
    if place == evidence.FROM_NAN:
        return lines.first_not_finite(*sides) or lines.locate(*sides)
    if isinstance(place, str):
        return lines.Located(*(lines.of_kind(side, place) for side in sides))
    if isinstance(place, tuple):
        names = _in_both(place[1], found)
        if place[0] == evidence.EVALUATION:
            located = lines.locate(*sides, is_called=True) or lines.Located(None, None)
            located.candidate = lines.of_call(sides[1], names[1]) or located.candidate
            return located
        if place[0] == evidence.MOVED:
            return lines.Located(*(lines.of_move(side, n) for side, n in zip(sides, names)))
        if place[0] == evidence.AGAIN:
            ours = lines.of_variables(sides[0], names[0])
            return lines.Located(ours, lines.of_second_call(sides[1], names[1]))
        if place[0] in (evidence.ASSIGNED, evidence.BESIDES):
            kind = evidence.IN_OPTIMIZER if place[0] == evidence.BESIDES else ""
            both = zip(sides, names)
            return lines.Located(*(lines.of_assignment(side, n, kind) for side, n in both))
        if place[0] == evidence.PENALIZED:
            both = zip(sides, sides[::-1], names)
            return lines.Located(*(lines.of_penalty(side, other, n) for side, other, n in both))
        made = [lines.of_variables(side, n) for side, n in zip(sides, names)]
        if place[0] == evidence.ON_THE_WAY:
            stop = lines.of_stop(sides[1], sides[0])
            made[1] = stop or lines.of_call(sides[1], names[1]) or made[1]
            return lines.Located(*made)
        which = 1 if place[0] == evidence.STOPPED else 0
        made[which] = lines.of_untrained(sides[which], sides[1 - which], names[which])
        return lines.Located(*made)
    names = _in_both(place, found)
    return lines.Located(*(lines.of_variables(side, n) for side, n in zip(sides, names)))


def _in_both(names: list[str], found: Mapping) -> tuple[list[str], list[str]]:
    """Returns variables by the names of either program. Where one has no counterpart, that of
    another of the same layer shows the place, or of the variable that was created before it."""
    back = {**found.weights, **found.slots}
    theirs = [n for name in names if name in back for n in recurrent.parts(back[name])]
    if theirs:
        return names, theirs
    for side, pairs in enumerate((back, {other: name for name, other in back.items()})):
        if names[0] in found.alone[side]:
            scope = names[0].rpartition("/")[0]
            earlier = found.order[side][: found.order[side].index(names[0])]
            beside = [n for n in found.order[side] if n.rpartition("/")[0] == scope != ""]
            near = [pairs[name] for name in [*beside, *reversed(earlier)] if name in pairs][:1]
            return (names, near) if side == 0 else (near, names)
    return names, names


def _forms(recording):
    shown = [f"{name} {recording.forms[name]}" for name in mapping.weights(recording)]
    return ", ".join(shown[:4]) or "no variable"


def _starts_alike(reference: Recording, candidate: Recording, found: Mapping) -> bool:
    rows = reference.rows[reference.steps[0]], candidate.rows[candidate.steps[0]]
    return (
        not found.transposed
        and not found.reshaped
        and not found.cells
        and all(
            rows[0].get(name, (0,))[0] == rows[1].get(other, (1,))[0]
            for name, other in found.weights.items()
        )
    )


def _same_bits(reference, candidate, steps, names):
    def bits(side, step):
        row = side.rows[step]
        return side.losses.get(step), [row[name][0] for name in names if name in row]

    return all(bits(reference, step) == bits(candidate, step) for step in steps)


def write_map(path: str, report: dict) -> None:
    """Writes the mapping as a file for --map; cells, whose layout differs, only as comments."""
    lines = [
        f"{'# ' if name in report['cells'] else ''}{re.escape(name)}  {other}\n"
        for name, other in report["mapping"].items()
    ]
    with files.replacing(path) as file:
        file.write("".join(lines).encode())


def show(console, report: dict, folder: str) -> None:
    """Prints the verdict, what was aligned, and the causes."""
    count = len(report["mapping"])
    alignment = [f"{count} weights paired (see {os.path.join(folder, 'map.txt')})"]
    if report["weights"] == "reference":
        alignment.append("the candidate starts from the reference's weights")
    if report["batches"] == "reference":
        alignment.append("the candidate is fed the reference's batches")
    if report["random"] != "own":
        alignment.append(
            {"aligned": "the same noise in dropout", "off": "no dropout"}[report["random"]]
        )
    if "predicted" in report:
        predictions.show(console, report)
        _show_cause(console, report)
    elif report["verdict"] == ENDS:
        console.print(
            f"{ENDS}: of the steps asked for the reference makes {report['ends'][0]}, the "
            f"candidate {report['ends'][1]}: another number of epochs, or a last batch that is "
            "dropped",
            soft_wrap=True,
        )
    elif "evaluation" in report:
        evaluations.show(console, report)
        _show_cause(console, report)
    else:
        losses = [f"{loss:.9g}" for loss in report["losses"] if loss is not None]
        texts = (
            [f"the loss, {' and '.join(losses)}"] if report["loss"] else ["the loss is the same"]
        )
        away = {name: n for name, n in report["tensors"].items() if name in report["mapping"]}
        if away:
            worst = sorted(away, key=away.get, reverse=True)
            most = max(away.values())
            texts.append(
                f"{len(worst)} of {count} weights, {', '.join(worst[:4])}"
                f"{' ...' if len(worst) > 4 else ''} by up to {most:,.0f} times the rounding"
            )
        console.print(f"they part at step {report['step']}: {'; '.join(texts)}", soft_wrap=True)
        _show_cause(console, report)
    for note in report["notes"]:
        console.print(note, soft_wrap=True)
    console.print(f"aligned: {'; '.join(alignment)}", soft_wrap=True)
    for side, names in zip(("reference", "candidate"), report["alone"]):
        if names:
            console.print(f"only the {side} has {', '.join(names)}", soft_wrap=True)
    if report["uncertain"]:
        console.print(
            f"paired by their order alone: {', '.join(report['uncertain'])}; correct it with --map",
            soft_wrap=True,
        )


def verdict(report: dict, folder: str) -> list[str]:
    """Returns what `show` prints, without the two lines of the programs."""
    console = Console(file=io.StringIO(), width=10000, highlight=False, markup=False)
    show(console, {**report, "located": None}, folder)
    return console.file.getvalue().splitlines()


def _show_cause(console, report: dict) -> None:
    located = report.get("located") or {}
    for side in ("reference", "candidate"):
        if located.get(side):
            console.print(f"  {lines.shown(lines.SourceLine(**located[side]))}", soft_wrap=True)
    if located.get("all"):
        console.print(
            f"Before these lines, {located['agree']} of {located['all']} operations have the "
            "same values in both."
        )
    if located.get("lacks"):
        console.print(f"The candidate lacks the reference's {located['lacks']} there.")
    for cause in report.get("causes", ()):
        console.print(cause, soft_wrap=True)
