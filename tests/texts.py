"""Tokenizers of bytes and letters, and text encoders of two layers, for the tiny families."""


def letters():
    """Every byte as the character that GPT-2's tokenizers write it as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
    return [names[byte] for byte in range(256)]


def clip_tokenizer():
    from transformers import CLIPTokenizer

    words = [*letters(), *(f"{c}</w>" for c in letters())]
    merges = [("t", "h"), ("th", "e</w>"), ("a", "t</w>"), ("c", "at</w>")]
    words += [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: n for n, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def t5_tokenizer():
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(chr(c), -3.0) for c in range(33, 127)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=77)


def gemma_tokenizer():
    from transformers import GemmaTokenizer

    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    words += [f"<0x{n:02X}>" for n in range(256)] + ["\u2581"] + [chr(c) for c in range(33, 127)]
    return GemmaTokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[])


def qwen_tokenizer():
    from transformers import Qwen2Tokenizer

    words = [*letters(), "<|endoftext|>"]
    tokenizer = Qwen2Tokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{m['role']}}\n{{m['content']}}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


def clip(tokenizer, projected=False, act="quick_gelu", width=32):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=32,
        hidden_act=act,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def t5(tokenizer, width=32):
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=8,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
        )
    )


def gemma(tokenizer):
    from transformers import Gemma2Config, Gemma2Model

    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    return Gemma2Model(config)


def qwen_vl(tokenizer):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    last = len(tokenizer) - 1
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6}
    small = {"hidden_size": 16, "intermediate_size": 16}
    text = {
        **small,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {**rope, "type": "default"},
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 512,
    }
    names = ("vision_end", "vision_start", "vision", "image", "video")
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config={**small, "depth": 1, "num_heads": 2, "out_hidden_size": 16},
        **{f"{name}_token_id": last for name in names},
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def qwen(tokenizer):
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        head_dim=8,
    )
    return Qwen3Model(config)
