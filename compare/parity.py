"""Holds two programs to the same numbers, step by step, or says where they part.

    python -m compare parity mnist_deep --max_steps=1000     the twins; flags go on to both
    python -m compare parity --reference 'python old.py' --candidate 'python new.py'
    python -m compare parity old.npz new.npz                 two traces, or the folders of two runs

Each program records its loss and its variables with shared.trace.Trace, in two lines. Where they
part, both are run again, with more recorded around that step. Exit 0 if they are the same, else 1.
"""

import argparse
import math
import os
import shlex
import sys
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from compare import causes, names, parting, runner
from compare.runner import STYLES
from shared import files, runs, trace
from shared.console import UserError

HANDS_ON_FLAGS = True  # those it does not know, to both scripts
MOST_ROWS = 15  # in the table of what differs


@dataclass
class Side:
    """One of the two programs: where its recordings come from."""

    name: str  # "reference" or "candidate"
    command: str  # a line for the shell; empty where there is only a recording
    title: str
    is_twin: bool = False  # a script of ours, which takes --run_dir and --max_steps
    fault: str = ""  # how it ended, if not well


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        help="the twins' script, such as mnist_deep, or two traces: files, or folders of runs",
    )
    parser.add_argument("--reference", metavar="CMD", help="command of the program that is right")
    parser.add_argument(
        "--candidate", metavar="CMD", help="command of the program to be held to it"
    )
    parser.add_argument("--map", metavar="FILE", help=names.Renaming.__doc__.partition("\n\n")[2])
    parser.add_argument(
        "--every", type=int, default=1, help="steps from one record to the next (default: 1)"
    )
    parser.add_argument("--atol", type=float, default=0.0, help="absolute difference allowed")
    parser.add_argument("--rtol", type=float, default=0.0, help="relative difference allowed")
    parser.add_argument("--ulp", type=int, default=0, help="units in the last place allowed")


def main(arguments: argparse.Namespace, flags: list[str]) -> int:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    tolerance = parting.Tolerance(arguments.atol, arguments.rtol, arguments.ulp)
    if not all(0 <= value < math.inf for value in vars(tolerance).values()) or arguments.every < 1:
        raise UserError(
            f"got {tolerance or f'--every={arguments.every}'}; expected --atol, --rtol and --ulp "
            "of at least 0, and --every of at least 1"
        )
    renaming = names.Renaming(arguments.map)
    sides = _sides(arguments, flags)
    if sides[0].command:
        folder = runs.new_directory("runs", "parity", "_".join(arguments.what) or "commands")
        pair = [_record(console, side, folder, "trace", every=arguments.every) for side in sides]
    else:
        folder, pair = None, [trace.load(_trace_in(path)) for path in arguments.what]
    verdict = parting.compare(*pair, renaming, tolerance)
    if verdict.parting and folder:
        pair, verdict = _narrow(console, sides, folder, pair, verdict, renaming, tolerance)
    verdict.faults += [side.fault for side in sides if side.fault]
    report = _report(sides, pair, verdict, tolerance)
    if folder:
        files.write_json(os.path.join(folder, "parity.json"), report)
    _print(console, report)
    return 0 if verdict.is_same else 1


def _sides(arguments: argparse.Namespace, flags: list[str]) -> list[Side]:
    """Returns the two programs that the command line names."""
    commands = [arguments.reference, arguments.candidate]
    if any(commands):
        if not all(commands) or arguments.what or flags:
            raise UserError(
                "--reference and --candidate go together, and with neither scripts nor their flags"
            )
        return [Side(name, c, c) for name, c in zip(("reference", "candidate"), commands)]
    if len(arguments.what) == 2 and not flags:
        return [
            Side(name, "", path) for name, path in zip(("reference", "candidate"), arguments.what)
        ]
    if len(arguments.what) != 1:
        raise UserError(
            "expected one script of the twins (flags are --name=value), two traces, or --reference "
            f"and --candidate; got {' '.join(arguments.what + flags) or 'nothing'}"
        )
    name, sides = arguments.what[0], []
    for flag in flags:
        if flag.startswith(("--trace", "--run_dir", "--restart")):
            raise UserError(f"{flag}: parity sets this itself; leave it out")
    for side, style in zip(("reference", "candidate"), STYLES):
        script = runner.ROOT / style / f"{name}.py"
        paths = sorted(script.parent.glob("*.py"))
        scripts = [path.stem for path in paths if "trainer.main(" in path.read_text()]
        if name not in scripts:
            raise UserError(f"no script {name}; expected one of {', '.join(scripts)}")
        command = shlex.join([sys.executable, str(script), *flags])
        sides.append(Side(side, command, f"{style}/{name}", is_twin=True))
    return sides


def _trace_in(path: str) -> str:
    return os.path.join(path, "trace.npz") if os.path.isdir(path) else path


def _record(
    console: Console, side: Side, folder: str, tag: str, last: int | None = None, **wanted: object
) -> trace.Recording:
    """Runs a program and returns what it has recorded.

    Parameters
    ----------
    tag : what to call the recording in `folder`.
    last : the step after which a twin may stop.
    wanted : settings of Trace, `every` and `values_at`.
    """
    path = os.path.abspath(os.path.join(folder, f"{side.name}_{tag}.npz"))
    settings = {f"TWINS_TRACE_{key.upper()}": str(value) for key, value in wanted.items()}
    command = side.command
    if side.is_twin:
        command += f" --run_dir={shlex.quote(os.path.join(folder, f'{side.name}_{tag}'))} --nolog"
        command += "" if last is None else f" --max_steps={last} --save_every=0"
    with runner.progress(console, f"{side.title} ({tag})") as on_step:
        outcome = runner.run(
            command, None, on_step, dict(settings, TWINS_TRACE_FILE=path, PYTHONPATH=_python_path())
        )
    if not os.path.exists(path):
        raise UserError(
            f"{side.name}: no trace came of `{side.command}` (exit {outcome.exit_code}: "
            f"{outcome.error or 'it said nothing'}); it is to record its steps with "
            "shared.trace.Trace()"
        )
    if outcome.exit_code:
        side.fault = f"the {side.name} ended with exit {outcome.exit_code}: {outcome.error}"
    return trace.load(path)


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(runner.ROOT), os.environ.get("PYTHONPATH")]))


def _narrow(
    console: Console,
    sides: list[Side],
    folder: str,
    pair: list[trace.Recording],
    verdict: parting.Verdict,
    renaming: names.Renaming,
    tolerance: parting.Tolerance,
) -> tuple[list[trace.Recording], parting.Verdict]:
    """Runs both again, up to where they part: to find the first step, then to see its values."""

    def again(tag: str, **wanted: object) -> bool:
        """Says whether both did once more what they did before."""
        nonlocal pair, verdict
        before, last = pair, max(verdict.parting.step, 1)
        after = [_record(console, side, folder, tag, last, every=1, **wanted) for side in sides]
        for side, old, new in zip(sides, before, after):
            if not _repeats(old, new, verdict.parting.step):
                verdict.faults.append(
                    f"the {side.name} does not repeat itself: run again, its steps are others "
                    "(something is drawn without a seed, or it goes on from what it has left?)"
                )
                return False
        narrowed = parting.compare(*after, renaming, tolerance)
        if not narrowed.parting:  # allowed in full, though not by the norms alone, or the reverse
            return False
        narrowed.faults = verdict.faults
        pair, verdict = after, narrowed
        return True

    previous = verdict.parting.previous
    if previous is not None and previous < verdict.parting.step - 1 and not again("narrowed"):
        return pair, verdict
    # With a tolerance it is the full values that count: a few of them at a time, as they are large.
    while tolerance and (unseen := _unseen(pair, verdict)):
        chosen = unseen[len(unseen) // 9 :: len(unseen) // 9 + 1] + [verdict.parting.step]
        if not again(f"to_step_{chosen[-1]}", values_at=",".join(map(str, chosen))):
            return pair, verdict
    steps = {verdict.parting.previous or 0, verdict.parting.step}
    again(f"step_{verdict.parting.step}", values_at=",".join(map(str, sorted(steps))))
    return pair, verdict


def _repeats(old: trace.Recording, new: trace.Recording, last: int) -> bool:
    """Says whether a program did once more what it did before, up to the step `last`."""
    try:
        own = parting.compare(old, new, lambda name: None, parting.Tolerance())
    except UserError:  # nothing in common
        return False
    return own.parting is None or own.parting.step > last


def _unseen(pair: list[trace.Recording], verdict: parting.Verdict) -> list[int]:
    """Returns the steps just before the parting of which only norms have been held up."""
    full = [{step for step, _ in recording.values} for recording in pair]
    seen = [step for step in full[0] & full[1] if step < verdict.parting.step]
    return [step for step in verdict.steps if max(seen, default=-1) < step < verdict.parting.step]


def _report(
    sides: list[Side],
    pair: list[trace.Recording],
    verdict: parting.Verdict,
    tolerance: parting.Tolerance,
) -> dict:
    """Returns all that is said of the two, as parity.json holds it."""
    report = {
        "reference": sides[0].title,
        "candidate": sides[1].title,
        "verdict": "parted" if verdict.parting else "incomparable",
        "tolerance": str(tolerance),
        "first_step": verdict.steps[0],
        "last_step": verdict.steps[-1],
        "steps": len(verdict.steps),
        "losses": verdict.losses,
        "compared": verdict.counts,
        "full_values": verdict.values,
        "faults": verdict.faults,
    }
    if verdict.is_same:
        report["verdict"] = "within tolerance" if tolerance else parting.IDENTICAL
    if verdict.parting:
        parted = {name: verdict.names[name] for name in verdict.parting.tensors}
        found = parting.distances(*pair, verdict.parting.step, parted)
        step = verdict.parting.step
        has_losses = all(step in recording.losses for recording in pair)
        report["parting"] = dict(asdict(verdict.parting), has_losses=has_losses)
        report["distances"] = [asdict(distance) for distance in found]
        report["causes"] = causes.explain(verdict, *pair)
    return report


def of_runs(reference: str, candidate: str) -> dict:
    """Returns all that the traces in the folders of two runs say of each other, to the bit."""
    sides = [Side("reference", "", reference), Side("candidate", "", candidate)]
    pair = [trace.load(_trace_in(side.title)) for side in sides]
    exact = parting.Tolerance()
    verdict = parting.compare(*pair, lambda name: None, exact)
    return _report(sides, pair, verdict, exact)


def sentences(report: dict) -> list[str]:
    """Returns the verdict in words, what could not be compared first."""
    faults = [f"not comparable: {fault}" for fault in report["faults"]]
    if "parting" not in report:
        return [*faults, _what_agrees(report)]
    part = report["parting"]
    return [
        *faults,
        f"they part at step {part['step']}: {_what_parts(part, report['tolerance'])}",
    ]


def _print(console: Console, report: dict) -> None:
    """Prints the verdict; where they part also the table of distances, and what it may mean."""
    for sentence in sentences(report):
        console.print(sentence, soft_wrap=True)
    if "parting" not in report:
        return
    part, found = report["parting"], report["distances"]
    if found:
        console.print(_table(found, part["step"]))
    unseen = sorted(set(part["tensors"]) - {distance["name"] for distance in found})
    if unseen:
        console.print(
            f"without values at step {part['step']}: {', '.join(unseen)}; record them with "
            f"--trace_values_at={part['step']}, or Trace(values_at=[{part['step']}])",
            soft_wrap=True,
        )
    for cause in report["causes"]:
        console.print(cause)


def _what_agrees(report: dict) -> str:
    counts = list(report["compared"].values())
    always = counts.count(report["steps"])
    parts = [f"{always} variables over {report['steps']} steps"]
    parts[0] += f" ({report['first_step']} to {report['last_step']})"
    if report["losses"]:
        parts[0] = "loss and " + parts[0]
    for fewer in sorted(set(counts) - {report["steps"]}, reverse=True):
        parts.append(f"{counts.count(fewer)} more at {fewer or 'none'} of them")
    parts.append(f"{report['full_values']} in full after the last")
    if report["tolerance"]:
        parts.append(f"held to {report['tolerance']}")
    return f"{report['verdict']}: {', '.join(parts)}"


def _what_parts(part: dict, tolerance: str) -> str:
    texts = []
    if part["losses"]:
        texts.append("the loss, {:.9g} against {:.9g}".format(*part["losses"]))
    elif part["has_losses"]:
        texts.append("the loss is " + ("within the tolerance" if tolerance else "the same"))
    if part["tensors"]:
        count = len(part["tensors"])
        texts.append(f"{count} variable{'s differ' if count > 1 else ' differs'}")
    return "; ".join(texts)


def _table(found: list[dict], step: int) -> Table:
    table = Table(title=f"After step {step}, the farthest apart first")
    table.add_column("variable", overflow="fold")
    for name in ("absolute", "relative", "ulp", "worst at", "reference", "candidate"):
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
