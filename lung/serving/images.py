"""Radiographs from S3 and from requests, checked before anything large is decoded."""

import functools
import logging
import os
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.errors import InputError
from common.images.decoding import decode_image
from common.images.formats.dicom import is_dicom
from common.images.stored import MOST_PIXELS, PixelLimitError
from lung.serving.events import RequestError

USUAL_PREFIX = "radiographs/"
USUAL_MOST_BYTES = 20_000_000
USUAL_MOST_PIXELS = 2**25  # the largest of Kaggle's have 24 million
MOST_SCANS = 100  # of a progressive JPEG, which has about ten; each costs a pass over all pixels
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
START_OF_SCAN = b"\xff\xda"
DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax whose files are inflated whole, whatever their size
NOT_THERE = "image_key: no such radiograph"
_MISSING = ("NoSuchKey", "NoSuchVersion", "404")

# What it says of a file's contents may name the patient.
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        bucket: in S3, of radiographs and the model; "": none.
        prefix: of the keys that may be read.
        model_key: of an ONNX file, its config beside it as .json; "": the model of the package.
        most_bytes: of an image file.
        most_pixels: of an image.
    """

    bucket: str
    prefix: str
    model_key: str
    most_bytes: int
    most_pixels: int

    @classmethod
    def of_environment(cls) -> "Settings":
        """Read `LUNG_BUCKET`, `LUNG_PREFIX`, `LUNG_MODEL_KEY`, `LUNG_MAX_BYTES` and `SEGMENTATION_MAX_PIXELS`.

        The last one is what decoding goes by: where it is not set, it is.

        Raises:
            InputError: a limit that is not a number.
        """
        os.environ.setdefault(MOST_PIXELS, str(USUAL_MOST_PIXELS))
        return cls(
            bucket=os.environ.get("LUNG_BUCKET", ""),
            prefix=os.environ.get("LUNG_PREFIX", USUAL_PREFIX),
            model_key=os.environ.get("LUNG_MODEL_KEY", ""),
            most_bytes=_read_limit("LUNG_MAX_BYTES", USUAL_MOST_BYTES),
            most_pixels=_read_limit(MOST_PIXELS, USUAL_MOST_PIXELS),
        )


def fetch(key: str, settings: Settings) -> bytes:
    """Return a radiograph from S3.

    Raises:
        RequestError: 404 if there is none, or outside of the prefix; 413 if it is too large.
    """
    if not settings.bucket:
        raise RequestError(400, "image_key: no bucket is set up; send the image itself")
    if not _may_read(key, settings.prefix):
        raise RequestError(404, NOT_THERE)  # the same as for a missing one, so that nobody can look around
    data = read_object(settings.bucket, key, settings.most_bytes)
    if data is None:
        raise RequestError(404, NOT_THERE)
    return data


def read_object(bucket: str, key: str, most_bytes: int) -> bytes | None:
    """Return an object's content; None if there is no such object.

    Raises:
        RequestError: 413 if it is too large; nothing of it is read then.
    """
    from botocore.exceptions import ClientError

    try:
        found = _client().get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
    with closing(found["Body"]) as body:
        if found["ContentLength"] > most_bytes:
            raise RequestError(413, f"image_key: more than the limit of {most_bytes} bytes")
        return body.read()


def decode(data: bytes, most_pixels: int) -> np.ndarray:
    """Decode a PNG, JPEG or DICOM file as `lung/predict.py` does.

    Args:
        data: the file's content.
        most_pixels: the limit, for the message.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        RequestError: 400 if it is damaged, 413 if it has too many pixels, 415 if it is of another kind.
    """
    if kind_of(data) is None:
        raise RequestError(415, "image: must be a PNG, JPEG or DICOM file")
    if DEFLATED in data:
        raise RequestError(415, "image: deflated DICOM files are not read; save it with another transfer syntax")
    if data.startswith(JPEG) and data.count(START_OF_SCAN) > MOST_SCANS:
        raise RequestError(413, "image: too many scans; save it as a baseline JPEG")
    try:
        return decode_image(data, "image")
    except PixelLimitError:
        raise RequestError(413, f"image: more than the limit of {most_pixels} pixels") from None
    except InputError:  # its message quotes libraries, and they the file
        raise RequestError(400, "image: damaged, or not a single image; open and save it in a viewer") from None


def kind_of(data: bytes) -> str | None:
    """Return "png", "jpeg" or "dicom" by the first bytes of a file; None for another kind."""
    if data.startswith(PNG):
        return "png"
    if data.startswith(JPEG):
        return "jpeg"
    return "dicom" if is_dicom(data) else None


def _read_limit(name: str, usual: int) -> int:
    text = os.environ.get(name) or str(usual)
    if not text.isdecimal():
        raise InputError(f"{name}={text}: not a number; give one, such as {usual}")
    return int(text)


def _may_read(key: str, prefix: str) -> bool:
    """Return whether a key lies under a prefix; steps upwards are refused, which some servers like S3 follow."""
    readable = key.isprintable() and 0 < len(key.encode(errors="replace")) <= 1024
    return readable and key.startswith(prefix) and not {"..", "."} & set(key.split("/"))


@functools.cache
def _client() -> Any:
    import boto3  # Lambda's runtime has it
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
    return boto3.client("s3", config=config)
