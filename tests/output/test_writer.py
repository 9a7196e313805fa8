import errno
import functools
import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from common.config import Config
from common.errors import InputError
from common.files import FolderTree
from common.output.submission import SubmissionWriter
from common.output.writer import choose_image_ids, detect_views, fingerprint, image_rng, write_submission
from common.parallel import JobError
from common.prediction.views import VIEWS, scaled_shape

IDS = [f"p{number}" for number in range(12)]


class Images:
    """Twelve images; each has its number in all pixels."""

    image_ids = IDS

    def load_image(self, index):
        return np.full((4, 5, 3), index, np.uint8)


def predict(log: Path, deadly: str, image_id, image):
    """Return a job, after noting the image; die at one of them."""
    if image_id == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    with log.open("a") as file:
        file.write(f"{image_id}\n")
    return image_id, int(image.sum())


def encode(image_id, total):
    """Return runs that tell where they are from; workers finish out of order."""
    time.sleep(0.02 * (total % 3))
    return [f"{total + 1} 2", f"{total + 9} 1"] if total else []


def encode_badly(image_id, total):
    if image_id == "p3":
        raise ZeroDivisionError("no such thing")
    return encode(image_id, total)


def encode_bad_input(image_id, total):
    raise InputError("a mask is torn; mend it")


def encode_and_die(image_id, total):
    os._exit(3)


def write(output, num_workers, *, log=None, deadly="", encode=encode, image_ids=IDS, weights="weights 1"):
    job = functools.partial(predict, log or output.with_suffix(".log"), deadly)
    write_submission(Images(), image_ids, job, encode, output, fingerprint=weights, num_workers=num_workers)


def expected_rows(image_ids=IDS):
    rows = [(image_id, encode(image_id, 60 * IDS.index(image_id)) if image_id in IDS else []) for image_id in image_ids]
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
    assert 3 <= len(done) <= len(first.read_text().split()) <= 10
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


def test_death_of_a_worker_ends_the_run_with_a_images_id(tmp_path):
    with pytest.raises(JobError, match=r"^p0: "):
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


def test_id_without_a_image_has_an_empty_row(tmp_path):
    image_ids = ["p7", "nowhere", "p2"]
    for num_workers in (0, 2):
        write(tmp_path / "s.csv", num_workers, image_ids=image_ids)
        assert (tmp_path / "s.csv").read_text() == expected_rows(image_ids)


def test_sample_submission_gives_ids_and_order():
    images = SimpleNamespace(image_ids=["a", "b", "c"], left_out=(), tree=FolderTree(Path("stage1_test")))
    assert choose_image_ids(images, None, skip_bad=False) == ["a", "b", "c"]
    assert choose_image_ids(images, ["c", "a"], skip_bad=False) == ["c", "a"]
    with pytest.raises(InputError, match=r"stage1_test: has no image x of the sample submission \(2 are lacking\)"):
        choose_image_ids(images, ["c", "x", "a", "y"], skip_bad=False)
    images.left_out = ("aa",)  # it cannot be used, but a submission names it
    assert choose_image_ids(images, None, skip_bad=True) == ["a", "aa", "b", "c"]
    reports = []
    assert choose_image_ids(images, ["c", "x", "a"], skip_bad=True, report=reports.append) == ["c", "x", "a"]
    assert reports == ["no image x: it gets an empty row"]


def test_fingerprint_tells_runs_apart(tmp_path):
    first, second = tmp_path / "1.h5", tmp_path / "2.h5"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    signatures = [lambda name=name: name for name in ("t", "u")]
    images = SimpleNamespace(image_ids=["a", "b"], signature=signatures[0])
    runs = [
        (Config(), first, images),
        (Config(confidence=0.8), first, images),
        (Config(), second, images),
        (Config(), first, SimpleNamespace(image_ids=["a"], signature=signatures[0])),
        (Config(), first, SimpleNamespace(image_ids=["a", "b"], signature=signatures[1])),
        (Config(), first, images, True, False),
        (Config(), first, images, False, True),
    ]
    assert len({fingerprint(*run) for run in runs}) == len(runs)
    assert fingerprint(*runs[0]) == fingerprint(Config(), first, images)
    assert "\n" not in fingerprint(*runs[0])


def test_a_images_random_numbers_are_its_own():
    first, again, other, reseeded = (
        image_rng(seed, image_id).integers(1 << 30, size=4).tolist()
        for seed, image_id in ((1, "a"), (1, "a"), (1, "b"), (2, "a"))
    )
    assert first == again
    assert first != other and first != reseeded and other != reseeded


def test_each_distinct_view_is_detected_once():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    seen = []

    def detect(images):
        seen.extend(images)
        return [one.shape for one in seen]

    found = detect_views(detect, image, VIEWS, 80, np.random.default_rng(0))
    assert sorted(place for _, places, _ in found for place in places) == list(range(15))
    assert [shape for _, _, shape in found] == [(*scaled_shape(view, (40, 60)), 3) for view, _, _ in found]
    # Twice is what detection enlarges to, below 512 nothing is shrunk, and two flips with a half turn are none.
    assert found[0][1] == [0, 1, 2, 3, 8, 9]
    assert len(detect_views(lambda images: list(images), image, VIEWS, 1, np.random.default_rng(0))) > len(found)
    np.testing.assert_array_equal(seen[0], image)
