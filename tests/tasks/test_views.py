"""Views as their cameras see them: stored pixels, without the lens, with what counts."""

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.generators.field import Lens, Shot
from dreamsampler.images.header import check_picture
from dreamsampler.tasks.reconstruct.views import open_view

EYE = tuple(map(tuple, np.eye(4).tolist()))
COLORS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
FOCAL = (("fl_x", 20.0),)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_turns_are_not_applied(tmp_path, turn, suffix):
    exif, path = Image.Exif(), tmp_path / f"a.{suffix}"
    exif[0x112] = turn
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(COLORS).save(path, exif=exif, **options)
    assert check_picture(path, upright=False) == (16, 24)
    picture, _ = open_view(Shot(path, EYE, FOCAL, "a"))
    assert (255 * picture.rgb.permute(1, 2, 0)).round().byte().numpy().tolist() == COLORS.tolist()


def test_masks_and_alpha_go_with_the_picture(tmp_path):
    """A disk at the center stays a disk, larger by 1 / (1 + k1 r^2); hidden colors do not bleed."""
    y, x = np.mgrid[:64, :64] + 0.5
    radius = np.hypot(x - 32, y - 32)
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[..., 1] = 255  # green, which is hidden outside
    picture[radius < 20] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(((radius < 16) * 255).astype(np.uint8)).save(tmp_path / "m.png")
    lens = Lens(coefficients=(("k1", -0.2),))
    shot = Shot(tmp_path / "a.png", EYE, (("fl_x", 40.0),), "a", mask=tmp_path / "m.png", lens=lens)
    seen, known = open_view(shot)
    assert shot.camera((64, 64)).focal == (40, 40)
    assert seen.alpha is not None

    def undone(r):  # of 20 / 40: x - 0.2 x^3 = r
        return min(z.real for z in np.roots([-0.2, 0, 1, -r / 40]) if z.real > 0) * 40

    for shown, edge in ((seen.alpha[0].numpy(), undone(20)), (known[0].numpy(), undone(16))):
        assert np.all(shown[radius < edge - 2] > 0.9999)
        assert np.all(shown[radius > edge + 2] < 1e-6)
    shows = seen.alpha[0] > 0
    torch.testing.assert_close(seen.rgb[1][shows], torch.zeros(int(shows.sum())), rtol=0, atol=1e-5)
    assert known.unique().tolist() == [0, 1]


def test_a_pinhole_is_not_resampled(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    seen, known = open_view(Shot(tmp_path / "a.png", EYE, FOCAL, "a"))
    assert (255 * seen.rgb).round().sum() == COLORS.sum() and bool(known.all())
