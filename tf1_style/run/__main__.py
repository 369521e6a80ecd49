"""Runs an old TensorFlow 1 program, unchanged, on today's TensorFlow.

    python -m tf1_style.run [options] old.py [arguments of the program]
    python -m tf1_style.run [options] -m package.module [arguments of the program]

Exits as the program does. Exits with 2 if the program needs a symbol that cannot be had; one line
names the symbol, the program's line and what took its place.
"""

import argparse
import functools
import importlib.util
import os
import re
import sys
import traceback
import types
import warnings

import numpy as np

from shared import recorder
from shared.console import UserError
from shared.datasets import sources
from tf1_style.run import modules, python_names, report, windows

HERE = os.path.dirname(os.path.abspath(__file__))
_RUNNER_LINE = re.compile(rf' +File "(<frozen runpy>|{re.escape(HERE + os.sep)})')
# How Python 3 fails at a program of Python 2 whose syntax does not show it.
_PYTHON2 = re.compile(
    r"'(map|zip|filter|range|dict_\w+)' (has no len|object (is not subscriptable|has no|does not))"
    r"|unsupported operand type\(s\) for \+: .*'(map|zip|filter|dict_(keys|values|items))'"
    r"|can only concatenate list \(not \"(map|zip|filter|range|dict_)|'range' and 'list'"
    r"|'float' object cannot be interpreted as an integer|slice indices must be integers"
    r"|no attribute '(has_key|iteritems|iterkeys|itervalues)'"
)
LIBRARIES = ("tensorflow", "tf_keras", "tf_slim", "fissix", "scipy")


def main(arguments):
    options = _options(arguments)
    try:
        report.prepare(options)
    except UserError as error:
        _refuse(error)
    _check_libraries()
    program = _program(options)
    sys.dont_write_bytecode = True  # nothing is written beside the program
    sys.excepthook = functools.partial(_print_own, program)
    np.set_printoptions(legacy="1.25")  # a number prints as 0.5, not as np.float32(0.5)
    warnings.simplefilter("ignore", DeprecationWarning)  # advice on what goes away after today
    warnings.filterwarnings("ignore", "overflow encountered in cast")  # NumPy 1 cast silently
    windows.save_figures(os.path.splitext(os.path.basename(sys.argv[0]))[0])
    if options.check:
        return _report(options, program)
    _record(options)
    try:
        program.execute(*_main_module(options, program))
    except (modules.Gone, modules.GoneImport) as gone:
        sys.exit(_gone(gone, program))
    except sources.NotFound as error:
        advice = "--data_dir or TWINS_DATA_DIR"  # the flag is one of this project's scripts
        _refuse(str(error).partition(", or use --dataset")[0].replace(advice, "TWINS_DATA_DIR"))
    except UserError as error:
        _refuse(error)
    finally:
        if options.report and program.files:
            _report(options, program)


def _check_libraries():
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        _refuse(
            f"{', '.join(missing)} not installed for {sys.executable}; run `./run_all.sh old` in "
            f"{modules.PROJECT} once, which adds the libraries that old programs need"
        )


def _options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tf1_style.run",
        description="Runs an old TensorFlow 1 program, unchanged, on today's TensorFlow.",
        usage="%(prog)s [options] old.py [arguments ...]\n"
        "       %(prog)s [options] -m package.module [arguments ...]",
    )
    parser.add_argument(
        "--python2",
        action="store_true",
        help="Read the program as Python 2, where its syntax does not show it: / divides integers "
        "to an integer.",
    )
    parser.add_argument("-m", dest="module", action="store_true", help="Run a module by its name.")
    recorder.add_arguments(parser)
    report.add_arguments(parser)
    parser.add_argument("program", help="the program's file, or with -m its module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    return parser.parse_args(arguments)


def _program(options):
    """Sets sys.argv and sys.path as `python old.py` does; returns the modules.OldProgram."""
    if options.module:
        folder = os.getcwd()
    else:
        if not os.path.isfile(options.program):
            _refuse(f"{options.program}: no such file; expected the path of a Python program")
        folder = os.path.dirname(os.path.abspath(options.program))
    sys.argv = [options.program, *options.arguments]
    sys.path[0] = folder
    program = modules.OldProgram(
        folder, python_names.ROOTS, python_names.PYTHON2_ROOTS, options.python2
    )
    return program


def _main_module(options, program):
    """Returns the path of the program's file, and an empty module `__main__` for it."""
    module = types.ModuleType("__main__")
    path = os.path.abspath(options.program)
    if options.module:
        try:
            spec = importlib.util.find_spec(options.program)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = importlib.util.find_spec(f"{options.program}.__main__")
        except ModuleNotFoundError:
            spec = None
        if spec is None:
            _refuse(f"-m {options.program}: no such module in {os.getcwd()} or on PYTHONPATH")
        path = sys.argv[0] = spec.origin
        module.__spec__, module.__package__ = spec, spec.parent
    module.__file__ = path
    sys.modules["__main__"] = module
    return path, module


def _record(options):
    try:
        watching = recorder.of_arguments(options)
    except UserError as error:
        _refuse(error)
    if watching:
        from tf1_style.run import tensorflow1

        tensorflow1.record(watching)


def _refuse(message):
    print(f"tf1_style.run: {message}", file=sys.stderr)
    sys.exit(2)


def _report(options, program):
    try:
        report.write(program, options)
    except UserError as error:
        _refuse(error)


def _gone(gone, program):
    """Prints the one line about a symbol that cannot be had; returns the exit code."""
    print(report.gone_line(gone, program), file=sys.stderr)
    return 2


def _print_own(program, kind, error, trace):
    """Prints the program's traceback without the lines of this runner."""
    report = traceback.TracebackException(kind, error, trace)
    seen, chain = set(), [report]
    while chain:
        part = chain.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        own = [frame for frame in part.stack or () if not _is_runner(frame.filename)]
        for frame in own:
            if frame.colno == frame.end_colno:  # a file of Python 2 has no columns
                frame.colno = None
        part.stack = traceback.StackSummary.from_list(own)
        # TensorFlow's errors say where an operation was made.
        lines = [line for line in str(part).split("\n") if not _RUNNER_LINE.match(line)]
        part._str = "\n".join(lines)
        if not own and isinstance(error, SyntaxError):
            part.stack = None  # as Python reports a file that it cannot parse
        chain += [part.__cause__, part.__context__, *(part.exceptions or ())]
    sys.stdout.flush()
    print("".join(report.format()), end="", file=sys.stderr, flush=True)
    if not program.python2 and _PYTHON2.search(str(error)):
        advice = "if the program is Python 2, put --python2 before its name"
        print(f"tf1_style.run: {advice}", file=sys.stderr, flush=True)


def _is_runner(path):
    return path.startswith((HERE + os.sep, "<frozen "))


if __name__ == "__main__":
    main(sys.argv[1:])
