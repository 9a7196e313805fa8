"""Kernels run here as on Kaggle: the conditions with small kernels, and the project's own four at toy size."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import running
from kernel_files import FOLDER, PROJECT
from tests.chests import write_kaggle

PROBE = """
import json, os, socket, sys
from pathlib import Path
sys.path[:0] = [str(path) for pattern in ("*", "*/*", "*/*/*") for path in INPUT.glob(pattern + "/project/kernels")]
"""
KAGGLE_PYTHON = Path(os.environ.get(running.PYTHON) or PROJECT / ".venv-kaggle" / "bin" / "python")
needs_kaggle = pytest.mark.skipif(
    not KAGGLE_PYTHON.exists(), reason="no .venv-kaggle with Kaggle's versions: make kaggle"
)
MODES = [pytest.param([], id="namespaces"), pytest.param(["--no-namespaces"], id="Python")]


@pytest.fixture
def kernel(tmp_path, monkeypatch, home, small_pack):
    """A function that writes a kernel which prints what a probe finds; run by this Python."""
    monkeypatch.setenv(running.PYTHON, sys.executable)
    data = tmp_path / "data" / "data-science-bowl-2018"
    data.mkdir(parents=True)
    (data / "stage2_sample_submission_final.csv").write_text("ImageId,EncodedPixels\na,1 1\n")
    folder = tmp_path / "probe-it"

    def write(code):
        shutil.copytree(FOLDER / "dsb-inference-tta", folder)
        text = (folder / "kernel-metadata.json").read_text().replace("dsb-inference-tta", "probe-it")
        metadata = json.loads(text) | {"code_file": "probe.py", "title": "Probe it"}
        (folder / "kernel-metadata.json").write_text(json.dumps(metadata))
        (folder / "probe.py").write_text(
            "import os, sys, socket\nfrom pathlib import Path\n"
            'ROOT = Path(os.environ.get("KAGGLE_ROOT", "/kaggle"))\n' + code
        )
        return folder

    return write


def needs_mode(mode):
    if not mode and not running._namespaces_allowed():
        pytest.skip("the system allows no namespaces")


@pytest.mark.parametrize("mode", MODES)
def test_inputs_are_read_only_and_there_is_no_network(kernel, command, tmp_path, mode):
    needs_mode(mode)
    probe = """
data = ROOT / "input" / "competitions" / "data-science-bowl-2018"
found = []
for action in (
    lambda: (data / "new.txt").write_text("x"),
    lambda: (data / "stage2_sample_submission_final.csv").unlink(),
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=5),
    lambda: socket.getaddrinfo("www.kaggle.com", 443),
):
    try:
        action()
        found.append("done")
    except OSError as error:
        found.append("refused")
code = ROOT / "input" / "datasets" / "owner" / "probe-it-code" / "project" / "setup.cfg"
found += [str(code.exists()), os.environ["HOME"], str("KAGGLE_KEY" in os.environ)]
Path("found.txt").write_text(" ".join(found))
"""
    code, output, errors = command("run", kernel(probe), "--cores", 2, *mode)
    assert code == 0, errors
    words = (tmp_path / "outputs" / "probe-it" / "found.txt").read_text().split()
    assert words[:5] == ["refused"] * 4 + ["True"]
    assert words[5] != os.environ["HOME"]
    assert words[6] == "False"
    assert ("a block in Python stands for" in errors) == bool(mode)
    assert "wrote 1 files" in output
    assert (tmp_path / "data" / "data-science-bowl-2018" / "stage2_sample_submission_final.csv").exists()


def test_the_csv_is_checked(kernel, command):
    folder = kernel('Path("submission.csv").write_text("ImageId,EncodedPixels\\nb,\\n")')
    code, _, errors = command("run", folder)
    assert code == 2
    assert "b: not an image of this competition" in errors
    code, _, errors = command("run", folder)
    assert code == 2
    assert "not empty, as /kaggle/working is" in errors


def test_a_kernel_that_fails(kernel, command):
    code, _, errors = command("run", kernel("sys.exit(3)"))
    assert code == 2
    assert "the kernel ended with exit code 3" in errors


def test_wheels_are_installed_beside_the_image(kernel, command, tmp_path, monkeypatch):
    import packing

    on_kaggle = {"kernels/on_kaggle.py": (FOLDER / "on_kaggle.py").read_bytes()}
    script = {"dsb/probe.py": b"import sys, toy_package\nprint(toy_package.VALUE, sys.argv[1:])\n"}
    monkeypatch.setattr(packing, "tracked_files", lambda: on_kaggle | script)
    probe = """
sys.path[:0] = [str(path) for path in (ROOT / "input").glob("*/*/*/project/kernels")]
from on_kaggle import run
run("dsb/probe.py", "--one")
"""
    folder = kernel(probe)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    code, _, errors = command("run", folder, "--flags", "dsb/probe.py=--two 'b c'")
    assert code == 0, errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--input", "data-science-bowl-2018=nowhere"],
            "no such folder; download data-science-bowl-2018, or give --input",
        ),
        (["--input", "other=."], "--input other: not a source of probe-it"),
        (["--input", "other"], "--input other: give NAME=VALUE"),
        (["--weights", "no.h5"], "no such file of weights"),
    ],
)
def test_bad_input(kernel, command, arguments, words):
    code, _, errors = command("run", kernel(""), *arguments)
    assert (code, errors.count("\n")) == (2, 1)
    assert words in errors


def test_no_environment_of_kaggles_versions(kernel, command, monkeypatch):
    monkeypatch.setenv(running.PYTHON, "/nowhere/python")
    assert "`make kaggle` creates it" in command("run", kernel(""))[2]


@pytest.fixture
def toy(home, tmp_path, monkeypatch, wheel):
    """Generated nuclei in Kaggle's layout, in the folder where the user stands."""
    import packing
    from common.images.synthetic import write_dataset

    monkeypatch.setattr(packing, "download_wheels", lambda names, versions: [wheel])  # the environment has them
    monkeypatch.setenv(running.PYTHON, str(KAGGLE_PYTHON.absolute()))
    data = tmp_path / "data" / "data-science-bowl-2018"
    write_dataset(data / "stage1_train", 6, 1, sizes=[(64, 64)])
    write_dataset(data / "stage2_test_final", 2, 2, sizes=[(64, 64)])
    ids = sorted(path.name for path in (data / "stage2_test_final").iterdir() if path.is_dir())
    text = "".join(f"{name},1 1\n" for name in ids)
    (data / "stage2_sample_submission_final.csv").write_text("ImageId,EncodedPixels\n" + text)
    return tmp_path


@pytest.mark.slow
@needs_kaggle
def test_dsb_inference_tta(toy, command):
    flags = "dsb/my_inference_tta.py=--min-dim 64 --workers 1"
    code, output, errors = command("run", "dsb-inference-tta", "--cores", 2, "--flags", flags)
    assert code == 0, errors
    assert "2 rows' ids as in stage2_sample_submission_final.csv, checked" in output


@pytest.mark.slow
@needs_kaggle
def test_dsb_train_and_train_on(toy, command, tmp_path):
    tiny = "--preset demo --weights none --min-dim 64 --crop-size 64 --batch-size 1 --steps-per-epoch 1 --epochs 1 "
    tiny += "--fpn-channels 16 --rpn-channels 16 --head-channels 64 --mask-channels 16 --mask-convs 1 --score-every 0"
    flags = ["--flags", f"dsb/my_train_1.py={tiny}"]
    for script in ("dsb/my_train_2.py", "dsb/my_train_3.py"):
        flags += ["--flags", f"{script}={tiny.replace('none', 'last')}"]
    weights = PROJECT / "dsb" / "weights" / "small" / "weights.h5"
    code, _, errors = command("run", "dsb-train", "--cores", 2, "--weights", weights, *flags)
    assert code == 0, errors
    logs = tmp_path / "outputs" / "dsb-train" / "logs"
    assert sorted(path.name for path in logs.iterdir()) == ["001", "002", "003"]
    before = (logs / "003" / "last.h5").read_bytes()
    code, _, errors = command("run", "dsb-train", "--weights", logs, "--output", "again", *flags)
    assert code == 0, errors
    assert (tmp_path / "again" / "logs" / "003" / "last.h5").read_bytes() == before  # complete: nothing is trained


@pytest.mark.slow
@needs_kaggle
def test_rsna_predict(toy, command, tmp_path):
    from tests.radiographs import TEST, write_set
    from tests.rsna.test_pneumonia import SCRIPT, TINY
    from tests.scripts import finish, start

    data = write_set(tmp_path / "data" / "rsna-pneumonia-detection-challenge")
    rows = "".join(f"{patient},0.5 0 0 9 9\n" for patient in TEST)
    (data / "stage_2_sample_submission.csv").write_text("patientId,PredictionString\n" + rows)
    code, _, lines = finish(start(tmp_path, SCRIPT, "train", *TINY, "--dataset", data))
    assert code == 0, lines
    code, output, errors = command("run", "rsna-predict", "--cores", 2, "--weights", tmp_path / "logs")
    assert code == 0, errors
    assert "3 rows' ids as in stage_2_sample_submission.csv, checked" in output


@pytest.mark.slow
@needs_kaggle
def test_lung_unet(toy, command, tmp_path):
    write_kaggle(tmp_path / "data")
    tiny = (
        "--preset small --image-size 32 --channels 16,16 --steps-per-epoch 1 --epochs 1 --batch-size 2 --warmup-steps 0"
    )
    flags = ["--flags", f"lung/train.py={tiny}"]
    code, _, errors = command("run", "lung-unet", "--cores", 2, *flags)
    assert code == 0, errors
    output = tmp_path / "outputs" / "lung-unet"
    assert (output / "overlays" / "overview.png").exists()
    assert (output / "lung.csv").read_text().startswith("ImageId,")
