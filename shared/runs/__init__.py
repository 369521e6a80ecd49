"""Runs of the programs: their folders, how they start or resume, their results."""

from shared.runs.folder import free_directory, new_directory  # noqa: F401
from shared.runs.result import state  # noqa: F401
from shared.runs.resume import trained  # noqa: F401
from shared.runs.run import Run  # noqa: F401
