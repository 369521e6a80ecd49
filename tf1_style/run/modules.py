"""What an old program sees when it imports something.

An import statement calls the `__import__` among the builtins of its own module. The program's own
modules get builtins of their own here, so `import tensorflow` means TensorFlow 1 in them and
TensorFlow 2 in every installed package of the same process.
"""

import builtins
import functools
import glob
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import sysconfig
import types

from tf1_style.run import arrays, source, symbols

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("compare", "shared", "tf1_style", "tf2_style")
# Installed libraries that know TensorFlow 1 or Keras 2 alone: they see what the program sees.
OLD_LIBRARIES = (
    "baselines edward keras_contrib prettytensor rl sonnet stable_baselines sugartensor "
    "tensor2tensor tensorlayer tensorpack tf_metrics tflearn trfl zhusuan"
).split()
# What the tutorial's input_data.py defines, and the arguments of its read_data_sets.
INPUT_DATA = set(
    "DataSet dense_to_one_hot extract_images extract_labels load_mnist maybe_download read32 "
    "read_data_sets train_dir fake_data one_hot dtype reshape validation_size seed "
    "source_url".split()
)
# A program may have modules of these names, too: they are called ALIAS + name in sys.modules.
ALIAS = "_program_"


class Gone(AttributeError):
    """A symbol of TensorFlow 1 that cannot be had on TensorFlow 2.

    A program that catches AttributeError, to try another symbol, catches this too.
    """

    def __init__(self, symbol):
        super().__init__(f"{symbol} cannot be had on TensorFlow 2")
        self.symbol = symbol


class GoneImport(ImportError):
    """The same, where the program imports it."""

    def __init__(self, symbol):
        super().__init__(f"{symbol} cannot be had on TensorFlow 2")
        self.symbol = symbol


known = types.ModuleType.__dict__["__dict__"].__get__  # what a Namespace has found up to now


class Namespace(types.ModuleType):
    """A module as an old program knows it: the old names first, then those of today's module.

    Parameters
    ----------
    name : its dotted name in the old program, such as "tensorflow.nn".
    today : the module whose names it has besides, or None.
    find : function of a dotted name; returns the old meaning of a name, or raises LookupError.
    """

    def __init__(self, name, today, find):
        super().__init__(name, getattr(today, "__doc__", None))
        state = {"_today": today, "_find": find, "__path__": [], "__spec__": None}
        known(self).update(state)
        for attribute in ("__file__", "__version__"):
            if hasattr(today, attribute):
                known(self)[attribute] = getattr(today, attribute)

    @property
    def __dict__(self):
        """All of it, for a program that looks through the names of a module."""
        for name in dir(self):
            try:
                getattr(self, name)
            except (AttributeError, ImportError):  # what cannot be had
                continue
        return known(self)

    def __getattr__(self, name):
        try:
            value = self._find(f"{self.__name__}.{name}", self._today)
        except LookupError:
            message = f"module {self.__name__!r} has no attribute {name!r}"
            raise AttributeError(message) from None
        if self._today is not sys:  # sys.stdout and others change
            known(self)[name] = value
        return value

    def __setattr__(self, name, value):
        """Sets the name in today's module too: `sys.stdout = file` must redirect the output."""
        known(self)[name] = value
        if self._today is not None and not name.startswith("__"):
            setattr(self._today, name, value)

    def __dir__(self):
        own = [name for name in known(self) if name not in ("_today", "_find")]
        return sorted({*own, *dir(self._today), *symbols.names_in(self.__name__)})

    @property
    def __all__(self):
        return [name for name in dir(self) if not name.startswith("_")]


class OldProgram:
    """The modules of one old program, and how they import.

    Parameters
    ----------
    folder : the folder of its script; modules that are found outside of Python's own folders, of
        the installed packages and of this project are its own.
    roots : dict from a top-level module's name to a function of a dotted name under it, which
        returns the module or None.
    python2_roots : the same, for the files that are Python 2.
    python2 : whether to read all of it as Python 2; otherwise each file is judged by itself.
    """

    def __init__(self, folder, roots, python2_roots, python2=False):
        self.folder = os.path.realpath(folder)
        own = {"importlib": self._importlib, "imp": self._imp}
        self.roots = {**roots, **own}
        self.python2_roots = {**roots, **own, **python2_roots}
        self.python2 = python2
        self.files = {}  # path -> source.Source
        paths = sysconfig.get_paths()
        self._installed = {os.path.realpath(paths[key]) for key in ("stdlib", "purelib", "platlib")}
        self._installed |= {os.path.realpath(path) for path in sys.path if _is_installed(path)}
        sys.meta_path.insert(0, _Finder(self))

    def owns(self, path):
        path = os.path.realpath(path)
        inside = [folder for folder in self._installed if path.startswith(folder + os.sep)]
        if inside:
            top = os.path.relpath(path, max(inside, key=len)).split(os.sep)[0]
            return top in OLD_LIBRARIES
        if any(path.startswith(os.path.join(PROJECT, name) + os.sep) for name in PACKAGES):
            is_inside = self.folder.startswith(PROJECT + os.sep)  # else the project is beside it
            return is_inside and path.startswith(self.folder + os.sep)
        return True

    def read(self, path, text=None):
        """Returns the source.Source of one of its files."""
        if path not in self.files:
            self.files[path] = source.read(path, self.python2, text)
            if self.files[path].is_python2:
                self.python2 = True  # a program is written in one language
        return self.files[path]

    def execute(self, path, module):
        """Runs a file as a module. The module has its `__name__` and its `__file__` already."""
        text = self.read(path)
        module.__dict__["__builtins__"] = self.builtins(text.is_python2)
        exec(source.compiled(text, path), module.__dict__)  # noqa: S102

    def builtins(self, is_python2):
        names = {**vars(builtins), **arrays.BUILTINS}
        names.update(source.PYTHON2_BUILTINS if is_python2 else {})
        names["__import__"] = self._import2 if is_python2 else self._import
        return names

    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        try:
            return self._import_from(self.roots, name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            top = name.partition(".")[0]
            package = (globals or {}).get("__package__")
            if level or error.name != top or not package:
                raise
            if importlib.util.find_spec(f"{package}.{top}") is None:
                raise
        # A file of Python 2 whose syntax does not show it.
        return self._import2(name, globals, locals, fromlist)

    def _import2(self, name, globals=None, locals=None, fromlist=(), level=0):
        """In Python 2 `import x` looks beside the importing module first."""
        package = (globals or {}).get("__package__")
        if level <= 0 and package:
            top = f"{package}.{name.partition('.')[0]}"
            if importlib.util.find_spec(top) is not None:
                found = importlib.import_module(f"{package}.{name}")
                return found if fromlist else sys.modules[top]
        return self._import_from(self.python2_roots, name, globals, locals, fromlist, max(level, 0))

    def _import_from(self, roots, name, globals, locals, fromlist, level):
        top = name.partition(".")[0]
        if not level and top in PACKAGES and self.spec_of(ALIAS + top) is not None:
            name = ALIAS + name
        if level or top not in roots or self.has(top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        try:
            found = _find_in(roots, name)
            for item in fromlist or ():
                if item != "*":
                    _try(found, item)  # `from` would lose what Gone says
        except Gone as gone:
            raise GoneImport(gone.symbol) from None
        return found if fromlist else _find_in(roots, top)

    def _importlib(self, name):
        def import_module(name, package=None):
            if name.startswith("."):
                return importlib.import_module(name, package)
            return self._import(name, fromlist=("__name__",))

        names = {"importlib.import_module": import_module}
        module = importlib.import_module(name)
        return Namespace(name, module, functools.partial(find_among, names))

    def _imp(self, name):
        """The module `imp`, which Python 3.12 removed."""

        def load_source(name, path, file=None):
            spec = importlib.util.spec_from_loader(name, _Loader(self, name, path))
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        names = {"imp.reload": importlib.reload, "imp.load_source": load_source}
        names["imp.new_module"] = types.ModuleType
        return Namespace(name, None, functools.partial(find_among, names))

    def spec_of(self, name, path=None):
        """Returns the spec of one of the program's own modules, or None."""
        own = name.removeprefix(ALIAS)
        if own != name and path is None:
            path = [folder for folder in sys.path if os.path.realpath(folder or ".") != PROJECT]
        spec = importlib.machinery.PathFinder.find_spec(own, path)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        if not self.owns(spec.origin):
            return None
        return importlib.util.spec_from_file_location(
            name,
            spec.origin,
            loader=_Loader(self, name, spec.origin),
            submodule_search_locations=spec.submodule_search_locations,
        )

    def has(self, top):
        """Whether the program has a module of that name beside its script."""
        path = os.path.join(self.folder, top)
        if top == "input_data" and os.path.isfile(path + ".py"):
            with open(path + ".py", errors="replace") as file:
                text = file.read()
            # The tutorial's module, which old programs brought along, is this project's own.
            return not _is_tutorials_input_data(text)
        return os.path.isfile(path + ".py") or os.path.isfile(os.path.join(path, "__init__.py"))


def _is_tutorials_input_data(text):
    """Whether a file reads MNIST as the tutorial's does, and does nothing else."""
    arguments = re.search(r"^def read_data_sets\(([^)]*)\)", text, re.MULTILINE)
    if arguments is None or "train-images-idx3-ubyte" not in text:
        return False
    named = {part.partition("=")[0].strip() for part in arguments[1].split(",")}
    made = re.findall(r"^(?:def|class) +([a-zA-Z]\w*)", text, re.MULTILINE)
    return named | set(made) <= INPUT_DATA


def _try(module, name):
    """Asks for an attribute, or for a file of today's package; raises only Gone."""
    try:
        getattr(module, name)
    except Gone:
        raise
    except AttributeError:
        if hasattr(module, "__path__") and not isinstance(module, Namespace):
            _module(f"{module.__name__}.{name}")


def _find_in(roots, name):
    """Returns the old meaning of a module's name; raises ModuleNotFoundError."""
    module = roots[name.partition(".")[0]](name)
    if module is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return module


def find_among(names, name, today):
    """Finds a dotted name among old names, then in today's module; for `Namespace`."""
    if name in names:
        return names[name]
    last = name.rpartition(".")[2]
    if last.startswith("__") and not hasattr(today, last):
        raise LookupError(name)
    value = getattr(today, last, None)
    if any(other.startswith(name + ".") for other in names):
        if value is None:
            value = _module(name)
        return Namespace(name, value, functools.partial(find_among, names))
    if hasattr(today, last):
        return value
    value = _module(f"{today.__name__}.{last}") if today is not None else None
    if value is None:
        raise LookupError(name)
    return value


def _module(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _is_installed(folder):
    """Whether a folder of sys.path holds installed packages."""
    known = os.path.basename(folder) in ("site-packages", "dist-packages", "lib-dynload")
    return known or bool(folder and glob.glob(os.path.join(glob.escape(folder), "*.dist-info")))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of a program and loads them with the program's builtins."""

    def __init__(self, program):
        self.program = program

    def find_spec(self, name, path=None, target=None):
        return self.program.spec_of(name, path)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, program, name, path):
        super().__init__(name, path)
        self.program = program

    def get_code(self, name):
        return source.compiled(self.program.read(self.path), self.path)

    def exec_module(self, module):
        self.program.execute(self.path, module)
