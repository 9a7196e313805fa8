"""Segment the lungs in a chest radiograph in AWS Lambda: `lambda_handler`. docs/deploy.md packs and deploys it.

An event names a radiograph in S3, `{"image_key": "radiographs/1.png"}`, or holds one in base64, `{"image": "..."}`: a
PNG, JPEG or DICOM file. From API Gateway, that is the body, or the body is the file itself. The answer's body is JSON:

    mask_rle      run lengths in Kaggle's format, as lung/predict.py writes them
    mask_png      the mask as a PNG file in base64, in the radiograph's own size, 255 on the lungs
    height, width of the radiograph, pixels
    area          pixels of the mask
    confidence    mean probability of the mask's pixels; null if it has none
    request_id

or, with the status 400, 404, 413, 415 or 500, `error` and `request_id`. The environment sets LUNG_BUCKET, LUNG_PREFIX,
LUNG_MODEL_KEY, LUNG_MAX_BYTES and SEGMENTATION_MAX_PIXELS. It runs the ONNX file of lung/export.py; TensorFlow is not
needed. A line of JSON on stderr tells of each request; it holds neither images nor keys.
"""

import base64
import contextlib
import functools
import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from common.images.decoding import encode_png
from common.masks.rle import encode_rle
from common.predictor import MapPredictor
from lung.serving.events import RequestError, find_request_id, read_event, respond
from lung.serving.images import Settings, decode, fetch, kind_of
from lung.serving.model import PACKAGED, load_from_s3, load_predictor


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Answer a request; never raises.

    Args:
        event: as Lambda hands it over.
        context: Lambda's, of which only `aws_request_id` is read; may be None.

    Returns:
        `statusCode`, `headers`, `body` and `isBase64Encoded`, for both payload formats of API Gateway.
    """
    start = time.perf_counter()
    request_id = find_request_id(event, context)
    note: dict[str, Any] = {"request_id": request_id}
    try:
        answer = respond(200, {**_segment(event, note), "request_id": request_id})
    except RequestError as error:
        note["error"] = str(error)
        answer = respond(error.status, {"error": str(error), "request_id": request_id})
    except Exception:  # nothing of it may reach the caller: paths, keys, the program's lines
        note["error"] = traceback.format_exc()
        answer = respond(500, {"error": "internal error", "request_id": request_id})
    note |= {"status": answer["statusCode"], "seconds": round(time.perf_counter() - start, 3)}
    sys.stderr.write(json.dumps(note) + "\n")
    return answer


def _segment(event: object, note: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request; add what is known of it to its note."""
    settings = Settings.of_environment()
    request = read_event(event, settings.most_bytes)
    data = request.image or fetch(request.image_key or "", settings)
    note |= {"bytes": len(data), "kind": kind_of(data)}
    image = decode(data, settings.most_pixels)
    note["pixels"] = image.shape[0] * image.shape[1]
    return _describe(find_predictor(settings.bucket, settings.model_key), image)


def _describe(predictor: MapPredictor, image: np.ndarray) -> dict[str, Any]:
    lungs = predictor.look(image).instances()
    height, width = image.shape[:2]
    mask = lungs.to_label_image((height, width)) > 0
    return {
        "mask_rle": encode_rle(mask),
        "mask_png": base64.b64encode(encode_png(mask.view(np.uint8) * np.uint8(255))).decode(),
        "height": height,
        "width": width,
        "area": int(mask.sum()),
        "confidence": float(lungs.scores[0]) if len(lungs) else None,
    }


@functools.cache
def find_predictor(bucket: str, model_key: str) -> MapPredictor:
    """Return the predictor, which is loaded once: from S3 if a key is given, else from the package."""
    return load_from_s3(bucket, model_key) if model_key else load_predictor(PACKAGED)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # before the first request, while Lambda lends more of a processor
    with contextlib.suppress(Exception):  # the first request tells what is wrong
        _settings = Settings.of_environment()
        find_predictor(_settings.bucket, _settings.model_key)
