"""The tasks as diffusers users call them: `from_pretrained(...)(prompt=..., image=...)`."""

from dreamsampler.faces.pipelines.edit import DreamSamplerEditPipeline
from dreamsampler.faces.pipelines.inpaint import DreamSamplerInpaintPipeline
from dreamsampler.faces.pipelines.output import PipelineOutput
from dreamsampler.faces.pipelines.restore import DreamSamplerRestorePipeline

__all__ = [
    "DreamSamplerEditPipeline",
    "DreamSamplerInpaintPipeline",
    "DreamSamplerRestorePipeline",
    "PipelineOutput",
]
