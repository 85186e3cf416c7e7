"""Operators in words."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.operators import (
    ColorMatrix,
    Downsample,
    GaussianBlur,
    Grey,
    Jpeg,
    KernelBlur,
    LinearComposition,
    Mask,
    MotionBlur,
    is_linear,
    parse,
)
from dreamsampler.operators.spec import OPERATORS

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


@pytest.mark.parametrize(("text", "told"), WORDS.items())
def test_a_description_says_itself_again(text, told):
    assert str(parse(text)) == told
    assert parse(told) == parse(text)


@pytest.mark.parametrize("path", ["NAN", "-inf", "1e5", "1_0", "+2", "٣", "\u2003", "a\u2003"])
def test_a_path_that_reads_as_a_number_is_quoted(path):
    one = parse(f"mask('{path}')")
    assert dict(one.steps[0].values)["path"] == path
    assert parse(str(one)) == one


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
    "blur(nan)": "no finite number",
    "blur(inf)": "no finite number",
    "blur(2": "a bracket has no partner",
    "blur)2(": "a bracket has no partner",
    "blur('2)": "the quote ' has no partner",
    "blur 2": "cannot be read",
    "blur(2) downsample(4)": "a | was wanted",
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


@pytest.mark.parametrize(("text", "says"), WRONG.items())
def test_what_cannot_be_read_is_refused_in_one_line(text, says):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


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


def test_every_operator_with_a_name_is_built():
    """So that a new row of the table cannot be forgotten in `build`."""
    for name, parameters in OPERATORS.items():
        if "path" in parameters:
            continue
        example = {float: "1.5", int: "2", tuple: "1 0 0"}
        needed = [example[p.kind] for p in parameters.values() if p.default is ...]
        op = parse(f"{name}({', '.join(needed)})").build()
        assert op.A(torch.full((1, 3, 4, 4), 0.5)).isfinite().all()


def test_the_table_of_operators_needs_no_torch():
    """The modules alone; the room's front door exports the operators and so loads torch."""
    folder = Path(sys.modules["dreamsampler.operators"].__file__).parent
    code = (
        "import sys, types\n"
        "room = types.ModuleType('dreamsampler.operators')\n"
        f"room.__path__ = [{str(folder)!r}]\n"
        "sys.modules['dreamsampler.operators'] = room\n"
        "from dreamsampler.operators.spec import parse\n"
        "parse('blur(2)')\n"
        "print('torch' in sys.modules)\n"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "False"
