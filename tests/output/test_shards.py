import functools
import json

import numpy as np
import pytest

from common.errors import InputError
from common.output.parquet import read_parquet, save_parquet
from common.output.results import RESULT_COLUMNS
from common.output.rows import RowMaker, make_rows, write_rows
from common.output.shards import Manifest, merge_shards, shards_folder, split_evenly, write_shards
from common.output.submission import COLUMNS
from tests.image_sets import array_set

IMAGES = array_set([np.full((4, 5 + number, 3), number, np.uint8) for number in range(11)])
IDS = [*IMAGES.image_ids[:7], "nowhere", *IMAGES.image_ids[7:]]


class StopError(Exception):
    """A kill, as far as files go."""


def look(stop_at, image_id, image):
    if image_id == stop_at:
        raise StopError
    return int(image[0, 0, 0])


def rows_of(number):
    score = np.float32(0.1 * (number + 1))
    return [f"1,{score:.9g},{number + 1} 1", f"2,0.5,{number + 1} 2"][: number % 3]


def run_lengths_of(number):
    return [text.split(",")[-1] for text in rows_of(number)]


def manifest(count=3, *, columns=RESULT_COLUMNS, fingerprint="run 1", parquet=True):
    return Manifest(fingerprint, list(columns), len(IDS), count, parquet)


def write(folder, begun, *, stop_at=None, maker=rows_of):
    made = functools.partial(make_rows, IMAGES, RowMaker(functools.partial(look, stop_at), maker, begun.columns), 0)
    return write_shards(IMAGES, IDS, made, folder, begun)


def one_csv(path, columns=RESULT_COLUMNS, maker=rows_of):
    made = functools.partial(make_rows, IMAGES, RowMaker(functools.partial(look, None), maker, columns), 0)
    write_rows(IMAGES, IDS, made, path, columns, fingerprint="")
    return path.read_bytes()


@pytest.mark.parametrize("count", [1, 3, 5, 20])
def test_shards_merge_to_the_one_csv(tmp_path, count):
    written = write(tmp_path / "parts", manifest(count))
    assert len(written.shards) == count and sum(shard.num_images for shard in written.shards) == len(IDS)
    assert merge_shards(tmp_path / "parts", tmp_path / "merged.csv") == 15
    assert (tmp_path / "merged.csv").read_bytes() == one_csv(tmp_path / "one.csv")


def test_columns_are_chosen_for_a_leaderboard(tmp_path):
    write(tmp_path / "parts", manifest())
    merge_shards(tmp_path / "parts", tmp_path / "merged.csv", COLUMNS)
    assert (tmp_path / "merged.csv").read_bytes() == one_csv(tmp_path / "one.csv", COLUMNS, run_lengths_of)
    with pytest.raises(InputError, match=r"parts: has no column Mask; choose from ImageId,ClassId,Score,EncodedPixels"):
        merge_shards(tmp_path / "parts", tmp_path / "merged.csv", ["ImageId", "Mask"])


def test_a_killed_run_goes_on_in_its_shard(tmp_path):
    folder = tmp_path / "parts"
    for stop_at in ("p2", "p6", "p9"):
        with pytest.raises(Exception, match=stop_at):
            write(folder, manifest(), stop_at=stop_at)
        with pytest.raises(InputError, match=r"of 3 shards are finished; finish that run"):
            merge_shards(folder, tmp_path / "merged.csv")
    write(folder, manifest())
    merge_shards(folder, tmp_path / "merged.csv")
    assert (tmp_path / "merged.csv").read_bytes() == one_csv(tmp_path / "one.csv")


@pytest.mark.parametrize("other", [{"fingerprint": "run 2"}, {"count": 4}, {"parquet": False}, {"columns": COLUMNS}])
def test_another_run_is_refused(tmp_path, other):
    write(tmp_path / "parts", manifest())
    with pytest.raises(InputError, match=r"parts: holds shards of another run; finish that, or choose"):
        write(tmp_path / "parts", manifest(**other))


def test_damage_is_one_line(tmp_path):
    folder = tmp_path / "parts"
    with pytest.raises(InputError, match=r"manifest\.json: no such file; give a folder that --shards wrote"):
        merge_shards(folder, tmp_path / "merged.csv")
    write(folder, manifest(parquet=False))
    (folder / "part-00001.csv").write_text("ImageId,ClassId,Score,EncodedPixels\n")
    with pytest.raises(InputError, match=r"part-00001\.csv: not the file that was written; copy it again"):
        merge_shards(folder, tmp_path / "merged.csv")
    (folder / "part-00001.csv").unlink()
    with pytest.raises(InputError, match=r"part-00001\.csv: no such file; copy all shards into one folder"):
        merge_shards(folder, tmp_path / "merged.csv")
    (folder / "manifest.json").write_text(json.dumps({"shards": 3}))
    with pytest.raises(InputError, match=r"manifest\.json: damaged"):
        merge_shards(folder, tmp_path / "merged.csv")
    assert not (tmp_path / "merged.csv").exists()


def test_parquet_files_hold_the_same_and_the_sizes(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "parts"
    write(folder, manifest())
    table = parquet.read_table(folder / "parquet").to_pylist()
    assert list(table[0]) == ["image_id", "height", "width", "class_id", "score", "run_lengths"]
    assert table[0] == dict(zip(table[0], ["p0", 4, 5, None, None, None], strict=True))
    score = float(np.float32(0.1 * 2))
    assert table[1] == dict(zip(table[0], ["p1", 4, 6, 1, score, "2 1"], strict=True))
    assert next(row for row in table if row["image_id"] == "nowhere")["height"] is None
    for path in folder.glob("*.csv"):
        path.unlink()
    merge_shards(folder, tmp_path / "merged.csv")
    assert (tmp_path / "merged.csv").read_bytes() == one_csv(tmp_path / "one.csv")


def test_other_columns_stay_text(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "r.csv").write_text("patientId,PredictionString\na,0.5 1.0 2.0 3.0 4.0\nb,\n")
    save_parquet(tmp_path / "r.csv", tmp_path / "r.parquet", {"a": (9, 8)})
    rows = list(read_parquet(tmp_path / "r.parquet", ["patientId", "PredictionString"]))
    assert rows == [["a", "0.5 1.0 2.0 3.0 4.0"], ["b", ""]]


def test_parts_are_even():
    assert [len(part) for part in split_evenly(IDS, 5)] == [2, 2, 3, 2, 3]
    assert shards_folder(IMAGES.path / "a" / "s.csv").name == "s_shards"
