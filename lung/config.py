"""Hyperparameters of the published run on lungs, and of a run on a CPU."""

from dataclasses import dataclass
from typing import Literal

from common.batches.folds import FOLD_SEED
from common.settings.config import Stage
from common.settings.options import option
from common.settings.unet import UNetConfig

DATASET = "data/lung.zip"
METADATA_HELP = "columns id and patient (default: metadata.csv in the set or beside the archive)"


@dataclass(frozen=True, kw_only=True)
class LungConfig(UNetConfig):
    """Both lungs of a chest radiograph, as one mask."""

    unused = frozenset(("balanced",))

    name: str = "lung"
    class_names: tuple[str, ...] = ("lung",)
    fold: Literal["0", "1", "2", "3", "4", "all"] = option("0", "held-out fifth of the patients; all: none held out")
    fold_seed: int = option(FOLD_SEED, "seed of the split into folds", minimum=0)


# As in the published notebook's last version, but for the Dice loss, which had no gradient there.
PUBLISHED = LungConfig(
    image_size=512,
    channels=(64, 128, 256, 512),
    norm="batch",
    rotation_range=35.0,
    flip_lr=0.5,
    flip_ud=0.1,
    bfloat16=True,
    batch_size=16,
    schedule=(Stage(30, 1e-4),),
    optimizer="adamw",
    weight_decay=0.0,  # which makes it Adam
    gradient_clip=1e9,  # none
    score_every=1,
    score_limit=200,
)

# On two cores: an eighth of the channels and a quarter of the pixels.
SMALL = LungConfig(
    image_size=256,
    channels=(16, 32, 64, 128),
    norm="group",
    rotation_range=20.0,
    scale_range=0.2,
    shift_range=0.08,
    flip_ud=0.0,
    brightness=0.25,
    contrast=0.25,
    bfloat16=True,
    batch_size=4,
    steps_per_epoch=100,
    schedule=(Stage(40, 1e-3),),
    optimizer="adamw",
    decay="cosine",
    warmup_steps=100,
    weight_decay=0.02,
    score_every=4,
    score_limit=40,
)

PRESETS = {"published": PUBLISHED, "small": SMALL}
