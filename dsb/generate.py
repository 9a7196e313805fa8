"""Generate a nuclei set in Kaggle's layout, to try everything without a download.

    python dsb/generate.py --output generated --images 60 --test-images 10 --seed 1 --sizes 256x256,256x320
    python dsb/generate.py --output tissue --images 160 --sizes 288x288 --modalities purple_tissue,stain_on_white

Writes to the output folder, which must be empty or missing:
    stage1_train/<id>/images/<id>.png and stage1_train/<id>/masks/*.png
    stage1_test/<id>/images/<id>.png
    stage1_solution.csv           the test images' nuclei: ImageId,EncodedPixels,Height,Width,Usage
    stage1_sample_submission.csv  one row per test image
    generated.json                the arguments; run again with the same, it changes nothing
"""

import csv
import json
import re
import shutil
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.images.synthetic import MODALITIES


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        images: training images.
        test_images: test images.
        seed: of the set.
        sizes: (height, width) to choose from; None: those of the real set.
        modalities: to choose from; None: all, as often as in the real set.
    """

    images: int
    test_images: int
    seed: int
    sizes: Sequence[tuple[int, int]] | None
    modalities: Sequence[str] | None = None


def main() -> None:
    """Generate the set unless it is there."""
    output, recipe = parse_flags()
    given = {name: value for name, value in asdict(recipe).items() if name != "modalities" or value}
    record = json.dumps(given) + "\n"  # without a choice, the record of earlier versions
    if is_complete(output, record):
        print(f"{output}: already generated with the same arguments")
        return
    aside = output.with_name(f"{output.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write_set(aside, recipe)
    (aside / "generated.json").write_text(record, encoding="utf-8")
    aside.replace(output)
    print(f"{output}: {recipe.images} training and {recipe.test_images} test images")


def parse_flags() -> tuple[Path, Recipe]:
    """Read the command line."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--images", type=int, default=60, help="training images")
    parser.add_argument("--test-images", type=int, default=10, help="test images")
    parser.add_argument("--seed", type=int, default=1, help="seed of the set")
    parser.add_argument(
        "--sizes", type=parse_sizes, metavar="HxW,...", help="sizes to choose from (default: the real set's)"
    )
    parser.add_argument(
        "--modalities",
        type=parse_modalities,
        metavar="A,B,...",
        help=f"of {', '.join(MODALITIES)}, each as often (default: all, as often as in the real set)",
    )
    flags = parser.parse_args()
    if min(flags.images, flags.test_images, flags.seed) < 0:
        raise InputError("--images, --test-images and --seed must be at least 0")
    return flags.output.absolute(), Recipe(flags.images, flags.test_images, flags.seed, flags.sizes, flags.modalities)


def parse_sizes(text: str) -> list[tuple[int, int]]:
    """Read heights and widths from `256x256,256x320`."""
    if not re.fullmatch(r"\d+x\d+(,\d+x\d+)*", text):
        raise ArgumentTypeError(f"{text!r}: write heights x widths, as in 256x256,256x320")
    sizes = [(int(height), int(width)) for height, width in re.findall(r"(\d+)x(\d+)", text)]
    if not 32 <= min(map(min, sizes)) <= max(map(max, sizes)) <= 4096:
        raise ArgumentTypeError(f"{text!r}: sides must be from 32 to 4096")
    return sizes


def parse_modalities(text: str) -> list[str]:
    """Read the names of kinds of images from `purple_tissue,stain_on_white`."""
    if unknown := set(text.split(",")).difference(MODALITIES):
        raise ArgumentTypeError(f"{min(unknown)!r}: choose from {', '.join(MODALITIES)}")
    return text.split(",")


def is_complete(folder: Path, record: str) -> bool:
    """Return whether the folder holds the set with these recorded arguments.

    Raises:
        InputError: it holds anything else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    written = folder / "generated.json"
    if written.is_file() and written.read_text(encoding="utf-8") == record:
        return True
    raise InputError(f"{folder}: holds something else; choose another --output, or delete it")


def write_set(folder: Path, recipe: Recipe) -> None:
    """Write the images and both CSV files."""
    from common.images.synthetic import REAL_SIZES, generate_indexed, write_dataset, write_image
    from common.masks.rle import encode_instances

    sizes = recipe.sizes or tuple(REAL_SIZES)
    (folder / "stage1_train").mkdir()
    write_dataset(folder / "stage1_train", recipe.images, recipe.seed, sizes=sizes, modalities=recipe.modalities)
    (folder / "stage1_test").mkdir()
    rows: list[tuple[Any, ...]] = []
    for index in range(recipe.images, recipe.images + recipe.test_images):
        sample = generate_indexed(recipe.seed, index, sizes, recipe.modalities)
        write_image(folder / "stage1_test", sample)
        height, width = sample.image.shape[:2]
        runs = encode_instances(sample.instances, (height, width))
        rows += [(sample.image_id, run, height, width, "Public") for run in runs]
    columns = ("ImageId", "EncodedPixels", "Height", "Width", "Usage")
    write_rows(folder / "stage1_solution.csv", columns, rows)
    names = dict.fromkeys(row[0] for row in rows)
    write_rows(folder / "stage1_sample_submission.csv", columns[:2], [(name, "") for name in names])


def write_rows(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    run_main(main)
