import builtins

import pytest

from common.cluster.client import open_client
from common.errors import InputError


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("common.cluster.client.CONNECTING", 0.5)
    with (
        pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9: the scheduler is gone, or cannot be reached; start it"),
        open_client("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_one_line_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "distributed":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"Dask is not installed; pip install"), open_client("local:2"):
        pass
