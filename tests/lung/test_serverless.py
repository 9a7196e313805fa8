"""lung/serverless.py: events of all kinds, S3 on a server of this machine, refusals that tell nothing."""

import base64
import contextlib
import io
import json
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("moto.server", reason="the extra test is not installed")

import boto3
import pydicom

from common.images.decoding import decode_image, encode_png
from common.images.stored import MOST_PIXELS
from common.masks.rle import decode_rle
from common.predictor import MapPredictor
from lung import serverless
from lung.serving import images, model
from tests.aws import REGION, aws_here
from tests.chests import HEIGHT, WIDTH, lungs, radiograph
from tests.dicoms import encode_dicom
from tests.lung.onnx_file import write_onnx

BUCKET, PREFIX = "hospital", "radiographs/"
CONTEXT = SimpleNamespace(aws_request_id="request-1")


def as_jpeg(image, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


def in_base64(data):
    return base64.b64encode(data).decode()


FILES = {
    "a.png": encode_png(radiograph(1)),
    "b.jpg": as_jpeg(radiograph(2), quality=95),
    "c.dcm": encode_dicom(radiograph(3)),
}


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory):
    return write_onnx(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def aws():
    """The environment that leads boto3 to an AWS of this module's own."""
    with aws_here() as variables:
        yield variables


@pytest.fixture(autouse=True)
def container(onnx_path, monkeypatch):
    """A fresh container, whose package holds the model."""
    monkeypatch.setattr(serverless, "PACKAGED", onnx_path)
    for name in ("LUNG_BUCKET", "LUNG_PREFIX", "LUNG_MODEL_KEY", "LUNG_MAX_BYTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(MOST_PIXELS, "100000")
    caches = serverless.find_predictor, images._client
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def bucket(aws, monkeypatch, container):
    """A bucket with radiographs under the prefix and a secret beside it."""
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LUNG_BUCKET", BUCKET)
    monkeypatch.setenv("LUNG_PREFIX", PREFIX)
    s3 = boto3.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, data in FILES.items():
        s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=data)
    s3.put_object(Bucket=BUCKET, Key="secret.png", Body=FILES["a.png"])
    return s3


def call(event, context=CONTEXT):
    """Return status and content of an answer, which is checked to be what API Gateway takes."""
    answer = serverless.lambda_handler(event, context)
    assert answer.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert answer["headers"]["content-type"] == "application/json" and answer["isBase64Encoded"] is False
    json.dumps(answer)
    return answer["statusCode"], json.loads(answer["body"])


def rest(body, kind="application/json", *, binary=False):
    """An event of a REST API, payload format 1.0."""
    return {
        "resource": "/lungs",
        "path": "/lungs",
        "httpMethod": "POST",
        "headers": {"Content-Type": kind, "Host": "example.test"},
        "multiValueHeaders": {"Content-Type": [kind]},
        "queryStringParameters": None,
        "requestContext": {"requestId": "gateway-1", "stage": "prod"},
        "body": body,
        "isBase64Encoded": binary,
    }


def http(body, kind="application/json", *, binary=False):
    """An event of an HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "POST /lungs",
        "rawPath": "/lungs",
        "headers": {"content-type": kind},
        "requestContext": {"requestId": "gateway-2", "http": {"method": "POST", "path": "/lungs"}},
        "body": body,
        "isBase64Encoded": binary,
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("gateway", [rest, http])
def test_all_ways_to_send_a_radiograph_give_the_same_mask(onnx_path, bucket, name, gateway):
    data = FILES[name]
    kind = {"png": "image/png", "jpg": "image/jpeg", "dcm": "application/dicom"}[name[-3:]]
    fields = {"image": in_base64(data)}
    events = [
        fields,
        {"image_key": PREFIX + name},
        gateway(json.dumps(fields)),
        gateway(json.dumps({"image_key": PREFIX + name}), "application/json; charset=utf-8"),
        gateway(in_base64(json.dumps(fields).encode()), binary=True),
        gateway(in_base64(data), kind, binary=True),
        gateway(in_base64(data), "application/octet-stream", binary=True),
    ]
    answers = [call(event) for event in events]
    status, first = answers[0]
    assert status == 200 and all(answer == answers[0] for answer in answers)
    predictor = model.load_predictor(onnx_path)
    mask = predictor.predict(decode_image(data, name))
    assert mask.any() and (decode_rle(first["mask_rle"], mask.shape) == mask).all()
    png = decode_image(base64.b64decode(first["mask_png"]), "mask")
    assert (png == mask[..., None] * np.uint8(255)).all()
    assert (first["height"], first["width"], first["area"]) == (HEIGHT, WIDTH, mask.sum())
    assert first["confidence"] == predictor.look(decode_image(data, name)).instances().scores[0]
    assert first["request_id"] == "request-1"


def test_the_mask_is_that_of_the_lungs():
    _, answer = call({"image": in_base64(FILES["a.png"])})
    mask, true = decode_rle(answer["mask_rle"], (HEIGHT, WIDTH)), np.logical_or(*lungs(1))
    assert 2 * (mask & true).sum() / (mask.sum() + true.sum()) > 0.95


def test_no_lungs_are_an_answer():
    status, answer = call({"image": in_base64(encode_png(np.full((9, 7), 255, np.uint8)))})
    assert status == 200 and answer["mask_rle"] == "" and answer["area"] == 0 and answer["confidence"] is None
    assert decode_image(base64.b64decode(answer["mask_png"]), "mask").shape == (9, 7, 3)


def test_the_model_is_loaded_once(monkeypatch):
    loaded = []
    load = model.load_predictor
    monkeypatch.setattr(serverless, "load_predictor", lambda path: loaded.append(path) or load(path))
    for _ in range(3):
        assert call({"image": in_base64(FILES["a.png"])})[0] == 200
    assert len(loaded) == 1


def test_a_model_comes_from_the_bucket(onnx_path, bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(serverless, "PACKAGED", tmp_path / "none.onnx")
    monkeypatch.setenv("LUNG_MODEL_KEY", "models/dark.onnx")
    assert call({"image_key": PREFIX + "a.png"})[0] == 500
    for suffix in (".onnx", ".json"):
        bucket.put_object(Bucket=BUCKET, Key=f"models/dark{suffix}", Body=onnx_path.with_suffix(suffix).read_bytes())
    assert call({"image_key": PREFIX + "a.png"})[0] == 200


def frame_of_another_size():
    """A DICOM file that says 2 x 2 pixels and holds a JPEG of 400 x 400."""
    return encode_dicom(np.zeros((400, 400), np.uint8), jpeg=True, Rows=2, Columns=2)


def deflated():
    """A DICOM file that is short and inflates to 50 MB."""
    content = pydicom.dcmread(io.BytesIO(encode_dicom(np.zeros((5000, 10_000), np.uint8))))
    content.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    content.save_as(file)
    assert len(file.getvalue()) < 100_000
    return file.getvalue()


def large_by_header():
    """A PNG file of 60 bytes that says 60,000 x 60,000 pixels."""
    data = bytearray(encode_png(np.zeros((1, 1), np.uint8)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def many_scans():
    """A progressive JPEG whose scans are repeated."""
    data = as_jpeg(radiograph(1), progressive=True)
    first = data.index(images.START_OF_SCAN)
    return data[:-2] + data[first:-2] * 40 + data[-2:]


REFUSED = {
    "no object": ([], 400, "the event must be a JSON object"),
    "nothing": ({}, 400, "give one of image, a file in base64, and image_key, a key in S3"),
    "both": ({"image": "AAAA", "image_key": "a"}, 400, "give one of image"),
    "a number": ({"image": 7}, 400, "image: must be text, a file in base64"),
    "a list": ({"image_key": ["a"]}, 400, "image_key: must be text"),
    "not base64": ({"image": "a picture"}, 400, "image: not base64"),
    "other letters": ({"image": "äöü="}, 400, "image: not base64"),
    "empty": ({"image": ""}, 400, "image: empty"),
    "no body": (rest(None), 400, "the body must be JSON"),
    "not JSON": (http("{image}"), 400, "the body must be JSON"),
    "deep JSON": (http("[" * 100_000), 400, "the body must be JSON"),
    "a JSON list": (http("[1]"), 400, "the body must be a JSON object"),
    "a form": (rest("a=1", "application/x-www-form-urlencoded"), 415, "content type: must be one of application/json"),
    "bytes as text": (rest("\x89PNG", "image/png"), 400, "a body of type image/png must arrive as base64"),
    "body": (http({"image": "AAAA"}), 400, "the body must be text, or base64"),
    "text": ({"image": in_base64(b"Hello, world")}, 415, "image: must be a PNG, JPEG or DICOM file"),
    "GIF": ({"image": in_base64(b"GIF89a" + bytes(50))}, 415, "image: must be a PNG, JPEG or DICOM file"),
    "TIFF": ({"image": in_base64(b"II*\0" + bytes(50))}, 415, "image: must be a PNG, JPEG or DICOM file"),
    "cut PNG": ({"image": in_base64(FILES["a.png"][:-300])}, 400, "image: damaged, or not a single image"),
    "cut JPEG": ({"image": in_base64(FILES["b.jpg"][:-300])}, 400, "image: damaged, or not a single image"),
    "cut DICOM": ({"image": in_base64(FILES["c.dcm"][:-300])}, 400, "image: damaged, or not a single image"),
    "PNG bomb": ({"image": in_base64(large_by_header())}, 413, "image: more than the limit of 100000 pixels"),
    "DICOM frame": ({"image": in_base64(frame_of_another_size())}, 413, "image: more than the limit of 100000 pixels"),
    "DICOM bomb": ({"image": in_base64(deflated())}, 415, "image: deflated DICOM files are not read"),
    "JPEG bomb": ({"image": in_base64(many_scans())}, 413, "image: too many scans"),
    "too large": ({"image": "A" * 2_000_000}, 413, "image: more than the limit of 1000000 bytes"),
    "no bucket": ({"image_key": "a.png"}, 400, "image_key: no bucket is set up; send the image itself"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused(case, monkeypatch):
    event, status, message = REFUSED[case]
    monkeypatch.setenv("LUNG_MAX_BYTES", "1000000")
    answer = call(event)
    assert answer[0] == status and answer[1]["error"].startswith(message)
    assert answer[1].keys() == {"error", "request_id"}


@pytest.mark.parametrize(
    "key",
    [
        "radiographs/none.png",
        "secret.png",
        "radiographs/../secret.png",
        "",
        "radiographs/\n",
        "radiographs/" + "a" * 1100,
    ],
)
def test_no_other_key_is_read_and_all_look_alike(bucket, key):
    assert call({"image_key": key}) == (404, {"error": images.NOT_THERE, "request_id": "request-1"})


def test_the_prefix_is_never_all_of_the_bucket_by_oversight(bucket, monkeypatch):
    monkeypatch.delenv("LUNG_PREFIX")
    assert call({"image_key": "secret.png"})[0] == 404 and call({"image_key": PREFIX + "a.png"})[0] == 200
    monkeypatch.setenv("LUNG_PREFIX", "")
    assert call({"image_key": "secret.png"})[0] == 200


def test_a_large_object_is_not_read(bucket, monkeypatch):
    monkeypatch.setenv("LUNG_MAX_BYTES", "1000")
    status, answer = call({"image_key": PREFIX + "a.png"})
    assert status == 413 and answer["error"] == "image_key: more than the limit of 1000 bytes"


def test_failures_tell_the_log_alone(bucket, monkeypatch, capsys):
    monkeypatch.setenv("LUNG_BUCKET", "another-hospital")
    status, answer = call({"image_key": PREFIX + "patient-7.png"})
    assert status == 500 and answer == {"error": "internal error", "request_id": "request-1"}
    note = json.loads(capsys.readouterr().err)
    assert note["status"] == 500 and "NoSuchBucket" in note["error"] and "patient-7" not in note["error"]


@pytest.mark.parametrize("name", ["LUNG_MAX_BYTES", MOST_PIXELS])
def test_a_limit_that_is_no_number_is_a_failure(name, monkeypatch, capsys):
    monkeypatch.setenv(name, "20 MB")
    assert call({"image": in_base64(FILES["a.png"])}) == (500, {"error": "internal error", "request_id": "request-1"})
    assert f"{name}=20 MB: not a number; give one" in capsys.readouterr().err


def test_a_missing_model_is_a_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(serverless, "PACKAGED", tmp_path / "lung.onnx")
    status, answer = call({"image": in_base64(FILES["a.png"])})
    assert status == 500 and str(tmp_path) not in json.dumps(answer)
    assert "no such file; lung/export.py writes it" in capsys.readouterr().err


def test_a_line_tells_of_each_request_without_its_content(bucket, capsys):
    call({"image_key": PREFIX + "c.dcm"})
    line = capsys.readouterr().err
    note = json.loads(line)
    assert note.pop("seconds") < 60
    size = {"bytes": len(FILES["c.dcm"]), "pixels": HEIGHT * WIDTH}
    assert note == {"request_id": "request-1", "kind": "dicom", "status": 200, **size}


def test_requests_have_ids_without_a_context():
    assert call(rest("{}"), None)[1]["request_id"] == "gateway-1"
    first, second = (call({}, None)[1]["request_id"] for _ in range(2))
    assert len(first) == 36 and first != second


def test_an_answer_that_lambda_would_not_return_is_refused(monkeypatch):
    monkeypatch.setattr("lung.serving.events.LARGEST_ANSWER", 5000)
    status, answer = call({"image": in_base64(FILES["a.png"])})
    assert status == 413 and "run lengths" in answer["error"]


def test_the_predictor_is_that_of_the_config(onnx_path):
    predictor = model.load_predictor(onnx_path)
    assert isinstance(predictor, MapPredictor) and predictor.config.views == "flip" and predictor.config.largest == 2
