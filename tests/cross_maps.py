"""Cross-attention maps by other means: from hooks on the projections alone."""

import torch


def cross_maps(prior, run):
    """softmax(Q K^T) of all down and up blocks: places -> (rows, places, tokens), averaged."""
    found, hooks = {}, []
    for name, module in prior.network.named_modules():
        if name.endswith("attn2") and not name.startswith("mid_block"):
            for part in ("to_q", "to_k"):

                def keep(_module, _inputs, output, key=(name, part)):
                    found[key] = output

                hooks.append(getattr(module, part).register_forward_hook(keep))
    run()
    for hook in hooks:
        hook.remove()
    maps = {}
    for name in {name for name, _ in found}:
        module = prior.network.get_submodule(name)
        q, k = (
            found[name, part].unflatten(2, (module.heads, -1)).transpose(1, 2)
            for part in ("to_q", "to_k")
        )
        scores = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1).mean(1)
        maps.setdefault(scores.shape[1], []).append(scores)
    return {places: torch.stack(layers).mean(0) for places, layers in maps.items()}
