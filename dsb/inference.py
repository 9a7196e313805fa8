"""What the two inference scripts have in common."""

import argparse
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import config_of_weights
from common.config import LAST_WEIGHTS
from common.errors import InputError
from common.instances import Instances
from dsb.config import DEMO, PUBLISHED, SMALL, DSBConfig

PRESETS = {"published": PUBLISHED, "small": SMALL, "demo": DEMO}
STEPS = ("003", "002", "001")  # the latest first
NUM_WORST = 10
NUM_OVERVIEW = 6


def infer(
    flags: argparse.Namespace,
    prepare: Callable[[Any, DSBConfig], tuple[Callable[[str, np.ndarray], tuple], Callable[..., list[str]]]],
    *options: object,
) -> None:
    """Run an inference script.

    Args:
        flags: from `parse_inference_flags`.
        prepare: from a detector and its config to the two halves of `write_submission`.
        options: the script's own, which its rows depend on.
    """
    weights = find_weights(flags.weights, flags.logs)
    config = config_of_weights(flags, weights, PRESETS)
    print(f"weights {weights}")
    _warn_of_trained_pictures(flags, weights)
    pictures, image_ids = choose_pictures(flags)
    truth = load_truth(flags.score, image_ids, skip_bad=flags.skip_bad) if flags.score else {}
    if flags.picture:
        flags.picture.mkdir(parents=True, exist_ok=True)

    # Keras loads for seconds: after everything that may be wrong with flags and pictures.
    from common.detect import Detector
    from common.models.mask_rcnn import MaskRCNN
    from common.predict import fingerprint, write_submission
    from common.submission import check_submission
    from common.weights import load_weights

    model = MaskRCNN(config)
    load_weights(model, weights)
    predict, encode = prepare(Detector(model), config)
    write_submission(
        pictures,
        image_ids,
        predict,
        encode,
        flags.output,
        fingerprint=fingerprint(config, weights, pictures, encode.__name__, *options),
        num_workers=flags.workers,
    )
    problems = check_submission(flags.output, image_ids, dict(zip(pictures.image_ids, _shapes(pictures), strict=True)))
    if problems:
        raise InputError(f"{flags.output}: {problems[0]} ({len(problems)} problems)")
    if flags.picture:
        draw(flags.output, pictures, truth, flags.picture)
    result = report_score(flags.output, flags.score if _is_file(flags.score) else truth) if flags.score else None
    print(f"wrote {flags.output}: {len(image_ids)} pictures, checked")
    if flags.picture:
        print(f"wrote {flags.picture}: overview.png, and each picture with its objects")
    if result:
        print(f"score {result.mean:.4f} over {len(result.pictures)} pictures")


def _warn_of_trained_pictures(flags: argparse.Namespace, weights: Path) -> None:
    """Say so when the pictures of a fold were trained on."""
    trained = config_of_weights(argparse.Namespace(preset=flags.preset), weights, PRESETS).fold
    asked = getattr(flags, "fold", "all")
    if asked not in ("all", trained):
        print(f"careful: {weights} was trained with --fold {trained}, so it has seen pictures of fold {asked}")


def find_weights(name: str, logs: Path) -> Path:
    """Return the weights to predict with: of the latest step under `logs` for "last", else the named file."""
    if name != "last":
        if not Path(name).is_file():
            raise InputError(f"--weights {name}: no such file; give an .h5 file, or last for the last step in --logs")
        return Path(name)
    found = [logs / step / LAST_WEIGHTS for step in STEPS if (logs / step / LAST_WEIGHTS).exists()]
    if not found:
        raise InputError(f"{logs}: no trained step there; train with dsb/my_train_1.py, or give --weights a file")
    return found[0]


def choose_pictures(flags: argparse.Namespace) -> tuple[Any, list[str]]:
    """Return the set to predict, and the ids of the submission in its order."""
    from common.predict import choose_image_ids
    from common.submission import read_image_ids
    from dsb.dataset import load_dataset
    from dsb.training import in_fold

    fold = getattr(flags, "fold", "all")
    # Folds are dealt over the pictures that training found usable, so their masks are looked at, too.
    pictures = load_dataset(flags.dataset, masks=fold != "all", skip_bad=flags.skip_bad)
    if fold != "all":
        pictures = pictures.select(in_fold(pictures, fold))
    if not len(pictures):
        raise InputError(f"--fold {fold}: holds none of the pictures of {flags.dataset}; leave --fold out")
    sample_ids = read_image_ids(flags.sample_submission) if flags.sample_submission else None
    return pictures, choose_image_ids(pictures, sample_ids, skip_bad=flags.skip_bad)[: flags.limit]


def picture_rng(seed: int, image_id: str) -> np.random.Generator:
    """Return a generator of a picture's own, so that its result does not depend on the others."""
    return np.random.default_rng([seed, zlib.crc32(image_id.encode())])


def load_truth(
    solution: Path, image_ids: Sequence[str] | None, *, skip_bad: bool = False
) -> dict[str, tuple[Instances, tuple[int, int]]]:
    """Return the true objects and the (height, width) of pictures.

    Args:
        solution: CSV in Kaggle's columns, all of whose pictures are returned, or a folder or zip with masks.
        image_ids: the pictures wanted of a folder or zip; None: all.
        skip_bad: report unusable pictures of a folder or zip, and leave them out.
    """
    from common.metrics import read_solution

    if _is_file(solution):
        return read_solution(solution)[0]
    from dsb.dataset import load_dataset

    dataset = load_dataset(solution, skip_bad=skip_bad)
    wanted = set(dataset.image_ids if image_ids is None else image_ids)
    rows = [row for row, image_id in enumerate(dataset.image_ids) if image_id in wanted]
    if len(rows) < len(wanted):
        raise InputError(f"{solution}: lacks {len(wanted) - len(rows)} of the pictures; give the set with their masks")
    shapes = _shapes(dataset)
    return {
        dataset.image_ids[row]: (Instances.from_label_image(dataset.load_label_image(row)), shapes[row]) for row in rows
    }


def report_score(submission: Path, solution: Path | Mapping[str, tuple[Instances, tuple[int, int]]]) -> Any:
    """Print a submission's score by size and threshold and its worst pictures, and return it."""
    from common.metrics import score_submission

    result = score_submission(submission, solution)
    worst = result.pictures.nsmallest(NUM_WORST, "score")
    for title, table in (("sizes", result.by_size), ("IoU", result.by_threshold), ("worst pictures", worst)):
        print(f"{title}:\n{table.to_string(index=False, float_format='%.3f')}")
    if result.missing:
        print(f"{len(result.missing)} pictures are missing and count as 0: {result.missing[0]} ...")
    return result


def draw(submission: Path, pictures: Any, true: Mapping[str, tuple], folder: Path) -> None:
    """Write each picture with its objects, beside the truth where it is known, and an overview of the first ones."""
    from common.pictures import save_picture
    from common.rle import decode_instances
    from common.submission import COLUMNS, read_rows
    from common.visualize import brighten, draw_comparison, draw_instances, make_overview

    texts = read_rows(submission, COLUMNS).groupby("ImageId")["EncodedPixels"].apply(list)
    overview: list[list[np.ndarray]] = []
    drawable = [(row, image_id) for row, image_id in enumerate(pictures.image_ids) if image_id in texts]
    for row, image_id in drawable:
        image = brighten(pictures.load_image(row))
        predicted = decode_instances([text for text in texts[image_id] if text], image.shape[:2])
        drawn = [image, draw_instances(image, predicted)]
        if true:
            objects = true[image_id][0] if image_id in true else Instances.empty()
            drawn = [image, draw_instances(image, objects), draw_comparison(image, objects, predicted)]
        save_picture(folder / f"{image_id}.png", np.hstack(drawn))
        if len(overview) < NUM_OVERVIEW:
            overview.append(drawn)
    captions = ("input", "truth", "prediction: green truth, yellow hit, red miss") if true else ("input", "prediction")
    save_picture(folder / "overview.png", make_overview(overview, captions))


def _is_file(solution: Path) -> bool:
    """A solution is a CSV in Kaggle's columns, or else a set with masks."""
    return solution.suffix == ".csv"


def _shapes(pictures: Any) -> list[tuple[int, int]]:
    return [(int(height), int(width)) for height, width in pictures.sizes]
