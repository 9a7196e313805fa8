"""Held-out images that are, or were, trained on."""

from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError
from common.images.image_set import ImageSet
from common.log import logger
from common.runs.seen import Identity, find_seen


def refuse_leaks(
    folder: Path, training: ImageSet, images: Sequence[Identity], held_out: ImageSet, seen: Sequence[Identity]
) -> None:
    """Refuse to hold out images that were trained on before; warn of those that are trained on now.

    Watching the very images that are learnt, of one source, is a choice, as in the published lesion run.

    Args:
        folder: of the run.
        training: images to train on.
        images: their identities.
        held_out: images to validate and score on.
        seen: images that the run, or the weights that it starts from, was trained on.

    Raises:
        InputError: held-out images that were trained on before, and are not now.
    """
    watched = held_out.identities()
    both = set(find_seen(watched, images))
    if leaked := [name for name in find_seen(watched, seen) if name not in both]:
        raise InputError(
            f"{folder}: {len(leaked)} of the held-out images, such as {leaked[0]}, were trained on before, so their "
            "score would be meaningless; choose another --logs, or hold out the same images as before"
        )
    chosen = training.source is held_out.source and set(held_out.rows.tolist()) <= set(training.rows.tolist())
    if both and not chosen:
        logger.warning(
            f"warning: {len(both)} of the {len(held_out)} held-out images, such as {min(both)}, are trained on, too, "
            "so their score says nothing about others; remove them from one of the two"
        )
