"""Reports on data, networks, weights and runs: a folder of figures and tables, and one HTML page that shows them.

    python inspection/report.py data --dataset stage1_train.zip     # any competition's set; --limit 200 of its images
    python inspection/report.py model --dataset stage1_train.zip --weights small     # any competition's set and weights
    python inspection/report.py weights small                       # or logs/small/001/best.h5, or two files
    python inspection/report.py runs logs/small/001 logs/other/001
    python inspection/report.py runs --dataset stage1_train.zip --submission small.csv --only-submitted

Writes index.html, which needs no other file, and each figure as a PNG and each table as a CSV to --output.
"""

import difflib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import refuse_among_images

if TYPE_CHECKING:
    import argparse

    from common.figures.page import Page
    from common.images.image_set import ImageSet


def data(arguments: Sequence[str]) -> None:
    """Show what an image set holds, what training makes of it, and what looks wrong in it."""
    parser = OneLineParser(data.__doc__, "%(prog)s data --dataset PATH [flags]")
    add_set_flags(parser)
    add = parser.add_argument
    add("--limit", type=int, metavar="N", help="take only the first N images")
    add("--against", metavar="PART", help="another part of the set, such as val: images that are in both are shown")
    add("--image", metavar="ID", help="the sample that training's steps are shown on (default: a usual one)")
    add("--output", type=Path, default=Path("reports/data"), metavar="FOLDER")
    flags = parser.parse_args(arguments)
    if flags.limit is not None and flags.limit < 1:
        raise InputError(f"--limit {flags.limit}: must be at least 1")

    from common.figures.data.survey import survey_images
    from competitions.sets import open_images
    from inspection.data_pages import data_page

    competition, images = open_images(
        flags.dataset, flags.competition, part=flags.part, labels=flags.labels, skip_bad=flags.skip_bad
    )
    _check_output(flags.output, images)
    survey = survey_images(images.first(flags.limit) if flags.limit else images, skip_bad=flags.skip_bad)
    others = None
    if flags.against:
        _, images = open_images(flags.dataset, competition.name, part=flags.against, skip_bad=flags.skip_bad)
        others = {flags.part or competition.parts[0]: survey}
        others[flags.against] = survey_images(images, skip_bad=flags.skip_bad)
    _save(data_page(survey, competition.config, flags.image, others), flags.output)


def model(arguments: Sequence[str]) -> None:
    """Show what a network does with images, step by step, beside the ground truth."""
    parser = OneLineParser(model.__doc__, "%(prog)s model --dataset PATH --weights FILE [flags]")
    add_set_flags(parser)
    add = parser.add_argument
    add("--weights", required=True, metavar="FILE", help="an .h5 file with config.json beside it, small, or lung")
    add("--images", metavar="ID,...", help="these images, or those of a text file with an id a line")
    add("--limit", type=int, default=1, metavar="N", help="without --images: the first N with objects (default: 1)")
    add("--draw", type=int, metavar="N", help="figures of the first N of them only; the others are counted")
    add("--layers", metavar="NAME,...", help="whose activations to show (default: stages and pyramid levels)")
    add("--output", type=Path, default=Path("reports/model"), metavar="FOLDER")
    flags = parser.parse_args(arguments)

    from common.inspector import Inspector, MapInspector
    from common.predictor import Predictor
    from competitions.models import load_predictor
    from competitions.sets import open_images
    from inspection.model_pages import model_page

    competition, images = open_images(
        flags.dataset, flags.competition, part=flags.part, labels=flags.labels, skip_bad=flags.skip_bad
    )
    _check_output(flags.output, images)
    predictor = load_predictor(flags.weights, competition)
    images = _named(images, flags.images) if flags.images else _first_with_objects(images, flags.limit)
    inspector = Inspector(predictor) if isinstance(predictor, Predictor) else MapInspector(predictor)
    layers = flags.layers.split(",") if flags.layers else ()
    page = model_page(inspector, images, num_drawn=flags.draw, layers=layers)
    several = f"{len(images)} images" if len(images) > 1 else f"image {images.image_ids[0]}"
    page.introduction = f"{flags.weights} on {several} of {flags.dataset}."
    _save(page, flags.output)


def weights(arguments: Sequence[str]) -> None:
    """Describe the weights of a file, or how those of two files differ."""
    parser = OneLineParser(weights.__doc__, "%(prog)s weights FILE [FILE] [flags]")
    parser.add_argument("files", nargs="+", metavar="FILE", help="an .h5 file, or small; two are compared")
    parser.add_argument("--output", type=Path, default=Path("reports/weights"), metavar="FOLDER")
    flags = parser.parse_args(arguments)
    if len(flags.files) > 2:
        raise InputError(f"{flags.files[2]}: a third file; give one, or two to compare")
    if len(set(flags.files)) < len(flags.files):
        raise InputError(f"{flags.files[0]}: given twice; give one file, or two different ones to compare")

    from common.runs.start import named_weights
    from common.runs.weights_file import WeightsFile
    from inspection.pages import weights_page

    _check_output(flags.output)
    files = {name: WeightsFile(named_weights().get(name, Path(name))) for name in flags.files}
    _save(weights_page(files), flags.output)


def runs(arguments: Sequence[str]) -> None:
    """Show the learning curves of runs beside each other, and how submissions meet the ground truth of a set."""
    parser = OneLineParser(runs.__doc__, "%(prog)s runs [FOLDER ...] [--dataset PATH --submission CSV] [flags]")
    add = parser.add_argument
    add("folders", nargs="*", type=Path, metavar="FOLDER", help="of a run: where its log.csv lies")
    help = "predictions for the images of --dataset; may be given several times"
    add("--submission", type=Path, action="append", default=[], metavar="CSV", help=help)
    add("--only-submitted", action="store_true", help="leave out images that no submission has a row for")
    help = "lowest score of a prediction in figures at one score (default: 0.5)"
    add("--confidence", type=float, default=0.5, metavar="SCORE", help=help)
    add_set_flags(parser, required=False)
    add("--output", type=Path, default=Path("reports/runs"), metavar="FOLDER")
    flags = parser.parse_args(arguments)
    if bool(flags.submission) != bool(flags.dataset):
        raise InputError("--submission needs --dataset with the ground truth, and the other way round")
    if not 0 <= flags.confidence <= 1:
        raise InputError(f"--confidence {flags.confidence:g}: must be between 0 and 1")
    if not (flags.folders or flags.submission):
        raise InputError("nothing to show; give folders of runs, or --dataset and --submission")

    from common.figures.curves import read_run
    from common.figures.page import Page
    from inspection.pages import add_runs

    _check_output(flags.output)
    page = Page(f"Runs: {', '.join(map(str, [*flags.folders, *flags.submission]))}")
    if flags.folders:
        add_runs(page, {str(folder): read_run(folder) for folder in flags.folders})
    if flags.submission:
        _add_submissions(page, flags)
    _save(page, flags.output)


def _add_submissions(page: "Page", flags: "argparse.Namespace") -> None:
    from competitions.sets import open_images
    from inspection.score_pages import add_scores, tally_submissions

    competition, images = open_images(
        flags.dataset, flags.competition, part=flags.part, labels=flags.labels, skip_bad=flags.skip_bad
    )
    _check_output(flags.output, images)
    names = competition.config.class_names
    paths = list(dict.fromkeys(flags.submission))
    tallies = tally_submissions(paths, images, len(names), flags.confidence, only_submitted=flags.only_submitted)
    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    add_scores(page, tallies, names, lambda image_id: images.load_image(rows[image_id]))


def add_set_flags(parser: OneLineParser, *, required: bool = True) -> None:
    """Add the flags that say which set to open."""
    add = parser.add_argument
    add("--dataset", type=Path, required=required, metavar="PATH", help="folder or zip archive, of any competition")
    add("--competition", metavar="NAME", help="in whose layout it is (default: recognised by its files)")
    add("--part", metavar="NAME", help="part of the set, such as val (default: the usual one)")
    add("--labels", type=Path, metavar="PATH", help="file of its labels (default: in the set or beside it)")
    add("--skip-bad", action="store_true", help="report unusable images and leave them out")


def _named(images: "ImageSet", names: str) -> "ImageSet":
    """Return the images with the given ids, or with those that a file lists."""
    path = Path(names)
    if path.is_file():
        wanted = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    else:
        wanted = names.split(",")
    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    for name in wanted:
        if name not in rows:
            close = difflib.get_close_matches(name, rows, n=1, cutoff=0)
            raise InputError(f"--images {name}: not in {images.path}; give an id such as {close[0]}, or a file of ids")
    return images.select([rows[name] for name in wanted])


def _first_with_objects(images: "ImageSet", limit: int) -> "ImageSet":
    """Return the first images that have objects; the first ones of a set without any."""
    if limit < 1:
        raise InputError(f"--limit {limit}: must be at least 1")
    if not images.has_objects:
        return images.first(limit)
    found = list(itertools.islice((row for row in range(len(images)) if len(images.load_class_ids(row))), limit))
    return images.select(found) if found else images.first(limit)


def _check_output(output: Path, images: "ImageSet | None" = None) -> None:
    """Refuse a folder that a report must not be written to, before hours of work.

    Raises:
        InputError: a file, a folder of a page that is no report, or of the set's images.
    """
    from common.figures.page import earlier_files

    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: a file; give a folder for the report")
    earlier_files(output)
    if images is not None:
        refuse_among_images("output", output, images.path, images.image_names)


def _save(page: "Page", output: Path) -> None:
    print(f"wrote {page.save(output)}: {len(page.sections)} sections")


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"data": data, "model": model, "weights": weights, "runs": runs}))
