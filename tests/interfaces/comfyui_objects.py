"""Small objects with the shape of ComfyUI's MODEL, VAE and samplers, whose answers are formulas.

A MODEL is a Gaussian, `mean_c + std n` for CONDITIONING of mean c, so that its clean estimate is
known; its one weight is made in inference mode, as ComfyUI makes all of them.
"""

import sys
import types

import torch
from torch import nn
from torch.nn import functional

STD = 0.5


class Sampling(nn.Module):
    def __init__(self, flow):
        super().__init__()
        t = torch.arange(1, 101) / 100
        self.flow = flow
        self.register_buffer("sigmas", 3 * t / (1 + 2 * t) if flow else 0.03 * 500**t)

    @property
    def sigma_min(self):
        return self.sigmas[0]

    def noise_scaling(self, sigma, noise, latent, max_denoise=False):
        return sigma * noise + (1 - sigma if self.flow else 1) * latent

    def calculate_input(self, sigma, noise):
        return noise if self.flow else noise / (sigma**2 + 1) ** 0.5


class Network(nn.Module):
    def __init__(self, flow=False, channels=4, extra=0, embedded=False):
        super().__init__()
        self.model_sampling = Sampling(flow)
        unet = {"context_dim": 768, "adm_in_channels": None, "guidance_embed": embedded}
        self.model_config = types.SimpleNamespace(unet_config=unet)
        self.extra = extra
        self.channels = channels
        self.one = nn.Parameter(torch.ones(()))

    def concat_cond(self, **given):
        return torch.zeros(1, self.extra, 8, 8) if self.extra else None

    def apply_model(self, x, sigma, c_crossattn):
        s = sigma.view(-1, 1, 1, 1)
        a = 1 - s if self.model_sampling.flow else 1
        mean = c_crossattn.mean().to(x)
        gain = a * STD**2 / (a**2 * STD**2 + s**2)
        return self.one * (mean + gain * (x - a * mean))


class Format:
    latent_dimensions = 2
    latent_rgb_factors = None

    def __init__(self, channels=4):
        self.latent_channels = channels
        self.scale = torch.tensor(0.5)

    def process_in(self, z):
        return z * self.scale

    def process_out(self, z):
        return z / self.scale


class Patcher:
    """A MODEL."""

    def __init__(self, network, latent_format=None):
        self.model = network
        self.latent_format = latent_format or Format(network.channels)
        self.model_options = {"transformer_options": {}}
        self.patches, self.wrappers = {}, {}
        self.load_device = torch.device("cpu")

    def get_model_object(self, name):
        return self.latent_format if name == "latent_format" else getattr(self.model, name)

    def model_dtype(self):
        return torch.float32


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def encode(self, x):
        return self.one * functional.avg_pool2d(x, 8).mean(1, keepdim=True).repeat(1, 4, 1, 1)

    def decode(self, z):
        return self.one * functional.interpolate(z[:, :3], scale_factor=8.0)


class Vae:
    def __init__(self):
        self.first_stage_model, self.patcher = Autoencoder(), object()
        self.latent_channels, self.vae_dtype = 4, torch.float32

    def spacial_compression_encode(self):
        return 8

    def memory_used_encode(self, shape, dtype):
        return shape[2] * shape[3]

    memory_used_decode = memory_used_encode

    def process_input(self, x):
        return 2 * x - 1

    def process_output(self, x):
        return ((x + 1) / 2).clamp(0, 1)

    def encode(self, x):
        return self.first_stage_model.encode(self.process_input(x).movedim(-1, 1))

    def decode(self, z):
        return self.process_output(self.first_stage_model.decode(z)).movedim(1, -1)


class Guider:
    """The part of `comfy.samplers.CFGGuider` that custom guiders use."""

    def __init__(self, patcher):
        self.model_patcher = patcher

    def inner_set_conds(self, conds):
        self.given = conds

    def sample(self, noise, latent, sampler, sigmas, disable_pbar=False, seed=None):
        assert torch.is_inference_mode_enabled()
        self.conds = {
            name: [{"cross_attn": tensor, **values} for tensor, values in entries]
            for name, entries in self.given.items()
        }
        self.inner_model, self.loaded_models = self.model_patcher.model, []
        options = {"model_options": self.model_patcher.model_options, "seed": seed}
        return sampler.sample(self, sigmas, options, None, noise, latent, None, disable_pbar)


def install(monkeypatch):
    """ComfyUI's modules; returns a list of the conditions of each evaluation."""
    calls = []

    def calc_cond_batch(model, conds, x, sigma, options):
        calls.append([entries[0] for entries in conds])
        return [model.apply_model(x, sigma, entries[0]["cross_attn"]) for entries in conds]

    management = types.ModuleType("comfy.model_management")
    management.load_models_gpu = lambda models, memory_required: None
    management.throw_exception_if_processing_interrupted = lambda: None
    samplers = types.ModuleType("comfy.samplers")
    samplers.CFGGuider, samplers.calc_cond_batch = Guider, calc_cond_batch
    utils = types.ModuleType("comfy.utils")
    utils.ProgressBar = lambda total: types.SimpleNamespace(update_absolute=lambda *shown: None)
    for module in (types.ModuleType("comfy"), management, samplers, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


@torch.inference_mode()
def objects(**options):
    """MODEL, VAE and CONDITIONING, as ComfyUI's loaders make them."""
    wired = {
        name: [[torch.full((1, 2, 3), mean), {}]]
        for name, mean in (("positive", 1.0), ("negative", 0.0), ("source", -1.0))
    }
    return Patcher(Network(**options)), Vae(), wired
