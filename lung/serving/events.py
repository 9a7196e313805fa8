"""Events of AWS Lambda: what they ask for, and how they are answered.

Three kinds are read: API Gateway's payload formats 1.0 (REST APIs) and 2.0 (HTTP APIs, function URLs), whose body is
JSON or the image itself, and any other event, which is the JSON object itself.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"
IMAGE_TYPES = ("image/png", "image/jpeg", "application/dicom", "application/octet-stream")
LARGEST_ANSWER = 6 * 2**20  # bytes: Lambda's own limit, on all of what a function returns
ROOM = 4096  # bytes of it for headers


class RequestError(Exception):
    """A request that cannot be met; the message is shown to whoever sent it.

    Args:
        status: of HTTP.
        message: holds nothing of the function's surroundings.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What an event asks for: exactly one of the two is given.

    Attributes:
        image: content of an image file.
        image_key: of an object in S3.
    """

    image: bytes | None = None
    image_key: str | None = None


def read_event(event: object, most_bytes: int) -> Request:
    """Return what an event asks for.

    Args:
        event: as Lambda hands it over.
        most_bytes: of an image.

    Raises:
        RequestError: 400 if it is malformed, 413 if the image is too large, 415 for another type of body.
    """
    if not isinstance(event, Mapping):
        raise RequestError(400, "the event must be a JSON object")
    if "requestContext" not in event:
        return _read_fields(event, most_bytes)
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise RequestError(400, "the body must be text, or base64")
    is_binary, kind = event.get("isBase64Encoded") is True, content_type(event)
    if kind in IMAGE_TYPES:
        if not is_binary:
            raise RequestError(
                400, f"a body of type {kind} must arrive as base64; send JSON with the field image instead"
            )
        return Request(image=_decode_base64(body, "body", most_bytes))
    if kind not in ("", JSON_TYPE):
        raise RequestError(415, f"content type: must be one of {', '.join((JSON_TYPE, *IMAGE_TYPES))}")
    # Base64 in base64, in a JSON object.
    text = _decode_base64(body, "body", 2 * most_bytes) if is_binary else body
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError(400, "the body must be JSON") from None
    return _read_fields(fields, most_bytes)


def content_type(event: Mapping[str, Any]) -> str:
    """Return the type of an event's body without parameters, lower case; "" if it is not given.

    Example:
        >>> content_type({"headers": {"Content-Type": "application/json; charset=utf-8"}})
        'application/json'
    """
    headers = event.get("headers")
    named = headers.items() if isinstance(headers, Mapping) else ()
    value = next((value for name, value in named if str(name).lower() == "content-type"), "")
    return str(value).split(";")[0].strip().lower()


def find_request_id(event: object, context: object) -> str:
    """Return Lambda's id of a request, else API Gateway's, else a new one."""
    outer = event.get("requestContext") if isinstance(event, Mapping) else None
    theirs = outer.get("requestId") if isinstance(outer, Mapping) else None
    return str(getattr(context, "aws_request_id", None) or theirs or uuid.uuid4())


def respond(status: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as API Gateway wants it in both formats; other callers get the same.

    Raises:
        RequestError: 413 if it is larger than Lambda returns.
    """
    body = json.dumps(content, allow_nan=False)
    if len(body) > LARGEST_ANSWER - ROOM:
        raise RequestError(413, "the mask is too ragged: its run lengths are more than an answer holds")
    headers = {"content-type": JSON_TYPE, "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _read_fields(fields: object, most_bytes: int) -> Request:
    if not isinstance(fields, Mapping):
        raise RequestError(400, "the body must be a JSON object")
    image, key = fields.get("image"), fields.get("image_key")
    if (image is None) == (key is None):
        raise RequestError(400, "give one of image, a file in base64, and image_key, a key in S3")
    if key is not None:
        if not isinstance(key, str):
            raise RequestError(400, "image_key: must be text")
        return Request(image_key=key)
    if not isinstance(image, str):
        raise RequestError(400, "image: must be text, a file in base64")
    return Request(image=_decode_base64(image, "image", most_bytes))


def _decode_base64(text: str, name: str, most_bytes: int) -> bytes:
    if len(text) // 4 * 3 - 2 > most_bytes:  # the least that so many letters stand for
        raise RequestError(413, f"{name}: more than the limit of {most_bytes} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(400, f"{name}: not base64") from None
    if not data:
        raise RequestError(400, f"{name}: empty")
    return data
