"""One logger: quiet in a library, plain lines on stdout in a script."""

import subprocess
import sys

CODE = "from common.log import log_to_stdout, logger\n{}\nlogger.info('read 3 images'); logger.warning('warning: dark')"


def run(before):
    code = CODE.format(before)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_a_library_only_warns():
    done = run("")
    assert (done.stdout, done.stderr) == ("", "warning: dark\n")


def test_a_script_says_everything_once_on_stdout():
    done = run("log_to_stdout(); log_to_stdout()")
    assert (done.stdout, done.stderr) == ("read 3 images\nwarning: dark\n", "")
