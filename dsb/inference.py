"""What the two inference scripts share."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from common.batches.folds import in_fold
from common.cli import PredictionFlags, add_sample_flag, choose_models, parse_prediction_flags
from common.engine import predict_submission
from common.errors import InputError
from common.flags import OneLineParser
from common.outputs import prepare_outputs
from dsb.config import PRESETS, DSBConfig

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.images.mask_files import MaskFiles

STEPS = ("003", "002", "001")  # the latest first
TRAINING = "dsb/my_train_1.py"


def parse_flags(description: str | None, output: str, without: Collection[str]) -> PredictionFlags:
    """Read the flags of an inference script.

    Args:
        description: the script's docstring.
        output: default of `--output`.
        without: names of options without effect in this script.
    """
    parser = OneLineParser(description)
    add_sample_flag(parser)
    add = parser.add_argument
    help = "write label images: TIFF files in which object k has the value k; 16 bits, 32 for more than 65,535 objects"
    add("--labels", type=Path, metavar="DIR", help=help)
    help = "write no label images and overlays, which images outside Kaggle's layout get beside the CSV"
    add("--csv-only", action="store_true", help=help)
    flags = parse_prediction_flags(
        PRESETS, dataset="data/stage1_test", output=output, parser=parser, without=("name", *without)
    )
    if flags.own["csv_only"] and flags.folders(["labels"]):
        raise InputError("--csv-only: cannot be combined with --labels or --overlays")
    return flags


def infer(flags: PredictionFlags, views: Callable[[DSBConfig], Literal["votes", "majority"] | None]) -> None:
    """Run an inference script.

    Args:
        flags: from `parse_flags`.
        views: from the first network's config to how views are merged, None for a single one; raises InputError for
            conflicting options.
    """
    models = choose_models(flags, PRESETS, TRAINING, STEPS, alike=("class_names", "page", "channel"))
    config, _ = models[0]
    merging = views(config)
    if len(models) > 1 and merging is None:
        raise InputError(f"--weights {flags.weights}: give one; dsb/my_inference_tta.py averages several networks")
    print(f"weights {', '.join(str(weights) for _, weights in models)}")
    images, image_ids = choose_images(flags, config)

    from common.images.usable import read_in_threads
    from common.output.submission import check_submission
    from common.predictor import Predictor
    from dsb.evaluation import load_truth, score_report
    from dsb.outputs import choose_folders, save_label_images, save_overlays

    folders = choose_folders(flags, images)
    solution = flags.dataset if flags.score is True else flags.score
    reader = flags.reader if flags.score is True else read_in_threads  # workers need not see a solution elsewhere
    truth, unscored = (
        load_truth(solution, image_ids, skip_bad=flags.skip_bad, choice=images.source.choice, reader=reader)
        if solution
        else ({}, set())
    )
    prepare_outputs(flags, folders, images.path, images.image_names, anywhere=True)
    predictors = [Predictor(*model) for model in models]
    if not predict_submission(predictors, images, image_ids, flags.output, views=merging, spread=flags.spread):
        return  # shards, which are still to be merged
    problems = check_submission(flags.output, image_ids, images.shapes)
    if problems:
        raise InputError(f"{flags.output}: {problems[0]} ({len(problems)} problems)")
    print(f"wrote {flags.output}: {len(image_ids)} images, checked")
    if "labels" in folders:
        save_label_images(flags.output, images.shapes, folders["labels"])
        print(f"wrote {folders['labels']}: one label image per image")
    if "overlays" in folders:
        overview = save_overlays(flags.output, images, truth, folders["overlays"])
        print(f"wrote {folders['overlays']}: {overview}, and each image with its objects")
    if solution:
        report, _ = score_report(flags.output, truth, unscored, images)
        print(report.text)


def choose_images(flags: PredictionFlags, config: DSBConfig) -> "tuple[ImageSet[MaskFiles], list[str]]":
    """Return the set to predict, read as the config says, and the ids of the submission in its order."""
    from common.output.rows import choose_image_ids
    from common.output.submission import read_image_ids
    from dsb.dataset import choice_of, load_dataset

    fold = flags.given.get("fold", "all")
    choice = choice_of(config.page, config.channel)
    # Folds are made of the images that training found usable, so their masks are checked, too.
    images = load_dataset(
        flags.dataset, masks=fold != "all", skip_bad=flags.skip_bad, choice=choice, reader=flags.reader
    )
    if fold != "all":
        images = images.select(in_fold(images.sizes, fold))
    if not len(images):
        raise InputError(f"--fold {fold}: holds none of the images of {flags.dataset}; omit --fold")
    sample_ids = read_image_ids(flags.sample_submission) if flags.sample_submission else None
    return images, list(flags.choose(choose_image_ids(images, sample_ids, skip_bad=flags.skip_bad)))
