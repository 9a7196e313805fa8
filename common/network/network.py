"""What the training loop knows of a network, and the network of a config."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from common.batches.changes import Change
from common.batches.loader import BatchLoader
from common.config import RunConfig
from common.images.image_set import ImageSet
from common.mask_rcnn_config import MaskRCNNConfig
from common.unet_config import UNetConfig

if TYPE_CHECKING:
    import keras


class Network(Protocol):
    """A `keras.Model` that is called with a batch, returns its losses by name, and sums them in `compute_loss`.

    Attributes:
        config: of the run.
        loss_names: short names of the losses, for the progress bar.
        layer_groups: regular expressions of layer names, by the groups that a schedule may name.
        random_states: states of the network's random generators.
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
    """Return the network of a config, with initial weights.

    Raises:
        TypeError: no network has such a config.
    """
    if isinstance(config, MaskRCNNConfig):
        from common.network.mask_rcnn.model import MaskRCNN

        return MaskRCNN(config)
    if isinstance(config, UNetConfig):
        from common.network.unet.model import UNet

        return UNet(config)
    raise TypeError(f"no network has a {type(config).__name__}")


def prepare_backend(config: RunConfig) -> str:
    """Seed the initial weights; return a line with the backend, devices and precision of training."""
    import keras

    from common.network.precision import describe_precision

    keras.utils.set_random_seed(config.seed)
    devices = ", ".join(keras.distribution.list_devices())
    return f"{keras.backend.backend()} on {devices}; {describe_precision(config.bfloat16)}"
