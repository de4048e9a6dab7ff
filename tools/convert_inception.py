"""Makes the extractor for --inception of the Inception weights that PyTorch's community uses: scores are FID, KID, IS.

    python tools/convert_inception.py --weights=pt_inception-2015-12-05-6726825d.pth --output=inception

The file is a state dict, as pytorch-fid and torch-fidelity download it (95,628,359 bytes); nothing is downloaded here.
To read it takes PyTorch (`pip install torch`), to use the SavedModel does not. Images of any size are rounded to bytes
and resized to 299 x 299 as TensorFlow 1 did it. Features are those of torch-fidelity to 1e-4 (tests/test_inception.py).

Scores by it are named FID, KID and IS if the file's SHA-256 is the known one; else they carry the folder's name.
"""

import hashlib
import os
import shutil
import sys

from absl import flags

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.options.paths import expanded


def _define(flag_values):
    flags.DEFINE_string("weights", None, "The state dict's file.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "The SavedModel's folder; must not exist yet.", flag_values=flag_values)


def read(path):
    """({name: array}, the SHA-256 in hex) of a state dict's file."""
    try:
        import torch
    except ImportError as error:
        raise UserError("PyTorch is not installed, which reads the file: pip install torch") from error
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in stored.items()}, digest
    except Exception as error:  # of the file system, of pickle, of zip files, or PyTorch's own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"--weights={path}: not a state dict of PyTorch ({reason[:200]})") from error


def main(argv):
    flag_values = command.parse(argv, _define)
    if not flag_values.weights or not flag_values.output:
        raise UserError("--weights and --output are both needed")
    path, output = (expanded(name, flag_values[name].value) for name in ("weights", "output"))
    if not os.path.isfile(path):
        raise UserError(f"--weights={path}: no such file")
    if os.path.exists(output):
        raise UserError(f"--output={output}: exists already; choose a new folder")
    weights, digest = read(path)

    import tensorflow as tf

    from tfdgan.metrics import inception

    model = inception.build()
    try:
        inception.take_weights(model, weights)
    except ValueError as error:
        raise UserError(f"--weights={path}: not the Inception of FID ({error})") from error
    beside = f"{os.path.normpath(output)}.{os.getpid()}.tmp"
    try:
        inception.save(model, digest, beside)
        os.replace(beside, output)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"--output={output}: cannot be written ({error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    known = digest == inception.KNOWN_SHA256
    names = "FID, KID and IS" if known else f"FD, KD and IS with this folder's name: SHA-256 {digest[:8]} is not known"
    print(f"{output}: --inception={output} gives {names}")


if __name__ == "__main__":
    command.run(main, sys.argv)
