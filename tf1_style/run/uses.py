"""Finds which symbols of TensorFlow 1 a program's files use, without running them."""

import ast
import builtins
import os
import sys
import types

from tf1_style.run import modules

ROOTS = ("tensorflow", "keras", "tf_slim", "input_data")
# Methods of objects whose class the text does not show.
METHODS = {
    "run": "tensorflow.Session.run",
    "eval": "tensorflow.Tensor.eval",
    "minimize": "tensorflow.train.Optimizer.minimize",
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def of_program(program, path):
    """Returns {symbol: (its value, [(path, line), ...])} of a program; modules.Gone for a value
    that cannot be had.

    Parameters
    ----------
    program : modules.OldProgram; the modules that it has imported count too.
    path : its script.

    Raises
    ------
    SyntaxError : the script is neither Python 3 nor Python 2.
    """
    program.read(path)
    scans, found = {}, {}
    for file in [path, *program.files]:
        _scan(program, file, scans)
    for file, scan in scans.items():
        for name, line in scan.uses:
            symbol, value = find(program, name)
            if symbol:
                places = found.setdefault(symbol, (value, []))[1]
                places += [(file, line)] if (file, line) not in places else []
    # The import of a package that is gone is counted with the symbols that are used of it.
    gone = [name for name, (value, _) in found.items() if value is modules.Gone]
    for name in gone:
        if any(other.startswith(name + ".") for other in gone):
            del found[name]
    return found


def find(program, name):
    """Returns (the symbol, its value) of a dotted name, such as ("tensorflow.Session", the class).

    A module is no symbol: ("", the module). What follows a symbol is left out:
    "tensorflow.flags.FLAGS.rate" is "tensorflow.flags.FLAGS".
    """
    parts = name.split(".")
    value = program.roots[parts[0]](parts[0])
    for number, part in enumerate(parts[1:], 1):
        if not isinstance(value, types.ModuleType):
            return name if name in METHODS.values() else ".".join(parts[:number]), value
        try:
            value = getattr(value, part)
        except (AttributeError, ImportError):
            ends = [end for end, one in enumerate(parts, 1) if one[:1].isupper()]  # a class
            return ".".join(parts[: ends[0] if ends else None]), modules.Gone
    return "" if isinstance(value, types.ModuleType) else name, value


def _scan(program, path, scans):
    """Scans a file, and those of the program's modules that it imports, once."""
    path = os.path.abspath(path)
    if path not in scans:
        scans[path] = _Scan(program, path, scans)
        scans[path].scan()
    return scans[path]


class _Scan(ast.NodeVisitor):
    """The names that one file uses.

    Attributes
    ----------
    uses : (dotted name, line) of each.
    names : {local name: dotted name} of the present scope; at the end, of the module.
    """

    def __init__(self, program, path, scans):
        self.program, self.path, self.scans = program, path, scans
        self.uses, self.names = [], {}
        self._stars, self._bound = [], set(dir(builtins))

    def scan(self):
        try:
            tree = self.program.read(self.path).tree
        except (SyntaxError, UnicodeError):  # the program itself fails if it gets there
            return
        self._bound.update(*(_bound(node) for node in ast.walk(tree)))
        self._scope(tree)

    def _scope(self, node):
        """Visits a module or function. A name that the function binds hides the module's."""
        outer, own = self.names, list(_of_scope(node))
        hidden = set().union(*map(_bound, own))
        self.names = {name: old for name, old in outer.items() if name not in hidden}
        for one in own:
            if isinstance(one, ast.Import):
                for alias in one.names:
                    top = alias.name.partition(".")[0]
                    self._import(alias.name, alias.asname or top, one.lineno, bool(alias.asname))
            elif isinstance(one, ast.ImportFrom):
                self._import_from(one)
            elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                name = self._dotted(one.value)
                if name and not find(self.program, name)[0]:  # layers = tf.layers
                    self.names[one.targets[0].id] = name
        self.generic_visit(node)
        if not isinstance(node, ast.Module):
            self.names = outer

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _scope

    def _import(self, name, local, line, is_whole=True):
        top = name.partition(".")[0]
        if top in ROOTS and not self.program.has(top):
            self.names[local] = name if is_whole else top
            self.uses.append((name, line))
        else:
            self._own(name)

    def _import_from(self, node):
        name, is_star = node.module or "", node.names[0].name == "*"
        if not node.level and name.partition(".")[0] in ROOTS and is_star:
            self._stars.append(name)
        elif is_star:
            for scan in self._own(name, node.level):
                self.names.update(scan.names)
        elif node.level:
            for alias in node.names:
                self._own(f"{name}.{alias.name}".strip("."), node.level)
        else:
            for alias in node.names:
                self._import(f"{name}.{alias.name}", alias.asname or alias.name, node.lineno)

    def _own(self, name, level=0):
        """Returns the scans of the program's own module `name` and of the packages around it."""
        beside = os.path.dirname(self.path)
        for _ in range(level - 1):
            beside = os.path.dirname(beside)
        scans = []
        for folder in [beside] if level else [beside, *sys.path]:
            for part in filter(None, name.split(".")):
                folder = os.path.join(folder, part)
                for path in (folder + ".py", os.path.join(folder, "__init__.py")):
                    if os.path.isfile(path) and self.program.owns(path):
                        scans.append(_scan(self.program, path, self.scans))
            if scans:
                break
        return scans

    def _dotted(self, node):
        """Returns the name that an expression such as `tf.nn.relu` means, or None."""
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return base and f"{base}.{node.attr}"
        return self.names.get(node.id) if isinstance(node, ast.Name) else None

    def visit_Attribute(self, node):
        name = self._dotted(node)
        if name:
            self.uses.append((name, node.lineno))
        else:
            self.generic_visit(node)

    def visit_Name(self, node):
        if node.id in self.names:
            self.uses.append((self.names[node.id], node.lineno))
        elif node.id not in self._bound:
            for star in self._stars:
                if find(self.program, f"{star}.{node.id}")[1] is not modules.Gone:
                    self.uses.append((f"{star}.{node.id}", node.lineno))

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and self._is_method(node):
            self.uses.append((METHODS[node.func.attr], node.lineno))
        self.generic_visit(node)

    def _is_method(self, node):
        """Whether a call looks like one of METHODS: `sess.run(...)`, `loss.eval()`."""
        method, base = node.func.attr, node.func.value
        called = getattr(base, "id", getattr(base, "attr", ""))
        keywords = {keyword.arg for keyword in node.keywords}
        if method == "run":
            return "feed_dict" in keywords or "sess" in called.lower()
        if method == "eval":
            return bool(keywords & {"feed_dict", "session"}) or not (node.args or keywords)
        return method == "minimize" and called != "optimize"  # scipy.optimize.minimize


def _of_scope(node):
    """Yields the nodes of a module or function without those of the functions in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _FUNCTIONS):
            yield from _of_scope(child)


def _bound(node):
    """Returns the names that a node binds, but for imports."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return {node.id}
    if isinstance(node, ast.arg):
        return {node.arg}
    return {node.name} if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else set()
