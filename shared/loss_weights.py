"""The weights of a model's losses, given as a text such as age:0.25,income:1,gender:10."""

from __future__ import annotations

import math
from typing import Sequence

NONE = "none"  # for no weights; an empty flag is refused, as a shell variable may be unset


def parse(text: str, names: Sequence[str]) -> list[float]:
    """Returns the weights in the order of `names`; "none" gives 1 for each.

    Raises
    ------
    ValueError : a name is unknown, missing or there twice, or a weight is not a number from 0 on.
    """
    weights = {}
    if text == NONE:
        return [1.0 for _ in names]
    for part in text.split(","):
        name, _, weight = part.partition(":")
        name = name.strip()
        if name not in names:
            raise ValueError(f"there is no loss {name!r}; expected {', '.join(names)}")
        if name in weights:
            raise ValueError(f"{name} is there twice; expected one weight for each loss")
        weights[name] = _number(weight, name)
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(
            f"no weight for {', '.join(missing)}; expected one for each of {', '.join(names)}, or "
            f"{NONE}"
        )
    return [weights[name] for name in names]


def names(text: str) -> list[str]:
    """Returns the names in a text that is valid."""
    return [part.partition(":")[0] for part in text.split(",")]


def _number(text: str, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 1e30:
        raise ValueError(f"{name}:{text}: expected a weight from 0 to 1e30, such as {name}:0.25")
    return weight
