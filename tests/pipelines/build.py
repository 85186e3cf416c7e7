"""Makes a tiny pipeline from what its constructor asks for, and the arguments of its call."""

import contextlib
import inspect
import re
import sys
from dataclasses import dataclass, field

import torch
from PIL import Image

from . import texts
from .encoders import ENCODERS
from .networks import NETWORKS
from .schedulers import SCHEDULERS

ROWS = {**NETWORKS, **ENCODERS}
TEXTS = {
    "CLIPTokenizer": texts.clip_tokenizer,
    "T5Tokenizer": texts.t5_tokenizer,
    "ByT5Tokenizer": texts.byt5_tokenizer,
    "BertTokenizer": texts.bert_tokenizer,
    "XLMRobertaTokenizer": texts.roberta_tokenizer,
    "LlamaTokenizer": texts.llama_tokenizer,
    "GemmaTokenizer": texts.gemma_tokenizer,
    "Qwen2Tokenizer": texts.qwen_tokenizer,
    "Qwen2VLProcessor": texts.qwen_vl_processor,
    "Qwen3VLProcessor": lambda: texts.qwen_vl_processor("Qwen3VLProcessor"),
    "CLIPImageProcessorPil": texts.clip_pictures,
    "SiglipImageProcessorPil": texts.siglip_pictures,
    "Siglip2ImageProcessorPil": texts.siglip2_pictures,
    "DPTImageProcessorPil": texts.dpt_pictures,
    "ChatGLMTokenizer": texts.chatglm_tokenizer,
    "TokenizersBackend": texts.llama_tokenizer,
}
STANDS_FOR = {
    "KarrasDiffusionSchedulers": "DDIMScheduler",
    "AutoTokenizer": "Qwen2Tokenizer",
    "AutoProcessor": "Qwen2Tokenizer",
    "PreTrainedModel": "Qwen3Model",
    "SchedulerMixin": "DDIMScheduler",
    "Gemma2PreTrainedModel": "Gemma2Model",
    "GemmaPreTrainedModel": "GemmaModel",
}
"""The class that is made where a constructor names a base class."""
WITHOUT = {
    "safety_checker": None,
    "watermarker": None,
    "requires_safety_checker": False,
    "add_watermarker": False,
}
PICTURES = ("image", "control_image")
SIZE = 64


@dataclass(frozen=True)
class Tiny:
    """How one pipeline is built, and what its call takes.

    Args:
        kind: its class.
        parts: a component's class, options of its network, or both; a value that is neither is
            passed on. Optional components are made if they are named here.
        arguments: of its call, beside those that every call is given; `...` leaves one out.
        prepare: what is done with the pipeline, such as to load an IP-Adapter.
    """

    kind: str
    parts: dict = field(default_factory=dict)
    arguments: dict = field(default_factory=dict)
    prepare: object = None

    def call(self, pipe):
        """Arguments of the pipeline's call; the generator is a new one each time."""
        takes = inspect.signature(type(pipe).__call__).parameters
        given = {
            "prompt": "a cat",
            "height": SIZE,
            "width": SIZE,
            "num_inference_steps": 5 if "strength" in takes else 3,
            "strength": 0.7,
            "output_type": "pt",
            "generator": torch.Generator().manual_seed(0),
            **{name: picture() for name in PICTURES},
            "mask_image": mask(),
        }
        given = {name: value for name, value in given.items() if name in takes}
        given |= {n: v() if callable(v) else v for n, v in self.arguments.items()}
        return {name: value for name, value in given.items() if value is not ...}


def rows(parts, arguments, *names):
    """Pipelines that have the same parts and arguments."""
    return {name: Tiny(name, parts, arguments) for name in names}


def picture(size=SIZE, seed=1):
    """A smooth picture of random colors."""
    rng = torch.Generator().manual_seed(seed)
    small = torch.rand(4, 4, 3, generator=rng).mul(255).byte().numpy()
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def mask(size=SIZE):
    """White, which means change, in the middle."""
    black = Image.new("L", (size, size))
    black.paste(255, (size // 4, size // 4, size * 3 // 4, size * 3 // 4))
    return black


def small_references(pipe):
    """Some editors scale every picture to a megapixel; here to the area of a tiny picture."""
    module = sys.modules[type(pipe).__module__]
    real = module.calculate_dimensions
    if real.__module__ == module.__name__:
        module.calculate_dimensions = lambda _, ratio: real(SIZE * SIZE, ratio)


@contextlib.contextmanager
def seeded():
    """Random weights without touching the generator of anybody else."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        yield


def redraw(network):
    """Weights of every matrix drawn anew: some are zeros, and some are left as the memory was."""
    rng = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        if weight.ndim > 1:
            scale = (weight.numel() / weight.shape[0]) ** -0.5
            weight.data = scale * torch.randn(weight.shape, generator=rng)
    for part in network.modules():
        if type(part).__module__.startswith("diffusers.pipelines.kolors") and "Norm" in str(
            type(part)
        ):
            part.weight.data.fill_(1)  # left as the memory was
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(generator=rng)
            part.running_var.uniform_(0.5, 2, generator=rng)
    return network.eval()


def find(kind, module):
    """A class by its name: in the pipeline's module, or exported by one of the libraries."""
    import diffusers
    import transformers

    places = (module, diffusers, transformers)
    for place in places:
        if hasattr(place, kind):
            return getattr(place, kind)
    raise LookupError(f"no class {kind}")


def make(kind, options, module):
    """One component, by its class and options beside those of the tables."""
    kind = STANDS_FOR.get(kind, kind)
    if kind in TEXTS:
        return TEXTS[kind](**options)
    cls = find(kind, module)
    if kind not in ROWS:
        return cls.from_config({**SCHEDULERS.get(kind, {}), **options})
    row = ROWS[kind]
    row = row() if callable(row) else row
    if not isinstance(row, dict):
        return redraw(cls(row))
    row = {**row, **options}
    config = getattr(cls, "config_class", None)
    return redraw(cls(config(**row)) if config else cls(**row))


def components(cls, parts):
    """What the constructor of a pipeline's class is called with."""
    known = {*ROWS, *TEXTS, *SCHEDULERS, *STANDS_FOR}
    made = {}
    for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        said = parts.get(name, {})
        if name in WITHOUT:
            made[name] = WITHOUT[name]
        elif not isinstance(said, dict | str | tuple):  # a value of the constructor
            made[name] = said
        elif name in parts or parameter.default is inspect.Parameter.empty:
            words = re.findall(r"\w+", str(parameter.annotation))
            kind = next((w for w in words if w in known or w.endswith("Scheduler")), None)
            kind, options = said if isinstance(said, tuple) else (kind, said)
            kind, options = (options, {}) if isinstance(options, str) else (kind, options)
            if kind is None:
                raise LookupError(f"no row for {name}: {parameter.annotation}")
            made[name] = make(kind, options, sys.modules[cls.__module__])
    return made


def build(tiny):
    """The tiny pipeline of a row."""
    import diffusers

    cls = getattr(diffusers, tiny.kind)
    with seeded():
        pipe = cls(**components(cls, tiny.parts))
        if tiny.prepare:
            tiny.prepare(pipe)
    pipe.set_progress_bar_config(disable=True)
    pipe.register_to_config(_name_or_path=f"tiny/{tiny.kind}")
    return pipe
