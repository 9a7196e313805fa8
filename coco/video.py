"""Videos: read, changed frame by frame, and written aside."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from common.errors import InputError
from common.storage.files import written_aside
from common.terminal.progress import progress_bar

CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "MJPG"}
USUAL_RATE = 25.0  # frames per second, for a video without a rate


def change_video(source: Path, output: Path, change: Callable[[np.ndarray], np.ndarray]) -> int:
    """Write a video of the changed frames of another, with the same size and rate, atomically.

    Args:
        source: any video that OpenCV reads.
        output: ends in .avi, .mp4 or .mkv.
        change: from a frame (H, W, 3) uint8, RGB, to another of the same shape.

    Returns:
        The number of frames.

    Raises:
        InputError: not a video, no frames, or an unknown suffix.
    """
    check_video_name(output)
    with _reading(source) as capture:
        rate, total = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        count = 0
        with written_aside(output) as aside, _writing(aside, rate if rate > 0 else USUAL_RATE, size) as writer:
            for frame in progress_bar(_frames(capture), output.name, total if total > 0 else None, unit="frame"):
                writer.write(np.ascontiguousarray(change(frame)[..., ::-1]))
                count += 1
            if not count:
                raise InputError(f"{source}: no frames, or a damaged video; give another")
    return count


def check_video_name(output: Path) -> None:
    """Raise InputError if no video can be written under this name."""
    if output.suffix.lower() not in CODECS:
        raise InputError(f"{output}: unknown video format; choose a name that ends in {', '.join(CODECS)}")


def _frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield np.ascontiguousarray(frame[..., ::-1])


@contextlib.contextmanager
def _reading(source: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(str(source))
    try:
        if not source.is_file() or not capture.isOpened():
            raise InputError(f"{source}: no such video, or OpenCV cannot read it; give another")
        yield capture
    finally:
        capture.release()


@contextlib.contextmanager
def _writing(path: Path, rate: float, size: tuple[int, int]) -> Iterator[cv2.VideoWriter]:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()]), rate, size)
    try:
        if not writer.isOpened():
            raise InputError(f"{path.parent}: OpenCV cannot write a {path.suffix} video there; choose another --output")
        yield writer
    finally:
        writer.release()
