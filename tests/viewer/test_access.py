"""Readable by everybody, and used without a mouse: axe-core's rules, and every control reached by keys."""

import shutil
import subprocess

import pytest

from tests import radiographs
from tests.viewer.browser import Watched, serving
from tests.viewer.conftest import finished
from viewer.study import open_study

pytestmark = pytest.mark.slow
FOCUSED = (
    "() => { const ids = []; for (let e = document.activeElement; e; e = e.parentElement) ids.push(e.id); return ids }"
)


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The accessibility checks of axe-core, from npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        ["npm", "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        pytest.skip(f"axe-core cannot be fetched from npm: {done.stderr.strip()[-200:]}")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, "gztar")
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("tab", ["Images", "Views", "Your image"])
def test_readable_by_everybody(watched, axe, tab):
    check(watched.page, axe, tab)


def test_patients_are_readable_by_everybody(browser, axe, tmp_path):
    with serving(finished(open_study(radiographs.write_set(tmp_path)))) as address:
        page = Watched(browser, address).page
        page.get_by_role("button", name="Patients").click()
        page.get_by_text("10 of 10 patients").wait_for()
        page.locator("#patients .ag-row").nth(1).click()
        page.locator("#elements .ag-row").first.wait_for()
        check(page, axe, "Patients")


def check(page, axe, tab):
    """Apply axe-core's rules to a tab."""
    page.get_by_role("button", name=tab, exact=True).click()
    page.wait_for_timeout(1000)  # names of Dash's controls
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']})")
    problems = [
        f"{one['id']}: {node['html'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
        if not known(one, node)
    ]
    assert not problems


def known(violation, node):
    """Return whether a problem is Dash's own: inputs within options of a list, and one within a drop-down."""
    own = {"nested-interactive": "dash-options-list-option", "aria-hidden-focus": "dash-dropdown-focus-target"}
    return own.get(violation["id"], "nothing") in node["html"]


def test_everything_is_reached_by_keys_alone(watched):
    page = watched.page
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached |= set(page.evaluate(FOCUSED))
    assert {"search", "previous", "next", "tab-0", "tab-1", "iou", "confidence", "layers", "stretch"} <= reached
