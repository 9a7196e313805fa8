"""A run on a cluster with stub work, as a program: python -m tests.cluster.stub_run ADDRESS OUTPUT COUNT DELAY."""

import functools
import sys
from pathlib import Path

from common.cluster.client import make_rows_on_cluster, open_client
from common.cluster.job import prepare_job
from common.errors import run_main
from common.output.rows import write_rows
from tests.cluster.stubs import stub_images, stub_maker


def stub_run(address, output, numbers, *, delay=0.0, limit=60.0, skip_bad=False):
    """Write the CSV of stub images; return how many objects it has."""
    images = stub_images(numbers)
    job = prepare_job(*stub_maker(output.parent, delay=delay), limit)
    with open_client(address) as client:
        make = functools.partial(make_rows_on_cluster, client, images, job, print, skip_bad=skip_bad)
        return write_rows(images, images.image_ids, make, output, fingerprint="stub")


if __name__ == "__main__":
    address, output, count, delay = sys.argv[1:]
    numbers = [number % 100 for number in range(int(count))]
    run_main(lambda: stub_run(address, Path(output), numbers, delay=float(delay)))
