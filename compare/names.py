"""Names of variables: what became of them, and what they are by them."""

import re
from collections.abc import Collection
from pathlib import Path

from shared.console import UserError

# The slots of tf.train.*Optimizer, by the last part of their names.
SLOTS = {
    "Adam": "Adam's m",
    "Adam_1": "Adam's v",
    "Momentum": "Momentum's accumulator",
    "Adagrad": "Adagrad's accumulator",
    "RMSProp": "RMSProp's mean square",
    "RMSProp_1": "RMSProp's momentum",
    "Adadelta": "Adadelta's accumulator",
    "Adadelta_1": "Adadelta's update accumulator",
    "Ftrl": "Ftrl's accumulator",
    "Ftrl_1": "Ftrl's linear term",
    "ExponentialMovingAverage": "moving average",
}
_COUNTS = re.compile(r"(global_step|_?iterations?|save_counter)(:0)?")


class Renaming:
    """The rules of a file: what names became.

    Each line holds a regular expression that fits a whole old name, and the new name, in which \\1
    stands for the first group; the first line that fits counts. Lines with # are comments.
    """

    def __init__(self, path: str | None):
        """Reads a file; None is one without rules.

        Raises
        ------
        UserError : it cannot be read, or a line is not a rule.
        """
        self._rules = []
        try:
            text = Path(path).read_text() if path else ""
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"--map={path}: {reason}; expected a text file")
        for number, line in enumerate(text.splitlines(), 1):
            fields = line.split("#")[0].split()
            if not fields:
                continue
            try:
                if len(fields) != 2:
                    raise ValueError(f"{len(fields)} fields")
                old, new = fields
                pattern = re.compile(old)
                re.fullmatch(f"(?:{old})|", "").expand(new)  # raises for a group that is not there
            except (ValueError, LookupError, OverflowError, re.error) as error:
                raise UserError(
                    f"{path}:{number}: {error}; expected an old name, which may be a regular "
                    f"expression, and a new one, got {line.strip()!r}"
                )
            self._rules.append((pattern, new))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __call__(self, name: str) -> str | None:
        """Returns what a name became; None where no rule fits it."""
        for pattern, new in self._rules:
            match = pattern.fullmatch(name)
            if match:
                return match.expand(new)
        return None


def slot(name: str, names: Collection[str]) -> tuple[str, str] | None:
    """Returns the variable that a slot belongs to and what it is; None if the name is not a slot's.

    TensorFlow 1 names it after its variable, below the scope of the optimizer:
    train/conv1/W_conv1/Adam. Keras joins the parts otherwise: adam/conv1_kernel_momentum.

    Parameters
    ----------
    name : the variable's name.
    names : all the names beside it.
    """
    scope, _, last = name.rpartition("/")
    if re.fullmatch("|".join(f"{known}(_[0-9]+)?" for known in SLOTS), last):
        owner = scope
        while owner and owner not in names:
            owner = owner.partition("/")[2]
        return (owner, SLOTS.get(last, last)) if owner else None
    for other in names:
        stem = other.replace("/", "_") + "_"
        if scope and "/" not in scope and last.startswith(stem) and "/" in other:
            return other, f"{scope}'s {last[len(stem) :]}"
    return None


def role(name: str, names: Collection[str]) -> str:
    """Says what a variable is: the step, a slot of which variable and optimizer, or a weight.

    Parameters
    ----------
    name, names : as of `slot`.
    """
    last = name.rpartition("/")[2]
    if _COUNTS.fullmatch(last):
        return "step"
    power = re.fullmatch(r"(beta[12])_power(_\d+)?", last)
    if power:
        return f"Adam's {power[1]} to the power of the step"
    found = slot(name, names)
    if found:
        return f"{found[1]} of {found[0]}"
    return "learning rate" if last == "learning_rate" else "weight"


def is_weight(name: str, names: Collection[str]) -> bool:
    return role(name, names) == "weight"
