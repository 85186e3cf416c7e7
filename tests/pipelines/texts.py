"""Tokenizers of bytes and letters, and the processors of pictures beside them."""

import functools

WORDS = 1024
"""Size of every text encoder's vocabulary; the tokenizers have fewer entries."""
CHAT = (
    "{% for m in messages %}<|im_start|>{{m['role']}}\n"
    "{% if m['content'] is string %}{{m['content']}}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{c['text']}}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
MARKS += ["<|image_pad|>", "<|video_pad|>"]


def letters():
    """Every byte as the character that GPT-2's tokenizers write it as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
    return [names[byte] for byte in range(256)]


def pieces():
    """Entries of a SentencePiece vocabulary: the marks, the space and ASCII."""
    marks = [(mark, 0.0) for mark in ("<pad>", "</s>", "<unk>")]
    return [*marks, ("\u2581", -2.0), *((chr(c), -3.0) for c in range(33, 127))]


def clip_tokenizer():
    from transformers import CLIPTokenizer

    words = [*letters(), *(f"{c}</w>" for c in letters())]
    merges = [("t", "h"), ("th", "e</w>"), ("a", "t</w>"), ("c", "at</w>")]
    words += [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: n for n, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def t5_tokenizer():
    from transformers import T5Tokenizer

    return T5Tokenizer(vocab=pieces(), extra_ids=0, model_max_length=77)


def byt5_tokenizer():
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer(model_max_length=77)


def gemma_tokenizer():
    from transformers import GemmaTokenizer

    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    words += [f"<0x{n:02X}>" for n in range(256)] + ["\u2581"] + [chr(c) for c in range(33, 127)]
    return GemmaTokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[])


def llama_tokenizer():
    from transformers import LlamaTokenizer

    words = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "\u2581"]
    words += [chr(c) for c in range(33, 127)]
    tokenizer = LlamaTokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[])
    tokenizer.pad_token = "</s>"
    return tokenizer


def bert_tokenizer():
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [mark + chr(c) for mark in ("", "##") for c in range(33, 127)]
    return BertTokenizer(vocab={w: n for n, w in enumerate(words)}, model_max_length=77)


def roberta_tokenizer():
    from transformers import XLMRobertaTokenizer

    vocabulary = [("<s>", 0.0), *pieces(), ("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=vocabulary, model_max_length=77)


def chatglm_tokenizer():
    """Kolors', of a SentencePiece model that is trained on a few words."""
    import io
    import tempfile

    from diffusers.pipelines.kolors.tokenizer import ChatGLMTokenizer
    from sentencepiece import SentencePieceTrainer

    model, words = io.BytesIO(), ["a cat", "a dog", "the house of a cat", "faces"] * 8
    SentencePieceTrainer.train(
        sentence_iterator=iter(words),
        model_writer=model,
        vocab_size=300,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with tempfile.NamedTemporaryFile(suffix=".model") as file:
        file.write(model.getvalue())
        file.flush()
        return ChatGLMTokenizer(file.name)


def qwen_tokenizer():
    from transformers import Qwen2Tokenizer

    words = [*letters(), MARKS[0]]
    tokenizer = Qwen2Tokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": MARKS[1:]})
    tokenizer.chat_template = CHAT
    return tokenizer


@functools.cache
def token(mark):
    """The number of one of Qwen's marks."""
    return qwen_tokenizer().convert_tokens_to_ids(mark)


def clip_pictures():
    from transformers import CLIPImageProcessorPil

    size = {"height": 32, "width": 32}
    return CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)


def siglip_pictures():
    from transformers import SiglipImageProcessorPil

    return SiglipImageProcessorPil(size={"height": 32, "width": 32})


def siglip2_pictures():
    from transformers import Siglip2ImageProcessorPil

    return Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)


def dpt_pictures():
    from transformers import DPTImageProcessorPil

    return DPTImageProcessorPil(size={"height": 32, "width": 32})


@functools.cache
def unchecked(kind):
    """A processor's class without its check of parts: that of videos needs torchvision."""
    import transformers

    skip = {"check_argument_for_proper_class": lambda *_: None}
    return type(kind, (getattr(transformers, kind),), skip)


def qwen_vl_processor(kind="Qwen2VLProcessor", patch=14):
    """Text and pictures of 56 pixels and fewer as Qwen's vision models take them."""
    from transformers import Qwen2VLImageProcessorPil

    size = {"shortest_edge": 4 * patch * patch, "longest_edge": 16 * patch * patch}
    pictures = Qwen2VLImageProcessorPil(patch_size=patch, size=size)
    return unchecked(kind)(pictures, qwen_tokenizer(), None, chat_template=CHAT)
