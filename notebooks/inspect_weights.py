# %% [markdown]
# # What is in a file of weights
#
# Tables and histograms of every layer: what is dead, exploding or constant, and how far training moved each layer.
# The command line makes a page of the same: `python inspection/report.py weights small`.

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
# ## The files
#
# `FIRST` may be the name of weights that come with the project, or a file, such as `logs/small/001/best.h5`. `SECOND`
# is compared with it; empty, it is the same network before any training, with random initial weights.

# %%
# %matplotlib inline
from common.predictor import Predictor
from common.runs.start import named_weights
from common.runs.weights_file import WeightsFile

FIRST, SECOND = "small", ""

first = named_weights().get(FIRST, Path(FIRST))
second = Path(SECOND or "outputs/initial.h5")
if not SECOND:
    from common.network.settings import prepare_keras

    prepare_keras()

    from common.network.network import build_network
    from common.network.weights import save_weights

    save_weights(build_network(Predictor.load(first).config), second)
files = {FIRST: WeightsFile(first), SECOND or "initial": WeightsFile(second)}

# %% [markdown]
# ## Problems
#
# No row is best. A constant kernel has learnt nothing. Dead channels pass nothing on: a few are usual, most of a
# layer means that its learning rate was too high. Exploding values come before a loss that is not finite.

# %%
from common.figures.weights import compare_weights, weights_histograms, weights_table

table = weights_table(files[FIRST])
problems = table[table["problem"] != ""]
problems if len(problems) else "no array looks sick"

# %% [markdown]
# ## Every array
#
# Frozen statistics (`moving_...`) are no weights.

# %%
print(f"{table['parameters'].sum():,} parameters in {len(table)} arrays")
table

# %% [markdown]
# ## What changed
#
# Norm of the difference over the norm of the first, the most changed first. Beside its initial weights, a trained
# network has changed everywhere but in frozen layers; a fine-tuned one, beside what it started from, mostly in its
# heads.

# %%
compare_weights(files[SECOND or "initial"], files[FIRST]).head(20)

# %% [markdown]
# ## Histograms
#
# Kernels and biases of each layer, both files over each other. Healthy kernels form one peak around 0. A single bar
# is a constant; long flat tails are outliers that one bad batch may have left.

# %%
from IPython.display import display

for figure in weights_histograms(files):
    display(figure)
