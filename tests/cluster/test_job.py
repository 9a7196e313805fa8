import pickle

import pytest

from common.cluster.job import describe_difference, find_versions, hash_code, hash_file, prepare_job, unpack
from tests.cluster.stubs import stub_maker


def test_a_job_finds_its_weights_where_they_are(tmp_path):
    job = prepare_job(*stub_maker(tmp_path), 5.0)
    ((path, digest),) = job.weights.items()
    assert path == str(tmp_path / "w.h5") and digest == hash_file(tmp_path / "w.h5")
    elsewhere = tmp_path / "there.h5"
    work = unpack(pickle.loads(pickle.dumps(job)).packed, {path: elsewhere})
    (predictor,) = work.predictors
    assert predictor.weights == elsewhere
    assert work.maker.look.__self__ is predictor  # one network, not two


def test_what_cannot_be_sent_is_no_job(tmp_path):
    maker, predictors = stub_maker(tmp_path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        prepare_job(maker.__class__(lambda _, image: image, maker.rows), predictors, 5.0)


def test_versions_name_the_code_and_the_packages():
    versions = find_versions(["common"])
    assert {"Python", "keras", "numpy", "the project's code"} <= versions.keys()
    assert describe_difference(versions, versions) == ""
    other = {**versions, "the project's code": "0", "jax": "0.1"} | {"keras": "1"}
    assert "the project's code 0 instead of " in describe_difference(other, versions)
    assert f"keras 1 instead of {versions['keras']}" in describe_difference(other, versions)


def test_the_hash_of_the_code_changes_with_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("common.cluster.job.ROOT", tmp_path)
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "a.py").write_text("x = 1\n")
    before = hash_code(["common"])
    (tmp_path / "common" / "notes.txt").write_text("not code")
    assert hash_code(["common"]) == before
    (tmp_path / "common" / "a.py").write_text("x = 2\n")
    assert hash_code(["common"]) != before
