"""COCO's results file, and its official score by pycocotools."""

import contextlib
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coco.annotations import InstancesFile, Listed
from coco.instances_set import class_ids_by_category
from coco.segmentation import runs_to_segmentations
from common.errors import InputError
from common.files import written_aside
from common.images.image_set import ImageSet
from common.masks.rle import encode_instances, parse_runs
from common.output.results import RESULT_COLUMNS
from common.output.submission import read_rows
from common.output.writer import RowMaker
from common.prediction.detections import Detections
from common.prediction.postprocess import Prediction
from common.predictor import Predictor
from common.scoring.evaluation import Report

BOX_COLUMNS = ("X", "Y", "Width", "Height")
COLUMNS = (*RESULT_COLUMNS[:-1], *BOX_COLUMNS, RESULT_COLUMNS[-1])


def box_row_maker(predictor: Predictor) -> RowMaker:
    """Return what makes rows of every object with its class, score, box and mask; their columns are `COLUMNS`."""
    return RowMaker(lambda _, image: predictor.look(image), box_rows, COLUMNS)


def box_rows(prediction: Prediction) -> list[str]:
    """Return a row an object without its image's id; the box is the network's, not that of the mask.

    Args:
        prediction: of the image; joined from tiles, objects have no boxes but their masks'.
    """
    detections = prediction.looks[0].detections
    objects = detections.paint(prediction.masking.threshold)
    boxes = np.asarray(detections.boxes if isinstance(detections, Detections) else objects.boxes, float)
    sides = np.concatenate([boxes[:, 1::-1], boxes[:, 3:1:-1] - boxes[:, 1::-1]], axis=1)  # x, y, width, height
    runs = encode_instances(objects, prediction.image_shape)
    columns = (objects.class_ids.tolist(), objects.scores.tolist(), *sides.T.tolist(), runs)
    return ["{},{:.9g},{:.2f},{:.2f},{:.2f},{:.2f},{}".format(*fields) for fields in zip(*columns, strict=True)]


def convert_rows(rows: Path, output: Path, file: InstancesFile, images: ImageSet, class_names: Sequence[str]) -> int:
    """Write COCO's results file of predicted images, and return the number of objects in it; see `save_results`.

    Args:
        rows: CSV with `COLUMNS`.
        output: the JSON to write.
        file: the images' annotation file.
        images: that were predicted.
        class_names: of the classes 1, 2, ...
    """
    categories = {class_id: category_id for category_id, class_id in class_ids_by_category(file, class_names).items()}
    listed = _predicted(file, images)
    return save_results(
        rows, output, {str(image.image_id): (image.image_id, image.image_shape) for image in listed}, categories
    )


def score_results(
    results: Path, annotations: bytes, file: InstancesFile, images: ImageSet, class_names: Sequence[str]
) -> dict[str, COCOeval]:
    """Score COCO's results file; return the evaluations of "bbox" and "segm", see `official_score`.

    Args:
        results: the JSON, from `convert_rows`.
        annotations: content of the images' annotation file.
        file: the same, read.
        images: that were predicted.
        class_names: of the classes 1, 2, ...
    """
    ids = [image.image_id for image in _predicted(file, images)]
    categories = list(class_ids_by_category(file, class_names))
    truth, found = open_truth(annotations, ids), json.loads(results.read_text(encoding="utf-8"))
    return {kind: official_score(truth, found, kind, ids, categories) for kind in ("bbox", "segm")}


def official_report(evaluations: Mapping[str, COCOeval], num_images: int) -> Report:
    """Return the twelve values of each evaluation as pycocotools prints them; the score is that of the masks.

    Args:
        evaluations: from `score_results`.
        num_images: that were scored.
    """
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        for kind, evaluation in evaluations.items():
            print(f"{kind}:")
            evaluation.summarize()
    boxes, masks = (float(evaluations[kind].stats[0]) for kind in ("bbox", "segm"))
    last = f"average precision {boxes:.4f} of boxes, {masks:.4f} of masks, {num_images} images"
    return Report(masks, f"{text.getvalue()}{last}")


def save_results(
    rows: Path, output: Path, images: Mapping[str, tuple[Any, tuple[int, int]]], category_ids: Mapping[int, Any]
) -> int:
    """Write COCO's results file, whole or not at all.

    Args:
        rows: CSV with `COLUMNS`.
        output: the JSON to write.
        images: COCO's id and (height, width) of every image that may occur.
        category_ids: COCO's id of each class; objects of other classes are left out.

    Returns:
        The number of objects in it.

    Raises:
        InputError: no such CSV, or malformed rows.
    """
    count = 0
    with written_aside(output) as aside, aside.open("w", encoding="utf-8") as file:
        for result in _results(rows, images, category_ids):
            file.write(f"{',' if count else '['}\n{json.dumps(result)}")
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def open_truth(data: bytes, image_ids: Collection[Any]) -> COCO:
    """Return an annotation file as pycocotools can use it, with areas and boxes where other tools left them out.

    Annotations are numbered anew, from 1 on: to pycocotools, what matches number 0 matches nothing.

    Args:
        data: the file's content, which `parse_instances` found good.
        image_ids: images to be scored.
    """
    truth = COCO()
    truth.dataset, wanted = json.loads(data), set(image_ids)
    # pycocotools would stumble over what is wrong with those of other images, which were left out for it.
    annotations = truth.dataset["annotations"]
    kept = [one for one in annotations if one["image_id"] in wanted]
    truth.dataset["annotations"] = [one | {"id": number} for number, one in enumerate(kept, start=1)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    for annotation in truth.dataset["annotations"]:
        annotation.setdefault("iscrowd", 0)
        area, box = annotation.get("area"), annotation.get("bbox")
        if not (_is_number(area) and isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            runs = truth.annToRLE(annotation)
            annotation |= {"area": float(coco_mask.area(runs)), "bbox": coco_mask.toBbox(runs).tolist()}
    return truth


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def official_score(
    truth: COCO, results: Sequence[dict], kind: str, image_ids: Sequence[Any], category_ids: Sequence[Any]
) -> COCOeval:
    """Return pycocotools' evaluation, summarised: `stats[0]` is the average precision, `stats[1]` that at IoU 0.5.

    Args:
        truth: from `open_truth`.
        results: objects of a results file.
        kind: "bbox" or "segm".
        image_ids: images that count.
        category_ids: categories that count.
    """
    # With boxes beside masks, pycocotools would take the boxes' areas for the masks'.
    left_out = {"bbox"} if kind == "segm" else {"segmentation"}
    found = [{key: value for key, value in result.items() if key not in left_out} for result in results]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found) if found else _nothing(truth), kind)
        evaluation.params.imgIds, evaluation.params.catIds = list(image_ids), list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _predicted(file: InstancesFile, images: ImageSet) -> list[Listed]:
    """Return what an annotation file lists of the images of a set."""
    predicted = set(images.image_ids)
    return [image for image in file.images if str(image.image_id) in predicted]


def _results(
    path: Path, images: Mapping[str, tuple[Any, tuple[int, int]]], category_ids: Mapping[int, Any]
) -> Iterator[dict]:
    """Yield the objects of a CSV as COCO's results have them."""
    table = read_rows(path, COLUMNS)
    for name, rows in table[table["Score"] != ""].groupby("ImageId", sort=False):
        try:
            image_id, (height, width) = images[str(name)]
            runs = parse_runs(rows["EncodedPixels"].tolist(), height * width)
            class_ids, scores = rows["ClassId"].astype(int).tolist(), rows["Score"].astype(float).tolist()
            boxes = rows[list(BOX_COLUMNS)].astype(float).to_numpy().tolist()
        except (ValueError, KeyError) as error:
            raise InputError(f"{path}: {name}: {error}; predict anew") from None
        masks = runs_to_segmentations(runs, (height, width))
        for class_id, score, box, mask in zip(class_ids, scores, boxes, masks, strict=True):
            if class_id in category_ids:
                where = {"image_id": image_id, "category_id": category_ids[class_id]}
                yield where | {"bbox": box, "score": score, "segmentation": mask}


def _nothing(truth: COCO) -> COCO:
    """Return results without any object, which `loadRes` does not take."""
    nothing = COCO()
    nothing.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
    nothing.createIndex()
    return nothing
