#!/usr/bin/env bash
# Run a command with /kaggle/input, read-only, and /kaggle/working, in the mount namespace that `unshare` made.
#   sandbox.sh ROOT WORKING PLAN COMMAND...
# ROOT: an empty folder for the new root. WORKING: becomes /kaggle/working. PLAN: a line per input, its place below
# /kaggle/input, a tab, and its path.
set -euo pipefail

root=$1 working=$2 plan=$3
shift 3

mount -t tmpfs kaggle "$root"
for entry in /*; do
    if [ -L "$entry" ]; then
        cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ] && [ "$entry" != /kaggle ]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done

mkdir -p "$root/kaggle/input" "$root/kaggle/working"
mount --bind "$working" "$root/kaggle/working"
mount -t tmpfs input "$root/kaggle/input"
while IFS=$'\t' read -r place path; do
    target="$root/kaggle/input/$place"
    mkdir -p "$target"
    mount --bind "$path" "$target"
    # In a user namespace, flags of the file system below must be repeated.
    mount -o remount,bind,ro "$target" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$target"
done <"$plan"
mount -o remount,ro "$root/kaggle/input"
ip link set lo up 2>/dev/null || true

exec chroot "$root" /usr/bin/env -C /kaggle/working "$@"
