"""Push: the data set, the wait for it, the kernel; and what the package or Kaggle would leave out silently."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.kernels.conftest import FILES
from tests.kernels.stub import KEY, TOKEN, USER, Fault

pytestmark = pytest.mark.usefixtures("small_pack", "waits")
NAME = "dsb-inference-tta"


def files_of(kaggle, version=-1):
    """Return the uploaded files of a version of the data set."""
    return [bytes(kaggle.blobs[token]) for token in kaggle.data_sets[f"{USER}/{NAME}-code"][version]]


def test_a_new_data_set_then_the_kernel(kaggle, command):
    kaggle.unpacking = 3
    code, output, errors = command("push", NAME)
    assert code == 0, errors
    assert f"pushed version 1 of {USER}/{NAME}: https://www.kaggle.com/code/{USER}/{NAME}" in output
    names = kaggle.names()
    assert (
        names.index("CreateDataset")
        < len(names) - 1 - names[::-1].index("GetDatasetStatus")
        < names.index("SaveKernel")
    )
    archives = [content for content in files_of(kaggle) if b"setup.cfg" in content]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
    assert len(files_of(kaggle)) == 2  # project and wheel
    pushed = kaggle.bodies("SaveKernel")[0]
    assert pushed["slug"] == f"{USER}/{NAME}"
    assert pushed["datasetDataSources"] == [f"{USER}/{NAME}-code"]
    assert pushed["competitionDataSources"] == ["data-science-bowl-2018"]
    assert pushed["machineShape"] == "NvidiaTeslaT4"
    assert (pushed["isPrivate"], pushed["enableInternet"]) == (True, False)
    assert "my_inference_tta.py" in pushed["text"]
    assert kaggle.bodies("CreateDataset")[0]["isPrivate"] is True


def test_a_second_push_makes_a_version_and_waits_for_it(kaggle, command):
    assert command("push", NAME)[0] == 0
    kaggle.unpacking = 2
    code, output, errors = command("push", NAME)
    assert code == 0, errors
    assert "pushed version 2" in output
    assert len(kaggle.data_sets[f"{USER}/{NAME}-code"]) == 2
    assert "waiting for version 2" in errors


def test_weights_go_along(kaggle, command, tmp_path):
    run = tmp_path / "logs"
    (run / "003").mkdir(parents=True)
    (run / "003" / "last.h5").write_bytes(b"weights")
    (run / "003" / "config.json").write_text("{}")
    (run / "003" / "events.out.tfevents.1.my-machine").write_bytes(b"my-machine")
    assert command("push", NAME, "--weights", run)[0] == 0
    archive = next(content for content in files_of(kaggle) if b"last.h5" in content)
    assert sorted(zipfile.ZipFile(io.BytesIO(archive)).namelist()) == ["003/config.json", "003/last.h5"]


@pytest.mark.parametrize("status", [500, 503])
def test_an_upload_goes_on_after_an_error(kaggle, command, status, waits):
    kaggle.fail("PUT", Fault(status, after=300))
    assert command("push", NAME)[0] == 0
    puts = kaggle.bodies("PUT")
    assert puts[1]["range"].startswith("bytes */")
    assert puts[2]["range"].startswith("bytes 300-")
    assert all(len(content) == size for content, size in zip(files_of(kaggle), kaggle.sizes.values(), strict=True))
    assert waits


def test_an_upload_survives_a_broken_connection(kaggle, command):
    kaggle.fail("PUT", Fault(0, after=100), Fault(0, after=200))
    assert command("push", NAME)[0] == 0
    assert len(files_of(kaggle)) == 2
    assert [len(content) for content in files_of(kaggle)] == list(kaggle.sizes.values())


def test_an_upload_that_never_works_is_an_error_and_resumes_later(kaggle, command):
    kaggle.fail("PUT", Fault(503, after=300), *[Fault(500)] * 40)
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "run the same command again" in errors.splitlines()[-1]
    assert "CreateDataset" not in kaggle.names()
    assert "s3cr3t" not in errors
    kaggle.faults.clear()
    begin = len(kaggle.requests)
    code, _, errors = command("push", NAME)
    assert code == 0, errors
    again = [body for name, body in kaggle.requests[begin:] if name == "PUT"]
    assert len(files_of(kaggle)) == 2
    assert again[0]["range"] is None or again[0]["range"].startswith("bytes */")


def test_a_killed_upload_goes_on_where_it_was(kaggle, command, monkeypatch):
    from kaggle_api import connect

    client = type(connect())
    monkeypatch.setattr(client, "upload_complete", None, raising=False)
    kaggle.fail("PUT", Fault(503, after=300))

    def killed(self, path, url, quiet, resume=False):
        import requests

        requests.put(url, data=Path(path).read_bytes())
        raise KeyboardInterrupt

    import kaggle_api

    original = kaggle_api._client_class
    monkeypatch.setattr(kaggle_api, "_client_class", lambda: type("Killed", (original(),), {"upload_complete": killed}))
    assert command("push", NAME)[0] == 130
    monkeypatch.setattr(kaggle_api, "_client_class", original)
    begin = len(kaggle.requests)
    assert command("push", NAME)[0] == 0
    puts = [body["range"] for name, body in kaggle.requests[begin:] if name == "PUT"]
    assert puts[0].startswith("bytes */")
    assert puts[1].startswith("bytes 300-")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Competition", "data-science-bowl-2018"),
        ("Dataset", f"{USER}/{NAME}-code"),
        ("Kernel", "x/yyyyy"),
        ("Model", "m"),
    ],
)
def test_sources_that_kaggle_drops_are_an_error(kaggle, command, kind, name):
    kaggle.changes = lambda saved: {f"invalid{kind}Sources": [name]}
    code, output, errors = command("push", NAME)
    assert code == 2
    assert f"Kaggle left out {kind.lower()} {name}" in errors.splitlines()[-1]
    assert "pushed version" not in output


def test_sources_that_kaggle_drops_without_a_word_are_an_error(kaggle, command):
    kaggle.forgets = lambda saved: saved.update(competitionDataSources=[], machineShape="NvidiaL4")
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "left out competition data-science-bowl-2018, machine_shape NvidiaTeslaT4 (it is NvidiaL4)" in errors


def test_another_slug_than_asked_for_is_an_error(kaggle, command):
    kaggle.changes = lambda saved: {"url": f"https://www.kaggle.com/code/{USER}/notebook1234"}
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "Kaggle calls it notebook1234" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("request_name", "status", "words"),
    [
        ("SaveKernel", 401, "does not accept the credentials (401); run `kaggle auth login`"),
        ("SaveKernel", 403, "accept the rules at https://www.kaggle.com/competitions/data-science-bowl-2018/rules"),
        ("SaveKernel", 404, "(404): because; check the name"),
        ("SaveKernel", 409, "in conflict with what is on Kaggle (409): because; choose another title"),
        ("SaveKernel", 500, "Kaggle is in trouble (500): because; run the same command again later"),
        ("CreateDataset", 403, "it is private, does not exist, or belongs to somebody else"),
        ("StartBlobUpload", 401, "does not accept the credentials"),
    ],
)
def test_refusals_are_one_line(kaggle, command, request_name, status, words):
    kaggle.fail(request_name, *[Fault(status, "because.")] * 9)
    code, _, errors = command("push", NAME)
    assert code == 2
    assert words in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_a_push_that_may_have_been_taken_is_not_repeated(kaggle, command):
    kaggle.fail("SaveKernel", Fault(0), Fault(0), Fault(0))
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "the connection to Kaggle broke" in errors.splitlines()[-1]
    assert kaggle.names().count("SaveKernel") == 1


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Wed, 01 Jan 2020 00:00:00 GMT", 0), (None, None)])
def test_too_many_requests_are_waited_for(kaggle, command, waits, header, seconds):
    kaggle.fail("SaveKernel", Fault(429, headers={"Retry-After": header} if header else {}))
    code, _, errors = command("push", NAME)
    assert code == 0, errors
    assert "Kaggle wants fewer requests (429)" in errors
    assert kaggle.names().count("SaveKernel") == 2
    assert seconds in waits if seconds is not None else any(1 <= wait <= 3 for wait in waits)


def test_a_data_set_that_kaggle_cannot_unpack(kaggle, command, monkeypatch):
    monkeypatch.setattr(kaggle, "get_dataset_status", lambda body: {"status": "FAILED"})
    kaggle.data_sets[f"{USER}/{NAME}-code"] = [[]]
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "could not unpack it" in errors.splitlines()[-1]
    assert "SaveKernel" not in kaggle.names()


def test_a_title_that_another_data_set_has(kaggle, command, monkeypatch):
    monkeypatch.setattr(kaggle, "create_dataset", lambda body: {"status": "error", "error": "title in use"})
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "Kaggle refuses it: title in use" in errors.splitlines()[-1]


def test_no_credentials(kaggle, command, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    code, _, errors = command("push", NAME)
    assert code == 2
    assert "no Kaggle credentials, or they have expired; run `kaggle auth login`" in errors.splitlines()[-1]
    assert kaggle.requests == []


def test_a_token_signs_in_and_is_never_shown(kaggle, command, monkeypatch, home):
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "access_token").write_text(TOKEN)
    monkeypatch.setenv("VERBOSE", "1")
    kaggle.fail("SaveKernel", Fault(400, f"bad token {TOKEN}"))
    code, output, errors = command("push", NAME)
    assert code == 2
    assert "bad token ***" in errors
    assert TOKEN not in output + errors
    assert set(kaggle.auth[1:]) == {f"Bearer {TOKEN}"}


def test_what_is_sent_holds_no_credentials(kaggle, command):
    assert command("push", NAME)[0] == 0
    sent = json.dumps([body for _, body in kaggle.requests])
    assert KEY not in sent
    assert all(KEY.encode() not in content for content in kaggle.blobs.values())
