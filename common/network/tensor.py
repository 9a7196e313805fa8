"""The type of what `keras.ops` takes and returns, for annotations only: a tensor of any backend."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
