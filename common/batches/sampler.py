"""The order in which training sees the images: balanced groups, endless shuffled passes, folds."""

from collections.abc import Sequence

import numpy as np


def size_balanced_indices(sizes: np.ndarray, *, root: bool = False) -> np.ndarray:
    """Repeat the images of rare sizes: `most // n` copies of each image of a group of n.

    Args:
        sizes: (N,) or (N, K), what groups the images: (height, width), or a class.
        root: make as many copies as the square root of `most / n` says, rounded: rare sizes come more often, but a
            single image of its size does not come as often as all those of the most common one.

    Returns:
        (M,) int64, image indices, ascending; `most` is the size of the largest group.

    Source: the third-place solution of the Data Science Bowl 2018; the root is that of Mahajan et al.: Exploring the
    Limits of Weakly Supervised Pretraining, 2018.

    Example:
        >>> size_balanced_indices(np.array([[9, 9], [9, 9], [9, 9], [4, 5]])).tolist()
        [0, 1, 2, 3, 3, 3]
    """
    groups = group_numbers(sizes)
    counts = np.bincount(groups)
    most = counts.max(initial=0)
    return np.repeat(np.arange(len(groups)), _copies(most, counts[groups], root))


def class_balanced_indices(class_ids: Sequence[np.ndarray], *, root: bool = False) -> np.ndarray:
    """Repeat the images of rare classes: `most // n` copies of an image whose rarest class is in n images.

    Args:
        class_ids: (K,) int of each of N images, the classes of its objects; an image without objects occurs once.
        root: see `size_balanced_indices`.

    Returns:
        (M,) int64, image indices, ascending; `most` is how many images the most common class is in.

    Source: Gupta et al.: LVIS, 2019, repeat factor sampling, with the rule of `size_balanced_indices` for the factor.

    Example:
        >>> class_balanced_indices([np.array([1]), np.array([1, 1]), np.array([1, 2]), np.array([])]).tolist()
        [0, 1, 2, 2, 2, 3]
    """
    present = [np.unique(ids) for ids in class_ids]
    names, in_images = np.unique(np.concatenate([np.zeros(0, int), *present]), return_counts=True)
    counts = dict(zip(names.tolist(), in_images.tolist(), strict=True))
    most = max(counts.values(), default=1)
    rarest = [min((counts[name] for name in ids.tolist()), default=most) for ids in present]
    return np.repeat(np.arange(len(present)), _copies(most, np.array(rarest, int), root))


class Sampler:
    """An endless stream of image indices: pass after pass, each a permutation of its own.

    Stateless: an entry depends on the seed and its position alone, so a run can resume and a worker can start anywhere.

    Args:
        indices: (M,) int, image indices; an image may occur more than once.
        seed: of all permutations.
    """

    def __init__(self, indices: np.ndarray, seed: int) -> None:
        self.indices = np.asarray(indices)
        self.seed = seed
        if not len(self.indices):
            raise ValueError("a sampler needs at least one image")

    def __len__(self) -> int:
        """Return the length of a pass."""
        return len(self.indices)

    def indices_at(self, position: int, count: int) -> np.ndarray:
        """Return the image indices at the stream's positions `position` to `position + count - 1`.

        Args:
            position: first position, 0 or more.
            count: positions.

        Returns:
            (count,) int, image indices.

        Example:
            >>> sorted(Sampler(np.array([4, 5, 6]), seed=1).indices_at(3, 3).tolist())
            [4, 5, 6]
        """
        first, offset = divmod(position, len(self))
        passes = range(first, (position + count - 1) // len(self) + 1)
        stream = [np.random.default_rng([self.seed, number]).permutation(self.indices) for number in passes]
        return np.concatenate([self.indices[:0], *stream])[offset : offset + count]


def group_numbers(sizes: np.ndarray) -> np.ndarray:
    """Number the distinct rows of `sizes`: (N,) int64."""
    return np.unique(np.asarray(sizes), axis=0, return_inverse=True)[1].reshape(-1)


def _copies(most: int, counts: np.ndarray, root: bool) -> np.ndarray:
    """Return how often an image of a group occurs, from how many images its group has, at most `most`."""
    return np.rint(np.sqrt(most / counts)).astype(int) if root else most // counts
