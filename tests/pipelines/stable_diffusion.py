"""Pipelines around Stable Diffusion 1, 2 and XL: what is special about each."""

import torch

from .build import Tiny, picture, rows
from .encoders import WIDTH
from .networks import KL

XL_UNET = {
    "use_linear_projection": True,
    "transformer_layers_per_block": (1, 2),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "attention_head_dim": (2, 4),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": WIDTH + 6 * 8,
    "cross_attention_dim": 2 * WIDTH,
}
XL = {
    "unet": {**XL_UNET, "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")},
    "vae": {"scaling_factor": 0.13025},
    "text_encoder_2": {"hidden_act": "gelu"},
    "scheduler": "EulerDiscreteScheduler",
}
SIDES = ("block_out_channels", "down_block_types", "up_block_types")
UNION = {
    **XL_UNET,
    "conditioning_embedding_out_channels": (4, 8, 8, 16),
    "num_control_type": 2,
    "num_trans_channel": 16,
    "num_trans_head": 2,
    "num_proj_channel": 16,
}
XS_XL = {
    **XL,
    "unet": {**XL["unet"], "layers_per_block": 2},
    "controlnet": {
        name: XL_UNET[name]
        for name in (
            "cross_attention_dim",
            "down_block_types",
            "transformer_layers_per_block",
            "use_linear_projection",
        )
    },
}
XL_ADAPTER = {
    "adapter_type": "full_adapter_xl",
    "channels": [16, 32, 32, 32],
    "downscale_factor": 16,
}
BOX = {"gligen_phrases": ["a cat"], "gligen_boxes": [[0.1, 0.1, 0.6, 0.6]]}
LCM = {"unet": {"time_cond_proj_dim": 16}}
KL_4 = {name: KL[name][1:] for name in SIDES}
"""Of factor 4."""
SEEN = {"feature_extractor": {}, "image_encoder": {}}
CYCLE = {"source_prompt": "a dog", "num_inference_steps": 5}


def load_ip_adapter(pipe):
    """Weights of IP-Adapter's first kind: four tokens of the picture, keys and values of each."""
    rng = torch.Generator().manual_seed(2)
    width = pipe.unet.config.cross_attention_dim

    def drawn(*shape):
        return torch.randn(shape, generator=rng) * shape[-1] ** -0.5

    project = {"proj.weight": drawn(4 * width, WIDTH), "proj.bias": torch.zeros(4 * width)}
    project |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    names = [name for name in pipe.unet.attn_processors if "attn2" in name]
    layers = {}
    for number, name in enumerate(names):
        to_k = pipe.unet.get_submodule(name.removesuffix(".processor")).to_k
        for key in ("k", "v"):
            layers[f"{2 * number + 1}.to_{key}_ip.weight"] = drawn(*to_k.weight.shape)
    pipe.load_ip_adapter({"image_proj": project, "ip_adapter": layers}, "", "")


def ip_adapter(kind, parts=None):
    """A pipeline with an IP-Adapter loaded, and a reference picture."""
    given = {"ip_adapter_image": lambda: picture(seed=3)}
    return {f"{kind} (IP-Adapter)": Tiny(kind, {**SEEN, **(parts or {})}, given, load_ip_adapter)}


SD, SDXL = "StableDiffusion", "StableDiffusionXL"
TINY = {
    **rows({}, {}, f"{SD}Pipeline"),
    f"{SD}Pipeline (v-prediction)": Tiny(
        f"{SD}Pipeline",
        {"scheduler": {"prediction_type": "v_prediction"}, "text_encoder": {"hidden_act": "gelu"}},
    ),
    **rows(XL, {}, f"{SDXL}Pipeline"),
    **rows({}, {}, f"{SD}Img2ImgPipeline", f"{SD}InpaintPipeline"),
    f"{SD}InpaintPipeline (9 channels)": Tiny(f"{SD}InpaintPipeline", {"unet": {"in_channels": 9}}),
    **rows(XL, {}, f"{SDXL}Img2ImgPipeline", f"{SDXL}InpaintPipeline"),
    **rows(
        {},
        {},
        f"{SD}ControlNetPipeline",
        f"{SD}ControlNetImg2ImgPipeline",
        f"{SD}ControlNetInpaintPipeline",
        f"{SD}ControlNetPAGPipeline",
        f"{SD}ControlNetPAGInpaintPipeline",
    ),
    **rows(
        {**XL, "controlnet": {**XL_UNET}},
        {},
        f"{SDXL}ControlNetPipeline",
        f"{SDXL}ControlNetImg2ImgPipeline",
        f"{SDXL}ControlNetInpaintPipeline",
        f"{SDXL}ControlNetPAGPipeline",
        f"{SDXL}ControlNetPAGImg2ImgPipeline",
    ),
    **rows(
        {**XL, "controlnet": UNION},
        {"control_mode": 0},
        f"{SDXL}ControlNetUnionPipeline",
        f"{SDXL}ControlNetUnionImg2ImgPipeline",
        f"{SDXL}ControlNetUnionInpaintPipeline",
    ),
    **rows({"unet": {"layers_per_block": 2}}, {}, f"{SD}ControlNetXSPipeline"),
    **rows(XS_XL, {}, f"{SDXL}ControlNetXSPipeline"),
    **rows({}, {}, f"{SD}AdapterPipeline"),
    **rows({**XL, "adapter": XL_ADAPTER}, {}, f"{SDXL}AdapterPipeline"),
    **ip_adapter(f"{SD}Pipeline"),
    **ip_adapter(f"{SDXL}Pipeline", XL),
    **rows({}, {}, f"{SD}PAGPipeline", f"{SD}PAGImg2ImgPipeline", f"{SD}PAGInpaintPipeline"),
    **rows(XL, {}, f"{SDXL}PAGPipeline", f"{SDXL}PAGImg2ImgPipeline", f"{SDXL}PAGInpaintPipeline"),
    **rows({"unet": {"in_channels": 8}}, {}, f"{SD}InstructPix2PixPipeline"),
    **rows({**XL, "unet": {**XL["unet"], "in_channels": 8}}, {}, f"{SDXL}InstructPix2PixPipeline"),
    **rows({"unet": {"in_channels": 5}}, {}, f"{SD}Depth2ImgPipeline"),
    **rows({**SEEN}, {}, f"{SD}ImageVariationPipeline"),
    **rows(
        {"unet": {"in_channels": 7, "num_class_embeds": 1000}, "vae": KL_4},
        {"image": lambda: picture(16)},
        f"{SD}UpscalePipeline",
    ),
    **rows(
        {"unet": {"in_channels": 8, "out_channels": 5, "time_cond_proj_dim": 128 + WIDTH}},
        {"image": picture},
        f"{SD}LatentUpscalePipeline",
    ),
    **rows(LCM, {}, "LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline"),
    **rows({}, CYCLE, "CycleDiffusionPipeline"),
    **rows({}, {}, f"{SD}PanoramaPipeline", f"{SD}SAGPipeline", "SemanticStableDiffusionPipeline"),
    **rows({}, {}, f"{SD}ModelEditingPipeline"),
    **rows({"unet": {"attention_type": "gated"}}, BOX, f"{SD}GLIGENPipeline"),
    **rows({"scheduler": "DDIMParallelScheduler"}, {}, f"{SD}ParadigmsPipeline"),
    **rows({}, {"token_indices": [2], "attn_res": (8, 8)}, f"{SD}AttendAndExcitePipeline"),
    **rows(
        {"vae": {"in_channels": 6, "out_channels": 6}}, {"output_type": "np"}, f"{SD}LDM3DPipeline"
    ),
}
