"""What it costs to read images, beside what a step of training costs.

    python tools/bench_data.py --data_dir=YOUR_TFDS_FOLDER

Rows: CIFAR-10 of TFDS, and a folder of 128 x 128 JPEG files made for this, decoded once (--cache_mb) or each time. For
each: images a second that one core reads, the images of a step, and the share of reading in the step's processor time.
Steps are those of `configs/cifar.flags`, and for 128 x 128 of the same net with a batch of 16; both with one learner.
"""

import os
import sys
import tempfile
import time

import numpy as np
from absl import flags
from measuring import alone
from PIL import Image

from tfdgan.cli import command

_IMAGES, _SIDE = 1_000, 128
_NETS = dict(model="dcgan", width_g=64, width_d=64, strategy="local", critic_steps=5)


def _define(flag_values):
    flags.DEFINE_string("data_dir", "", "Folder of the prepared TFDS set cifar10.", flag_values=flag_values)
    flags.DEFINE_integer("batches", 40, "Batches that are read.", lower_bound=2, flag_values=flag_values)
    flags.DEFINE_integer("steps", 3, "Steps that are timed.", lower_bound=1, flag_values=flag_values)


def write_images(folder, number=_IMAGES, side=_SIDE):
    """JPEG files of smooth colours with a little noise: as large as photographs are."""
    random = np.random.default_rng(0)
    for index in range(number):
        coarse = random.integers(256, size=(8, 8, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        noisy = np.clip(image + random.normal(scale=8, size=image.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(os.path.join(folder, f"{index}.jpg"), quality=90)


def reading(options, batches):
    """Processor seconds an image, threads of all kinds included, after the first batch."""
    from tfdgan.tasks import ImageOptions, ImageTask

    asked = ImageOptions(**options)
    source = ImageTask(asked).source()
    stream = iter(source.stream(asked.batch_size, 0, 0))
    next(stream)
    begun = time.process_time()
    for _ in range(batches):
        next(stream)
    return (time.process_time() - begun) / (batches * asked.batch_size)


def stepping(options, steps):
    """(processor seconds a step on images in memory, images of a step)."""
    from step_worker import Steps

    from tfdgan import distributed

    distributed.start()
    steps_of = Steps({**options, "dataset": "given", "data_dir": ""})
    steps_of.block(1)  # compiles
    begun = time.process_time()
    steps_of.block(steps)
    return (time.process_time() - begun) / steps, options["batch_size"] * options["critic_steps"]


def main(argv):
    flag_values = command.parse(argv, _define)
    cifar = dict(dataset="cifar10", data_dir=flag_values.data_dir, batch_size=64, **_NETS)
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder)
        large = dict(dataset=f"folder:{folder}", image_size=_SIDE, batch_size=16, **_NETS)
        costs = {}
        print(f"{'images':<32}{'a second a core':>16}{'a step':>8}{'step, s':>9}{'share':>8}", flush=True)
        for name, options in {
            "cifar10": cifar,
            "folder, 128x128, decoded once": large,
            "folder, 128x128, each time": {**large, "cache_mb": 0.0},
        }.items():
            side = options.get("image_size", 32)
            if side not in costs:
                costs[side] = alone(stepping, {**options, "image_size": side}, flag_values.steps)
            seconds, count = costs[side]
            each = alone(reading, options, flag_values.batches)
            print(f"{name:<32}{1 / each:>16,.0f}{count:>8}{seconds:>9.2f}{each * count / seconds:>8.1%}", flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
