"""The checkpoint that a run resumes from."""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.runs.changes import swaying
from common.settings.config import STATE_FILE, RunConfig
from common.settings.options import Measure
from common.storage.files import written_aside

BROKEN = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Unfinished:
    """How far an epoch has come.

    Attributes:
        steps: number of steps done.
        steps_per_epoch: of them all.
        seconds: that they took.
        sums: of their losses, by name.
    """

    steps: int = 0
    steps_per_epoch: int = 0
    seconds: float = 0.0
    sums: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A run after an epoch, or stopped in one.

    Attributes:
        epoch: number of whole epochs done.
        best: merit of the best epoch, higher is better.
        measure: what the merit is, from `describe_measure`.
        first_loss: training loss of the first epoch that compares with those to come.
        images: all that it was trained on, earlier steps included, a line each; see `format_images`.
        signature: of the images of the last epoch.
        config: `RunConfig.to_json` of the last epoch.
        arrays: weights, random states and the optimiser's variables.
        unfinished: the epoch that the run was stopped in.
    """

    epoch: int
    best: float
    measure: str
    first_loss: float
    images: Sequence[str]
    signature: str
    config: str
    arrays: Sequence[np.ndarray]
    unfinished: Unfinished = Unfinished()


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    facts = {name: value for name, value in vars(checkpoint).items() if name not in ("arrays", "unfinished")}
    facts["unfinished"] = json.dumps(asdict(checkpoint.unfinished))
    arrays = {f"variable_{i}": array for i, array in enumerate(checkpoint.arrays)}
    with written_aside(folder / STATE_FILE) as aside:
        np.savez(aside, allow_pickle=False, **facts, **arrays)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a run's checkpoint; what version 0.1.0 did not write is empty, or NaN.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / STATE_FILE
    try:
        with np.load(path, allow_pickle=False) as state:
            arrays = [state[name] for name in state.files if name.startswith("variable_")]
            texts = {name: str(state[name]) if name in state else "" for name in ("measure", "signature", "config")}
            first_loss = float(state["first_loss"]) if "first_loss" in state else np.nan
            images = np.atleast_1d(state["images"]).tolist()
            epoch, best = int(state["epoch"]), float(state["best"])
            unfinished = _read_unfinished(state)
    except FileNotFoundError:
        raise InputError(f"{path}: no run to resume; start one without --weights last") from None
    except BROKEN as error:
        raise InputError(
            f"{path}: a damaged checkpoint ({error}); delete it to begin anew, or start another run from best.h5 with "
            "--weights and another --logs"
        ) from None
    if broken := [array for array in arrays if array.dtype.kind == "f" and not np.isfinite(array).all()]:
        raise InputError(
            f"{path}: {len(broken)} of its arrays are not finite, as the training diverged; start another run from "
            "best.h5 with --weights, another --logs and a lower learning rate"
        )
    return Checkpoint(epoch, best, images=images, first_loss=first_loss, arrays=arrays, unfinished=unfinished, **texts)


def progress_saved(folder: Path) -> tuple[int, int] | None:
    """Return after how many epochs, and steps of the next, a checkpoint was written; None without a readable one."""
    try:
        with np.load(folder / STATE_FILE, allow_pickle=False) as state:
            return int(state["epoch"]), _read_unfinished(state).steps
    except BROKEN:
        return None


def _read_unfinished(state: Mapping[str, np.ndarray]) -> Unfinished:
    """Return the epoch that a run was stopped in; version 0.1.0 wrote none."""
    return Unfinished(**json.loads(str(state["unfinished"]))) if "unfinished" in state else Unfinished()


def describe_measure(by: str, config: RunConfig, image_ids: Iterable[str]) -> str:
    """Return what the best epoch is chosen by, as a text that changes if values before and after do not compare.

    Args:
        by: "score", "validation loss" or "training loss".
        config: of the run.
        image_ids: of the images that are scored, or that the loss is of.
    """
    kind: Measure = "score" if by == "score" else "loss"
    digest = hashlib.sha256("\n".join(sorted(image_ids)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return json.dumps({"by": by, "images": digest, **swaying(config, kind)}, default=str)


def compare_measures(before: str, now: str) -> str:
    """Return what differs between two texts of `describe_measure`, in words; empty: nothing that is known."""
    if not before or before == now:
        return ""
    then, new = json.loads(before), json.loads(now)
    if then["by"] != new["by"]:
        return f"the best epoch was chosen by {then['by']}, and is now by {new['by']}"
    names = [name for name in new if then.get(name) != new[name]]
    return f"the {new['by']} of the best epoch was with other {', '.join(names)}"
