"""The viewer: images, ground truth and submissions in the browser. `python -m viewer --help` says how."""
