"""The lung function of AWS Lambda with ONNX Runtime, beside the same function with TensorFlow.

    python deploy/lung-lambda/build.py --python .venv/bin/python --output build/bench
    python benchmarks/serverless.py --package build/bench/package --dataset lung.zip

Each start is a process of its own. The package's has nothing else to import (`python -I -S`), but boto3 where it reads
from S3, which a server of this machine plays; Lambda's runtime has boto3, too. Both sides give the same masks, but for
pixels whose probability differs from the threshold by less than the two round differently.
"""

import argparse
import base64
import contextlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import cv2
import numpy as np

from benchmarks.measure import print_table, readable
from common.images.decoding import encode_png
from common.masks.rle import decode_rle
from lung.dataset import load_images

ROOT = Path(__file__).resolve().parents[1]
LARGEST = (4020, 4892)  # pixels, as many of Montgomery's have
WITH_TENSORFLOW = ("tensorflow-cpu", "keras", "h5py", "numpy", "opencv-python-headless", "pillow", "pydicom", "tqdm")
# What a process does: answer events; print answers, then pairs of seconds, by the clock and of processors, from the
# first import to the first answer and of each answer, and its peak memory in MiB.
CLIENT = """
import sys, time
now = lambda: (time.perf_counter(), time.process_time())
since = lambda begin: [end - start for end, start in zip(now(), begin)]
start = now()
sys.path[:0] = sys.argv[2:3]
sys.path += sys.argv[3:]
from lung import serverless
if sys.flags.isolated == 0:
    import functools
    from common.predictor import MapPredictor
    serverless.find_predictor = functools.cache(lambda *_: MapPredictor.load("lung"))
import json
answers, seconds, cold = [], [], None
for event in json.load(open(sys.argv[1])):
    begin = now()
    answers.append(serverless.lambda_handler(event, None))
    seconds.append(since(begin))
    cold = cold or since(start)
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([answers, seconds, cold, peak]))
"""


def main() -> None:
    """Compare the sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="built for this interpreter")
    parser.add_argument("--dataset", type=Path, required=True, help="folder or zip of radiographs")
    parser.add_argument("--repeats", type=int, default=5, help="processes of each side")
    flags = parser.parse_args()
    images = load_images(flags.dataset).first(6)
    radiographs = [encode_png(images.load_image(row)) for row in range(len(images))]
    large = encode_png(cv2.resize(images.load_image(0), LARGEST[::-1], interpolation=cv2.INTER_CUBIC), noisy=True)
    package = flags.package.resolve()
    isolated = [sys.executable, "-I", "-S", "-B"]
    with tempfile.TemporaryDirectory() as folder, bucket_of(radiographs[0]) as environment:
        events = Path(folder) / "events.json"
        sides = {
            "ONNX Runtime": (isolated, [package], {}),
            "ONNX Runtime, without bytecode": ([*isolated, "-X", "pycache_prefix=/nowhere"], [package], {}),
            "ONNX Runtime, from S3": (isolated, [package, site_packages()], environment),
            "TensorFlow": ([sys.executable], [ROOT], {"TF_CPP_MIN_LOG_LEVEL": "3"}),
        }
        runs: dict[str, list] = {name: [] for name in sides}
        for _ in range(flags.repeats):
            for name, (python, paths, variables) in sides.items():
                batch = [{"image_key": "a.png"}] if variables and "LUNG_BUCKET" in variables else []
                batch += [{"image": base64.b64encode(data).decode()} for data in [*radiographs, large]]
                events.write_text(json.dumps(batch))
                command = [*python, "-c", CLIENT, events, *paths]
                done = subprocess.run(
                    command, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, check=True
                )
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        check_equal(runs)
    sizes = {"ONNX Runtime": folder_size(package), "TensorFlow": installed_size(WITH_TENSORFLOW)}
    columns = ["function", "cold start", "answer", f"answer, {LARGEST[1]}x{LARGEST[0]}"]
    print_table([*columns, "peak memory", "package"], (row(name, runs[name], sizes) for name in sides))


def row(name: str, runs: list, sizes: dict[str, int]) -> list[str]:
    """Return a row of the table; of each time the best, by the clock and of processors."""
    _, seconds, cold, peaks = zip(*runs, strict=True)
    bests = np.min(seconds, axis=0)  # of each answer; the first is cold, the last is large
    cells = [np.min(cold, axis=0), np.median(bests[2:-1], axis=0), bests[-1]]
    times = [f"{readable(clock)} ({readable(processors)})" for clock, processors in cells]
    return [name, *times, f"{max(peaks):.0f} MiB", f"{sizes[name] / 1e6:.0f} MB" if name in sizes else ""]


def check_equal(runs: dict[str, list]) -> None:
    """Check that all sides give the same masks, up to rounding."""
    masks = {name: [decode(answer) for answer in run[0][0][-7:]] for name, run in runs.items()}
    first, *others = masks.values()
    for other in others:
        different = sum(int((one != two).sum()) for one, two in zip(first, other, strict=True))
        assert different <= 1e-5 * sum(mask.size for mask in first), different


def decode(answer: dict) -> np.ndarray:
    """Return the mask of an answer."""
    content = json.loads(answer["body"])
    assert answer["statusCode"] == 200, content
    return decode_rle(content["mask_rle"], (content["height"], content["width"]))


@contextlib.contextmanager
def bucket_of(radiograph: bytes) -> Iterator[dict[str, str]]:
    """Yield the environment of a function that reads from a bucket with one radiograph, a.png."""
    import boto3

    from tests.aws import aws_here

    with aws_here() as environment:
        names = {"endpoint_url": "AWS_ENDPOINT_URL", "aws_access_key_id": "AWS_ACCESS_KEY_ID"}
        names |= {"aws_secret_access_key": "AWS_SECRET_ACCESS_KEY", "region_name": "AWS_DEFAULT_REGION"}
        s3 = boto3.client("s3", **{name: environment[variable] for name, variable in names.items()})
        s3.create_bucket(Bucket="hospital", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
        s3.put_object(Bucket="hospital", Key="a.png", Body=radiograph)
        yield environment | {"LUNG_BUCKET": "hospital", "LUNG_PREFIX": ""}


def site_packages() -> Path:
    """Return the folder that has boto3."""
    import boto3

    return Path(boto3.__file__).parents[1]


def folder_size(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def installed_size(names: tuple[str, ...]) -> int:
    """Return the bytes of installed packages and of all that they require, without bytecode."""
    left, seen, size = list(names), set(), 0
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            package = importlib.metadata.distribution(name)
            size += sum(file.size or 0 for file in package.files or () if file.suffix != ".pyc")
            left += [re.split(r"[^\w.-]", one)[0] for one in package.requires or () if "extra ==" not in one]
    return size


if __name__ == "__main__":
    main()
