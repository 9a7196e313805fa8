"""The files in deploy/lung-lambda are sound; the package answers as lung/predict.py does, wherever it is unzipped."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.images.decoding import decode_image
from common.masks.rle import decode_rle
from tests.chests import radiograph, write
from tests.dicoms import encode_dicom
from tests.scripts import run_here

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy" / "lung-lambda" / "build.py"
TEMPLATE = BUILD.with_name("template.yaml")

# What a process with nothing but the package does: answer each event of a file; say what it imported from elsewhere.
CLIENT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lung.serverless import lambda_handler
answers = [lambda_handler(event, None) for event in json.load(open(sys.argv[2]))]
places = [getattr(module, "__file__", None) or sys.argv[1] for module in sys.modules.values()]
standard = sys.base_prefix, sys.argv[1], "<frozen"
print(json.dumps([answers, [place for place in places if not place.startswith(standard)], "keras" in sys.modules]))
"""


def as_jpeg(image, kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def in_base64(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--python", "python9.9"], "--python python9.9: no such interpreter; give one of the runtime's version"),
        (["--python", "false"], "--python false: no such interpreter"),
        (["--python", sys.executable, "--model", "no.onnx"], "--model no.onnx: no such file; lung/export.py writes it"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run_here(monkeypatch, capsys, BUILD, *arguments)
    assert code == 2 and len(errors.splitlines()) == 1 and message in errors
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "command",
    [["cfn-lint", TEMPLATE, "--include-checks", "W", "I"], ["hadolint", BUILD.with_name("Dockerfile")]],
    ids=["template", "dockerfile"],
)
def test_linters_find_nothing(command):
    linter = Path(sys.executable).with_name(command[0])
    if not linter.exists():
        pytest.skip("the extra test is not installed")
    done = subprocess.run([linter, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_of_a_deployment_name_the_same_things():
    template, dockerfile = TEMPLATE.read_text(), BUILD.with_name("Dockerfile").read_text()
    assert "CodeUri: ../../build/lung/lung.zip" in template and "COPY build/lung/package/" in dockerfile
    assert "!build/lung/package" in BUILD.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert "Handler: lung.serverless.lambda_handler" in template and '"lung.serverless.lambda_handler"' in dockerfile
    assert "Default: python3.13" in template and "lambda/python:3.13" in dockerfile
    code = "".join(path.read_text() for path in (ROOT / "lung" / "serving").glob("*.py"))
    for name in re.findall(r"^ {10}((?:LUNG|SEGMENTATION)_\w+):", template, re.MULTILINE):
        assert name in code or name == "SEGMENTATION_MAX_PIXELS"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the package of the pretrained weights, for this interpreter."""
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, BUILD, "--output", folder, "--python", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"for Lambda's runtime python{sys.version_info[0]}.{sys.version_info[1]}" in done.stdout
    return folder


@pytest.fixture(scope="module")
def package(built, tmp_path_factory):
    """The unzipped archive, and nothing else."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(built / "lung.zip") as archive:
        assert sum(info.file_size for info in archive.infolist()) < 250e6
        archive.extractall(folder)
    return folder


def answer(package, events, folder):
    """Return the answers of a process that has nothing but the package: `python -I`, no packages, no environment."""
    (folder / "events.json").write_text(json.dumps(events))
    command = [sys.executable, "-I", "-S", "-B", "-c", CLIENT, package, folder / "events.json"]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, strangers, keras = json.loads(done.stdout)
    assert not strangers and not keras
    return [(one["statusCode"], json.loads(one["body"])) for one in answers], done.stderr


def predict(dataset, folder):
    """Return score, mask and PNG of each radiograph as lung/predict.py writes them."""
    command = [sys.executable, ROOT / "lung" / "predict.py", "--dataset", dataset, "--weights", "lung"]
    command += ["--output", folder / "lung.csv", "--masks", folder / "masks", "--workers", "0"]
    subprocess.run(command, check=True, capture_output=True)
    with (folder / "lung.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return {row["ImageId"]: (float(row["Score"]), row["EncodedPixels"]) for row in rows}


def assert_same(answers, rows, masks):
    """Check answers against predictions; return how many pixels differ, of how many."""
    different = total = 0
    for (image_id, (score, runs)), (status, content) in zip(rows.items(), answers, strict=True):
        shape = content["height"], content["width"]
        ours, theirs = decode_rle(content["mask_rle"], shape), decode_rle(runs, shape)
        png = decode_image(base64.b64decode(content["mask_png"]), "mask")[..., 0]
        assert status == 200 and content["area"] == ours.sum() and (png == ours * np.uint8(255)).all()
        assert abs(content["confidence"] - score) < 1e-4
        theirs_png = decode_image((masks / f"{image_id}_mask.png").read_bytes(), "mask")[..., 0]
        assert (theirs_png > 0).sum() == theirs.sum()
        different, total = different + (ours != theirs).sum(), total + ours.size
    return different, total


@pytest.mark.slow
def test_it_answers_as_the_script_in_an_empty_environment(package, tmp_path):
    shapes = {"a.png": (300, 200), "b.jpg": (700, 900), "c.dcm": (256, 256), "d.png": (31, 47)}
    images = {name: radiograph(i, height=h, width=w) for i, (name, (h, w)) in enumerate(shapes.items())}
    encode = {"png": lambda image: as_jpeg(image, "PNG"), "jpg": as_jpeg, "dcm": encode_dicom}
    data = {name: encode[name[-3:]](image) for name, image in images.items()}
    set_of_files = tmp_path / "set" / "images"
    set_of_files.mkdir(parents=True)
    for name, content in data.items():
        (set_of_files / name).write_bytes(content)
    rows = predict(tmp_path / "set", tmp_path)
    answers, log = answer(package, [{"image": in_base64(data[name])} for name in sorted(data)], tmp_path)
    different, total = assert_same(answers, rows, tmp_path / "masks")
    assert different <= 1e-5 * total  # Keras and ONNX Runtime round differently, by some 1e-5
    assert [json.loads(line)["kind"] for line in log.splitlines()] == ["png", "jpeg", "dicom", "png"]


@pytest.mark.slow
def test_real_radiographs_get_the_masks_of_the_script(package, data_folder, tmp_path):
    with zipfile.ZipFile(data_folder / "lung" / "lung.zip") as archive:
        names = sorted(name for name in archive.namelist() if "/images/" in f"/{name}" and not name.endswith("/"))[:8]
        archive.extractall(tmp_path / "set", names)
    paths = sorted(path for path in (tmp_path / "set").rglob("*") if path.is_file())
    rows = predict(tmp_path / "set", tmp_path)
    answers, _ = answer(package, [{"image": in_base64(path.read_bytes())} for path in paths], tmp_path)
    different, total = assert_same(answers, rows, tmp_path / "masks")
    assert total > 1e6 and different <= 2e-6 * total


@pytest.mark.slow
def test_every_kind_of_file_is_read_or_refused_by_what_is_left_of_the_wheels(package, tmp_path):
    image = radiograph(1, height=64, width=64)
    deep = image.astype(np.uint16) * 200
    colours = np.stack([image] * 3, axis=2)
    palette = io.BytesIO()
    Image.fromarray(image).convert("P").save(palette, "PNG")
    read = [as_jpeg(image, "PNG"), as_jpeg(deep, "PNG"), as_jpeg(colours, "PNG"), palette.getvalue(), as_jpeg(colours)]
    read += [encode_dicom(image), encode_dicom(deep), encode_dicom(image, jpeg=True), encode_dicom(colours)]
    read += [encode_dicom(deep, PhotometricInterpretation="MONOCHROME1")]
    refused = [as_jpeg(image, "GIF"), as_jpeg(image, "TIFF"), as_jpeg(image, "WEBP"), b"%PDF-1.7", read[0][:90]]
    answers, _ = answer(package, [{"image": in_base64(data)} for data in read + refused], tmp_path)
    assert [status for status, _ in answers] == [200] * len(read) + [415, 415, 415, 415, 400]
    assert all(content["mask_rle"] for status, content in answers if status == 200)


@pytest.mark.slow
def test_aws_runtime_client_runs_it_against_s3(package, monkeypatch):
    pytest.importorskip("awslambdaric", reason="the extra test is not installed")
    pytest.importorskip("moto.server", reason="the extra test is not installed")
    import boto3

    from tests.aws import REGION, aws_here
    from tests.deploy.lambda_runtime import Runtime

    with aws_here() as aws:
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="hospital", CreateBucketConfiguration={"LocationConstraint": REGION})
        image = as_jpeg(radiograph(1, height=200, width=200), "PNG")
        s3.put_object(Bucket="hospital", Key="radiographs/1.png", Body=image)
        environment = {**aws, "LUNG_BUCKET": "hospital", "LUNG_PREFIX": "radiographs/"}
        runtime = Runtime(package, "lung.serverless.lambda_handler", environment)
        try:
            event = {"version": "2.0", "requestContext": {"requestId": "gateway"}, "headers": {}}
            body = json.dumps({"image_key": "radiographs/1.png"})
            first, second = (runtime.call({**event, "body": body}) for _ in range(2))
            missing = runtime.call({"image_key": "radiographs/2.png"})
            nonsense = runtime.call([1])
        finally:
            log = runtime.stop()
    assert first["statusCode"] == second["statusCode"] == 200, log
    content = json.loads(first["body"])
    assert content.pop("request_id") == "request-1" and content["area"] > 0
    assert {**json.loads(second["body"]), "request_id": None} == {**content, "request_id": None}
    assert (missing["statusCode"], nonsense["statusCode"]) == (404, 400)
    assert [json.loads(line)["status"] for line in log.splitlines() if line.startswith("{")] == [200, 200, 404, 400]
    assert "radiographs/" not in log and "WARNING" not in log


@pytest.mark.slow
def test_the_same_checkout_and_model_give_the_same_bytes(built, tmp_path):
    command = [sys.executable, BUILD, "--output", tmp_path, "--python", sys.executable]
    command += ["--model", built / "package" / "model" / "lung.onnx"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "lung.zip").read_bytes() == (built / "lung.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lung.zip", "package"]
    shutil.rmtree(tmp_path / "package")


def test_what_is_left_out_is_named_by_what_is_there(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BUILD.parent)
    import build

    write(tmp_path / "numpy" / "tests" / "a.png", radiograph(1))
    monkeypatch.setattr(build, "UNREAD", ("**/tests", "numpy/gone"))
    with pytest.raises(build.InputError, match=r"numpy/gone: not in the wheels of serverless.txt; look at what"):
        build.remove_unread(tmp_path)
    assert list((tmp_path / "numpy").iterdir()) == []
    with pytest.raises(build.InputError, match=r"the package has 11 bytes, more than Lambda's 10"):
        monkeypatch.setattr(build, "LARGEST", 10)
        build.check_size({"a": bytes(11)})
    assert build.size_table({"cv2/a": bytes(10**6), "pillow.libs/b": bytes(3 * 10**6), "PIL/c": b""}).splitlines() == [
        "     3.0 MB  PIL",
        "     1.0 MB  cv2",
        "     4.0 MB  in all, 40000000% of Lambda's limit",
    ]
