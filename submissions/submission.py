"""Submissions in shards, as --shards writes them: merge them into the one CSV that a leaderboard takes.

    python submissions/submission.py merge submissions/dsb_tta_shards --output submissions/dsb_tta.csv
    python submissions/submission.py merge coco_shards --output coco.csv --columns ImageId,EncodedPixels

Goes row by row, so that memory does not grow with the number of images. Of each shard, the CSV or the Parquet file is
read.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser, output_file


def merge(arguments: Sequence[str]) -> None:
    """Merge shards."""
    parser = OneLineParser(__doc__, "%(prog)s merge FOLDER --output CSV [flags]")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="with manifest.json")
    add("--output", type=output_file, required=True, metavar="CSV", help="the file to write")
    help = "columns to keep (default: all)"
    add("--columns", type=lambda text: text.split(","), metavar="NAME,...", help=help)
    flags = parser.parse_args(arguments)

    from common.output.shards import merge_shards

    if flags.output.parent.resolve() == flags.folder.resolve():
        raise InputError(f"--output {flags.output}: lies among the shards; choose another path")
    rows = merge_shards(flags.folder, flags.output, flags.columns)
    print(f"wrote {flags.output}: {rows} rows")


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"merge": merge}))
