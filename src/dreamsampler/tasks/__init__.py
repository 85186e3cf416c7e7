"""Tasks: one frozen dataclass is one command, one form, one batch row and one recipe."""

from dreamsampler.tasks.base import Run, Task
from dreamsampler.tasks.degrade import Degrade
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.model_tasks import Edit, Inpaint, Reconstruct, Restore, Vectorize
from dreamsampler.tasks.progress import Progress
from dreamsampler.tasks.result import Result

MODEL_TASKS: tuple[type[Task], ...] = (Edit, Inpaint, Restore, Vectorize, Reconstruct)
"""The tasks that use a model."""
TASKS: dict[str, type[Task]] = {task.name(): task for task in (*MODEL_TASKS, Degrade, MakeScene)}
"""Every task by its name."""

__all__ = [
    "MODEL_TASKS",
    "TASKS",
    "Degrade",
    "Edit",
    "Inpaint",
    "MakeScene",
    "Progress",
    "Reconstruct",
    "Restore",
    "Result",
    "Run",
    "Task",
    "Vectorize",
]
