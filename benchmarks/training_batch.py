"""A training batch, from files to arrays, against stacks of whole masks (H, W, N), read again each time.

    python benchmarks/training_batch.py [--dataset stage1_train.zip]

Some images of the set (by default the one in the folder that SEGMENTATION_DATA names, else a generated one) are
rescaled, cropped, flipped, turned, rotated and shifted, and their objects become boxes and mini masks: by our
`BatchLoader`, and as in the Mask R-CNN library and the third-place run, reimplemented here. There, each mask is read
from its PNG file, SciPy resizes the whole stack before cropping, and scikit-image makes the mini masks.
Ours reads PNG files and the packed cache of label images, whose one-time creation is not counted.

Before anything is timed, both sides make the same random choices and must agree: exactly in the labels of all pixels,
in boxes and in classes; in colours to 1 of 255; in mini masks wherever the interpolated value is not within 0.01 of
0.5, where it is rounded. Images whose masks overlap are left out: a label image cannot hold overlaps.
Each side has one thread. A second table compares one loading thread with the training step that it feeds.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage import io, transform

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import in_own_process, peak_mib, print_table, race, readable, start_peak
from common.batches.augment import flip_rotate_shift, rescale_and_crop
from common.batches.instance_samples import InstanceSamples, instance_batches, mini_masks, rescaling_of
from common.batches.loader import BatchLoader
from common.images.image_set import ImageSet
from common.images.synthetic import write_dataset
from common.masks.boxes import label_boxes
from common.settings.mask_rcnn import MaskRCNNConfig
from common.storage.trees import open_tree
from dsb.config import PUBLISHED, SMALL
from dsb.dataset import find_images, load_dataset

# The published version changes colours by channel shifts only.
PRESETS = {"small": replace(SMALL, stretch_contrast=False, recolour=0.0), "published": PUBLISHED}
CHANGES = ("rotation_range", "channel_shift_range")
STEPS_TO_TIME = 6


def main() -> None:
    """Check that both sides agree, then measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="folder or zip archive in Kaggle's layout")
    parser.add_argument("--images", type=int, default=24, help="images to measure with")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--no-step", action="store_true", help="leave out the training step")
    flags = parser.parse_args()
    if flags.dataset is None and "SEGMENTATION_DATA" in os.environ:
        flags.dataset = Path(os.environ["SEGMENTATION_DATA"]) / "dsb2018" / "stage1_train.zip"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "set", flags.dataset, flags.images)
        compare(folder, flags.repeats)
        if not flags.no_step:
            compare_with_step(folder, flags.repeats)


def write_images(folder: Path, source: Path | None, count: int) -> None:
    """Unpack images with their masks, chosen at random, or generate some."""
    if source is None:
        folder.mkdir()
        write_dataset(folder, count, seed=1)
        return
    tree = open_tree(source)
    images = find_images(tree.names(), str(source))
    for index in np.random.default_rng(1).permutation(len(images))[:count]:
        for name in (images[index].image_name, *images[index].mask_names):
            path = folder.joinpath(*Path(name).parts[-3:])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tree.read(name))


def open_images(folder: Path) -> ImageSet:
    """Open the images whose masks do not overlap; this process gets one thread."""
    cv2.setNumThreads(1)
    dataset = load_dataset(folder / "set", cache=folder / "cache")
    return dataset.select(dataset.source.index.contested == 0)


def compare(folder: Path, repeats: int) -> None:
    """Print the times and the peak memory of both sides at each preset."""
    dataset, rows = open_images(folder), []
    for preset, config in PRESETS.items():
        peaks = [in_own_process(measure_peak, side, folder, preset) for side in (dense_batches, instance_batches)]
        check_equal(folder, dataset, config)
        sides = {
            "dense": dense_batches(dataset, config, training=True),
            "ours": instance_batches(dataset, config, training=True),
        }
        best = race({name: partial(run_epoch, loader) for name, loader in sides.items()}, repeats=repeats)
        times = [readable(seconds / sides["ours"].steps_per_epoch) for seconds in best.values()]
        batch = f"{config.batch_size} of {config.crop_size} px"
        ratio = f"{best['dense'] / best['ours']:.0f}"
        rows.append((preset, batch, *times, ratio, *(f"{peak:.0f} MiB" for peak in peaks)))
    objects = dataset.source.index.counts[dataset.rows].sum()
    print(f"{len(dataset)} images with {objects} objects; times of a batch, one thread\n")
    print_table(("preset", "batch", "dense", "ours", "ratio", "dense, peak", "ours, peak"), rows)


def compare_with_step(folder: Path, repeats: int) -> None:
    """Print how many images per second a loading thread delivers and a training step takes."""
    step = in_own_process(measure_step, folder)
    loader = instance_batches(open_images(folder), SMALL, training=True)
    seconds = race({"ours": partial(run_epoch, loader)}, repeats=repeats)["ours"] / loader.steps_per_epoch
    rates = [SMALL.batch_size / seconds, SMALL.batch_size / step]
    print(
        "\nImages per second that one thread delivers, and that the training step of preset small takes on all cores\n"
    )
    print_table(("loader", "step", "ratio"), [(*(f"{rate:.1f}" for rate in rates), f"{step / seconds:.0f}")])


def run_epoch(loader: BatchLoader) -> None:
    """Make every batch of an epoch."""
    for step in range(loader.steps_per_epoch):
        loader.batch_at(step)


def measure_peak(side: Callable[..., BatchLoader], folder: Path, preset: str) -> float:
    """Return by how many MiB an epoch of batches raises this process's peak memory."""
    loader = side(open_images(folder), PRESETS[preset], training=True)
    before = start_peak()
    run_epoch(loader)
    return peak_mib() - before


def measure_step(folder: Path) -> float:
    """Return the seconds of a training step of preset small, the best of several."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.training.optimizer import build_optimizer

    loader = instance_batches(open_images(folder), SMALL, training=True)
    model = MaskRCNN(SMALL)
    model.compile(optimizer=build_optimizer(SMALL), jit_compile=keras.backend.backend() != "tensorflow")
    batch = loader.batch_at(0)
    model.train_on_batch(batch)
    return race({"step": lambda: model.train_on_batch(batch)}, repeats=STEPS_TO_TIME)["step"]


def dense_batches(images: ImageSet, config: MaskRCNNConfig, *, training: bool) -> BatchLoader:
    """Return batches made the dense way."""
    return BatchLoader(images, config, DenseSamples(images, config, training=training), training=training)


class DenseSamples(InstanceSamples):
    """The same batches of the same images through (H, W, N) stacks; every mask is read from its file each time."""

    def _load_crop(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        folder = self.images.path / self.images.image_ids[index]
        image, masks = dense_read(folder)
        crop, crop_masks = dense_draw(image, masks, self.config, rng, self.config.crop_draws)
        labels = np.flatnonzero(crop_masks.any(axis=(0, 1))) + 1
        ignored = np.zeros(crop.shape[:2], np.uint8)
        if len(labels) > self.config.max_instances:
            chosen = np.sort(rng.choice(len(labels), self.config.max_instances, replace=False))
            for y1, x1, y2, x2 in dense_boxes(crop_masks[..., np.delete(labels, chosen) - 1]):
                ignored[y1:y2, x1:x2] = 1
            labels = labels[chosen]
        crop_masks = crop_masks[..., labels - 1]
        boxes = dense_boxes(crop_masks)
        return crop, labels, boxes, np.rint(dense_mini_masks(crop_masks, boxes, self.config.mini_mask_size)), ignored


def dense_read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an image (H, W, 3) uint8 and the stack (H, W, N) bool of its masks."""
    image = io.imread(next((folder / "images").iterdir()))[..., :3]
    masks = [io.imread(path) > 0 for path in sorted((folder / "masks").iterdir())]
    return image, np.stack([mask if mask.ndim == 2 else mask[..., :3].any(axis=2) for mask in masks], axis=-1)


def dense_draw(
    image: np.ndarray, masks: np.ndarray, config: MaskRCNNConfig, rng: np.random.Generator, places: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw places and make the fullest crop: every operation applies to the image and all masks."""
    shape = rescaling_of(config).draw_shape(image.shape[:2], rng)
    corners = [[int(rng.integers(length - config.crop_size + 1)) for length in shape] for _ in range(places)]
    windows = [np.s_[top : top + config.crop_size, left : left + config.crop_size] for top, left in corners]
    masks = dense_zoom(masks, shape)
    window = max(windows, key=lambda one: np.count_nonzero(masks[one].any(axis=(0, 1))))
    image = transform.resize(image, shape, order=1, mode="edge", preserve_range=True, anti_aliasing=False)
    image, masks = np.rint(image).astype(np.uint8)[window], masks[window]
    if rng.random() < 0.5:
        image, masks = np.fliplr(image), np.fliplr(masks)
    if rng.random() < 0.5:
        image, masks = np.flipud(image), np.flipud(masks)
    turns = int(rng.integers(4))
    image, masks = np.rot90(image, turns), np.rot90(masks, turns)
    if rng.random() < 0.5:
        degrees = rng.uniform(-config.rotation_range, config.rotation_range)
        image, masks = dense_rotate(image, degrees), dense_rotate(masks.astype(np.uint8), degrees) > 0
    shifts = rng.uniform(-config.channel_shift_range, config.channel_shift_range, 3)
    return np.rint(np.clip(image + shifts, image.min(), image.max())).astype(np.uint8), masks


def dense_zoom(masks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a stack by nearest neighbour: the routine behind `scipy.ndimage.zoom`, pixel centres at halves.

    Where a centre falls on the border of two pixels, the small offset chooses the later one, as our side does.
    """
    steps = [old / new for old, new in zip(masks.shape, shape, strict=False)]
    offsets = [step / 2 - 0.5 + 1e-6 for step in steps]
    return ndimage.affine_transform(
        masks, [*steps, 1.0], [*offsets, 0.0], output_shape=(*shape, masks.shape[2]), order=0, mode="nearest"
    )


def dense_rotate(stack: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate each channel of an (H, W, N) uint8 stack about the centre, by OpenCV's nearest neighbour."""
    height, width = stack.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    channels = [np.ascontiguousarray(channel) for channel in np.moveaxis(stack, 2, 0)]
    return np.stack([cv2.warpAffine(c, matrix, (width, height), flags=cv2.INTER_NEAREST) for c in channels], axis=-1)


def dense_boxes(masks: np.ndarray) -> np.ndarray:
    """Return the smallest box (N, 4) around each mask of a stack, none of which is empty."""
    boxes = np.zeros((masks.shape[2], 4), np.int32)
    for i in range(masks.shape[2]):
        rows, columns = (np.flatnonzero(masks[:, :, i].any(axis=axis)) for axis in (1, 0))
        boxes[i] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes


def dense_mini_masks(masks: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Return each mask, cut to its box and resized bilinearly, not yet rounded: (N, M, M) float64."""
    minis = np.zeros((len(boxes), size, size))
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        crop = masks[y1:y2, x1:x2, i].astype(np.float64)
        minis[i] = transform.resize(crop, (size, size), order=1, mode="edge", anti_aliasing=False)
    return minis


def check_equal(folder: Path, dataset: ImageSet, config: MaskRCNNConfig) -> None:
    """Assert that both sides give the same result for every image and every batch."""
    changes = {name: getattr(config, name) for name in CHANGES}
    for index, image_id in enumerate(dataset.image_ids):
        rng = np.random.default_rng(index)
        image, layers = dataset.load_image(index), dataset.load_label_layers(index)
        drawn = rescale_and_crop(image, layers, rng, rescaling_of(config), crop_size=config.crop_size)
        crop, (label_image,) = flip_rotate_shift(*drawn, rng, **changes)
        labels, boxes = label_boxes(label_image)
        rng = np.random.default_rng(index)
        dense_crop, masks = dense_draw(*dense_read(folder / "set" / image_id), config, rng, 1)
        assert (masks.sum(axis=2) <= 1).all(), f"{image_id}: masks overlap"
        assert np.array_equal(masks @ np.arange(1, masks.shape[2] + 1), label_image), f"{image_id}: other labels"
        assert np.abs(crop.astype(int) - dense_crop).max() <= 1, f"{image_id}: other colours"
        masks = masks[..., labels - 1]
        assert np.array_equal(boxes, dense_boxes(masks)), f"{image_id}: other boxes"
        values = dense_mini_masks(masks, boxes, config.mini_mask_size)
        unequal = mini_masks(label_image, labels, boxes, config.mini_mask_size) != np.rint(values)
        assert (np.abs(values[unequal] - 0.5) < 0.01).all(), f"{image_id}: other mini masks"
    ours, dense = (side(dataset, config, training=True) for side in (instance_batches, dense_batches))
    for step in range(ours.steps_per_epoch):
        batch, other = ours.batch_at(step), dense.batch_at(step)
        assert all(np.array_equal(batch[name], other[name]) for name in ("boxes", "class_ids")), f"batch {step}"


if __name__ == "__main__":
    main()
