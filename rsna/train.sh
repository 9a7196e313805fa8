#!/usr/bin/env bash
# Train from the latest weights: resume the run under logs, or start one; published presets start from the COCO weights.
#     bash rsna/train.sh --dataset datasets --preset lungfish
# LOGS names another folder of runs, PYTHON another interpreter; everything else is a flag of `pneumonia.py train`.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
logs="${LOGS:-logs}"
start=()
if [ -f "$logs/pneumonia/last.npz" ]; then
    echo "latest weights: $logs/pneumonia/last.h5"
    start=(--weights last)
fi
exec "${PYTHON:-$root/.venv/bin/python}" "$root/rsna/pneumonia.py" train --logs "$logs" ${start[@]+"${start[@]}"} "$@"
