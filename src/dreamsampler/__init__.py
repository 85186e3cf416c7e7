"""Change pictures with diffusion models: one loop, reverse sampling and score distillation at once.

The public names are loaded when they are first used, so that `import dreamsampler` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamsampler.faces.pipelines import (
        DreamSamplerEditPipeline,
        DreamSamplerInpaintPipeline,
        DreamSamplerRestorePipeline,
    )
    from dreamsampler.generators import Canvas, Generated, Subject
    from dreamsampler.maths import (
        Cosine,
        Estimate,
        Level,
        Moment,
        RectifiedFlow,
        Schedule,
        VarianceExploding,
        VariancePreserving,
    )
    from dreamsampler.models import GaussianMixture, Prior
    from dreamsampler.models.load import from_pipe, from_pretrained
    from dreamsampler.samplers import dream, finish, invert
    from dreamsampler.tasks import Degrade, Edit, Inpaint, Restore

__version__ = "0.1.0"

_HOMES = {
    "Canvas": "generators",
    "Cosine": "maths",
    "Degrade": "tasks",
    "DreamSamplerEditPipeline": "faces.pipelines",
    "DreamSamplerInpaintPipeline": "faces.pipelines",
    "DreamSamplerRestorePipeline": "faces.pipelines",
    "Edit": "tasks",
    "Estimate": "maths",
    "GaussianMixture": "models",
    "Generated": "generators",
    "Inpaint": "tasks",
    "Level": "maths",
    "Moment": "maths",
    "Prior": "models",
    "RectifiedFlow": "maths",
    "Restore": "tasks",
    "Schedule": "maths",
    "Subject": "generators",
    "VarianceExploding": "maths",
    "VariancePreserving": "maths",
    "dream": "samplers",
    "finish": "samplers",
    "from_pipe": "models.load",
    "from_pretrained": "models.load",
    "invert": "samplers",
}

__all__ = [
    "Canvas",
    "Cosine",
    "Degrade",
    "DreamSamplerEditPipeline",
    "DreamSamplerInpaintPipeline",
    "DreamSamplerRestorePipeline",
    "Edit",
    "Estimate",
    "GaussianMixture",
    "Generated",
    "Inpaint",
    "Level",
    "Moment",
    "Prior",
    "RectifiedFlow",
    "Restore",
    "Schedule",
    "Subject",
    "VarianceExploding",
    "VariancePreserving",
    "dream",
    "finish",
    "from_pipe",
    "from_pretrained",
    "invert",
]


def __getattr__(name: str) -> Any:
    """Load a public name's home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
