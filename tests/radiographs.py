"""A hand-made set in the layout of the pneumonia competition: bright rectangles in dark chests."""

from pathlib import Path

import numpy as np

from tests.dicoms import encode_dicom

SIZE = 160
# Boxes of each patient, x, y, width, height: one at the border, two that overlap; most patients have none.
BOXES: dict[str, list[tuple[float, ...]]] = {f"patient-{k}": [] for k in range(10)}
BOXES["patient-1"] = [(20.0, 30.0, 40.0, 60.0)]
BOXES["patient-4"] = [(100.0, 80.0, 60.0, 80.0)]
BOXES["patient-5"] = [(20.0, 20.0, 50.0, 50.0), (40.0, 40.0, 60.0, 70.0)]
BOXES["patient-8"] = [(80.0, 10.0, 45.0, 90.0)]
CLASSES = {patient: "Lung Opacity" if boxes else "Normal" for patient, boxes in BOXES.items()}
CLASSES["patient-9"] = "No Lung Opacity / Not Normal"
TEST = ("test-a", "test-b", "test-c")


def radiograph(boxes: list[tuple[float, ...]], size: int = SIZE) -> np.ndarray:
    """Return an image, (size, size) uint8."""
    image = np.full((size, size), 60, np.uint8)
    for x, y, width, height in boxes:
        image[int(y) : int(y + height), int(x) : int(x + width)] = 190
    return image


def write_set(folder: Path) -> Path:
    """Write images, labels and classes; patient-1's image is JPEG Baseline."""
    for part, patients in (("train", BOXES), ("test", {name: [] for name in TEST})):
        images = folder / f"stage_2_{part}_images"
        images.mkdir(parents=True)
        for patient, boxes in patients.items():
            (images / f"{patient}.dcm").write_bytes(encode_dicom(radiograph(boxes), jpeg=patient == "patient-1"))
    rows = [
        f"{patient},{row}"
        for patient, boxes in BOXES.items()
        for row in ([",".join(map(str, box)) + ",1" for box in boxes] or [",,,,0"])
    ]
    write_labels(folder, rows)
    classes = [f"{patient},{name}" for patient, name in CLASSES.items() for _ in BOXES[patient] or [()]]
    (folder / "stage_2_detailed_class_info.csv").write_text("patientId,class\n" + "\n".join(classes) + "\n")
    return folder


def write_labels(folder: Path, rows: list[str]) -> None:
    """Replace the labels."""
    (folder / "stage_2_train_labels.csv").write_text("\n".join(["patientId,x,y,width,height,Target", *rows, ""]))
