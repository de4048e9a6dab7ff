"""Makes an extractor for --inception where Inception is not to be had: a classifier of a labelled image set.

    python tools/train_extractor.py --dataset=cifar10 --data_dir=YOUR_TFDS_FOLDER --epochs=12 --output=my_extractor

A residual net of widths 1, 2, 4, 8 times --width; its features are the means over height and width before the last
layer. Writes a SavedModel (images float32 [n, side, side, c] in [-1, 1] -> pool_3, logits) and REPORT.txt beside it.
Scores by it carry the folder's name. On 2 cores CIFAR-10 takes about 4 minutes an epoch at width 32.
"""

import dataclasses
import os
import shutil
import sys

import numpy as np
from absl import flags

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.options.paths import expanded
from tfdgan.tasks import ImageOptions

_BATCH = 128
_WITHOUT_SPLITS = ("gaussians", "digits")


def _define(flag_values):
    flags.DEFINE_string("dataset", "cifar10", "As in training; it must have labels.", flag_values=flag_values)
    flags.DEFINE_string("data_dir", "", "Where TFDS keeps its data.", flag_values=flag_values)
    text = "Size to which images are brought, as of training."
    flags.DEFINE_string("image_size", "0", text, flag_values=flag_values)
    flags.DEFINE_integer("width", 32, "Channels of the first stage.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("epochs", 12, "Passes over the data.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_float("learning_rate", 2e-3, "Of Adam; falls to 0 as a cosine.", flag_values=flag_values)
    flags.DEFINE_boolean("flip", True, "Mirror images at random; not for signs and digits.", flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Of everything.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_string("output", None, "The SavedModel's folder; must not exist yet.", flag_values=flag_values)


def classifier(shape, classes, width, flip):
    """(model to train, with shifts by up to an eighth of the side and mirrors; model -> (features, logits))."""
    import keras
    from keras import layers

    def norm(x):
        return layers.BatchNormalization(momentum=0.9)(x)

    images = keras.Input(shape)
    x = layers.Conv2D(width, 3, padding="same", use_bias=False)(images)
    for stage in range(4):
        channels, stride = width << stage, 1 if stage == 0 else 2
        y = layers.ReLU()(norm(x))
        shortcut = layers.Conv2D(channels, 1, strides=stride, use_bias=False)(y)
        y = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(y)
        y = layers.Conv2D(channels, 3, padding="same", use_bias=False)(layers.ReLU()(norm(y)))
        x = layers.Add()([y, shortcut])
    features = layers.GlobalAveragePooling2D()(layers.ReLU()(norm(x)))
    logits = layers.Dense(classes)(features)
    both = keras.Model(images, [features, logits])
    original = keras.Input(shape)
    x = layers.RandomTranslation(1 / 8, 1 / 8, fill_mode="reflect")(original)
    x = layers.RandomFlip("horizontal")(x) if flip else x
    return keras.Model(original, both(x)[1]), both


def accuracy(model, options):
    """(accuracy, split) on a split that was not trained on; None where there is none."""
    from tfdgan.data import folder, listing, tfds_images

    load, channels = tfds_images.load, model.inputs[0].shape[-1]
    form, name = dataclasses.replace(options.form, channels=channels), options.dataset
    shard = dict(form=form, rank=0, size=1, partition="iid")
    if name in _WITHOUT_SPLITS:
        return None
    for split in ("test", "validation"):
        try:
            if name.startswith("folder:"):
                path = name.removeprefix("folder:")
                source = folder.load(path, split=split, classes=listing.of(path).classes, **shard)
            else:
                source = load(name, data_dir=options.data_dir, split=split, **shard)
        except UserError:
            continue
        right = 0
        for samples, labels in source.stream(1, 0, 0, labelled=True).unbatch().take(len(source)).batch(_BATCH):
            right += int(np.sum(model(samples, training=False).numpy().argmax(axis=1) == labels.numpy()))
        return right / len(source), split
    return None


def trained(source, flag_values):
    """(both models of `classifier`, accuracy while training) after training on a source's samples."""
    import keras

    steps = max(1, len(source) // _BATCH)
    model, both = classifier(source.sample_shape, source.classes, flag_values.width, flag_values.flip)
    rate = keras.optimizers.schedules.CosineDecay(flag_values.learning_rate, steps * flag_values.epochs)
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = source.stream(_BATCH, flag_values.seed, 0, labelled=True).prefetch(2)
    history = model.fit(
        batches, epochs=flag_values.epochs, steps_per_epoch=steps, verbose="auto" if sys.stdout.isatty() else 2
    )
    return model, both, history.history["accuracy"][-1]


def write(both, report, output):
    """Write the extractor and REPORT.txt in it, whole or not at all."""
    from tfdgan.metrics import extractor
    from tfdgan.storage import files

    beside = f"{os.path.normpath(output)}.{os.getpid()}.tmp"
    try:
        extractor.save(both, beside)
        files.write_text(os.path.join(beside, "REPORT.txt"), report)
        os.replace(beside, output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def main(argv):
    flag_values = command.parse(argv, _define)
    output = expanded("output", *command.required(flag_values, "output"))
    if os.path.exists(output):
        raise UserError(f"--output={output}: exists already; choose a new folder")
    where = {name: flag_values[name].value for name in ("data_dir", "image_size")}
    options = ImageOptions(dataset=flag_values.dataset, **where)

    import keras

    from tfdgan import data

    keras.utils.set_random_seed(flag_values.seed)
    source = data.load(options.dataset, data_dir=options.data_dir, form=options.form)
    if source.classes is None:
        raise UserError(f"--dataset={flag_values.dataset}: has no labels")
    model, both, learned = trained(source, flag_values)
    found = accuracy(model, options)
    lines = [
        f"classifier of {flag_values.dataset}, width {flag_values.width}, {flag_values.epochs} epochs, "
        f"seed {flag_values.seed}; accuracy while training {learned:.4f}",
        f"{found[1]} accuracy {found[0]:.4f}" if found else "no split was left to measure its accuracy on",
    ]
    write(both, "\n".join(lines) + "\n", output)
    print("\n".join(lines))
    print(f"{output}: use it by --inception={output}")


if __name__ == "__main__":
    command.run(main, sys.argv)
