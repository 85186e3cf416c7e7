"""LoRAs, read by diffusers and merged by peft; every tensor of a file is accounted for."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dreamsampler.files import one_line
from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet

_KINDS = {"lokr_": "LoKr", "hada_": "LoHa", "oft_": "OFT", "dora_scale": "DoRA"}
_NO_LORA = (".diff", ".diff_b", ".w_norm", ".b_norm")
_END = re.compile(
    r"([._]lora(_linear_layer)?\.(down|up)\.\w+|\.(lora|lokr|hada|dora)_\w+(\.\w+)?|\.alpha)$"
)
_CLIP = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def add_loras(pipe: Any, loras: Sequence[tuple[Path, float]], *, text_only: bool = False) -> None:
    """Add LoRAs to the weights of a pipeline: W + sum strength alpha / rank B A.

    Merged, they cost nothing per step. Quantized weights take no merging: there they stay layers
    of their own.

    Args:
        pipe: of diffusers; its networks are changed.
        loras: (file, strength) pairs.
        text_only: only into the text encoders.

    Warns:
        UserWarning: some tensors of a file were not applied; names them.

    Raises:
        ModelError: a file is of another model, or of a kind that diffusers does not read.

    Source: Hu et al., "LoRA", ICLR 2022 (arXiv:2106.09685), eq. 3.
    """
    if not loras:
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise ModelError(f"{type(pipe).__name__} takes no LoRA: leave lora out")
    with quiet():
        scales = {f"lora{n}": strength for n, (_, strength) in enumerate(loras)}
        for name, (path, _) in zip(scales, loras, strict=True):
            _load(pipe, path, name, text_only)
        changed = {name: {part for part, _ in _changed(pipe, name)} for name in scales}
        used = [name for name in scales if changed[name]]
        parts = sorted(set[str]().union(*changed.values()))
        if not used:
            return
        pipe.set_adapters(used, [scales[name] for name in used])
        if not any(hasattr(getattr(pipe, part), "hf_quantizer") for part in parts):
            pipe.fuse_lora(parts, adapter_names=used)
            pipe.unload_lora_weights()


def _load(pipe: Any, path: Path, name: str, text_only: bool) -> None:
    """One file as an adapter of a pipeline; warns of the tensors that were not applied."""
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        file = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        config = (opened.metadata() or {}).get("lora_adapter_metadata")
    reader, used, made = pipe.lora_state_dict, set[str](), dict[str, Any]()

    def _state_dict(weights: Any, **options: Any) -> Any:
        result = reader(weights, **options)
        whole = result if isinstance(result, tuple) else (result,)
        made.update({key: value.origins for key, value in whole[0].items()})
        for each in tree_leaves(whole[1:]):  # alphas
            used.update(getattr(each, "origins", ()))
        plain = {key: value.as_subclass(Tensor) for key, value in whole[0].items()}
        if text_only:
            plain = {key: value for key, value in plain.items() if key.startswith("text_encoder")}
        if config and len(whole) == 3 and not any(whole[1:]):
            whole = (plain, whole[1], json.loads(config))
        return (plain, *whole[1:]) if isinstance(result, tuple) else plain

    try:
        names = _readable(pipe, file)
        pipe.lora_state_dict = _state_dict
        tracked = {key: _Tracked.of(file[old], old, used) for key, old in names.items()}
        pipe.load_lora_weights(tracked, adapter_name=name)
    except Exception as error:
        kind = next((kind for mark, kind in _KINDS.items() if mark in "".join(file)), "LoRA")
        raise ModelError(
            f"diffusers reads no {kind} of this model in {path.name} ({one_line(error, 120)}): "
            f"pass a LoRA that was made for it ({type(pipe).__name__})"
        ) from None
    finally:
        vars(pipe).pop("lora_state_dict", None)
    if text_only:
        return
    done = {module for _, module in _changed(pipe, name)}
    applied = [origins for key, origins in made.items() if _module(pipe, key) in done]
    left = sorted(set(file) - used.union(*applied))
    if scales := [key for key in left if "dora_scale" in key]:
        raise ModelError(f"{path.name} is a DoRA, but diffusers leaves {scales[0]} out")
    if left:
        some = ", ".join(left[:3]) + ", ..." * (len(left) > 3)
        text = f"{path.name}: {len(left)} of {len(file)} tensors are not applied to this model"
        warnings.warn(f"{text}: {some}", stacklevel=2)


def _readable(pipe: Any, file: Mapping[str, Tensor]) -> dict[str, str]:
    """Names by which diffusers finds most of a file's tensors in a pipeline -> the file's names."""
    options = {"unet_config": pipe.unet.config} if "XL" in type(pipe).__name__ else {}
    best: tuple[int, dict[str, str]] = (0, {})
    problem: Exception = ValueError("it changes nothing of this model")
    for names in _namings(pipe, file):
        try:
            result = pipe.lora_state_dict({n: file[old] for n, old in names.items()}, **options)
        except Exception as error:
            problem = error
            continue
        weights = result[0] if isinstance(result, tuple) else result
        found = sum(_module(pipe, key) is not None for key in weights)
        best = max(best, (found, names), key=lambda pair: pair[0])
    if not best[0]:
        raise problem
    return best[1]


def _namings(pipe: Any, file: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """The names of a file; without a wrapper; under the denoiser's name; with kohya's endings.

    Each also without tensors that are added to weights or biases as they are.
    """
    denoiser = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    bare = {key.removeprefix("base_model.model."): key for key in file}
    own = {
        f"{denoiser}.{key}" if _module(pipe, f"{denoiser}.{key}") else key: old
        for key, old in bare.items()
    }
    kohya = {
        key.replace(".lora_A.", ".lora_down.").replace(".lora_B.", ".lora_up."): old
        for key, old in bare.items()
    }
    for names in ({key: key for key in file}, bare, own, kohya):
        yield names
        yield {key: old for key, old in names.items() if not key.endswith(_NO_LORA)}


def _module(pipe: Any, key: str) -> str | None:
    """PART.MODULE that a key under diffusers' names belongs to; None if there is no such one."""
    part, _, place = _END.sub("", key.replace(".processor.", ".")).partition(".")
    network = getattr(pipe, part, None)
    if not _END.search(key) or not isinstance(network, nn.Module):
        return None
    start, _, last = place.rpartition(".")
    clip = f"{start}.{_CLIP.get(last, last)}".removeprefix("text_model.")
    for name in (place, f"{place}.0", clip):
        try:
            network.get_submodule(name)
        except AttributeError:
            continue
        return f"{part}.{name}"
    return None


def _changed(pipe: Any, name: str) -> Iterator[tuple[str, str]]:
    """(part, PART.MODULE) of every module of a pipeline that an adapter changes."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for part in pipe._lora_loadable_modules:
        network = getattr(pipe, part, None)
        for path, module in network.named_modules() if network is not None else ():
            if isinstance(module, BaseTunerLayer) and name in module._get_available_adapters():
                yield part, f"{part}.{path}"


@final
class _Tracked(Tensor):
    """A tensor that knows, through every conversion, from which names of a file it was made."""

    origins: frozenset[str] = frozenset()
    used: set[str]

    @staticmethod
    def of(tensor: Tensor, name: str, used: set[str]) -> _Tracked:
        """A tensor of a file; names of tensors that are read as numbers (alphas) go to a set."""
        made = tensor.as_subclass(_Tracked)
        made.origins, made.used = frozenset({name}), used
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = super().__torch_function__(func, types, args, kwargs or {})
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, _Tracked)]
        origins = frozenset[str]().union(*(each.origins for each in given))
        written = args[:1] if getattr(func, "__name__", "") in ("__setitem__", "copy_") else ()
        for each in (*tree_leaves(output), *written):
            if isinstance(each, _Tracked):
                each.origins, each.used = each.origins | origins, given[0].used
        if given and getattr(func, "__name__", "") in ("item", "tolist", "__float__"):
            given[0].used.update(origins)
        return output
