#!/usr/bin/env bash
# Predict the test part with the latest weights, into a checked submissions/rsna.csv.
#     bash rsna/predict.sh --dataset datasets --fuse-views --shrink 0.875
# LOGS names another folder of runs, PYTHON another interpreter; everything else is a flag of `pneumonia.py predict`.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-$root/.venv/bin/python}"
exec "$python" "$root/rsna/pneumonia.py" predict --logs "${LOGS:-logs}" --weights last --output submissions/rsna.csv "$@"
