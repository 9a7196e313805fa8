"""What Kaggle would refuse or drop, said before anything is sent."""

import json
import shutil

import pytest

from checking import GPUS, limit_notes, metadata_problems
from kernel_files import FOLDER, kernel_names, load_kernel, slug_of
from tests.kernels.stub import USER, Fault

NAME = "dsb-train"


def changed(**values):
    return load_kernel(NAME).metadata | values


@pytest.mark.parametrize("name", kernel_names())
def test_the_kernels_are_as_kaggle_wants_them(name):
    metadata = load_kernel(name).metadata
    assert metadata_problems(metadata) == []
    assert (metadata["is_private"], metadata["enable_internet"]) == (True, False)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"id": "dsb-train"}, "id is 'dsb-train', not owner/slug"),
        ({"id": "OWNER/dsb_train"}, "not owner/slug"),
        ({"title": "Something else"}, "the title 'Something else' becomes 'something-else' on Kaggle, not 'dsb-train'"),
        ({"id": "OWNER/dsb", "title": "DSB"}, "need at least 5 characters"),
        ({"title": "DSB train " * 9}, "at most 50"),
        ({"language": "julia"}, "language is 'julia', not one of python, r, rmarkdown"),
        ({"kernel_type": "app"}, "kernel_type is 'app'"),
        ({"is_private": "yes"}, "is_private is 'yes', neither true nor false"),
        ({"machine_shape": "NvidiaTeslaP100"}, "is retired, and Kaggle would take another one; use NvidiaTeslaT4"),
        ({"machine_shape": "T4x2"}, "machine_shape 'T4x2' is unknown"),
        ({"machine_shape": "None"}, "is no accelerator, unlike enable_gpu"),
        ({"machine_shape": "TpuV5E8"}, "is a TPU, unlike enable_gpu"),
        ({"enable_gpu": False}, "is a GPU, unlike enable_gpu"),
        ({"dataset_sources": ["code"]}, "dataset_sources: 'code' is not owner/data-set"),
        ({"competition_sources": ["c/dsb"]}, "'c/dsb' is not competition"),
        ({"kernel_sources": ["me/abc"]}, "'me/abc' is not owner/kernel"),
        ({"model_sources": ["me/model/keras/v"]}, "is not owner/model/framework/variation/version"),
        ({"model_sources": "me"}, "model_sources is not a list"),
        ({"competition_sources": ["a-b", "a-b"]}, "names a source twice"),
        ({"docker_image_pinning_type": "newest"}, "docker_image_pinning_type is 'newest'"),
        ({"enable_intrenet": True}, "has enable_intrenet, which Kaggle ignores"),
    ],
)
def test_metadata_that_kaggle_refuses_or_ignores(values, problem):
    assert problem in "; ".join(metadata_problems(changed(**values)))


def test_every_field_is_explicit():
    metadata = load_kernel(NAME).metadata
    del metadata["enable_internet"]
    assert metadata_problems(metadata) == ["kernel-metadata.json lacks enable_internet; Kaggle would assume something"]


@pytest.mark.parametrize("title", ["DSB train", "DSB inference TTA", "Lung U-Net", "a  b--c", "x (2): y/z"])
def test_slugs_are_those_of_the_package(title):
    slugify = pytest.importorskip("slugify").slugify
    assert slug_of(title) == slugify(title)


def test_the_limits_are_told_from_the_configs_steps():
    notes = list(limit_notes(load_kernel(NAME)))
    assert notes[0].startswith("39,840 training steps of 'published': 10 to 14 hours on a T4 (estimate)")
    assert notes[0].endswith("the kernel stops after 8.5: up to 2 sessions")
    assert "of 20 GB" in notes[1]
    assert list(limit_notes(load_kernel("dsb-inference-tta"))) == []


@pytest.fixture
def mine(tmp_path):
    """A copy of a kernel, and a function that writes a file of it."""
    folder = tmp_path / NAME
    shutil.copytree(FOLDER / NAME, folder)
    return folder


def notebook(**values):
    cells = [{"cell_type": "code", "source": ["x = 1\n", "print(x)"], "metadata": {}, "outputs": []}]
    return {"nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}, "cells": cells} | values


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not a notebook"),
        ("{}", "not a notebook"),
        (json.dumps(notebook(nbformat=3)), "nbformat is 3, not 4"),
        (json.dumps(notebook(metadata={})), "kernelspec.language is not python"),
        (
            json.dumps(notebook(cells=[{"cell_type": "code", "source": "x =", "outputs": []}])),
            "not Python: invalid syntax",
        ),
        (json.dumps(notebook(cells=[{"cell_type": "code", "source": "x", "outputs": [1]}])), "holds outputs"),
    ],
)
def test_notebooks(mine, command, content, problem):
    metadata = json.loads((mine / "kernel-metadata.json").read_text())
    metadata |= {"kernel_type": "notebook", "code_file": "n.ipynb"}
    (mine / "kernel-metadata.json").write_text(json.dumps(metadata))
    (mine / "n.ipynb").write_text(content)
    code, _, errors = command("check", mine, "--offline")
    assert (code, errors.count("\n")) == (2, 1)
    assert problem in errors
    (mine / "n.ipynb").write_text(json.dumps(notebook()))
    assert command("check", mine, "--offline")[0] == 0


def test_folders(mine, command, tmp_path):
    (mine / "dsb_train.py").unlink()
    assert "dsb_train.py: no such file; correct code_file" in command("check", mine, "--offline")[2]
    (mine / "dsb_train.py").write_text("def broken(:\n")
    assert "not Python: " in command("check", mine, "--offline")[2]
    (mine / "dsb_train.py").write_text("x = 1\n" * 200_000)
    assert "more than 1,000,000" in command("check", mine, "--offline")[2]
    mine.rename(tmp_path / "other")
    assert "the folder other holds the kernel dsb-train" in command("check", tmp_path / "other", "--offline")[2]
    (tmp_path / "other" / "kernel-metadata.json").write_text("[1]")
    assert "not a JSON object" in command("check", tmp_path / "other", "--offline")[2]
    assert "no such file or folder" in command("check", NAME, "--offline", "--weights", "nowhere.h5")[2]


def test_all_problems_are_named_at_once(mine, command):
    text = (mine / "kernel-metadata.json").read_text()
    (mine / "kernel-metadata.json").write_text(text.replace("NvidiaTeslaT4", "T4").replace('"python"', '"julia"'))
    code, _, errors = command("check", mine, "--offline")
    assert code == 2
    assert "language is 'julia'" in errors
    assert "machine_shape 'T4'" in errors


def test_kaggle_is_asked_about_rules_and_quota(kaggle, command):
    code, output, errors = command("check", NAME)
    assert code == 0, errors
    assert "10.0 hours of GPU left this week" in output
    kaggle.fail("ListDataFiles", Fault(403, "You must accept this competition's rules"))
    code, _, errors = command("check", NAME)
    assert code == 2
    assert "accept the rules at https://www.kaggle.com/competitions/data-science-bowl-2018/rules" in errors


def test_foreign_sources_must_exist(kaggle, command, mine):
    metadata = json.loads((mine / "kernel-metadata.json").read_text())
    metadata["dataset_sources"].append("somebody/nothing")
    metadata["competition_sources"].append("no-such-competition")
    (mine / "kernel-metadata.json").write_text(json.dumps(metadata))
    code, _, errors = command("check", mine)
    assert code == 2
    assert "data set somebody/nothing: Kaggle knows no such thing" in errors
    assert "competition no-such-competition: Kaggle knows no such thing" in errors


def test_without_credentials_kaggle_is_not_asked(kaggle, command, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    code, output, _ = command("check", NAME)
    assert code == 0
    assert "Kaggle was not asked about rules, sources and quota: no Kaggle credentials" in output
    assert kaggle.requests == []


def test_the_quota_is_used_up(kaggle, command, monkeypatch):
    used = {"gpuQuota": {"timeUsed": "72000s", "totalTimeAllowed": "72000s"}}
    monkeypatch.setattr(kaggle, "get_accelerator_quota_statistics", lambda body: used)
    code, _, errors = command("check", NAME)
    assert code == 2
    assert "no GPU hours are left this week" in errors


def test_machines_and_accounts():
    assert "NvidiaTeslaT4" in GPUS
    owned = load_kernel(NAME).of(USER).metadata
    assert owned["id"] == f"{USER}/{NAME}"
    assert owned["dataset_sources"] == [f"{USER}/{NAME}-code"]
