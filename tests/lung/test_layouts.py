import pytest

from common.errors import InputError
from common.storage.trees import open_tree
from lung.layouts import find_radiographs
from tests.chests import lungs, radiograph, write, write_kaggle, write_plain


def names(root):
    return {one.image_id: one for one in find_radiographs(open_tree(root))}


def test_kaggles_sources_as_they_are_mounted(tmp_path):
    found = names(write_kaggle(tmp_path))
    assert sorted(found) == [*(f"CHNCXR_000{n}_1" for n in range(3, 7)), *(f"MCUCXR_000{n}_0" for n in range(3))]
    sides = [name.split("/")[-2:] for name in found["MCUCXR_0001_0"].mask_names]
    assert sides == [["leftMask", "MCUCXR_0001_0.png"], ["rightMask", "MCUCXR_0001_0.png"]]
    assert found["CHNCXR_0003_1"].mask_names == ("shcxr-lung-mask/mask/mask/CHNCXR_0003_1_mask.png",)
    assert found["CHNCXR_0006_1"].mask_names == ()


@pytest.mark.parametrize("suffix", ["_mask", ""])
def test_plain_folders(tmp_path, suffix):
    found = names(write_plain(tmp_path, 3, suffix=suffix))
    assert {image_id: one.mask_names for image_id, one in found.items()} == {
        f"cxr_{number}": (f"masks/cxr_{number}{suffix}.png",) for number in range(3)
    }


def test_one_folder_of_both_and_a_folder_of_radiographs_alone(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.png", radiograph(number))
    assert [one.mask_names for one in names(tmp_path).values()] == [(), ()]
    write(tmp_path / "1_mask.png", lungs(1)[0])
    assert [one.mask_names for one in names(tmp_path).values()] == [(), ("1_mask.png",)]


def test_masks_without_a_radiograph_are_told(tmp_path, lines):
    write_plain(tmp_path, 2)
    (tmp_path / "images" / "cxr_1.png").unlink()
    assert list(names(tmp_path)) == ["cxr_0"]
    assert any("1 masks have no radiograph, such as that of cxr_1" in line for line in lines())


def test_what_cannot_be_paired_is_one_line(tmp_path):
    root = write_kaggle(tmp_path / "kaggle")
    left = next(root.rglob("leftMask/MCUCXR_0001_0.png"))
    moved = left.parents[1] / "mask" / left.name
    write(moved, lungs(1)[0])
    with pytest.raises(InputError, match=r"leftMask/MCUCXR_0001_0.png and .* are both masks of MCUCXR_0001_0"):
        names(root)
    moved.unlink()
    left.unlink()
    with pytest.raises(InputError, match=r"rightMask/MCUCXR_0001_0.png is a mask of one lung of MCUCXR_0001_0; add"):
        names(root)
    masks = write_plain(tmp_path / "plain", 2) / "masks"
    with pytest.raises(InputError, match="masks: no radiographs; give the folder"):
        names(masks)
    write(tmp_path / "plain" / "more" / "cxr_1.png", radiograph(5))
    with pytest.raises(InputError, match=r"images/cxr_1.png and more/cxr_1.png have the same name"):
        names(tmp_path / "plain")
