"""Change pictures with diffusion models: one loop, reverse sampling and score distillation at once.

The public names are loaded when they are first used, so that `import dreamsampler` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dreamsampler.version import __version__ as __version__

if TYPE_CHECKING:
    from dreamsampler import (
        generators,
        guidance,
        images,
        maths,
        methods,
        models,
        operators,
        regularizers,
        samplers,
        tasks,
    )
    from dreamsampler.generators import GeneratorVariable, LatentVariable, Variable
    from dreamsampler.interfaces.pipelines import (
        DreamSamplerEditPipeline,
        DreamSamplerInpaintPipeline,
        DreamSamplerRestorePipeline,
    )
    from dreamsampler.maths import (
        Cosine,
        Estimate,
        Level,
        RectifiedFlow,
        Schedule,
        Step,
        VarianceExploding,
        VariancePreserving,
    )
    from dreamsampler.models import GaussianMixture, Prior
    from dreamsampler.models.load import from_pretrained
    from dreamsampler.models.pipe import from_pipe
    from dreamsampler.samplers import dream, finish, invert
    from dreamsampler.tasks import (
        Degrade,
        Edit,
        Inpaint,
        MakeScene,
        Reconstruct,
        Restore,
        Result,
        Vectorize,
    )

_HOMES = {
    "Cosine": "maths",
    "Degrade": "tasks",
    "DreamSamplerEditPipeline": "interfaces.pipelines",
    "DreamSamplerInpaintPipeline": "interfaces.pipelines",
    "DreamSamplerRestorePipeline": "interfaces.pipelines",
    "Edit": "tasks",
    "Estimate": "maths",
    "GaussianMixture": "models",
    "GeneratorVariable": "generators",
    "Inpaint": "tasks",
    "LatentVariable": "generators",
    "Level": "maths",
    "MakeScene": "tasks",
    "Prior": "models",
    "Reconstruct": "tasks",
    "RectifiedFlow": "maths",
    "Restore": "tasks",
    "Result": "tasks",
    "Schedule": "maths",
    "Step": "maths",
    "Variable": "generators",
    "VarianceExploding": "maths",
    "VariancePreserving": "maths",
    "Vectorize": "tasks",
    "dream": "samplers",
    "finish": "samplers",
    "from_pipe": "models.pipe",
    "from_pretrained": "models.load",
    "invert": "samplers",
}
"""Public name -> the module that has it."""
_PACKAGES = (
    "generators",
    "guidance",
    "images",
    "maths",
    "methods",
    "models",
    "operators",
    "regularizers",
    "samplers",
    "tasks",
)
"""Packages that are attributes: `dreamsampler.operators.GaussianBlur`."""

__all__ = [
    "Cosine",
    "Degrade",
    "DreamSamplerEditPipeline",
    "DreamSamplerInpaintPipeline",
    "DreamSamplerRestorePipeline",
    "Edit",
    "Estimate",
    "GaussianMixture",
    "GeneratorVariable",
    "Inpaint",
    "LatentVariable",
    "Level",
    "MakeScene",
    "Prior",
    "Reconstruct",
    "RectifiedFlow",
    "Restore",
    "Result",
    "Schedule",
    "Step",
    "Variable",
    "VarianceExploding",
    "VariancePreserving",
    "Vectorize",
    "dream",
    "finish",
    "from_pipe",
    "from_pretrained",
    "generators",
    "guidance",
    "images",
    "invert",
    "maths",
    "methods",
    "models",
    "operators",
    "regularizers",
    "samplers",
    "tasks",
]


def __getattr__(name: str) -> Any:
    """Load what a public name stands for when it is first used."""
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
