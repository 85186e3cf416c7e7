"""Options of text and picture encoders of two layers and 32 channels, by class of transformers."""

from .texts import WORDS, token

WIDTH = 32
"""Channels of every encoder, and so of what every denoiser attends to."""
SMALL = {
    "vocab_size": WORDS,
    "hidden_size": WIDTH,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
HEADS = {**SMALL, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 2048}
CLIP_TEXT = {
    **SMALL,
    "max_position_embeddings": 77,
    "projection_dim": WIDTH,
    "hidden_act": "quick_gelu",
    "bos_token_id": 516,
    "eos_token_id": 517,
    "pad_token_id": 517,
}
PICTURES = {
    **{k: v for k, v in SMALL.items() if k != "vocab_size"},
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": WIDTH,
}
T5 = {
    "vocab_size": WORDS,
    "d_model": WIDTH,
    "d_kv": 8,
    "d_ff": 37,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "feed_forward_proj": "gated-gelu",
    "is_encoder_decoder": False,
}
GEMMA = {**HEADS, "num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}


def marks():
    """Numbers of the marks around pictures in Qwen's texts."""
    names = {"vision_start": "vision_start", "vision_end": "vision_end"}
    names |= {"image": "image_pad", "video": "video_pad"}
    return {f"{name}_token_id": token(f"<|{mark}|>") for name, mark in names.items()}


def qwen25_vl():
    vision = {"depth": 1, "hidden_size": WIDTH, "intermediate_size": 37, "num_heads": 2}
    vision |= {"out_hidden_size": WIDTH, "patch_size": 14, "fullatt_block_indexes": [0]}
    text = {**HEADS, "rope_parameters": ROPE}
    return {"text_config": text, "vision_config": vision, **marks()}


INTERLEAVED = {**HEADS, "rope_parameters": {**ROPE, "mrope_interleaved": True}}
DEEP = {**INTERLEAVED, "num_hidden_layers": 36}
"""For Ideogram 4, which reads 13 of 36 layers."""


def qwen3_vl():
    vision = {"depth": 2, "hidden_size": WIDTH, "intermediate_size": 37, "num_heads": 2}
    vision |= {"out_hidden_size": WIDTH, "patch_size": 14, "deepstack_visual_indexes": [0, 1]}
    return {"text_config": INTERLEAVED, "vision_config": vision, **marks()}


def mistral3():
    vision = {"image_size": 56, "patch_size": 14, "head_dim": 16, "model_type": "pixtral"}
    vision |= {k: v for k, v in SMALL.items() if k != "vocab_size"}
    text = {**HEADS, "model_type": "mistral"}
    ids = {"image_token_index": token("<|image_pad|>")}
    return {"text_config": text, "vision_config": vision, "spatial_merge_size": 1, **ids}


def t5_gemma():
    from transformers import T5GemmaConfig

    layers = {**GEMMA, "query_pre_attn_scalar": 16}
    return T5GemmaConfig(encoder=layers, decoder=layers).encoder


def example_encoder():
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(**PICTURES)


ENCODERS = {
    "MultilingualCLIP": {**SMALL, "transformerDimSize": WIDTH, "imageDimSize": WIDTH},
    "ChatGLMModel": {
        "num_layers": 2,
        "padded_vocab_size": WORDS,
        "hidden_size": WIDTH,
        "ffn_hidden_size": 37,
        "kv_channels": 16,
        "num_attention_heads": 2,
        "seq_length": 256,
        "multi_query_attention": True,
        "multi_query_group_num": 1,
        "add_bias_linear": False,
        "original_rope": True,
    },
    "PaintByExampleImageEncoder": example_encoder,
    "BertModel": {**SMALL, "max_position_embeddings": 77},
    "GlmModel": {**HEADS, "pad_token_id": 0},
    "SmolLM3ForCausalLM": {**HEADS, "pad_token_id": 0},
    "T5GemmaEncoder": t5_gemma,
    "Mistral3Model": mistral3,
    "Mistral3ForConditionalGeneration": mistral3,
    "Siglip2VisionModel": {**PICTURES, "num_patches": 64},
    "DPTForDepthEstimation": {
        **{k: v for k, v in PICTURES.items() if k != "projection_dim"},
        "num_hidden_layers": 4,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [8, 8, 16, 16],
        "fusion_hidden_size": 8,
    },
    "CLIPTextModel": CLIP_TEXT,
    "CLIPTextModelWithProjection": CLIP_TEXT,
    "CLIPVisionModelWithProjection": PICTURES,
    "SiglipVisionModel": PICTURES,
    "T5EncoderModel": T5,
    "UMT5EncoderModel": T5,
    "GemmaModel": GEMMA,
    "Gemma2Model": GEMMA,
    "Qwen3Model": HEADS,
    "Qwen3ForCausalLM": HEADS,
    "LlamaForCausalLM": HEADS,
    "Qwen2_5_VLForConditionalGeneration": qwen25_vl,
    "Qwen3VLForConditionalGeneration": qwen3_vl,
    "Qwen3VLModel": qwen3_vl,
}
