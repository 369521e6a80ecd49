"""Reads what a program printed: its last error, and the user's own line in the traceback."""

import re
from dataclasses import dataclass

# An error as Python prints it, after the marks of pytest or of a quotation; and what is logged.
_RAISED = re.compile(
    r"^(?:E\s+|>\s*)?(?:[\w.]+\.)?(?P<name>[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)\b)"
)
_LOGGED = re.compile(
    r"^(?:ERROR|WARNING)\b|\bWARNING:|\bError:|retracing|^\S+:\d+: (?:\w*Warning):"
)
# What TensorFlow logs when it starts, whatever the program is.
_START = re.compile(
    r"^WARNING: All log messages before absl::InitializeLog|^[IWE]\d{4} \d\d:\d\d:\d\d"
    r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
    r"|^To enable the following instructions|^Skipping registering GPU devices"
)
_FRAME = re.compile(r'^(?P<indent>[ \t]*)File "(?P<file>[^"]+)", line (?P<line>\d+)')
# IPython and Jupyter: a line that names the file or the cell, and an arrow at the line in it.
_CELL = re.compile(
    r"^(?:File )?\[?(?P<file><ipython-input[^>]*>|Cell In ?\[\d+\]|[^\s:\]]*\.py|[A-Z]:[^\s:]+\.py)"
    r"(?:[\]:, ]|$)"
)
_ARROW = re.compile(r"^-+> ?(?P<line>\d+) (?P<code>.*)$")
_LIBRARY = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python\d|^<(?!ipython)|\bimportlib\b"
    r"|__autograph_generated_file"
)
# Lines of a program that runs, such as "step 50, loss 0.62".
_PROGRESS = re.compile(
    r"(?i)^\s*(?:epoch|step|iter\w*)\W*\d|\b(?:loss|acc|accuracy)\W{1,3}\d|\d+/\d+ .*\d+m?s\b"
)
SHORT = 6  # words of a line such as "Graph execution error:", which tells nothing
_ORIGIN = re.compile(r"^(?:Detected at node|Node: )|^\s*[~^]+\s*$| was defined here:$")


@dataclass(frozen=True)
class Report:
    """What a text says.

    Attributes
    ----------
    message : the last error without stacks, or the warnings, or all of a text that has neither. Of
        a program that runs it is "", and what TensorFlow logs when it starts is no part of it.
    is_error : whether the text has an error.
    place : file and line of the user's own line in the traceback, such as "old.py:12", or "".
    code : that line.
    program : the file of the program, or "".
    """

    message: str
    place: str
    code: str
    program: str
    is_error: bool = True

    @property
    def headline(self) -> str:
        """The line that tells most: after "Graph execution error:" it is the next."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        telling = [line for line in lines if not line.endswith(":") or len(line.split()) > SHORT]
        telling = [line for line in telling if not line.startswith("```")]
        return (telling or lines or [""])[0]


def read(text: str) -> Report:
    """Returns the message of a program's output, and the user's own line."""
    lines = [line for line in text.splitlines() if not _START.match(line)]
    frames = [frame for frame in _frames(lines) if not _LIBRARY.search(frame[1])]
    is_error = any(map(_RAISED.match, lines))
    runs = len(lines) > 1 and any(map(_PROGRESS.search, lines))
    message = _message(lines) or ("" if runs else "\n".join(lines).strip())
    if not frames:
        return Report(message, "", "", "", is_error)
    _, file, line, code = frames[-1]
    place = re.split(r"[/\\]", file)[-1]
    program = frames[0][1]
    is_cell = program.startswith(("<", "Cell In"))
    return Report(message, f"{place}:{line}", code, "" if is_cell else program, is_error)


def _message(lines: list[str]) -> str:
    raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
    if not raised:
        return "\n".join(line for line in lines if _LOGGED.search(line))
    lines = lines[raised[-1] :]
    stacks = {number + below for number, *_ in _frames(lines) for below in (0, 1)}
    kept = []
    for number, line in enumerate(lines):
        if line.startswith("Original stack trace"):
            break
        if not (number in stacks or _FRAME.match(line) or _ORIGIN.search(line)):
            kept.append(line)
    first = _RAISED.match(kept[0])
    return "\n".join([kept[0][first.start("name") :], *kept[1:]])


def _frames(lines: list[str]) -> list[tuple[int, str, str, str]]:
    """Returns number, file, line and code of each frame that shows its code."""
    found, cell = [], ""
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        frame, named, arrow = _FRAME.match(line), _CELL.match(line), _ARROW.match(line)
        if frame and re.match(rf"{frame['indent']}\s+(?!File \")\S", below):
            found.append((number, frame["file"], frame["line"], below.strip()))
        elif named:
            cell = named["file"]
        elif arrow and cell:
            found.append((number, cell, arrow["line"], arrow["code"].strip()))
    return found
