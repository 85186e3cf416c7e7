"""Our prior and nodes inside ComfyUI's own engine: `make test-comfyui COMFYUI=path/to/ComfyUI`.

Run by hand with a Python that has ComfyUI's requirements. It builds tiny models with random weights
on the CPU and prints one line a check; the exit code is 1 if any failed.
"""

import json
import logging
import sys
import traceback
import types
import warnings

import models

path, *CHOSEN = sys.argv[1:]
models.start(path)
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

import comfy.model_management  # noqa: E402 - after ComfyUI was found
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from comfy_extras.nodes_model_advanced import (  # noqa: E402
    ModelSamplingContinuousEDM,
    ModelSamplingDiscrete,
    ModelSamplingSD3,
)

from dreamsampler import dream  # noqa: E402
from dreamsampler.generators import LatentVariable  # noqa: E402
from dreamsampler.guidance import cfg, conditional  # noqa: E402
from dreamsampler.interfaces.comfyui.nodes import NODE_CLASS_MAPPINGS  # noqa: E402
from dreamsampler.interfaces.comfyui.prior import ComfyPrior  # noqa: E402
from dreamsampler.maths import Level  # noqa: E402
from dreamsampler.methods.registry import methods_of  # noqa: E402

WIDE = {"model_channels": 64}  # for 64 channels a head
FAMILIES = {
    "SD15": (4, 768, None, {}),
    "SD20": (4, 1024, None, {"context_dim": 1024, "use_linear_in_transformer": True, **WIDE}),
    "SDXL": (4, 768, 1280, {"adm_in_channels": 2816, "num_classes": "sequential", **WIDE}),
    "SD3": (16, 48, 32, {}),
    "Flux": (16, 48, 32, {}),
    "QwenImage": (16, 48, None, {}),
    "SD15 v_prediction": (4, 768, None, {}),
    "SD15 edm": (4, 768, None, {}),
    "SD3 shift 5": (16, 48, 32, {}),
}
"""Class of `comfy.supported_models`, and what a node patches: channels of latents, width of text,
of pooled text, changes of the network."""
WIRES = ("positive", "negative", "source")
failed = []


def check(what, value, most):
    good = value <= most
    failed.extend([] if good else [what])
    print(f"{'ok  ' if good else 'FAIL'} {what}: {value:.3g} (at most {most:.3g})", flush=True)


def parts(kind, **changes):
    """MODEL, VAE and CONDITIONING of a family."""
    channels, width, pooled, more = FAMILIES[kind]
    model = models.model(kind.split()[0], **more, **changes)
    vae = models.vae(channels, frames=kind == "QwenImage")
    if kind == "SD15 v_prediction":
        (model,) = ModelSamplingDiscrete().patch(model, "v_prediction", True)
    if kind == "SD15 edm":
        (model,) = ModelSamplingContinuousEDM().patch(model, "edm", 120.0, 0.002)
    if kind == "SD3 shift 5":
        (model,) = ModelSamplingSD3().patch(model, 5.0)
    return model, vae, {n: models.conditioning(i, width, pooled) for i, n in enumerate(WIRES)}


def prior_of(kind, **changes):
    return ComfyPrior(*parts(kind, **changes))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Denoised:
    """A sampler of ComfyUI that keeps what the guider answers at the first level."""

    def sample(self, guider, sigmas, extra_args, callback, noise, *others):
        options = extra_args["model_options"]
        self.found = guider(noise, sigmas[:1].expand(len(noise)), model_options=options, seed=0)
        return noise


def their_denoised(model, x, sigma, positive, negative, scale=1.0):
    """ComfyUI's own denoised output, by its CFGGuider."""
    guider, keep = comfy.samplers.CFGGuider(model), Denoised()
    guider.set_conds(positive, negative)
    guider.set_cfg(scale)
    with torch.inference_mode():
        sigmas = torch.tensor([sigma, 0.0])
        guider.sample(x, torch.zeros_like(x), keep, sigmas, disable_pbar=True, seed=0)
    return keep.found.clone()


def scaled(kind, z, level):
    """z in ComfyUI's scale, and its sigma; frames for the models that have them."""
    flow = FAMILIES[kind][0] == 16
    x = z / (level.alpha + level.sigma if flow else level.alpha)
    return (x[:, :, None] if kind == "QwenImage" else x), level.flow if flow else level.s


def difference(a, b):
    return float((a.reshape(b.shape) - b).abs().max() / b.abs().max())


def predictions(kind):
    prior = prior_of(kind)
    model, wired = prior._patcher, prior._wired
    z, level = normal(2, FAMILIES[kind][0], 6, 10), prior.schedule(0.6)
    x, sigma = scaled(kind, z, level)
    for name in WIRES:
        (ours,) = prior.predict(z, level, [prior.condition(f"CONDITIONING {name}")])
        theirs = their_denoised(model, x, sigma, wired[name], wired["negative"])
        check(f"{kind}: predict({name}) is ComfyUI's denoised", difference(ours.z0, theirs), 0)
        again = level.alpha * ours.z0 + level.sigma * ours.eps
        check(f"{kind}: alpha z0 + sigma eps is z", difference(again, z), 1e-6)
    condition, null = prior.condition("CONDITIONING positive"), prior.condition(None)
    ours = cfg(prior, condition, null, 3.0)(z, level)
    theirs = their_denoised(model, x, sigma, wired["positive"], wired["negative"], 3.0)
    check(f"{kind}: cfg(3) in one forward is ComfyUI's", difference(ours.z0, theirs), 1e-5)


def ksampler(kind):
    """KSampler (euler, cfg 1) from a picture is our loop at its levels with DDIM's noise."""
    prior = prior_of(kind)
    model, wired, steps = prior._patcher, prior._wired, 4
    sampler = comfy.samplers.KSampler(model, steps, "cpu", "euler", "normal", denoise=0.7)
    latent, noise = prior.encode(normal(1, 3, 48, 80).tanh()), normal(1, FAMILIES[kind][0], 6, 10)
    frames = kind == "QwenImage"
    raw = prior._format.process_out(latent[:, :, None] if frames else latent)
    eps = noise[:, :, None] if frames else noise
    with torch.inference_mode():
        theirs = comfy.sample.sample(
            model, eps, steps, 1.0, "euler", "normal", wired["positive"], wired["negative"], raw,
            denoise=0.7, disable_pbar=True, seed=0,
        )  # fmt: skip
    levels = [to_level(kind, float(s)) for s in sampler.sigmas[:-1]]
    denoise = conditional(prior, prior.condition("CONDITIONING positive"))
    *_, last = dream(denoise, LatentVariable(latent), levels, noise)
    ours = prior._format.process_out(last.z0[:, :, None] if frames else last.z0)
    check(f"{kind}: KSampler (euler, cfg 1) is our loop", difference(ours, theirs.clone()), 2e-5)


def to_level(kind, s):
    if FAMILIES[kind][0] == 16:
        return Level(s, 1 - s, s)
    return Level(0.5, (1 + s * s) ** -0.5, s * (1 + s * s) ** -0.5)


def pictures(kind):
    prior = prior_of(kind)
    x = normal(2, 3, 48, 80).tanh()
    z = prior.encode(x)
    with torch.inference_mode():
        for row, own in zip(x.split(1), z.split(1), strict=True):
            theirs = prior._network.process_latent_in(
                prior._vae.encode((row.movedim(1, -1) + 1) / 2)
            )
            check(f"{kind}: encode is VAE.encode", difference(own, theirs), 1e-6)
            raw = prior._network.process_latent_out(theirs)
            shown = prior._vae.decode(raw).movedim(-1, 1)
            ours = (prior.decode(own).clamp(-1, 1) + 1) / 2
            check(
                f"{kind}: decode is VAE.decode", difference(ours, shown.reshape(ours.shape)), 1e-5
            )


def gradients(kind):
    """Of weights that were made in inference mode, against central differences."""
    prior = prior_of(kind)
    level, step = prior.schedule(0.5), 1e-2
    condition = [prior.condition("CONDITIONING positive")]
    functions = {
        "predict": (
            lambda z: prior.predict(z, level, condition)[0].z0,
            (1, FAMILIES[kind][0], 6, 10),
        ),
        "encode": (prior.encode, (1, 3, 48, 80)),
        "decode": (prior.decode, (1, FAMILIES[kind][0], 6, 10)),
    }
    before = [id(p) for p in prior._network.parameters()]
    for name, (function, shape) in functions.items():
        at, way = normal(*shape).tanh().requires_grad_(), normal(*shape, seed=1)
        (gradient,) = torch.autograd.grad(function(at).square().sum(), at)
        with torch.no_grad():
            ahead, behind = (function(at + h * way).double().square().sum() for h in (step, -step))
        slope = float((ahead - behind) / (2 * step))
        off = abs(float((gradient * way).sum()) - slope) / abs(slope)
        check(f"{kind}: gradient of {name}", off, 2e-2)
    check(
        f"{kind}: weights are the same objects",
        before != [id(p) for p in prior._network.parameters()],
        0,
    )


def patches():
    """A LoRA, a region, a ControlNet and a wrapper count as in ComfyUI."""
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet

    model, vae, wired = parts("SD15")
    plain = ComfyPrior(model, vae, wired)
    z, level = normal(1, 4, 6, 10), plain.schedule(0.6)
    x, sigma = scaled("SD15", z, level)
    before = plain.predict(z, level, [plain.condition("CONDITIONING positive")])[0].z0

    def same(what, patched, conditions):
        prior = ComfyPrior(patched, vae, conditions)
        (ours,) = prior.predict(z, level, [prior.condition("CONDITIONING positive")])
        theirs = their_denoised(patched, x, sigma, conditions["positive"], conditions["negative"])
        check(f"{what}: predict is ComfyUI's denoised", difference(ours.z0, theirs), 0)
        comfy.model_management.unload_all_models()
        (again,) = prior.predict(z, level, [prior.condition("CONDITIONING positive")])
        check(f"{what}: the same after everything was unloaded", difference(again.z0, ours.z0), 0)
        check(f"{what} has an effect", float(difference(ours.z0, before) < 1e-4), 0)

    lora = model.clone()
    key = "diffusion_model.middle_block.0.in_layers.2.weight"
    shape = model.model.get_parameter(key).shape
    lora.add_patches({key: ("diff", (normal(*shape),))}, 0.5)
    same("LoRA", lora, wired)
    half = torch.zeros(1, 48, 80)
    half[:, :, 40:] = 1
    both = [[*wired["positive"][0]], [wired["source"][0][0], {"mask": half, "mask_strength": 1.0}]]
    same("region", model, {**wired, "positive": both})
    control_net = Network(
        hint_channels=3, **{k: v for k, v in models.UNET.items() if k != "out_channels"}
    )
    with torch.inference_mode():
        control = ControlNet(models.filled(control_net, 5), load_device=torch.device("cpu"))
        control.set_cond_hint(torch.rand(1, 3, 48, 80), 1.0)
    entry, values = wired["positive"][0]
    same("ControlNet", model, {**wired, "positive": [[entry, {**values, "control": control}]]})
    wrapped = model.clone()
    wrapped.set_model_unet_function_wrapper(
        lambda run, a: 0.5 * run(a["input"], a["timestep"], **a["c"])
    )
    same("model_function_wrapper", wrapped, wired)
    after = plain.predict(z, level, [plain.condition("CONDITIONING positive")])[0].z0
    check("the MODEL without them is as before", difference(after, before), 0)


def call(node, model, vae, wired, **values):
    """A node as ComfyUI's executor calls it: in inference mode, every widget with its default."""
    cls = NODE_CLASS_MAPPINGS[node]
    inputs = cls.INPUT_TYPES()
    both = {**inputs["required"], **inputs["optional"]}
    widgets = {name: w[-1]["default"] for name, w in both.items() if "default" in w[-1]}
    wires = {name: wire for name, wire in wired.items() if name in both}
    with torch.inference_mode():
        return getattr(cls(), cls.FUNCTION)(model=model, vae=vae, **wires, **widgets | values)


def nodes(kind):
    model, vae, wired = parts(kind)
    network, weights = (
        model.model.diffusion_model,
        [p.data_ptr() for p in model.model_state_dict().values()],
    )
    image = torch.rand(1, 50, 90, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 50, 90)
    mask[:, 10:40, 20:60] = 1
    quick = {"num_inference_steps": 3, "size": 64}
    (made, recipe) = call("DreamSamplerEdit", model, vae, wired, image=image, **quick)
    check(f"{kind}: Edit, 3 steps, size", float(made.shape != image.shape), 0)
    check(f"{kind}: Edit changes the picture", float(torch.equal(made, image)), 0)
    recipe = json.loads(recipe)
    words = (
        recipe["options"]["prompt"] == "CONDITIONING positive"
        and "cannot" in recipe["model"]["comfyui"]
    )
    check(f"{kind}: the recipe says what it lacks", float(not words), 0)
    made, _ = call("DreamSamplerInpaint", model, vae, wired, image=image, mask=mask, **quick)
    keep = mask[0] == 0
    check(
        f"{kind}: Inpaint keeps the rest", float(not torch.equal(made[:, keep], image[:, keep])), 0
    )
    restored = call(
        "DreamSamplerRestore", model, vae, wired, image=image, operator="blur(1)", **quick
    )
    check(f"{kind}: Restore", float(not restored[0].isfinite().all()), 0)
    draw = {"paths": 2, "fit_steps": 2, "update_steps": 1, "num_inference_steps": 1, "size": 64}
    del wired["source"]
    (svg,), *_ = call("DreamSamplerVectorize", model, vae, wired, image=image, **draw)
    check(f"{kind}: Vectorize", float(not svg.startswith("<")), 0)
    kept = network is model.model.diffusion_model and weights == [
        p.data_ptr() for p in model.model_state_dict().values()
    ]
    managed = [each.model.model for each in comfy.model_management.current_loaded_models]
    check(f"{kind}: the same modules and memory", float(not kept), 0)
    one = sum(each is model.model for each in managed) == 1
    check(f"{kind}: managed once by ComfyUI", float(not one), 0)


def methods():
    """Each method works or says in one line why not."""
    model, vae, wired = parts("SD15")
    image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1
    extra = {"edit": {}, "inpaint": {"mask": mask}, "restore": {"operator": "blur(1)"}}
    for task, more in extra.items():
        for method, each in methods_of(task).items():
            steps = {"num_inference_steps": 2} if "num_inference_steps" in each.settings else {}
            own = (
                dict(wired)
                if task != "edit" or each.source_prompt != "unused"
                else {name: wire for name, wire in wired.items() if name != "source"}
            )
            try:
                values = {"method": method, "size": 64, "image": image, **steps, **more}
                made, _ = call(f"DreamSampler{task.title()}", model, vae, own, **values)
                check(f"{task} {method}", float(not made.isfinite().all()), 0)
            except ValueError as error:
                check(f"{task} {method} refuses: {error}", float("\n" in str(error)), 0)


def inpainting_network():
    """Nine channels: predict with the picture around the hole is InpaintModelConditioning's."""
    model, vae, wired = parts("SD15", in_channels=9)
    model.model.set_inpaint()
    prior = ComfyPrior(model, vae, wired)
    x, mask = normal(1, 3, 48, 80).tanh(), torch.zeros(1, 1, 48, 80)
    mask[:, :, 16:40, 24:64] = 1
    condition = prior.inpainting_condition(prior.condition("CONDITIONING positive"), x, mask)
    from nodes import InpaintModelConditioning as Theirs

    z, level = normal(1, 4, 6, 10), prior.schedule(0.6)
    with torch.inference_mode():
        positive, negative, _ = Theirs().encode(
            wired["positive"], wired["negative"], (x.movedim(1, -1) + 1) / 2, vae, mask[:, 0], False
        )
    theirs = their_denoised(model, *scaled("SD15", z, level), positive, negative)
    (ours,) = prior.predict(z, level, [condition])
    check("inpainting network: predict is ComfyUI's", difference(ours.z0, theirs), 1e-5)
    check(
        "inpainting network is known as one",
        float(not prior.inpaints or prior_of("SD15").inpaints),
        0,
    )


def refusals():
    model, vae, wired = parts("SD15")
    from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion
    from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
    from comfy_extras.nodes_model_advanced import RescaleCFG
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    guided = model.clone()
    guided.set_model_sampler_cfg_function(lambda args: args["cond"])
    pixels = models.vae(4)
    pixels.downscale_ratio = 1
    cases = {
        "guidance": (guided, vae, wired),
        "RescaleCFG": (RescaleCFG().patch(model, 0.7)[0], vae, wired),
        "PAG": (PerturbedAttentionGuidance.execute(model, 3.0)[0], vae, wired),
        "DifferentialDiffusion": (DifferentialDiffusion.execute(model)[0], vae, wired),
        "EasyCache": (EasyCacheNode.execute(model, 0.2, 0.15, 0.95, False)[0], vae, wired),
        "LazyCache": (LazyCacheNode.execute(model, 0.2, 0.15, 0.95, False)[0], vae, wired),
        "VAE of 16 channels": (model, models.vae(16), wired),
        "VAE of pixels": (model, pixels, wired),
        "video": (models.video(), models.vae(16), wired),
        "no MODEL": (vae, vae, wired),
    }
    for what, given in cases.items():
        try:
            ComfyPrior(*given)
            check(f"refused: {what}", 1, 0)
        except ValueError as error:
            check(f"refused: {what}: {error}", float("\n" in str(error)), 0)


def in_place():
    """FLUX changes tensors in place there, so gradients do not pass: one line says so."""
    prior = prior_of("Flux")
    condition = [prior.condition("CONDITIONING positive")]
    try:
        prior.predict(normal(1, 16, 6, 10).requires_grad_(), prior.schedule(0.5), condition)
    except ValueError as error:
        check(f"refused: {error}", float("\n" in str(error)), 0)


def workflow():
    """A graph through ComfyUI's validation and executor, twice; then one that is refused."""
    import asyncio

    import execution
    import nodes

    model, vae, wired = parts("SD15")
    image, seen = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0)), []

    class Tiny:
        RETURN_TYPES = ("MODEL", "VAE", "CONDITIONING", "CONDITIONING", "IMAGE")
        FUNCTION, CATEGORY = "make", "tests"
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})

        def make(self):
            return model, vae, wired["positive"], wired["negative"], image

    class Keep:
        RETURN_TYPES, OUTPUT_NODE = (), True
        FUNCTION, CATEGORY = "keep", "tests"
        INPUT_TYPES = classmethod(lambda cls: {"required": {"image": ("IMAGE",)}})

        def keep(self, image):
            seen.append(image)
            return {}

    nodes.NODE_CLASS_MAPPINGS.update({**NODE_CLASS_MAPPINGS, "Tiny": Tiny, "Keep": Keep})

    def run(name, **values):
        inputs = {"model": ["1", 0], "vae": ["1", 1], "positive": ["1", 2], "negative": ["1", 3]}
        inputs |= {"image": ["1", 4], "prompt": "", "num_inference_steps": 3, "size": 64} | values
        inputs = {name: value for name, value in inputs.items() if value is not None}
        graph = {
            "1": {"class_type": "Tiny", "inputs": {}},
            "2": {"class_type": "DreamSamplerEdit", "inputs": inputs},
            "3": {"class_type": "Keep", "inputs": {"image": ["2", 0]}},
        }
        valid, error, outputs, nodes_in_error = asyncio.run(
            execution.validate_prompt(name, graph, None)
        )
        if not valid:
            return f"{error} {nodes_in_error}"
        server = types.SimpleNamespace(
            client_id=None, last_node_id=None, send_sync=lambda *sent: None
        )
        executor = execution.PromptExecutor(server)
        executor.execute(graph, name, {}, outputs)
        messages = dict(executor.status_messages)
        return messages.get("execution_error", {}).get("exception_message", "").strip()

    for name in ("first", "again"):
        error = run(name)
        check(f"workflow, {name} {error}", float(bool(error) or not seen), 0)
    check("workflow: both runs are equal", float(not torch.equal(*seen)), 0)
    for name, values in {
        "text": {"prompt": "a dog"},
        "no negative": {"negative": None},
        "a VAE for a MODEL": {"model": ["1", 1]},
    }.items():
        error = run(name, **values)
        check(f"workflow, {name}: {error[:200]}", float(not error or "\n" in error), 0)


def main():
    jobs = [(job, (kind,)) for kind in FAMILIES for job in (predictions, ksampler, pictures)]
    jobs += [(gradients, (kind,)) for kind in ("SD15", "SD3", "QwenImage")]
    jobs += [(nodes, (kind,)) for kind in ("SD15", "SD3", "Flux", "QwenImage")]
    jobs += [
        (job, ()) for job in (patches, inpainting_network, methods, refusals, in_place, workflow)
    ]
    for job, given in jobs:
        if CHOSEN and job.__name__ not in CHOSEN:
            continue
        try:
            job(*given)
        except Exception:
            traceback.print_exc()
            failed.append(job.__name__)
            print(f"FAIL {job.__name__}{given}")
    print(f"{len(failed)} failed: {failed}" if failed else "all passed")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
