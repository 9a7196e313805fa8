#!/usr/bin/env python3
"""Run a command on a machine that may be taken away, with its files on S3.

    with-s3 --fetch s3://bucket/data/train.zip train.zip --keep s3://bucket/small/logs logs -- \
        python -m rsna.pneumonia train --dataset train.zip --logs logs

Fetches files, then a folder, and runs the command. What the command writes to the folder is uploaded every minute and
at the end, so that the same line goes on where it stopped, on any machine. SIGTERM, and EC2's notice that a spot
machine will be taken, end the command with SIGTERM; the exit code is then 143, which Batch is told to try again.

In what follows --, and in both flags, {index} is this machine's number in an array job, 00000 and so on, and {shard} is
the number from 1.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.log import logger
from common.storage.s3 import Mirror, Place, fetch, open_s3

ENDPOINT = "http://169.254.169.254"  # of the machine's own facts
POLL = 5.0  # seconds between two looks for the notice; EC2 recommends them
SHORT = 0.2  # seconds between two looks at the command


def main() -> None:
    """Fetch, run, keep, and end with the command's exit code."""
    parser = OneLineParser(__doc__, "%(prog)s [--fetch S3 PATH] [--keep S3 FOLDER] -- COMMAND")
    add = parser.add_argument
    add("--fetch", nargs=2, action="append", default=[], metavar=("S3", "PATH"), help="an object, or all below a /")
    add("--keep", nargs=2, metavar=("S3", "FOLDER"), help="fetched before, and uploaded as it changes")
    add("--every", type=float, default=60, metavar="SECONDS", help="between two uploads (default: 60)")
    add("command", nargs="+", metavar="COMMAND", help="what to run")
    flags = parser.parse_args([_numbered(text) for text in sys.argv[1:]])
    if flags.every <= 0:
        raise InputError(f"--every {flags.every:g}: must be more than 0")

    client = open_s3()
    for url, path in flags.fetch:
        fetch(client, Place.parse(url), Path(path))
    mirror = Mirror(client, Place.parse(flags.keep[0]), Path(flags.keep[1])) if flags.keep else None
    if mirror:
        mirror.fetch()
    code = run(flags.command, mirror.push if mirror else lambda: None, flags.every)
    if mirror:
        mirror.push()
    raise SystemExit(code)


def run(command: Sequence[str], push: Callable[[], None], every: float) -> int:
    """Run a command, and call `push` now and then; return its exit code, as a shell gives it.

    Args:
        command: the program and its arguments.
        push: uploads what is new; what goes wrong then is told, and tried again later.
        every: seconds between two calls.
    """
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise InputError(f"{command[0]}: {error.strerror}; give a program after --") from None

    def stop(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=warn_of_spot, args=(process.terminate,), daemon=True).start()
    due = time.monotonic() + every
    while process.poll() is None:
        time.sleep(SHORT)
        if time.monotonic() >= due:
            try:
                push()
            except InputError as error:
                logger.warning(f"warning: {error}; trying again in {every:g} s")
            due = time.monotonic() + every
    code = process.returncode
    return 128 - code if code < 0 else code


def warn_of_spot(terminate: Callable[[], None]) -> None:
    """Wait for EC2's notice, two minutes before it takes a spot machine, and call `terminate`; elsewhere, return."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", ENDPOINT).rstrip("/")
    while True:
        try:
            header = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            token = _ask(f"{base}/latest/api/token", header, "PUT")
            notice = _ask(f"{base}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token})
        except urllib.error.HTTPError as error:
            if error.code != 404:  # there is no notice yet
                logger.warning(f"warning: {base}: {error}; without it, a spot machine is taken without notice")
                return
        except OSError:  # this is no EC2 machine
            return
        else:
            logger.warning(f"this machine will be taken: {_described(notice)}")
            terminate()
            return
        time.sleep(POLL)


def _ask(url: str, headers: dict[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=2) as answer:
        return str(answer.read().decode())


def _described(notice: str) -> str:
    try:
        facts: Any = json.loads(notice)
        return f"{facts['action']} at {facts['time']}"
    except (ValueError, KeyError, TypeError):
        return notice


def _numbered(text: str) -> str:
    """Return an argument with this machine's number in an array job; outside of one, it is the first."""
    index = int(os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
    return text.replace("{index}", f"{index:05}").replace("{shard}", str(index + 1))


if __name__ == "__main__":
    run_main(main)
