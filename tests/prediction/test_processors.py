"""The same detections give the same bytes on every processor: NumPy sorts ties by what its vector units do."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    except ImportError:  # a NumPy that keeps them elsewhere
        __cpu_dispatch__, __cpu_features__ = [], {}

ROOT = Path(__file__).resolve().parents[2]
LEVELS = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]  # of this machine, the lowest first
# Many small objects of few areas and few scores, so that ties are everywhere.
PROGRAM = """
import hashlib
import numpy as np
from common.masks.instances import Instances
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Masking, Prediction, run_length_rows
from common.prediction.views import VIEW_SETS, distinct_views, scaled_shape

SHAPE = (150, 190)
digest = hashlib.sha256()
for seed in range(6):
    for published, merging in ((True, "votes"), (False, "votes"), (False, "majority"), (True, None), (False, None)):
        rng = np.random.default_rng(seed)
        centres = rng.uniform(0, 1, (60, 2))
        looks = []
        for view, places in distinct_views(VIEW_SETS[merging or "votes"], SHAPE, 512)[: None if merging else 1]:
            height, width = scaled_shape(view, SHAPE)
            corners = np.round(centres * (height - 20, width - 20))
            boxes = np.concatenate([corners, corners + 18], axis=1).astype(np.float32)
            scores = rng.choice([0.9, 0.95, 1.0], 60).astype(np.float32)
            order = np.argsort(-scores, kind="stable")
            probs = np.ones((60, 28, 28), np.float16)
            ids = np.ones(60, np.int32)
            looks.append(Look(view, places, Detections(boxes[order], scores[order], ids, probs, (height, width))))
        rows = run_length_rows(Prediction(looks, SHAPE, Masking(0.5, published=published), merging))
        assert rows, (seed, published, merging)
        digest.update("|".join(rows).encode())

try:
    from common.prediction.box_fusion import fuse_boxes
    rng = np.random.default_rng(9)
    corners = rng.integers(0, 9, (3, 40, 2)) * 8.0
    boxes = [np.concatenate([some, some + 24], axis=1) for some in corners]
    scores = [rng.choice([0.5, 1.0], 40) for _ in boxes]
    fused = fuse_boxes(boxes, scores, [np.ones(40, int)] * 3, SHAPE, iou_threshold=0.3)
    digest.update(b"".join(part.tobytes() for part in fused))
except ImportError:
    pass
print(digest.hexdigest(), np.argsort(np.ones(300)).tolist() == list(range(300)))
"""


def digest_without(disabled):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NPY_")}
    environment |= {"PYTHONPATH": str(ROOT), "NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.skipif(not LEVELS, reason="NumPy has a single way to sort on this machine")
def test_rows_do_not_depend_on_the_processor():
    here, _ = digest_without([])
    for first in range(len(LEVELS)):
        assert digest_without(LEVELS[first:])[0] == here, LEVELS[first:]
