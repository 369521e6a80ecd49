"""Which symbols and modules TensorFlow 1.15.5 had, and how those are served that 2.21 has not.

`python -m tf1_style.run.symbols PYTHON` asks both TensorFlows and writes symbols.txt. PYTHON is
an interpreter with TensorFlow 1.15.5; it runs this file as a script, which prints what there was.
"""

import functools
import json
import os
import subprocess
import sys
import types

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "symbols.txt")
MODULE = "module"
OLDER = tuple(  # files of contrib that were gone in 1.15.5 already
    "tensorflow.contrib.rnn.python.ops." + name
    for name in ("core_rnn", "core_rnn_cell", "core_rnn_cell_impl")
)
# Packages of contrib that show all that they import: of these only what contrib has made counts.
OPEN = ("graph_editor", "grid_rnn", "labeled_tensor", "quantization", "slim", "specs")


@functools.lru_cache(maxsize=None)
def rows():
    """Returns dict from a symbol to how it is served, and from a module to MODULE.

    A symbol that is the same in tensorflow.compat.v1 has no row. How: alias, a package of
    report.SERVED, stand-in, gone.
    """
    table = {}
    with open(FILE) as file:
        for line in file:
            how, place, *names = line.split()
            table.setdefault(place, MODULE)
            for name in names:
                table[f"{place}.{name}"] = how
    return table


@functools.lru_cache(maxsize=None)
def names_in(place):
    """Returns what a module of 1.15.5 had that can be had, apart from what is the same today."""
    start = place + "."
    return [
        name[len(start) :]
        for name, how in rows().items()
        if how not in ("gone", MODULE) and name.startswith(start) and "." not in name[len(start) :]
    ]


def was_there(name):
    """Whether 1.15.5 had a symbol or a module, by its public name or by its file in contrib."""
    parts = name.split(".")
    if "contrib" in parts and "python" in parts:
        short = [*parts[: parts.index("python")], parts[-1]]
        if ".".join(short) in rows():
            return True
    return name in rows()


def was_module(name):
    return rows().get(name) == MODULE or name in OLDER


def _public(module, name, is_own, is_inside):
    """Yields the names of a module's symbols, and of those of the modules inside.

    Parameters
    ----------
    is_own : whether it is one of the module's symbols, by the module that defines it.
    is_inside : whether a module inside is to be listed too, by its name.
    """
    for short in dir(module):
        try:
            value = getattr(module, short)
        except Exception:  # noqa: BLE001, S112 (1.15.5 cannot load all that it names)
            continue
        full = f"{name}.{short}"
        if short.startswith("_") or type(value).__module__ == "__future__":
            continue
        if not isinstance(value, types.ModuleType):
            if is_own(getattr(value, "__module__", None) or "tensorflow"):
                yield full
        elif (
            is_inside(value.__name__)
            and value.__name__.endswith("." + short)
            and short != "python"
            and (hasattr(value, "__path__") or name.count(".") < 3)
        ):
            yield from _public(value, full, is_inside, is_inside)


def _had():
    """Returns the symbols and the modules of the TensorFlow that runs this file."""
    import tensorflow as tf

    def is_api(module):
        return "_api.v1" in module or "api._v1" in module

    def is_contrib(module):
        return "contrib." in module

    def is_tensorflow(module):
        return module.startswith("tensorflow")

    names = set()
    for short in dir(tf):
        value = getattr(tf, short)
        full = "tensorflow." + short
        if not isinstance(value, types.ModuleType):
            names.update([] if short.startswith("_") else [full])
        elif is_api(value.__name__) and short not in ("compat", "raw_ops"):
            names.update(_public(value, full, lambda module: True, is_api))
    for short in dir(tf.contrib):
        own = "contrib." + short

        def is_own(module, own=own):
            return own in module

        value = getattr(tf.contrib, short)
        if isinstance(value, types.ModuleType):
            kept = is_contrib if short in OPEN else is_tensorflow
            names.update(_public(value, "tensorflow." + own, kept, is_own))
    folder = os.path.dirname(os.path.dirname(tf.contrib.__file__))
    return sorted(names), sorted(_files(folder))


def _files(folder):
    for part in ("contrib", "python"):
        for place, _, files in os.walk(os.path.join(folder, part)):
            dotted = ".".join(["tensorflow", *os.path.relpath(place, folder).split(os.sep)])
            for file in files:
                name, ending = os.path.splitext(file)
                if file == "__init__.py":
                    yield dotted
                elif ending == ".py" and not name.endswith("_test"):
                    yield f"{dotted}.{name}"


def resolve(name):
    """Returns what an old program gets for a dotted name; raises modules.Gone or AttributeError."""
    from tf1_style.run import tensorflow1

    value = tensorflow1.load()
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def _served(name):
    from tf1_style.run import modules, report

    try:
        value = resolve(name)
    except (AttributeError, ImportError):
        value = modules.Gone
    return report._served(name, value)


def _write(python):
    command = [python, "-W", "ignore", __file__]
    old, files = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))
    lines = {}
    for name in files:
        place, _, last = name.rpartition(".")
        lines.setdefault((place, MODULE), []).append(last)
    for name in old:
        how = _served(name)
        if how != "same":
            place, _, last = name.rpartition(".")
            lines.setdefault((place, how), []).append(last)
    with open(FILE, "w") as file:
        for (place, how), names in sorted(lines.items()):
            file.write(" ".join([how, place, *sorted(names)]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _write(sys.argv[1])
    else:
        print(json.dumps(_had()))
