"""Tasks: one frozen dataclass is one command, one form, one batch row, one recipe.

Importing this floor's front door needs no torch, so that the command line answers at once.
"""

from dreamsampler.tasks.degrade import Degrade
from dreamsampler.tasks.edit.task import PRESETS, Edit, Preset, Settings
from dreamsampler.tasks.inpaint.task import Inpaint
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.reconstruct.task import Reconstruct
from dreamsampler.tasks.restore.task import Restore
from dreamsampler.tasks.vectorize.task import Vectorize

TASKS: tuple[type, ...] = (Edit, Inpaint, Restore, Vectorize, Reconstruct)
"""Every task that asks a model; a face makes a command or a form of each."""

__all__ = [
    "PRESETS",
    "TASKS",
    "Degrade",
    "Edit",
    "Inpaint",
    "MakeScene",
    "Preset",
    "Reconstruct",
    "Restore",
    "Settings",
    "Vectorize",
]
