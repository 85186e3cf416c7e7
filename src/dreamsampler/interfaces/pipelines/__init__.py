"""The tasks as diffusers users call them: `from_pretrained(...)(prompt=..., image=...)`."""

from dreamsampler.interfaces.pipelines.edit import DreamSamplerEditPipeline
from dreamsampler.interfaces.pipelines.inpaint import DreamSamplerInpaintPipeline
from dreamsampler.interfaces.pipelines.pipeline import PipelineOutput
from dreamsampler.interfaces.pipelines.restore import DreamSamplerRestorePipeline

__all__ = [
    "DreamSamplerEditPipeline",
    "DreamSamplerInpaintPipeline",
    "DreamSamplerRestorePipeline",
    "PipelineOutput",
]
