import numpy as np

from common.drawing.draw import inner_contour
from common.drawing.gallery import NUM_OVERVIEW, save_gallery
from common.images.decoding import decode_image
from common.masks.instances import Instances


def read(path):
    return decode_image(path.read_bytes(), path.name)


def test_each_image_and_an_overview_of_the_first_ones(tmp_path):
    images = [(f"p{i}", np.zeros((40, 50, 3), np.uint8)) for i in range(NUM_OVERVIEW + 2)]
    masks = {f"p{i}": np.zeros((i % 2, 40, 50), bool) for i in range(len(images))}
    for mask in masks.values():
        mask[:, 5:9, 40:] = True

    def objects(image_id, shape):
        assert shape == (40, 50)
        return Instances.from_masks(masks[image_id])

    save_gallery(tmp_path / "new", iter(images), objects)
    assert {path.stem for path in (tmp_path / "new").iterdir()} == {*masks, "overview"}
    first, second = (read(tmp_path / "new" / f"p{i}.png") for i in (0, 1))
    assert not first.any() and not second[:, :50].any()
    np.testing.assert_array_equal(second[:, 50:].any(axis=2), inner_contour(masks["p1"][0]))
    height = read(tmp_path / "new" / "overview.png").shape[0]
    save_gallery(tmp_path / "truth", iter(images[:2]), lambda *_: Instances.empty(), objects)
    third = read(tmp_path / "truth" / "p1.png")
    assert third.shape == (40, 150, 3) and third[:, 50:100].any() and third[:, 100:].any()
    assert read(tmp_path / "truth" / "overview.png").shape[0] < height


def test_an_image_called_overview_keeps_its_drawing(tmp_path):
    images = [("overview", np.full((40, 50, 3), 7, np.uint8)), ("p", np.zeros((40, 50, 3), np.uint8))]
    assert save_gallery(tmp_path, images, lambda *_: Instances.empty()) == "all_overview.png"
    assert {path.name for path in tmp_path.iterdir()} == {"overview.png", "p.png", "all_overview.png"}
    assert (read(tmp_path / "overview.png") == 7).all()
