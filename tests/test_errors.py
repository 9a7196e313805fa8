import errno
import os
import subprocess
import sys

import pytest

from common.errors import InputError, run_main


def stop_with(error, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--flag"])

    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        run_main(main)
    return stop.value.code, capsys.readouterr().err


def test_success_says_nothing(capsys):
    assert run_main(lambda: None) is None
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_one_line(capsys, monkeypatch):
    code, errors = stop_with(InputError("a.png: torn\n  in two; replace it"), capsys, monkeypatch)
    assert (code, errors) == (2, "train.py: a.png: torn in two; replace it\n")


def test_a_module_goes_by_the_name_of_its_folder(capsys, monkeypatch):
    def main():
        monkeypatch.setattr(sys, "argv", ["/home/me/viewer/__main__.py"])
        raise InputError("a.png: torn; replace it")

    with pytest.raises(SystemExit):
        run_main(main)
    assert capsys.readouterr().err == "/home/me/viewer: a.png: torn; replace it\n"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space and run the same command again"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "raise the limit on a file's size (ulimit -f)"),
        (errno.EMFILE, "raise the limit on open files (ulimit -n)"),
        (errno.ENOMEM, "close other programs"),
        (errno.EROFS, "choose a writable output folder"),
        (errno.EACCES, "may read and write"),
        (errno.ENOTDIR, "does not lead through a file"),
        (errno.EISDIR, "give a file, not a folder"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.EREMOTEIO, "check your credentials and the connection"),
    ],
)
def test_unusable_places_are_one_line(capsys, monkeypatch, number, remedy):
    code, errors = stop_with(OSError(number, os.strerror(number), "out/a.csv"), capsys, monkeypatch)
    assert code == 2
    assert errors.startswith(f"train.py: out/a.csv: {os.strerror(number)}; ")
    assert remedy in errors
    assert errors.count("\n") == 1


def test_interruption_has_its_own_code(capsys, monkeypatch):
    code, errors = stop_with(KeyboardInterrupt(), capsys, monkeypatch)
    assert (code, errors) == (130, "train.py: stopped; run the same command again to resume\n")


@pytest.mark.parametrize(("text", "said"), [("", ""), ("Unable to allocate 3 GiB", " (Unable to allocate 3 GiB)")])
def test_too_little_memory_is_one_line(capsys, monkeypatch, text, said):
    code, errors = stop_with(MemoryError(text), capsys, monkeypatch)
    assert code == 2
    assert errors.startswith(f"train.py: out of memory{said}; close other programs, or use --workers 0")


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("without a number"), OSError(errno.EPIPE, "broken")])
def test_bugs_keep_their_traceback(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        run_main(main)


def test_tensorflow_is_asked_for_silence_unless_the_user_has_spoken():
    command = [sys.executable, "-c", "import os; from common.errors import run_main; run_main(lambda: None)\n"]
    command[-1] += "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    for given, seen in (({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")):
        assert subprocess.check_output(command, env=environment | given, text=True).strip() == seen


def test_matplotlib_gets_a_folder_where_there_is_no_home(tmp_path):
    command = [sys.executable, "-c", "import os; from common.errors import run_main; run_main(lambda: None)\n"]
    command[-1] += "print(os.environ.get('MPLCONFIGDIR'))"
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    temporary = {"TMPDIR": str(tmp_path)}
    for given, seen in (
        ({"HOME": str(tmp_path)}, "None"),
        ({"HOME": "/proc/nowhere"}, f"{tmp_path}/matplotlib-{os.getuid()}"),
        ({"HOME": "/proc/nowhere", "MPLCONFIGDIR": "mine"}, "mine"),
    ):
        assert subprocess.check_output(command, env=environment | temporary | given, text=True).strip() == seen
