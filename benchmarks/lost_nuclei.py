"""At which step the nuclei of held-out images are lost, by the kind of image.

python benchmarks/lost_nuclei.py --dataset stage1_train.zip
"""

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import pandas as pd

from common.batches.folds import in_fold
from common.figures.network.losses import STEPS, trace_objects
from common.inspector import Inspector
from common.masks.crops import drop_empty
from common.predictor import Predictor
from common.scoring.survival import FOUND, best_mask_ious, count_losses
from common.terminal.progress import progress_bar
from dsb.dataset import load_dataset
from dsb.modality import find_modality

LEVELS = (0.1, 0.3, 0.5, 0.7)  # of scores of nuclei that are lost to the class score


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="stage1_train, as a folder or zip archive")
    parser.add_argument("--weights", default="small", help="an .h5 file, or small (default)")
    parser.add_argument("--fold", default="0", help="whose held-out images are taken (default: 0)")
    flags = parser.parse_args()
    predictor = Predictor.load(flags.weights)
    inspector, config = Inspector(predictor), predictor.config
    images = load_dataset(flags.dataset)
    images = images.select(in_fold(images.sizes, flags.fold))
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    false, merged = Counter[str](), Counter[str]()
    for row in progress_bar(range(len(images)), total=len(images), unit="image"):
        image, true = images.load_image(row), drop_empty(images.load_truth(row)[0])
        kind = find_modality(image)
        steps = inspector.steps(image)
        final = inspector.predict(steps)
        tables[kind].append(trace_objects(steps, true, final, config.mask_threshold, config.confidence))
        false[kind] += int(np.count_nonzero(best_mask_ious(final, true) <= 0.5))
        merged[kind] += int(
            np.count_nonzero(best_mask_ious(true, inspector.predictor.predict(image, config.views)) > 0.5)
        )
    objects = {kind: pd.concat(some, ignore_index=True) for kind, some in tables.items()}
    counts = {kind: count_losses(some["lost at"].tolist(), STEPS)["objects"] for kind, some in objects.items()}
    table = pd.DataFrame(counts)
    table.loc["nuclei"] = table.sum()
    table.loc["false objects"] = pd.Series(false)
    table.loc[f"{FOUND} in several views ({config.views})"] = pd.Series(merged)
    print(table.to_string())
    print(f"\nnuclei lost at the class score (confidence {config.confidence:g}), whose best box scores at least")
    scores = {kind: some.loc[some["lost at"] == "class score", "best score"] for kind, some in objects.items()}
    print(
        pd.DataFrame({kind: {level: int((some >= level).sum()) for level in LEVELS} for kind, some in scores.items()})
    )
    sides = {
        kind: some.groupby(some["lost at"] == FOUND)["area"].median().pow(0.5).rename({True: FOUND, False: "lost"})
        for kind, some in objects.items()
    }
    print(f"\nsquare root of the median area, pixels\n{pd.DataFrame(sides).round(1)}")


if __name__ == "__main__":
    main()
