# %% [markdown]
# # Train Mask R-CNN on generated shapes
#
# Squares, circles and triangles in random colours: the quickest way to see a Mask R-CNN learn, from random weights to
# good masks in minutes on two cores. The command line does the same: `python coco/shapes.py train`.

# %%
# Finds the project: the checkout that this notebook lies in, or what is attached on Kaggle. Elsewhere, as on Colab, it
# is cloned: write the address of its git repository between the quotes.
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = os.environ.get("SEGMENTATION_REPOSITORY", "")

kaggle = Path(os.environ.get("KAGGLE_ROOT", "/kaggle")) / "input"
cloned = Path.cwd() / "kaggle-segmentation"
places = [Path.cwd(), *Path.cwd().parents, cloned]
places += [place for depth in ("*", "*/*", "*/*/*") for place in sorted(kaggle.glob(f"{depth}/project"))]
project = next((place for place in places if (place / "common" / "predictor.py").is_file()), None)
pip = [sys.executable, "-m", "pip", "install", "--quiet"]
if project is None:
    if not REPOSITORY:
        raise RuntimeError("the project is not here: write its address into REPOSITORY and run this cell again")
    project = cloned
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, project], check=True)
    subprocess.run([*pip, project], check=True)
elif kaggle in project.parents and (wheels := sorted(project.parent.glob("*.whl"))):  # what Kaggle's image lacks
    subprocess.run([*pip, "--no-index", "--no-deps", *wheels], check=True)
sys.path.insert(0, str(project.resolve()))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own log
if shutil.which("nvidia-smi"):
    os.environ.setdefault("KERAS_BACKEND", "jax")

from common.log import log_to_stdout

log_to_stdout()
QUICK = "SEGMENTATION_QUICK" in os.environ  # a trial of seconds, as in the tests

# %% [markdown]
# ## The data
#
# Every image is generated when it is needed and depends only on the seed and its number. A later shape hides what it
# covers.

# %%
from dataclasses import replace

from PIL import Image

from coco.config import SHAPES_SMALL
from coco.shapes_set import generate_shapes
from common.drawing.draw import draw_instances, make_overview

config = replace(SHAPES_SMALL, name="shapes")
if QUICK:
    changes = {"images": 8, "validation_images": 4, "batch_size": 2, "steps_per_epoch": 2, "warmup_steps": 1}
    config = replace(config, **changes, validation_steps=1, score_limit=2, backbone="small").with_epochs(1)
training = generate_shapes(config.images, config.min_dim, config.seed)
held_out = generate_shapes(config.validation_images, config.min_dim, config.seed, "validation")

drawn = [draw_instances(training.load_image(row), training.load_instances(row)) for row in range(4)]
Image.fromarray(make_overview([drawn], [f"image {row}" for row in range(4)], tile_height=200))

# %% [markdown]
# ## The hyperparameters
#
# A config is a value; `replace` changes it. These are the ones in which this run differs from the library's defaults.

# %%
import pandas as pd

from coco.config import ShapesConfig
from common.network.training.record import hyperparameters

table = pd.DataFrame({"here": hyperparameters(config), "default": hyperparameters(ShapesConfig())})
table[table["here"] != table["default"]]

# %% [markdown]
# ## Training
#
# Writes checkpoints, `log.csv` and TensorBoard events to `outputs/logs/shapes`. Run the cell again after an
# interruption, and it goes on from the last epoch. The loss should fall from the first epoch on; the score (mean
# average precision at IoU 0.5) rises a few epochs later.

# %%
from functools import partial

from coco.evaluation import score_masks
from common import engine
from common.runs.start import Start

logs = Path("outputs/logs")
engine.train(config, training, held_out, Start(logs, "none"), score=partial(score_masks, threshold=0.5))

# %% [markdown]
# ## Learning curves
#
# Training is solid, validation dashed. Both fall in a healthy run; validation that rises while training falls is
# overfitting. `%load_ext tensorboard` and `%tensorboard --logdir outputs/logs` show the same and more, live.

# %%
# %matplotlib inline
from common.figures.curves import draw_curves, read_run

draw_curves({"shapes": read_run(logs / config.name)})

# %% [markdown]
# ## Truth and prediction
#
# Held-out images. Green: a true shape. Yellow: a prediction that meets one. Orange: one that does not.

# %%
from common.drawing.overlays import draw_overlays
from common.predictor import Predictor

predictor = Predictor.load(logs / config.name / "best.h5")
overlays = [image for _, image in draw_overlays(predictor.predict, held_out.first(4))]
Image.fromarray(make_overview([overlays[:2], overlays[2:]], ("image, and truth with prediction",) * 2, tile_height=220))

# %% [markdown]
# ## The score
#
# Average precision by class, as COCO computes it.

# %%
from coco.evaluation import mask_report
from common.scoring.evaluation import pair_predictions

print(mask_report(pair_predictions(held_out, predictor.predict), config.class_names, threshold=0.5).text)
