# %% [markdown]
# # What is in a set of images
#
# Samples, sizes, intensities, what training makes of an image, duplicates and suspicious masks: for the set of any
# competition, recognised by its files. The command line makes a page of the same and more: `python
# inspection/report.py data --dataset stage1_train.zip`.

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
# ## The set
#
# `DATASET` is a folder or a zip archive, in the layout of any of the competitions. Without one, forty images of
# nuclei are generated. The survey reads each image and its masks once; the figures below need no more.

# %%
# %matplotlib inline
from common.figures.data.survey import survey_images
from common.images.synthetic import write_dataset
from competitions.sets import open_images

DATASET = ""

if not DATASET:
    write_dataset(Path("outputs/images"), 8 if QUICK else 40, seed=1, sizes=[(256, 256), (256, 320)])
competition, images = open_images(Path(DATASET or "outputs/images"))
survey = survey_images(images)
config = competition.config
print(f"{competition.name}: {len(images):,} images, {len(survey.by_object):,} objects")

# %% [markdown]
# ## Samples
#
# From the darkest image to the brightest. Each contour should follow the edge of one object, and every object should
# have one. Sick: contours beside their objects (x and y swapped, masks of another image), several objects in one
# contour, objects without any.

# %%
from common.figures.data.samples import draw_samples, spread_samples

draw_samples(survey, spread_samples(survey), config.class_names)

# %% [markdown]
# ## Sizes and objects
#
# How large the images are and how many objects they have; dotted: the median. Rare sizes are learnt worst:
# `--balanced` repeats them. Sick: images without objects in a set where each should have some.

# %%
from common.figures.data.distributions import draw_intensities, draw_object_sizes, draw_sizes

draw_sizes(survey)

# %% [markdown]
# ## Object sizes
#
# As the side of a square of the same area. Sick: many below 4 pixels, which no pyramid level resolves.

# %%
draw_object_sizes(survey, config.class_names)

# %% [markdown]
# ## Intensities
#
# Values of the pixels, and a dot for each image. Clusters are kinds of images: a random fold should hold some of
# each. Sick: peaks at 0 or 255 (clipped), a dot without contrast (an empty or damaged image).

# %%
draw_intensities(survey)

# %% [markdown]
# ## What training cuts out
#
# One image with a usual number of objects, with six fixed seeds. Sick: crops that are mostly padding or empty,
# objects too small to be recognised, contours that have come off their objects.

# %%
import numpy as np

from common.figures.data.samples import draw_steps
from competitions.augmentation import changes_of, fit_for

counts = survey.by_image["objects"]
row = int((counts - counts[counts > 0].median()).abs().argmin())
sample = images.load_image(row), images.load_label_layers(row)
fit = fit_for(config)
draw_steps(sample, {"fitted": lambda rng: fit(*sample, rng)})

# %% [markdown]
# ## What augmentation changes
#
# Each change alone, from the crop of the first seed; then all together. The contours must move with the image, and an
# expert should still name every object.

# %%
crop = fit(*sample, np.random.default_rng(0))
draw_steps(crop, {name: lambda rng, change=change: change(*crop, rng) for name, change in changes_of(config).items()})

# %% [markdown]
# ## Duplicates
#
# Pairs of images with the same pixels, then pairs that look alike. Two that are in different folds leak: a score on
# one says what was memorised of the other.

# %%
from common.figures.data.duplicates import draw_duplicates, find_duplicates

pairs = find_duplicates(survey)
draw_duplicates(survey, pairs) if len(pairs) else "no duplicates"

# %% [markdown]
# ## Suspicious masks
#
# How many objects each rule finds, and the worst of the rule that finds most. A few in a thousand are usual; a tenth
# is a fault of the export. Some are right; look for a fault that repeats.

# %%
from common.figures.data.suspects import RULES, draw_suspects, find_suspects

suspects = find_suspects(survey)
found = suspects["rule"].value_counts().reindex(list(RULES), fill_value=0)
found.to_frame("objects").assign(rule=list(RULES.values()))

# %% [markdown]
# In orange the object, in blue its neighbours, contrast stretched.

# %%
draw_suspects(survey, suspects[suspects["rule"] == found.idxmax()]) if len(suspects) else "no suspects"
