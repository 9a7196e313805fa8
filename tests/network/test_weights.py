from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from common.errors import InputError
from common.network.mask_rcnn.model import MaskRCNN
from common.network.weights import load_weights, save_weights, weighted_layers
from common.settings.mask_rcnn import MaskRCNNConfig
from tests.tiny import TINY

NORMS = ("gamma", "beta", "moving_mean", "moving_variance")
BLOCKS = {"resnet50": "abcdef", "resnet101": "abcdefghijklmnopqrstuvw"}  # of stage 4


def conv(name, *shape):
    return {(name, "kernel"): shape, (name, "bias"): shape[-1:]}


def norm(name, channels):
    return {(name, weight): (channels,) for weight in NORMS}


def published_table(backbone, num_classes):
    """Every weight of the Mask R-CNN library's network and its shape, by layer and weight."""
    table = conv("conv1", 7, 7, 3, 64) | norm("bn_conv1", 64)
    channels = 64
    for stage, letters in enumerate(("abc", "abcd", BLOCKS[backbone], "abc"), start=2):
        inner, outer = 64 * 2 ** (stage - 2), 256 * 2 ** (stage - 2)
        for letter in letters:
            table |= conv(f"res{stage}{letter}_branch2a", 1, 1, channels, inner)
            table |= conv(f"res{stage}{letter}_branch2b", 3, 3, inner, inner)
            table |= conv(f"res{stage}{letter}_branch2c", 1, 1, inner, outer)
            for branch, size in (("2a", inner), ("2b", inner), ("2c", outer)):
                table |= norm(f"bn{stage}{letter}_branch{branch}", size)
            if letter == "a":
                table |= conv(f"res{stage}a_branch1", 1, 1, channels, outer) | norm(f"bn{stage}a_branch1", outer)
            channels = outer
    for level in (2, 3, 4, 5):
        table |= conv(f"fpn_c{level}p{level}", 1, 1, 64 * 2**level, 256) | conv(f"fpn_p{level}", 3, 3, 256, 256)
    table |= conv("rpn_conv_shared", 3, 3, 256, 512)
    table |= conv("rpn_class_raw", 1, 1, 512, 6) | conv("rpn_bbox_pred", 1, 1, 512, 12)
    table |= conv("mrcnn_class_conv1", 7, 7, 256, 1024) | conv("mrcnn_class_conv2", 1, 1, 1024, 1024)
    table |= norm("mrcnn_class_bn1", 1024) | norm("mrcnn_class_bn2", 1024)
    table |= conv("mrcnn_class_logits", 1024, num_classes) | conv("mrcnn_bbox_fc", 1024, 4 * num_classes)
    for number in (1, 2, 3, 4):
        table |= conv(f"mrcnn_mask_conv{number}", 3, 3, 256, 256) | norm(f"mrcnn_mask_bn{number}", 256)
    deconv = {("mrcnn_mask_deconv", "kernel"): (2, 2, 256, 256), ("mrcnn_mask_deconv", "bias"): (256,)}
    return table | deconv | conv("mrcnn_mask", 1, 1, 256, num_classes)


def total(table):
    return sum(int(np.prod(shape)) for shape in table.values())


def build(config, seed=1):
    keras.utils.set_random_seed(seed)
    return MaskRCNN(config)


def arrays_of(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def same(arrays, others):
    return all((array == other).all() for array, other in zip(arrays, others, strict=True))


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    """Weights of the tiny network; not to be changed."""
    path = tmp_path_factory.mktemp("weights") / "tiny.h5"
    save_weights(build(TINY), path)
    return path


@pytest.mark.parametrize(
    ("backbone", "num_classes", "parameters"),
    [
        ("resnet101", 81, 64_158_584),
        ("resnet101", 2, 63_733_406),
        ("resnet50", 2, 44_662_942),
        ("resnet50", 6, 44_684_470),
    ],
)
def test_the_table_has_the_published_number_of_parameters(backbone, num_classes, parameters):
    assert total(published_table(backbone, num_classes)) == parameters


def test_layers_and_shapes_are_the_librarys():
    model = MaskRCNN(MaskRCNNConfig(class_names=tuple(f"class {i}" for i in range(80))))
    found = {(layer.name, w.name): tuple(w.shape) for layer in weighted_layers(model) for w in layer.weights}
    table = published_table("resnet101", 81)
    assert found == table
    assert model.count_params() == total(table)
    assert sum(np.prod(shape) for (_, weight), shape in table.items() if weight.startswith("moving")) == 111_488


def test_the_smaller_backbone_has_fewer_blocks():
    model = MaskRCNN(MaskRCNNConfig(backbone="resnet50"))
    found = {(layer.name, w.name): tuple(w.shape) for layer in weighted_layers(model) for w in layer.weights}
    assert found == published_table("resnet50", 2)


def test_saved_weights_come_back(tiny_file):
    model = build(TINY, seed=2)
    assert not same(arrays_of(model), arrays_of(build(TINY)))
    assert load_weights(model, tiny_file) == []
    assert same(arrays_of(model), arrays_of(build(TINY)))


def test_the_files_layout_is_the_librarys(tiny_file):
    with h5py.File(tiny_file) as file:
        names = [name.decode() for name in file.attrs["layer_names"]]
        assert set(names) == set(file)
        assert [name.decode() for name in file["conv1"].attrs["weight_names"]] == ["conv1/kernel:0", "conv1/bias:0"]
        assert file["conv1/conv1/kernel:0"].shape == (7, 7, 3, 32)
        assert "rpn_conv_shared" not in names
        assert file["rpn_model/rpn_conv_shared/kernel:0"].shape == (3, 3, 32, 32)
        weights = [name.decode().split(":")[0] for name in file["rpn_model"].attrs["weight_names"]]
        layers = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")  # Keras 2 goes by their order
        assert weights == [f"{layer}/{weight}" for layer in layers for weight in ("kernel", "bias")]


def test_weights_below_a_group_of_their_own_are_found(tiny_file, tmp_path):
    """Keras wrote whole models so: weights below `model_weights`, beside the optimiser's."""
    with h5py.File(tiny_file) as source, h5py.File(tmp_path / "whole.h5", "w") as file:
        for name in source:
            source.copy(name, file.require_group("model_weights"))
        file["optimizer_weights/SGD/iteration:0"] = 7
    model = build(TINY, seed=2)
    assert load_weights(model, tmp_path / "whole.h5") == []
    assert same(arrays_of(model), arrays_of(build(TINY)))


def test_the_imagenet_files_old_names_are_understood(tmp_path):
    """Its names end in W, b, gamma, beta, running_mean and running_std; it has no heads."""
    model = build(replace(TINY, norm="frozen_batch"))
    rng = np.random.default_rng(0)
    kernel, variance = rng.random((7, 7, 3, 32)), rng.random(32)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["conv1/conv1_W:0"], file["conv1/conv1_b:0"] = kernel, np.ones(32)
        for name, value in (("gamma", 2), ("beta", 3), ("running_mean", 4)):
            file[f"bn_conv1/bn_conv1_{name}:0"] = np.full(32, value)
        file["bn_conv1/bn_conv1_running_std:0"] = variance
    left = load_weights(model, tmp_path / "old.h5", partial=True)
    assert not any(line.startswith(("conv1:", "bn_conv1:")) for line in left)
    layers = {layer.name: layer for layer in weighted_layers(model)}
    np.testing.assert_allclose(arrays_of(layers["conv1"])[0], kernel, rtol=1e-6)
    gamma, beta, mean, moving_variance = arrays_of(layers["bn_conv1"])
    assert (gamma[0], beta[0], mean[0]) == (2, 3, 4)
    np.testing.assert_allclose(moving_variance, variance, rtol=1e-6)


def test_partial_loading_says_what_it_left(tiny_file):
    model = build(replace(TINY, class_names=("a", "b")), seed=2)
    before = {layer.name: arrays_of(layer) for layer in weighted_layers(model)}
    left = load_weights(model, tiny_file, partial=True)
    classes = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert {line.split(":")[0] for line in left} == classes
    (line,) = (line for line in left if line.startswith("mrcnn_class_logits"))
    assert "kernel (64, 3)" in line and "(64, 2)" in line
    source = {layer.name: arrays_of(layer) for layer in weighted_layers(build(TINY))}
    for layer in weighted_layers(model):
        assert same(arrays_of(layer), (before if layer.name in classes else source)[layer.name])


def wrong_file(kind, path):
    if kind == "cut off":
        save_weights(build(TINY), path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "text":
        path.write_text("<html>not found</html>")
    elif kind == "empty":
        path.touch()
    elif kind == "nothing of ours":
        with h5py.File(path, "w") as file:
            file["dense/dense/kernel:0"] = np.zeros(3)
    elif kind == "other classes":
        save_weights(build(replace(TINY, class_names=("a", "b"))), path)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    ("kind", "partial", "message"),
    [
        ("missing", False, "no such weights file"),
        ("folder", False, "no such weights file"),
        ("cut off", False, "damaged"),
        ("cut off", True, "damaged"),
        ("text", True, "not a weights file"),
        ("empty", True, "not a weights file"),
        ("nothing of ours", True, "no weights for any layer"),
        ("other classes", False, "another architecture"),
    ],
)
def test_wrong_files_are_one_line_and_change_nothing(tmp_path, kind, partial, message):
    path, model = tmp_path / "weights.h5", build(TINY, seed=2)
    wrong_file(kind, path)
    before = arrays_of(model)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(model, path, partial=partial)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(arrays_of(model), before)


@pytest.mark.parametrize("value", [65505.0, np.nan])
def test_half_refuses_what_it_cannot_hold(tmp_path, value):
    layer = keras.layers.Dense(1, name="dense")
    model = keras.Sequential([keras.Input((1,)), layer])
    save_weights(model, tmp_path / "w.h5", half=True)
    layer.kernel.assign([[value]])
    with pytest.raises(InputError, match=r"new\.h5: dense/kernel:0 has values that float16 cannot hold"):
        save_weights(model, tmp_path / "new.h5", half=True)
    assert [path.name for path in tmp_path.iterdir()] == ["w.h5"]
