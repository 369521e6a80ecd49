"""Writes lists as parts of sentences."""

_MOST_NAMED = 4


def some(items: list[str], rest: str) -> str:
    """Returns "a, b, c and 4 others", where `rest` is "others"; all items if four or fewer."""
    named = list(items)
    if len(items) > _MOST_NAMED:
        named[_MOST_NAMED - 1 :] = [f"{len(items) - _MOST_NAMED + 1} {rest}"]
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
