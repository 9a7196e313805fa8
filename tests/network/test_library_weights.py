"""Files that others wrote: the Mask R-CNN library's, Keras' ImageNet weights, and hostile ones."""

import json
import zlib
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from common.cli import choose_model, parse_model_flags
from common.errors import InputError
from common.flags import OneLineParser
from common.network.mask_rcnn.model import MaskRCNN
from common.network.training.beginning import load_start
from common.network.weights import load_weights, save_weights, weighted_layers
from common.runs.start import Start, adopt_geometry, find_start
from common.runs.weights_file import WeightsFile, is_ours, read_geometry
from common.settings.mask_rcnn import MaskRCNNConfig
from tests.network.test_weights import published_table
from tests.scripts import TINY as FLAGS
from tests.scripts import finish, start
from tests.tiny import TINY

CONFIG = replace(TINY, norm="frozen_batch", geometry="library")
CLASS_LAYERS = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
WEIGHTLESS = ("input_image", "zero_padding2d_1", "activation_1", "res2a_out", "fpn_p6", "ROI", "mrcnn_class")
KERAS_1 = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}


def table_of(model):
    return {(layer.name, w.name): tuple(w.shape) for layer in weighted_layers(model) for w in layer.weights}


def values_of(model):
    """Return the arrays by layer and weight."""
    return {
        (layer.name, w.name): keras.ops.convert_to_numpy(w) for layer in weighted_layers(model) for w in layer.weights
    }


def tensor(layer, weight, shape):
    """Return random values that only this tensor has."""
    rng = np.random.default_rng(zlib.crc32(f"{layer}/{weight}".encode()))
    return rng.random(shape, np.float32) + np.float32(0.5)


def write_library_file(path, table, *, whole=False, number="", skip=()):
    """Write a file as Keras 2 did: every layer a group, its weights two levels below, names in attributes.

    `whole`: of a whole model, with the optimiser's state; `number`: of a second network in one process, e.g. "_1".
    """
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        groups = {name: [] for name in WEIGHTLESS}
        for (layer, weight), shape in table.items():
            if layer not in skip:
                group = "rpn_model" if layer.startswith("rpn_") else layer
                groups.setdefault(group, []).append((layer, weight, shape))
        for group, weights in groups.items():
            names = [f"{layer}{number}/{weight}:0" for layer, weight, _ in weights]
            root.create_group(group).attrs["weight_names"] = np.array(names, "S") if names else np.zeros(0)
            for name, (layer, weight, shape) in zip(names, weights, strict=True):
                root[group][name] = tensor(layer, weight, shape)
        root.attrs["layer_names"] = np.array(list(groups), "S")
        root.attrs["backend"], root.attrs["keras_version"] = np.bytes_("tensorflow"), np.bytes_("2.1.6")
        if whole:
            file.attrs["keras_version"], file.attrs["model_config"] = np.bytes_("2.1.6"), np.bytes_("{}")
            file["optimizer_weights/training/SGD/conv1/kernel:0"] = np.zeros(3, np.float32)


def write_imagenet_file(path, table):
    """Write a file as Keras 1 did: a group a layer with its weights in it, named `conv1_W:0`."""
    with h5py.File(path, "w") as file:
        for (layer, weight), shape in table.items():
            file[f"{layer}/{layer}_{KERAS_1.get(weight, weight)}:0"] = tensor(layer, weight, shape)
        file.attrs["layer_names"] = np.array(list(dict.fromkeys(layer for layer, _ in table)), "S")


def check_places(model, before, taken):
    """Every tensor at `taken` has the value of its own place, every other the one from `before`."""
    for (layer, weight), value in values_of(model).items():
        wanted = tensor(layer, weight, value.shape) if (layer, weight) in taken else before[layer, weight]
        np.testing.assert_array_equal(value, wanted, err_msg=f"{layer}/{weight}")


@pytest.fixture
def model():
    return MaskRCNN(CONFIG)


@pytest.mark.parametrize("options", [{}, {"whole": True}, {"number": "_1"}, {"number": "_2", "whole": True}])
def test_every_tensor_finds_its_place(model, tmp_path, options):
    table = table_of(model)
    write_library_file(tmp_path / "final.h5", table, **options)
    assert load_weights(model, tmp_path / "final.h5") == []
    check_places(model, {}, table)
    file = WeightsFile(tmp_path / "final.h5")
    assert file.num_classes == 2
    assert table.items() <= file.shapes.items()


def test_another_class_count_is_listed_with_both_shapes(model, tmp_path):
    many = MaskRCNN(replace(CONFIG, class_names=tuple(map(str, range(80)))))
    write_library_file(tmp_path / "coco.h5", table_of(many))
    before = values_of(model)
    left = load_weights(model, tmp_path / "coco.h5", partial=True)
    assert sorted(left) == [
        "mrcnn_bbox_fc: the model has kernel (64, 8), bias (8,); the file kernel (64, 324), bias (324,)",
        "mrcnn_class_logits: the model has kernel (64, 2), bias (2,); the file kernel (64, 81), bias (81,)",
        "mrcnn_mask: the model has kernel (1, 1, 32, 2), bias (2,); the file kernel (1, 1, 32, 81), bias (81,)",
    ]
    check_places(model, before, {key for key in before if key[0] not in CLASS_LAYERS})
    assert WeightsFile(tmp_path / "coco.h5").num_classes == 81
    with pytest.raises(InputError, match="the file has 81 classes, background included"):
        load_weights(model, tmp_path / "coco.h5")


def test_what_the_file_lacks_is_one_line(model, tmp_path):
    write_library_file(tmp_path / "w.h5", table_of(model), skip=("fpn_p2", "rpn_bbox_pred"))
    before = values_of(model)
    assert load_weights(model, tmp_path / "w.h5", partial=True) == ["not in the file: fpn_p2, rpn_bbox_pred"]
    check_places(model, before, {key for key in before if key[0] not in ("fpn_p2", "rpn_bbox_pred")})


def test_a_layer_that_is_there_by_half_is_left_alone(model, tmp_path):
    write_library_file(tmp_path / "w.h5", table_of(model))
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["conv1/conv1/bias:0"]
    (line,) = load_weights(model, tmp_path / "w.h5", partial=True)
    assert line.endswith("bias (32,); the file kernel (7, 7, 3, 32), no bias")


@pytest.mark.parametrize(
    ("exclude", "layers"),
    [
        (("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"), CLASS_LAYERS),
        (("rpn_model",), {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"}),
    ],
)
def test_excluded_layers_keep_their_values(model, tmp_path, exclude, layers):
    write_library_file(tmp_path / "w.h5", table_of(model))
    before = values_of(model)
    assert load_weights(model, tmp_path / "w.h5", exclude=exclude) == []
    check_places(model, before, {key for key in before if key[0] not in layers})


def test_an_excluded_layer_must_exist(model, tmp_path):
    write_library_file(tmp_path / "w.h5", table_of(model))
    with pytest.raises(InputError, match="--exclude mrcnn_clas: no such layer in the model"):
        load_weights(model, tmp_path / "w.h5", exclude=["mrcnn_clas", "mrcnn_mask"])


def test_who_wrote_a_file_and_in_which_geometry(model, tmp_path):
    table = table_of(model)
    write_library_file(tmp_path / "library.h5", table)
    write_library_file(tmp_path / "whole.h5", table, whole=True)
    write_imagenet_file(tmp_path / "imagenet.h5", {key: shape for key, shape in table.items() if "conv1" in key[0]})
    save_weights(model, tmp_path / "ours.h5")
    save_weights(MaskRCNN(TINY), tmp_path / "aligned.h5")
    (tmp_path / "damaged.h5").write_text("<html>")
    names = ("library", "whole", "imagenet", "ours", "aligned", "damaged", "missing")
    assert [read_geometry(tmp_path / f"{name}.h5") for name in names] == [
        "library",
        "library",
        None,
        "library",
        "aligned",
        None,
        None,
    ]
    assert [name for name in names if is_ours(tmp_path / f"{name}.h5")] == ["ours", "aligned"]


def test_a_run_takes_the_geometry_of_its_start(model, tmp_path):
    aligned = replace(CONFIG, geometry="aligned")
    write_library_file(tmp_path / "final.h5", table_of(model))

    def adopted(weights, name="001", previous=None):
        return adopt_geometry(aligned, find_start(Start(tmp_path, weights, previous), replace(CONFIG, name=name)))

    assert adopted(str(tmp_path / "final.h5")) == CONFIG
    assert adopted("none") == aligned
    # A step after it, and going on with it, whatever the preset says.
    (tmp_path / "001").mkdir()
    save_weights(model, tmp_path / "001" / "last.h5")
    assert adopted("last", "002", "001") == CONFIG
    (tmp_path / "001" / "last.npz").touch()
    assert adopted("none") == CONFIG


def test_a_prediction_takes_the_geometry_of_its_weights(model, tmp_path):
    write_library_file(tmp_path / "final.h5", table_of(model))
    presets = {"small": replace(CONFIG, geometry="aligned")}

    def chosen(*arguments):
        arguments = ["--weights", str(tmp_path / "final.h5"), *arguments]
        return choose_model(parse_model_flags(presets, OneLineParser(None), arguments=arguments), presets, "t.py")[0]

    assert chosen() == CONFIG
    assert chosen("--geometry", "aligned") == presets["small"]


def test_a_start_from_the_librarys_weights_lists_what_does_not_fit(model, tmp_path, lines):
    many = MaskRCNN(replace(CONFIG, class_names=("a", "b", "c")))
    write_library_file(tmp_path / "final.h5", table_of(many))
    assert not load_start(model, tmp_path / "final.h5", tmp_path / "001")
    assert sum(line.startswith("not loaded: mrcnn_") for line in lines()) == 3
    four = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
    assert not load_start(model, tmp_path / "final.h5", tmp_path / "001", exclude=four)
    assert not any("not loaded" in line for line in lines())


def test_keras_reads_our_files_by_name(model, tmp_path):
    """Keras' own reader of old files, into layers that are wrapped as the library wraps them."""
    save_weights(model, tmp_path / "ours.h5")
    layers = keras.layers
    features = keras.Input((None, None, 32))
    shared = layers.Conv2D(32, 3, name="rpn_conv_shared")(features)
    raw = [layers.Conv2D(n, 1, name=name)(shared) for n, name in ((6, "rpn_class_raw"), (12, "rpn_bbox_pred"))]
    image, regions = keras.Input((64, 64, 3)), keras.Input((None, 14, 14, 32))
    x = layers.BatchNormalization(name="bn_conv1")(layers.Conv2D(32, 7, name="conv1")(image))
    masks = layers.TimeDistributed(layers.Conv2DTranspose(32, 2, strides=2), name="mrcnn_mask_deconv")(regions)
    outputs = [masks, *keras.Model(features, raw, name="rpn_model")(x)]
    theirs = keras.Model([image, regions], outputs)
    theirs.load_weights(tmp_path / "ours.h5", by_name=True)
    expected = values_of(model)
    found = {name: theirs.get_layer(name).get_weights() for name in ("conv1", "bn_conv1", "mrcnn_mask_deconv")}
    found |= {layer.name: layer.get_weights() for layer in theirs.get_layer("rpn_model").layers if layer.weights}
    order = {2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}
    assert len(found) == 6
    for name, arrays in found.items():
        for weight, array in zip(order[len(arrays)], arrays, strict=True):
            np.testing.assert_array_equal(array, expected[name, weight])


def test_our_files_say_that_keras_2_wrote_them(model, tmp_path):
    """Otherwise Keras 2 transposes the kernel of the transposed convolution, which is square."""
    save_weights(model, tmp_path / "ours.h5")
    with h5py.File(tmp_path / "ours.h5") as file:
        assert file.attrs["keras_version"].decode("utf8").startswith("2.")
        assert file.attrs["backend"].decode("utf8") == "tensorflow"


@pytest.mark.slow
def test_the_coco_file_at_full_size(tmp_path):
    """Into its own architecture, into one class, and into the smaller backbone."""
    table = published_table("resnet101", 81)
    write_library_file(tmp_path / "mask_rcnn_coco.h5", table)
    assert (tmp_path / "mask_rcnn_coco.h5").stat().st_size > 4 * 64_158_584
    coco = MaskRCNN(MaskRCNNConfig(class_names=tuple(map(str, range(80)))))
    assert load_weights(coco, tmp_path / "mask_rcnn_coco.h5") == []
    check_places(coco, {}, table)
    del coco
    for backbone in ("resnet101", "resnet50"):
        one = MaskRCNN(MaskRCNNConfig(backbone=backbone))
        before = {key: value for key, value in values_of(one).items() if key[0] in CLASS_LAYERS}
        left = load_weights(one, tmp_path / "mask_rcnn_coco.h5", partial=True)
        assert len(left) == 3 and {line.split(":")[0] for line in left} == CLASS_LAYERS
        check_places(one, before, {key for key in table if key[0] not in CLASS_LAYERS})


@pytest.mark.slow
def test_the_imagenet_file_at_full_size(tmp_path):
    table = {
        key: shape
        for key, shape in published_table("resnet50", 2).items()
        if key[0].startswith(("conv1", "bn_conv1", "res", "bn2", "bn3", "bn4", "bn5"))
    }
    assert sum(int(np.prod(shape)) for shape in table.values()) == 23_587_712
    write_imagenet_file(tmp_path / "resnet50.h5", table)
    for backbone in ("resnet50", "resnet101"):
        model = MaskRCNN(MaskRCNNConfig(backbone=backbone))
        before = {key: value for key, value in values_of(model).items() if key not in table}
        (line,) = load_weights(model, tmp_path / "resnet50.h5", partial=True)
        assert line.startswith("not in the file: ")
        assert set(line.removeprefix("not in the file: ").split(", ")) == {layer for layer, _ in before}
        check_places(model, before, table)


@pytest.mark.slow
def test_a_run_from_the_librarys_weights_keeps_their_geometry(generated_set, tmp_path):
    """The demo preset is aligned; its run becomes the library's, and so does the next step."""
    (tmp_path / "data").symlink_to(generated_set)
    none = finish(
        start(
            tmp_path,
            "my_train_1.py",
            *FLAGS,
            "--norm",
            "frozen_batch",
            "--weights",
            "none",
            "--epochs",
            1,
            "--logs",
            "none",
        )
    )
    assert (none[0], none[2]) == (0, [])
    (tmp_path / "none" / "001" / "last.h5").rename(tmp_path / "final.h5")
    with h5py.File(tmp_path / "final.h5", "a") as file:
        del file.attrs["geometry"]  # the library's layout it has already
    flags = [*FLAGS, "--norm", "frozen_batch", "--epochs", 1]
    code, output, errors = finish(start(tmp_path, "my_train_1.py", *flags, "--weights", "final.h5"))
    assert (code, errors) == (0, [])
    assert "geometry library, as final.h5 was trained with; --geometry aligned overrides it" in output
    assert finish(start(tmp_path, "my_train_2.py", *flags))[0] == 0
    for step in ("001", "002"):
        assert json.loads((tmp_path / "logs" / step / "config.json").read_text())["geometry"] == "library"
        assert read_geometry(tmp_path / "logs" / step / "last.h5") == "library"


def hostile_file(kind, path, table, secret):
    """Write a file of the right layout, but for the kernel of conv1, or for its whole root."""
    write_library_file(path, table, whole=kind == "linked root")
    with h5py.File(path, "a") as file:
        if kind == "linked root":
            del file["model_weights"]
            file["model_weights"] = h5py.ExternalLink(str(secret), "/")
            return
        group = file["conv1/conv1"]
        shape = group["kernel:0"].shape
        del group["kernel:0"]
        if kind == "huge":
            group.create_dataset("kernel:0", (1 << 40, 7, 3, 32), "f4", chunks=(64, 7, 3, 32))
        elif kind == "huge chunks":
            group.create_dataset("kernel:0", shape, "f4", maxshape=(None, 7, 3, 32), chunks=(1 << 20, 7, 3, 32))
        elif kind == "another file's bytes":
            group.create_dataset("kernel:0", shape, "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        elif kind == "another file's array":
            layout = h5py.VirtualLayout(shape, "f4")
            layout[:] = h5py.VirtualSource(str(secret), "conv1/conv1/kernel:0", shape)
            group.create_virtual_dataset("kernel:0", layout)
        elif kind == "another file":
            group["kernel:0"] = h5py.ExternalLink(str(secret), "conv1/conv1/kernel:0")
        elif kind == "texts":
            group.create_dataset("kernel:0", shape, h5py.string_dtype())
        elif kind == "a group":
            group.create_group("kernel:0")
        elif kind == "no values":
            group["kernel:0"] = h5py.Empty("f4")
        elif kind == "not a number":
            group["kernel:0"] = np.full(shape, np.nan, np.float32)
        elif kind == "twice":
            group["kernel:0"] = np.zeros(shape, np.float32)
            file["fpn_p6/conv1/kernel:0"] = np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("linked root", "holds no weights for any layer"),
        ("huge", r"conv1: the model has .*; the file kernel \(1099511627776, 7, 3, 32\)"),
        *(
            (kind, "conv1: the model has .*; the file no kernel, bias")
            for kind in (
                "huge chunks",
                "another file's bytes",
                "another file's array",
                "another file",
                "texts",
                "a group",
                "no values",
            )
        ),
        ("not a number", "conv1/kernel has values that are not finite"),
        ("twice", "conv1/kernel occurs twice"),
    ],
)
def test_hostile_files_are_one_line(model, tmp_path, kind, message):
    table, before = table_of(model), values_of(model)
    write_library_file(tmp_path / "secret.h5", table)
    hostile_file(kind, tmp_path / "w.h5", table, tmp_path / "secret.h5")
    with pytest.raises(InputError, match=message) as caught:
        load_weights(model, tmp_path / "w.h5", partial=kind == "linked root")
    assert "\n" not in str(caught.value)
    check_places(model, before, ())


def test_names_that_are_no_text_are_passed_over(model, tmp_path):
    write_library_file(tmp_path / "w.h5", table_of(model))
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file.create_group(b"\xff\xfe")[b"\xfd:0"] = np.zeros(2, np.float32)
        file["kernel:0"] = np.zeros(2, np.float32)
    assert load_weights(model, tmp_path / "w.h5") == []


def test_no_damage_is_a_traceback(tmp_path):
    """Files with a few wrong bytes load or are refused; nothing else happens."""
    write_library_file(tmp_path / "whole.h5", {("conv1", "kernel"): (3, 3, 3, 8), ("conv1", "bias"): (8,)})
    content = np.frombuffer((tmp_path / "whole.h5").read_bytes(), np.uint8)
    rng, refused = np.random.default_rng(0), 0
    for _ in range(100):
        damaged = content.copy()
        damaged[rng.integers(0, len(content), 12)] = rng.integers(0, 256, 12)
        (tmp_path / "damaged.h5").write_bytes(damaged.tobytes())
        read_geometry(tmp_path / "damaged.h5")
        try:
            file = WeightsFile(tmp_path / "damaged.h5")
            file.read(file.shapes)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 10 < refused < 100
