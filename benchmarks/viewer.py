"""How long the viewer's answers take in a browser, with 3,000 images and two submissions.

    python benchmarks/viewer.py
    python benchmarks/viewer.py --images 300

Needs Chromium and the package playwright. 300 generated images of the real set's smaller sizes lie under ten names
each; the submissions are broken copies of their ground truth. A time runs from a key or click to its effect on the
page: the image's pixels and outlines, new counts, a shorter list. "Meanwhile" is while the images are still compared in
the background, "then" afterwards; a median of 8, and the worst. Asserts that no median reaches a second.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table, readable
from common.images.decoding import save_image
from common.images.synthetic import generate_indexed
from tests.viewer.browser import Watched, open_browser, serving
from tests.viewer.made import write_results
from viewer.scorer import Scorer
from viewer.study import open_study

NUM_FILES = 300
SIZES = ((256, 256), (256, 320))
LIMIT = 1.0  # seconds
REPEATS = 8
PLOT = "document.querySelector('#graph .js-plotly-plot')"
SUMMARY = "document.querySelector('#summary').innerText"
CAPTION = "document.querySelector('#caption h2').innerText"
ROWS = "document.querySelectorAll('#list .ag-pinned-left-cols-container .ag-row').length"
OTHER_ROW = "#list .ag-center-cols-container .ag-row:not(.ag-row-selected)"
SHOWN = f"{PLOT}._fullLayout.images[0].source"
WIDTH = f"(r => r[1] - r[0])({PLOT}._fullLayout.xaxis.range)"
VISIBLE = f"{PLOT}.data.filter(t => t.visible).length"


def main() -> None:
    """Write the set, open it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10 * NUM_FILES, help=f"a multiple of {NUM_FILES}")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_set(Path(folder), flags.images // NUM_FILES)
        scorer = Scorer(open_study(Path(folder) / "set", paths))
        with open_browser() as browser, serving(scorer) as address:
            started = time.perf_counter()
            scorer.start()
            watched = Watched(browser, address)
            first = time.perf_counter() - started
            meanwhile = measure(watched)
            scorer.finish()
            compared = time.perf_counter() - started
            watched.wait("() => !document.querySelector('#progress').innerText")
            then = measure(watched)
            assert not watched.problems, watched.problems
    print(f"first image after {readable(first)}; all {flags.images} compared after {readable(compared)}")
    rows = [[name, *map(readable, (np.median(meanwhile[name]), max(meanwhile[name])))] for name in meanwhile]
    rows = [[*row, *map(readable, (np.median(then[row[0]]), max(then[row[0]])))] for row in rows]
    print_table(["answer", "meanwhile", "worst", "then", "worst"], rows)
    slowest = max(float(np.median(times)) for side in (meanwhile, then) for times in side.values())
    assert slowest < LIMIT, "an answer takes too long"


def write_set(folder: Path, num_names: int) -> list[Path]:
    """Write images with label images, each under several names, and two submissions; return their paths."""
    truth: dict[str, Any] = {}
    for index in range(NUM_FILES):
        sample = generate_indexed(1, index, SIZES)
        shape = (sample.image.shape[0], sample.image.shape[1])
        files = {"images": sample.image, "labels": sample.instances.to_label_image(shape).astype(np.uint16)}
        for name in range(num_names):
            image_id = f"{name}-{sample.image_id[:12]}"
            truth[image_id] = sample.instances, shape
            for kind, pixels in files.items():
                path = folder / "set" / image_id / kind / f"{image_id}.{'png' if kind == 'images' else 'tif'}"
                if name == 0:
                    save_image(path, pixels)
                else:
                    path.parent.mkdir(parents=True)
                    shutil.copy(str(path).replace(image_id, f"0-{sample.image_id[:12]}"), path)
    return [write_results(folder / f"{name}.csv", truth, seed) for seed, name in enumerate("ab")]


def measure(watched: Watched) -> dict[str, list[float]]:
    """Return the seconds of each answer, several times."""
    page = watched.page
    page.locator("#caption").click()

    def press(key: str) -> Callable[[], None]:
        return lambda: page.keyboard.press(key)

    def on(selector: str, key: str) -> Callable[[], None]:
        return lambda: page.locator(selector).press(key)

    slider, confidence = "#iou [role=slider]", "#confidence [role=slider]"
    steps: dict[str, tuple[list[Callable[[], None]], str]] = {
        "image chosen in the list": ([lambda: page.locator(OTHER_ROW).nth(2).click()], SHOWN),
        "next image": ([press("ArrowRight")], SHOWN),
        "zoom by a key": ([press("+"), press("0")], WIDTH),
        "outlines on or off": ([lambda: page.locator("#layers label").nth(1).click()], VISIBLE),
        "IoU": ([on(slider, "ArrowRight"), on(slider, "ArrowLeft")], SUMMARY),
        "confidence": ([on(confidence, "End"), on(confidence, "Home")], SUMMARY),
        "search": ([lambda: page.fill("#search", "9-ab"), lambda: page.fill("#search", "")], ROWS),
    }
    return {
        name: [answer(watched, actions[i % len(actions)], seen) for i in range(REPEATS)]
        for name, (actions, seen) in steps.items()
    }


def answer(watched: Watched, act: Callable[[], None], seen: str) -> float:
    """Return the seconds until what is seen on the page changes."""
    if seen == SHOWN:  # scores that arrive move the chosen image, perhaps to the end of the list
        watched.page.locator(OTHER_ROW).nth(4).click()
        watched.page.locator("#caption").click()
        watched.page.wait_for_timeout(1000)
    before = watched.page.evaluate(f"() => {seen}")
    start = time.perf_counter()
    act()
    watched.wait(f"(before) => {seen} != before", before)
    seconds = time.perf_counter() - start
    watched.page.wait_for_timeout(150)  # as a reader would
    return seconds


if __name__ == "__main__":
    main()
