"""What NumPy's arrays did once and no longer do, for an old program and only for it.

An array of one element counted as a number: `float(a)`, `"%f" % a`, `vector[0] = a`. A number did
not widen an array of its kind: float32 images times a float64 were float32. Arrays had methods that
are gone: `a.tostring()`. An array is NumPy's own, so the program's text calls the functions of this
page instead.
"""

import ast
import copy
import operator
import re

import numpy as np

_FORMAT = re.compile(r"%(?:\((\w+)\))?[-+ #0]*(\*|\d+)?(?:\.(\*|\d+))?[hlL]?([a-zA-Z%])")


def old_scalars(tree):
    """Returns the tree of a program whose array expressions mean what they meant in NumPy 1."""
    return ast.fix_missing_locations(_Arrays().visit(tree))


class _Arrays(ast.NodeTransformer):
    def visit_Call(self, node):
        """`float(a)`, `int(a)`: a may be an array of one element."""
        self.generic_visit(node)
        is_conversion = getattr(node.func, "id", None) in ("float", "int") and len(node.args) == 1
        if is_conversion and not isinstance(node.args[0], (ast.Constant, ast.Starred)):
            node.args = [_call("__scalar__", node.args[0], node.args[0])]
        return node

    def visit_BinOp(self, node):
        """`"%f" % a`: the same. `a * number`: the number has the type of the array."""
        self.generic_visit(node)
        name = NAMES.get(type(node.op))
        if name and not isinstance(node.left, _TEXTS) and not isinstance(node.right, _TEXTS):
            return _call(name, node, node.left, node.right)
        text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        if not text or not isinstance(node.op, ast.Mod):
            return node
        return _call("__format_old__", node, node.left, node.right)

    def visit_Assign(self, node):
        """`vector[0] = a`: the same."""
        self.generic_visit(node)
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Subscript):
            return node
        return _assignment(node, node.targets[0])

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        return _assignment(node, node.target) if isinstance(node.target, ast.Subscript) else node

    def visit_Attribute(self, node):
        """`a.tostring()`: the methods that are gone."""
        self.generic_visit(node)
        if node.attr not in METHODS or not isinstance(node.ctx, ast.Load):
            return node
        return _call("__method__", node, node.value, ast.Constant(node.attr))


_TEXTS = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp)
NAMES = {
    ast.Add: "__add_old__",
    ast.Sub: "__subtract_old__",
    ast.Mult: "__multiply_old__",
    ast.Div: "__true_divide_old__",
    ast.Pow: "__power_old__",
}


def _call(name, node, *arguments):
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), []), node)


def _assignment(node, target):
    """Returns the statements that do an assignment, and do it with a number if it fails."""
    if isinstance(node.value, ast.Constant):
        return node
    value = ast.Name("__value__", ast.Load())
    start, array = ast.Assign([ast.Name("__value__", ast.Store())], node.value), target.value
    node.value = value
    second = copy.deepcopy(node)
    second.value = _call("__scalar__", node, value)
    again = ast.If(_call("__is_one__", node, value, array), [second], [ast.Raise()])
    handler = ast.ExceptHandler(ast.Name("ValueError", ast.Load()), None, [again])
    attempt = ast.Try([node], [handler], [], [])
    return [ast.copy_location(part, node) for part in (start, attempt)]


def scalar(value):
    """Returns the element of an array that has one, and any other value as it is."""
    if isinstance(value, np.ndarray) and value.ndim and value.size == 1:
        return value.item()
    return value


def format_old(text, values):
    """Returns `text % values`."""
    try:
        return text % values
    except TypeError:
        if isinstance(values, dict):
            raise
    kinds = [
        kind
        for *parts, letter in _FORMAT.findall(text)
        if letter != "%"
        for kind in ["d"] * parts.count("*") + [letter]
    ]
    row = values if isinstance(values, tuple) else (values,)
    row = [v if kind in "rsa" else scalar(v) for v, kind in zip(row, kinds)] + [*row[len(kinds) :]]
    return text % tuple(row)


def is_one(value, array):
    """Whether a value is an array of one element that NumPy 1 would put into an array."""
    return isinstance(array, np.ndarray) and scalar(value) is not value


def _itemset(array, *arguments):
    *index, value = arguments
    if index:
        array[index[0] if isinstance(index[0], tuple) else tuple(index)] = value
    else:
        array[...] = value


METHODS = {
    "tostring": lambda array, order="C": array.tobytes(order),
    "ptp": lambda array, *arguments, **keywords: np.ptp(array, *arguments, **keywords),
    "itemset": _itemset,
    "newbyteorder": lambda array, order="S": array.view(array.dtype.newbyteorder(order)),
}


def method(value, name):
    """Returns `value.name`."""
    if isinstance(value, (np.ndarray, np.generic)) and not hasattr(value, name):
        return METHODS[name].__get__(value)
    if name == "tostring" and not hasattr(value, name) and hasattr(value, "tobytes"):
        return value.tobytes  # array.array's
    return getattr(value, name)


_RANKS = {"i": 1, "u": 1, "f": 2, "c": 3}  # a number of a higher rank widens an array


def _fitting(number, array):
    """Returns a number in the type that NumPy 1 gave it beside an array; else the value itself."""
    if type(number) is not int and not isinstance(number, np.number) or not array.ndim:
        return number
    is_signed = array.dtype.kind == "i" and isinstance(number, (int, np.integer)) and number >= 0
    smallest = np.min_scalar_type(-1 - int(number) if is_signed else number)
    if _RANKS.get(array.dtype.kind, 0) < _RANKS.get(smallest.kind, 4):
        return number  # a float beside integers
    return np.promote_types(array.dtype, smallest).type(number)


def with_old_types(operate):
    def operate_old(left, right):
        if type(left) is np.ndarray:
            if type(right) is not np.ndarray:
                right = _fitting(right, left)
        elif type(right) is np.ndarray:
            left = _fitting(left, right)
        return operate(left, right)

    return operate_old


BUILTINS = {
    "__add_old__": with_old_types(operator.add),
    "__subtract_old__": with_old_types(operator.sub),
    "__multiply_old__": with_old_types(operator.mul),
    "__true_divide_old__": with_old_types(operator.truediv),
    "__power_old__": with_old_types(operator.pow),
    "__scalar__": scalar,
    "__format_old__": format_old,
    "__is_one__": is_one,
    "__method__": method,
}
