"""Maps old names of variables to new names, and tells from a name what the variable is."""

import contextlib
import re
import signal
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

from shared.console import UserError

SECONDS = 2  # time limit for comparing one name with one rule
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
# The slots of Keras's optimizers.
KERAS_SLOTS = ("momentum", "velocity", "accumulator", "average", "accumulated_grad")
_COUNTS = re.compile(r"(global_step|_?iterations?|save_counter)(:0)?")


class Renaming:
    """The rules of a file: the new name of each old name.

    Each line holds a regular expression that matches a whole old name, and the new name, in which
    \\1 stands for the first group; the first line that matches counts. Lines with # are comments.
    """

    def __init__(self, path: str | None):
        """Reads a file; without a file (None) there are no rules.

        Raises
        ------
        UserError : the file cannot be read, or a line is not a rule.
        """
        self._rules = []  # (place in the file, pattern, new name)
        try:
            text = Path(path).read_text() if path else ""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"--map={path}: {reason}; expected a text file")
        for number, line in enumerate(text.splitlines(), 1):
            fields = line.split("#")[0].split()
            if fields:
                place = f"{path}:{number}"
                self._rules.append((place, *_rule(fields, place)))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __call__(self, name: str) -> str | None:
        """Returns the new name; None if no rule matches.

        Raises
        ------
        UserError : a rule takes too long.
        """
        for place, pattern, new in self._rules:
            try:
                with _time_limit():
                    match = pattern.fullmatch(name)
            except TimeoutError:
                raise UserError(
                    f"{place}: {_shortened(pattern.pattern)} takes over {SECONDS} seconds to "
                    f"compare with {_shortened(name)}; write it without a repetition in another, "
                    "such as (a+)+"
                )
            if match:
                return match.expand(new)
        return None


def _rule(fields: list[str], place: str) -> tuple[re.Pattern, str]:
    """Returns the pattern and the new name of a line's fields."""
    try:
        if len(fields) != 2:
            raise ValueError(f"{len(fields)} fields")
        old, new = fields
        # Warnings only say how a later Python will read the expression.
        with warnings.catch_warnings(), _time_limit():
            warnings.simplefilter("error")
            pattern = re.compile(old)
            re.fullmatch(f"{old}|", "").expand(new)  # raises an error if the group does not exist
    except (
        *(ValueError, LookupError, OverflowError, RecursionError, MemoryError),
        *(TimeoutError, Warning, re.error),
    ) as error:
        reason = "too long or nested too deeply" if _is_too_much(error) else error
        raise UserError(
            f"{place}: {reason}; expected an old name, which may be a regular expression, and a "
            f"new one, got {_shortened(' '.join(fields))!r}"
        )
    return pattern, new


def _is_too_much(error: Exception) -> bool:
    return isinstance(error, (RecursionError, MemoryError, TimeoutError))


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:80]}..."


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Raises a TimeoutError after a while. An expression may take exponential time.

    Python's `re` looks for signals while it matches; it has no limit of its own.
    """

    def stop(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def slot(name: str, names: Collection[str]) -> tuple[str, str] | None:
    """Returns a slot's variable and the kind of the slot; None if the name is not a slot's name.

    TensorFlow 1 names a slot after its variable, in the optimizer's scope:
    train/conv1/W_conv1/Adam. Keras joins the parts with _: adam/conv1_kernel_momentum.

    Parameters
    ----------
    name : the slot's name.
    names : all names of the program or checkpoint.
    """
    scope, _, last = name.rpartition("/")
    if re.fullmatch("|".join(f"{known}(_[0-9]+)?" for known in SLOTS), last):
        owner = scope
        while owner and owner not in names:
            owner = owner.partition("/")[2]
        return (owner, SLOTS.get(last, last)) if owner else None
    if not scope or "/" in scope:
        return None
    owners = {other.replace("/", "_") + "_": other for other in names}
    for stem in sorted(filter(last.startswith, owners), key=len, reverse=True):
        kind = last[len(stem) :]
        if "/" in owners[stem] or kind in KERAS_SLOTS:
            return owners[stem], f"{scope}'s {kind}"
    return None


def role(name: str, names: Collection[str]) -> str:
    """Describes a variable: "step", "Adam's m of softmax/W", "learning rate" or "weight".

    Parameters
    ----------
    name, names : as in `slot`.
    """
    last = name.rpartition("/")[2]
    if is_counter(name):
        return "step"
    power = re.fullmatch(r"(beta[12])_power(_\d+)?", last)
    if power:
        return f"Adam's {power[1]} to the power of the step"
    found = slot(name, names)
    if found:
        return f"{found[1]} of {found[0]}"
    return "learning rate" if last == "learning_rate" else "weight"


def is_counter(name: str) -> bool:
    """Says whether a name belongs to a counter of steps or saves; TensorFlow 2's are int64."""
    return bool(_COUNTS.fullmatch(name.rpartition("/")[2]))


def is_weight(name: str, names: Collection[str]) -> bool:
    return role(name, names) == "weight"
