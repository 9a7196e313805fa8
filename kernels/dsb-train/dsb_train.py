"""Train the third-place recipe of the Data Science Bowl 2018: three steps, from the COCO weights.

Push it with the COCO weights, and as often as it takes: each session stops before Kaggle would stop it, and the next
one goes on from the run that is attached.

    python kernels/kernel.py push dsb-train --weights mask_rcnn_coco.h5
    python kernels/kernel.py output dsb-train
    python kernels/kernel.py push dsb-train --weights outputs/dsb-train/logs
"""

import os
import sys
from pathlib import Path

INPUT = Path(os.environ.get("KAGGLE_ROOT", "/kaggle")) / "input"
CODE = [str(folder) for pattern in ("*", "*/*", "*/*/*") for folder in INPUT.glob(f"{pattern}/project/kernels")]
sys.path[:0] = CODE

from on_kaggle import WORKING, attached_weights, find, resume_from_attached, run, source

NEEDS_WEIGHTS = True
SCRIPTS = ("dsb/my_train_1.py", "dsb/my_train_2.py", "dsb/my_train_3.py")
PRESET = "published"
HOURS = 8.5


def main() -> None:
    """Go through the steps; those that are complete say so and end at once."""
    logs = WORKING / "logs"
    images = find(source("data-science-bowl-2018"), "stage1_train")
    resumed = resume_from_attached(logs)
    for number, script in enumerate(SCRIPTS):
        first = [] if number or resumed else ["--weights", attached_weights()[0]]
        if not run(script, "--preset", PRESET, "--dataset", images, "--logs", logs, *first, hours=HOURS):
            return


if __name__ == "__main__":
    main()
