"""A model whose own size is 64 pixels: attention over 4,096 cells is most of a run's time."""

import shutil

import pytest
from tiny import TINY, edit_json


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Folder of the tiny model, its own size an eighth."""
    folder = tmp_path_factory.mktemp("model") / "small"
    shutil.copytree(TINY, folder)
    edit_json(folder / "unet" / "config.json", sample_size=8)
    return folder
