"""The viewer in a real browser: what a reader does with mouse and keys."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from common.images.decoding import encode_png
from common.images.image_set import ImageSet
from tests import radiographs
from tests.dicoms import encode_dicom
from tests.image_sets import Arrays, grid_image
from tests.viewer.browser import Watched, serving
from tests.viewer.conftest import EVIL, finished, make_images, make_study
from viewer.scorer import Scorer
from viewer.study import open_study

pytestmark = pytest.mark.slow
PLOT = "document.querySelector('#graph .js-plotly-plot')"
WIDTH = f"(r => r[1] - r[0])({PLOT}._fullLayout.xaxis.range)"
ROWS = "document.querySelectorAll('#list .ag-pinned-left-cols-container .ag-row').length"
FOCUSED = (
    "() => { const ids = []; for (let e = document.activeElement; e; e = e.parentElement) ids.push(e.id); return ids }"
)


def caption(page):
    return page.locator("#caption h2").inner_text()


def listed(page):
    return page.locator("#list .ag-pinned-left-cols-container .ag-row").count()


def show(watched, name):
    """Show the image whose name holds this text."""
    watched.page.fill("#search", name)
    watched.wait(f"() => {ROWS} == 1")
    watched.page.locator("#list .ag-pinned-left-cols-container .ag-cell").first.click()
    watched.wait("(name) => document.querySelector('#caption h2').innerText.includes(name)", name)
    watched.wait(f"() => {PLOT}.data.some(t => t.name == 'regions')")


def visible_layers(page):
    return page.evaluate(f"() => {PLOT}.data.filter(t => t.type == 'scatter' && t.visible).map(t => t.name)")


def ranges(page):
    return page.evaluate(f"() => {PLOT}._fullLayout.xaxis.range.map(Number)")


def test_the_worst_image_comes_first_and_arrow_keys_go_on(watched):
    page = watched.page
    assert listed(page) == 6
    scores = [float(text) for text in page.locator("#list [col-id=score0].ag-cell").all_inner_texts() if text]
    assert scores == sorted(scores)
    first = caption(page)
    page.keyboard.press("ArrowRight")
    watched.wait("(before) => document.querySelector('#caption h2').innerText != before", first)
    second = caption(page)
    page.keyboard.press("ArrowLeft")
    watched.wait("(before) => document.querySelector('#caption h2').innerText == before", first)
    page.get_by_role("button", name="Next image").click()
    watched.wait("(before) => document.querySelector('#caption h2').innerText == before", second)


def test_names_are_text_and_never_html(watched):
    page = watched.page
    page.fill("#search", "onerror")
    watched.wait(f"() => {ROWS} == 1")
    page.locator("#list .ag-pinned-left-cols-container .ag-cell").first.click()
    watched.wait("(name) => document.querySelector('#caption h2').innerText == name", EVIL)
    assert page.locator("img[src=x]").count() == 0


def test_search_and_filters_shorten_the_list(watched):
    page = watched.page
    page.fill("#search", "p3")
    watched.wait(f"() => {ROWS} == 1")
    page.fill("#search", "")
    watched.wait(f"() => {ROWS} == 6")
    page.get_by_role("spinbutton", name="Objects Filter Input").or_(
        page.get_by_label("Objects Filter Input")
    ).first.fill("4")
    watched.wait(f"() => {ROWS} == 3")


def test_layers_toggle(watched):
    page = watched.page
    show(watched, "p2")
    assert {"false", "missed", "found-hit", "true-hit"} <= set(visible_layers(page))
    page.get_by_text("Prediction, false").click()
    watched.wait(f"() => !{PLOT}.data.some(t => t.name == 'false' && t.visible)")
    assert "found-hit" in visible_layers(page)
    points = f"{PLOT}._fullData.filter(t => t.name == 'true-hit').reduce((sum, t) => sum + t.x.length, 0)"
    before = page.evaluate(f"() => {points}")
    page.get_by_text("Only what differs").click()
    watched.wait(f"(before) => {points} < before", before)


def test_sliders_count_anew(watched):
    page = watched.page
    before = page.locator("#summary").inner_text()
    page.locator("#iou [role=slider]").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    watched.wait("(before) => document.querySelector('#summary').innerText != before", before)
    page.locator("#confidence [role=slider]").focus()
    page.keyboard.press("End")
    watched.wait("() => document.querySelector('#summary').innerText.includes(' 0 hit')")
    watched.wait(f"() => !{PLOT}.data.some(t => t.name == 'found-hit')")


def test_zoom_by_wheel_keys_and_objects(watched):
    page = watched.page
    whole = ranges(page)
    box = page.locator("#graph").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400)
    watched.wait(
        f"(w) => {WIDTH} < 0.95 * w",
        whole[1] - whole[0],
    )
    page.wait_for_timeout(500)  # Plotly waits for further turns of the wheel
    page.keyboard.press("0")
    watched.wait(
        f"(w) => Math.abs({WIDTH} - w) < 1",
        whole[1] - whole[0],
    )
    page.keyboard.press("+")
    watched.wait(
        f"(w) => {WIDTH} < 0.8 * w",
        whole[1] - whole[0],
    )
    zoomed = ranges(page)
    drawn = page.evaluate(f"() => {PLOT}.data.filter(t => t.visible).length")
    page.get_by_text("Prediction, false").click()
    watched.wait(f"(before) => {PLOT}.data.filter(t => t.visible).length < before", drawn)
    assert ranges(page) == pytest.approx(zoomed)  # also in a new figure
    page.locator("#objects .ag-row").first.click()
    watched.wait(f"() => {PLOT}._fullLayout.shapes.length == 2")
    second = page.evaluate(f"() => {PLOT}._fullLayout.xaxis2.range.map(Number)")
    assert second == pytest.approx(ranges(page))  # the panels move together


def test_the_pointer_meets_objects(watched):
    page = watched.page
    show(watched, "p2")
    page.wait_for_timeout(500)  # drawn
    place = page.evaluate("""() => {
        const plot = document.querySelector('#graph .js-plotly-plot'), {xaxis, yaxis} = plot._fullLayout;
        const line = plot._fullData.find(t => t.name == 'found-hit' && t.xaxis == 'x');
        const gap = Array.from(line.x).findIndex(Number.isNaN), end = gap < 0 ? line.x.length : gap;
        const mean = v => Array.from(v).slice(0, end).reduce((a, b) => a + b) / end;
        const box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.d2p(mean(line.x)), box.y + yaxis._offset + yaxis.d2p(mean(line.y))];
    }""")
    page.mouse.move(*place)
    page.locator("#tip").get_by_text("Hit").wait_for()
    text = page.locator("#tip").inner_text()
    assert ", score " in text and " px" in text and "with truth" in text
    page.mouse.move(5, 5)
    page.locator("#tip .hover").wait_for(state="hidden")


def test_views_and_votes(watched):
    page = watched.page
    page.get_by_role("button", name="Views", exact=True).click()
    page.get_by_role("button", name="Predict these views").click()
    page.locator("#views figure").nth(7).wait_for()
    watched.wait("() => [...document.querySelectorAll('#views img')].every(i => i.complete && i.naturalWidth)")
    watched.wait("() => document.querySelector('#votes .js-plotly-plot').data[0].type == 'heatmap'")
    assert "after merging" in page.locator("#views-told").inner_text()


def test_a_dropped_image_is_segmented_and_given_out(watched):
    page = watched.page
    image, count = grid_image(96, 96, 24)
    page.get_by_role("button", name="Your image").click()
    page.set_input_files("#drop input", {"name": f"{EVIL}.png", "mimeType": "image/png", "buffer": encode_png(image)})
    page.get_by_text(f"{count} objects").wait_for()
    assert page.locator("img[src=x]").count() == 0
    files = {}
    for key in ("labels", "csv", "overlay"):
        with page.expect_download() as download:
            page.locator(f"#get-{key}").click()
        files[key] = Path(download.value.path()).read_bytes()
        assert "<" not in download.value.suggested_filename
    assert tifffile.imread(io.BytesIO(files["labels"])).max() == count
    assert len(pd.read_csv(io.BytesIO(files["csv"]))) == count
    page.set_input_files("#drop input", {"name": "x.png", "mimeType": "image/png", "buffer": b"no image"})
    page.get_by_text("x.png: not an image").or_(page.get_by_text("x.png: ")).first.wait_for()
    watched.wait("() => document.querySelector('#get-csv').disabled")


def test_a_broken_image_is_told_and_the_next_one_shown(browser):
    images = make_images()

    class Broken(Arrays):
        def load_image(self, row):
            if row == 1:
                raise OSError("disk")
            return super().load_image(row)

    source = Broken(images.source.images, images.source.label_images, images.source.class_ids)
    study = make_study(ImageSet.of_all(source, images.image_ids, images.sizes))
    with serving(finished(study)) as address:
        watched = Watched(browser, address)
        page = watched.page
        page.fill("#search", "p1")
        page.locator("#list .ag-pinned-left-cols-container .ag-row").first.click()
        page.get_by_text("This image cannot be read.").wait_for()
        page.fill("#search", "")
        page.get_by_role("button", name="Previous image").click()  # without a score, it is the last
        watched.wait("() => !document.querySelector('#problem').innerText")
        assert visible_layers(page)
        assert not watched.problems


def test_patients(browser, tmp_path):
    folder = radiographs.write_set(tmp_path)
    for patient, sex in (("patient-1", "F"), ("patient-4", "M")):
        picture = radiographs.radiograph(radiographs.BOXES[patient])
        data = encode_dicom(picture, PatientSex=sex, PatientAge="058Y", PatientComments=EVIL)
        (folder / "stage_2_train_images" / f"{patient}.dcm").write_bytes(data)
    with serving(finished(open_study(folder))) as address:
        watched = Watched(browser, address)
        page = watched.page
        page.get_by_role("button", name="Patients").click()
        page.get_by_text("10 of 10 patients, 4 with boxes").wait_for()
        page.locator("#patients .ag-row").nth(1).click()
        page.locator("#elements").get_by_text("PatientAge").wait_for()
        watched.wait("() => document.querySelector('#radiograph .js-plotly-plot')._fullLayout.shapes.length == 1")
        page.locator("#elements").get_by_text(EVIL).wait_for()
        page.locator("#choose-sex").click()
        page.get_by_role("option", name="F").or_(page.locator(".dash-dropdown-option", has_text="F")).first.click()
        page.get_by_text("1 of 10 patients, 1 with boxes").wait_for()
        assert page.locator("img[src=x]").count() == 0
        assert not watched.problems


def test_many_images_are_listed_while_they_are_compared(browser):
    labels = np.zeros((32, 32), np.int32)
    labels[4:20, 4:20] = 1
    image = np.where(labels[..., None] > 0, 190, 40).astype(np.uint8).repeat(3, axis=2)
    images = ImageSet.of_all(
        Arrays([image] * 3000, [labels] * 3000, [np.ones(1, np.int32)] * 3000),
        [f"image {number}" for number in range(3000)],
        np.full((3000, 2), 32),
    )
    scorer = Scorer(make_study(images))
    with serving(scorer) as address:
        scorer.start()
        watched = Watched(browser, address)
        page = watched.page
        page.keyboard.press("ArrowRight")
        page.locator("#progress", has_text="comparing").or_(page.locator("#progress:empty")).first.wait_for(
            state="attached"
        )
        page.fill("#search", "image 2999")
        watched.wait(f"() => {ROWS} == 1")
        scorer.finish()
        watched.wait("() => !document.querySelector('#progress').innerText")
        assert not watched.problems
