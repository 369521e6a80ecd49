"""Finds the user's own line among the lines of a stack: not a library's, nor this project's."""

from __future__ import annotations

import functools
import linecache
import os
import sys
import sysconfig
from typing import Iterable

FROM = " < "  # joins the places of a stack
CALLED = " << "  # joins the stack that made a layer and the stack that calls it
_MOST = 8  # places of a stack that are kept
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PROJECT = ("compare", "shared", os.path.join("tf1_style", "run"), os.path.join("tf2_style", "run"))


@functools.lru_cache(maxsize=None)
def is_own(path: str) -> bool:
    """Says whether a file is the user's."""
    if path.startswith("<") or not path.endswith(".py"):
        return False
    path = os.path.realpath(path)
    paths = sysconfig.get_paths()
    libraries = [paths[key] for key in ("stdlib", "purelib", "platlib")]
    libraries += [os.path.join(_ROOT, name) for name in _PROJECT]
    if any(path.startswith(os.path.realpath(folder) + os.sep) for folder in libraries):
        return False
    return "site-packages" not in path and not os.path.basename(path).startswith("__autograph")


def innermost(frames: Iterable[tuple[str, int]]) -> str:
    """Returns "file:line" of the last frame in a user's file, or "".

    Parameters
    ----------
    frames : (path, line number), the outermost first.
    """
    for path, number in reversed(list(frames)):
        if is_own(path):
            return f"{os.path.abspath(path)}:{number}"
    return ""


def here() -> str:
    """Returns the user's line that is being executed, as `innermost` does."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_own(frame.f_code.co_filename):
            return f"{os.path.abspath(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def stack(frames: Iterable[tuple[str, int]]) -> str:
    """Returns the places of all frames in a user's files, the innermost first, joined by FROM.

    Parameters
    ----------
    frames : (path, line number), the outermost first.
    """
    places = [f"{os.path.abspath(path)}:{n}" for path, n in frames if is_own(path)]
    return FROM.join(places[::-1][:_MOST])


def here_stack() -> str:
    """Returns the user's lines that are being executed, as `stack` does."""
    frames, frame = [], sys._getframe(1)
    while frame is not None:
        frames.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return stack(frames[::-1])


def text(place: str) -> str:
    """Returns the source of "file:line", stripped; "" if it cannot be read."""
    path, _, number = place.partition(CALLED)[0].partition(FROM)[0].rpartition(":")
    return linecache.getline(path, int(number)).strip() if number.isdigit() else ""
