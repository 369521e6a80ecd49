"""Suggests the change that mends the candidate's line, where the cause is of a known kind.

Each rule takes what parity found, and returns the new line, or None. A rule changes only what both
lines say as a literal, or what is the library's documented default; it never guesses a value.
"""

import linecache
import re
from dataclasses import asdict, dataclass

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Optimizers' constants as the recordings name them, and Keras's arguments.
ARGUMENTS = {
    "beta1": "beta_1",
    "beta2": "beta_2",
    "decay": "rho",
    "epsilon": "epsilon",
    "momentum": "momentum",
    "learning_rate": "learning_rate",
}
# The names of one activation or pooling, by TensorFlow's operation: `tf.nn.NAME`, "NAME",
# `layers.NAME`.
NAMES = {
    "Relu": ("relu", "ReLU"),
    "Relu6": ("relu6", None),
    "Elu": ("elu", "ELU"),
    "Selu": ("selu", None),
    "LeakyRelu": ("leaky_relu", "LeakyReLU"),
    "Tanh": ("tanh", None),
    "Sigmoid": ("sigmoid", None),
    "Softplus": ("softplus", None),
    "Softsign": ("softsign", None),
}
POOLS = {
    "MaxPool": {"avg_pool2d": "max_pool2d", "avg_pool": "max_pool", "Average": "Max"},
    "AvgPool": {"max_pool2d": "avg_pool2d", "max_pool": "avg_pool", "Max": "Average"},
}
BATCH_NORM_DEFAULTS = {"momentum": 0.99, "epsilon": 0.001}  # of tf.layers and of Keras


@dataclass
class Suggestion:
    """A change of one line of the candidate: `place` is "file:number"."""

    place: str
    old: str
    new: str


@dataclass
class NamedLines:
    """What a rule sees.

    Attributes
    ----------
    cause : the first sentence of the cause.
    ours, theirs : the reference's and the candidate's line.
    operations : the types of their first operations that differ; "" if the line is none's.
    """

    cause: str
    ours: str
    theirs: str
    operations: tuple[str, str]


def suggest(report: dict) -> Suggestion | None:
    """Returns the change for the line that `report` names, or None if it is of no known kind."""
    located = report.get("located") or {}
    theirs, causes = located.get("candidate"), report.get("causes")
    if not theirs or not causes:
        return None
    if re.search(r"\bif\b.*\belse\b", theirs["text"]):  # one of two calls, it is not known which
        return None
    ours = located.get("reference") or {"text": "", "operation": ""}
    path, _, number = theirs["place"].rpartition(":")
    old = linecache.getline(path, int(number)).rstrip("\n")
    case = NamedLines(causes[0], ours["text"], old, (ours["operation"], theirs["operation"]))
    for rule in RULES:
        new = rule(case)
        if new and new != old:
            return Suggestion(theirs["place"], old, new)
    return None


def as_json(found: Suggestion | None) -> dict | None:
    return None if found is None else asdict(found)


def shown(found: dict | None) -> list[str]:
    """Returns a suggestion as lines of a unified diff."""
    if not found:
        return ["--suggest: no change is known that surely mends this"]
    path, _, number = found["place"].rpartition(":")
    return [f"--- {path}", f"@@ line {number} @@", f"-{found['old']}", f"+{found['new']}"]


# Rules.


def optimizer_constants(case: NamedLines) -> str | None:
    """Constants differ: "the optimizer's constants differ: Adam/beta2 0.999 / 0.99"."""
    found = re.search(r"constants differ: (.+?)\.$", case.cause)
    if not found or "It agreed before step" in case.cause:  # a schedule is not one number
        return None
    line = case.theirs
    for part in found[1].split(", "):
        line = line and _with_constant(line, part)
    return line


def _with_constant(line: str, part: str) -> str | None:
    """Gives an optimizer one constant, of a text such as "Adam/beta2 0.999 / 0.99"."""
    found = re.fullmatch(rf"\w+/(\w+) (none|{NUMBER}) / ({NUMBER})", part)
    if not found:
        return None
    if found[1] == "weight_decay" and found[2] == "none":
        written = _keyword(line, "weight_decay")
        if written is None or not _equal(written, found[3]):
            return None
        return re.sub(rf",?\s*\bweight_decay\s*=\s*{NUMBER}", "", line, count=1)
    if found[1] not in ARGUMENTS or found[2] == "none":
        return None
    name, right, wrong = ARGUMENTS[found[1]], found[2], found[3]
    written = _keyword(line, name)
    if written is not None:
        return _set_keyword(line, name, right) if _equal(written, wrong) else None
    if name == "learning_rate":
        place = re.search(rf"(optimizers\.\w+\(\s*)({NUMBER})(?=\s*[,)])", line)
        if place and _equal(place[2], wrong):
            return line[: place.start(2)] + right + line[place.end(2) :]
        return None
    return _add_argument(line, r"optimizers\.\w+", f"{name}={right}")


def clipping(case: NamedLines) -> str | None:
    """The reference clips by a global norm that its line says."""
    if "clipped differently: by the global norm" not in case.cause:
        return None
    norm = re.search(
        rf"clip_by_global_norm\(.*?,\s*(?:clip_norm\s*=\s*)?({NUMBER})\s*\)", case.ours
    )
    if not norm:
        return None
    changed = re.sub(
        rf"\b(global_clipnorm|clipnorm|clipvalue)(\s*=\s*){NUMBER}",
        rf"global_clipnorm\g<2>{norm[1]}",
        case.theirs,
        count=1,
    )
    if changed != case.theirs:
        return changed
    if case.cause.rstrip(".").endswith("/ not clipped"):
        return _add_argument(case.theirs, r"optimizers\.\w+", f"global_clipnorm={norm[1]}")
    return None


def reset_after(case: NamedLines) -> str | None:
    if "only GRU(reset_after=False) can equal it" not in case.cause:
        return None
    changed = re.sub(r"\breset_after\s*=\s*True\b", "reset_after=False", case.theirs)
    if changed != case.theirs or "reset_after" in case.theirs:
        return changed
    return _add_argument(case.theirs, r"\bGRU", "reset_after=False")


def batch_norm_momentum(case: NamedLines) -> str | None:
    """Averages move k times as far: (1 - candidate's momentum) is k (1 - the reference's)."""
    found = re.search(rf"each moves ({NUMBER}) times as far in the candidate", case.cause)
    if not found or "BatchNorm" not in case.theirs:
        return None
    written = _keyword(case.theirs, "momentum")
    if written is None and "momentum" in case.theirs:
        return None
    now = BATCH_NORM_DEFAULTS["momentum"] if written is None else float(written)
    right = f"{1 - (1 - now) / float(found[1]):.3g}"
    if written is not None:
        return _set_keyword(case.theirs, "momentum", right)
    return _add_argument(case.theirs, r"\bBatchNormalization", f"momentum={right}")


def batch_norm_epsilon(case: NamedLines) -> str | None:
    """Both lines are batch norm, and their epsilons, written or by default, differ."""
    is_batch_norm = "batch_normalization" in case.ours and "BatchNormalization" in case.theirs
    if not is_batch_norm or "losses do not" not in case.cause:
        return None
    values = []
    for line in (case.ours, case.theirs):
        written = _keyword(line, "epsilon")
        if written is None and "epsilon" in line:
            return None
        values.append(written or str(BATCH_NORM_DEFAULTS["epsilon"]))
    if _equal(*values):
        return None
    if _keyword(case.theirs, "epsilon") is not None:
        return _set_keyword(case.theirs, "epsilon", values[0])
    return _add_argument(case.theirs, r"\bBatchNormalization", f"epsilon={values[0]}")


def pooling(case: NamedLines) -> str | None:
    ours, theirs = case.operations
    if ours == theirs or ours not in POOLS or theirs not in POOLS:
        return None
    if len(re.findall(r"(max|avg)_pool(2d)?\(|(Max|Average)Pooling", case.theirs)) != 1:
        return None
    for old, new in POOLS[ours].items():
        changed = re.sub(rf"{old}(?=\(|Pool)", new, case.theirs, count=1)
        if changed != case.theirs:
            return changed
    return None


def activation(case: NamedLines) -> str | None:
    ours, theirs = case.operations
    if ours == theirs or ours not in NAMES or theirs not in NAMES:
        return None
    if ours == "LeakyRelu":  # its slope is not known; TensorFlow's and Keras's defaults differ
        return None
    (right, layer), (wrong, wrong_layer) = NAMES[ours], NAMES[theirs]
    pattern = rf"(?<=[\"'.]){wrong}(?=[\"'(,)\s]|$)"
    if len(re.findall(pattern, case.theirs)) == 1:
        return re.sub(pattern, right, case.theirs)
    if layer and wrong_layer and len(re.findall(rf"\b{wrong_layer}\(\)", case.theirs)) == 1:
        return re.sub(rf"\b{wrong_layer}\(\)", f"{layer}()", case.theirs)
    return None


def dropout(case: NamedLines) -> str | None:
    """The reference's keep_prob stands in the candidate as its rate."""
    keep = re.search(
        rf"nn\.dropout\(\s*\w+\s*,\s*(?:keep_prob\s*=\s*)?({NUMBER})\s*[,)]", case.ours
    )
    rate = re.search(
        rf"(?:Dropout\(\s*|nn\.dropout\(\s*\w+\s*,\s*)(?:rate\s*=\s*)?({NUMBER})\s*(?=[,)])",
        case.theirs,
    )
    if not keep or not rate or "losses do not" not in case.cause or not _equal(keep[1], rate[1]):
        return None
    right = f"{1 - float(keep[1]):.6g}"
    if _equal(right, rate[1]):
        return None
    return case.theirs[: rate.start(1)] + right + case.theirs[rate.end(1) :]


def padding(case: NamedLines) -> str | None:
    """Both lines are one kind of operation, and name another padding."""
    found = [
        re.findall(r"[\"'](same|valid)[\"']", line, re.IGNORECASE)
        for line in (case.ours, case.theirs)
    ]
    if [len(each) for each in found] != [1, 1] or found[0][0].lower() == found[1][0].lower():
        return None
    right = found[0][0].upper() if found[1][0].isupper() else found[0][0].lower()
    return re.sub(rf"(?<=[\"']){found[1][0]}(?=[\"'])", right, case.theirs)


def order(case: NamedLines) -> str | None:
    """`fit` shuffles by default; the reference does not hold its examples in that order."""
    if "in another order" not in case.cause or ".fit(" not in case.theirs:
        return None
    if "axes" in case.cause:
        return None
    changed = re.sub(r"\bshuffle\s*=\s*True\b", "shuffle=False", case.theirs)
    if changed != case.theirs or "shuffle" in case.theirs:
        return changed
    return _add_argument(case.theirs, r"\.fit", "shuffle=False")


RULES = (
    optimizer_constants,
    clipping,
    reset_after,
    batch_norm_momentum,
    batch_norm_epsilon,
    pooling,
    activation,
    dropout,
    padding,
    order,
)


def _keyword(line: str, name: str) -> str | None:
    """Returns the number that a line gives an argument, or None if it gives none."""
    found = re.findall(rf"\b{name}\s*=\s*({NUMBER})(?=\s*[,)]|\s*$)", line)
    return found[0] if len(found) == 1 else None


def _set_keyword(line: str, name: str, value: str) -> str:
    return re.sub(rf"(\b{name}\s*=\s*){NUMBER}", rf"\g<1>{value}", line, count=1)


def _equal(a: str, b: str) -> bool:
    return abs(float(a) - float(b)) <= 1e-4 * max(abs(float(a)), abs(float(b)))


def _add_argument(line: str, call: str, argument: str) -> str | None:
    """Adds an argument to a call that begins and ends on the line and is the only one of its kind;
    None if there is none, or if it has arguments that may hold the value (`**settings`)."""
    calls = list(re.finditer(rf"(?:{call})\(", line))
    name = argument.partition("=")[0]
    if len(calls) != 1 or re.search(rf"\b{name}\b|\*", line):
        return None
    depth = 0
    for place in range(calls[0].end() - 1, len(line)):
        depth += {"(": 1, ")": -1}.get(line[place], 0)
        if depth == 0:
            before = line[:place].rstrip().rstrip(",")
            comma = "" if before.endswith("(") else ", "
            return f"{before}{comma}{argument}{line[place:]}"
    return None
