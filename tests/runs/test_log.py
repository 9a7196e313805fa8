from common.runs.log import append_epoch, drop_epochs_after, read_epochs


def test_columns_join_later_and_lost_epochs_are_dropped(tmp_path):
    path = tmp_path / "log.csv"
    assert read_epochs(path) == []
    append_epoch(path, 1, {"loss": 0.5})
    append_epoch(path, 2, {"loss": 0.25, "score": 0.125})
    assert read_epochs(path) == [
        {"epoch": "1", "loss": "0.5", "score": ""},
        {"epoch": "2", "loss": "0.25", "score": "0.125"},
    ]
    drop_epochs_after(path, 1)
    assert [row["epoch"] for row in read_epochs(path)] == ["1"]
