"""Prepare chest radiographs and masks for training elsewhere: resized to squares, in one small zip archive.

    python lung/prepare.py --dataset /kaggle/input --output lung_512.zip
    python lung/prepare.py --dataset lung.zip --side 256 --output lung_256.zip

Reads what lung/train.py reads, and writes images/<id>.png, masks/<id>_mask.png and metadata.csv. Training on the
archive with --image-size equal to --side gives the same batches as on the files themselves.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.flags import OneLineParser
from lung.config import DATASET, METADATA_HELP


def main() -> None:
    """Read the set, write the archive."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(DATASET), metavar="PATH", help=f"folder or zip (default: {DATASET})")
    add("--output", type=Path, required=True, metavar="ZIP", help="the archive to write")
    add("--side", type=int, default=512, metavar="N", help="side of the squares, pixels (default: 512)")
    add("--metadata", type=Path, metavar="CSV", help=METADATA_HELP)
    add("--skip-bad", action="store_true", help="report unusable radiographs and skip them")
    flags = parser.parse_args()
    if flags.output.suffix != ".zip":
        raise InputError(f"--output {flags.output}: give a name that ends in .zip")
    if flags.output.resolve() == flags.dataset.resolve():
        raise InputError(f"--output {flags.output}: already used by --dataset; choose another path")
    if not 32 <= flags.side <= 2048:
        raise InputError(f"--side {flags.side}: must be from 32 to 2048")

    from lung.dataset import load_labelled, pack

    images = load_labelled(flags.dataset, flags.side, metadata=flags.metadata, skip_bad=flags.skip_bad)
    pack(images, flags.side, flags.output)
    print(f"wrote {flags.output}: {len(images)} radiographs, {flags.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_main(main)
