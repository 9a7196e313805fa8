"""Predict the test patients of the RSNA challenge 2018 with an attached model: /kaggle/working/submission.csv.

python kernels/kernel.py push rsna-predict --weights logs/small
python kernels/kernel.py push rsna-predict --weights a.h5 --weights b.h5        # their boxes fused
"""

import os
import sys
from pathlib import Path

INPUT = Path(os.environ.get("KAGGLE_ROOT", "/kaggle")) / "input"
CODE = [str(folder) for pattern in ("*", "*/*", "*/*/*") for folder in INPUT.glob(f"{pattern}/project/kernels")]
sys.path[:0] = CODE

from on_kaggle import WORKING, find, model_flags, run, source

NEEDS_WEIGHTS = True
FLAGS = ("--fuse-views", "--shrink", "0.875")


def main() -> None:
    """Predict; the script checks the CSV before it counts as written."""
    data = source("rsna-pneumonia-detection-challenge")
    sample = find(data, "stage_2_sample_submission.csv")
    output = ["--output", WORKING / "submission.csv", "--workers", os.cpu_count() or 2]
    run(
        "rsna/pneumonia.py",
        "predict",
        "--dataset",
        data,
        "--sample-submission",
        sample,
        *model_flags(),
        *FLAGS,
        *output,
    )


if __name__ == "__main__":
    main()
