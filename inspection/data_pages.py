"""The page on an image set: what it holds, what training makes of it, what looks wrong."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.batches.changes import Change
from common.batches.instance_samples import mini_masks
from common.errors import InputError
from common.figures.data.distributions import (
    count_classes,
    draw_classes,
    draw_intensities,
    draw_object_sizes,
    draw_sizes,
)
from common.figures.data.duplicates import draw_duplicates, find_duplicates
from common.figures.data.joined import join_surveys
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
from common.masks.layers import layer_boxes, unpack_layers
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig, usual_scale
from common.settings.unet import UNetConfig
from competitions.augmentation import changes_of, fit_for
from inspection.data_captions import CAPTIONS

MOST_ROWS = 50  # of a table


def data_page(
    survey: Survey, config: RunConfig, image_id: str | None = None, others: Mapping[str, Survey] | None = None
) -> Page:
    """Return the page on an image set.

    Args:
        survey: of the set.
        config: of the competition, which names the classes and says how training fits and augments images.
        image_id: the sample that training's steps are shown on; None: one with a usual number of objects.
        others: surveys of parts of the set by name, this one among them, whose duplicates are shown; None: its own.

    Raises:
        InputError: no such image.
    """
    images = survey.images
    compared = join_surveys(others) if others else survey
    page = Page(f"Data: {images.path.name}", _introduction(survey))
    row = _choose(survey, image_id)
    _add_contents(page, survey, config)
    if images.has_objects:
        _add_training(page, (images.load_image(row), images.load_label_layers(row)), config, images.image_ids[row])
    pairs = find_duplicates(compared)
    if len(pairs):
        _add(page, "Duplicates", draw_duplicates(compared, pairs))
    table = pairs.drop(columns=["first", "second"]).head(MOST_ROWS)
    _add(page, "All duplicates", table, most=MOST_ROWS, count=len(pairs))
    if images.has_objects:
        _add_suspects(page, survey)
    return page


def _introduction(survey: Survey) -> str:
    images, empty = survey.images, int((survey.by_image["objects"] == 0).sum())
    text = f"{len(images):,} images, {len(survey.by_object):,} objects"
    text += f", {empty:,} images without any." if images.has_objects else "; objects are not known."
    return text + (f" Left out as unusable: {', '.join(images.left_out)}." if images.left_out else "")


def _add(page: Page, title: str, content: Figure | pd.DataFrame, **values: object) -> None:
    page.add(title, content, CAPTIONS[title].format(**values))


def _add_contents(page: Page, survey: Survey, config: RunConfig) -> None:
    names = config.class_names
    _add(page, "Samples", draw_samples(survey, spread_samples(survey), names))
    _add(page, "Sizes and objects", draw_sizes(survey))
    if len(survey.by_object):
        sizes = draw_object_sizes(survey, names, scales=_scales(survey, config), anchor_sides=_anchors(config))
        _add(page, "Object sizes", sizes)
    _add(page, "Intensities", draw_intensities(survey))
    if len(names) > 1:
        _add(page, "Classes", draw_classes(survey, names))
        _add(page, "Class counts", count_classes(survey, names))


def _add_training(page: Page, sample: Drawn, config: RunConfig, image_id: str) -> None:
    fit = fit_for(config)
    _add(page, "Rescaled and cropped", draw_steps(sample, {"fitted": _step(fit, sample)}), image_id=image_id)
    crop = fit(*sample, np.random.default_rng(0))
    _add(page, "Augmented", draw_steps(crop, _usable_steps(config, crop)))
    image, layers = crop
    objects = unpack_layers(layers)
    if not (isinstance(config, MaskRCNNConfig) and len(objects)):
        return
    size = config.mini_mask_size
    of_size = {side: _mini_masks(layers, side) for side in sorted({14, 28, 56, size})}
    _add(page, "Mini masks", draw_mini_masks(image, objects, of_size[size]), size=size)
    ious = {side: mini_mask_ious(objects, masks) for side, masks in of_size.items()}
    table = pd.DataFrame({side: {"mean IoU": one.mean(), "worst IoU": one.min()} for side, one in ious.items()}).T
    _add(page, "Mini masks by size", table.rename_axis("side"))


def _add_suspects(page: Page, survey: Survey) -> None:
    suspects, count = find_suspects(survey), len(survey.by_object)
    for rule, meaning in RULES.items():
        found = suspects[suspects["rule"] == rule]
        if len(found):
            caption = CAPTIONS["Suspicious"].format(found=len(found), count=count, meaning=meaning)
            page.add(f"Suspicious: {rule}", draw_suspects(survey, found), caption)
    counts = suspects["rule"].value_counts().reindex(list(RULES), fill_value=0)
    table = pd.DataFrame({"objects": counts, "share": counts / max(count, 1), "an object that": RULES})
    _add(page, "Suspicious objects by rule", table)
    worst = suspects.groupby("rule", sort=False).head(MOST_ROWS // len(RULES) + 1)
    _add(page, "Suspicious objects", worst.drop(columns="image").set_index("rule"))


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
