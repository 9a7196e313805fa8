"""Step 3 of 3: from step 2's last weights, with wider ranges of scale, rotation and colour.

    python dsb/my_train_3.py --dataset stage1_train.zip --logs logs/published
    python dsb/my_train_3.py --dataset stage1_train.zip --preset small --fold 0 --logs logs/small

Writes config.json, log.csv, TensorBoard events and weights to <logs>/003. Run again, it resumes.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import run_main
from common.settings.config import Stage
from dsb.config import DEMO, PUBLISHED, SMALL, DSBConfig
from dsb.training import train_step


def _widened(config: DSBConfig) -> DSBConfig:
    """Return step 3's experiment: balanced, with larger ranges."""
    return replace(
        config,
        name="003",
        balanced=True,
        aspect_ratio=1.5,
        min_enlarge=1.5,
        zoom=1.7,
        rotation_range=22.5,
        channel_shift_range=20.0,
    )


STEP = {
    "published": replace(
        _widened(PUBLISHED),
        augment=False,  # on in the author's text, off in the published code
        schedule=(Stage(5, 1e-3 / 30),),
        steps_per_epoch=332,
    ),
    "small": replace(_widened(SMALL), schedule=(Stage(3, 2e-4),), steps_per_epoch=400, score_every=3),
    "demo": replace(_widened(DEMO), schedule=(Stage(1, 1e-4),), steps_per_epoch=15),
}

if __name__ == "__main__":
    run_main(lambda: train_step(__doc__, STEP, previous="002"))
