"""Features of a picture: of a model's own autoencoder, of CLIP, of any module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from dreamsampler.files import one_line
from dreamsampler.maths import Image
from dreamsampler.models.errors import ModelError

Features: TypeAlias = Callable[[Image], list[Tensor]]
"""Picture in [-1, 1] -> features, layer by layer."""

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def layer_features(layers: Sequence[nn.Module], run: Callable[[Image], Any]) -> Features:
    """The outputs of some layers of any network while it runs on a picture.

    Args:
        layers: modules whose outputs are kept, each called once in a run.
        run: runs the network on a picture.

    Raises:
        ModelError: no layers.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> [each.shape for each in layer_features([net[1]], net)(torch.zeros(1, 3, 8, 8))]
        [torch.Size([1, 4, 6, 6])]
    """
    if not layers:
        raise ModelError("there are no layers to take features of: pass at least one module")

    def features(x: Image) -> list[Tensor]:
        outputs: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            outputs.append(output if isinstance(output, Tensor) else output[0])

        hooks = [layer.register_forward_hook(keep) for layer in layers]
        try:
            run(x)
        finally:
            for hook in hooks:
                hook.remove()
        return [each.to(x) for each in outputs]

    return features


def encoder_features(prior: Any) -> Features:
    """The stages of a model's own autoencoder, from colors and edges to parts.

    Nothing is loaded that the model does not have. Unlike CLIP they do not know what a picture
    shows.

    Args:
        prior: a `NetworkPrior` whose autoencoder has stages (`AutoencoderKL`).

    Raises:
        ModelError: a model without.
    """
    stages = getattr(getattr(getattr(prior, "vae", None), "encoder", None), "down_blocks", None)
    if not stages:
        raise ModelError(
            f"{getattr(prior, 'name', '') or type(prior).__name__} has no autoencoder with stages "
            "to take features of: name a CLIP model (network=FOLDER)"
        )
    if getattr(prior.codec, "tiling", None) or getattr(prior.vae, "use_tiling", False):
        raise ModelError(
            "an autoencoder in tiles has no features of the whole picture: leave tiling out, or "
            "name a CLIP model (network=FOLDER)"
        )
    return layer_features(list(stages), prior.encode)


def clip_features(folder: Path | str) -> Features:
    """The layers of a CLIP image encoder, and its embedding of the whole picture.

    Pictures are scaled to the encoder's size, not cut. Tokens become positions; the class token is
    left out.

    Args:
        folder: of a CLIP model in the layout of transformers, safetensors only.

    Raises:
        ModelError: a folder that holds none.

    Source: Radford et al., "Learning transferable visual models from natural language supervision",
    ICML 2021 (arXiv:2103.00020).
    """
    import transformers

    if not (Path(folder) / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json: pass the folder of a CLIP model")
    try:
        model: Any = transformers.CLIPVisionModelWithProjection.from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded as a CLIP model: {one_line(error)}") from error
    model = model.eval().requires_grad_(False)
    side = model.config.image_size

    def features(x: Image) -> list[Tensor]:
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
        small = functional.interpolate(x / 2 + 0.5, (side, side), mode="bicubic", antialias=True)
        pixels = ((small.cpu().float() - mean) / deviation).to(model.device)
        output = model(pixel_values=pixels, output_hidden_states=True)
        layers = [each[:, 1:].transpose(1, 2) for each in output.hidden_states[1:]]
        return [each.to(x) for each in (*layers, output.image_embeds)]

    return features
