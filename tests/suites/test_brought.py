"""Metrics with a network of the user's own: read from folders, here of random weights."""

import shutil

import pytest
import torch
from tiny import TINY

from benchmarks.metrics import clip_score, dino_structure
from dreamsampler.files import InputError


@pytest.fixture
def clip(tmp_path):
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    shutil.copytree(TINY / "tokenizer", tmp_path / "clip")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small["num_attention_heads"] = 2
    text = CLIPTextConfig(**small, vocab_size=49408, projection_dim=8)
    vision = CLIPVisionConfig(**small, image_size=32, patch_size=16, projection_dim=8)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def dino(tmp_path):
    from transformers import ViTConfig, ViTModel

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    config = ViTConfig(**small, num_attention_heads=2, image_size=224, patch_size=32)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "dino")
    return tmp_path / "dino"


def test_clip_scores_a_picture_and_a_prompt(clip):
    score = clip_score(clip)
    x, ground = torch.rand(3, 40, 60), torch.ones(1, 40, 60)
    found = score(x, x, ground, "a cat")
    assert 0 <= found <= 100 and found == score(x, 0 * x, ground, "a cat")


def test_structure_does_not_move_with_itself(dino):
    distance = dino_structure(dino)
    x, ground = torch.rand(3, 40, 60), torch.ones(1, 40, 60)
    assert distance(x, x, ground, "") == 0
    assert distance(1 - x, x, ground, "") > 0


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no config.json"):
        clip_score(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is no CLIP model that can be read"):
        clip_score(tmp_path)
