"""A prediction script on a cluster, with data in a bucket: the CSV of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import DSB, LOG_LINE
from tests.storage.buckets import SCHEMES, serve_buckets

for package in ("distributed", "s3fs", "moto.server", "gcsfs", "gcp_storage_emulator"):
    pytest.importorskip(package)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def buckets(tmp_path_factory):
    """Six generated images in a folder, and the same in buckets; what a script sees of them."""
    folder = tmp_path_factory.mktemp("set")
    data = ["--output", "data", "--images", "1", "--test-images", "6", "--seed", "3", "--sizes", "64x64,64x96"]
    subprocess.run([sys.executable, str(DSB / "generate.py"), *data], cwd=folder, check=True)
    files = folder / "data" / "stage1_test"
    content = {f"set/{path.relative_to(files)}": path.read_bytes() for path in files.rglob("*.png")}
    with serve_buckets("nuclei", content) as settings:
        yield folder, settings


def infer(buckets, output, *flags):
    folder, settings = buckets
    command = [sys.executable, str(DSB / "my_inference.py"), "--weights", "small", "--csv-only", "--output", output]
    environment = os.environ | settings | {"TQDM_DISABLE": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    run = subprocess.run([*command, *flags], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not [line for line in run.stderr.splitlines() if not LOG_LINE.match(line)]
    return run.stdout, Path(folder, output).read_bytes()


def test_a_bucket_on_a_cluster_gives_the_file_of_a_folder_in_one_process(buckets):
    _, rows = infer(buckets, "one.csv", "--dataset", "data/stage1_test")
    assert len(rows.splitlines()) > 7
    for scheme in SCHEMES:
        flags = ["--dataset", f"{scheme}://nuclei/set", "--scheduler", "local:2"]
        printed, others = infer(buckets, f"{scheme}.csv", *flags)
        assert others == rows
        assert "cluster tcp://127.0.0.1:" in printed and "dashboard http://127.0.0.1:" in printed
