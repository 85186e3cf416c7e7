"""The tiny model as one file, with the names that CompVis's latent-diffusion code gave weights."""

import torch
from safetensors.torch import load_file, save_file

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def write_single_file(folder, path):
    """Write the diffusers folder of a two-level Stable Diffusion as one checkpoint."""
    unet = load_file(folder / "unet/diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder/model.safetensors")
    file = {f"model.diffusion_model.{unet_name(k)}": v for k, v in unet.items()}
    for key, value in vae.items():
        name = vae_name(key)
        square = "attn_1" in name and value.ndim == 2
        file[f"first_stage_model.{name}"] = value[:, :, None, None] if square else value
    for key, value in text.items():
        name = f"text_model.{key.removeprefix('text_model.')}"
        file[f"cond_stage_model.transformer.{name}"] = value
    save_file({k: v.contiguous() for k, v in file.items()}, path)
    return path


def swap(key, names):
    """The key with its start renamed."""
    start = next((s for s in names if key.startswith(f"{s}.")), None)
    return key if start is None else names[start] + key[len(start) :]


def unet_name(key, layers=1):
    """A UNet weight's name in latent-diffusion's code."""
    head, *rest = key.split(".")
    if head not in ("down_blocks", "up_blocks", "mid_block"):
        return swap(key, UNET)
    if head == "mid_block":
        kind, number, tail = rest[0], int(rest[1]), ".".join(rest[2:])
        place = 1 if kind == "attentions" else 2 * number
        return f"middle_block.{place}.{swap(tail, RESNET) if kind == 'resnets' else tail}"
    block, kind, number = int(rest[0]), rest[1], int(rest[2])
    tail = ".".join(rest[3:])
    if head == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.{tail.replace('conv', 'op')}"
        start = f"input_blocks.{1 + block * (layers + 1) + number}"
    else:
        if kind == "upsamplers":  # after the resnet; the tiny model has no attention there
            return f"output_blocks.{block * (layers + 1) + layers}.1.{tail}"
        start = f"output_blocks.{block * (layers + 1) + number}"
    return f"{start}.0.{swap(tail, RESNET)}" if kind == "resnets" else f"{start}.1.{tail}"


def vae_name(key, levels=4):
    """An autoencoder weight's name in latent-diffusion's code."""
    side, *rest = key.split(".")
    if side not in ("encoder", "decoder"):
        return key
    if rest[0] == "mid_block":
        tail = ".".join(rest[3:])
        if rest[1] == "attentions":
            return f"{side}.mid.attn_1.{swap(tail, ATTENTION)}"
        return f"{side}.mid.block_{int(rest[2]) + 1}.{tail}"
    if rest[0] in ("down_blocks", "up_blocks"):
        level, tail = int(rest[1]), ".".join(rest[4:]).replace("conv_shortcut", "nin_shortcut")
        way = "down" if rest[0] == "down_blocks" else "up"
        level = level if way == "down" else levels - 1 - level
        if rest[2].endswith("samplers"):
            return f"{side}.{way}.{level}.{way}sample.{tail}"
        return f"{side}.{way}.{level}.block.{rest[3]}.{tail}"
    return f"{side}." + ".".join(rest).replace("conv_norm_out", "norm_out")


def blank_checkpoint(path, **shapes):
    """A file whose header looks like somebody else's checkpoint."""
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, path)
    return path
