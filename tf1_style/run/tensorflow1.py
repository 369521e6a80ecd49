"""The module `tensorflow` as an old program knows it: TensorFlow 1's names on today's TensorFlow.

A name is looked for, in this order, among the replacements of `old_names` and `old_functions`, in
`tensorflow.compat.v1` (through tf_keras for layers, cells and Keras), among the stand-ins in
`contrib`, and in the modules of `tensorflow.python`.
"""

import functools
import importlib
import logging
import os
import re
import signal
import sys
import types
import warnings

import numpy as np

from shared.console import quiet_import
from tf1_style.run import modules, old_names, symbols

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # has an effect only before TensorFlow is loaded
if os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("1", "2"):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # today a machine without a GPU is an error of level 2
with quiet_import(needs_keras=True):
    import tensorflow
    from absl import app, flags
    from tensorflow.compat import v1
    from tensorflow.python.client.session import BaseSession
    from tensorflow.python.data.ops import dataset_ops
    from tensorflow.python.framework import tensor_shape
    from tensorflow.python.util import deprecation

    v1.disable_v2_behavior()
    from tf1_style.run import keras2, old_functions
signal.signal(signal.SIGINT, signal.default_int_handler)
v1.logging.set_verbosity(v1.logging.WARN)
# Advice to the program's author is no output of the program.
_ADVICE = re.compile("AutoGraph|will be replaced by that in Tensorflow 2.0")
logging.getLogger("tensorflow").addFilter(lambda record: not _ADVICE.search(str(record.msg)))
deprecation._PRINT_DEPRECATION_WARNINGS = False
warnings.filterwarnings("ignore", message=r"`.*` is deprecated and will be removed")
warnings.filterwarnings("ignore", module=r"(keras|tensorflow|tf_keras|tf_slim)\.")


@functools.lru_cache(maxsize=None)
def load():
    """Returns the old program's `tensorflow`."""
    _place_softly(BaseSession)
    _take_floats(tensor_shape.Dimension)
    _keep_datasets()
    keras2.convolve_by(old_functions.conv2d)
    namespace = modules.Namespace("tensorflow", v1, find)
    names = modules.known(namespace)
    names.update(__version__=old_names.VERSION, VERSION=old_names.VERSION, newaxis=None)
    for name in ("__git_version__", "__compiler_version__"):
        names[name] = getattr(tensorflow, name)
    _free_flags()
    return namespace


def record(recorder):
    """Records the steps of the program that is about to run; see `shared.recorder`."""
    from tf1_style.run import recording

    recording.install(recorder)


def find_module(name):
    """Returns the module that an old program imports by a name under `tensorflow`, or None."""
    if name in ("tensorflow", "tensorflow.compat.v1"):
        return load()
    parent, _, last = name.rpartition(".")
    parent = find_module(parent)
    try:
        value = getattr(parent, last)
    except modules.Gone:
        raise
    except AttributeError:
        return None
    return value if isinstance(value, types.ModuleType) else None


def find(name, today):
    """Returns what an old program means by a dotted name; raises LookupError or modules.Gone.

    Parameters
    ----------
    name : such as "tensorflow.nn.softmax".
    today : the module that stands for the name's parent.
    """
    found = _replaced(name)
    if found is None:
        found = _attribute(today, name.rpartition(".")[2])
    if found is None or _is_import(name, found):
        found = _elsewhere(name, today)
    if found is None:
        if name.rpartition(".")[2] in vars(today or object):
            return None  # tf.newaxis
        if symbols.was_there(name) or _is_tutorial(name):
            raise modules.Gone(name)
        raise LookupError(name)
    if name in ("tensorflow.keras", "tensorflow.python.keras"):
        keras2.keep_apply(found)
    if isinstance(found, types.ModuleType) and not isinstance(found, modules.Namespace):
        return modules.Namespace(name, found, find)
    return found


def _replaced(name):
    if name == "tensorflow.compat.v1":  # a program whose imports have been changed already
        return load()
    if name == "tensorflow.version.VERSION":
        return old_names.VERSION
    if name == "tensorflow.keras.__version__":
        return old_names.KERAS_VERSION
    if name in old_functions.FUNCTIONS:
        return old_functions.FUNCTIONS[name]
    if name in old_names.MODULES:
        return importlib.import_module(old_names.MODULES[name])
    if name in old_names.NAMES:
        value = load()
        for part in old_names.NAMES[name].split("."):
            value = getattr(value, part)
        return value
    return None


def _attribute(module, name):
    """Returns an attribute or a submodule of a module, or None."""
    if module is None or name.startswith("__"):
        return None
    try:
        return getattr(module, name)
    except modules.Gone:
        raise
    except AttributeError:
        pass
    path = f"{module.__name__}.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path + ".").startswith(error.name + "."):
            raise
        return None


def _is_tutorial(name):
    """Whether it is one of the programs that 0.x had, such as `tensorflow.models.rnn.ptb`."""
    return name.startswith("tensorflow.models.") and not name.rpartition(".")[2].startswith("__")


def _is_import(name, found):
    """Whether what was found for a file of contrib is no file, but what its stand-in has imported,
    such as `ops`, or a function of 0.x of the same name, such as `rnn`."""
    if not _is_contrib_file(name):
        return False
    if isinstance(found, types.ModuleType):
        return found.__name__.startswith("tensorflow.python.")
    parts = name.split(".")
    public = ".".join([*parts[: parts.index("python")], parts[-1]])
    return symbols.rows().get(public, symbols.MODULE) == symbols.MODULE


def _is_contrib_file(name):
    parts = name.split(".")
    return parts[1] == "contrib" and "python" in parts and symbols.was_module(name)


def _elsewhere(name, today):
    """Finds what has moved: a file inside contrib, or a name inside tensorflow.python."""
    parts = name.split(".")
    if _is_contrib_file(name):
        return today  # all of a contrib package is in one stand-in
    if parts[1] == "contrib" and "python" in parts[:-1] and not parts[-1].startswith("__"):
        package = find_module(".".join(parts[: parts.index("python")]))
        return None if package is today else _attribute(package, parts[-1])
    if parts[1:3] == ["python", "keras"]:
        found = _attribute(sys.modules["tf_keras.src"], ".".join(parts[3:]))
        if found is not None:
            return found
    if parts[-2].startswith("gen_") and hasattr(today, parts[-1][1:]):
        return getattr(today, parts[-1][1:])  # gen_nn_ops._relu_grad, before 1.5
    if parts[1] == "python" and not symbols.was_module(name):
        for place in old_names.PLACES:
            module = importlib.import_module(place) if place else v1
            if hasattr(module, parts[-1]):
                return getattr(module, parts[-1])
    return None


def _free_flags():
    """Lets a program define flags whose names are those of absl's own, as TensorFlow 1.0 did."""
    own = flags.FLAGS

    def parse(self):
        """Parses the command line, as TensorFlow before 1.5 did on demand."""
        if not self.is_parsed():
            self(sys.argv, known_only=True)

    def define_help_flags(define=app.define_help_flags):
        if "help" not in own:
            define()

    def values(self):
        """`FLAGS.__flags`: the values themselves before 1.5, and since then what has a `value`."""
        return {
            name: _with_value(flag)
            for name, flag in self.__dict__["__flags"].items()
            if not str(self.find_module_defining_flag(name)).startswith(("absl.", "tensorflow."))
        }

    def keep(self, name, value):
        """Takes a value that is no flag, `FLAGS.words = 9`, as TensorFlow before 1.5 did."""
        self.__dict__[name] = value

    setattr(flags.FlagValues, "__flags", property(values))
    flags.FlagValues._set_unknown_flag = keep
    app.define_help_flags = define_help_flags
    flags.FlagValues._parse_flags = parse
    take_text, take_number = flags.ArgumentParser.parse, flags.IntegerParser.convert

    def as_given(self, argument):
        return take_text(self, argument) if isinstance(argument, str) else argument

    def number(self, argument):
        """Takes a default such as 1e6 or 0.5 for an integer, as TensorFlow before 1.5 did."""
        if not isinstance(argument, float):
            return take_number(self, argument)
        return int(argument) if argument.is_integer() else argument

    flags.ArgumentParser.parse, flags.IntegerParser.convert = as_given, number
    flags.Flag._update_logging_levels = lambda self: None  # absl asks this of a flag `verbosity`
    for module, found in own.flags_by_module_dict().items():
        if module.startswith("absl."):
            for flag in found:
                flag.allow_override = True


class _Bool(int):
    """A bool that takes an attribute."""

    def __repr__(self):
        return str(bool(self))


def _with_value(flag):
    """Returns a flag's value with itself as its `value`; the flag if it takes no attribute."""
    kinds = {bool: _Bool, int: int, float: float, str: str, list: list}
    kind = kinds.get(type(flag.value))
    if kind is None:
        return flag
    found = type(kind.__name__, (kind,), {"default": flag.default})(flag.value)
    found.value = flag.value
    return found


def _place_softly(session):
    """Lets a program that names a GPU run on a machine without it."""
    initialize = session.__init__

    @functools.wraps(initialize)
    def place_softly(self, target="", graph=None, config=None):
        config = v1.ConfigProto() if config is None else config
        config.allow_soft_placement = True
        initialize(self, target, graph, config)

    session.__init__ = place_softly


def _keep_datasets():
    """A data set may be made in another graph than its iterator, which makes it again in its own.

    1.15.5 only warns of it. An Optional has its names of 1.15.5, too.
    """
    dataset_ops._ensure_same_dataset_graph = lambda dataset: None
    optional = v1.data.experimental.Optional
    optional.none_from_structure = staticmethod(optional.empty)
    optional.value_structure = property(lambda self: self.element_spec)


def _take_floats(dimension):
    """A shape may have 50.0 in it, as 100 / 2 gives it in Python 3."""
    init = dimension.__init__

    def of_number(self, value):
        if isinstance(value, (float, np.floating)):
            if not float(value).is_integer():
                raise ValueError(f"Ambiguous dimension: {value}")
            value = int(value)
        init(self, value)

    dimension.__init__ = of_number
