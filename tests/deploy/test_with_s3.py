"""A command with its files on S3: fetched before, kept while it runs, and ended in time."""

import http.server
import json
import re
import signal
import threading
import time

import pytest

from common.storage.s3 import open_s3
from tests.aws import REGION
from tests.deploy.machines import finish, start

WRITE = (
    "import pathlib, sys; pathlib.Path('out').mkdir(exist_ok=True); pathlib.Path('out', 'a').write_text(sys.argv[1])"
)
# Says that it is there, waits for SIGTERM, takes its time, and leaves a file.
WAIT = """
import pathlib, signal, sys, time
def end(number, frame):
    time.sleep(0.5)
    pathlib.Path('out', 'state').write_text('saved')
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
pathlib.Path('out', 'there').write_text('yes')
time.sleep(60)
sys.exit(1)
"""


@pytest.fixture
def bucket(aws, request):
    """A bucket of the test's own."""
    name = f"bucket-{abs(hash(request.node.name))}"
    open_s3().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def put(bucket, key, content):
    open_s3().put_object(Bucket=bucket, Key=key, Body=content)


def contents(bucket):
    client = open_s3()
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", ())]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def with_s3(bucket, code, *arguments, flags=()):
    return ["with-s3", *flags, "--keep", f"s3://{bucket}/run", "out", "--", "python", "-c", code, *arguments]


def test_files_come_and_go(bucket, environment, tmp_path):
    put(bucket, "data/x.txt", "x")
    put(bucket, "run/before", "b")
    code = "import pathlib; pathlib.Path('out', 'sum').write_text(open('in/x').read() + open('out/before').read())"
    flags = ["--fetch", f"s3://{bucket}/data/x.txt", "in/x"]
    code, output, errors = finish(start(with_s3(bucket, code, flags=flags), tmp_path, environment))
    assert (code, output, errors) == (0, "", "")
    assert contents(bucket) == {"data/x.txt": "x", "run/before": "b", "run/sum": "xb"}


@pytest.mark.parametrize(("ending", "expected"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_is_the_commands(bucket, environment, tmp_path, ending, expected):
    code = f"import os; {WRITE}; {ending}"
    assert finish(start(with_s3(bucket, code, "kept"), tmp_path, environment))[0] == expected
    assert contents(bucket) == {"run/a": "kept"}


def test_a_machine_of_an_array_knows_its_number(bucket, environment, tmp_path):
    for index, name in ((None, "alone"), (7, "eighth")):
        command = with_s3(f"{bucket}/{{index}}", WRITE, "{shard}/8 {index}")
        assert finish(start(command, tmp_path / name, environment, index=index))[0] == 0
    assert contents(bucket) == {"00000/run/a": "1/8 00000", "00007/run/a": "8/8 00007"}


def test_sigterm_is_passed_on_and_what_it_leaves_is_kept(bucket, environment, tmp_path):
    process = start(with_s3(bucket, WAIT, flags=["--every", "0.2"]), tmp_path, environment)
    wait_for(lambda: contents(bucket).get("run/there"))  # uploaded while the command runs
    process.send_signal(signal.SIGTERM)
    code, _, errors = finish(process)
    assert (code, errors) == (143, "")
    assert contents(bucket) == {"run/there": "yes", "run/state": "saved"}


class Metadata(http.server.BaseHTTPRequestHandler):
    """EC2's facts of a machine, for those who have a token; `notice` is what it says of an interruption."""

    notice = None

    def do_PUT(self):
        assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200 if self.path == "/latest/api/token" else 404, "token")

    def do_GET(self):
        allowed = self.headers["X-aws-ec2-metadata-token"] == "token"
        known = self.path == "/latest/meta-data/spot/instance-action" and self.server.notice
        self.server.asked += 1
        self.answer((200 if known else 404) if allowed else 401, self.server.notice or "")

    def answer(self, code, text):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def metadata():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.notice, server.asked = None, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_spot_machine_is_taken(bucket, environment, tmp_path, metadata):
    own = {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{metadata.server_port}/",
    }
    process = start(with_s3(bucket, WAIT), tmp_path, environment, **own)
    wait_for(lambda: metadata.asked and (tmp_path / "out" / "there").exists())
    metadata.notice = json.dumps({"action": "terminate", "time": "2026-11-26T12:00:00Z"})
    code, output, errors = finish(process)
    assert (code, errors) == (143, "")
    assert output == "this machine will be taken: terminate at 2026-11-26T12:00:00Z\n"
    assert contents(bucket)["run/state"] == "saved"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--keep", "s3://nowhere/run", "out", "--", "python"], "s3://nowhere/run/: .*NoSuchBucket"),
        (["--fetch", "data.zip", "in", "--", "python"], "data.zip: not on S3; give s3://bucket/name"),
        (["--", "no-such-program"], "no-such-program: No such file or directory; give a program after --"),
        (["--every", "0", "--", "python"], "--every 0: must be more than 0"),
        (["--fetch", "s3://bucket/a", "in"], "the following arguments are required: COMMAND"),
    ],
)
def test_bad_input_is_one_line(environment, aws, tmp_path, command, message):
    code, _, errors = finish(start(["with-s3", *command], tmp_path, environment))
    assert code == 2
    assert errors.count("\n") == 1
    assert re.search(message, errors)
