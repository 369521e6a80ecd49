"""Reads the source of an old program, Python 2 or 3, and compiles it without changing the file.

Python 2 is converted in memory by fissix, the successor of lib2to3. Lines keep their numbers.
"""

import ast
import builtins
import difflib
import functools
import io
import math
import operator
import tokenize
import warnings
from collections import namedtuple

import numpy as np

from tf1_style.run import arrays

# text : the text as it stands in the file
# tree : ast.Module, of Python 3
# is_python2 : whether the text is Python 2
Source = namedtuple("Source", "text tree is_python2")

# Fixers that add an import are left out, and those that only change the style: builtins and
# `python_names` serve instead.
FIXERS = (
    "apply basestring dict except exec execfile filter funcattrs has_key input itertools long map "
    "methodattrs ne next nonzero numliterals paren print raise raw_input renames repr "
    "standarderror throw tuple_params unicode xrange xreadlines zip"
).split()

# What only Python 2 has; a text that uses one without defining it is Python 2.
_BUILTINS = set(
    "xrange raw_input unicode basestring unichr execfile long reduce file cmp reload apply intern "
    "coerce buffer".split()
)
_MODULES = set(
    "cPickle cStringIO StringIO urllib2 urlparse httplib Queue ConfigParser Tkinter commands "
    "HTMLParser copy_reg __builtin__ sets".split()
)
_METHODS = {"iteritems", "iterkeys", "itervalues", "has_key"}
_MEMBERS = {("sys", "maxint"), ("string", "letters"), ("string", "lowercase"), ("string", "join")}
_MEMBERS |= {("string", "maketrans"), ("itertools", "izip"), ("itertools", "imap")}
_MEMBERS |= {("os", "getcwdu"), ("urllib", "urlretrieve"), ("urllib", "urlencode")}


def read(path, python2=False, text=None):
    """Returns a file's Source.

    Parameters
    ----------
    path : str, for the messages.
    python2 : whether to read it as Python 2. Otherwise it is Python 2 if it does not compile as
        Python 3, or if it uses what only Python 2 has.

    Raises
    ------
    SyntaxError : Python 3's, if the text is neither.
    """
    text = _text(path) if text is None else text
    error = None
    try:
        tree = _parse(text, path)
    except SyntaxError as wrong:
        error = wrong
    converted = None
    if error or python2 or _is_python2(tree):
        converted = _from_python2(text)
    if converted is not None:
        return Source(text, arrays.old_scalars(_python2(converted, text, path)), True)
    if error:
        raise error.with_traceback(None)
    return Source(text, arrays.old_scalars(tree), False)


def compiled(source, path):
    """Returns the code object of a Source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's advice on the text is no output of the program
        return compile(source.tree, path, "exec", dont_inherit=True)


def _text(path):
    with open(path, "rb") as file:
        encoding, _ = tokenize.detect_encoding(file.readline)
    with open(path, encoding=encoding, errors="surrogateescape") as file:
        return file.read()


def _parse(text, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text, path)
        compile(tree, path, "exec", dont_inherit=True)  # some errors are the compiler's
    return tree


def _is_python2(tree):
    """Whether a text that is valid Python 3 uses what only Python 2 has, without defining it.

    A text that asks for the version, or catches what Python 3 raises, serves both.
    """
    used, bound, found = set(), set(), False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            bound.update(alias.asname or alias.name for alias in node.names)
            bound.update({"pandas", "six"} & set(names))
            found |= bool(_MODULES & set(names)) or getattr(node, "module", None) in _MODULES
            found |= any((getattr(node, "module", None), name) in _MEMBERS for name in names)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Attribute):
            value = getattr(node.value, "id", None)
            if node.attr in ("version_info", "PY2", "PY3"):
                return False
            found |= (value, node.attr) in _MEMBERS
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found |= node.func.attr in _METHODS and not node.args and node.func.attr != "has_key"
        elif isinstance(node, ast.ExceptHandler):
            if _names(node.type) & {"NameError", "ImportError", "ModuleNotFoundError"}:
                return False
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            found |= getattr(node.left, "id", None) == "print"
    if {"PY2", "PY3", "pandas", "six"} & (used | bound):
        return False
    return found or bool(used & _BUILTINS - bound)


def _names(node):
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)} if node else set()


@functools.lru_cache(maxsize=None)
def _tool():
    from fissix.refactor import RefactoringTool

    return RefactoringTool([f"fissix.fixes.fix_{name}" for name in FIXERS])


def _from_python2(text):
    """Returns the text as Python 3, or None if it is not Python 2 either."""
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    try:
        return str(_tool().refactor_string(text.expandtabs() + "\n", ""))[:-1]
    except (ParseError, TokenError, IndentationError):
        return None


def _python2(converted, text, path):
    """Parses a converted text; the tree has the line numbers of the original."""
    tree = _parse(converted, path)
    numbers = _line_numbers(text.expandtabs().split("\n"), converted.split("\n"))
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno, node.end_lineno = numbers[node.lineno], numbers[node.end_lineno]
            node.col_offset = node.end_col_offset = 0  # columns are those of the conversion
    return ast.fix_missing_locations(_Python2(_divides(tree)).visit(tree))


def _line_numbers(old, new):
    """Returns the number in `old` of each line of `new`; a fixer may have added or joined lines."""
    if len(old) == len(new):
        return range(len(new) + 1)
    numbers = [0]
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for _, start, end, new_start, new_end in blocks:
        last = max(start, end - 1)
        numbers += [min(start + line, last) + 1 for line in range(new_end - new_start)]
    return numbers


def _divides(tree):
    """Whether `/` in the text divides integers to an integer."""
    return not any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "division" for alias in node.names)
        for node in tree.body
    )


class _Python2(ast.NodeTransformer):
    """Writes as calls what Python 2 does otherwise and fissix leaves: `a / b`, `text.decode()`."""

    def __init__(self, divides):
        self.divides = divides

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if not (self.divides and isinstance(node.op, ast.Div)):
            return node
        return _call("__divide__", node, node.left, node.right)

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if not (self.divides and isinstance(node.op, ast.Div)):
            return node
        old = ast.parse(ast.unparse(node.target), mode="eval").body
        call = _call("__divide_in_place__", node, old, node.value)
        return ast.copy_location(ast.Assign([node.target], call), node)

    def visit_Compare(self, node):
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        is_none = ast.unparse(node.comparators[0]) == "None"
        if is_none and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            node.left = _call("__no_array__", node, node.left)
        name = _ORDERS.get(type(node.ops[0]))
        if name is None:
            return node
        return _call("__order__", node, ast.Constant(name), node.left, node.comparators[0])

    def visit_Subscript(self, node):
        self.generic_visit(node)
        is_read = isinstance(node.ctx, ast.Load) and _is_bytes_list(node.value)
        return _call("__text__", node, node) if is_read else node

    def visit_Call(self, node):
        self.generic_visit(node)
        name = getattr(node.func, "attr", None)
        if name == "BytesList":
            for keyword in node.keywords:
                keyword.value = _call("__bytes__", node, keyword.value)
        if name in ("append", "extend") and _is_bytes_list(node.func.value):
            node.args = [_call("__bytes__", node, value) for value in node.args]
        is_file = name in ("GFile", "FastGFile")
        if is_file or (name == "Open" and ast.unparse(node.func).endswith("gfile.Open")):
            return _call("__old_file__", node, node)
        if name == "decode":
            text = node.func.value
            return ast.copy_location(
                ast.Call(ast.Name("__decode__", ast.Load()), [text, *node.args], node.keywords),
                node,
            )
        return node

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.name = {
            "__div__": "__truediv__",
            "__rdiv__": "__rtruediv__",
            "__idiv__": "__itruediv__",
            "__unicode__": "__str__",
        }.get(node.name, node.name)
        return node


def _is_bytes_list(node):
    """Whether it is the `feature.bytes_list.value` of a tf.train.Example."""
    is_value = isinstance(node, ast.Attribute) and node.attr == "value"
    return is_value and getattr(node.value, "attr", None) == "bytes_list"


def _call(name, node, *arguments):
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), []), node)


def divide(a, b, floor=operator.floordiv, true=arrays.BUILTINS["__true_divide_old__"]):
    """Python 2's `a / b`: rounds down if both are integers, arrays or tensors of them included."""
    return floor(a, b) if _is_integer(a) and _is_integer(b) else true(a, b)


_ORDERS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}


def _order(name, a, b):
    """Python 2's `a < b`: None is less than all, and a number less than what is none."""
    compare = getattr(operator, name)
    try:
        return compare(a, b)
    except TypeError:
        places = [
            (x is not None, not isinstance(x, (int, float)), type(x).__name__) for x in (a, b)
        ]
        if places[0] == places[1] or not all(isinstance(x, _PLAIN) for x in (a, b)):
            raise
        return compare(*places)


_PLAIN = (int, float, str, bytes, list, tuple, dict, type(None))


def _is_integer(value):
    if isinstance(value, int):
        return True
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", None)  # NumPy's
    return kind in ("i", "u") if kind else bool(getattr(dtype, "is_integer", False))


def _decode(text, *arguments, **keywords):
    """Python 2's str.decode: a text is decoded already."""
    return text if isinstance(text, str) else text.decode(*arguments, **keywords)


def _no_array(value):
    """What Python 2 compares with None: NumPy of its time said once that an array is not None."""
    return True if isinstance(value, np.ndarray) else value


def _bytes(value):
    """What an Example takes for Python 2's strings, for one or for many."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    return [_bytes(one) for one in value] if isinstance(value, (list, tuple)) else value


def _as_text(value):
    """What an Example has, as text if it is one; numbers of an array are none."""
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    try:
        return value if min(value, default=9) < 9 else value.decode()
    except (AttributeError, UnicodeDecodeError):
        return value


def _old_file(file):
    """TensorFlow's file as Python 2 reads it: what is no text comes out as bytes."""
    if not getattr(file, "_binary_mode", True):
        file._prepare_value = _as_text
    return file


def _reload(module):
    import importlib

    return module if getattr(module, "__spec__", None) is None else importlib.reload(module)


def _round(number, digits=0):
    """Python 2's round: a float, halves away from zero."""
    import decimal

    unit = decimal.Decimal(1).scaleb(-digits)
    if not isinstance(number, (int, float)) or math.isnan(number) or abs(number) > 1e15:
        return builtins.round(number, digits)
    return float(decimal.Decimal(number).quantize(unit, rounding=decimal.ROUND_HALF_UP))


def _sorted(values, cmp=None, key=None, reverse=False):
    if cmp is not None:
        by, key = key or (lambda value: value), functools.cmp_to_key(cmp)
        return sorted(values, key=lambda value: key(by(value)), reverse=reverse)
    return sorted(values, key=key, reverse=reverse)


class _Written(io.BufferedWriter):
    """A binary file that takes text, too."""

    def write(self, data):
        return super().write(
            data.encode(errors="surrogateescape") if isinstance(data, str) else data
        )


def _open(name, mode="r", buffering=-1, **keywords):
    """Python 2's open, whose texts are bytes: what is no UTF-8 does not stop the program."""
    if "b" in mode and mode[0] in "aw" and "+" not in mode:
        return _Written(io.FileIO(name, mode))
    if "b" in mode:
        return open(name, mode, buffering if buffering != 1 else -1, **keywords)
    return open(name, mode, buffering or -1, **{"errors": "surrogateescape", **keywords})


def _next(iterator, *default):
    """Calls `x.next()`, whose class may be Python 3's, or not be an iterator at all."""
    if not hasattr(iterator, "__next__") and hasattr(iterator, "next"):
        return iterator.next()
    return next(iterator, *default)


PYTHON2_BUILTINS = {
    "__divide__": divide,
    "__divide_in_place__": functools.partial(
        divide, floor=operator.ifloordiv, true=operator.itruediv
    ),
    "__bytes__": _bytes,
    "__decode__": _decode,
    "__text__": _as_text,
    "__no_array__": _no_array,
    "__old_file__": _old_file,
    "__order__": _order,
    "basestring": (str, bytes),
    "file": _open,
    "open": _open,
    "long": int,
    "next": _next,
    "raw_input": builtins.input,
    "reduce": functools.reduce,
    "reload": _reload,
    "round": _round,
    "sorted": _sorted,
    "unichr": chr,
    "unicode": str,
    "xrange": range,
    "cmp": lambda a, b: (a > b) - (a < b),
    "intern": str,
    "buffer": memoryview,
    "apply": lambda function, arguments=(), keywords={}: function(*arguments, **keywords),
    "coerce": lambda a, b: (a + 0 * b, b + 0 * a),
}
