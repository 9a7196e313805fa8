"""Pack a set of images and masks into one small zip archive, to carry it to another machine.

    python dsb/pack.py --dataset stage1_train.zip --output packed.zip

Images become PNG files with three channels, or one if all are equal; the masks of each become one label image,
`<id>/labels/<id>.png`. Every script takes the archive as its --dataset and reads the same images and nuclei from it.
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
    parser.add_argument("--output", type=Path, required=True, metavar="ZIP", help="the archive to write")
    parser.add_argument("--skip-bad", action="store_true", help="report unusable images and skip them")
    add_option_flags(parser, DSBConfig, ("page", "channel"))
    flags = parser.parse_args()
    if flags.output.suffix != ".zip":
        raise InputError(f"--output {flags.output}: give a name that ends in .zip")
    if flags.output.resolve() == flags.dataset.resolve():
        raise InputError(f"--output {flags.output}: already used by --dataset; choose another path")

    from dsb.dataset import choice_of, load_dataset, pack_dataset

    images = load_dataset(flags.dataset, skip_bad=flags.skip_bad, choice=choice_of(flags.page, flags.channel))
    if not images.has_objects:
        raise InputError(f"{flags.dataset}: has no masks; for images alone, use any zip program")
    pack_dataset(images, flags.output)
    print(f"wrote {flags.output}: {len(images)} images, {flags.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_main(main)
