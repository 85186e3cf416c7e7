"""Descriptions of operators, as text and as objects."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instances import INSTANCES
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.operators import (
    ColorMatrix,
    Description,
    Downsample,
    GaussianBlur,
    Grey,
    Jpeg,
    KernelBlur,
    LinearComposition,
    Mask,
    MotionBlur,
    as_description,
    compose,
    guess_parameters,
    input_size,
    is_linear,
    measured,
    parse,
)
from dreamsampler.operators.registry import OPERATORS

NUMBER = st.floats(0.01, 900, allow_nan=False)
TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12)
WORDS = {
    "blur(sigma=2) | downsample(4)": "blur(sigma=2) | downsample(factor=4)",
    "blur( 2.50 )|grey": "blur(sigma=2.5) | grey",
    "gray": "grey",
    "grey()": "grey",
    "none": "none",
    "identity | blur(?)": "blur(sigma=?)",
    "blur(2, reflect)": "blur(sigma=2)",
    "blur(boundary=zero, sigma=2)": "blur(sigma=2, boundary=zero)",
    "kernel('a b.png')": "kernel(path='a b.png')",
    "kernel('it''s.npy', circular)": "kernel(path='it''s.npy', boundary=circular)",
    'mask("x,y|(z).png")': "mask(path='x,y|(z).png')",
    "mask('2')": "mask(path='2')",
    "color_matrix(1 0 0, 0 1 0, 0 0 .5)": "color_matrix(red=1 0 0, green=0 1 0, blue=0 0 0.5)",
    "jpeg(30, subsampling=4:4:4)": "jpeg(quality=30, subsampling=4:4:4)",
    "motion_blur(9, angle=-30)": "motion_blur(length=9, angle=-30)",
    "downsample(factor=2,method=area)": "downsample(factor=2, method=area)",
}


def test_a_description_is_written_as_it_is_read():
    for text, written in WORDS.items():
        assert str(parse(text)) == written
        assert parse(written) == parse(text)


def test_a_path_that_reads_as_a_number_is_quoted():
    for path in ("NAN", "-inf", "1e5", "1_0", "+2", "٣", "\u2003", "a\u2003"):
        one = parse(f"mask('{path}')")
        assert dict(one.steps[0].values)["path"] == path
        assert parse(str(one)) == one


@settings(max_examples=40)
@given(NUMBER, NUMBER, st.floats(-400, 400), st.integers(1, 64), st.integers(1, 100), TEXT)
def test_every_number_and_every_path_comes_back(sigma, length, angle, factor, quality, path):
    quoted = "'" + path.replace("'", "''") + "'"
    text = (
        f"blur({sigma!r}) | motion_blur({length!r}, {angle!r}) | kernel({quoted}) | "
        f"downsample({factor}) | jpeg({quality})"
    )
    one = parse(text)
    assert parse(str(one)) == one
    values = {name: value for step in one.steps for name, value in step.values}
    assert (values["sigma"], values["length"], values["angle"]) == (sigma, length, angle)
    assert (values["factor"], values["quality"], values["path"]) == (factor, quality, path)


WRONG = {
    "": "operator is empty",
    " ": "operator is empty",
    "blr(2)": "no operator 'blr': did you mean blur?",
    "jpg(30)": "did you mean jpeg?",
    "Blur(2)": "did you mean blur?",
    "__import__('os').system('x')": "cannot be read",
    "blur": "blur needs sigma",
    "blur()": "blur needs sigma",
    "blur(-1)": "sigma of blur is -1, but must be above 0",
    "blur(0)": "sigma of blur is 0, but must be above 0",
    "blur(1e9)": "at most 1000",
    "blur(sgima=2)": "no argument 'sgima': did you mean sigma?",
    "mask(file=a.png)": "no argument 'file': its only argument is path",
    "grey(a=1)": "no argument 'a': it takes none",
    "blur(2, 3, 4)": "4 is one argument too many: blur takes sigma, boundary",
    "grey(2)": "grey takes no arguments",
    "none(2)": "none takes no arguments",
    "blur(2, mirror)": "one of reflect, circular, zero",
    "downsample(2, nearest)": "one of bicubic, area",
    "jpeg(50, 4:2:2)": "one of 4:2:0, 4:4:4",
    "blur(abc)": "sigma of blur is abc, but must be a number",
    "blur('2')": "must be a number",
    "blur(1 2 3)": "must be a number",
    "blur(0,5)": "a comma separates two values: for a decimal write 0.5",
    "blur(nan)": "no finite number",
    "blur(inf)": "no finite number",
    "blur(2": "a bracket has no partner",
    "blur)2(": "a bracket has no partner",
    "blur('2)": "the quote ' has no partner",
    "blur 2": "cannot be read",
    "blur(2) downsample(4)": "write |",
    "blur(2)|": "an empty place",
    "|": "an empty place",
    "blur(2,)": "an argument of blur is empty",
    "blur(sigma=)": "an argument of blur is empty",
    "blur(2, sigma=3)": "sigma of blur is given twice",
    "downsample(2.5)": "must be a whole number",
    "downsample(0)": "must be at least 1",
    "downsample(?)": "factor of downsample cannot be fitted",
    "kernel(?)": "path of kernel cannot be fitted",
    "kernel('')": "path of kernel is empty",
    "jpeg(101)": "at most 100",
    "motion_blur(0)": "must be above 0",
    "color_matrix(1 2, 3 4, 5 6)": "a row of three numbers",
    "color_matrix(1 0 0)": "color_matrix needs green",
}


def test_what_cannot_be_read_is_refused_in_one_line():
    for text, message in WRONG.items():
        with pytest.raises(ValueError) as caught:
            parse(text)
        assert message in str(caught.value) and "\n" not in str(caught.value)


@given(st.text("blur(sigma=2?)|, '.\"x3", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        one = parse(text)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert parse(str(one)) == one


def test_unknowns_are_counted_and_filled():
    one = parse("blur(?) | downsample(2) | motion_blur(length=?, angle=?) | jpeg(?)")
    assert one.unknown == ("sigma", "length", "angle", "quality")
    assert len(one.ranges) == 4
    assert one.whole == (False, False, False, True)
    assert all(low < high for low, high in one.ranges)
    blurs = "blur(sigma=1.5) | downsample(factor=2) | motion_blur(length=7, angle=20)"
    assert str(one.filled(1.5, 7, 20, 30.6)) == f"{blurs} | jpeg(quality=31)"
    with pytest.raises(ValueError, match="4 unknowns, but 1 numbers came"):
        one.filled(1.5)
    with pytest.raises(ValueError, match="sigma of blur is -1"):
        parse("blur(?)").filled(-1)
    with pytest.raises(ValueError, match="leaves sigma open"):
        parse("blur(?)").build()


def test_sizes_are_known_before_anything_is_built():
    assert parse("blur(2) | downsample(4) | downsample(2)").input_size((8, 5)) == (64, 40)
    assert parse("grey").input_size((8, 5)) == (8, 5)
    assert parse("blur(2) | downsample(4) | downsample(2)").measured_size((33, 16)) == (5, 2)
    assert parse("mask('a b.png') | kernel(c.npy)").inputs() == [Path("a b.png"), Path("c.npy")]


def test_what_is_described_is_what_is_built(tmp_path):
    np.save(tmp_path / "k.npy", np.ones((2, 3)))
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).save(tmp_path / "m.png")
    kernel, mask = tmp_path / "k.npy", tmp_path / "m.png"
    assert parse("blur(2, zero)").build() == GaussianBlur(2.0, "zero")
    assert parse("motion_blur(9, 20)").build() == MotionBlur(9.0, 20.0)
    assert parse("jpeg(30, 4:4:4)").build() == Jpeg(30, "4:4:4")
    assert parse("downsample(4, area)").build() == Downsample(4, "area")
    assert parse("downsample(4)").build((8, 12)) == Downsample(4)
    assert parse("downsample(4)").build((9, 12)) == Downsample(4, size=(9, 12))
    assert parse("grey").build() == Grey()
    assert parse("none").build() == LinearComposition(())
    blur = parse(f"kernel('{kernel}', circular)").build()
    assert isinstance(blur, KernelBlur)
    assert blur.boundary == "circular"
    torch.testing.assert_close(blur.kernel, torch.full((2, 3), 1 / 6, dtype=torch.float64))
    color = parse("color_matrix(1 2 3, 4 5 6, 7 8 9)").build()
    assert isinstance(color, ColorMatrix)
    assert color.matrix.flatten().tolist() == list(range(1, 10))
    lost = parse(f"mask('{mask}')").build((1, 2))
    assert isinstance(lost, Mask)
    assert lost.mask.tolist() == [[[[1.0, 0.0]]]]
    assert not is_linear(parse("blur(1) | jpeg(50)").build())


def test_a_mask_is_checked_where_it_stands_in_the_row(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.zeros((3, 2), dtype=np.uint8)).save(path)
    assert parse(f"downsample(4) | mask('{path}')").build((11, 8)).A(torch.ones(1, 3, 11, 8)).sum()
    with pytest.raises(ValueError, match=r"is 2x3 and the picture 8x12 \(width x height\)"):
        parse(f"mask('{path}') | downsample(4)").build((12, 8))
    with pytest.raises(InputError, match="no mask file"):
        parse("mask(missing.png)").build()


def test_every_operator_is_on_the_page_of_operators():
    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text(encoding="utf-8")
    for name, entry in OPERATORS.items():
        if not entry.operator.__module__.startswith("dreamsampler."):
            continue  # registered by an example
        row = re.search(rf"^\| `{name}(?:\((.*?)\))?` ", page, re.MULTILINE)
        assert row, f"docs/operators.md has no row of {name}"
        written = [part.partition("=") for part in (row[1] or "").split(", ") if part]
        if name != "color_matrix":  # its row shows three rows of numbers
            assert [key for key, _, _ in written] == [*entry.parameters]
            for key, equals, default in written:
                given = entry.parameters[key].default
                assert (given is ...) if not equals else str(given if given != 0 else 0) == default


class Halved:
    """Of another package: every second column, no more than A and its transpose."""

    def A(self, x):
        return x[..., ::2]

    def A_adjoint(self, y):
        return torch.stack([y, torch.zeros_like(y)], -1).flatten(-2)


class Squared:
    """Of another package, and not linear: a quarter of the pixels."""

    def A(self, x):
        return x[..., ::2, ::2] ** 2


NUMBERS = st.floats(0.05, 9)
EDGES = st.sampled_from(["reflect", "circular", "zero"])
OBJECTS = st.one_of(
    st.builds(GaussianBlur, NUMBERS | st.integers(1, 9), EDGES),
    st.builds(MotionBlur, NUMBERS, st.floats(-90, 90), EDGES),
    st.builds(Downsample, st.integers(1, 4), st.sampled_from(["bicubic", "area"])),
    st.builds(Jpeg, st.integers(1, 100), st.sampled_from(["4:2:0", "4:4:4"])),
    st.just(INSTANCES[ColorMatrix]),
    st.just(LinearComposition(())),
)


@settings(max_examples=60)
@given(st.lists(OBJECTS, max_size=3))
def test_an_object_is_described_by_the_text_that_builds_it(ops):
    op = compose(*ops, *[Grey()] * (ops == []))
    one = as_description(op)
    assert as_description(str(one)) == as_description(one) == one
    x = torch.rand(1, 3, 5, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(parse(str(one)).build((5, 8)).A(x), op.A(x))
    assert one.linear == is_linear(op) and one.inputs() == [] and one.unknown == ()
    assert one.measured_size((5, 8)) == measured(op, (3, 5, 8))[1:]
    assert one.input_size((5, 8)) == input_size(op, (5, 8))
    assert str(as_description(GaussianBlur(3))) == "blur(sigma=3)"


@pytest.mark.parametrize(
    ("op", "size", "y_size"),
    [
        (Halved(), (4, 6), (4, 3)),
        (Squared(), (4, 6), (2, 3)),
        (Mask(torch.tensor([[[[1.0, 0.0, 0.5]]]])), (1, 3), (1, 3)),
        (INSTANCES[KernelBlur], (4, 6), (4, 6)),
        (Downsample(4, size=(9, 10)), (9, 10), (3, 3)),
        (compose(Downsample(2), Halved(), Grey()), (4, 8), (2, 2)),
    ],
)
def test_an_object_without_a_text_is_kept(op, size, y_size):
    one = as_description(op)
    assert one.measured_size(size) == y_size
    assert one.input_size(y_size) == size
    assert one.linear == is_linear(op) and one.filled() == one
    built, x = one.build(size), torch.rand(1, 3, *size)
    assert torch.equal(built.A(x), op.A(x))
    assert built is op or type(built) is LinearComposition
    assert "which a recipe cannot rebuild" in str(one)
    with pytest.raises(ValueError, match="pass that object again") as caught:
        parse(str(one))
    assert any(f"{type(part).__name__} (an object" in str(caught.value) for part in parts(op))


def parts(op):
    return getattr(op, "parts", (op,))


def test_objects_and_text_are_mixed_in_a_row():
    one = as_description(compose(GaussianBlur(2), Halved()))
    assert str(one).startswith("blur(sigma=2) | Halved (an object")
    with pytest.raises(ValueError, match="behind the Halved"):
        blurred = Description((*parse("blur(?)").steps, *as_description(Halved()).steps))
        guess_parameters(blurred, torch.rand(1, 3, 32, 32), 0.01)


@pytest.mark.parametrize("what", [None, 3, "", Path("blur"), GaussianBlur, torch.ones(2)])
def test_what_is_no_operator_is_refused_in_one_line(what):
    with pytest.raises(ValueError, match="operator is") as caught:
        as_description(what)
    assert "\n" not in str(caught.value)


def test_pictures_that_an_object_does_not_take_are_refused():
    mask = as_description(Mask(torch.ones(1, 1, 4, 4)))
    for name in ("input_size", "measured_size"):
        with pytest.raises(ValueError, match="mask is 4x4 and the picture 3x2"):
            getattr(mask, name)((2, 3))
