"""Predict the test images of the Data Science Bowl 2018 in many views: /kaggle/working/submission.csv.

With the pretrained weights `small`, or with what is attached: a run's folder or a file of weights.

    python kernels/kernel.py push dsb-inference-tta
    python kernels/kernel.py push dsb-inference-tta --weights outputs/dsb-train/logs
"""

import os
import sys
from pathlib import Path

INPUT = Path(os.environ.get("KAGGLE_ROOT", "/kaggle")) / "input"
CODE = [str(folder) for pattern in ("*", "*/*", "*/*/*") for folder in INPUT.glob(f"{pattern}/project/kernels")]
sys.path[:0] = CODE

from on_kaggle import WORKING, find, model_flags, run, source

NEEDS_WEIGHTS = False


def main() -> None:
    """Predict stage 2; the script checks the CSV before it counts as written."""
    data = source("data-science-bowl-2018")
    images = find(data, "stage2_test_final")
    sample = find(data, "stage2_sample_submission_final.csv")
    output = ["--output", WORKING / "submission.csv", "--workers", os.cpu_count() or 2]
    run("dsb/my_inference_tta.py", "--dataset", images, "--sample-submission", sample, *model_flags("small"), *output)


if __name__ == "__main__":
    main()
