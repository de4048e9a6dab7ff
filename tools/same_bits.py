"""Does a change of the code change what is computed? Trains every configuration here and at a revision, and compares.

    python tools/same_bits.py --revision=63786b1 --data=DATA

Each configuration of configs/ trains 10 steps on 2 learners, from its own flags but for its widths, which are small.
The arrays of each learner's checkpoint (weights, optimizer slots, averages, state of the strategy) are hashed with
their names. A line says for each configuration whether both trees give the same bits on every learner.

DATA holds what the configurations read: `tfds/` with cifar10, `coco_captions/`, `yelp/`. In place of ImageNet stands
noise with labels. Hashes are kept in --output, so an interrupted call goes on; a hash of this folder is made anew by
each call, since its code may have changed.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
LEARNERS, STEPS = 2, 10
_FEW = ["--eval_every=0", "--checkpoint_every=0", f"--steps={STEPS}", "--log_every=5"]
_NARROW = {  # flags of a configuration beside its own, by the beginning of its name
    "style": ["--width_g=12", "--style_size=4", "--width_d=6", "--pretraining_steps=5"],
    "text": ["--width_g=8", "--width_d=4", "--pretraining_steps=5"],
    "": ["--width_g=8", "--width_d=8"],
}


def noise64():
    """(images, labels) that stand for ImageNet at side 64."""
    return _noise(64)


def noise128():
    """(images, labels) that stand for ImageNet at side 128."""
    return _noise(128)


def _noise(side):
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (64, side, side, 3)).astype(np.float32), np.arange(64) % 10


def arguments(name, data):
    """The flags of `train` for a configuration."""
    narrow = next(extra for beginning, extra in _NARROW.items() if name.startswith(beginning))
    own = {
        "imagenet_sagan": ["--dataset=same_bits:noise128"],
        "imagenet64_sagan": ["--dataset=same_bits:noise64"],
        "text_file": [f"--dataset=file:{data}/coco_captions"],
    }
    extra = own.get(name, [])
    if name.startswith("style_yelp"):
        extra = [f"--dataset=file:{data}/yelp/sentiment"]
    elif not extra:
        extra = [f"--data_dir={data}" if name == "text_coco" else f"--data_dir={data}/tfds"]
    return [f"--flagfile={ROOT}/configs/{name}.flags", *narrow, *_FEW, *extra]


def digest(tree, name, data, workdir):
    """A hash of every learner's arrays after training in a tree: {"hash", "arrays", "seconds"}."""
    beside = {"PYTHONPATH": os.pathsep.join([str(tree), str(ROOT / "tools")]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    horovodrun = [os.path.join(os.path.dirname(sys.executable), "horovodrun"), "--gloo", "-np", str(LEARNERS)]
    command = [*horovodrun, sys.executable, "-m", "tfdgan.train", *arguments(name, data), f"--workdir={workdir}"]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=tree, env={**os.environ, **beside}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"error: {name} in {tree} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    content, count = hashlib.sha256(), 0
    for path in sorted(pathlib.Path(workdir).glob("checkpoints/*/learner_*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            for array in sorted(arrays.files):
                found = arrays[array]
                content.update(f"{path.name} {array} {found.dtype.str} {found.shape}".encode() + found.tobytes())
                count += 1
    return {"hash": content.hexdigest()[:16], "arrays": count, "seconds": round(time.monotonic() - begun)}


def checkout(revision, folder):
    """The tree of a revision, in a folder."""
    if not folder.is_dir():
        command = ["git", "worktree", "add", "--force", "--detach", str(folder), revision]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def main(argv):
    """Compare every configuration that is asked for; exit code 1 if one differs."""
    given = flags.FlagValues()
    flags.DEFINE_string("revision", None, "Revision to compare with.", flag_values=given, required=True)
    flags.DEFINE_string("data", None, "Folder of the real data.", flag_values=given, required=True)
    flags.DEFINE_list("configurations", [], "Names in configs/; all where left out.", flag_values=given)
    flags.DEFINE_string("output", "runs/same_bits", "Folder for hashes and runs.", flag_values=given)
    flags.DEFINE_boolean("here", True, "Train here too; else only make the revision's hashes.", flag_values=given)
    given(argv)
    output, data = pathlib.Path(given.output).resolve(), os.path.abspath(given.data)
    output.mkdir(parents=True, exist_ok=True)
    kept = output / f"{given.revision}.json"
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    names = given.configurations or sorted(path.stem for path in (ROOT / "configs").glob("*.flags"))
    different = 0
    for name in names:
        if name not in before:
            tree = checkout(given.revision, output / f"tree-{given.revision}")
            with _workdir(output / f"{name}-{given.revision}") as workdir:
                before[name] = digest(tree, name, data, workdir)
            kept.write_text(json.dumps(before, indent=1) + "\n")
        if not given.here:
            print(f"{name}: {before[name]}", flush=True)
            continue
        with _workdir(output / f"{name}-here") as workdir:
            now = digest(ROOT, name, data, workdir)
        same = all(now[what] == before[name][what] for what in ("hash", "arrays"))
        different += not same
        verdict = "same bits" if same else f"DIFFERENT, {before[name]['hash']} before"
        print(f"{name}: {verdict}, {now['hash']} over {now['arrays']} arrays, {now['seconds']} s", flush=True)
    sys.exit(1 if different else 0)


class _workdir:
    """A folder that is empty before and gone after, unless something went wrong."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        subprocess.run(["rm", "-rf", str(self._path)], check=True)
        return self._path

    def __exit__(self, kind, *_):
        if kind is None:
            subprocess.run(["rm", "-rf", str(self._path)], check=True)


if __name__ == "__main__":
    main(sys.argv)
