"""Files of the confusion matrix of `common.scoring.confusion`."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from common.images.decoding import save_image
from common.storage.files import written_aside

FIRST_COLUMN, LINE, CELL_WIDTH = 130, 34, 96  # pixels, of the drawn table
WHITE, BLACK, BLUE = (255, 255, 255), (0, 0, 0), (40, 90, 200)


def save_confusion(path: Path, matrix: np.ndarray, class_names: Sequence[str]) -> None:
    """Write the counts as a CSV, and as an image of the same name.

    Args:
        path: the CSV.
        matrix: see `common.scoring.confusion`.
        class_names: of the classes 1, 2, ...
    """
    rows, columns = ("nothing", *class_names), ("missed", *class_names)
    lines = [",".join(("true", *columns))]
    lines += [",".join((name, *map(str, counts))) for name, counts in zip(rows, matrix.tolist(), strict=True)]
    with written_aside(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    save_image(path.with_suffix(".png"), draw_confusion(matrix, class_names))


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Draw the counts as a table, each field the bluer the larger its share of its row.

    Args:
        matrix: see `common.scoring.confusion`.
        class_names: of the classes 1, 2, ...

    Returns:
        (H, W, 3) uint8.
    """
    size = len(matrix)
    sheet = np.full((LINE * (size + 1), FIRST_COLUMN + CELL_WIDTH * size, 3), 255, np.uint8)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    _write(sheet, "true \\ predicted", 6, 0, BLACK)
    for i, (row, column) in enumerate(zip(("nothing", *class_names), ("missed", *class_names), strict=True)):
        _write(sheet, row, 6, i + 1, BLACK)
        _write(sheet, column, FIRST_COLUMN + CELL_WIDTH * i + 6, 0, BLACK)
        for j in range(size):
            top, left = LINE * (i + 1), FIRST_COLUMN + CELL_WIDTH * j
            colour = np.rint(np.array(WHITE) + shares[i, j] * (np.array(BLUE) - WHITE))
            sheet[top + 1 : top + LINE, left + 1 : left + CELL_WIDTH] = colour
            _write(sheet, str(matrix[i, j]), left + 6, i + 1, WHITE if shares[i, j] > 0.5 else BLACK)
    return sheet


def _write(sheet: np.ndarray, text: str, left: int, line: int, colour: tuple[int, int, int]) -> None:
    at = (left, LINE * line + LINE * 2 // 3)
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
