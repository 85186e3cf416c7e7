"""Families of one to three pipelines, in latents and in pixels: what is special about each."""

from .build import SIZE, Tiny, picture, rows, small_references
from .encoders import DEEP, WIDTH
from .networks import FLUX_KL

NO_BINS = {"use_resolution_binning": False}
HIDREAM = {
    "vae": FLUX_KL,
    "text_encoder": {"max_position_embeddings": 128},
    "text_encoder_2": {"max_position_embeddings": 128},
}
IDEOGRAM = {"text_encoder": ("Qwen3VLModel", {"text_config": DEEP})}
PAG = {"pag_applied_layers": ["blocks.1"]}
COGVIEW = {"vae": {"latent_channels": 16}, "tokenizer": "BertTokenizer"}
HUNYUAN = {"text_encoder_2": {}, "tokenizer_2": {}}
REFINED = {
    "in_channels": 16,
    "out_channels": 8,
    "text_embed_2_dim": None,
    "patch_size": (1, 1, 1),
    "rope_axes_dim": (8, 4, 4),
}
FIBO = {
    "text_encoder": {"vocab_size": 128002},  # its call begins texts with number 128000
    "vae": {"dim_mult": [1, 1, 1, 2, 2], "temperal_downsample": [False, True, True, True]},
}
INSTRUCTION = '{"edit_instruction": "a cat"}'
IF = {
    "in_channels": 3,
    "out_channels": 6,
    "sample_size": 32,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "text_proj",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 2,
}
IF_UPSCALE = {"unet": {**IF, "in_channels": 6, "class_embed_type": "timestep"}}
IF_SIZE = {"height": 32, "width": 32}
SMALL = {**IF_SIZE, "image": lambda: picture(16)}


def few_layers(pipe):
    """FIBO 2 reads 18 layers of its text encoder; here three of a tiny one."""
    pipe.text_encoder_out_layers = ((0, 1, 2),) * 2


def small_area(pipe):
    """HiDream scales every size to its default area."""
    pipe.default_sample_size = SIZE // 8


def small_buckets(pipe):
    """JoyImage's editor chooses among sizes of a megapixel; here there is one."""
    from diffusers.pipelines.joyimage import image_processor

    image_processor.BUCKETS[SIZE] = [(SIZE, SIZE)]
    processor = getattr(pipe, "vae_image_processor", None) or pipe.image_processor
    processor.register_to_config(basesize=SIZE)


TINY = {
    **rows({"tokenizer": "T5Tokenizer"}, {}, "LuminaPipeline"),
    **rows({"vae": FLUX_KL}, {}, "Lumina2Pipeline"),
    "HiDreamImagePipeline": Tiny("HiDreamImagePipeline", HIDREAM, {}, small_area),
    **rows({}, {}, "AuraFlowPipeline"),
    **rows({"vae": {"latent_channels": 16}}, {}, "CogView3PlusPipeline"),
    **rows(COGVIEW, {}, "CogView4Pipeline"),
    **rows({**COGVIEW, "transformer": {"in_channels": 32}}, {}, "CogView4ControlPipeline"),
    **rows(HUNYUAN, NO_BINS, "HunyuanDiTPipeline", "HunyuanDiTControlNetPipeline"),
    **rows({**HUNYUAN, **PAG}, NO_BINS, "HunyuanDiTPAGPipeline"),
    **rows({}, {}, "HunyuanImagePipeline"),
    **rows({"transformer": REFINED}, {}, "HunyuanImageRefinerPipeline"),
    **rows({"text_encoder_select_layers": [0, 1]}, {}, "Krea2Pipeline"),
    **rows({}, {}, "ErnieImagePipeline"),
    **rows(IDEOGRAM, {"guidance_schedule": (7.0, 7.0, 3.0)}, "Ideogram4Pipeline"),
    **rows({"vae": FLUX_KL}, {}, "BriaPipeline"),
    **rows(FIBO, {}, "BriaFiboPipeline"),
    **rows(FIBO, {"prompt": INSTRUCTION, "_auto_resize": False}, "BriaFiboEditPipeline"),
    "BriaFibo2Pipeline": Tiny("BriaFibo2Pipeline", prepare=few_layers),
    **rows({"vae": FLUX_KL}, {"enable_prompt_rewrite": False}, "LongCatImagePipeline"),
    "LongCatImageEditPipeline": Tiny(
        "LongCatImageEditPipeline", {"vae": FLUX_KL}, {}, small_references
    ),
    **rows({"vae": FLUX_KL}, {}, "OvisImagePipeline"),
    **rows({"transformer": {"in_channels": 3}}, NO_BINS, "PRXPixelPipeline"),
    **rows({"vae": FLUX_KL, "transformer": {"in_channels": 16}}, NO_BINS, "PRXPipeline"),
    "JoyImageEditPipeline": Tiny("JoyImageEditPipeline", prepare=small_buckets),
    "JoyImageEditPlusPipeline": Tiny(
        "JoyImageEditPlusPipeline", {}, {"images": lambda: [picture()]}, small_buckets
    ),
    **rows({}, {}, "DreamLitePipeline", "DreamLiteMobilePipeline"),
    **rows({}, {"return_index": -1}, "NucleusMoEImagePipeline"),
    **rows({}, {"output_resolution": SIZE}, "QwenImage21Pipeline"),
    **rows({"unet": IF}, IF_SIZE, "IFPipeline"),
    **rows({"unet": IF}, {}, "IFImg2ImgPipeline", "IFInpaintingPipeline"),
    **rows(IF_UPSCALE, SMALL, "IFSuperResolutionPipeline"),
    **rows(
        IF_UPSCALE,
        {"image": lambda: picture(16), "original_image": picture},
        "IFImg2ImgSuperResolutionPipeline",
        "IFInpaintingSuperResolutionPipeline",
    ),
    **rows({}, {}, "DDPMPipeline", "DDIMPipeline", "ConsistencyModelPipeline"),
    **rows({}, {"num_inference_steps": 4}, "PNDMPipeline"),
    **rows({}, {"class_labels": [1]}, "DiTPipeline"),
}
