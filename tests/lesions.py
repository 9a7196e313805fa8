"""A hand-made set of skin lesions with labels in makesense.ai's format."""

import json

import cv2
import numpy as np

WIDTH, HEIGHT = 60, 48
SQUARES = {  # left, top, side of each lesion's polygons
    "ISIC_1": [[(10, 8, 20)]],
    "ISIC_2": [[(0, 0, 16)]],
    "ISIC_3": [[(30, 20, 24)], [(4, 4, 10), (20, 30, 8)]],
    "ISIC_4": [[(36, 28, 40)]],  # leaves the image
    "ISIC_5": [[(20, 12, 22)]],
    "ISIC_6": [],
}
TEST = ("ISIC_5",)


def corners(left, top, side):
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def make_labels(image_ids):
    """Return the labels of images; annotations are numbered from 0, images from 1."""
    images, annotations = [], []
    for number, image_id in enumerate(image_ids, start=1):
        images.append({"id": number, "width": WIDTH, "height": HEIGHT, "file_name": f"{image_id}.jpg"})
        for lesion in SQUARES[image_id]:
            annotation = {"id": len(annotations), "image_id": number, "category_id": 1, "iscrowd": 0}
            annotations.append(annotation | {"segmentation": [corners(*square) for square in lesion]})
    categories = [{"id": 1, "name": "lesion"}]
    return {
        "info": {"description": "hand-made"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def write_set(root):
    """Write images and labels into `root`, and return it."""
    for image_id, lesions in SQUARES.items():
        image = np.full((HEIGHT, WIDTH, 3), (150, 180, 220), np.uint8)
        for left, top, side in (square for lesion in lesions for square in lesion):
            image[top : top + side, left : left + side] = (40, 60, 90)
        path = root / ("test" if image_id in TEST else "train") / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    write_labels(root / "labels.json", make_labels([image_id for image_id in SQUARES if image_id not in TEST]))
    write_labels(root / "labels_test.json", make_labels(TEST))
    return root


def write_labels(path, labels):
    path.write_text(json.dumps(labels), encoding="utf-8")
