"""Hand-made chest radiographs with masks of the lungs, in the layouts of Kaggle's sources and in plain folders."""

import cv2
import numpy as np

HEIGHT, WIDTH = 80, 96


def lungs(number, *, height=HEIGHT, width=WIDTH):
    """Return the masks of the right and the left lung, (H, W) bool; the left one reaches the border."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    right = ((x - 0.3) / 0.15) ** 2 + ((y - 0.5 - 0.01 * number) / 0.35) ** 2 < 1
    left = ((x - 0.75) / 0.27) ** 2 + ((y - 0.55) / 0.3) ** 2 < 1
    return right, left


def radiograph(number, **shape):
    """Return an image, (H, W) uint8: dark lungs, with noise."""
    right, left = lungs(number, **shape)
    noise = np.random.default_rng(number).normal(0, 8, right.shape)
    return (np.where(right | left, 60, 180) + noise).clip(0, 255).astype(np.uint8)


def write(path, image):
    """Write an image, whose dtype may be bool."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image.astype(np.uint8) * np.uint8(255) if image.dtype == bool else image)


def write_plain(root, count=6, *, suffix="_mask", patients=3):
    """Write images/, masks/ and metadata.csv, with several radiographs a patient; return the root."""
    rows = ["id,patient"]
    for number in range(count):
        write(root / "images" / f"cxr_{number}.png", radiograph(number))
        write(root / "masks" / f"cxr_{number}{suffix}.png", np.logical_or(*lungs(number)))
        rows.append(f"cxr_{number},p{number % patients}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    return root


def write_kaggle(root):
    """Write Montgomery and Shenzhen as Kaggle mounts them, with a Shenzhen image that has no mask; return the root."""
    kaggle = root / "pulmonary-chest-xray-abnormalities"
    montgomery = kaggle / "Montgomery" / "MontgomerySet"
    shenzhen = kaggle / "ChinaSet_AllFiles" / "ChinaSet_AllFiles"
    for number in range(3):
        name = f"MCUCXR_000{number}_0.png"
        right, left = lungs(number)
        write(montgomery / "CXR_png" / name, radiograph(number))
        write(montgomery / "ManualMask" / "rightMask" / name, right)
        write(montgomery / "ManualMask" / "leftMask" / name, left)
    for number in range(3, 7):
        shape = {"height": 90, "width": 70}
        name = f"CHNCXR_000{number}_1"
        write(shenzhen / "CXR_png" / f"{name}.png", radiograph(number, **shape))
        if number < 6:
            write(
                root / "shcxr-lung-mask" / "mask" / "mask" / f"{name}_mask.png", np.logical_or(*lungs(number, **shape))
            )
    (montgomery / "ClinicalReadings").mkdir()
    (montgomery / "ClinicalReadings" / "MCUCXR_0000_0.txt").write_text("normal")
    return root
