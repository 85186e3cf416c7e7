"""Control pictures lie where the picture lies in the model, whatever its size and margins."""

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.crop import Window
from dreamsampler.images.fit import Fit
from dreamsampler.tasks.controls import reader


class Asked:
    """A model under a control picture, which returns what it is asked."""

    def __init__(self, **controls):
        self.controls = controls

    def condition(self, prompt, **call):
        return call


def smooth(width, height):
    """A picture whose every pixel is another, as Pillow's and as a tensor."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    pixels = (255 * np.stack([x, y, (x + y) / 2], -1)).round().astype(np.uint8)
    return Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


def placed(value, fit, size_hw, window=None):
    call = reader(Asked(control_image=value), fit, size_hw, window)("a cat")
    pixels = torch.from_numpy(np.array(call["control_image"])).permute(2, 0, 1)[None]
    return pixels / 255


FIT = Fit((75, 100), (60, 80), (64, 96))


@pytest.mark.parametrize("share", [1, 2, 0.5])
def test_a_control_picture_gets_the_margins_of_the_picture(share):
    """The picture itself as its own control picture is what the model sees, at any resolution."""
    own = (FIT.down(smooth(100, 75)[1]) + 1) / 2
    control, _ = smooth(round(100 * share), round(75 * share))
    found = placed(control, FIT, (75, 100))
    assert found.shape == own.shape
    assert (found - own).abs().max() <= (1 if share == 1 else 6) / 255


def test_a_control_picture_is_cut_to_the_window():
    control, x = smooth(100, 75)
    window, fit = Window(5, 30, 40, 48), Fit((40, 48), (40, 48), (48, 48))
    own = (fit.down(window.cut(x)) + 1) / 2
    assert (placed(control, fit, (75, 100), window) - own).abs().max() <= 1 / 255


def test_one_of_other_proportions_is_refused():
    with pytest.raises(InputError) as caught:
        placed(smooth(80, 80)[0], FIT, (75, 100))
    line = "control_image is 80x80 pixels, but the picture 100x75: pass one of the same proportions"
    assert str(caught.value) == line


def test_several_and_others_than_pictures():
    picture, tensor = smooth(100, 75)[0], torch.zeros(1, 3, 64, 96)
    call = reader(Asked(image=[picture, picture], other=tensor), FIT, (75, 100))("a cat")
    assert [each.size for each in call["image"]] == [(96, 64)] * 2
    assert call["other"] is tensor
    model = Asked()
    assert reader(model, FIT, (75, 100)) == model.condition
