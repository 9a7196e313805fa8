"""A set in COCO's layout, drawn by hand."""

import json

import numpy as np
from pycocotools import mask as coco_mask

from common.images.decoding import save_image

SHAPE = (40, 60)
CATEGORIES = [{"id": 90, "name": "kite"}, {"id": 3, "name": "boat"}, {"id": 17, "name": "goat"}]  # not in order


def rectangle(y1, x1, y2, x2):
    """A polygon whose pixels are exactly image[y1:y2, x1:x2]."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def filled(*boxes):
    mask = np.zeros(SHAPE, bool)
    for y1, x1, y2, x2 in boxes:
        mask[y1:y2, x1:x2] = True
    return mask


def uncompressed(mask):
    edges = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0))
    return {"size": list(mask.shape), "counts": np.diff(edges, prepend=0, append=mask.size).tolist()}


def compressed(mask):
    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


# By image: category, boxes of the mask, form, crowd.
OBJECTS = {
    7: [
        (90, [(0, 0, 12, 20)], "polygons", 0),
        (3, [(8, 10, 30, 30)], "polygons", 0),  # overlaps both neighbours, which do not overlap each other
        (3, [(25, 25, 40, 35), (25, 45, 40, 60)], "polygons", 0),  # two parts, at the border
        (17, [(0, 30, 20, 60)], "uncompressed", 1),
    ],
    11: [(90, [(5, 5, 20, 25), (10, 30, 33, 44)], "compressed", 0), (17, [(22, 2, 39, 20)], "uncompressed", 0)],
    12: [],
}
FORMS = {
    "polygons": lambda boxes: [rectangle(*box) for box in boxes],
    "compressed": lambda boxes: compressed(filled(*boxes)),
    "uncompressed": lambda boxes: uncompressed(filled(*boxes)),
}


def annotation_file(objects=OBJECTS):
    """Return the content of an annotation file; images are called <id>.png."""
    annotations = []
    for image_id, drawn in objects.items():
        for category_id, boxes, form, crowd in drawn:
            ids = {"id": 100 + len(annotations), "image_id": image_id, "category_id": category_id}
            annotations.append(ids | {"segmentation": FORMS[form](boxes), "iscrowd": crowd})
    names = [{"id": i, "file_name": f"{i}.png", "height": SHAPE[0], "width": SHAPE[1]} for i in objects]
    return {"images": names, "annotations": annotations, "categories": [dict(category) for category in CATEGORIES]}


def write_subset(folder, name, year="2017", *, images=None, content=None, objects=OBJECTS):
    """Write a subset's annotations, and images whose objects are brighter than the background."""
    content = annotation_file(objects) if content is None else content
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"instances_{name}{year}.json").write_text(json.dumps(content))
    for image_id, drawn in objects.items():
        image = np.full((*SHAPE, 3), 60, np.uint8)
        for category_id, boxes, _, _ in drawn:
            image[filled(*boxes)] = (200, 2 * category_id, 90)
        save_image(folder / (images or f"{name}{year}") / f"{image_id}.png", image)
