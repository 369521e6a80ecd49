"""Reports which symbols of TensorFlow 1 a program uses, how they are served, what replaces them.

python -m tf1_style.run --report=FILE old.py
python -m tf1_style.run --check old.py
"""

import importlib.machinery
import json
import os
import sys
import traceback
from collections import Counter, namedtuple

from shared import files, outputs
from shared.console import UserError
from tf1_style.run import modules, successors, uses

# How a symbol is served -> the words of the summary.
SERVED = {
    "same": "run as they are",
    "alias": "under another name or with other arguments",
    "tf_keras": "through tf_keras",
    "tf_slim": "through tf_slim",
    "tensorflow_estimator": "through tensorflow_estimator",
    "tensorflow_probability": "through tensorflow_probability",
    "stand-in": "by a stand-in",
    "gone": "gone",
}
TITLE = "TensorFlow 1 symbols of"  # by it `shared.outputs` knows the file again

# places : [(file, line), ...]; the file relative to the program's folder
# text, guide, work : successors.Successor's
Row = namedtuple("Row", "symbol served work text guide places")


def add_arguments(parser):
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="after the run, write which symbols of TensorFlow 1 the program uses, how they are "
        "served and what replaces them; .txt, .json or .html",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="do not run the program; write the report, to the standard output without --report",
    )


def prepare(options):
    """Refuses the path of a report before the program runs, and makes it absolute."""
    if options.report is None:
        return
    if os.path.splitext(options.report)[1] not in _FORMATS:
        expected = "expected a file that ends in .txt, .json or .html; rename it"
        raise UserError(f"--report={options.report}: {expected}")
    outputs.check(options.report, "symbols", "--report")
    options.report = os.path.abspath(options.report)  # the program may change the folder


def script(options):
    """Returns the path of the program's file; imports nothing of it. Raises UserError."""
    if not options.module:
        return os.path.abspath(options.program)
    folders = spec = None
    for part in options.program.split("."):
        spec = importlib.machinery.PathFinder.find_spec(part, folders)
        folders = (spec and spec.submodule_search_locations) or []
    if spec and folders:
        spec = importlib.machinery.PathFinder.find_spec("__main__", folders)
    if not spec:
        folder = os.getcwd()
        raise UserError(f"-m {options.program}: no such module in {folder} or on PYTHONPATH")
    return spec.origin


def write(program, options):
    """Writes the report of a program to a file, or to the standard output without --report."""
    rows, path = _rows(program, script(options)), options.report
    name = os.path.basename(options.program)
    if not path:
        sys.stdout.write(_text(name, rows))
        return
    with files.writing(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with files.replacing(path) as file:
            page = _FORMATS[os.path.splitext(path)[1]](name, rows)
            file.write(page.encode(errors="backslashreplace"))
    print(f"{_summary(rows)}: {os.path.relpath(path)}", file=sys.stderr)


def gone_line(gone, program):
    """Returns the one line about a symbol that cannot be had, with the program's line."""
    frames = traceback.extract_tb(gone.__traceback__)
    own = [frame for frame in frames if frame.filename in program.files]
    place = f"{_relative(own[-1].filename, program.folder)}:{own[-1].lineno}: " if own else ""
    successor = successors.of(gone.symbol)
    instead = f"; use {successor.text} instead" if successor.text else ""
    guide = f"; see {successor.guide or successors.GUIDE}"
    return f"{place}{_short(gone.symbol)} cannot be had on TensorFlow 2{instead}{guide}"


def _rows(program, path):
    rows = []
    for symbol, (value, places) in uses.of_program(program, path).items():
        served = _served(symbol, value)
        successor = successors.of(symbol)
        work = "gone" if served == "gone" else successor.work
        places = sorted((_relative(path, program.folder), line) for path, line in places)
        rows.append(Row(_short(symbol), served, work, successor.text, successor.guide, places))
    return sorted(rows, key=lambda row: (successors.WORK.index(row.work), row.symbol))


def _served(symbol, value):
    if value is modules.Gone:
        return "gone"
    module = str(getattr(value, "__module__", ""))
    top = module.partition(".")[0]
    if top in SERVED:  # a package
        return top
    tail = symbol.partition(".")[2]
    if symbol in uses.METHODS.values() or successors.walk("tensorflow.compat.v1", tail) is value:
        return "same"
    if top in ("tf1_style", "shared") and module != "tf1_style.run.old_functions":
        return "stand-in"
    return "alias"


def _relative(path, folder):
    relative = os.path.relpath(os.path.realpath(path), folder)
    return path if relative.startswith("..") else relative


def _short(symbol):
    return "tf" + symbol[10:] if symbol.startswith("tensorflow.") else symbol


def _summary(rows):
    counts = Counter(row.served for row in rows)
    parts = [f"{counts[served]} {words}" for served, words in SERVED.items() if counts[served]]
    return f"{len(rows)} symbol{'' if len(rows) == 1 else 's'}: {', '.join(parts) or 'none'}"


def _where(places):
    """Returns places as old.py:3, 8, model.py:4."""
    lines = {}
    for path, line in places:
        lines.setdefault(path, []).append(str(line))
    return ", ".join(f"{path}:{', '.join(numbers)}" for path, numbers in lines.items())


def _text(name, rows):
    lines = [_summary(rows), f"{TITLE} {name}, those with the most work first"]
    for row in rows:
        lines += ["", f"{row.symbol}  (served: {row.served}; work: {row.work})"]
        lines += [f"  at {_where(row.places)}"]
        lines += [f"  -> {row.text}"] * bool(row.text) + [f"  see {row.guide}"] * bool(row.guide)
    return "\n".join(lines) + "\n"


def _json(name, rows):
    symbols = [
        {
            "symbol": row.symbol,
            "served": row.served,
            "work": row.work,
            "successor": row.text,
            "guide": row.guide,
            "places": [{"file": path, "line": line} for path, line in row.places],
        }
        for row in rows
    ]
    head = {"title": f"{TITLE} {name}", "summary": _summary(rows)}
    counts = dict(Counter(row.served for row in rows))
    return json.dumps({**head, "counts": counts, "symbols": symbols}, indent=2) + "\n"


def _html(name, rows):
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    groups = [(work, [row for row in rows if row.work == work]) for work in successors.WORK]
    return environment.get_template("report.html").render(
        title=f"{TITLE} {name}", summary=_summary(rows), groups=groups, where=_where
    )


_FORMATS = {".txt": _text, ".json": _json, ".html": _html}
