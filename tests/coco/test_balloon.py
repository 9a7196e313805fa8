"""The balloons: polygons of the VGG Image Annotator, videos, and the script as a user runs it."""

import csv
import json

import cv2
import numpy as np
import pytest
from skimage.draw import polygon as skimage_polygon

from coco.config import BALLOON_PUBLISHED
from coco.via import open_via_set, parse_via, read_regions
from coco.video import change_video
from common.errors import InputError
from common.images.decoding import decode_image, save_image
from common.masks.polygons import polygon_instances
from common.storage.trees import open_tree
from tests.coco.running import FOLDER, run_in
from tests.scripts import NARROW_FLAGS, run_here
from tests.turned import BOX, find_box, turned_jpeg

TINY = ["--min-dim", "64", "--max-dim", "64", "--tile-size", "64", "--tile-overlap", "32", "--crop-size", "64"]
TINY += ["--batch-size", "1", "--steps-per-epoch", "1", "--validation-steps", "1", "--train-rois", "8"]
TINY += [*NARROW_FLAGS, "--pre-nms-limit", "200", "--train-proposals", "50"]
TINY += ["--mask-convs", "1", "--confidence", "0", "--mask-threshold", "0.4"]
POINTS = [(5, 3), (40, 3), (30, 50), (8, 30)]  # x, y
REGIONS = [
    POINTS,
    [(55, 35), (64, 35), (64, 48), (55, 48)],
]  # the second touches width and height, as published ones do


def region(points):
    x, y = (list(side) for side in zip(*points, strict=True))
    return {"shape_attributes": {"name": "polygon", "all_points_x": x, "all_points_y": y}, "region_attributes": {}}


def entry(name, regions, as_list=False):
    drawn = [region(points) for points in regions]
    return {"filename": name, "size": 99, "regions": drawn if as_list else {str(i): one for i, one in enumerate(drawn)}}


def write_part(folder, part, content=None):
    """Write two images with regions, and one that was not annotated."""
    entries = [entry("a.png", REGIONS), entry("b b.jpg", [POINTS], as_list=True), entry("c.png", [])]
    content = {f"{one['filename']}99": one for one in entries} if content is None else content
    for name in ("a.png", "b b.jpg"):
        image = np.full((48, 64, 3), (90, 120, 160), np.uint8)
        cv2.fillPoly(image, [np.array(POINTS)], (220, 30, 30))
        save_image(folder / part / name, image)
    (folder / part / "via_region_data.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balloon")
    write_part(folder, "train")
    write_part(folder, "val")
    return folder


def test_polygons_are_filled_as_the_librarys(drawn):
    images = open_via_set(open_tree(drawn), "train")
    assert (images.image_ids, images.sizes.tolist()) == (["a", "b b"], [[48, 64], [48, 64]])
    objects = images.load_instances(0)
    assert objects.class_ids.tolist() == [1, 1] and objects.boxes[1].tolist() == [35, 55, 48, 64]
    for mask, points in zip(objects.to_masks((48, 64)), REGIONS, strict=True):
        expected = np.zeros((48, 64), bool)
        x, y = zip(*points, strict=True)
        expected[skimage_polygon(y, x, (48, 64))] = True
        assert np.count_nonzero(mask ^ expected) <= 0.06 * expected.sum()  # it also fills what the outline touches
        assert not (mask & ~expected).any()
    assert [len(images.load_label_layers(index)) for index in range(2)] == [1, 1]


def test_every_version_of_the_annotator_is_read():
    entries = {"a": entry("a.png", REGIONS), "b": entry("b.png", [])}
    lists = {"a": entry("a.png", REGIONS, as_list=True), "b": entry("b.png", [], as_list=True)}
    project = {"_via_settings": {}, "_via_img_metadata": lists, "_via_attributes": {}}
    expected = {"a.png": [region(points) for points in REGIONS], "b.png": []}
    for content in (entries, lists, project):
        assert parse_via(json.dumps(content).encode(), "a.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not a file of the VGG Image Annotator"),
        ({"a": {"filename": "a.png"}}, "a has no filename or no regions"),
        ({"a": {"regions": []}}, "a has no filename or no regions"),
        ({"a": entry("a.png", REGIONS), "b": entry("a.png", REGIONS)}, "a.png is listed twice"),
        ({"a": entry("a.png", [])}, "no image has a region"),
        ({"a": entry("z.png", REGIONS)}, "z.png: no such file"),
        (
            {"a": entry("a.png", [POINTS, POINTS[:2]])},
            "a.png, region 2: a polygon of fewer than three points; redraw it as a polygon",
        ),
        (
            {"a": {"filename": "a.png", "regions": [{"shape_attributes": {"name": "circle", "r": 3}}]}},
            "a.png, region 1: has no cx; redraw it",
        ),
        ({"a": {"filename": "a.png", "regions": [7]}}, "a.png, region 1"),
        ({"images": [], "annotations": [], "categories": []}, "in COCO's format; open the project in version 2"),
        ({"project": {}, "config": {}, "file": {}, "metadata": {}}, "of version 3; open the project in version 2"),
    ],
)
def test_bad_annotations_are_one_line(tmp_path, content, message):
    write_part(tmp_path, "train", content)
    with pytest.raises(InputError, match=message) as caught:
        open_via_set(open_tree(tmp_path), "train")
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def shaped(name, **values):
    return [{"shape_attributes": {"name": name} | values}]


ROWS, COLUMNS = np.mgrid[:48, :64]  # centres of pixels, as the annotator counts


@pytest.mark.parametrize(
    ("regions", "inside"),
    [
        (
            shaped("rect", x=5, y=3, width=20, height=10),
            (ROWS >= 3) & (ROWS < 13) & (COLUMNS >= 5) & (COLUMNS < 25),
        ),
        (shaped("circle", cx=30, cy=20, r=12.3), (ROWS - 20) ** 2 + (COLUMNS - 30) ** 2 < 12.3**2),
        (
            shaped("ellipse", cx=30, cy=20, rx=17.2, ry=6.1),
            ((ROWS - 20) / 6.1) ** 2 + ((COLUMNS - 30) / 17.2) ** 2 < 1,
        ),
        (  # turned clockwise on the screen: from the right end of the long axis downwards
            shaped("ellipse", cx=30, cy=20, rx=17.2, ry=6.1, theta=0.5),
            (((COLUMNS - 30) * np.cos(0.5) + (ROWS - 20) * np.sin(0.5)) / 17.2) ** 2
            + (((ROWS - 20) * np.cos(0.5) - (COLUMNS - 30) * np.sin(0.5)) / 6.1) ** 2
            < 1,
        ),
    ],
)
def test_shapes_with_an_inside_are_objects(regions, inside):
    (mask,) = polygon_instances(read_regions(regions, "a"), (48, 64)).to_masks((48, 64))
    assert inside.sum() > 150 and np.count_nonzero(mask ^ inside) <= 1


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (
            shaped("polyline", all_points_x=[1, 9, 9], all_points_y=[1, 1, 9]),
            "region 1: a polyline, which has no inside",
        ),
        (shaped("point", cx=1, cy=1), "region 1: a point, which has no inside; redraw it as a polygon"),
        (shaped("circle", cx=1, cy=1, r=0), "region 1: a circle without r"),
        (shaped("rect", x=1, y=1, width=-3, height=2), "region 1: a rect without width or height"),
        (shaped("ellipse", cx=1, cy=1, rx="x", ry=2), "region 1: could not convert string to float"),
        (shaped("polygon", all_points_x=[1, 9], all_points_y=[1, 1, 9]), "region 1: a polygon of fewer"),
        (shaped("polygon", all_points_x=[1, 9, float("nan")], all_points_y=[1, 1, 9]), "numbers are not finite"),
        ([{}], "region 1: has no shape_attributes"),
    ],
)
def test_what_has_no_inside_is_named(regions, message):
    with pytest.raises(InputError, match=message):
        read_regions(regions, "a")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("via_export_csv.csv", "it holds train/via_export_csv.csv; export the annotations as JSON, not as CSV"),
        ("via_project.json", "it holds train/via_project.json; if that is the annotator's JSON, rename it"),
    ],
)
def test_exports_of_another_name_are_not_overlooked(tmp_path, name, message):
    write_part(tmp_path, "train")
    (tmp_path / "train" / "via_region_data.json").rename(tmp_path / "train" / name)
    with pytest.raises(InputError, match=f"holds train/via_region_data.json 0 times; {message}"):
        open_via_set(open_tree(tmp_path), "train")


def test_outlines_that_cannot_be_meant_are_told(tmp_path, lines):
    far = [(100, 100), (120, 100), (120, 120)]
    write_part(tmp_path, "train", {"a": entry("a.png", [REGIONS[1], far, REGIONS[1]])})
    assert len(open_via_set(open_tree(tmp_path), "train")) == 1
    assert [line.rpartition(": ")[2] for line in lines()] == [
        "1, such as region 2 of a.png",
        "1, such as region 3 of a.png",
    ]


def test_an_unusable_image_is_left_out_where_asked(tmp_path):
    write_part(tmp_path, "train", {"a": entry("a.png", REGIONS), "b": entry("b b.jpg", [POINTS[:2]])})
    assert open_via_set(open_tree(tmp_path), "train", skip_bad=True).image_ids == ["a"]
    with pytest.raises(InputError, match=r"holds val/via_region_data\.json 0 times"):
        open_via_set(open_tree(tmp_path), "val")


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()


def read_video(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, rate


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_videos_are_changed_frame_by_frame(tmp_path, suffix):
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    write_video(tmp_path / "in.avi", [np.full((48, 64, 3), colour, np.uint8) for colour in colours])
    seen = []

    def change(frame):
        seen.append(frame.mean(axis=(0, 1)))
        return np.roll(frame, 1, axis=2)

    assert change_video(tmp_path / "in.avi", tmp_path / f"out{suffix}", change) == 3
    np.testing.assert_allclose(seen, colours, atol=6)
    frames, rate = read_video(tmp_path / f"out{suffix}")
    assert rate == 12.5 and [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    np.testing.assert_allclose([frame.mean(axis=(0, 1)) for frame in frames], np.roll(colours, 1, axis=1), atol=14)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.avi", f"out{suffix}"]


def test_what_is_no_video_is_one_line(tmp_path):
    (tmp_path / "text.avi").write_text("no video" * 99)
    write_video(tmp_path / "in.avi", [np.zeros((48, 64, 3), np.uint8)])
    for source, output, message in [
        ("text.avi", "out.avi", "text.avi: no such video, or OpenCV cannot read it"),
        ("none.avi", "out.avi", "none.avi: no such video, or OpenCV cannot read it"),
        ("in.avi", "out.txt", "out.txt: unknown video format"),
    ]:
        with pytest.raises(InputError, match=message):
            change_video(tmp_path / source, tmp_path / output, lambda frame: frame)

    def fail(frame):
        raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        change_video(tmp_path / "in.avi", tmp_path / "out.avi", fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.avi", "text.avi"]


def test_the_librarys_hyperparameters():
    config = BALLOON_PUBLISHED
    assert (config.class_names, config.confidence, config.steps_per_epoch) == (("balloon",), 0.9, 100)
    assert [str(stage) for stage in config.schedule] == ["30:0.001:heads"] and config.batch_size == 2
    assert (config.min_dim, config.max_dim, config.augment, config.geometry) == (800, 1024, False, "library")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "data/balloon: no such folder or zip archive"),
        (["splash"], "one of the arguments --image --video is required"),
        (["splash", "--image", "a.png", "--video", "a.avi"], "not allowed with"),
        (["splash", "--image", "a.png"], "logs: no trained step; train with coco/balloon.py train"),
        (["splash", "--image", "a.png", "--weights", "w.h5"], "--image a.png: no such file"),
        (["splash", "--video", "a.avi", "--weights", "w.h5", "--output", "a.gif"], "a.gif: unknown video format"),
        (["splash", "--image", "a.png", "--class-names", "a"], "unrecognized arguments: --class-names a"),
        (["predict", "--weights", "w.h5", "--dataset", "none.zip"], "none.zip: no such folder or zip archive"),
        (["predict", "--weights", "w.h5", "--score", "s.csv"], "--score s.csv: give --score alone"),
        (["evaluate"], "invalid choice: 'evaluate'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.h5").write_text("")
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / "balloon.py", *arguments)
    assert code == 2 and message in errors and len(errors.splitlines()) == 1


def test_the_real_set(data_folder):
    tree = open_tree(data_folder / "balloon" / "balloon.zip")
    for part, num_images, num_balloons in (("train", 24, 101), ("val", 6, 23)):
        images = open_via_set(tree, part)
        objects = [images.load_instances(index) for index in range(len(images))]
        assert (len(images), sum(map(len, objects))) == (num_images, num_balloons)
        assert min(some.areas.min() for some in objects) > 50


@pytest.fixture(scope="module")
def trained(drawn):
    """Where a user stands who has trained for a step."""
    flags = ["--dataset", ".", *TINY, "--epochs", 1, "--score-every", 1]
    lines = run_in(drawn, "balloon.py", "train", *flags)
    assert any(line.startswith("warning: a few dozen images do not suffice from scratch") for line in lines)
    return drawn


@pytest.mark.slow
def test_balloons_are_trained_scored_and_drawn(trained):
    with (trained / "logs" / "balloon" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0
    flags = ["--dataset", ".", "--score", "--overlays", "overlays", "--workers", 0]
    lines = run_in(trained, "balloon.py", "predict", *flags)
    assert lines[-1].startswith("AP at IoU 0.5: ") and lines[-1].endswith(" over 2 images")
    assert {path.name for path in (trained / "overlays").iterdir()} == {"a.png", "b b.png", "overview.png"}


@pytest.mark.slow
def test_a_video_is_grey_but_for_the_balloons(trained):
    image = decode_image((trained / "train" / "a.png").read_bytes(), "a.png")
    write_video(trained / "party.avi", [image, image, image[:, ::-1]])
    lines = run_in(trained, "balloon.py", "splash", "--video", "party.avi", "--max-detections", 1)
    assert lines[-1] == "wrote party_splash.avi: 3 frames"
    frames, _ = read_video(trained / "party_splash.avi")
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    grey = [np.ptp(frame.astype(int), axis=2) < 12 for frame in frames]
    assert all(0 < part.mean() < 1 for part in grey)  # the surest object alone, though nothing was learnt


@pytest.mark.slow
def test_an_image_is_grey_but_for_the_balloons(trained):
    lines = run_in(trained, "balloon.py", "splash", "--image", "train/a.png", "--max-detections", 1, "--confidence", 0)
    assert lines[-1] == "wrote a_splash.png"
    image, splash = (
        decode_image((trained / name).read_bytes(), name).astype(int) for name in ("train/a.png", "a_splash.png")
    )
    grey = np.ptp(splash, axis=2) == 0
    assert 0 < grey.mean() < 1
    np.testing.assert_array_equal(splash[~grey], image[~grey])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_lie_under_their_polygons(tmp_path, orientation, lines):
    """The annotator draws on the upright image."""
    y1, x1, y2, x2 = BOX
    corners = [(x1, y1), (x2 - 1, y1), (x2 - 1, y2 - 1), (x1, y2 - 1)]
    write_part(tmp_path, "train", {"phone.jpg99": entry("phone.jpg", [corners])})
    (tmp_path / "train" / "phone.jpg").write_bytes(turned_jpeg(orientation))
    images = open_via_set(open_tree(tmp_path), "train")
    assert find_box(images.load_image(0)) == BOX and images.sizes.tolist() == [[60, 36]]
    (found,) = images.load_instances(0).to_masks((60, 36))
    assert np.logical_and(found, images.load_image(0)[..., 0] > 140).sum() >= 0.9 * found.sum() > 0
    assert sum("turned upright" in line for line in lines()) == (orientation != 1)
