"""Several devices that share each training batch, with the losses and gradients of one.

JAX programs see whole batches, wherever their rows lie. TensorFlow runs the network once on each device, which sees its
rows only: there, what concerns the whole batch is summed over the devices. On one device, every function here returns
what it was given.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np

from common.errors import InputError
from common.network.settings import BACKENDS
from common.network.tensor import Tensor


class Devices:
    """The devices of a training; from `find_devices`.

    Attributes:
        names: of the devices, as Keras calls them, such as "gpu:0".
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._distribution: Any = None  # one device needs none
        if len(names) > 1 and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            self._distribution = tf.distribute.MirroredStrategy([f"/{name}" for name in names])
        elif len(names) > 1:
            self._distribution = keras.distribution.DataParallel(devices=list(names))

    def scope(self) -> AbstractContextManager:
        """Return the context in which network and optimiser are built, and steps are done; predictions are not."""
        return self._distribution.scope() if self._distribution else contextlib.nullcontext()

    def split(self, batch: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """Return a batch as the network's steps take it: on TensorFlow, as many equal parts as there are devices.

        Args:
            batch: arrays of B rows by name; B is a multiple of the number of devices.
        """
        if self._distribution is None or keras.backend.backend() != "tensorflow":
            return batch  # Keras distributes it itself on JAX
        import tensorflow as tf

        def part(context: Any) -> dict[str, Tensor]:
            number = context.replica_id_in_sync_group
            with tf.device(f"/{self.names[number]}"):
                return {
                    name: tf.convert_to_tensor(np.split(array, len(self.names))[number])
                    for name, array in batch.items()
                }

        return self._distribution.experimental_distribute_values_from_function(part)


@functools.cache
def find_devices(count: int) -> Devices:
    """Return the machine's first devices of its best kind.

    Args:
        count: how many.

    Raises:
        InputError: there are fewer.
    """
    names = keras.distribution.list_devices()
    if count > len(names):
        raise InputError(
            f"--devices {count}: {BACKENDS[keras.backend.backend()]} sees {len(names)} here, {', '.join(names)}; "
            "choose at most as many"
        )
    return Devices(names[:count])


def by_image(function: Callable) -> Callable:
    """Let each device apply a function to its own images.

    JAX's compiler sends whole features to every device where it meets a sort, a gather or a loop over a batch that they
    share, as it does not see that images have nothing to do with each other.

    Args:
        function: of tensors whose rows belong to the images of a batch in order, to such tensors; each image's rows
            depend on that image alone. What it closes over is the same for all.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return function
    import jax

    rows = jax.sharding.PartitionSpec(distribution.batch_dim_name)
    options: dict[str, Any] = {"mesh": distribution.device_mesh.backend_mesh, "in_specs": rows, "out_specs": rows}
    if hasattr(jax, "shard_map"):
        return jax.shard_map(function, check_vma=False, **options)
    from jax.experimental.shard_map import shard_map  # JAX 0.5

    return shard_map(function, check_rep=False, **options)


def count_shares() -> int:
    """Return into how many parts a batch is split for the code that asks: one where it sees the whole batch."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_devices(values: Any) -> Any:
    """Return sums over the devices, the same on each.

    Args:
        values: a tensor that each device has one of, or a list of such; gradients flow through.
    """
    if count_shares() == 1:
        return values
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def share(value: Tensor) -> Tensor:
    """Return a device's share of a value that is the same on all, or of a mean over equally many rows: they add up."""
    count = count_shares()
    return value if count == 1 else value / count


def batch_uniform(shape: Sequence[Any], seed: keras.random.SeedGenerator) -> Tensor:
    """Return random numbers in [0, 1) for the rows of a batch; a row's do not depend on the number of devices.

    Args:
        shape: (B, N), B the rows that this device sees.
        seed: the generator.
    """
    count = count_shares()
    if count == 1:
        return keras.random.uniform(shape, seed=seed)
    import tensorflow as tf

    rows, columns = shape
    first = tf.distribute.get_replica_context().replica_id_in_sync_group * rows
    return keras.random.uniform((count * rows, columns), seed=seed)[first : first + rows]
