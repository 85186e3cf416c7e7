"""The judge of 3D objects: what it is asked, and that its readers tell what can be told."""

import doctest

import torch

from dreamsampler.generators.field.camera import VIEWS
from training.data.captions import article
from training.data.catalog import COLORS
from training.data.objects import sample
from training.evaluation import objects as objects_judge
from training.evaluation.objects import THINGS, TOYS, Reader, prompts, rendered, targets, thing_of


def test_examples_run():
    assert doctest.testmod(objects_judge).failed == 0


def test_every_thing_that_is_drawn_has_a_name():
    seen = {thing_of(sample(seed)[2]["words"]) for seed in range(500)}
    assert seen == set(THINGS)


def test_targets_are_those_of_the_label():
    for seed in range(60):
        label = sample(seed)[2]
        thing, color, view = targets(label)
        words = label["words"]
        assert color == -1 or words.startswith(list(COLORS)[color] + " ")
        assert (view >= 0) == (THINGS[thing] in TOYS)
        assert view == -1 or VIEWS[view] == label["view"]


def test_prompts_ask_what_they_say():
    texts, wanted = prompts()
    assert len(set(texts)) == len(texts) == len(wanted) == 80
    for text, (thing, color, view) in zip(texts, wanted.tolist(), strict=True):
        assert text.startswith(f"{article(list(COLORS)[color])} {THINGS[thing]}, ")
        assert text.endswith("3d render" if view < 0 else VIEWS[view])


def test_softmax_regression_separates_what_is_separable(rng):
    x = torch.randn(90, 5, generator=rng)
    wanted = x[:, :3].argmax(1)
    wanted[:10] = -1  # not asked
    head = Reader.fit(x, wanted, 3, 1e-4)
    assert (head(x[10:]).argmax(1) == wanted[10:]).float().mean() > 0.97


def test_readers_read_other_renderings_far_better_than_chance():
    """A few renderings are enough for colors; the figures of record come from 2,000."""
    reader = Reader(*rendered(10**8, 90))
    thing, color, _ = reader.accuracy(*rendered(0, 40))
    assert thing > 25 and color > 55  # chance: 6 and 10
