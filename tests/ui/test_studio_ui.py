"""The studio in a real browser: five jobs, and what holds for all of them."""

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "examples"
AXE = ROOT / "studio/node_modules/axe-core/axe.min.js"
MODES = ("edit", "inpaint", "remove", "restore", "vectorize", "reconstruct")
PAINTED = """() => { const c = document.querySelector('.overlay');
    return c.getContext('2d').getImageData(0, 0, c.width, c.height)
        .data.filter((v, i) => i % 4 == 3 && v).length }"""
"""How many pixels of the mask are painted."""


def until(page, expression, given=None):
    """Wait until an expression holds; the page's own policy forbids playwright's way of waiting."""
    for _ in range(1200):
        if page.evaluate(expression, given):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


def choose(page, *files):
    with page.expect_file_chooser() as chooser:
        page.locator(".empty .primary").click()
    chooser.value.set_files(files)
    page.wait_for_selector(".empty", state="hidden")
    until(page, "document.querySelector('img.source').naturalWidth > 0")


def prompt(page, name, words):
    page.fill(f"[data-field={name}] textarea", words)


def options(page, **values):
    """Set options that are folded away, or numbers beside sliders."""
    for name, value in values.items():
        field = page.locator(f"[data-field={name}]")
        if not field.is_visible():
            page.get_by_text("All options", exact=True).click()
        field.locator("input[type=text]").fill(str(value))


def run(page):
    page.click(".go .primary")
    finished(page)


def finished(page):
    page.wait_for_selector(".busy", state="hidden")
    assert page.locator(".error:visible, .problem:visible").all_inner_texts() == []
    page.wait_for_selector(".outcome .actions")


def stroke(page, left, top, right, bottom):
    """Paint between two points, as shares of the picture."""
    box = page.locator(".world").bounding_box()
    x, y = (lambda at: box["x"] + at * box["width"]), (lambda at: box["y"] + at * box["height"])
    page.mouse.move(x(left), y(top))
    page.mouse.down()
    page.mouse.move(x(right), y(bottom), steps=6)
    page.mouse.up()


def download(page, words):
    with page.expect_download() as got:
        page.locator(".outcome a", has_text=words).click()
    return Path(got.value.path())


def sent_values(page):
    """Run; the values that were sent."""
    with page.expect_request(re.compile("/api/runs$")) as sent:
        run(page)
    return json.loads(sent.value.post_data)["values"]


def pixels(file):
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def test_an_example_is_edited_by_one_click_and_compared(visit, shot):
    page = visit("edit")
    page.locator(".try", has_text="Bear to panda").click()
    page.wait_for_selector(".busy .progress[aria-valuenow]")
    shot(page, "edit-running")
    finished(page)
    assert "Changed" in page.locator(".sentences").inner_text()
    source, result = page.locator("img.source"), page.locator("img.result")
    visible = "e => getComputedStyle(e).visibility == 'visible'"
    assert [source.evaluate(visible), result.evaluate(visible)] == [False, True]
    page.keyboard.down("c")
    assert [source.evaluate(visible), result.evaluate(visible)] == [True, False]
    page.keyboard.up("c")
    page.keyboard.press("s")
    assert "inset" in result.evaluate("e => e.style.clipPath")
    shot(page, "edit-slider")
    recipe = json.loads(download(page, "Settings file").read_text())
    assert (recipe["task"], recipe["options"]["prompt"]) == ("edit", "panda")


def test_variants_are_chosen_and_gone_on_from(visit, shot):
    page = visit("edit")
    choose(page, PICTURES / "bear.png")
    prompt(page, "source_prompt", "bear")
    prompt(page, "prompt", "panda")
    options(page, num_images=2, num_inference_steps=2)
    run(page)
    shot(page, "edit-variants")
    page.locator(".variant").nth(1).click()
    chosen = page.locator("img.result").get_attribute("src")
    assert "result-1" in chosen
    page.keyboard.press("g")
    until(page, "document.querySelector('img.source').src.includes('result-1')")
    options(page, num_images=1)
    prompt(page, "prompt", "polar bear")
    values = sent_values(page)
    assert (values["source_prompt"], values["prompt"]) == ("panda", "polar bear")
    thumbs = page.locator(".strip .thumb")
    assert thumbs.count() == 3
    for key, at in ((",", 1), (",", 0), (".", 1), (".", 2)):
        page.keyboard.press(key)
        assert thumbs.nth(at).get_attribute("aria-current") == "true"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.locator(".strip .thumb").count() == 3


def test_two_prompts_are_painted_and_the_rest_stays(visit, shot):
    page = visit("inpaint")
    choose(page, PICTURES / "grin.png")
    page.fill(".colors textarea", "smiling face with sunglasses")
    stroke(page, 0.2, 0.36, 0.8, 0.36)
    page.get_by_text("Another color with its own prompt").click()
    page.locator(".colors textarea").nth(1).fill("face with tongue")
    stroke(page, 0.3, 0.7, 0.7, 0.7)
    stroke(page, 0.1, 0.95, 0.2, 0.95)
    page.keyboard.press("Control+z")
    shot(page, "inpaint-painted")
    options(page, num_inference_steps=3)
    run(page)
    before, after = pixels(PICTURES / "grin.png"), pixels(download(page, "Download"))
    changed = (before != after).any(-1)
    assert changed[180:188, 200:320].mean() > 0.5
    assert changed[355:362, 200:320].mean() > 0.5
    assert not changed[470:].any()
    assert not changed[:90].any()


def test_the_canvas_is_expanded_by_an_edge(visit, shot):
    page = visit("inpaint")
    choose(page, PICTURES / "bear.png")
    page.fill(".colors textarea", "bear")
    page.locator(".edge.right").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    shot(page, "inpaint-expanded")
    options(page, num_inference_steps=2)
    run(page)
    before, after = pixels(PICTURES / "bear.png"), pixels(download(page, "Download"))
    assert after.shape[1] == before.shape[1] + 64
    assert (after[:, : before.shape[1]] == before).all()


def test_one_stroke_removes_and_the_next_goes_on(visit, shot):
    page = visit("remove")
    choose(page, PICTURES / "grin.png")
    stroke(page, 0.3, 0.42, 0.4, 0.42)
    finished(page)
    first = pixels(download(page, "Download"))
    stroke(page, 0.62, 0.42, 0.7, 0.42)
    until(page, "document.querySelectorAll('.strip .thumb').length == 3")
    finished(page)
    shot(page, "remove")
    second, source = pixels(download(page, "Download")), pixels(PICTURES / "grin.png")
    half = source.shape[1] // 2
    assert (first[:, :half] != source[:, :half]).any()
    assert (first[:, half:] == source[:, half:]).all()
    assert (second[:, :half] == first[:, :half]).all()
    assert (second[:, half:] != source[:, half:]).any()
    thumbs, chosen = page.locator(".strip .thumb"), page.locator(".strip [aria-current]")
    page.keyboard.press("Control+z")
    assert thumbs.nth(1).get_attribute("aria-current") == "true"
    page.get_by_role("button", name="Undo", exact=True).click()
    assert chosen.inner_text() == "source"
    assert page.evaluate(PAINTED) == 0
    page.get_by_label("Run after each stroke").uncheck()
    stroke(page, 0.3, 0.42, 0.4, 0.42)
    page.wait_for_timeout(300)
    assert page.locator(".busy").is_hidden()
    run(page)
    assert (pixels(download(page, "Download")) == first).all()


def test_a_restoration_begins_with_what_happened(visit, shot, tmp_path):
    page = visit("restore")
    Image.open(PICTURES / "cat.png").convert("RGB").resize((64, 64)).save(tmp_path / "cat.png")
    choose(page, tmp_path / "cat.png")
    blurred = page.get_by_role("button", name="Blurred", exact=True)
    blurred.click()
    page.get_by_role("button", name="Noisy", exact=True).click()
    operator, noise = page.get_by_label("Operator", exact=True), page.get_by_label("Noise, as a")
    assert (operator.input_value(), noise.input_value()) == ("blur(sigma=?)", "auto")
    preview = page.locator(".damage")
    preview.wait_for()
    assert "found out when it is restored" in preview.inner_text()
    shown = preview.locator("img").get_attribute("src")
    page.locator(".amount input[type=range]").first.fill("2")
    page.locator(".amount input[type=range]").nth(1).fill("5")
    until(page, "s => document.querySelector('.damage img').src != s", shown)
    assert "found out" not in preview.inner_text()
    page.get_by_label("Find it out").first.check()
    assert blurred.get_attribute("aria-pressed") == "true"
    assert operator.input_value() == "blur(sigma=?)"
    page.get_by_label("Find it out").first.uncheck()
    with page.expect_response(re.compile("/api/files")):
        page.get_by_text("Degrade the picture like this").click()
    page.get_by_text("Method", exact=True).click()
    page.locator("input[type=radio][value=flowdps]").check()
    options(page, num_images=2, num_inference_steps=2)
    values = sent_values(page)
    assert (values["operator"], values["noise"]) == ("blur(sigma=2)", "0.05")
    assert page.locator(".variant").count() >= 4  # mean and spread beside the samples
    assert "Sure of" in page.locator(".sentences").inner_text()
    page.get_by_text("Numbers", exact=True).click()
    assert "residual expected" in page.locator(".numbers dl").inner_text()
    shot(page, "restore")


def test_a_drawing_is_seen_while_it_grows_and_its_points_move(visit, shot, tmp_path):
    page = visit("vectorize")
    Image.open(PICTURES / "apple.png").convert("RGB").resize((64, 64)).save(tmp_path / "apple.png")
    choose(page, tmp_path / "apple.png")
    options(page, paths=6, num_inference_steps=2, fit_steps=30, update_steps=2)
    page.click(".go .primary")
    page.wait_for_selector(".drawing svg path")
    finished(page)
    file = download(page, "Download")
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    page.keyboard.press("o")
    drawn = page.locator(".drawing path.chosen")
    before = drawn.get_attribute("d")
    page.locator(".points .handle").first.focus()
    page.keyboard.press("Shift+ArrowRight")
    shot(page, "vectorize-outline")
    assert drawn.get_attribute("d") != before
    with page.expect_download() as got:
        page.get_by_role("button", name="Save the drawing with moved points").click()
    moved = Path(got.value.path()).read_text()
    assert drawn.get_attribute("d") in moved
    ElementTree.fromstring(moved)


SOURCE = "document.querySelector('img.source').src"


def test_what_the_canvas_shows_goes_on_in_another_mode(visit, shot, tmp_path):
    page = visit("vectorize")
    Image.open(PICTURES / "apple.png").convert("RGB").resize((96, 64)).save(tmp_path / "apple.png")
    choose(page, tmp_path / "apple.png")
    options(page, paths=6, num_inference_steps=1, fit_steps=10, update_steps=1)
    run(page)
    page.click("#mode-edit")
    page.wait_for_selector(".outcome >> text=Vectorize edits its paths")
    wide, high = (page.locator(".world").bounding_box()[side] for side in ("width", "height"))
    assert abs(wide / high - 1.5) < 0.02
    shot(page, "edit-of-a-drawing")
    prompt(page, "prompt", "green apple")
    options(page, num_inference_steps=2)
    run(page)
    high, wide = pixels(download(page, "Download")).shape[:2]
    assert (wide, abs(wide / high - 1.5) < 0.02) == (512, True)
    page.click("#mode-inpaint")
    assert page.evaluate(SOURCE).endswith("result.png?preview=1")
    page.click("#mode-reconstruct")
    assert "stays in the other modes" in page.locator(".empty").inner_text()
    modes, drawn = ("vectorize", "vectorize", "edit"), page.locator(".drawing svg")
    for i, mode in enumerate(modes):
        page.locator(".strip .thumb").nth(i).click()
        assert page.locator(f"#mode-{mode}").get_attribute("aria-selected") == "true"
        assert page.locator(".outcome .actions").count() == (i > 0)
        until(page, f"!!document.querySelector('.drawing svg') == {str(i == 1).lower()}")
    page.click("#mode-inpaint")
    assert page.evaluate(SOURCE).endswith("result.png?preview=1")
    assert drawn.count() == 0


def test_a_press_takes_another_seed_unless_it_is_kept(visit):
    page = visit("inpaint")
    choose(page, PICTURES / "grin.png")
    page.fill(".colors textarea", "smiling face with sunglasses")
    stroke(page, 0.2, 0.36, 0.8, 0.36)
    options(page, num_inference_steps=2)
    first, shown = sent_values(page), pixels(download(page, "Download"))
    second = sent_values(page)
    assert first.pop("seed") != second["seed"]
    assert first.pop("mask_image") and first.items() <= second.items()
    again = pixels(download(page, "Download"))
    assert (again != shown).any()
    page.get_by_label("Keep this seed").check()
    assert sent_values(page)["seed"] == second["seed"]
    assert (pixels(download(page, "Download")) == again).all()
    for mode in ("edit", "restore", "vectorize", "reconstruct"):
        page.click(f"#mode-{mode}")
        page.locator("details", has_text="All options").locator("summary").first.click()
        assert page.get_by_label("Keep this seed").is_visible()


def test_an_svg_file_goes_in_without_its_scripts(visit, tmp_path):
    page, icon = visit("vectorize"), tmp_path / "icon.svg"
    icon.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><style>.a{fill:#0a6}</style>'
        '<rect class="a" x="8" y="8" width="40" height="40" onclick="alert(1)"/></svg>'
    )
    choose(page, icon)
    prompt(page, "prompt", "green square")
    options(page, num_inference_steps=2)
    run(page)
    text = download(page, "Download").read_text()
    assert "<path" in text and "alert" not in text  # a file with scripts is written anew
    assert "alert" not in page.locator(".drawing").inner_html()


def test_a_drawing_has_the_colors_that_its_file_declares(visit, tmp_path):
    page, icon = visit("vectorize"), tmp_path / "icon.svg"
    icon.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><style>.a{fill:#0a6}</style>'
        '<rect class="a" width="64" height="30"/><path style="fill:#f51" d="M0 34h64v30H0z"/></svg>'
    )
    choose(page, icon)
    prompt(page, "prompt", "green square")
    options(page, num_inference_steps=1, strength=0.05)
    run(page)
    fills = page.locator(".drawing").evaluate(
        "e => [...e.querySelectorAll('rect, path')].map((each) => getComputedStyle(each).fill)"
    )
    assert fills and "rgb(0, 0, 0)" not in fills, fills


def test_a_scene_is_turned(visit, shot):
    page = visit("reconstruct")
    page.locator(".try", has_text="Toy duck").click()
    finished(page)
    model = page.locator(".model canvas")
    model.wait_for()
    page.wait_for_timeout(300)
    before = model.screenshot()
    model.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    after = model.screenshot()
    colors = pixels(io.BytesIO(before)).reshape(-1, 3)
    assert len(np.unique(colors, axis=0)) > 50, "nothing is drawn"
    assert before != after
    shot(page, "reconstruct")
    page.keyboard.press("m")
    assert page.locator("img.result").get_attribute("src").endswith("turntable.gif")


def test_painting_by_keyboard(visit):
    page = visit("inpaint")
    choose(page, PICTURES / "grin.png")
    page.locator(".stage-view").focus()
    for key in ("ArrowRight", "Enter", "]", "]", "Shift+ArrowDown"):
        page.keyboard.press(key)
    painted = page.evaluate(PAINTED)
    assert painted > 500
    page.keyboard.press("i")
    assert page.evaluate(PAINTED) > 512 * 512 - painted - 500
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert page.evaluate(PAINTED) == 0
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("e")
    page.keyboard.press("f")
    assert page.evaluate(PAINTED) == 512 * 512
    page.keyboard.press("Delete")
    assert page.evaluate(PAINTED) == 0


def test_zoom_keeps_what_is_below_the_pointer(visit):
    page = visit("edit")
    choose(page, PICTURES / "grin.png")
    box = page.locator(".world").bounding_box()
    at = (box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    page.mouse.move(*at)
    page.mouse.wheel(0, -400)
    until(
        page,
        "w => document.querySelector('.world').getBoundingClientRect().width > 2 * w",
        box["width"],
    )
    now = page.locator(".world").bounding_box()
    assert abs((at[0] - now["x"]) / now["width"] - 0.3) < 0.01
    page.keyboard.press("0")
    assert page.locator(".world").bounding_box() == box
    page.keyboard.press("1")
    assert abs(page.locator(".world").bounding_box()["width"] - 512) < 1


def test_wrong_values_are_said_beside_their_field_and_a_run_is_canceled(visit, shot):
    page = visit("edit")
    page.click(".go .primary")
    assert "Choose a picture first" in page.locator(".go .error").inner_text()
    choose(page, PICTURES / "cat.png")
    prompt(page, "prompt", "zebra face")
    page.wait_for_selector(".checked >> text=not trained on “zebra”")
    prompt(page, "prompt", "")
    page.click(".go .primary")
    page.wait_for_selector("[data-field=prompt] .error >> text=prompt")
    prompt(page, "prompt", "dog face")
    options(page, num_inference_steps=4000)
    page.click(".go .primary")
    page.wait_for_selector("[data-field=num_inference_steps] .error >> text=1000")
    shot(page, "error")
    options(page, num_inference_steps=900)
    page.click(".go .primary")
    page.wait_for_selector(".busy .progress[aria-valuenow]")
    page.reload()  # the run goes on, and the page finds it again
    page.wait_for_selector(".busy .progress[aria-valuenow]")
    page.keyboard.press("Escape")
    page.wait_for_selector(".busy", state="hidden")
    assert page.locator(".go .primary").is_enabled()


def test_an_earlier_run_is_found_and_its_settings_come_back(visit, shot):
    page = visit("edit")
    choose(page, PICTURES / "bear.png")
    prompt(page, "prompt", "koala")
    options(page, num_inference_steps=2)
    run(page)
    recipe = json.loads(download(page, "Settings file").read_text())
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.click("#mode-restore")
    page.keyboard.press("h")
    page.get_by_label("Search earlier runs").fill("koala")
    until(page, "document.querySelectorAll('.runs .run').length == 1")
    shot(page, "history")
    page.locator(".run").get_by_text("Use settings").click()
    until(page, "document.querySelector('[data-field=seed] input').value")
    assert page.locator("#mode-edit").get_attribute("aria-selected") == "true"
    field = "[data-field={}] textarea, [data-field={}] input[type=text]"
    for name, value in (
        ("prompt", "koala"),
        ("seed", recipe["seeds"][0]),
        ("num_inference_steps", 2),
    ):
        until(
            page,
            "([s, v]) => document.querySelector(s).value == v",
            [field.format(name, name), str(value)],
        )
    page.keyboard.press("h")
    page.get_by_text("Delete", exact=True).first.click()
    page.get_by_text("Delete for good?").click()
    page.wait_for_selector(".sheet >> text=No run has these words")


def violations(page):
    """What axe-core finds: WCAG 2.2 A and AA, and its best practices."""
    found = page.evaluate("axe.run().then(r => r.violations)")
    return [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: npm ci in studio/")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_mode_is_accessible_and_fits(visit, width, scheme):
    page = visit("edit", width, 844, scheme)
    page.evaluate(AXE.read_text())
    for mode in MODES:
        page.click(f"#mode-{mode}")
        assert violations(page) == [], mode
        assert not re.search("iconic|[Rr]ecipe|default", page.inner_text("body"))
        for each in page.locator(".empty .try").all():
            box = each.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, "an example is cut off"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#mode-inpaint")
    choose(page, PICTURES / "grin.png")
    page.get_by_text("All options", exact=True).click()
    page.get_by_text("Method", exact=True).click()
    assert violations(page) == [], "with a picture"
    for key in ("?", "h"):
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        assert violations(page) == [], key
        page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_mode_is_cut_off(visit):
    page = visit("edit")
    for width in (1400, 1024, 821, 390):
        page.set_viewport_size({"width": width, "height": 768})
        bar, last = page.locator(".modes").bounding_box(), page.locator(".modes button").last
        box = last.bounding_box()
        assert box["x"] + box["width"] <= bar["x"] + bar["width"], width
        assert page.locator(".head").bounding_box()["height"] < 110, width


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: npm ci in studio/")
def test_a_result_is_accessible(visit):
    page = visit("edit", 390, 844)
    choose(page, PICTURES / "bear.png")
    prompt(page, "prompt", "panda")
    options(page, num_images=2, num_inference_steps=2)
    page.click(".go .primary")
    page.wait_for_selector(".busy .progress[aria-valuenow]")
    assert page.evaluate("scrollY") == 0  # a phone goes to the picture
    page.mouse.wheel(0, 900)
    finished(page)
    until(page, "scrollY == 0")  # and to the result, from where the button can be reached
    page.evaluate(AXE.read_text())
    assert violations(page) == [], "variants"
    page.locator(".variant").first.click()
    button = page.locator(".go .primary").bounding_box()
    assert button["y"] + button["height"] <= 844
    page.keyboard.press("s")
    assert violations(page) == [], "result"
