"""The parts of the benchmark; each adds its results to `found`."""

import os
import shlex
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from compare import reading, runner
from compare.bench import programs
from compare.bench.programs import IMPORT
from compare.bench.race import Ended, Program
from compare.runner import STYLES
from compare.thresholds import FULL
from shared import machine
from shared.console import UserError

_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
LONG = 20000  # steps


def steps(arguments, found: dict, console) -> None:
    """Measures milliseconds a step; all programs of a model in a precision take turns."""
    models = arguments.model or (programs.WITH_PEERS if arguments.quick else programs.MODELS)
    has_both = machine.has_bfloat16() and not arguments.quick
    precisions = arguments.precision or programs.PRECISIONS[: 1 + has_both]
    for model in models:
        for precision in precisions if model in programs.IN_BFLOAT16 else precisions[:1]:
            console.print(f"{model}, {precision}")
            with tempfile.TemporaryDirectory() as directory:
                rows = programs.rows(model, precision, arguments, directory)
                found["rows"] += _in_turn(rows, arguments)


def causes(arguments, found: dict, console) -> None:
    """Measures milliseconds a step of programs that differ in one thing each."""
    found["causes"] = []
    for model in programs.WITH_PEERS:
        if arguments.model and model not in arguments.model:
            continue
        console.print(f"{model}, causes")
        with tempfile.TemporaryDirectory() as directory:
            rows = programs.causes(model, arguments, directory)
            found["causes"] += _in_turn(rows, arguments)


def _in_turn(rows: list[programs.Entrant], arguments) -> list[dict]:
    """Measures programs that take turns; returns the results as JSON values."""
    with ExitStack() as stack:
        entrants, faults = _start(rows, stack)
        for _ in range(arguments.rounds or (2 if arguments.quick else 5)):
            for name, (program, seconds) in entrants.items():
                if name not in faults:
                    try:
                        seconds.append(_turn(name, program, 1 if arguments.quick else 1.5))
                    except Ended as error:
                        faults[name] = str(error)
    return [
        {
            "model": row.model,
            "precision": row.precision,
            "program": row.name,
            "is_ours": row.is_ours,
            "milliseconds": [round(1e3 * s, 4) for s in entrants.get(row.name, (None, []))[1]],
            "fault": faults.get(row.name, ""),
        }
        for row in rows
    ]


def _turn(name: str, program: Program, seconds: float) -> float:
    """Returns the seconds a step, measured for `seconds`; `limit.py` prints its own measurement."""
    if name == programs.LIMIT:
        program.run_to(program.step + 1)
        return float(program.printed.split()[2]) / 1e3  # step N, X ms
    return program.pace(seconds)


def _start(rows: list[programs.Entrant], stack: ExitStack) -> tuple[dict, dict]:
    """Starts all programs; returns the running ones, and the faults of the others.

    Each is paused after a few lines: by then it has compiled its code and allocated its memory.
    """

    def warm_up(row):
        if not os.path.exists(row.command[0]):
            return None, f"{row.command[0]} is missing; ./run_all.sh legacy installs it"
        program = stack.enter_context(Program(row.command))
        try:
            program.run_to(2 * row.every)
            return program, ""
        except Ended as error:
            return None, str(error)

    with ThreadPoolExecutor(len(rows)) as pool:
        try:
            started = dict(zip([row.name for row in rows], pool.map(warm_up, rows)))
        except BaseException:  # a signal: ending the programs ends the threads
            stack.close()
            raise
    running = {name: (program, []) for name, (program, _) in started.items() if program}
    return running, {name: fault for name, (_, fault) in started.items() if fault}


def start(arguments, found: dict, console) -> None:
    """Measures seconds from the shell to the printed accuracy, and those of a bare import."""
    console.print("start")
    bare = [sys.executable, "-c", IMPORT]
    seconds = {IMPORT: [], **{style: [] for style in STYLES}}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(1 if arguments.quick else 1 + (arguments.rounds or 5)):
            for name, list_ in seconds.items():
                command = bare
                if name in STYLES:
                    run_dir = os.path.join(directory, f"{name}-{number}")
                    command = _script(name, "mnist_softmax", arguments, run_dir, "--nolog")
                outcome = _checked(command)
                list_.append(outcome.seconds)
                if name in STYLES:
                    _check_accuracy(arguments, outcome)
    if not arguments.quick:  # the first run reads its files from disk
        seconds = {name: list_[1:] for name, list_ in seconds.items()}
    found["start"] = {name: [round(s, 3) for s in list_] for name, list_ in seconds.items()}


def _check_accuracy(arguments, outcome: runner.Outcome) -> None:
    """Raises an error if the test accuracy misses its threshold: the time then means nothing."""
    accuracy = float(outcome.lines[-1].split()[-1])
    fault = FULL[arguments.dataset, "mnist_softmax"].fault(accuracy)
    if fault:
        raise UserError(f"mnist_softmax: test accuracy {accuracy}, {fault}")


def memory(arguments, found: dict, console) -> None:
    """Measures the peak MiB of mnist_deep with all its outputs, and of a bare import."""
    console.print("memory")
    outcome = _checked([sys.executable, "-c", f"{IMPORT}; {_PEAK}"])
    kibibytes = int(outcome.lines[-1]) / (1024 if sys.platform == "darwin" else 1)
    found["memory"] = {IMPORT: round(kibibytes / 1024, 1)}
    with tempfile.TemporaryDirectory() as directory:
        for style in STYLES:
            run_dir = os.path.join(directory, style)
            command = _script(style, "mnist_deep", arguments, run_dir, "--max_steps=1001")
            result = _checked(command, run_dir).result
            found["memory"][style] = result["peak_memory_mib"]


def logging(arguments, found: dict, console) -> None:
    """Measures seconds for 1,000 steps of mnist_deep with all its logging, and without."""
    console.print("logging")
    ways = {"off": ["--nolog", "--save_every=0"], "on": ["--trace_every=10"]}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        entrants = {}
        for style in STYLES:
            for way, flags in ways.items():
                run_dir = os.path.join(directory, f"{style}-{way}")
                if way == "on":
                    flags = [*flags, f"--trace_file={run_dir}.npz"]
                flags = [*flags, "--max_steps=1000000"]
                command = _script(style, "mnist_deep", arguments, run_dir, *flags)
                program = stack.enter_context(Program(command))
                with _named(f"{style}, logging {way}"):
                    program.run_to(100)
                entrants[style, way] = program, []
        for _ in range(arguments.rounds or 3):
            for key, (program, seconds) in entrants.items():
                with _named(f"{key[0]}, logging {key[1]}"):
                    seconds.append(round(1000 * program.pace(steps=1000), 3))
    found["logging"] = {style: {way: entrants[style, way][1] for way in ways} for style in STYLES}


def recording(arguments, found: dict, console) -> None:
    """Measures seconds for 1,000 steps of a stranger's CNN, recorded every ten steps and not."""
    console.print("recording")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        entrants = {}
        for style in STYLES:
            for way in ("off", "on"):
                path = os.path.join(directory, f"{style}.npz")
                options = [f"--trace={path}", "--every=10"] if way == "on" else []
                command = programs.recorded(style, arguments, directory, options)
                program = stack.enter_context(Program(command))
                with _named(f"{style}, recording {way}"):
                    program.run_to(2 * programs.MODELS["mnist_deep"])
                entrants[style, way] = program, []
        steps = 100 if arguments.quick else 1000
        for _ in range(arguments.rounds or 3):
            for key, (program, seconds) in entrants.items():
                with _named(f"{key[0]}, recording {key[1]}"):
                    seconds.append(round(1000 * program.pace(steps=steps), 3))
    found["recording"] = {
        style: {way: entrants[style, way][1] for way in ("off", "on")} for style in STYLES
    }


def long(arguments, found: dict, console) -> None:
    """Compares the speed at the end of 20,000 steps with the speed at the start of another run.

    It uses bfloat16 if the processor has it: the accuracy in bfloat16 has a threshold.
    """
    precision = "bfloat16" if machine.has_bfloat16() else "float32"
    found["long"] = {"precision": precision}
    for style in STYLES:
        console.print(f"long, {style}, {precision}")
        with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:

            def started(name, directory=directory, style=style, stack=stack):
                flags = ["--nolog", f"--max_steps={LONG}", f"--precision={precision}"]
                flags.append(
                    "--eval_every=20"
                )  # many short windows, as the load on the machine changes
                run_dir = os.path.join(directory, name)
                command = _script(style, "mnist_deep", arguments, run_dir, *flags)
                return stack.enter_context(Program(command))

            with _named(style):
                old = started("old")
                old.run_to(LONG - 1000)
                new = started("new")
                new.run_to(20)
                pairs = [(old.pace(steps=100), new.pace(steps=100)) for _ in range(8)]
                old.run_to_end()
            peak = reading.result_so_far(os.path.join(directory, "old"))["peak_memory_mib"]
        seconds = {"last": [pair[0] for pair in pairs], "first": [pair[1] for pair in pairs]}
        found["long"][style] = {
            **{name: [round(1e3 * s, 4) for s in list_] for name, list_ in seconds.items()},
            "test_accuracy": float(old.printed.split()[-1]),
            "peak_memory_mib": peak,
        }


def _script(style: str, script: str, arguments, run_dir: str, *flags: str) -> list[str]:
    command = [sys.executable, str(runner.ROOT / style / f"{script}.py"), f"--run_dir={run_dir}"]
    return [*command, *programs.data(arguments, script), *flags]


def _checked(command: list[str], run_dir: str | None = None) -> runner.Outcome:
    outcome = runner.run(command, run_dir)
    if outcome.exit_code:
        raise UserError(f"{shlex.join(command)}: exit {outcome.exit_code}: {outcome.error}")
    return outcome


@contextmanager
def _named(name: object):
    try:
        yield
    except Ended as error:
        raise UserError(f"{name}: {error}")
