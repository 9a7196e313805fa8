"""Images as scikit-image and tifffile open them where `imagecodecs` is not installed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PROGRAM = """
import sys
sys.modules["imagecodecs"] = None
import numpy, skimage.io, tifffile
for number, path in enumerate(sys.argv[2:]):
    opened = skimage.io.imread(path)
    if path.lower().endswith((".tif", ".tiff")):
        numpy.testing.assert_array_equal(tifffile.imread(path), opened)
        (page,) = tifffile.TiffFile(path).pages
        assert page.compression == 8 and page.predictor == 1, page  # ImageJ takes no other predictor after deflate
    numpy.save(f"{sys.argv[1]}/{number}.npy", opened)
"""


def open_elsewhere(paths: Sequence[Path], folder: Path) -> list[np.ndarray]:
    """Return the images, opened in another process that saves them to `folder`."""
    folder.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", PROGRAM, folder, *paths], check=True)
    return [np.load(folder / f"{number}.npy") for number in range(len(paths))]
