"""What the viewer shows: a set, its ground truth, submissions; opened from paths."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.images.image_set import ImageSet
from common.masks.boxes import box_ious
from common.masks.instances import Instances
from common.scoring.comparison import Comparison, compare_masks
from competitions.sets import Competition, open_images, recognise
from competitions.submissions import Boxes, RunLengths, choose_images, read_submission
from dsb.evaluation import load_truth
from dsb.modality import find_modality
from rsna.dataset import Radiographs
from viewer.matches import RULES, USUAL_RULE, Matches, Rule

Solution = Mapping[str, Instances]


@dataclass(frozen=True, eq=False)
class Study:
    """A set with its ground truth and its submissions.

    Attributes:
        competition: whose set it is.
        images: the set.
        solution: true objects by image id where they are not the set's own; None: the set's, if it has them.
        submissions: predicted objects by image id, by the submission's name.
        left_out: ids of images that were found but cannot be read.
    """

    competition: Competition
    images: ImageSet
    solution: Solution | None = None
    submissions: Mapping[str, Mapping[str, Instances]] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes, in the order of their ids, from 1."""
        return self.competition.config.class_names

    @property
    def rule(self) -> Rule:
        """How images are scored."""
        return RULES.get(self.competition.name, USUAL_RULE)

    @property
    def has_truth(self) -> bool:
        """Whether true objects are known."""
        return self.solution is not None or self.images.has_objects

    def has_scores(self, name: str) -> bool:
        """Whether a submission gives its objects scores."""
        return not isinstance(self.submissions[name], RunLengths)

    def load_truth(self, index: int) -> tuple[Instances, np.ndarray] | None:
        """Return an image's true objects, and which of them are crowds, (N,) bool; None if they are not known."""
        if self.solution is None:
            return self.images.load_truth(index) if self.images.has_objects else None
        true = self.solution.get(self.images.image_ids[index])
        return None if true is None else (true, np.zeros(len(true), bool))

    def load_found(self, index: int, name: str) -> Instances:
        """Return the objects that a submission has for an image; none if the image has no row."""
        found, image_id = self.submissions[name], self.images.image_ids[index]
        return found[image_id] if image_id in found else Instances.empty()

    def match(self, index: int, name: str, truth: tuple[Instances, np.ndarray]) -> Matches:
        """Compare an image's true objects with those of a submission."""
        found, source, (true, crowd) = self.submissions[name], self.images.source, truth
        comparison = compare_masks(true, self.load_found(index, name), crowd)
        if isinstance(found, Boxes) and isinstance(source, Radiographs):
            comparison = self._compare_boxes(comparison, source, index, found)
        return Matches.of(comparison, strict=self.rule.strict, is_missing=self.is_missing(index, name))

    def is_missing(self, index: int, name: str) -> bool:
        """Return whether a submission has no row for an image."""
        return self.images.image_ids[index] not in self.submissions[name]

    def kind(self, index: int, image: np.ndarray, truth: tuple[Instances, np.ndarray] | None) -> str:
        """Return what kind of image one is: its modality, its patient's class, or the class of most of its objects."""
        if isinstance(self.images.source, Radiographs):
            return self.images.source.classes[int(self.images.rows[index])]
        if self.competition.name == "dsb":
            return find_modality(image)
        if truth is None or len(self.class_names) == 1 or not len(truth[0]):
            return ""
        ((most, _),) = Counter(truth[0].class_ids.tolist()).most_common(1)
        return self.class_name(most)

    def class_name(self, class_id: int) -> str:
        """Return a class's name; its id where it has none."""
        return self.class_names[class_id - 1] if 1 <= class_id <= len(self.class_names) else f"class {class_id}"

    def _compare_boxes(self, comparison: Comparison, source: Radiographs, index: int, found: Boxes) -> Comparison:
        """Return a comparison with the overlaps of boxes as the competition computes them, in fractions of pixels."""
        image_id, boxes = self.images.image_ids[index], source.boxes[int(self.images.rows[index])]
        predicted = found.predictions[image_id].boxes if image_id in found else np.zeros((0, 4))
        if comparison.ious.shape != (len(boxes), len(predicted)):
            return comparison
        fields = {name: getattr(comparison, name) for name in comparison.__dataclass_fields__}
        return Comparison(**fields | {"ious": box_ious(boxes, predicted)})


def open_study(
    dataset: Path,
    submissions: Sequence[Path] = (),
    solution: Path | None = None,
    *,
    competition: str | None = None,
    part: str | None = None,
    only_submitted: bool = False,
) -> Study:
    """Open what is to be viewed.

    Args:
        dataset: folder or zip archive.
        submissions: CSVs, see `read_submission`.
        solution: the ground truth where it is not in the set: in Kaggle's columns or a set with masks for the Data
            Science Bowl, else a file of labels.
        competition: its name; None: recognised by the files.
        part: of the set, such as "val"; None: the usual one.
        only_submitted: leave out images that no submission has a row for.

    Raises:
        InputError: something is missing or malformed.
    """
    name = competition or recognise(dataset)
    if solution is not None and name == "lung":
        raise InputError(f"--solution {solution}: radiographs of lungs have their masks in the set; leave it out")
    labels = None if name == "dsb" else solution
    known, images = open_images(dataset, name, part=part, labels=labels, skip_bad=True)
    left_out = images.left_out
    true = _read_truth(solution, images.shapes) if solution is not None and name == "dsb" else None
    names = _distinct_names(submissions)
    found = {name: read_submission(path, images.shapes) for name, path in zip(names, submissions, strict=True)}
    if found:
        by_path = {str(path): found[name] for name, path in zip(names, submissions, strict=True)}
        images = choose_images(images, by_path, only_submitted=only_submitted)
    if not len(images):
        raise InputError(f"{dataset}: no image to show; give a set with images")
    return Study(known, images, true, found, left_out)


def _read_truth(solution: Path, image_shapes: Mapping[str, tuple[int, int]]) -> Solution:
    """Return the true objects of the Data Science Bowl's images by id.

    Raises:
        InputError: none of the images is there, or one has another size.
    """
    truth, ignored = load_truth(solution, None, skip_bad=True)
    if not (truth.keys() | ignored) & image_shapes.keys():
        raise InputError(f"--solution {solution}: has none of the images; give the solution of this set")
    for image_id, (_, (height, width)) in truth.items():
        shape = image_shapes.get(image_id, (height, width))
        if shape != (height, width):
            raise InputError(
                f"--solution {solution}: {image_id} has {height} x {width} pixels, but its image has {shape[0]} x "
                f"{shape[1]}; give the solution of this set"
            )
    return {image_id: true for image_id, (true, _) in truth.items()}


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths, without the suffix, that differ."""
    for depth in range(1, max([len(path.parts) for path in paths], default=0) + 1):
        names = ["/".join(path.with_suffix("").parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    if paths:
        raise InputError(f"{paths[0]}: given twice; give two different submissions")
    return []
