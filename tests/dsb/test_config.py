import dataclasses

import numpy as np
import pytest

from common.batches.instance_samples import instance_batches
from common.images.image_set import ImageSet
from common.settings.config import Stage
from dsb.config import DSBConfig
from tests.image_sets import Arrays
from tests.scripts import TRAINING, load_presets

# The published run, every field of it: what all three steps share, with the defaults of the Mask R-CNN library; then
# what differs.
ALL_STEPS = {
    "seed": 123,
    "class_names": ("nucleus",),
    "fold": "all",
    "min_dim": 512,
    "crop_size": 512,
    "mean_pixel": (123.7, 116.8, 103.9),
    "padding": "black",
    "page": 0,
    "pixel_std": 1,
    "imgaug": False,
    "downscale": False,
    "balance": "full",
    "longest_strip": 4.0,
    "crop_at_origin": False,
    "mask_nms_threshold": 1.0,
    "max_dim": 0,
    "min_zoom": 1.0,
    "log_zoom": False,
    "recolour": 0.0,
    "stretch_contrast": False,
    "separate": True,
    "views": "votes",
    "as_published": False,
    "swap_scales": False,
    "channel": (0,),
    "channel_shift": False,
    "upright": False,
    "crop_draws": 1,
    "mini_mask_size": 56,
    "max_instances": 256,
    "backbone": "resnet101",
    "norm": "frozen_batch",
    "fpn_channels": 256,
    "rpn_channels": 512,
    "head_channels": 1024,
    "mask_channels": 256,
    "mask_convs": 4,
    "bfloat16": False,
    "anchor_scales": (8, 16, 32, 64, 128),
    "anchor_ratios": (0.5, 1, 2),
    "rpn_train_anchors": 256,
    "rpn_nms_threshold": 0.7,
    "pre_nms_limit": 6000,
    "train_proposals": 2000,
    "detect_proposals": 1000,
    "box_std": (0.1, 0.1, 0.2, 0.2),
    "geometry": "library",
    "train_rois": 600,
    "positive_ratio": 0.33,
    "add_true_boxes": False,
    "fill_negatives": False,
    "pool_size": 7,
    "mask_pool_size": 14,
    "loss_weights": (1, 1, 1, 1, 1),
    "batch_size": 2,
    "optimizer": "sgd",
    "momentum": 0.9,
    "gradient_clip": 5,
    "weight_decay": 1e-4,
    "decay": "steps",
    "warmup_steps": 0,
    "validation_steps": 50,
    "score_every": 0,
    "score_limit": 20,
    "log_hyperparameters": True,
    "overlay_limit": 4,
    "histogram_every": 5,
    "devices": 1,
    "confidence": 0.9,
    "detection_nms_threshold": 0.2,
    "max_detections": 512,
    "look_again": False,
    "dilation": True,
    "mask_confidence": 0.0,
    "mask_margin": 0.0,
    "mask_threshold": 0.5,
    "max_whole_side": 1408,
    "tile_size": 1024,
    "tile_overlap": 192,
}
STEPS = {
    "my_train_1.py": {
        "name": "001",
        "balanced": False,
        "augment": True,
        "aspect_ratio": 1.3,
        "min_enlarge": 1.2,
        "zoom": 1.5,
        "rotation_range": 10,
        "channel_shift_range": 15,
        "steps_per_epoch": 0,  # every image once, which is 332, too
        "schedule": (Stage(30, 1e-3, "all"), Stage(50, 1e-4, "all"), Stage(75, 1e-3 / 30, "all")),
    },
    "my_train_2.py": {
        "name": "002",
        "balanced": True,
        "augment": False,
        "aspect_ratio": 1.3,
        "min_enlarge": 1.2,
        "zoom": 1.5,
        "rotation_range": 10,
        "channel_shift_range": 15,
        "steps_per_epoch": 332,
        "schedule": (Stage(10, 1e-3 / 30, "all"), Stage(40, 1e-5, "all")),
    },
    "my_train_3.py": {
        "name": "003",
        "balanced": True,
        "augment": False,
        "aspect_ratio": 1.5,
        "min_enlarge": 1.5,
        "zoom": 1.7,
        "rotation_range": 22.5,
        "channel_shift_range": 20,
        "steps_per_epoch": 332,
        "schedule": (Stage(5, 1e-3 / 30, "all"),),
    },
}


@pytest.mark.parametrize("script", TRAINING)
def test_published_hyperparameters(monkeypatch, script):
    published = load_presets(monkeypatch, script)["published"]
    fields = {spec.name: getattr(published, spec.name) for spec in dataclasses.fields(published)}
    assert fields == ALL_STEPS | STEPS[script]


@pytest.mark.parametrize("script", TRAINING)
def test_published_epochs_have_332_steps(monkeypatch, script):
    sizes = np.repeat([[256, 256], [256, 320]], [334, 330], axis=0)
    images = ImageSet.of_all(Arrays([]), list(map(str, range(664))), sizes)
    published = load_presets(monkeypatch, script)["published"]
    assert instance_batches(images, published, training=True).steps_per_epoch == 332


@pytest.mark.parametrize("script", TRAINING)
def test_presets_of_a_step_differ_in_scale_not_in_what_the_step_does(monkeypatch, script):
    presets = load_presets(monkeypatch, script)
    assert list(presets) == ["published", "small", *(["gpu"] if script == "my_train_1.py" else []), "demo"]
    for name in ("name", "balanced", "aspect_ratio", "min_enlarge", "zoom", "rotation_range", "channel_shift_range"):
        assert len({getattr(preset, name) for preset in presets.values()}) == 1
    assert all(preset.backbone == "small" and preset.norm == "group" for preset in (presets["small"], presets["demo"]))
    if "gpu" in presets:  # 90,000 crops: 25 minutes at 60 a second
        gpu = presets["gpu"]
        assert (gpu.backbone, gpu.norm, gpu.crop_size) == ("resnet50", "group", 512)
        assert gpu.epochs * gpu.steps_per_epoch * gpu.batch_size <= 25 * 60 * 60


@pytest.mark.parametrize("script", TRAINING)
def test_presets_survive_their_file(monkeypatch, script, tmp_path):
    for name, preset in load_presets(monkeypatch, script).items():
        preset.save(tmp_path / f"{name}.json")
        assert DSBConfig.load(tmp_path / f"{name}.json") == preset
