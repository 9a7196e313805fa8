"""Label images and overlays of a submission, as other programs open them."""

import numpy as np
import pytest

from common.masks.instances import Instances
from common.masks.rle import encode_instances
from dsb.outputs import save_label_images, save_overlays
from tests.image_sets import array_set
from tests.other_readers import open_elsewhere

LABELS = {"a": np.array([[0, 1, 1, 0], [2, 0, 0, 3], [2, 0, 0, 3]]), "b": np.zeros((5, 2), int)}


@pytest.fixture
def submission(tmp_path):
    rows = ["ImageId,EncodedPixels"]
    for image_id, labels in LABELS.items():
        texts = encode_instances(Instances.from_label_image(labels.astype(np.int32)), labels.shape)
        rows += [f"{image_id},{text}" for text in texts or [""]]
    (tmp_path / "n.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "n.csv"


def test_other_programs_open_the_label_images(submission, tmp_path):
    save_label_images(submission, {image_id: labels.shape for image_id, labels in LABELS.items()}, tmp_path / "labels")
    opened = open_elsewhere([tmp_path / "labels" / f"{image_id}.tif" for image_id in LABELS], tmp_path / "opened")
    for labels, found in zip(LABELS.values(), opened, strict=True):
        assert found.dtype == np.uint16
        # Equal up to the numbering, which follows the rows of the CSV.
        pairs = {tuple(pair) for pair in np.stack([labels.ravel(), found.ravel()], axis=1).tolist()}
        assert len(pairs) == len({true for true, _ in pairs}) == len({number for _, number in pairs})


def test_other_programs_open_the_overlays(submission, tmp_path):
    images = [np.full((*labels.shape, 3), 90, np.uint8) for labels in LABELS.values()]
    save_overlays(submission, array_set(images, image_ids=list(LABELS)), {}, tmp_path / "overlays")
    names = ["a.png", "b.png", "overview.png"]
    drawn = open_elsewhere([tmp_path / "overlays" / name for name in names], tmp_path / "opened")
    assert [image.ndim for image in drawn] == [3, 3, 3] and drawn[0].shape == (3, 8, 3)
