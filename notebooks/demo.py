# %% [markdown]
# # Nuclei in your own images
#
# Finds the nuclei in microscope images with the pretrained weights `small`, on a CPU in seconds an image. Run the
# five cells in order; the second one takes your images.

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
# **Your images**: write the path of a folder or a zip archive between the quotes: PNG, TIFF, JPEG and other formats,
# of any bit depth. On Colab, drag the archive into the file browser on the left; on Kaggle, add it as a data set.
# Without a path, four images are generated.

# %%
IMAGES = ""

from common.images.synthetic import write_dataset
from dsb.dataset import load_dataset

if not IMAGES:
    write_dataset(Path("outputs/generated"), 4, seed=1, sizes=[(256, 256), (256, 320)])
images = load_dataset(IMAGES or "outputs/generated", masks=False)
print(len(images), "images, such as", images.image_ids[0])

# %% [markdown]
# **Find the nuclei.** The CSV has a row for each: image, score and run-length encoded mask. An interrupted cell goes
# on where it was. To merge several augmented views of each image, which is slower and more accurate, use
# `dsb/my_inference_tta.py`.

# %%
from common import engine
from common.predictor import Predictor

predictor = Predictor.load("small", confidence=0.8)
found = engine.predict_results(predictor, images, Path("outputs/nuclei.csv"))

# %% [markdown]
# **Look at them.** Every nucleus should have a contour of its own. Many missed: lower `confidence` above. Nuclei cut
# into pieces, or several in one contour: scale the images so that nuclei are about 20 to 60 pixels wide.

# %%
from PIL import Image

from common.drawing.draw import draw_instances, make_overview
from common.images.colours import stretch_contrast

shown = [(stretch_contrast(images.load_image(row)), found[images.image_ids[row]]) for row in range(min(6, len(images)))]
Image.fromarray(make_overview([(image, draw_instances(image, nuclei)) for image, nuclei in shown], ("image", "nuclei")))

# %% [markdown]
# **Keep them**: a label image for each image, in which nucleus k has the value k, for ImageJ, napari or CellProfiler;
# and a table of how many there are and their areas, in pixels.

# %%
import pandas as pd

from common.images.decoding import save_image
from common.images.truth_files import labels_to_save

for image_id, nuclei in found.items():
    labels = nuclei.to_label_image(images.shapes[image_id])
    save_image(Path("outputs/labels") / f"{image_id}.tif", labels_to_save(labels))
areas = {image_id: pd.Series(nuclei.areas, dtype=float) for image_id, nuclei in found.items()}
pd.DataFrame({image_id: sizes.describe() for image_id, sizes in areas.items()}).T[
    ["count", "mean", "min", "max"]
].round()
