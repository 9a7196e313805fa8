"""Patients by their DICOM headers, and maps of their boxes."""

import numpy as np
import pytest

from common.errors import InputError
from tests import radiographs
from tests.dicoms import encode_dicom
from viewer.dicoms import read_elements
from viewer.matches import RULES, Tally
from viewer.patients import Choice, Patients, count_boxes, count_groups
from viewer.patients_tab import PatientsTab, groups_figure
from viewer.study import open_study


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    folder = radiographs.write_set(tmp_path_factory.mktemp("rsna"))
    file = folder / "stage_2_train_images" / "patient-1.dcm"
    picture = radiographs.radiograph(radiographs.BOXES["patient-1"])
    file.write_bytes(encode_dicom(picture, PatientSex="F", PatientAge="058Y", PatientComments="<img src=x>"))
    lines = [f"{patient}," for patient in radiographs.BOXES if patient != "patient-4"]
    lines += ["patient-4,0.9 100.0 80.0 60.0 80.0"]
    (folder / "a.csv").write_text("\n".join(["patientId,PredictionString", *lines, ""]))
    patients = Patients(open_study(folder, [folder / "a.csv"]))
    patients.start()
    patients.finish()
    return patients


def test_who_they_are(patients):
    table = patients.table().set_index("patient")
    assert table.loc["patient-1", ["sex", "age", "view", "class", "boxes"]].tolist() == [
        "F",
        58,
        "PA",
        "Lung Opacity",
        1,
    ]
    assert table.loc["patient-0", ["sex", "view", "class", "boxes"]].tolist() == ["unknown", "PA", "Normal", 0]
    assert np.isnan(table.loc["patient-0", "age"])


def test_chosen_by_sex_view_class_and_age(patients):
    table = patients.table()

    def chosen(ages=(0, 100), **values):
        return Choice(values, ages).of(table)["patient"].tolist()

    assert chosen(sex=["F"]) == ["patient-1"]
    assert chosen(ages=(50, 60)) == ["patient-1"]
    assert chosen(ages=(60, 100)) == []
    assert len(chosen()) == len(chosen(view=["PA"])) == 10
    assert len(chosen(**{"class": ["Lung Opacity", "Normal"]})) == 9


def test_boxes_as_fractions_of_the_image(patients):
    index = list(patients.study.images.image_ids).index("patient-4")
    expected = [[80 / 160, 100 / 160, 1, 1]]
    np.testing.assert_allclose(patients.boxes(index, ""), expected)
    np.testing.assert_allclose(patients.boxes(index, "a"), expected)
    assert patients.boxes(0, "a").shape == (0, 4)


def test_counted_cells_agree_with_painting():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 17, (30, 2, 2)), axis=1) / 16
    boxes = corners.reshape(30, 4)
    painted = np.zeros((16, 16), int)
    for y1, x1, y2, x2 in (boxes * 16).astype(int).tolist():
        painted[y1:y2, x1:x2] += 1
    assert (count_boxes(boxes, 16) == painted).all()
    assert not count_boxes(np.zeros((0, 4))).any()


def test_groups(patients):
    assert count_groups(patients.table(), "sex").to_dict("index") == {
        "F": {"without": 0, "with": 1},
        "unknown": {"without": 6, "with": 3},
    }
    assert count_groups(patients.table(), "age").loc["40 to 59"].tolist() == [0, 1]
    assert len(groups_figure(patients.table().iloc[:0], "age").data) == 2


def test_every_element_is_shown_as_text(patients):
    index = list(patients.study.images.image_ids).index("patient-1")
    elements = {row["keyword"]: row["value"] for row in patients.elements(index)}
    assert elements["PatientAge"] == "058Y"
    assert elements["PatientComments"] == "<img src=x>"  # a text of a cell, which is never HTML
    assert "PixelData" not in elements


def test_damaged_files_are_told_in_one_line():
    with pytest.raises(InputError, match=r"x\.dcm: a DICOM file that cannot be read"):
        data = encode_dicom(np.zeros((4, 4), np.uint8))
        read_elements(data.replace(b"\x28\x00\x10\x00US\x02", b"\x28\x00\x10\x00US\x03"), "x.dcm")
    elements = read_elements(encode_dicom(None, PatientComments="x" * 500), "x.dcm")
    assert any(row["value"].endswith("xx…") for row in elements)


def test_scores_are_those_of_the_competition(patients):
    from rsna.dataset import true_boxes
    from rsna.score import score_predictions

    study = patients.study
    found = study.submissions["a"]
    expected = score_predictions(true_boxes(study.images), found.predictions).mean
    tally = Tally.of([study.match(i, "a", study.load_truth(i)) for i in range(len(study.images))])
    assert np.nanmean(tally.image_scores(RULES["rsna"], 0)) == pytest.approx(expected)


def test_the_tab_shows_a_patient(patients):
    tab = PatientsTab(patients)
    figure, elements, name = tab.show([{"index": 1}])
    assert name == "patient-1"
    assert len(figure.layout.shapes) == 1
    assert len(elements) > 5
    assert len(tab.show([{"index": 99}])) == 3
