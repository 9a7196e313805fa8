"""The page on an image set: what it holds, what training makes of it, what looks wrong."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from common.batches.changes import Change
from common.batches.instance_samples import mini_masks
from common.config import RunConfig
from common.errors import InputError
from common.figures.data.distributions import (
    count_classes,
    draw_classes,
    draw_intensities,
    draw_object_sizes,
    draw_sizes,
)
from common.figures.data.duplicates import draw_duplicates, find_duplicates
from common.figures.data.samples import (
    Drawn,
    Step,
    draw_mini_masks,
    draw_samples,
    draw_steps,
    mini_mask_ious,
    spread_samples,
)
from common.figures.data.survey import Survey
from common.figures.data.suspects import RULES, draw_suspects, find_suspects
from common.figures.page import Page
from common.log import logger
from common.mask_rcnn_config import MaskRCNNConfig, usual_scale
from common.masks.layers import layer_boxes, unpack_layers
from common.unet_config import UNetConfig
from competitions.augmentation import changes_of, fit_for

MOST_ROWS = 50  # of a table


def data_page(survey: Survey, config: RunConfig, image_id: str | None = None) -> Page:
    """Return the page on an image set.

    Args:
        survey: of the set.
        config: of the competition, which names the classes and says how training fits and augments images.
        image_id: the sample that training's steps are shown on; None: one with a usual number of objects.

    Raises:
        InputError: no such image.
    """
    images = survey.images
    empty = int((survey.by_image["objects"] == 0).sum())
    page = Page(
        f"Data: {images.path.name}",
        f"{len(images):,} images, {len(survey.by_object):,} objects"
        + (f", {empty:,} images without any." if images.has_objects else "; objects are not known."),
    )
    if images.left_out:
        page.introduction += f" Left out as unusable: {', '.join(images.left_out)}."
    _add_contents(page, survey, config)
    row = _choose(survey, image_id)
    if images.has_objects:
        _add_training(page, (images.load_image(row), images.load_label_layers(row)), config, images.image_ids[row])
    _add_duplicates(page, survey)
    if images.has_objects:
        _add_suspects(page, survey)
    return page


def _add_contents(page: Page, survey: Survey, config: RunConfig) -> None:
    names = config.class_names
    page.add(
        "Samples",
        draw_samples(survey, spread_samples(survey), names),
        "From the darkest image to the brightest, at even steps, so that every kind is seen. Each contour should "
        "follow the edge of one object, and every object should have one. Sick: contours beside their objects (x and "
        "y swapped, masks of another image), several objects in one contour, objects without any.",
    )
    page.add(
        "Sizes and objects",
        draw_sizes(survey),
        "How large the images are, and how many objects they have; dotted: the median. Rare sizes are learnt worst: "
        "--balanced repeats them. Sick: images without objects in a set where each should have some, and counts beyond "
        "--max-instances, of which training sees a random choice.",
    )
    if len(survey.by_object):
        page.add(
            "Object sizes",
            draw_object_sizes(survey, names, scales=_scales(survey, config), anchor_sides=_anchors(config)),
            "Sizes as the side of a square of the same area. In the network's input, at the usual scale, they should "
            "lie between the smallest and the largest anchor. Sick: much of them below 4 pixels, which no pyramid "
            "level resolves; or a peak far from all anchors.",
        )
    page.add(
        "Intensities",
        draw_intensities(survey),
        "Values of the pixels, and a dot for each image. Clusters are kinds of images: a random fold should hold "
        "some of each. Sick: peaks at 0 or 255 (clipped), three channels that differ in a grey set, a dot with no "
        "contrast (an empty or damaged image).",
    )
    if len(names) > 1:
        page.add(
            "Classes",
            draw_classes(survey, names),
            "Objects and images of each class. Sick: a class without objects (its folder or category has another "
            "name), and a class in fewer than ten images, whose score says little.",
        )
        page.add("Class counts", count_classes(survey, names), "The same in numbers; areas are in pixels.")


def _add_training(page: Page, sample: Drawn, config: RunConfig, image_id: str) -> None:
    fit = fit_for(config)
    page.add(
        "Rescaled and cropped",
        draw_steps(sample, {"fitted": _step(fit, sample)}),
        f"What training cuts from {image_id} with six fixed seeds; objects may be cut by the border. Sick: crops that "
        "are mostly padding or empty, objects too small to be recognised, contours that have come off their objects.",
    )
    crop = fit(*sample, np.random.default_rng(0))
    page.add(
        "Augmented",
        draw_steps(crop, _usable_steps(config, crop)),
        "Each change alone, from the crop of seed 0, with the same six seeds in each row; then all together. The "
        "contours must move with the image, and an expert should still name every object. Sick: contours left "
        "behind, objects that no real image would show, a row without any difference.",
    )
    if isinstance(config, MaskRCNNConfig):
        _add_mini_masks(page, crop, config.mini_mask_size)


def _add_mini_masks(page: Page, crop: Drawn, size: int) -> None:
    image, layers = crop
    objects = unpack_layers(layers)
    if not len(objects):
        return
    sizes = sorted({14, 28, 56, size})
    of_size = {side: _mini_masks(layers, side) for side in sizes}
    page.add(
        "Mini masks",
        draw_mini_masks(image, objects, of_size[size]),
        f"What the mask head learns: each object in a square of {size} pixels, and what becomes of it when it is "
        "painted back, the worst objects first. Sick: thin parts that vanish, an IoU below 0.9 for most objects: the "
        "mini masks are too small, whatever the network learns.",
    )
    ious = {side: mini_mask_ious(objects, masks) for side, masks in of_size.items()}
    table = pd.DataFrame({side: {"mean IoU": one.mean(), "worst IoU": one.min()} for side, one in ious.items()}).T
    page.add(
        "Mini masks by size",
        table.rename_axis("side"),
        "How well the objects of this crop survive mini masks of several sizes: an upper limit of what masks reach.",
    )


def _add_duplicates(page: Page, survey: Survey) -> None:
    pairs = find_duplicates(survey)
    if len(pairs):
        page.add(
            "Duplicates",
            draw_duplicates(survey, pairs),
            "Pairs of images with the same pixels, then pairs that look alike, with their objects. Two that are in "
            "different folds leak: a score on one says what was memorised of the other. Objects that differ show how "
            "far annotators agree.",
        )
    page.add(
        "All duplicates",
        pairs.drop(columns=["first", "second"]).head(MOST_ROWS),
        f"The first {MOST_ROWS} of {len(pairs)} pairs. None is best.",
    )


def _add_suspects(page: Page, survey: Survey) -> None:
    suspects = find_suspects(survey)
    for rule, meaning in RULES.items():
        found = suspects[suspects["rule"] == rule]
        if len(found):
            page.add(
                f"Suspicious: {rule}",
                draw_suspects(survey, found),
                f"{len(found):,} of {len(survey.by_object):,} objects, worst first: each {meaning}. In orange the "
                "object, in blue its neighbours, contrast stretched. Some are right; look for a fault that repeats.",
            )
    counts = suspects["rule"].value_counts().reindex(list(RULES), fill_value=0)
    page.add(
        "Suspicious objects by rule",
        pd.DataFrame({"objects": counts, "share": counts / max(len(survey.by_object), 1), "an object that": RULES}),
        "How many objects each rule finds. A few in a thousand are usual; a tenth is a fault of the export.",
    )
    worst = suspects.groupby("rule", sort=False).head(MOST_ROWS // len(RULES) + 1)
    page.add(
        "Suspicious objects",
        worst.drop(columns="image").set_index("rule"),
        "The worst of each rule; the number is the object's place in its image, from 0.",
    )


def _choose(survey: Survey, image_id: str | None) -> int:
    """Return the row of an image, or of one whose number of objects is the median of those that have some."""
    if image_id is not None:
        if image_id not in survey.images.image_ids:
            raise InputError(f"--image {image_id}: not in {survey.images.path}; give the id of one of its images")
        return list(survey.images.image_ids).index(image_id)
    counts = survey.by_image["objects"]
    usual = counts[counts > 0].median() if (counts > 0).any() else 0
    return int((counts - usual).abs().argmin())


def _step(change: Change, sample: Drawn) -> Step:
    return partial(_apply, change, sample)


def _apply(change: Change, sample: Drawn, rng: np.random.Generator) -> Drawn:
    return change(*sample, rng)


def _usable_steps(config: RunConfig, crop: Drawn) -> Mapping[str, Step]:
    """Return the changes of a config as steps; those of imgaug only where it is installed."""
    steps = {}
    for name, change in changes_of(config).items():
        try:
            change(*crop, np.random.default_rng(0))
        except InputError as error:
            logger.info(f"left out {name}: {error}")
        else:
            steps[name] = _step(change, crop)
    return steps


def _mini_masks(layers: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return the mini masks of the objects of layers, in the order of `unpack_layers`, (N, size, size) uint8."""
    labels, boxes, owners = layer_boxes(layers)
    masks = np.zeros((len(labels), size, size), np.uint8)
    for number, layer in enumerate(layers):
        of_layer = owners == number
        masks[of_layer] = mini_masks(layer, labels[of_layer], boxes[of_layer], size)
    return masks


def _scales(survey: Survey, config: RunConfig) -> np.ndarray | None:
    """Return by how much each image is enlarged for the network at the usual scale, (N,) float."""
    shapes = survey.by_image[["height", "width"]].to_numpy()
    if isinstance(config, UNetConfig):
        return config.image_size / np.sqrt(shapes.prod(axis=1))
    if not isinstance(config, MaskRCNNConfig):
        return None
    usual = np.array([usual_scale(tuple(shape), config.min_dim) for shape in shapes])
    return np.minimum(usual, config.max_dim / shapes.max(axis=1)) if config.max_dim else usual


def _anchors(config: RunConfig) -> tuple[float, ...]:
    return config.anchor_scales if isinstance(config, MaskRCNNConfig) else ()
