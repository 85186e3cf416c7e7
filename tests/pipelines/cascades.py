"""Kandinsky, Stable Cascade, Kolors, and pipelines conditioned on embeddings or on examples."""

import torch

from .build import SIZE, Tiny, picture, rows
from .encoders import WIDTH
from .networks import FLUX_KL
from .schedulers import DYNAMIC
from .stable_diffusion import XL_UNET


def embedding(seed, *shape):
    """An embedding of a picture, as a prior network makes it."""
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(1, *(shape or (WIDTH,)), generator=rng.manual_seed(seed))


EMBEDS = {"image_embeds": embedding(7), "negative_image_embeds": embedding(8)}
HINT = {**EMBEDS, "hint": lambda: embedding(9, 3, SIZE, SIZE)()}
K21 = {
    "out_channels": 8,
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "text_image_proj",
    "addition_embed_type": "text_image",
}
K22 = {**K21, "encoder_hid_dim_type": "image_proj", "addition_embed_type": "image"}
K22_HINT = {"unet": {**K22, "in_channels": 8, "addition_embed_type": "image_hint"}}
CASCADE = {
    "decoder": {"in_channels": 4, "out_channels": 4, "patch_size": 2, "effnet_in_channels": 4},
}
KOLORS = {
    "unet": {
        **XL_UNET,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "encoder_hid_dim": WIDTH,
        "encoder_hid_dim_type": "text_proj",
    },
    "scheduler": "EulerDiscreteScheduler",
}
CLOZE = {
    "task_prompt": "a cat and a dog",
    "content_prompt": "a cat",
    "image": lambda: [[picture(), picture(seed=2)], [picture(seed=3), None]],
}


def small_cells(pipe):
    """VisualCloze scales the pictures of its grid to an area."""
    pipe.image_processor.resolution = SIZE


def one_size(pipe):
    """Kandinsky 5 takes seven sizes of a megapixel; here one more."""
    pipe.resolutions = [(SIZE, SIZE)]


TINY = {
    **rows({"unet": K21}, EMBEDS, "KandinskyPipeline", "KandinskyImg2ImgPipeline"),
    **rows({"unet": {**K21, "in_channels": 9}}, EMBEDS, "KandinskyInpaintPipeline"),
    **rows({"unet": K22}, EMBEDS, "KandinskyV22Pipeline", "KandinskyV22Img2ImgPipeline"),
    **rows({"unet": {**K22, "in_channels": 9}}, EMBEDS, "KandinskyV22InpaintPipeline"),
    **rows(K22_HINT, HINT, "KandinskyV22ControlnetPipeline"),
    **rows(K22_HINT, HINT, "KandinskyV22ControlnetImg2ImgPipeline"),
    **rows({}, {}, "Kandinsky3Pipeline", "Kandinsky3Img2ImgPipeline"),
    "Kandinsky5T2IPipeline": Tiny("Kandinsky5T2IPipeline", {"vae": FLUX_KL}, {}, one_size),
    "Kandinsky5I2IPipeline": Tiny(
        "Kandinsky5I2IPipeline",
        {"vae": FLUX_KL, "transformer": {"visual_cond": True}},
        {},
        one_size,
    ),
    **rows(CASCADE, {"image_embeddings": embedding(7, 4, 4, 4)}, "StableCascadeDecoderPipeline"),
    **rows({}, {"image_embeddings": embedding(7, 4, 3, 3)}, "WuerstchenDecoderPipeline"),
    **rows(KOLORS, {}, "KolorsPipeline", "KolorsImg2ImgPipeline", "KolorsPAGPipeline"),
    "VisualClozeGenerationPipeline": Tiny(
        "VisualClozeGenerationPipeline",
        {
            "vae": FLUX_KL,
            "scheduler": DYNAMIC,
            "transformer": {"in_channels": 384, "out_channels": 64},
        },
        CLOZE,
        small_cells,
    ),
    **rows(
        {
            "unet": {
                "class_embed_type": "projection",
                "projection_class_embeddings_input_dim": 2 * WIDTH,
            }
        },
        {},
        "StableUnCLIPImg2ImgPipeline",
    ),
    **rows({"unet": {"in_channels": 9}}, {"example_image": picture}, "PaintByExamplePipeline"),
    **rows({"unet": {"sample_size": 8, "in_channels": 4, "out_channels": 4}}, {}, "LDMPipeline"),
}
