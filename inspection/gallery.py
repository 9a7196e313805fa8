"""Small copies of the figures of reports, for a page of documentation.

    python inspection/gallery.py reports/data reports/model --output docs/inspection

Writes each figure of a report's folder as <folder>_<figure>.jpg, at most 60 kB. `make gallery` makes those of
docs/inspection.md.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.flags import OneLineParser

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 60_000
WIDEST = 1200  # pixels
LEAST_QUALITY = 40  # of a JPEG file; below that, it is shrunk instead


def main() -> None:
    """Copy the figures."""
    parser = OneLineParser(__doc__, "%(prog)s FOLDER [FOLDER ...] --output FOLDER")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a report, where its PNG files lie")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    flags = parser.parse_args()

    from common.images.decoding import read_image
    from common.storage.files import written_aside

    for folder in flags.folders:
        figures = sorted(folder.glob("[0-9][0-9]_*.png"))
        if not figures:
            raise InputError(f"{folder}: no figures; give the folder of a report")
        for figure in figures:
            with written_aside(flags.output / f"{folder.name}_{figure.stem[3:]}.jpg") as aside:
                aside.write_bytes(encode_small(read_image(figure)))
        print(f"wrote {len(figures)} figures of {folder} to {flags.output}")


def encode_small(image: "np.ndarray") -> bytes:
    """Return an image, (H, W, 3) uint8, as a JPEG file of at most `MOST_BYTES` and `WIDEST` pixels."""
    import cv2

    width = min(image.shape[1], WIDEST)
    while True:
        size = width, max(1, round(image.shape[0] * width / image.shape[1]))
        small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        for quality in range(90, LEAST_QUALITY - 1, -10):
            data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            if len(data) <= MOST_BYTES:
                return data
        width = width * 4 // 5


if __name__ == "__main__":
    run_main(main)
