"""What TensorBoard reads of a folder."""

from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def read_events(folder):
    """Return the events that TensorBoard shows, by tag: a list of (step, value) each.

    Numbers are floats, texts strings, images (width, height, file), histograms rows of (left, right, count).
    """
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {tag: [(one.step, _value(one)) for one in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def steps(events, start=""):
    """Return the steps by tag, of the tags that begin with a text."""
    return {tag: [step for step, _ in values] for tag, values in events.items() if tag.startswith(start)}


def _value(event):
    array = make_ndarray(event.tensor_proto)
    if array.dtype != object:
        return float(array) if array.ndim == 0 else array
    if array.ndim == 0:
        return array.item().decode()
    width, height, file = array
    return int(width), int(height), file
