"""What an extractor's scores come to where the answer is known: real test images, noise, blur, a class missing.

    python tools/known_distances.py --dataset=cifar10 --data_dir=YOUR_TFDS_FOLDER --inception=SAVED_MODEL

Each set is compared with all training images. Use it to see whether an extractor can tell what it should: the test
images nearest, what lacks a class or is blurred clearly further, noise far away.
"""

import sys

import numpy as np
from absl import flags

from tfdgan.cli import command
from tfdgan.tasks import ImageOptions

_BATCH = 250


def _define(flag_values):
    flags.DEFINE_string("dataset", "cifar10", "A TFDS image set with labels and a test split.", flag_values=flag_values)
    flags.DEFINE_string("data_dir", "", "Where TFDS keeps its data.", flag_values=flag_values)
    flags.DEFINE_string("inception", None, "SavedModel with outputs pool_3 and logits.", flag_values=flag_values)
    flags.DEFINE_integer("samples", 10_000, "Of each set.", lower_bound=10, flag_values=flag_values)


def sets(train, test, number):
    """{name: images}: `train`, `test` are (images in [-1, 1], labels) of at least `number` images each."""
    from scipy.ndimage import gaussian_filter

    random, (images, labels) = np.random.default_rng(0), train
    first = images[:number]
    noisy = first + random.normal(0, 20 / 127.5, first.shape).astype(np.float32)
    return {
        "test": test[0][:number],
        "train": first,
        "train without class 0": images[labels != 0][:number],
        "train, blurred by sigma 1": gaussian_filter(first, (0, 1, 1, 0)),
        "train + noise of sigma 20 / 255": np.clip(noisy, -1, 1),
        "uniform noise": random.uniform(-1, 1, first.shape).astype(np.float32),
        "one image": np.repeat(first[:1], number, axis=0),
    }


def taken(source, count):
    """(images, labels) of the first `count` samples of a stream that shuffles."""
    samples, labels = next(iter(source.stream(min(count, len(source)), 0, 0, labelled=True)))
    return samples.numpy(), labels.numpy()


def main(argv):
    flag_values = command.parse(argv, _define)
    (path,) = command.required(flag_values, "inception")
    ImageOptions(inception=path).check_judges()

    from tqdm import tqdm

    from tfdgan.data import tfds_images
    from tfdgan.data.images import AS_IT_IS
    from tfdgan.metrics import SavedModelExtractor
    from tfdgan.tasks.image.scores import FeatureScores

    shard = dict(data_dir=flag_values.data_dir, form=AS_IT_IS, rank=0, size=1, partition="iid")
    train, test = (tfds_images.load(flag_values.dataset, split=split, **shard) for split in ("train", "test"))
    scored, number = FeatureScores(SavedModelExtractor(path), train), flag_values.samples

    def bar(batches, length, what):
        return tqdm(batches, total=length, desc=what, disable=None)

    if not scored.knows_real:
        scored.take_real(scored.measure_real((0, 1), bar))
    made = sets(taken(train, 2 * number), taken(test, number), number)
    print(f"| set | {' | '.join(_NAMES)} |\n{'|---' * (len(_NAMES) + 1)}|", flush=True)
    for name, images in made.items():
        batches = [(start, images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
        scores = scored.scores(scored.measure(bar(batches, None, name), len(images), thorough=True), {})
        cells = " | ".join(f"{score.value:.4g}" for score in scores)
        print(f"| {name}, {len(images)} | {cells} |", flush=True)


_NAMES = ("FD", "IS", "KD", "precision", "recall")


if __name__ == "__main__":
    command.run(main, sys.argv)
