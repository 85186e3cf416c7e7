"""Fused bf16 channels_last GroupNorm (+ SiLU) for CPU training; patches diffusers modules in place.

Parameters stay what they are. Without a C++ compiler nothing is patched and a line says so.
"""

import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

_KERNEL = None
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-mprefer-vector-width=512"]


def kernel():
    """The compiled extension, or None when it cannot be built."""
    global _KERNEL
    if _KERNEL is None:
        os.environ["PATH"] = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
        build = Path(__file__).parent / "runs" / "build"
        build.mkdir(parents=True, exist_ok=True)
        try:
            from torch.utils.cpp_extension import load

            _KERNEL = load(
                "group_norm",
                [str(Path(__file__).parent / "kernels" / "group_norm.cpp")],
                extra_cflags=FLAGS,
                extra_ldflags=["-lmvec", "-lm"],
                build_directory=str(build),
            )
        except (OSError, RuntimeError, ImportError) as error:
            print(f"no fused GroupNorm ({str(error).splitlines()[0]}): torch's own is used, slower")
            _KERNEL = False
    return _KERNEL or None


class FusedNorm(torch.autograd.Function):
    """GroupNorm, optionally followed by SiLU, in one pass over bf16 channels_last memory."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps, silu):
        """x: [b, c, h, w]."""
        xb = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        w32, b32 = weight.float().contiguous(), bias.float().contiguous()
        y, mean, rstd = kernel().gn_fwd(xb, w32, b32, groups, eps, silu)
        ctx.save_for_backward(xb, w32, b32, mean, rstd)
        ctx.groups, ctx.silu, ctx.dtypes = groups, silu, (x.dtype, weight.dtype)
        return y

    @staticmethod
    def backward(ctx, dy):
        """Gradients of x, weight and bias."""
        dy = dy.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        dx, dw, db = kernel().gn_bwd(dy, *ctx.saved_tensors, ctx.groups, ctx.silu)
        return dx.to(ctx.dtypes[0]), dw.to(ctx.dtypes[1]), db.to(ctx.dtypes[1]), None, None, None


class SiLUUnlessFused(nn.Module):
    """SiLU for vectors (time embeddings); the identity for maps, whose SiLU is in the norm."""

    def forward(self, x):
        """x: [b, c] or [b, c, h, w]."""
        return x if x.dim() == 4 else F.silu(x)


def _fused(norm: nn.GroupNorm, silu: bool):
    def forward(x):
        shape = x.shape
        x = x.reshape(*shape, 1) if x.dim() == 3 else x
        y = FusedNorm.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps, silu)
        return y.reshape(shape)

    return forward


def patch(model: nn.Module) -> nn.Module:
    """Replace the norms' forward methods in `model`; returns it."""
    from diffusers.models.resnet import ResnetBlock2D

    if kernel() is None:
        return model
    done = set()
    for module in list(model.modules()):
        norms = []
        if isinstance(module, ResnetBlock2D):
            norms = [module.norm1, module.norm2]
            module.nonlinearity = SiLUUnlessFused()
        elif isinstance(getattr(module, "conv_norm_out", None), nn.GroupNorm):
            norms = [module.conv_norm_out]
            module.conv_act = SiLUUnlessFused()
        for norm in norms:
            norm.forward = _fused(norm, True)
            done.add(id(norm))
    for module in model.modules():
        if isinstance(module, nn.GroupNorm) and id(module) not in done:
            module.forward = _fused(module, False)
    return model


class PlainAttention:
    """Attention by plain matrix products: faster than CPU scaled_dot_product at these sizes."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        """Diffusers' attention-processor protocol, without masks."""
        x = hidden_states
        context = x if encoder_hidden_states is None else encoder_hidden_states
        batch, length, _ = x.shape

        def split(y):
            y = y.view(batch, y.shape[1], attn.heads, -1).transpose(1, 2)
            return y.reshape(batch * attn.heads, y.shape[2], -1)

        q, k, v = split(attn.to_q(x)), split(attn.to_k(context)), split(attn.to_v(context))
        mix = torch.bmm(q * attn.scale, k.transpose(1, 2)).softmax(-1)
        out = torch.bmm(mix.to(v.dtype), v).view(batch, attn.heads, length, -1)
        return attn.to_out[0](out.transpose(1, 2).reshape(batch, length, -1))
