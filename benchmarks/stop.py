"""How long a run takes to save its state when it is stopped, and to put it on S3: for the largest network and others.

    python benchmarks/stop.py
    python benchmarks/stop.py --presets small

Saves `last.h5` and `last.npz` of a preset's network and optimiser as Ctrl-C and SIGTERM do, then uploads both to moto's
S3 on this machine, whose times say what our side costs, not the network. Add the longest step of the training.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import in_own_process, print_table, readable
from dsb.config import PRESETS

DEADLINE = 60.0  # seconds


def main() -> None:
    """Measure the presets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="published,small", help="of dsb/, separated by commas")
    rows = []
    for preset in parser.parse_args().presets.split(","):
        size, saving, uploading = in_own_process(measure, preset)
        assert saving + uploading < DEADLINE, f"{preset}: {saving + uploading:.0f} s"
        rows.append((preset, f"{size / 2**20:.0f} MiB", readable(saving), readable(uploading)))
    print_table(("preset", "last.h5 and last.npz", "saved in", "uploaded in"), rows)


def measure(preset: str) -> tuple[int, float, float]:
    """Return the size of a state, bytes, and the seconds that it takes to save and to upload it."""
    from keras import ops

    from common.network.network import build_network
    from common.network.training.optimizer import build_optimizer
    from common.network.weights import save_weights
    from common.runs.checkpoint import Checkpoint, save_checkpoint
    from common.settings.config import LAST_WEIGHTS
    from common.storage.s3 import Mirror, Place, open_s3
    from tests.aws import aws_here

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    config = PRESETS[preset]
    model = build_network(config)
    optimizer = build_optimizer(config)
    optimizer.build(model.trainable_variables)
    variables = [*model.weights, *model.random_states, *optimizer.variables]
    with tempfile.TemporaryDirectory() as name, aws_here() as environment:
        folder = Path(name)
        begin = time.perf_counter()
        save_weights(model, folder / LAST_WEIGHTS)
        arrays = [ops.convert_to_numpy(variable) for variable in variables]
        save_checkpoint(folder, Checkpoint(1, 0.0, "", 1.0, [], "", config.to_json(), arrays))
        saved = time.perf_counter()
        os.environ.update(environment)
        client = open_s3()
        client.create_bucket(
            Bucket="runs", CreateBucketConfiguration={"LocationConstraint": environment["AWS_DEFAULT_REGION"]}
        )
        before = time.perf_counter()
        Mirror(client, Place("runs", "stop/"), folder).push()
        uploaded = time.perf_counter()
        return sum(path.stat().st_size for path in folder.iterdir()), saved - begin, uploaded - before


if __name__ == "__main__":
    main()
