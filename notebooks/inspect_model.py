# %% [markdown]
# # What a Mask R-CNN does with an image, step by step
#
# From anchors to masks, all beside the ground truth. Each figure says what a healthy one looks like. The command line
# makes a page of the same and more, of several images and of the U-Net, too: `python inspection/report.py model
# --dataset stage1_train.zip --weights small`.

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
# ## The model and the image
#
# `WEIGHTS` is the name of weights that come with the project, or a file with `config.json` beside it. `DATASET` is a
# folder or zip archive of any competition; without one, an image is generated. `IMAGE` is the number of the image in
# it.

# %%
# %matplotlib inline
from common.images.synthetic import write_dataset
from common.inspector import Inspector
from common.predictor import Predictor
from competitions.sets import open_images

WEIGHTS, DATASET, IMAGE = "small", "", 0

if not DATASET:
    write_dataset(Path("outputs/image"), 1, seed=4, sizes=[(256, 320)])
_, images = open_images(Path(DATASET or "outputs/image"))
inspector = Inspector(Predictor.load(WEIGHTS))
config = inspector.config
image, true = inspector.show(images.load_image(IMAGE), images.load_instances(IMAGE))
steps = inspector.steps(image)
lessons = inspector.lessons(steps, true)
print(f"{images.image_ids[IMAGE]}: {len(true)} objects")

# %% [markdown]
# ## Anchors by level
#
# Left: the anchors of one cell per level, white the true boxes. Middle: the objects' sides should lie between the
# smallest and the largest anchor; a heap beyond either end wants other --anchor-scales or another --min-dim. Right:
# nearly all objects should have an anchor with an IoU of 0.5 or more; those below 0.3 are hardly ever learnt.

# %%
from common.figures.network import activations, anchors, boxes, masks, views

anchors.draw_anchors(steps, lessons, config.anchor_scales)

# %% [markdown]
# ## What anchors learn
#
# As training assigns them. Each object should have at least one positive anchor (dotted), whose arrow leads to it.
# Negative anchors should lie on background; if some lie on things that look like objects, the labels miss these.
# Neutral anchors surround the objects. No positive anchors at all: boxes and image do not belong together.

# %%
anchors.draw_anchor_lessons(steps, lessons)

# %% [markdown]
# ## Deltas of positive anchors
#
# Each dot is an anchor; a trained network puts it on the diagonal. A level cloud has learnt nothing; a tilted one
# under- or overestimates moves. Values far beyond 5 come from anchors that do not fit their objects.

# %%
anchors.draw_deltas(steps, lessons)

# %% [markdown]
# ## Scores of anchors
#
# Bright cells say object. They should lie on the objects, each size on its level, and be dark elsewhere. Below right:
# positive and negative anchors should part; whatever lies left of the dashed line goes no further. A map that is grey
# everywhere comes from an untrained network, one that is bright on texture from missing negatives.

# %%
anchors.draw_anchor_scores(steps, lessons)

# %% [markdown]
# ## The best anchors, refined
#
# Dotted the anchors, solid what their deltas make of them, coloured by level. Solid boxes should sit on objects more
# tightly than dotted ones; arrows that point anywhere mean wrong --box-std or --geometry.

# %%
boxes.draw_refinement(steps, lessons)

# %% [markdown]
# ## Suppression of anchors
#
# Before, many boxes share an object; after, a few should be left of each, and none be lost: the two curves should lie
# together up to 0.5. A gap there means that neighbours suppress each other: raise --rpn-nms-threshold or
# --detect-proposals.

# %%
boxes.draw_suppression(steps, lessons)

# %% [markdown]
# ## What regions learn
#
# Positive regions as training draws them, moved to their objects; right, the masks that they learn. Masks should look
# like the objects. Empty or shifted ones mean that masks and boxes do not belong together.

# %%
masks.draw_region_lessons(steps, lessons)

# %% [markdown]
# ## Regions with class and score
#
# Solid proposals are sure enough to become detections. Right: those on an object should score near 1, others near 0.
# Objects below the dashed line are lost to --confidence; background above it becomes false detections.

# %%
boxes.draw_regions(steps, lessons, config.class_names, config.confidence)

# %% [markdown]
# ## Boxes refined by class
#
# Dotted the proposal, solid its box after the class's deltas. Dots above the diagonal got better. A cloud below it:
# the box head was trained with another --box-std or --geometry, or hardly at all.

# %%
boxes.draw_class_refinement(steps, lessons, config.confidence)

# %% [markdown]
# ## Detections
#
# What is left after suppression within each class, with scores; boxes of an IoU of at least 0.5 are hits. Two boxes
# on one object: lower --detection-nms-threshold. Objects in a crowd without a box: raise it.

# %%
boxes.draw_detections(steps, lessons, config.class_names)

# %% [markdown]
# ## Masks in their boxes
#
# The surest detections first, the least sure last: ground truth and painted outline, below them the probabilities that
# the mask head returns. Healthy ones are yellow inside, dark outside, with a narrow edge. Green throughout: untrained.
# Good masks cut off by their frame want --mask-margin.

# %%
masks.draw_mini_masks(image, steps, true, config.mask_threshold)

# %% [markdown]
# ## Masks and overlaps
#
# Left: masks as painted, orange the pixels that several claim; few should be contested. Middle: the prediction, each
# pixel given to one object where objects must not overlap. Right: beside the ground truth, at an IoU of 0.5.

# %%
painted = steps.detections.select(steps.sure).paint(config.mask_threshold)
masks.draw_masks(image, painted, inspector.predict(steps), true)

# %% [markdown]
# ## The views at test time
#
# Each distinct view as the network sees it, with its number of objects. All should find nearly the same. A view that
# finds far fewer was too small, too large or turned as in no training image.

# %%
prediction = inspector.looks(image)
views.draw_views(image, prediction.looks, config.mask_threshold)

# %% [markdown]
# ## Their votes
#
# How many views see an object at each pixel. Objects should be bright plateaus with dark gaps between them. Grey
# objects are unsure and may fall under the majority; bright bridges between neighbours merge them.

# %%
from common.prediction.postprocess import count_votes
from common.prediction.views import VIEWS

votes = count_votes(prediction.looks, prediction.image_shape, prediction.masking)
views.draw_votes(image, votes, len(VIEWS), prediction.instances(), true)

# %% [markdown]
# ## Activations
#
# Mean absolute value, the channels that vary most, and the distribution of all values. Early layers show edges, late
# ones objects. Many silent channels: dead units. One value everywhere: a broken input or exploded weights.
# Checkerboards come from transposed convolutions: harmless unless the result shows them.

# %%
from IPython.display import display

for layer, features in inspector.activations(steps):
    display(activations.draw_activations(layer, features, image.shape))
