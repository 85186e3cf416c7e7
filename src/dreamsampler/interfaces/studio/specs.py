"""The tabs: which tasks, which of their options are shown first, and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from dreamsampler.tasks import Edit, Inpaint, Reconstruct, Restore, Task, Vectorize


@final
@dataclass(frozen=True)
class Example:
    """Values that fill a form.

    Args:
        picture: of those that come with the package; a toy's name for a scene.
        degraded: operator and noise that the picture is degraded with first.
        hole: a box to be painted, (left, top, right, bottom) as shares of the picture.
    """

    label: str
    picture: str
    values: Mapping[str, Any] = field(default_factory=dict)
    degraded: tuple[str, float] | None = None
    hole: tuple[float, float, float, float] | None = None


@final
@dataclass(frozen=True)
class TabSpec:
    """A task on the page: what it is for, the verb on its button, and the options shown first."""

    task: type[Task]
    title: str
    hint: str
    verb: str
    front: tuple[str, ...]
    examples: tuple[Example, ...]

    @property
    def name(self) -> str:
        """The task's name on the command line and in the HTTP interface."""
        return self.task.name()


EDITS = (
    Example("Cat to dog", "cat.png", {"source_prompt": "cat face", "prompt": "dog face"}),
    Example(
        "Sunglasses",
        "grin.png",
        {"source_prompt": "grinning face", "prompt": "smiling face with sunglasses"},
    ),
    Example("Bear to panda", "bear.png", {"source_prompt": "bear", "prompt": "panda"}),
    Example("Green apple", "apple.png", {"source_prompt": "red apple", "prompt": "green apple"}),
)
EYES = (0.08, 0.2, 0.92, 0.58)
PAINTINGS = (
    Example("Sunglasses", "grin.png", {"prompt": ("smiling face with sunglasses",)}, hole=EYES),
    Example("Heart eyes", "grin.png", {"prompt": ("smiling face with heart-eyes",)}, hole=EYES),
)
BLURRED = {"operator": "blur(sigma=3)"}
MEASURED = (
    Example("Blurred cat", "cat.png", BLURRED | {"prompt": "cat face"}, ("blur(3)", 0.02)),
    Example("Unknown blur", "bear.png", {"operator": "blur(sigma=?)"}, ("blur(2.5)", 0.01)),
    Example(
        "Four times smaller", "grin.png", {"operator": "downsample(4)"}, ("downsample(4)", 0.01)
    ),
    Example("How sure is it?", "apple.png", BLURRED | {"num_images": 4}, ("blur(3)", 0.05)),
)
DRAWINGS = (
    Example("Apple", "apple.png", {"prompt": "red apple", "paths": 24}),
    Example("Bear, few paths", "bear.png", {"prompt": "bear", "paths": 16}),
    Example("From a blurred cat", "cat.png", BLURRED | {"prompt": "cat face"}, ("blur(3)", 0.02)),
)
SCENES = (
    Example(
        "Blurred toy car",
        "car",
        BLURRED | {"operator": "blur(sigma=1)", "fit_steps": 150, "beta": 0.0},
    ),
    Example("Toy duck", "duck", {"fit_steps": 150, "beta": 0.0}),
)

TABS = (
    TabSpec(
        Edit,
        "Edit",
        "Say what the picture shows now and what it should show. The rest of it stays.",
        "Edit",
        ("image", "source_prompt", "prompt", "method"),
        EDITS,
    ),
    TabSpec(
        Inpaint,
        "Inpaint",
        "Paint over what shall change and say what the whole picture should show in the end; or "
        "check remove, and what you painted over goes. Every other pixel comes back as it was.",
        "Paint",
        ("image", "prompt", "remove", "method"),
        PAINTINGS,
    ),
    TabSpec(
        Restore,
        "Restore",
        "Undo a blur, noise, a low resolution, scratches or JPEG. What comes out is checked "
        "against your picture: you are told how well it explains it.",
        "Restore",
        ("image", "operator", "prompt", "method", "num_images"),
        MEASURED,
    ),
    TabSpec(
        Vectorize,
        "Vectorize",
        "Draw a picture with few colored paths, as an SVG file.",
        "Draw",
        ("image", "prompt", "paths", "init"),
        DRAWINGS,
    ),
    TabSpec(
        Reconstruct,
        "3D",
        "A sharp scene from blurred, small or few views of it: upload transforms.json and the "
        "pictures it names.",
        "Reconstruct",
        ("image", "operator", "prompt"),
        SCENES,
    ),
)
"""Every tab, in order."""
