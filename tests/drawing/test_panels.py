import numpy as np

from common.drawing.contours import GREEN, YELLOW
from common.drawing.draw import CAPTION_HEIGHT
from common.drawing.panels import PANEL_HEIGHT, mask_panels, panel_sheet


def masks():
    true, predicted = np.zeros((60, 30), bool), np.zeros((60, 30), bool)
    true[10:40, 5:20], predicted[15:45, 5:20] = True, True
    return true, predicted


def test_four_panels_show_image_truth_prediction_and_both():
    true, predicted = masks()
    image = np.full((60, 30, 3), 90, np.uint8)
    shown, first, second, both = mask_panels(image, predicted, true)
    assert {one.shape for one in (shown, first, second, both)} == {(PANEL_HEIGHT, PANEL_HEIGHT // 2, 3)}
    assert (shown == 90).all()
    assert abs((first[..., 0] > 0).mean() - true.mean()) < 0.01
    assert first.any() and (first != second).any()
    colours = {tuple(colour) for colour in both.reshape(-1, 3).tolist()}
    assert {GREEN, YELLOW} < colours and len(colours) == 4  # the image's and the orange tint's, too
    assert panel_sheet([(shown, first, second, both)]).shape[0] == PANEL_HEIGHT + CAPTION_HEIGHT + 4


def test_without_the_truth_there_are_three():
    _, predicted = masks()
    panels = mask_panels(np.full((60, 30, 3), 90, np.uint8), predicted)
    assert len(panels) == 3
    assert {tuple(colour) for colour in panels[-1].reshape(-1, 3).tolist()} == {(90, 90, 90), YELLOW}
    assert panel_sheet([panels, panels]).shape[0] > 2 * PANEL_HEIGHT


def test_an_empty_prediction_is_drawn():
    empty = np.zeros((5, 400), bool)
    panels = mask_panels(np.zeros((5, 400, 3), np.uint8), empty, empty)
    assert not any(panel.any() for panel in panels)
