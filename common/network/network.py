"""What the training loop knows of a network, and the network of a config."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from common.batches.changes import Change
from common.batches.loader import BatchLoader
from common.images.image_set import ImageSet
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.unet import UNetConfig

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
    """Return the network of a config, with initial weights, to train on as many devices as it says.

    Raises:
        TypeError: no network has such a config.
        InputError: the machine has fewer devices.
    """
    from common.network.devices import find_devices

    with find_devices(config.devices).scope():
        if isinstance(config, MaskRCNNConfig):
            from common.network.mask_rcnn.model import MaskRCNN

            return MaskRCNN(config)
        if isinstance(config, UNetConfig):
            from common.network.unet.model import UNet

            return UNet(config)
    raise TypeError(f"no network has a {type(config).__name__}")


def prepare_backend(config: RunConfig) -> str:
    """Seed the initial weights; return a line with the backend, devices and precision of training.

    Raises:
        InputError: the machine has fewer devices than the config says.
    """
    import keras

    from common.network.devices import find_devices
    from common.network.precision import describe_precision

    keras.utils.set_random_seed(config.seed)
    used, all_devices = find_devices(config.devices).names, keras.distribution.list_devices()
    idle = f" of {len(all_devices)} (--devices)" if len(all_devices) > len(used) else ""
    return f"{keras.backend.backend()} on {', '.join(used)}{idle}; {describe_precision(config.bfloat16)}"
