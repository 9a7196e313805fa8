import pytest

from common.drawing.curves import save_curves
from common.images.decoding import read_image
from common.runs.log import append_epoch


@pytest.mark.parametrize("epochs", [1, 3])
def test_curves_have_a_plot_for_each_loss(tmp_path, epochs):
    for epoch in range(1, epochs + 1):
        values = {"loss": 1 / epoch, "val_loss": 2 / epoch, "learning_rate": 1e-3, "seconds": 9}
        append_epoch(tmp_path / "log.csv", epoch, values | ({"score": 0.5} if epoch == 2 else {}))
    path = save_curves(tmp_path)
    image = read_image(path)
    assert path.name == "curves.png"
    assert image.shape == (320, 400 * (3 if epochs > 1 else 2), 3)  # loss, learning rate, score if there is one
    assert len({tuple(colour) for colour in image[::3, ::3].reshape(-1, 3).tolist()}) > 3


def test_a_run_without_epochs_gets_an_empty_image(tmp_path):
    assert save_curves(tmp_path).is_file()
