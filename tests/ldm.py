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
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
OPEN_CLIP = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}
BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
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
    text = load_file(folder / "text_encoder/model.safetensors")
    file = {f"cond_stage_model.transformer.{whole(key)}": value for key, value in text.items()}
    return write(file | networks(folder), path)


def write_xl_file(folder, path):
    """Write the diffusers folder of a two-level Stable Diffusion XL as one checkpoint."""
    one = load_file(folder / "text_encoder/model.safetensors")
    two = load_file(folder / "text_encoder_2/model.safetensors")
    file = {f"conditioner.embedders.0.transformer.{whole(key)}": v for key, v in one.items()}
    file |= {f"conditioner.embedders.1.model.{key}": v for key, v in open_clip(two).items()}
    return write(file | networks(folder), path)


def networks(folder):
    """The UNet and the autoencoder under their old names."""
    unet = load_file(folder / "unet/diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    attended = {key.split(".attentions.")[0] for key in unet if ".attentions." in key}
    file = {f"model.diffusion_model.{unet_name(k, attended)}": v for k, v in unet.items()}
    for key, value in vae.items():
        name = vae_name(key)
        square = "attn_1" in name and value.ndim == 2
        file[f"first_stage_model.{name}"] = value[:, :, None, None] if square else value
    return file


def write(file, path):
    """Save a checkpoint."""
    save_file({k: v.contiguous() for k, v in file.items()}, path)
    return path


def whole(key):
    """A CLIP weight's name, with the prefix that newer versions of transformers leave out."""
    return f"text_model.{key.removeprefix('text_model.')}"


def open_clip(text):
    """A CLIP with projection under the names of open_clip, its three projections in one."""
    file = {"text_projection": text.pop("text_projection.weight").T}
    text = {whole(key): value for key, value in text.items()}
    for key, value in text.items():
        if key in OPEN_CLIP:
            file[OPEN_CLIP[key]] = value
            continue
        number, tail = key.removeprefix("text_model.encoder.layers.").split(".", 1)
        start, kind = f"transformer.resblocks.{number}", tail.rpartition(".")[2]
        if tail.startswith("self_attn.q_proj"):
            parts = [text[key.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            file[f"{start}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif not tail.startswith(("self_attn.k_proj", "self_attn.v_proj")):
            file[f"{start}.{swap(tail, BLOCK)}"] = value
    return file


def swap(key, names):
    """The key with its start renamed."""
    start = next((s for s in names if key.startswith(f"{s}.")), None)
    return key if start is None else names[start] + key[len(start) :]


def unet_name(key, attention_mask, layers=1):
    """A UNet weight's name in latent-diffusion's code, given the blocks that attend to text."""
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
        if kind == "upsamplers":  # after the resnet and the attention, if there is one
            place = 2 if f"{head}.{block}" in attention_mask else 1
            return f"output_blocks.{block * (layers + 1) + layers}.{place}.{tail}"
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
