"""White blood cells: masks, the class-folder layout, raw images, and the confusion matrix."""

import shutil
import zipfile

import cv2
import numpy as np
import pytest

from common.batches.instance_samples import instance_batches
from common.errors import InputError
from common.images.decoding import decode_image
from common.masks.instances import Instances
from common.network.backend import non_max_suppression, portable_non_max_suppression
from common.scoring.evaluation import Pair
from common.storage.trees import open_tree
from tests.cells import write_pair, write_set
from wbc.cells import fit_mask, label_cells
from wbc.config import CLASS_NAMES, PUBLISHED, SMALL, WBCConfig
from wbc.confusion import draw_confusion, save_confusion
from wbc.dataset import count_images, load_cells
from wbc.evaluation import score_report, usual_classes
from wbc.prepare import find_class, plan, write_layout


def encode(image):
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.mark.parametrize(("shape", "top", "left"), [((49, 64), 4, 4), ((57, 72), 0, 0), ((54, 71), 1, 0)])
def test_a_smaller_mask_is_padded_by_what_it_lacks(shape, top, left):
    mask = np.random.default_rng(1).random(shape) < 0.5
    fitted = fit_mask(mask, (57, 72))
    assert fitted.shape == (57, 72) and fitted.sum() == mask.sum()
    np.testing.assert_array_equal(fitted[top : top + shape[0], left : left + shape[1]], mask)


def test_a_larger_mask_is_cut():
    mask = np.random.default_rng(2).random((65, 75)) < 0.5
    np.testing.assert_array_equal(fit_mask(mask, (57, 72)), mask[4:61, 1:73])
    with pytest.raises(ValueError, match="a mask of 48 x 64 pixels for an image of 57 x 72"):
        fit_mask(np.zeros((48, 64), bool), (57, 72))


def test_cells_touch_at_corners():
    mask = np.zeros((5, 6), bool)
    assert label_cells(mask).max() == 0
    mask[0, 0] = mask[1, 1] = mask[4, 5] = True
    assert label_cells(mask).max() == 2


def counts(cells):
    """Return the number of cells of each image of a set."""
    return cells.source.counts[cells.rows].tolist()


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    """A set with cells at the border, an image without any, and masks of both sizes; not to be changed."""
    return write_set(tmp_path_factory.mktemp("cells") / "WBC")


def test_the_set_is_read(small_set):
    cells = load_cells(small_set.parent, "train", CLASS_NAMES)
    assert cells.image_ids == ["Monocyte_01", "Neutrophil_01", "Neutrophil_02", "Neutrophil_03"]
    assert cells.sizes.tolist() == [[57, 72]] * 4 and counts(cells) == [1, 2, 0, 1]
    assert [cells.load_class_ids(i).tolist() for i in range(4)] == [[4], [5, 5], [], [5]]
    two = cells.load_instances(1)
    assert two.boxes[0].tolist()[:2] == [0, 0] and two.class_ids.tolist() == [5, 5]
    assert len(cells.load_instances(2)) == 0 and not cells.load_label_layers(2)[0].any()
    assert cells.load_image(0).shape == (57, 72, 3)
    some = cells.select(np.array([False, True, False, True]))
    assert some.image_ids == ["Neutrophil_01", "Neutrophil_03"] and counts(some) == [2, 1]
    assert load_cells(small_set, "val", CLASS_NAMES).image_ids == ["Monocyte_02", "Neutrophil_04"]


def test_a_smaller_masks_cells_lie_where_the_image_shows_them(small_set):
    cells = load_cells(small_set, "train", CLASS_NAMES)
    for index in range(len(cells)):
        seen = cells.load_image(index)[..., 1] < 150
        np.testing.assert_array_equal(cells.load_label_layers(index)[0] > 0, seen)


def test_a_subset_without_masks(small_set):
    cells = load_cells(small_set, "detect", CLASS_NAMES)
    assert cells.image_ids == ["a", "b"] and counts(cells) == [0, 0] and not cells.has_objects


def test_a_zip_archive_is_the_same_set(small_set, tmp_path):
    with zipfile.ZipFile(tmp_path / "WBC.zip", "w") as archive:
        for path in sorted(small_set.rglob("*.png")):
            archive.write(path, path.relative_to(small_set.parent))
    folder, archive = (load_cells(path, "train", CLASS_NAMES) for path in (small_set, tmp_path / "WBC.zip"))
    assert archive.image_ids == folder.image_ids and counts(archive) == counts(folder)
    np.testing.assert_array_equal(archive.load_label_layers(1), folder.load_label_layers(1))


def test_rare_classes_are_repeated(small_set):
    loader = instance_batches(load_cells(small_set, "train", CLASS_NAMES), SMALL, training=True)
    shown = loader.sampler.indices.tolist()
    assert shown.count(0) == 2 and all(shown.count(i) == 1 for i in (1, 2, 3))  # two Neutrophil images have cells
    batch = loader.batch_at(0)
    assert batch["images"].shape == (4, 128, 128, 3) and set(np.unique(batch["class_ids"])) <= {0, 4, 5}


def change(folder, change):
    root = write_set(folder / "WBC")
    change(root)
    return root


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda root: (root / "train/image/Monocyte").rename(root / "train/image/Platelet"),
            "train/image/Platelet: none of Basophil, Eosinophil, Lymphocyte, Monocyte, Neutrophil; rename",
        ),
        (lambda root: (root / "train/mask/Monocyte/Monocyte_01.png").unlink(), "Monocyte_01.png: has no mask; add it"),
        (
            lambda root: (root / "train/mask/Monocyte/Monocyte_01.png").write_bytes(encode(np.zeros((40, 40)))),
            "Monocyte_01.png: a mask of 40 x 40 pixels for an image of 57 x 72; replace it",
        ),
        (
            lambda root: write_pair(root, "train", "Basophil", "Monocyte_01", np.zeros((57, 72), bool)),
            "Basophil/Monocyte_01.png and .*Monocyte/Monocyte_01.png have the same name",
        ),
        (lambda root: (root / "train/image/Monocyte/Monocyte_01.png").write_bytes(b"no"), "Monocyte_01.png: not an im"),
        (lambda root: (root / "train").rename(root / "other"), "no images in train/image/<Class>; give the folder"),
    ],
)
def test_bad_sets_are_refused(tmp_path, spoil, message):
    root = change(tmp_path, spoil)
    with pytest.raises(InputError, match=message):
        load_cells(root, "train", CLASS_NAMES)


def test_bad_images_are_left_out_where_asked(tmp_path, lines):
    root = change(tmp_path, lambda root: (root / "train/mask/Monocyte/Monocyte_01.png").unlink())
    cells = load_cells(root, "train", CLASS_NAMES, skip_bad=True)
    (line,) = lines()
    assert len(cells) == 3 and "Monocyte_01.png: has no mask" in line


def test_classes_that_count(small_set, monkeypatch):
    assert count_images(small_set, "train", CLASS_NAMES) == {4: 1, 5: 3}
    assert usual_classes(small_set, CLASS_NAMES) == [1, 2, 3, 4, 5]
    monkeypatch.setattr("wbc.evaluation.FEWEST_IMAGES", 2)
    assert usual_classes(small_set, CLASS_NAMES) == [5]


def squares(*places, class_ids=None, scores=None):
    """Squares of 10 pixels at (y, x)."""
    boxes = np.array([(y, x, y + 10, x + 10) for y, x in places]).reshape(-1, 4)
    return Instances.from_crops(boxes, [np.ones((10, 10))] * len(places), class_ids, scores)


def test_the_score_is_the_mean_over_the_usual_classes():
    true, found = squares((0, 0), (0, 20), class_ids=[1, 2]), squares((0, 0), class_ids=[1], scores=[0.9])
    pairs = [Pair("a", (20, 40), true, found, np.zeros(2, bool))]
    report, confusion = score_report(iter(pairs), ["Ba", "Eo"], [1])
    assert report.score == 1 and confusion.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert report.text.splitlines()[-1] == "mAP at IoU 0.5: 1.0000 over 1 images and the classes Ba"
    assert [line.split()[0] for line in report.text.splitlines()[:-1]] == ["class", "Ba", "Eo", "all"]
    assert score_report(pairs, ["Ba", "Eo"], [1, 2])[0].score == pytest.approx(0.5)


def test_the_confusion_is_written_and_drawn(tmp_path):
    matrix = np.arange(9).reshape(3, 3)
    save_confusion(tmp_path / "c.csv", matrix, ["Ba", "Eo"])
    assert (tmp_path / "c.csv").read_text() == "true,missed,Ba,Eo\nnothing,0,1,2\nBa,3,4,5\nEo,6,7,8\n"
    image = decode_image((tmp_path / "c.png").read_bytes(), "c.png")
    np.testing.assert_array_equal(image, draw_confusion(matrix, ["Ba", "Eo"]))
    assert draw_confusion(np.zeros((3, 3), int), ["Ba", "Eo"]).shape == image.shape


@pytest.mark.parametrize("suppress", [non_max_suppression, portable_non_max_suppression])
def test_cells_suppress_each_other_within_a_class_only(suppress):
    boxes = np.array([[[0, 0, 10, 10], [0, 1, 10, 11], [0, 2, 10, 12]]], np.float32)
    scores = np.array([[[0.9, 0, 0, 0, 0], [0, 0, 0, 0.8, 0], [0.7, 0, 0, 0, 0]]], np.float32)
    _, kept, columns, counts = suppress(boxes, scores, max_output=5, iou_threshold=0.3, score_threshold=0.0)
    assert int(counts[0]) == 2
    assert np.asarray(columns)[0, :2].tolist() == [0, 3]
    np.testing.assert_allclose(np.asarray(kept)[0, :2], [0.9, 0.8])


def write_raw(folder):
    """LISC's kind: BMP files, abbreviated folders, masks 8 pixels smaller, a mixed group without any."""
    for name, class_name in (("Baso", "Basophil"), ("NEUT", "Neutrophil"), ("mixt", "")):
        for i in range(6):
            image, mask = np.full((57, 72, 3), 200, np.uint8), np.zeros((49, 64), np.uint8)
            image[10 + i : 30, 20:50], mask[6 + i : 26, 16:46] = 60, 255
            (folder / "images" / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / name / f"{i}.bmp"), image)
            if class_name and not (name == "Baso" and i == 5):
                (folder / "masks" / class_name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / "masks" / class_name / f"{i}.png"), mask)
    return open_tree(folder / "images"), open_tree(folder / "masks")


def test_raw_images_become_a_set(tmp_path):
    images, masks = write_raw(tmp_path)
    planned = plan(images, masks, CLASS_NAMES, 1)
    assert planned == plan(images, masks, CLASS_NAMES, 1) != plan(images, masks, CLASS_NAMES, 2)
    write_layout(images, masks, planned, tmp_path / "new" / "WBC")
    sets = {subset: load_cells(tmp_path / "new" / "WBC", subset, CLASS_NAMES) for subset in ("train", "val", "detect")}
    assert [len(cells) for cells in sets.values()] == [9, 2, 7]
    val = [image.class_id for image in sets["val"].source.images]
    assert sorted(val) == [1, 5]
    for cells in (sets["train"], sets["val"]):
        for index in range(len(cells)):
            np.testing.assert_array_equal(cells.load_label_layers(index)[0] > 0, cells.load_image(index)[..., 0] < 100)
    lines = (tmp_path / "new" / "WBC" / "source_files.csv").read_text().splitlines()
    assert len(lines) == 19 and lines[1] == "Basophil_01.png,Basophil,val,Baso/0.bmp"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["WBC"]


def test_raw_images_that_do_not_fit_are_refused(tmp_path):
    images, masks = write_raw(tmp_path)
    planned = plan(images, masks, CLASS_NAMES, 1)
    (tmp_path / "WBC").mkdir()
    with pytest.raises(InputError, match="WBC: exists; choose another folder"):
        write_layout(images, masks, planned, tmp_path / "WBC")
    (tmp_path / "images" / "Baso" / "0.bmp").write_bytes(b"BM")
    with pytest.raises(InputError, match=r"Baso/0\.bmp: "):
        write_layout(images, masks, planned, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))
    (tmp_path / "images" / "Baso" / "0.bmp").unlink()
    with pytest.raises(InputError, match=r"Basophil/0\.png: no image of this name in .*images"):
        plan(open_tree(tmp_path / "images"), masks, CLASS_NAMES, 1)
    (tmp_path / "masks" / "Basophil").rename(tmp_path / "masks" / "Thrombocyte")
    with pytest.raises(InputError, match="masks/Thrombocyte: none of Basophil"):
        plan(images, open_tree(tmp_path / "masks"), CLASS_NAMES, 1)


@pytest.mark.parametrize("part", ["images", "masks"])
def test_raw_images_of_one_class_and_name_are_refused(tmp_path, part):
    write_raw(tmp_path)
    names = {"images": ("Baso", "Basophil", "0.bmp"), "masks": ("Basophil", "Baso", "0.png")}
    given, other, name = names[part]
    (tmp_path / part / other).mkdir()
    shutil.copy(tmp_path / part / given / name, tmp_path / part / other / name)
    with pytest.raises(InputError, match=rf"{part}: .*0\.... and .*0\.... have the same class and name; rename one"):
        plan(open_tree(tmp_path / "images"), open_tree(tmp_path / "masks"), CLASS_NAMES, 1)


def test_abbreviated_classes():
    names = ["lymp", "Lymphocyte", "ly", "Lymphocytes", "neut", ""]
    assert [find_class(name, CLASS_NAMES) for name in names] == ["Lymphocyte", "Lymphocyte", "", "", "Neutrophil", ""]


def test_options_without_an_effect_are_not_offered():
    assert not {"separate", "views"} & {spec.name for spec in WBCConfig.options()}


def test_the_published_hyperparameters():
    assert (PUBLISHED.num_classes, PUBLISHED.name, PUBLISHED.backbone) == (6, "wbc", "resnet50")
    assert (PUBLISHED.min_dim, PUBLISHED.max_dim, PUBLISHED.batch_size, PUBLISHED.steps_per_epoch) == (768, 768, 1, 60)
    assert (PUBLISHED.anchor_scales, PUBLISHED.train_rois) == ((32, 64, 128, 256, 512), 200)
    assert (PUBLISHED.validation_steps, PUBLISHED.confidence, PUBLISHED.detection_nms_threshold) == (2, 0.8, 0.3)
    assert (PUBLISHED.mini_mask_size, PUBLISHED.max_detections, PUBLISHED.optimizer) == (56, 100, "sgd")
    assert [str(stage) for stage in PUBLISHED.schedule] == ["75:0.001:3+"] and not PUBLISHED.augment


@pytest.mark.slow
def test_the_real_set(data_folder):
    expected = {1: (2, 1), 2: (26, 5), 3: (66, 14), 4: (47, 9), 5: (156, 31)}
    sets = [load_cells(data_folder / "wbc" / "WBC.zip", subset, CLASS_NAMES) for subset in ("train", "val")]
    for i, cells in enumerate(sets):
        classes = np.array([image.class_id for image in cells.source.images])
        assert {class_id: int((classes == class_id).sum()) for class_id in expected} == {
            k: v[i] for k, v in expected.items()
        }
        assert set(counts(cells)) == {1}
        assert {tuple(size) for size in cells.sizes.tolist()} >= {(120, 120), (300, 300)}
    assert usual_classes(data_folder / "wbc" / "WBC.zip", CLASS_NAMES) == [2, 3, 4, 5]
