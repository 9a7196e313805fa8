import dataclasses
import errno
import functools
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.output.rows import RowMaker, choose_image_ids, fingerprint, image_rng, make_rows, write_rows
from common.output.writer import SubmissionWriter
from common.parallel import PREDICTING, JobError
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig
from tests.image_sets import array_set

IDS = [f"p{number}" for number in range(12)]


# Twelve images; each has its number in all pixels.
IMAGES = array_set([np.full((4, 5, 3), number, np.uint8) for number in range(12)])


def predict(log: Path, deadly: str, image_id, image):
    """Return a job, after noting the image; die at one of them."""
    if image_id == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    with log.open("a") as file:
        file.write(f"{image_id}\n")
    return image_id, int(image.sum())


def encode(job):
    """Return runs that tell where they are from; workers finish out of order."""
    _, total = job
    time.sleep(0.02 * (total % 3))
    return [f"{total + 1} 2", f"{total + 9} 1"] if total else []


def encode_badly(job):
    if job[0] == "p3":
        raise ZeroDivisionError("no such thing")
    return encode(job)


def encode_bad_input(job):
    raise InputError("a mask is torn; mend it")


def encode_and_die(job):
    os._exit(3)


def write(output, num_workers, *, log=None, deadly="", encode=encode, image_ids=IDS, weights="weights 1"):
    look = functools.partial(predict, log or output.with_suffix(".log"), deadly)
    make = functools.partial(make_rows, IMAGES, RowMaker(look, encode), num_workers)
    write_rows(IMAGES, image_ids, make, output, fingerprint=weights)


def expected_rows(image_ids=IDS):
    rows = [
        (image_id, encode((image_id, 60 * IDS.index(image_id))) if image_id in IDS else []) for image_id in image_ids
    ]
    lines = [f"{image_id},{text}\n" for image_id, texts in rows for text in texts or [""]]
    return "ImageId,EncodedPixels\n" + "".join(lines)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_rows_are_in_order_whoever_makes_them(tmp_path, num_workers):
    write(tmp_path / "s.csv", num_workers)
    assert (tmp_path / "s.csv").read_text() == expected_rows()
    assert sorted((tmp_path / "s.log").read_text().split()) == sorted(IDS)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_killed_run_finishes_the_same_file(tmp_path, num_workers):
    output, first, second = (tmp_path / name for name in ("s.csv", "first", "second"))
    arguments = {"log": first, "deadly": "p9"}
    process = multiprocessing.get_context("spawn").Process(target=write, args=(output, num_workers), kwargs=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    with SubmissionWriter(output, IDS, "weights 1") as writer:
        done = list(writer.done)
    # All before p9, and what the other thread may have begun while p9 died.
    assert 3 <= len(done) <= len(first.read_text().split()) <= 9 + PREDICTING
    write(output, num_workers, log=second)
    assert output.read_text() == expected_rows()
    assert sorted(second.read_text().split()) == sorted(IDS[len(done) :])


def test_finished_run_started_again_starts_anew(tmp_path):
    write(tmp_path / "s.csv", 0)
    write(tmp_path / "s.csv", 0, log=tmp_path / "again")
    assert sorted((tmp_path / "again").read_text().split()) == sorted(IDS)


def test_other_weights_do_not_go_on(tmp_path):
    with pytest.raises(JobError):
        write(tmp_path / "s.csv", 0, encode=encode_badly)
    with pytest.raises(InputError, match=r"s\.csv\.partial: left by another run with other weights"):
        write(tmp_path / "s.csv", 0, weights="weights 2")


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("encode", "error", "message", "finished"),
    [
        (encode_badly, JobError, r"^p3: ZeroDivisionError: no such thing$", 3),
        (encode_bad_input, InputError, r"^p0: a mask is torn; mend it$", 0),
    ],
)
def test_failure_of_a_worker_ends_the_run_with_the_images_id(tmp_path, num_workers, encode, error, message, finished):
    output = tmp_path / "s.csv"
    with pytest.raises(error, match=message):
        write(output, num_workers, encode=encode)
    assert not output.exists()
    write(output, num_workers, log=tmp_path / "again")
    assert output.read_text() == expected_rows()
    assert sorted((tmp_path / "again").read_text().split()) == sorted(IDS[finished:])


def test_death_of_a_worker_ends_the_run_with_an_images_id(tmp_path):
    with pytest.raises(InputError, match=r"^p0: a worker process was killed, as when memory runs out; run the same"):
        write(tmp_path / "s.csv", 2, encode=encode_and_die)
    write(tmp_path / "s.csv", 2)
    assert (tmp_path / "s.csv").read_text() == expected_rows()


def test_full_disk_loses_nothing(tmp_path, monkeypatch):
    output, append = tmp_path / "s.csv", SubmissionWriter._append

    def fill_up(self, text):
        if text.startswith("p5"):
            append(self, text[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.partial))
        append(self, text)

    monkeypatch.setattr(SubmissionWriter, "_append", fill_up)
    with pytest.raises(OSError, match="No space left"):
        write(output, 0)
    assert not output.exists()
    monkeypatch.undo()
    write(output, 0, log=tmp_path / "again")
    assert output.read_text() == expected_rows()
    assert sorted((tmp_path / "again").read_text().split()) == sorted(IDS[5:])


def test_id_without_an_image_has_an_empty_row(tmp_path):
    image_ids = ["p7", "nowhere", "p2"]
    for num_workers in (0, 2):
        write(tmp_path / "s.csv", num_workers, image_ids=image_ids)
        assert (tmp_path / "s.csv").read_text() == expected_rows(image_ids)


def test_sample_submission_gives_ids_and_order(lines):
    images = array_set([IMAGES.load_image(0)] * 3, image_ids=["a", "b", "c"])
    assert choose_image_ids(images, None, skip_bad=False) == ["a", "b", "c"]
    assert choose_image_ids(images, ["c", "a"], skip_bad=False) == ["c", "a"]
    with pytest.raises(InputError, match=r"arrays: has no image x of the sample submission \(2 are missing\)"):
        choose_image_ids(images, ["c", "x", "a", "y"], skip_bad=False)
    unusable = dataclasses.replace(images, left_out=("aa",))  # it cannot be used, but a submission names it
    assert choose_image_ids(unusable, None, skip_bad=True) == ["a", "aa", "b", "c"]
    assert choose_image_ids(images, ["c", "x", "a"], skip_bad=True) == ["c", "x", "a"]
    assert lines() == ["no image x: it gets an empty row"]


def test_fingerprint_tells_runs_apart(tmp_path):
    first, second = tmp_path / "1.h5", tmp_path / "2.h5"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    images, fewer, others = array_set([IMAGES.load_image(0)] * 2), IMAGES.select([0]), IMAGES.select([0, 1])
    runs = [
        (MaskRCNNConfig(), first, images),
        (MaskRCNNConfig(confidence=0.8), first, images),
        (MaskRCNNConfig(), second, images),
        (MaskRCNNConfig(), first, fewer),
        (MaskRCNNConfig(), first, dataclasses.replace(others, source=array_set(others.source.images, name="u").source)),
        (MaskRCNNConfig(), first, images, True, False),
        (MaskRCNNConfig(), first, images, False, True),
    ]
    assert len({fingerprint(*run) for run in runs}) == len(runs)
    assert fingerprint(*runs[0]) == fingerprint(MaskRCNNConfig(), first, images)
    assert "\n" not in fingerprint(*runs[0])


def test_hyperparameters_of_training_do_not_keep_a_prediction_from_being_resumed(tmp_path):
    weights = tmp_path / "w.h5"
    weights.touch()
    trained = MaskRCNNConfig(batch_size=7, schedule=(Stage(3, 1e-3),), loss_weights=(1, 1, 2, 1, 1))
    assert fingerprint(trained, weights, IMAGES) == fingerprint(MaskRCNNConfig(), weights, IMAGES)


def test_an_images_random_numbers_are_its_own():
    first, again, other, reseeded = (
        image_rng(seed, image_id).integers(1 << 30, size=4).tolist()
        for seed, image_id in ((1, "a"), (1, "a"), (1, "b"), (2, "a"))
    )
    assert first == again
    assert first != other and first != reseeded and other != reseeded
