"""The tasks as diffusers users call them: `from_pretrained(...)(prompt=..., image=...)`."""

from dreamsampler.interfaces.pipelines.output import PipelineOutput
from dreamsampler.interfaces.pipelines.tasks import (
    DreamSamplerEditPipeline,
    DreamSamplerInpaintPipeline,
    DreamSamplerRestorePipeline,
)

__all__ = [
    "DreamSamplerEditPipeline",
    "DreamSamplerInpaintPipeline",
    "DreamSamplerRestorePipeline",
    "PipelineOutput",
]
