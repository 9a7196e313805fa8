"""A photograph as a phone stores it, turned, with the note in EXIF how to turn it upright."""

import io

import numpy as np
from PIL import Image

UPRIGHT = np.full((60, 36, 3), 40, np.uint8)
BOX = (8, 10, 24, 32)  # y1, x1, y2, x2 in the upright image
UPRIGHT[8:24, 10:32] = (240, 60, 60)
TURNS = Image.Transpose
FROM_UPRIGHT = {
    2: TURNS.FLIP_LEFT_RIGHT,
    3: TURNS.ROTATE_180,
    4: TURNS.FLIP_TOP_BOTTOM,
    5: TURNS.TRANSPOSE,
    6: TURNS.ROTATE_90,
    7: TURNS.TRANSVERSE,
    8: TURNS.ROTATE_270,
}


def turned_jpeg(orientation: int) -> bytes:
    """Return the file; programs that obey EXIF show `UPRIGHT`."""
    image, file, exif = Image.fromarray(UPRIGHT), io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(FROM_UPRIGHT[orientation]) if orientation > 1 else image
    stored.save(file, "JPEG", exif=exif, quality=100, subsampling=0)
    return file.getvalue()


def find_box(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box of the bright object, y1, x1, y2, x2."""
    rows, columns = (np.flatnonzero((image[..., 0] > 140).any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
