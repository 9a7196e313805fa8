"""Pack a set of images and masks into one small zip archive, for another machine or to train on predicted masks.

    python dsb/pack.py --dataset stage1_train.zip --output packed.zip
    python dsb/pack.py --dataset stage1_test.zip --submission submissions/dsb_tta.csv --output pseudo.zip

Images become PNG files with three channels, or one if all are equal; the masks of each become one label image,
`<id>/labels/<id>.png`. Every script takes the archive as its --dataset and reads the same images and nuclei from it.
With --submission, the masks are those of the CSV, and images without any are left out.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.flags import OneLineParser, add_option_flags
from dsb.config import DSBConfig


def main() -> None:
    """Read the set, write the archive."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--dataset", type=Path, required=True, metavar="PATH", help="folder or zip")
    help = "take the masks of this CSV, which has rows for every image, instead of the set's own"
    parser.add_argument("--submission", type=Path, metavar="CSV", help=help)
    parser.add_argument("--output", type=Path, required=True, metavar="ZIP", help="the archive to write")
    parser.add_argument("--skip-bad", action="store_true", help="report unusable images and skip them")
    add_option_flags(parser, DSBConfig, ("page", "channel"))
    flags = parser.parse_args()
    if flags.output.suffix != ".zip":
        raise InputError(f"--output {flags.output}: give a name that ends in .zip")
    for name in ("dataset", "submission"):
        if (path := getattr(flags, name)) and flags.output.resolve() == path.resolve():
            raise InputError(f"--output {flags.output}: already used by --{name}; choose another path")

    from dsb.dataset import choice_of, load_dataset, pack_dataset
    from dsb.outputs import load_label_images

    choice = choice_of(flags.page, flags.channel)
    images = load_dataset(flags.dataset, masks=not flags.submission, skip_bad=flags.skip_bad, choice=choice)
    label_images = None
    if flags.submission:
        every = images
        images, label_images = load_label_images(flags.submission, every)
        if left_out := len(every) - len(images):
            print(f"left out {left_out} of {len(every)} images, which have no masks in {flags.submission}")
    elif not images.has_objects:
        raise InputError(f"{flags.dataset}: has no masks; give those of a CSV with --submission")
    pack_dataset(images, flags.output, label_images)
    print(f"wrote {flags.output}: {len(images)} images, {flags.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_main(main)
