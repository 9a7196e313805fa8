"""What the training loop knows of a network, and which network a config asks for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from common.batches.changes import Change
from common.batches.loader import BatchLoader
from common.config import RunConfig
from common.images.image_set import ImageSet
from common.mask_rcnn_config import MaskRCNNConfig

if TYPE_CHECKING:
    import keras


class Network(Protocol):
    """A `keras.Model` that is called with a batch, returns its losses by name, and sums them in `compute_loss`.

    Attributes:
        config: of the run.
        loss_names: of each loss, the short name for the progress bar.
        layer_groups: regular expressions of layer names by the words that a schedule may use for them.
        random_states: variables that the network draws random numbers from.
    """

    config: Any
    loss_names: Mapping[str, str]
    layer_groups: Mapping[str, str]

    @property
    def random_states(self) -> Sequence[Any]:
        """See the class."""

    def batches(self, images: ImageSet, *, training: bool, change: Change | None = None) -> BatchLoader:
        """Return batches of this network's inputs and targets."""


def build_network(config: RunConfig) -> "keras.Model":
    """Return the network that a config is of, with initial weights.

    Raises:
        TypeError: a config of no network.
    """
    if isinstance(config, MaskRCNNConfig):
        from common.network.mask_rcnn.model import MaskRCNN

        return MaskRCNN(config)
    raise TypeError(f"{type(config).__name__} is the config of no network")


def prepare_backend(config: RunConfig) -> str:
    """Seed the initial weights, and return a line that says on which backend and devices training runs, and how."""
    import keras

    from common.network.precision import describe_precision

    keras.utils.set_random_seed(config.seed)
    devices = ", ".join(keras.distribution.list_devices())
    return f"{keras.backend.backend()} on {devices}; {describe_precision(config.bfloat16)}"
