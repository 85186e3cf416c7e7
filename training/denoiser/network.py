"""The networks and the noise schedule of the bundled model, in one place."""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TOKENS = 24
TEXT_WIDTH = 256
STEPS = 1000
SCHEDULER = {
    "num_train_timesteps": STEPS,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def scheduler() -> DDIMScheduler:
    """Linear betas; the last alpha-bar is 4e-5: no background leaks through the noise."""
    return DDIMScheduler(**SCHEDULER)


def load_tokenizer(path: Path) -> CLIPTokenizer:
    """The byte-pair tokenizer, from its folder."""
    return CLIPTokenizer.from_pretrained(path)


def text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    """A CLIP text model of 4 layers x 256."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_unet(latent_channels: int = 8) -> UNet2DConditionModel:
    """A UNet of two levels (192, 256) with cross-attention at 8 x 8."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(192, 256),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=32,
    )


def build(tokenizer: CLIPTokenizer) -> tuple[CLIPTextModel, UNet2DConditionModel]:
    """Freshly initialized text encoder and UNet."""
    torch.manual_seed(0)
    return CLIPTextModel(text_config(tokenizer)), build_unet()


def warm_start(module: torch.nn.Module, weights: Path) -> int:
    """Copy every tensor of the same name and shape; returns how many parameters that were."""
    stored = {k.removeprefix("text_model."): v for k, v in load_file(weights).items()}
    copied = 0
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            output = stored.get(name.removeprefix("text_model."))
            if output is not None and output.shape == parameter.shape:
                parameter.copy_(output.float())
                copied += parameter.numel()
    return copied


def parameters(text: torch.nn.Module, unet: torch.nn.Module) -> list[torch.nn.Parameter]:
    """All trained parameters, in the order of the flat vectors in a checkpoint."""
    return [*unet.parameters(), *text.parameters()]


def unflatten(flat: torch.Tensor, text: torch.nn.Module, unet: torch.nn.Module) -> None:
    """Copy a flat vector (of a checkpoint) into the two networks."""
    offset = 0
    with torch.no_grad():
        for parameter in parameters(text, unet):
            size = parameter.numel()
            parameter.copy_(flat[offset : offset + size].view(parameter.shape))
            offset += size


def latest(run: Path, what: str = "ema") -> tuple[torch.Tensor, int]:
    """The flat EMA (or 'parameters') vector of a run's checkpoint, and its step."""
    state = torch.load(Path(run) / "checkpoint.pt", mmap=True, weights_only=True)
    return state[what].clone(), int(state["step"])
