"""The type of what `keras.ops` takes and returns, for annotations alone: a tensor of whatever backend."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
