"""The notebooks are what their texts say, find the project wherever they run, and run."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.model_captions import CAPTIONS

ROOT = Path(__file__).resolve().parents[2]
jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
specification = importlib.util.spec_from_file_location("write_notebooks", ROOT / "notebooks" / "write.py")
write = importlib.util.module_from_spec(specification)
specification.loader.exec_module(write)
TEXTS = {path.stem: path for path in write.texts()}
# How many figures each shows at least, and what must come to be in its folder.
FIGURES = {"demo": 1, "inspect_data": 6, "inspect_model": 20, "inspect_weights": 2, "train_shapes": 3}
WRITTEN = {
    "demo": ["nuclei.csv", "labels/*.tif"],
    "inspect_weights": ["initial.h5"],
    "train_shapes": ["logs/shapes/best.h5", "logs/shapes/events.*"],
}


def cells_of(name):
    return jupytext.read(TEXTS[name]).cells


def code_of(name):
    return [cell.source for cell in cells_of(name) if cell.cell_type == "code"]


def first_cell():
    return code_of("demo")[0]


def test_all_notebooks_are_there():
    assert TEXTS.keys() == FIGURES.keys() == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_agrees_with_its_text_and_holds_no_outputs(name):
    stored = TEXTS[name].with_suffix(".ipynb").read_text(encoding="utf-8")
    assert stored == write.notebook_of(TEXTS[name].read_text(encoding="utf-8")), "run `make notebooks`"
    notebook = nbformat.reads(stored, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("name", FIGURES)
def test_all_notebooks_find_the_project_in_the_same_way_and_explain_every_cell(name):
    assert code_of(name)[0] == first_cell()
    kinds = [cell.cell_type for cell in cells_of(name)]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)


def test_the_demo_has_five_cells():
    assert len(code_of("demo")) == 5


def test_what_is_said_of_a_model_is_what_the_report_says():
    said = " ".join(" ".join(cell.source.split()) for cell in cells_of("inspect_model"))
    others = {"Probability", "Threshold", "Errors", "Where objects are lost"}  # of a U-Net, and of several images
    assert {title for title, caption in CAPTIONS.items() if caption not in said} == others


def run_first_cell(folder, code="", **variables):
    """Run the first cell as a process in a folder; return where the project was found, or the end of the error."""
    hidden = {"PYTHONPATH", "SEGMENTATION_REPOSITORY", "KAGGLE_ROOT", "SEGMENTATION_QUICK"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    script = f"{first_cell()}\n{code}\nprint('found', project.resolve())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**environment, "KAGGLE_ROOT": str(folder / "kaggle"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip().removeprefix("found ") if not done.returncode else done.stderr.strip().splitlines()[-1]


def lay_project(folder):
    """Lay what the first cell needs of the project into a folder, as a package that can be installed."""
    for name in ("__init__", "predictor", "log"):
        (folder / "common").mkdir(parents=True, exist_ok=True)
        (folder / "common" / f"{name}.py").write_text("def log_to_stdout(): pass\n")
    (folder / "setup.cfg").write_text("[metadata]\nname = tried\nversion = 1\n[options]\npackages = common\n")
    (folder / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    return folder


def test_the_project_is_the_checkout_that_the_notebook_lies_in():
    assert run_first_cell(ROOT / "notebooks") == str(ROOT)


@pytest.mark.parametrize("place", ["lung-unet-code", "datasets/someone/lung-unet-code"])
def test_the_project_is_what_is_attached_on_kaggle_with_its_wheels(tmp_path, place):
    attached = tmp_path / "kaggle" / "input" / place
    project = lay_project(attached / "project")
    (tmp_path / "kaggle" / "input" / "images").mkdir()
    assert run_first_cell(tmp_path) == str(project)
    (attached / "lacking-1-py3-none-any.whl").write_bytes(b"")  # pip is asked to install it, and refuses
    assert "pip" in run_first_cell(tmp_path) and "lacking" in run_first_cell(tmp_path)


def test_elsewhere_the_project_is_cloned_and_installed_once(tmp_path):
    if not shutil.which("git"):
        pytest.skip("needs git")
    source = lay_project(tmp_path / "source")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    folder = tmp_path / "content"
    folder.mkdir()
    assert "write its address into REPOSITORY" in run_first_cell(folder)
    options = {"PIP_TARGET": str(tmp_path / "installed"), "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"}
    options |= {"PIP_NO_BUILD_ISOLATION": "0", "SEGMENTATION_REPOSITORY": source.as_uri()}
    assert run_first_cell(folder, **options) == str(folder / "kaggle-segmentation")
    assert (tmp_path / "installed" / "common" / "predictor.py").is_file()
    assert run_first_cell(folder) == str(folder / "kaggle-segmentation")  # found the second time


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    (tmp_path / "kaggle-segmentation").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.setenv("SEGMENTATION_QUICK", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    notebook = nbformat.read(TEXTS[name].with_suffix(".ipynb"), nbformat.NO_CONVERT)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= FIGURES[name]
    warned = [output.text for output in outputs if output.get("name") == "stderr" and "Traceback" in output.text]
    assert not warned
    for pattern in WRITTEN.get(name, []):
        assert list((tmp_path / "outputs").glob(pattern)), pattern
