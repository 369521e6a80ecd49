"""What Python, NumPy and SciPy have removed, there again for an old program and only for it."""

import functools
import importlib
import os
import types
import warnings

from tf1_style.run import modules, windows


@functools.lru_cache(maxsize=None)
def _tensorflow(name):
    from tf1_style.run import tensorflow1

    return tensorflow1.find_module(name)


@functools.lru_cache(maxsize=None)
def _keras(name):
    """Standalone Keras 2: `import keras` means tf_keras."""
    _tensorflow("tensorflow")
    from tf1_style.run import keras2

    return keras2.find_module(name)


@functools.lru_cache(maxsize=None)
def _tf_slim(name):
    from tf1_style.run import contrib

    contrib.tf_slim()
    return importlib.import_module(name)


@functools.lru_cache(maxsize=None)
def _input_data(name):
    return importlib.import_module("tf1_style.run.input_data")


# Names that are gone, by module.


def _numpy_array(function):
    """Makes arrays as NumPy 1 did.

    Rows of different lengths become an array of dtype object, among numbers an array of one number
    is that number, a number too large for its dtype wraps around, and `copy=False` copies where it
    must.
    """

    import numpy as np

    numbers = (int, float, np.ndarray, np.generic)

    @functools.wraps(function)
    def array(values, *arguments, **keywords):
        if keywords.get("copy") is False:
            keywords["copy"] = None
        try:
            return function(values, *arguments, **keywords)
        except ValueError as error:
            if "inhomogeneous" not in str(error) or arguments or "dtype" in keywords:
                raise
            if all(isinstance(one, numbers) and np.size(one) == 1 for one in values):
                return function([np.asarray(value).item() for value in values], **keywords)
            return function(values, dtype=object, **keywords)
        except OverflowError:
            dtype = arguments[0] if arguments else keywords["dtype"]
            return function(values).astype(dtype)

    return array


def _of_generators(function):
    """Takes a generator for a list of arrays."""

    @functools.wraps(function)
    def of_generators(values, *arguments, **keywords):
        if isinstance(values, (types.GeneratorType, map, zip, filter)):
            values = list(values)
        return function(values, *arguments, **keywords)

    return of_generators


_FILES_OF_LIB = (
    "arraypad arraysetops function_base histograms index_tricks nanfunctions polynomial shape_base "
    "twodim_base type_check ufunclike utils"
).split()


def _numpy():
    import math

    import numpy as np

    asarray = _numpy_array(np.asarray)

    def reshape(a, *arguments, newshape=None, **keywords):
        keywords.update({} if newshape is None else {"shape": newshape})
        a = asarray(a) if isinstance(a, (list, tuple)) else a
        return np.reshape(a, *arguments, **keywords)

    def expand_dims(a, axis):
        """Takes an axis past the last one for the last one, as NumPy before 1.18 did."""
        if isinstance(axis, int):
            axis = max(min(axis, np.ndim(a)), -np.ndim(a) - 1)
        return np.expand_dims(a, axis)

    def fromstring(string, dtype=float, count=-1, sep=""):
        if sep == "":
            string = string.encode() if isinstance(string, str) else string
            return np.frombuffer(string, dtype=dtype, count=count).copy()
        return np.fromstring(string, dtype=dtype, count=count, sep=sep)

    def load(
        file, mmap_mode=None, allow_pickle=True, fix_imports=True, encoding="latin1", **keywords
    ):
        """Loads pickled arrays too, as NumPy before 1.16.3 did."""
        return np.load(
            file,
            mmap_mode,
            allow_pickle=allow_pickle,
            fix_imports=fix_imports,
            encoding=encoding,
            **keywords,
        )

    def save(file, arr, *arguments, **keywords):
        return np.save(file, array(arr), *arguments, **keywords)

    def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None):
        """Returns the inverse as a vector."""
        found = np.unique(ar, return_index, return_inverse, return_counts, axis)
        if not return_inverse or axis is not None:
            return found
        return tuple(
            part.reshape(-1) if number == 1 + return_index else part
            for number, part in enumerate(found)
        )

    def histogram(a, bins=10, range=None, normed=None, weights=None, density=None):
        return np.histogram(a, bins, range, density=density or normed, weights=weights)

    def set_printoptions(precision=None, threshold=None, **keywords):
        """Takes threshold="nan" and nan, which printed whole arrays."""
        if isinstance(threshold, str) or (threshold is not None and np.isnan(threshold)):
            threshold = 2**31
        np.set_printoptions(precision, threshold, **keywords)

    array = _numpy_array(np.array)
    names = {
        "float": float,
        "int": int,
        "bool": bool,
        "object": object,
        "str": str,
        "complex": complex,
        "long": int,
        "unicode": str,
        "bool8": np.bool_,
        "int0": np.intp,
        "float_": np.float64,
        "cfloat": np.complex128,
        "longfloat": np.longdouble,
        "singlecomplex": np.complex64,
        "complex_": np.complex128,
        "unicode_": np.str_,
        "string_": np.bytes_,
        "Inf": np.inf,
        "Infinity": np.inf,
        "infty": np.inf,
        "NaN": np.nan,
        "NAN": np.nan,
        "PINF": np.inf,
        "NINF": -np.inf,
        "PZERO": 0.0,
        "NZERO": -0.0,
        "asscalar": lambda a: np.asarray(a).item(),
        "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype),
        "alen": len,
        "mat": np.asmatrix,
        "round_": np.round,
        "product": np.prod,
        "cumproduct": np.cumprod,
        "sometrue": np.any,
        "alltrue": np.all,
        "in1d": lambda a, *rest, **options: np.isin(np.ravel(a), *rest, **options),
        "row_stack": np.vstack,
        "trapz": np.trapezoid if hasattr(np, "trapezoid") else np.trapz,
        "msort": lambda a: np.sort(a, axis=0),
        "find_common_type": lambda arrays, scalars: np.result_type(*arrays, *scalars),
        "issubsctype": np.issubdtype,
        "disp": lambda message, *_: print(message),
        "math": math,
        "array": array,
        "asarray": _numpy_array(np.asarray),
        "reshape": reshape,
        "expand_dims": expand_dims,
        "fromstring": fromstring,
        "histogram": histogram,
        "load": load,
        "save": save,
        "set_printoptions": set_printoptions,
        "unique": unique,
        "sum": _of_generators(np.sum),
        "core": getattr(np, "_core", None),
        "VisibleDeprecationWarning": DeprecationWarning,
    }
    for name in ("concatenate", "column_stack", "dstack", "hstack", "stack", "vstack"):
        names[name] = _of_generators(getattr(np, name))
    for name in ("AxisError", "ComplexWarning", "RankWarning", "TooHardError"):
        names[name] = getattr(np.exceptions, name)
    kinds = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.float32, np.float64)
    names["cast"] = {kind: functools.partial(np.asarray, dtype=kind) for kind in kinds}
    # The folder `lib` had the names of its files, which are those of numpy itself.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in {*dir(np), *names}.difference(dir(np.lib)):
            value = names[name] if name in names else getattr(np, name)
            if not isinstance(value, types.ModuleType):
                names[f"lib.{name}"] = value
    names.update({f"lib.{file}": np for file in _FILES_OF_LIB})
    names.update({"linalg.linalg": np.linalg, "fft.fftpack": np.fft})
    return {f"numpy.{name}": value for name, value in names.items()}


def _scipy():
    import numpy as np
    from PIL import Image

    def imread(name, flatten=False, mode=None):
        image = Image.open(name)
        if mode is not None:
            image = image.convert(mode)
        elif image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        return np.array(image.convert("F") if flatten else image)

    def toimage(arr, high=255, low=0, cmin=None, cmax=None, **keywords):
        """Scales what is not uint8 to 0 to 255 from its least to its greatest value."""
        arr = np.asarray(arr)
        if arr.dtype != np.uint8:
            cmin = arr.min() if cmin is None else cmin
            cmax = arr.max() if cmax is None else cmax
            scale = float(high - low) / ((cmax - cmin) or 1)
            arr = ((arr * 1.0 - cmin) * scale + low + 0.5).clip(low, high).astype(np.uint8)
        if arr.ndim == 3 and arr.shape[0] in (3, 4) and arr.shape[2] not in (3, 4):
            arr = arr.transpose(1, 2, 0)
        return Image.fromarray(arr)

    def imsave(name, arr, format=None):
        toimage(arr).save(name, format)

    def imresize(arr, size, interp="bilinear", mode=None):
        image = toimage(arr)
        if isinstance(size, (int, np.integer)):
            size = tuple((np.array(image.size) * (size / 100.0)).astype(int))
        elif isinstance(size, (float, np.floating)):
            size = tuple((np.array(image.size) * size).astype(int))
        else:
            size = (size[1], size[0])
        kinds = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}
        return np.array(image.resize(tuple(int(n) for n in size), resample=kinds[interp]))

    def imrotate(arr, angle, interp="bilinear"):
        kinds = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}
        return np.array(toimage(arr).rotate(angle, resample=kinds[interp]))

    def imshow(arr):
        pass

    import scipy.integrate
    import scipy.linalg
    import scipy.signal
    import scipy.sparse.linalg
    import scipy.special

    names = {"imread": imread, "imsave": imsave, "imresize": imresize, "imrotate": imrotate}
    names.update(imshow=imshow, toimage=toimage, fromimage=lambda image, **_: np.array(image))
    for name in ("comb", "factorial", "factorial2", "factorialk", "logsumexp"):
        names[name] = getattr(scipy.special, name)
    misc = types.ModuleType("scipy.misc")
    misc.__dict__.update(names)
    eigen = types.ModuleType("scipy.sparse.linalg.eigen")
    eigen.arpack = scipy.sparse.linalg
    eigen.eigs, eigen.eigsh = scipy.sparse.linalg.eigs, scipy.sparse.linalg.eigsh
    found = {
        "scipy.misc": misc,
        "scipy.misc.pilutil": misc,
        "scipy.ndimage.imread": imread,
        "scipy.linalg.kron": np.kron,
        "scipy.linalg.pinv2": scipy.linalg.pinv,
        "scipy.linalg.tri": np.tri,
        "scipy.linalg.tril": np.tril,
        "scipy.linalg.triu": np.triu,
        "scipy.integrate.cumtrapz": scipy.integrate.cumulative_trapezoid,
        "scipy.integrate.simps": scipy.integrate.simpson,
        "scipy.integrate.trapz": scipy.integrate.trapezoid,
        "scipy.sparse.linalg.eigen": eigen,
        "scipy.sparse.linalg.eigen.arpack": scipy.sparse.linalg,
    }
    windows = scipy.signal.windows
    found.update({f"scipy.signal.{name}": getattr(windows, name) for name in windows.__all__})
    today = set(dir(importlib.import_module("scipy")))
    old = [name for name in np.__all__ if name not in today]  # scipy had NumPy's names
    found.update({f"scipy.{name}": getattr(np, name) for name in old})
    for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        # The classes are SciPy's own, so every user of the process sees the property again.
        getattr(scipy.sparse, f"{kind}_matrix").A = property(lambda matrix: matrix.toarray())
    return found


def _collections():
    import collections.abc

    names = (
        "Callable Container Hashable ItemsView Iterable Iterator Generator KeysView Mapping "
        "MappingView MutableMapping MutableSequence MutableSet Sequence Set Sized ValuesView"
    ).split()
    return {f"collections.{name}": getattr(collections.abc, name) for name in names}


def _time():
    import time

    return {"time.clock": time.process_time}  # as it was on Linux


def _inspect():
    import inspect

    def getargspec(function):
        return inspect.ArgSpec(*inspect.getfullargspec(function)[:4])

    inspect.ArgSpec = __import__("collections").namedtuple(
        "ArgSpec", "args varargs keywords defaults"
    )
    return {"inspect.getargspec": getargspec}


def _fractions():
    import math

    return {"fractions.gcd": math.gcd}


def _math():
    """Takes an array of one element for a number."""
    import math

    from tf1_style.run.arrays import scalar

    def of_scalars(function):
        @functools.wraps(function)
        def of_arrays(*numbers):
            try:
                return function(*numbers)
            except TypeError:
                return function(*map(scalar, numbers))

        return of_arrays

    names = "ceil cos cosh exp fabs floor isinf isnan log log10 log2 pow sin sinh sqrt tan tanh"
    return {f"math.{name}": of_scalars(getattr(math, name)) for name in names.split()}


def _re():
    """Splits at what is not empty, as before Python 3.7: `re.split("(\\W+)?", text)`."""
    import re

    def split(pattern, string, maxsplit=0, flags=0):
        pattern = re.compile(pattern, flags)
        if not pattern.match(string[:0]):
            return pattern.split(string, maxsplit)
        parts, end, count = [], 0, 0
        for found in pattern.finditer(string):
            if found.group() and not 0 < maxsplit <= count:
                parts += [string[end : found.start()], *found.groups()]
                end, count = found.end(), count + 1
        return [*parts, string[end:]]

    return {"re.split": split}


def _itertools():
    import itertools

    names = {"izip": zip, "imap": map, "ifilter": filter, "izip_longest": itertools.zip_longest}
    names["ifilterfalse"] = itertools.filterfalse
    return {f"itertools.{name}": value for name, value in names.items()}


def _sys():
    import sys

    names = {"maxint": sys.maxsize, "setdefaultencoding": lambda encoding: None}
    names.update(exc_clear=lambda: None, setcheckinterval=lambda interval: None)
    return {f"sys.{name}": value for name, value in names.items()}


def _string():
    import string

    names = {name: getattr(str, name) for name in dir(str) if not name.startswith("_")}
    names.update(letters=string.ascii_letters, lowercase=string.ascii_lowercase)
    names.update(uppercase=string.ascii_uppercase, maketrans=str.maketrans)
    names.update(join=lambda words, sep=" ": sep.join(words), atoi=int, atof=float)
    return {f"string.{name}": value for name, value in names.items()}


def _types():
    names = {"StringType": str, "UnicodeType": str, "StringTypes": (str,), "IntType": int}
    names.update(LongType=int, FloatType=float, BooleanType=bool, ListType=list, DictType=dict)
    names.update(TupleType=tuple, NoneType=type(None), ClassType=type, TypeType=type)
    names.update(ObjectType=object, FileType=type(None), DictionaryType=dict, XRangeType=range)
    return {f"types.{name}": value for name, value in names.items()}


def _operator():
    import operator

    names = {"div": operator.floordiv, "isCallable": callable}
    names["sequenceIncludes"] = operator.contains
    return {f"operator.{name}": value for name, value in names.items()}


def _os():
    import errno

    return {"os.getcwdu": os.getcwd, "os.errno": errno}


def _platform():
    return {"platform.linux_distribution": lambda *_, **__: ("", "", "")}


def _cgi():
    import html

    return {"cgi.escape": html.escape}


def _base64():
    import base64

    return {
        "base64.encodestring": base64.encodebytes,
        "base64.decodestring": base64.decodebytes,
    }


def _xml():
    import xml.etree.ElementTree as tree

    return {"xml.etree.cElementTree": tree}


def _pickle(root="pickle"):
    """Takes a file that was opened for text, and reads what Python 2 has written."""
    import pickle

    def binary(file):
        if hasattr(file, "_binary_mode"):  # TensorFlow's file
            file._binary_mode = True
            vars(file).pop("_prepare_value", None)
        return getattr(file, "buffer", file)

    def load(file, *arguments, encoding="latin1", **keywords):
        return pickle.load(binary(file), *arguments, encoding=encoding, **keywords)

    def loads(data, *arguments, encoding="latin1", **keywords):
        return pickle.loads(data, *arguments, encoding=encoding, **keywords)

    def dump(obj, file, *arguments, **keywords):
        return pickle.dump(obj, binary(file), *arguments, **keywords)

    return {f"{root}.load": load, f"{root}.loads": loads, f"{root}.dump": dump}


def _json():
    """Takes bytes, such as the words of an archive, as the texts that they are in Python 2."""
    import json

    def text(value):
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, dict):
            return {text(key): text(value[key]) for key in value}
        return [text(item) for item in value] if isinstance(value, (list, tuple)) else value

    def of_text(function):
        return lambda value, *arguments, **keywords: function(text(value), *arguments, **keywords)

    return {"json.dump": of_text(json.dump), "json.dumps": of_text(json.dumps)}


def _csv():
    """Takes a file that was opened for bytes, as Python 2's csv wished it."""
    import csv
    import io

    def text(function):
        @functools.wraps(function)
        def of_text(file, *arguments, **keywords):
            if isinstance(file, (io.BufferedReader, io.BufferedWriter)):
                file = io.TextIOWrapper(file, newline="", write_through=True)
            return function(file, *arguments, **keywords)

        return of_text

    names = ("reader", "writer", "DictReader", "DictWriter")
    return {f"csv.{name}": text(getattr(csv, name)) for name in names}


def _tempfile():
    """A temporary file takes text, unless its mode is given."""
    import tempfile

    def of_text(function):
        @functools.wraps(function)
        def make(mode="w+", *arguments, **keywords):
            if "b" not in mode:
                keywords.setdefault("errors", "surrogateescape")
            return function(mode, *arguments, **keywords)

        return make

    names = ("NamedTemporaryFile", "TemporaryFile")
    return {f"tempfile.{name}": of_text(getattr(tempfile, name)) for name in names}


def _string_io():
    """StringIO took bytes and text; it gives back text unless bytes were written."""
    import io

    class StringIO(io.BytesIO):
        def __init__(self, start=""):
            self._is_text = isinstance(start, str)
            super().__init__(start.encode() if self._is_text else start)

        def write(self, data):
            self._is_text = isinstance(data, str) and self._is_text
            return super().write(data.encode() if isinstance(data, str) else data)

        def _as_written(self, data):
            return data.decode() if self._is_text else data

        def getvalue(self):
            return self._as_written(super().getvalue())

        def read(self, *size):
            return self._as_written(super().read(*size))

        def readline(self, *size):
            return self._as_written(super().readline(*size))

        def __next__(self):
            return self._as_written(super().__next__())

    return {
        f"{module}.{name}": StringIO
        for module in ("StringIO", "cStringIO")
        for name in ("StringIO", "InputType", "OutputType")
    }


def _urllib():
    import urllib.error
    import urllib.parse
    import urllib.request

    names = {}
    for module in (urllib.error, urllib.parse, urllib.request):
        names.update({n: getattr(module, n) for n in dir(module) if not n.startswith("_")})
    return {f"{root}.{name}": names[name] for root in ("urllib", "urllib2") for name in names}


def _version():
    class LooseVersion:
        """Compares versions by their numbers and words, as distutils did."""

        def __init__(self, version):
            import re

            self.vstring = version
            parts = re.findall(r"\d+|[a-z]+", version)
            self.version = [int(part) if part.isdigit() else part for part in parts]

        def __str__(self):
            return self.vstring

        def _key(self, other):
            other = other if isinstance(other, LooseVersion) else LooseVersion(other)
            return self.version, other.version

        def __eq__(self, other):
            a, b = self._key(other)
            return a == b

        def __lt__(self, other):
            a, b = self._key(other)
            return a < b

        def __le__(self, other):
            return self == other or self < other

        def __gt__(self, other):
            return not self <= other

        def __ge__(self, other):
            return not self < other

    return {
        "distutils.version.LooseVersion": LooseVersion,
        "distutils.version.StrictVersion": LooseVersion,
    }


def _pillow():
    from PIL import Image

    names = {"ANTIALIAS": Image.LANCZOS, "LINEAR": Image.BILINEAR, "CUBIC": Image.BICUBIC}
    return {f"PIL.Image.{name}": value for name, value in names.items()}


def _sklearn():
    import joblib
    import sklearn.model_selection

    return {
        "sklearn.cross_validation": sklearn.model_selection,
        "sklearn.grid_search": sklearn.model_selection,
        "sklearn.externals.joblib": joblib,
    }


def _pandas():
    """Gives the classes their old methods again, which every user of the process sees."""
    import pandas

    class Ix:
        """Looks labels up first, then places."""

        def __init__(self, data):
            self._data = data

        def _find(self, key, act):
            try:
                return act(self._data.loc, key)
            except (KeyError, TypeError, IndexError):
                return act(self._data.iloc, key)

        def __getitem__(self, key):
            return self._find(key, lambda by, key: by[key])

        def __setitem__(self, key, value):
            self._find(key, lambda by, key: by.__setitem__(key, value))

    def as_matrix(self, columns=None):
        return (self if columns is None else self[columns]).values

    def append(self, other, ignore_index=False, **_):
        other = other if isinstance(other, list) else [other]
        other = [pandas.DataFrame([row]) if isinstance(row, dict) else row for row in other]
        return pandas.concat([self, *other], ignore_index=ignore_index)

    for kind in (pandas.DataFrame, pandas.Series):
        kind.ix = property(Ix)
        kind.as_matrix = as_matrix
        kind.append = append
        kind.iteritems = kind.items
    return {
        "pandas.rolling_mean": lambda data, window, **options: data.rolling(window).mean(),
        "pandas.rolling_std": lambda data, window, **options: data.rolling(window).std(),
    }


def _networkx():
    import networkx

    if hasattr(networkx.Graph, "nodes_iter"):  # a version of its time
        return {}

    def subgraphs(graph, copy=True):
        parts = (graph.subgraph(nodes) for nodes in networkx.connected_components(graph))
        return (part.copy() if copy else part for part in parts)

    networkx.Graph.node = property(lambda graph: graph.nodes)
    networkx.Graph.nodes_iter = lambda graph, data=False: iter(graph.nodes(data=data))
    networkx.Graph.edges_iter = lambda graph, **options: iter(graph.edges(**options))
    matrix, sparse = "numpy_matrix", "scipy_sparse_matrix"
    return {
        "networkx.connected_component_subgraphs": subgraphs,
        f"networkx.from_{matrix}": networkx.from_numpy_array,
        f"networkx.to_{matrix}": networkx.to_numpy_array,
        f"networkx.from_{sparse}": networkx.from_scipy_sparse_array,
        f"networkx.to_{sparse}": networkx.to_scipy_sparse_array,
    }


def _yaml():
    import yaml

    def load(stream, Loader=yaml.FullLoader):
        return yaml.load(stream, Loader)

    def load_all(stream, Loader=yaml.FullLoader):
        return yaml.load_all(stream, Loader)

    return {"yaml.load": load, "yaml.load_all": load_all}


# Old module -> function that returns its old names.
_CHANGED = {
    "PIL": _pillow,
    "base64": _base64,
    "cgi": _cgi,
    "collections": _collections,
    "cv2": windows.cv2_names,
    "distutils": _version,
    "fractions": _fractions,
    "inspect": _inspect,
    "math": _math,
    "matplotlib": windows.matplotlib_names,
    "networkx": _networkx,
    "numpy": _numpy,
    "os": _os,
    "pandas": _pandas,
    "pickle": _pickle,
    "platform": _platform,
    "pylab": windows.pylab_names,
    "re": _re,
    "scipy": _scipy,
    "sklearn": _sklearn,
    "sys": _sys,
    "time": _time,
    "xml": _xml,
    "yaml": _yaml,
}
_CHANGED_SINCE_2 = {
    "StringIO": _string_io,
    "cPickle": lambda: _pickle("cPickle"),
    "cStringIO": _string_io,
    "csv": _csv,
    "itertools": _itertools,
    "json": _json,
    "operator": _operator,
    "string": _string,
    "tempfile": _tempfile,
    "types": _types,
    "urllib": _urllib,
    "urllib2": _urllib,
}

# Modules that Python 3 renamed.
_RENAMED = {
    "BaseHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "HTMLParser": "html.parser",
    "Image": "PIL.Image",
    "Queue": "queue",
    "SocketServer": "socketserver",
    "Tkinter": "tkinter",
    "UserDict": "collections",
    "__builtin__": "builtins",
    "cPickle": "pickle",
    "commands": "subprocess",
    "cookielib": "http.cookiejar",
    "copy_reg": "copyreg",
    "exceptions": "builtins",
    "httplib": "http.client",
    "sets": "builtins",
    "thread": "_thread",
    "tkMessageBox": "tkinter.messagebox",
    "urlparse": "urllib.parse",
}


@functools.lru_cache(maxsize=None)
def _changed(name):
    root = name.partition(".")[0]
    if name != root:
        value = getattr(_changed(name.rpartition(".")[0]), name.rpartition(".")[2], None)
        return value if isinstance(value, types.ModuleType) else None
    today = _RENAMED.get(root, root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(today)
    except ModuleNotFoundError as error:
        if error.name != today or root not in ("distutils", *_CHANGED_SINCE_2):
            raise
        module = None
    names = {**_CHANGED, **_CHANGED_SINCE_2}[root]()
    return modules.Namespace(root, module, functools.partial(modules.find_among, names))


def _renamed(name):
    return importlib.import_module(_RENAMED[name])


ROOTS = {
    "tensorflow": _tensorflow,
    "keras": _keras,
    "input_data": _input_data,
    "tf_slim": _tf_slim,
    **dict.fromkeys(_CHANGED, _changed),
}
PYTHON2_ROOTS = {
    **dict.fromkeys(_RENAMED, _renamed),
    **dict.fromkeys(_CHANGED_SINCE_2, _changed),
}
