"""What the two inference scripts have in common."""

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from common.batches.folds import in_fold
from common.cli import (
    check_outputs,
    config_of_weights,
    find_weights,
    parse_inference_flags,
    prepare_outputs,
)
from common.engine import Prepare, predict
from common.errors import InputError
from common.flags import OneLineParser
from common.masks.instances import Instances
from dsb.config import DEMO, GPU, PUBLISHED, SMALL, DSBConfig

if TYPE_CHECKING:
    import pandas as pd

    from common.images.image_set import ImageSet
    from common.scoring.dsb import SubmissionScore

Truth: TypeAlias = Mapping[str, tuple[Instances, tuple[int, int]]]  # each image's objects and (height, width)

PRESETS = {"published": PUBLISHED, "small": SMALL, "gpu": GPU, "demo": DEMO}
SHIPPED = Path(__file__).parent / "weights"
STEPS = ("003", "002", "001")  # the latest first
NUM_WORST = 10
FOLDERS = ("labels",)  # flags that name one to write to
OVERVIEWS = {"overview.png", "all_overview.png"}


def parse_flags(parser: OneLineParser, output: str) -> argparse.Namespace:
    """Read the flags of an inference script.

    Args:
        parser: with the script's own flags.
        output: default of `--output`.
    """
    add = parser.add_argument
    help = "write label images, 16-bit TIFF files in which each object has its number"
    add("--labels", type=Path, metavar="DIR", help=help)
    help = "no label images and drawn images, which images of one's own, not in Kaggle's layout, get beside the CSV"
    add("--csv-only", action="store_true", help=help)
    flags = parse_inference_flags(
        PRESETS, dataset="data/stage1_test", output=output, shipped=SHIPPED, folders=FOLDERS, parser=parser
    )
    if flags.csv_only and (flags.labels or flags.overlays):
        raise InputError("--csv-only: goes with neither --labels nor --overlays")
    return flags


def infer(
    flags: argparse.Namespace, prepare: Prepare, *options: object, check: Callable[[DSBConfig], None] | None = None
) -> None:
    """Run an inference script.

    Args:
        flags: from `parse_flags`.
        prepare: see `common.engine.predict`.
        options: the script's own, which its rows depend on.
        check: raises InputError where the script's own flags do not go with the config.
    """
    weights = find_weights(flags.weights, flags.logs, STEPS, "dsb/my_train_1.py", shipped=SHIPPED)
    config = config_of_weights(flags, weights, PRESETS)
    if check:
        check(config)
    print(f"weights {weights}")
    images, image_ids = choose_images(flags)
    notes = name_folders(flags, images)
    truth, unscored = load_truth(flags.score, image_ids, skip_bad=flags.skip_bad) if flags.score else ({}, set())
    prepare_outputs(flags, images.tree.path, images.image_names, folders=FOLDERS, anywhere=True)
    for note in notes:
        print(note)

    from common.output.submission import check_submission

    run = (config, weights, images, image_ids, flags.output, prepare)
    predict(*run, options=options, num_workers=flags.workers)
    problems = check_submission(flags.output, image_ids, dict(zip(images.image_ids, _shapes(images), strict=True)))
    if problems:
        raise InputError(f"{flags.output}: {problems[0]} ({len(problems)} problems)")
    print(f"wrote {flags.output}: {len(image_ids)} images, checked")
    if flags.labels:
        write_label_images(flags.output, images, flags.labels)
        print(f"wrote {flags.labels}: a label image of each image")
    if flags.overlays:
        overview = draw(flags.output, images, truth, flags.overlays)
        print(f"wrote {flags.overlays}: {overview}, and each image with its objects")
    if flags.score:
        result = report_score(flags.output, truth, unscored, images)
        print(f"score {result.mean:.4f} over {len(result.images)} images")


def name_folders(flags: argparse.Namespace, images: "ImageSet") -> list[str]:
    """Give images of one's own label images and drawn images beside the CSV, unless flags say otherwise.

    Returns:
        Lines for the user, of what is not written.

    Raises:
        InputError: such a folder holds what this set's run did not write, or is the place of something else.
    """
    from dsb.dataset import is_in_kaggle_layout

    if flags.csv_only or any(map(is_in_kaggle_layout, images.image_ids, images.image_names)):
        return []
    notes = []
    for name, kind, suffix in (("labels", "labels", ".tif"), ("overlays", "overlays", ".png")):
        folder = flags.output.with_name(f"{flags.output.stem}_{kind}")
        if getattr(flags, name):
            continue
        if images.tree.path.resolve() in (folder.resolve(), *folder.resolve().parents):
            notes.append(f"{folder}: not written, as it lies among the images; give another place with --{name}")
            continue
        _refuse_files_of_others(folder, flags.output, {f"{image_id}{suffix}" for image_id in images.image_ids})
        setattr(flags, name, folder)
    check_outputs(flags, ["overlays", *FOLDERS])
    return notes


def _refuse_files_of_others(folder: Path, submission: Path, own: set[str]) -> None:
    """Refuse a folder that is there, unless an earlier run of a set wrote it beside its submission."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = names - own - OVERVIEWS if submission.exists() else names
    if others:
        raise InputError(f"{folder}: holds other files, such as {min(others)}; choose another --output, or --csv-only")


def choose_images(flags: argparse.Namespace) -> "tuple[ImageSet, list[str]]":
    """Return the set to predict, and the ids of the submission in its order."""
    from common.output.submission import read_image_ids
    from common.output.writer import choose_image_ids
    from dsb.dataset import load_dataset

    fold = getattr(flags, "fold", "all")
    # Folds are dealt over the images that training found usable, so their masks are looked at, too.
    images = load_dataset(flags.dataset, masks=fold != "all", skip_bad=flags.skip_bad)
    if fold != "all":
        images = images.select(in_fold(images.sizes, fold))
    if not len(images):
        raise InputError(f"--fold {fold}: holds none of the images of {flags.dataset}; leave --fold out")
    sample_ids = read_image_ids(flags.sample_submission) if flags.sample_submission else None
    return images, choose_image_ids(images, sample_ids, skip_bad=flags.skip_bad)[: flags.limit]


def load_truth(solution: Path, image_ids: Sequence[str] | None, *, skip_bad: bool = False) -> tuple[Truth, set[str]]:
    """Return the true objects and the (height, width) of images, and the ids of those that are not scored.

    Args:
        solution: CSV in Kaggle's columns, or a folder or zip with masks.
        image_ids: the images that are to be scored; None: all.
        skip_bad: report unusable images of a folder or zip, and leave them out.

    Raises:
        InputError: the solution lacks some of them.
    """
    from common.scoring.dsb import read_solution

    if is_csv(solution):
        truth, unscored = read_solution(solution)
        if image_ids is None:
            return truth, unscored
        _refuse_unknown(solution, set(image_ids) - truth.keys() - unscored)
        if more := len(truth.keys() - set(image_ids)):
            print(f"{solution}: {more} of its {len(truth)} images are not among those to predict, and are not scored")
        return {image_id: truth[image_id] for image_id in image_ids if image_id in truth}, unscored
    from dsb.dataset import load_dataset

    dataset = load_dataset(solution, skip_bad=skip_bad)
    left_out = set(dataset.left_out)
    wanted = set(dataset.image_ids if image_ids is None else image_ids) - left_out
    _refuse_unknown(solution, wanted - set(dataset.image_ids))
    rows = [row for row, image_id in enumerate(dataset.image_ids) if image_id in wanted]
    shapes = _shapes(dataset)
    truth = {
        dataset.image_ids[row]: (Instances.from_label_image(dataset.load_label_image(row)), shapes[row]) for row in rows
    }
    return truth, left_out


def _refuse_unknown(solution: Path, image_ids: set[str]) -> None:
    if image_ids:
        raise InputError(f"{solution}: lacks {len(image_ids)} of the images, such as {min(image_ids)}; give this set's")


def report_score(
    submission: Path, truth: Truth, unscored: Collection[str] = (), images: "ImageSet | None" = None
) -> "SubmissionScore":
    """Print a submission's score by kind, size and threshold and its worst images, and return it.

    Args:
        submission: the CSV.
        truth: each image's objects and (height, width).
        unscored: ids of images that the submission may have and that do not count.
        images: the set, to tell the kinds; without it there is no such table.
    """
    from common.scoring.dsb import score_submission

    result = score_submission(submission, truth, unscored)
    worst = result.images.nsmallest(NUM_WORST, "score")
    kinds = {"kinds": _by_modality(result, images)} if images is not None else {}
    tables = kinds | {"sizes": result.by_size, "IoU": result.by_threshold, "worst images": worst}
    for title, table in tables.items():
        print(f"{title}:\n{table.to_string(index=False, float_format='%.3f')}")
    if result.missing:
        print(f"{len(result.missing)} images are missing and count as 0: {result.missing[0]} ...")
    return result


def _by_modality(result: "SubmissionScore", images: "ImageSet") -> "pd.DataFrame":
    """Return the number and the mean score of the images of each kind."""
    from dsb.modality import find_modality

    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    scored = result.images[result.images["image_id"].isin(rows.keys())]
    kinds = [find_modality(images.load_image(rows[image_id])) for image_id in scored["image_id"]]
    by_kind = scored.assign(kind=kinds).groupby("kind")["score"]
    return by_kind.agg(images="size", score="mean").reset_index()


def draw(submission: Path, images: "ImageSet", true: Truth, folder: Path) -> str:
    """Write each image with its objects, beside the truth where it is known; see `save_gallery`."""
    from common.drawing.gallery import save_gallery
    from common.images.colours import stretch_contrast
    from common.masks.rle import decode_instances

    texts = _read_texts(submission)
    return save_gallery(
        folder,
        (
            (image_id, stretch_contrast(images.load_image(row)))
            for row, image_id in enumerate(images.image_ids)
            if image_id in texts
        ),
        lambda image_id, shape: decode_instances(texts[image_id], shape),
        (lambda image_id, _: true[image_id][0] if image_id in true else Instances.empty()) if true else None,
    )


def write_label_images(submission: Path, images: "ImageSet", folder: Path) -> None:
    """Write the objects of each image as `<id>.tif`, (H, W) uint16: 0 is background, the objects are 1, 2, ..."""
    from common.images.decoding import labels_in_16_bits, save_image
    from common.masks.rle import decode_instances

    texts = _read_texts(submission)
    for image_id, shape in zip(images.image_ids, _shapes(images), strict=True):
        if image_id in texts:
            label_image = decode_instances(texts[image_id], shape).to_label_image(shape)
            save_image(folder / f"{image_id}.tif", labels_in_16_bits(label_image, image_id))


def _read_texts(submission: Path) -> dict[str, list[str]]:
    """Return the run lengths of each image's objects."""
    from common.output.submission import COLUMNS, read_rows

    rows = read_rows(submission, COLUMNS).groupby("ImageId")["EncodedPixels"]
    return {str(image_id): [text for text in texts if text] for image_id, texts in rows}


def is_csv(solution: Path) -> bool:
    """A solution is a CSV in Kaggle's columns, or else a set with masks."""
    return solution.suffix == ".csv"


def _shapes(images: "ImageSet") -> list[tuple[int, int]]:
    return [(int(height), int(width)) for height, width in images.sizes]
