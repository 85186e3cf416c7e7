"""Samples of a pipeline folder, or of networks that are being trained."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from training.denoiser import network as model

PROMPTS = (
    """
cat face on a light blue background|dog face|grinning face on a white background
smiling face with sunglasses on a pink background|crying face|a bear on a green background
a panda on a yellow background|tiger face on a black background|lion|fox on a white background
red apple on a white background|green apple on a light blue background|an emoji of a lemon
strawberry on a purple background|pizza|red heart on a black background
blue heart on a white background|an automobile on an orange background|taxi, white background
rocket on a blue background|sun|umbrella on a gray background|soccer ball on a red background
house, green background
""".strip()
    .replace("\n", "|")
    .split("|")
)
OBJECTS = (
    """
a red cube|a blue sphere on a white background|yellow cone, 3d render|a green torus
a red cube on a blue cylinder|green cone on a yellow cube|purple capsule, light blue background
red ball in front of a blue cube, front view
a yellow toy duck, front view|a yellow toy duck, side view
a yellow toy duck, back view|a yellow toy duck, overhead view
a red toy car, front view|a red toy car, side view
a red toy car, back view|a red toy car, overhead view
a white toy house with a red roof, front view|a white toy house with a red roof, back view
a blue mug, front view|a blue mug, side view|a blue mug, back view|a blue mug, overhead view
white toy rocket with a red nose|blue toy snowman with a red hat, front view
""".strip()
    .replace("\n", "|")
    .split("|")
)


class Sampler:
    """DDIM with classifier-free guidance."""

    def __init__(self, tokenizer, text, unet, vae, scheduler, device: str = "cpu") -> None:
        """The five parts of a pipeline; latent size and channels come from the UNet."""
        self.tokenizer, self.scheduler, self.device = tokenizer, scheduler, device
        self.text, self.unet, self.vae = (m.float().eval().to(device) for m in (text, unet, vae))
        for network in (self.unet, self.vae):
            network.to(memory_format=torch.channels_last)

    @classmethod
    def from_pipeline(cls, folder: Path) -> "Sampler":
        """An exported StableDiffusionPipeline folder (of any v or epsilon model)."""
        load = {"pretrained_model_name_or_path": str(folder)}
        return cls(
            model.load_tokenizer(Path(folder) / "tokenizer"),
            CLIPTextModel.from_pretrained(str(folder), subfolder="text_encoder"),
            UNet2DConditionModel.from_pretrained(**load, subfolder="unet"),
            AutoencoderKL.from_pretrained(**load, subfolder="vae"),
            DDIMScheduler.from_pretrained(**load, subfolder="scheduler"),
        )

    @torch.no_grad()
    def embed(self, prompts: list[str]) -> torch.Tensor:
        """[b, tokens, width]."""
        length = self.text.config.max_position_embeddings
        output = self.tokenizer(prompts, padding="max_length", max_length=length, truncation=True)
        ids = torch.tensor(output.input_ids, device=self.device)
        return self.text(input_ids=ids).last_hidden_state

    def noise(self, count: int, seed: int) -> torch.Tensor:
        """One seed for each picture, so that the batch size changes nothing."""
        c, size = self.unet.config.in_channels, self.unet.config.sample_size
        each = [torch.Generator().manual_seed(seed + i) for i in range(count)]
        return torch.cat([torch.randn(1, c, size, size, generator=g) for g in each]).to(self.device)

    @torch.no_grad()
    def __call__(self, prompts: list[str], scale: float, steps: int, seed: int) -> torch.Tensor:
        """Pictures in [0, 1], [b, 3, h, w], on the CPU."""
        context = torch.cat([self.embed([""] * len(prompts)), self.embed(prompts)])
        self.scheduler.set_timesteps(steps)
        z = self.noise(len(prompts), seed)
        for t in self.scheduler.timesteps:
            with torch.autocast(self.device, torch.bfloat16):
                both = torch.cat([z, z]).contiguous(memory_format=torch.channels_last)
                out = self.unet(both, t, context).sample
            plain, guided = out.float().chunk(2)
            z = self.scheduler.step(plain + scale * (guided - plain), t, z).prev_sample
        z = (z / self.vae.config.scaling_factor).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16):
            rows = [self.vae.decode(part).sample.float() for part in z.split(8)]
        return (torch.cat(rows) / 2 + 0.5).clamp(0, 1).cpu()
