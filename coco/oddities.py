"""What is odd about the annotations of a subset: told, as it may be meant."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence

from coco.annotations import Annotation, Id, InstancesFile, Listed
from coco.segmentation import RunLengths, outer_box
from common.annotations.outlines import Outline, report_outlines
from common.annotations.values import read_id
from common.log import logger


def report_annotations(images: Sequence[Listed], class_of: Mapping[Id, int], file: InstancesFile) -> None:
    """Warn of outlines that cannot be meant and of boxes that contradict them; report objects of other categories.

    Args:
        images: usable ones of the file.
        class_of: the class ids of the categories in use, by `read_id`.
        file: the annotations.
    """
    report_outlines(_outlines(images, class_of), file.name)
    annotations = [one for image in images for one in image.annotations]
    odd = [one for one in annotations if not one.box_fits]
    if odd:
        logger.warning(
            f"warning: {file.name}: the bbox of {len(odd)} of {len(annotations)} annotations does not fit the outline, "
            f"such as {odd[0].where}; boxes are x, y, width, height, and the official score of boxes uses them"
        )
    names = {read_id(own): name for own, name in file.categories.items()}
    others = Counter(names[one.category_id] for one in annotations if one.category_id not in class_of)
    if others:
        counts = ", ".join(f"{count} of {name}" for name, count in others.most_common(3))
        more = ", ..." if len(others) > 3 else ""
        logger.info(f"{file.name}: left out objects of categories that are no classes: {counts}{more}")


def _outlines(images: Sequence[Listed], class_of: Mapping[Id, int]) -> Iterator[Outline]:
    for image in images:
        for one in image.annotations:
            if one.category_id in class_of:
                yield Outline(one.where, outer_box(one.segmentation), image.image_shape, _key(one))


def _key(annotation: Annotation) -> Hashable:
    segmentation = annotation.segmentation
    parts = [segmentation.counts] if isinstance(segmentation, RunLengths) else segmentation
    return annotation.image_id, annotation.category_id, hash(tuple(part.tobytes() for part in parts))
