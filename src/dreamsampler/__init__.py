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
    from dreamsampler.models.denoiser import from_denoiser
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
    "generators": "GeneratorVariable LatentVariable Variable",
    "interfaces.pipelines": "DreamSamplerEditPipeline DreamSamplerInpaintPipeline "
    "DreamSamplerRestorePipeline",
    "maths": "Cosine Estimate Level RectifiedFlow Schedule Step VarianceExploding "
    "VariancePreserving",
    "models": "GaussianMixture Prior",
    "models.denoiser": "from_denoiser",
    "models.load": "from_pretrained",
    "models.pipe": "from_pipe",
    "samplers": "dream finish invert",
    "tasks": "Degrade Edit Inpaint MakeScene Reconstruct Restore Result Vectorize",
}
"""Module -> the public names that are loaded from it."""
_PACKAGES = "generators guidance images maths methods models operators regularizers samplers tasks"
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
    "from_denoiser",
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
    if name in _PACKAGES.split():
        return import_module(f"{__name__}.{name}")
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
