"""COCO's results file, and the official score by pycocotools."""

import contextlib
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coco.annotations import Id, InstancesFile, Listed
from coco.instances_set import class_ids_by_category
from coco.segmentation import runs_to_segmentations
from common.annotations.values import read_flag, read_id
from common.engine import look_at
from common.errors import InputError
from common.images.image_set import ImageSet
from common.masks.rle import encode_instances, parse_runs
from common.output.results import RESULT_COLUMNS
from common.output.rows import RowMaker
from common.output.submission import read_rows
from common.prediction.detections import Detections
from common.prediction.postprocess import Prediction
from common.predictor import Predictor
from common.scoring.evaluation import Report
from common.storage.files import written_aside

BOX_COLUMNS = ("X", "Y", "Width", "Height")
COLUMNS = (*RESULT_COLUMNS[:-1], *BOX_COLUMNS, RESULT_COLUMNS[-1])


def box_row_maker(predictor: Predictor) -> RowMaker:
    """Return a maker of one row per object with class, score, box and mask, the columns `COLUMNS`."""
    return RowMaker(partial(look_at, predictor), box_rows, COLUMNS)


def box_rows(prediction: Prediction) -> list[str]:
    """Return one row per object, without the image's id; the box is the network's, not the mask's.

    Args:
        prediction: of the image; objects joined from tiles have only their masks' boxes.
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
        images: the predicted set.
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
        file: the same, parsed.
        images: the predicted set.
        class_names: of the classes 1, 2, ...
    """
    ids = [read_id(image.image_id) for image in _predicted(file, images)]
    categories = [read_id(own) for own in class_ids_by_category(file, class_names)]
    truth, found = open_truth(annotations, ids), json.loads(results.read_text(encoding="utf-8"))
    found = [result | {key: read_id(result[key]) for key in ("image_id", "category_id")} for result in found]
    return {kind: official_score(truth, found, kind, ids, categories) for kind in ("bbox", "segm")}


def official_report(evaluations: Mapping[str, COCOeval], num_images: int) -> Report:
    """Return the twelve values of each evaluation as pycocotools prints them; the score is the masks'.

    Args:
        evaluations: from `score_results`.
        num_images: number of scored images.
    """
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        for kind, evaluation in evaluations.items():
            print(f"{kind}:")
            evaluation.summarize()
    boxes, masks = (float(evaluations[kind].stats[0]) for kind in ("bbox", "segm"))
    last = f"average precision: boxes {boxes:.4f}, masks {masks:.4f}, over {num_images} images"
    return Report(masks, f"{text.getvalue()}{last}")


def save_results(
    rows: Path, output: Path, images: Mapping[str, tuple[Any, tuple[int, int]]], category_ids: Mapping[int, Any]
) -> int:
    """Write COCO's results file atomically.

    Args:
        rows: CSV with `COLUMNS`.
        output: the JSON to write.
        images: COCO's id and (height, width) of every image that may occur.
        category_ids: COCO's id of each class; objects of other classes are left out.

    Returns:
        The number of objects written.

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
    """Return an annotation file for pycocotools, adding the areas and boxes that other tools leave out.

    Annotations are renumbered from 1: pycocotools treats a match with id 0 as no match. Other ids and flags are as
    `read_id` and `read_flag` return them: pycocotools takes 1 and "1" for different ids, and "0" for a crowd.

    Args:
        data: the file's content, accepted by `parse_instances`.
        image_ids: images to score, as `read_id` returns them.
    """
    truth, content, wanted = COCO(), json.loads(data), set(image_ids)
    # Other images may have been left out because of bad annotations, on which pycocotools would fail.
    images = [image for image in content["images"] if _usable_id(image.get("id")) in wanted]
    kept = [one for one in content["annotations"] if _usable_id(one.get("image_id")) in wanted]
    truth.dataset = {
        "images": [image | {"id": read_id(image["id"])} for image in images],
        "categories": [category | {"id": read_id(category["id"])} for category in content["categories"]],
        "annotations": [
            one
            | {"id": number, "iscrowd": int(read_flag(one.get("iscrowd")))}
            | {key: read_id(one[key]) for key in ("image_id", "category_id")}
            for number, one in enumerate(kept, start=1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    for annotation in truth.dataset["annotations"]:
        area, box = annotation.get("area"), annotation.get("bbox")
        if not (_is_number(area) and isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            runs = truth.annToRLE(annotation)
            annotation |= {"area": float(coco_mask.area(runs)), "bbox": coco_mask.toBbox(runs).tolist()}
    return truth


def _usable_id(value: object) -> Id | None:
    try:
        return read_id(value)
    except ValueError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def official_score(
    truth: COCO, results: Sequence[dict], kind: str, image_ids: Sequence[Any], category_ids: Sequence[Any]
) -> COCOeval:
    """Return pycocotools' evaluation, summarised: `stats[0]` is average precision, `stats[1]` that at IoU 0.5.

    Args:
        truth: from `open_truth`.
        results: objects of a results file.
        kind: "bbox" or "segm".
        image_ids: images that count.
        category_ids: categories that count.
    """
    # Given boxes and masks, pycocotools would use the boxes' areas for the masks.
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
    """Return the images of a set as listed in the annotation file."""
    predicted = set(images.image_ids)
    return [image for image in file.images if str(image.image_id) in predicted]


def _results(
    path: Path, images: Mapping[str, tuple[Any, tuple[int, int]]], category_ids: Mapping[int, Any]
) -> Iterator[dict]:
    """Yield the objects of a CSV in COCO's results format."""
    table = read_rows(path, COLUMNS)
    for name, rows in table[table["Score"] != ""].groupby("ImageId", sort=False):
        try:
            image_id, (height, width) = images[str(name)]
            runs = parse_runs(rows["EncodedPixels"].tolist(), height * width)
            class_ids, scores = rows["ClassId"].astype(int).tolist(), rows["Score"].astype(float).tolist()
            boxes = rows[list(BOX_COLUMNS)].astype(float).to_numpy().tolist()
        except (ValueError, KeyError) as error:
            raise InputError(f"{path}: {name}: {error}; predict again") from None
        masks = runs_to_segmentations(runs, (height, width))
        for class_id, score, box, mask in zip(class_ids, scores, boxes, masks, strict=True):
            if class_id in category_ids:
                where = {"image_id": image_id, "category_id": category_ids[class_id]}
                yield where | {"bbox": box, "score": score, "segmentation": mask}


def _nothing(truth: COCO) -> COCO:
    """Return results without objects, which `loadRes` does not accept."""
    nothing = COCO()
    nothing.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
    nothing.createIndex()
    return nothing
