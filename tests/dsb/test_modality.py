import numpy as np
import pytest

from dsb.dataset import load_dataset
from dsb.modality import find_modality


def test_kinds_of_generated_images():
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 40, (20, 30, 1)).astype(np.uint8).repeat(3, axis=2)
    dark[5:9, 5:9] = 250
    assert find_modality(dark) == "fluorescence"
    assert find_modality(255 - dark) == "brightfield"
    assert find_modality(255 - dark // np.array([4, 1, 2], np.uint8)) == "stained"


@pytest.mark.slow
def test_kinds_of_the_real_training_set(data_folder):
    dataset = load_dataset(data_folder / "dsb2018" / "stage1_train.zip")
    kinds = [find_modality(dataset.load_image(index)) for index in range(len(dataset))]
    names, counts = np.unique(kinds, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "brightfield": 16,
        "fluorescence": 541,
        "stained": 107,
    }
