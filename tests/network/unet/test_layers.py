import keras
import numpy as np
import pytest
from keras import ops

from common.network.unet.layers import FitTo, build_unet

PUBLISHED = (64, 128, 256, 512)


@pytest.mark.slow
def test_the_published_network_has_its_size():
    model = build_unet(PUBLISHED, "batch")
    assert model.count_params() - sum(int(np.prod(one.shape)) for one in model.non_trainable_weights) == 31_037_633
    shapes = {layer.name: layer.output.shape[-1] for layer in model.layers if "conv1" in layer.name}
    assert shapes == {"down1_conv1": 64, "down2_conv1": 128, "down3_conv1": 256, "down4_conv1": 512} | {
        "bottleneck_conv1": 1024,
        "up4_conv1": 512,
        "up3_conv1": 256,
        "up2_conv1": 128,
        "up1_conv1": 64,
    }
    assert not any(layer.use_bias for layer in model.layers if layer.name[:-1].endswith("_conv"))


@pytest.mark.parametrize(("height", "width"), [(48, 32), (41, 33), (47, 39), (161, 161)])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_logits_have_the_size_of_the_images(height, width, norm):
    keras.utils.set_random_seed(0)
    model = build_unet((16, 16, 16, 16), norm)
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    logits = ops.convert_to_numpy(model(images))
    assert logits.shape == (2, height, width, 1) and logits.dtype == np.float32
    assert np.isfinite(logits).all() and np.ptp(logits) > 1e-3
    assert logits.min() < 0, "no probabilities"


def test_a_dropped_row_and_column_repeat_the_last():
    features = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    fitted = ops.convert_to_numpy(FitTo()([features, np.zeros((1, 3, 4, 7), np.float32)]))
    assert fitted[0, :, :, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5]]
    np.testing.assert_array_equal(FitTo()([features, np.zeros((1, 2, 3, 1), np.float32)]), features)


def test_the_skip_connection_reaches_the_output():
    """A pixel's own value matters at full resolution, which the bottleneck could not tell."""
    keras.utils.set_random_seed(1)
    model = build_unet((16, 16), "group")
    image = np.full((1, 16, 16, 3), 100, np.uint8)
    changed = image.copy()
    changed[0, 8, 8] = 200
    difference = abs(ops.convert_to_numpy(model(changed)) - ops.convert_to_numpy(model(image)))[0, :, :, 0]
    assert difference[6:11, 6:11].max() > 3 * np.median(difference)
