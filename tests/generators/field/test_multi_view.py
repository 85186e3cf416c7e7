import pytest
import torch

from dreamsampler.generators import GeneratorVariable, Variable
from dreamsampler.generators.field import Camera, Grid, MultiViewField


def cameras(count=3, size=(6, 6)):
    return [Camera.orbit(100 * i, 20, 4.0, size=size) for i in range(count)]


def shrink(x):
    """A code that loses something: the means of 2 x 2 pixels, times 3."""
    return 3 * torch.nn.functional.avg_pool2d(x, 2)


def grow(z):
    return torch.nn.functional.interpolate(z / 3, scale_factor=2.0)


def film(
    *,
    grid=None,
    count=3,
    views=3,
    update_steps=2,
    beta=0.7,
    energy=None,
    decode=None,
    measured=None,
):
    def nothing(rows, pictures):
        return 0 * pictures.sum()

    grid = Grid((4, 4, 4)) if grid is None else grid
    return MultiViewField(
        grid,
        cameras(count),
        shrink,
        energy or nothing,
        beta=beta,
        update_steps=update_steps,
        views=views,
        rng=torch.Generator().manual_seed(0),
        decode=decode,
        measured=measured,
    )


def test_it_is_a_subject():
    assert isinstance(film(), Variable)
    latent = film().latent()
    assert latent.shape == (3, 3, 3, 3) and not latent.requires_grad


class Views(torch.nn.Module):
    def __init__(self, film):
        super().__init__()
        self.grid, self.film = film.grid, film

    def forward(self):
        return self.film.pictures()


def test_all_views_at_once_are_a_generator_variable():
    """The same optimizer steps as `GeneratorVariable` takes, in float64."""
    one, other = (film(grid=Grid((4, 4, 4)).double()) for _ in range(2))
    for each in (one, other):
        each.set_everywhere(True)
    target = torch.linspace(-1, 1, 81, dtype=torch.float64).view(3, 3, 3, 3)
    scale = (0.7 / target.numel()) ** 0.5
    variable = GeneratorVariable(
        Views(other), other.optimizer, lambda x: scale * shrink(x), update_steps=2
    )
    one.latent()
    one.update(target)
    variable.update(scale * target)
    for name, value in one.grid.named_parameters():
        torch.testing.assert_close(value, dict(other.grid.named_parameters())[name])
        assert not torch.equal(value, dict(Grid((4, 4, 4)).double().named_parameters())[name])


@pytest.mark.parametrize("decode", [None, grow])
def test_a_pull_comes_nearer(decode):
    variable = film(update_steps=10, decode=decode)
    start = variable.latent()
    target = start - 0.5
    variable.update(target)
    assert (variable.latent() - target).norm() < 0.9 * (start - target).norm()


def test_a_pull_to_where_it_is_does_not_move_it():
    """What the code loses cancels: the aim in pictures is the last look itself."""
    aims = []
    variable = film(decode=grow)
    variable.step = aims.append
    variable.update(variable.latent())
    assert len(aims) == 2
    torch.testing.assert_close(aims[0], variable.pictures())


def test_without_beta_there_is_only_the_energy():
    def darker(rows, pictures):
        return (pictures**2).mean()

    one, other = (film(beta=0.0, update_steps=3, energy=darker) for _ in range(2))
    one.latent()
    one.update(torch.full((3, 3, 3, 3), 5.0))
    for _ in range(3):
        other.step()
    assert torch.equal(one.grid.raw_color, other.grid.raw_color)


def test_every_camera_has_its_turn_before_the_next_round():
    asked = []

    def listen(rows, pictures):
        asked.extend(rows)
        return 0 * pictures.sum()

    variable = film(count=5, views=2, energy=listen)
    for _ in range(10):
        variable.step()
    rounds = [asked[i : i + 5] for i in range(0, 20, 5)]
    assert all(sorted(each) == [0, 1, 2, 3, 4] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


def test_cameras_without_data_take_their_turn_where_there_is_a_target():
    asked = []

    def listen(rows, pictures):
        asked.extend(rows)
        return 0 * pictures.sum()

    variable = film(count=5, views=2, energy=listen, measured=3, update_steps=10)
    for _ in range(6):
        variable.step()
    assert sorted(set(asked)) == [0, 1, 2]
    asked.clear()
    variable.update(variable.latent())
    assert sorted(set(asked)) == [0, 1, 2, 3, 4]


def test_a_finer_grid_is_adopted():
    variable = film()
    variable.set_everywhere(True)
    before = variable.pictures()
    variable.set_grid(variable.grid.resampled((7, 7, 7)), everywhere=True)
    torch.testing.assert_close(variable.pictures(), before, atol=1e-4, rtol=0)
    variable.step()
    assert variable.grid.size == (7, 7, 7)


@pytest.mark.parametrize("options", [{"count": 0}, {"update_steps": 0}, {"views": 0}])
def test_no_cameras_or_steps_are_refused(options):
    with pytest.raises(ValueError, match="at least one of each"):
        film(**options)


def test_cameras_of_several_sizes_are_refused():
    two = [*cameras(1), *cameras(1, size=(4, 6))]
    with pytest.raises(ValueError, match="differ in size"):
        MultiViewField(
            Grid((4, 4, 4)),
            two,
            shrink,
            lambda rows, x: x.sum(),
            beta=1.0,
            update_steps=1,
            views=1,
            rng=torch.Generator(),
        )
