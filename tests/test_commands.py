"""The commands as a user calls them: a short run without a launcher, then everything that reads its workdir."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, environment, launch

from tfdgan.cli.config import Config
from tfdgan.training.dashboard import MEANINGS

pytestmark = pytest.mark.slow

TRAIN = ("-m", "tfdgan.train", "--flagfile=configs/digits.flags", "--log_every=10", "--eval_every=20")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir after 20 steps on digits, and what training said."""
    workdir = tmp_path_factory.mktemp("run") / "digits"
    done = launch(0, *TRAIN, f"--workdir={workdir}", "--steps=20")
    return workdir, done.stdout


def test_train_says_where_things_are(run):
    workdir, said = run
    assert f"samples: {workdir}/samples/00000020.png" in said
    assert f"tensorboard --logdir {workdir}" in said
    assert f"done: 20 steps, {workdir}" in said
    assert (workdir / "samples/00000020.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_takes_no_flag_of_another_task(run):
    done = launch(0, "-m", "tfdgan.evaluate", f"--workdir={run[0]}", "--beam=3", check=False)
    assert done.returncode == 2 and done.stderr == "error: --beam=3: means nothing for --task=image\n"


def test_tensorboard_has_everything(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
    from tensorboard.plugins.hparams import metadata

    events = EventAccumulator(str(run[0] / "tensorboard")).Reload()
    tags = set(events.Tags()["tensors"])
    assert tags >= {
        *("loss/critic", "loss/generator", "loss/critic_spread", "loss/generator_spread", "loss/gradient_penalty"),
        *("gradient_norm/critic", "gradient_norm/generator", "consensus/distance", "consensus/distance_exact"),
        *("time/step", "time/waiting", "time/waiting_share", "speed/samples_per_second", "samples", "flags"),
        "score/FD digits_classifier",
    }
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    kept = metadata.parse_session_start_info_plugin_data(content).hparams
    assert {name for name in tags if "/" in name and not name.startswith(("score/", "_hparams_"))} <= set(MEANINGS)
    (layout,) = (event.tensor_proto.string_val[0] for event in events.Tensors("custom_scalars__config__"))
    charts = Layout.FromString(layout).category[0].chart
    assert [chart.title for chart in charts][:2] == ["scores", "losses"] and len(charts) == 5
    for chart in charts:  # whose patterns match tags from their start on; no line is drawn of a tag with brackets
        found = {tag for tag in tags for pattern in chart.multiline.tag if re.match(pattern, tag)}
        if chart.title != "scores":
            assert found and found <= {pattern.rstrip("$") for pattern in chart.multiline.tag}
    assert not [tag for tag in tags if re.search(r"[()]", tag)]
    assert set(kept) == {field.name for field in dataclasses.fields(Config)} - {"workdir"}
    assert (kept["batch_size"].number_value, kept["random_mixing"].bool_value) == (32, True)
    assert [event.step for event in events.Tensors("loss/critic")] == [10, 20]


def test_the_workdir_replays(run, tmp_path):
    """The kept flagfile makes the same run in another folder."""
    workdir, _ = run
    launch(0, "-m", "tfdgan.train", f"--flagfile={workdir}/config.flags", f"--workdir={tmp_path}/again")
    for name in ("learner_000.npz", "consensus.npz"):
        with (
            np.load(workdir / "checkpoints/00000020" / name) as ours,
            np.load(tmp_path / "again/checkpoints/00000020" / name) as theirs,
        ):
            assert ours.files == theirs.files
            assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours.files)


def test_changed_flags_are_listed(run):
    done = launch(0, *TRAIN, f"--workdir={run[0]}", "--steps=30", "--batch_size=16", "--width_g=8", check=False)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "width_g: 32 -> 8" in errors[0] and "batch_size: 32 -> 16" in errors[0] and "steps" not in errors[0]


def test_the_workdir_alone_is_enough_to_go_on(run, tmp_path):
    """With its own flags, not the defaults; with other threads than those of the checkpoint, which is said."""
    shutil.copytree(run[0], tmp_path / "run")
    flags = (f"--workdir={tmp_path}/run", "--steps=21")
    said = launch(0, "-m", "tfdgan.train", *flags, TF_NUM_INTRAOP_THREADS="7").stdout
    assert "resuming at step 20" in said and "done: 21 steps" in said
    assert "warning: (7, 0) threads (intra, inter), the checkpoint had" in said
    before, after = ((folder / "config.flags").read_text() for folder in (run[0], tmp_path / "run"))
    assert after == before.replace(str(run[0]), f"{tmp_path}/run").replace("--steps=20\n", "--steps=21\n")


def test_evaluate_prints_scores_with_signatures(run):
    said = launch(0, "-m", "tfdgan.evaluate", f"--workdir={run[0]}", "--samples=600", cold=True).stdout
    assert "FD (digits_classifier): " in said and "generated 600" in said and "consensus EMA" in said
    as_json = launch(0, "-m", "tfdgan.evaluate", f"--workdir={run[0]}", "--samples=600", "--format=json").stdout
    values = [json.loads(line) for line in as_json.splitlines()]
    assert f"{values[0]['name']}: {values[0]['value']:.4g} [" in said and values[0]["signature"]["generated"] == 600
    shared = launch(3, "-m", "tfdgan.evaluate", f"--workdir={run[0]}", "--samples=600").stdout
    three = {line.split(">:")[-1] for line in shared.splitlines() if line.startswith("[0]<stdout>:")}
    assert three == set(said.splitlines())  # to the digits that are printed, signatures and all
    records = [json.loads(line) for line in (run[0] / "scores.jsonl").read_text().splitlines()]
    assert {"step", "name", "value", "signature"} <= set(records[-1])


def test_generate_is_a_function_of_the_seed(run, tmp_path):
    pictures = []
    for seed in (0, 0, 1):
        path = tmp_path / f"{len(pictures)}.png"
        flags = (f"--workdir={run[0]}", "--num=9", f"--seed={seed}", f"--output={path}")
        launch(0, "-m", "tfdgan.generate", *flags, cold=not pictures)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_generate_arrays_and_interpolations(run, tmp_path):
    flags = ("-m", "tfdgan.generate", f"--workdir={run[0]}", "--num=2")
    launch(0, *flags, "--layout=interpolation", "--frames=3", "--truncation=0.5", f"--output={tmp_path}/a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["samples"].shape == (6, 8, 8, 1) and stored["samples"].dtype == np.uint8
        assert stored["step"] == 20 and len(stored["latents"]) == 6
        assert np.abs(stored["latents"][[0, 2, 3, 5]]).max() <= 0.5  # the ends of the paths
        assert "labels" not in stored.files
    for wrong, words in (
        (["--layout=classes", "--output=a.png"], "--layout=classes: this generator knows no classes"),
        (["--frames=4", "--output=a.png"], "--frames=4: only --layout=interpolation has them"),
        (["--output=a.jpg"], "--output=a.jpg: give a name that ends in .png or .npz"),
    ):
        done = launch(0, *flags, *wrong, check=False)
        assert done.returncode == 2 and words in errors(done)[0]


CONDITIONAL = """
import keras
from keras import layers


def build(config, sample_shape, classes):
    latents, labels = keras.Input((config.latent_size,)), keras.Input((), dtype="int32")
    both = layers.Concatenate()([latents, layers.Embedding(classes, 4)(labels)])
    generator = keras.Model([latents, labels], layers.Reshape(sample_shape)(layers.Dense(64, "tanh")(both)))
    images, labels = keras.Input(sample_shape), keras.Input((), dtype="int32")
    both = layers.Concatenate()([layers.Flatten()(images), layers.Embedding(classes, 4)(labels)])
    return generator, keras.Model([images, labels], layers.Dense(1)(layers.Dense(16, "relu")(both)))
"""


def test_a_conditional_run_from_end_to_end(tmp_path):
    """A model of one's own with plain embeddings; labels reach training, samples and the exported model."""
    import tensorflow as tf

    (tmp_path / "pair.py").write_text(CONDITIONAL)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    flags = ("--dataset=digits", "--model=pair:build", "--conditional", "--critic_steps=2", "--batch_size=16")
    options = ("--eval_every=10", "--eval_samples=200", "--log_every=5", f"--workdir={tmp_path}/run")
    done = launch(2, "-m", "tfdgan.train", *flags, *options, "--steps=10", PYTHONPATH=path)
    assert "best: FD (digits_classifier)" in done.stdout and "done: 10 steps" in done.stdout
    record = json.loads((tmp_path / "run/scores.jsonl").read_text().splitlines()[0])
    assert record["signature"]["labels"] == "uniform" and record["signature"]["generated"] == 200
    generate = ("-m", "tfdgan.generate", f"--workdir={tmp_path}/run", "--step=best", "--layout=classes", "--num=2")
    launch(0, *generate, f"--output={tmp_path}/classes.npz", PYTHONPATH=path)
    with np.load(tmp_path / "classes.npz") as stored:
        assert stored["labels"].tolist() == [label for label in range(10) for _ in range(2)]
        samples, latents, labels = stored["samples"], stored["latents"], stored["labels"]
    assert (samples[0] != samples[2]).any()  # another class, the same latent
    one = ("-m", "tfdgan.generate", f"--workdir={tmp_path}/run", "--num=2", f"--output={tmp_path}/one.npz")
    assert "2 samples of class 7 of step" in launch(0, *one, "--label=7", PYTHONPATH=path).stdout
    done = launch(0, *one, "--label=ten", PYTHONPATH=path, check=False)
    assert errors(done) == ["error: --label=ten: no such class; give one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"]
    export = ("-m", "tfdgan.export", f"--workdir={tmp_path}/run", f"--output={tmp_path}/model")
    launch(0, *export, PYTHONPATH=path)
    assert (tmp_path / "model/labels.txt").read_text().splitlines() == list("0123456789")
    model = tf.saved_model.load(str(tmp_path / "model"))
    served = model.signatures["serving_default"](latents=tf.constant(latents), labels=tf.constant(labels))["images"]
    assert np.abs((served.numpy() + 1) * 127.5 - samples).max() <= 0.5 + 1e-3
    drawn = model.signatures["sample"](labels=tf.constant([3, 3, 4]), seed=tf.constant(1, tf.int64))["images"]
    assert drawn.shape == (3, 8, 8, 1)


IN_A_FRESH_PROCESS = """
import sys
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
served = model.signatures["serving_default"](latents=tf.constant(np.load(sys.argv[2])))["images"]
sample = model.signatures["sample"]
a, b, c = (sample(number=tf.constant(5, tf.int64), seed=tf.constant(s, tf.int64))["images"] for s in (1, 1, 2))
assert a.shape == (5, 8, 8, 1) and np.array_equal(a, b) and not np.array_equal(a, c)
assert not any(name.split(".")[0] in ("tfdgan", "horovod") for name in sys.modules)
np.save(sys.argv[3], served)
"""


def test_export_needs_only_tensorflow_and_gives_the_same_images(run, tmp_path):
    from tfdgan.cli import workdir

    _, sampler, _ = workdir.load(str(run[0]))
    latents = sampler.latents(7, seed=3).numpy()
    np.save(tmp_path / "latents.npy", latents)
    launch(0, "-m", "tfdgan.export", f"--workdir={run[0]}", f"--output={tmp_path}/model")
    arguments = [tmp_path / "model", tmp_path / "latents.npy", tmp_path / "images.npy"]
    clean = {**environment(), "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, *arguments], cwd=tmp_path, env=clean, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), sampler(latents).numpy())
    again = launch(0, "-m", "tfdgan.export", f"--workdir={run[0]}", f"--output={tmp_path}/model", check=False)
    assert again.returncode == 2 and "exists already" in again.stderr


def errors(done):
    return [line for line in done.stderr.splitlines() if "error: " in line]


def test_wrong_flags_are_one_line_of_one_learner(tmp_path):
    done = launch(3, *TRAIN, f"--workdir={tmp_path}/run", "--topology=torus", "--batch_size=0", check=False)
    assert done.returncode != 0 and "done" not in done.stdout
    assert len(errors(done)) == 1 and errors(done)[0].startswith("[0]") and "--batch_size=0" in errors(done)[0]


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--dataset=given"], "--dataset=given: what Python passes in"),
        (["--dataset=no_such_set"], "no_such_set"),
        (["--dataset=cifar10", "--data_dir=/nowhere"], "not prepared in /nowhere"),
        (["--workdir=/proc/nothing"], "/proc/nothing: cannot be written"),
    ],
)
def test_bad_input_after_the_flags(flags, words, tmp_path):
    done = launch(0, *TRAIN, f"--workdir={tmp_path}/run", *flags, check=False)
    assert done.returncode == 2 and len(errors(done)) == 1 and words in errors(done)[0], done.stderr[-2000:]


def test_commands_on_an_empty_workdir(tmp_path):
    for command in ("evaluate", "generate", "export"):
        done = launch(0, "-m", f"tfdgan.{command}", f"--workdir={tmp_path}", f"--output={tmp_path}/a.png", check=False)
        if command == "evaluate":
            assert done.returncode == 2 and "--output: no such flag" in errors(done)[0]
        else:
            assert done.returncode == 2 and "nothing was trained there" in errors(done)[0]


def test_evaluate_of_points_suggests_no_extractor(tmp_path):
    (tmp_path / "points.py").write_text("import numpy as np\n\n\ndef data():\n    return np.ones((64, 2))\n")
    path, flags = f"{tmp_path}{os.pathsep}{ROOT}", ("--dataset=points:data", "--model=mlp", "--steps=2")
    launch(0, "-m", "tfdgan.train", *flags, f"--workdir={tmp_path}/run", PYTHONPATH=path)
    assert (tmp_path / "run/samples/00000002.png").is_file()
    done = launch(0, "-m", "tfdgan.evaluate", f"--workdir={tmp_path}/run", check=False, PYTHONPATH=path)
    assert done.returncode == 2 and "--inception" not in done.stderr
    assert "no score is known for samples of shape 2, as --dataset=points:data has" in errors(done)[0]


def test_different_flags_on_different_ranks(tmp_path):
    """Rank 1 reads another seed; rank 0 alone says so."""
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(
        "import os, sys\n"
        "from tfdgan import train\nfrom tfdgan.cli import command\n"
        "command.run(train.main, [*sys.argv, '--seed=' + os.environ['HOROVOD_RANK']])\n"
    )
    done = launch(2, wrapper, *TRAIN[2:], f"--workdir={tmp_path}/run", "--steps=5", check=False)
    assert done.returncode != 0
    assert [line for line in errors(done) if "[0]" in line] == errors(done) and len(errors(done)) == 1
    assert "learner 1 was given other flags than learner 0: seed: 0 -> 1" in errors(done)[0]
    assert not os.path.exists(tmp_path / "run")


def test_different_matrices_in_one_place(tmp_path):
    """Each learner starts in a folder of its own, which holds another W.npy."""
    for rank, weight in enumerate([0.5, 0.25]):
        (tmp_path / str(rank)).mkdir()
        np.save(tmp_path / str(rank) / "W.npy", [[1 - weight, weight], [weight, 1 - weight]])
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(
        "import os, sys\n"
        "from tfdgan import train\nfrom tfdgan.cli import command\n"
        f"os.chdir(os.path.join({str(tmp_path)!r}, os.environ['HOROVOD_RANK']))\n"
        "command.run(train.main, sys.argv)\n"
    )
    flags = (f"--flagfile={ROOT}/configs/digits.flags", *TRAIN[3:], "--topology=W.npy")
    done = launch(2, wrapper, *flags, f"--workdir={tmp_path}/run", check=False)
    assert done.returncode != 0 and len(errors(done)) == 1
    assert "--topology=W.npy: learner 1 reads another matrix than learner 0" in errors(done)[0]
    assert not os.path.exists(tmp_path / "run")


def test_without_a_compiler_alltoall_carries_the_mixes(tmp_path):
    flags = ("--dataset=gaussians", "--model=mlp", "--steps=5", "--eval_every=0", f"--workdir={tmp_path}/run")
    bare = dict(CXX="no-compiler-here", TFDGAN_CACHE=f"{tmp_path}/cache")
    done = launch(2, "-m", "tfdgan.train", *flags, "--link_mbit=100", **bare)
    said = done.stdout + done.stderr
    assert said.count("--link_mbit=100 has no effect: only the native exchange paces itself") == 1
    assert "done: 5 steps" in said and said.count("gossip runs on the backend horovod, where every mix waits") == 1
    assert "no compiler no-compiler-here here" in said
    done = launch(2, "-m", "tfdgan.train", *flags, "--gossip_backend=native", check=False, **bare)
    assert done.returncode != 0 and len(errors(done)) == 1
    assert "gossip backend native: learner 0, 1: native exchange: no compiler" in errors(done)[0]


def test_input_that_is_bad_on_one_learner_only(tmp_path):
    """Learner 1's disk fails; rank 0 says whose, and nobody waits for ever."""
    (tmp_path / "disks.py").write_text(
        "import os\nimport numpy as np\n\n\ndef data():\n"
        "    if os.environ['HOROVOD_RANK'] == '1':\n        raise OSError('disk 7 is gone')\n"
        "    return np.ones((64, 2))\n"
    )
    flags = ("--dataset=disks:data", "--model=mlp", f"--workdir={tmp_path}/run", "--steps=5")
    done = launch(2, "-m", "tfdgan.train", *flags, check=False, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode != 0 and len(errors(done)) == 1
    assert errors(done)[0].startswith("[0]") and "disks:data: OSError: disk 7 is gone (" in errors(done)[0]
    assert "(learner 1 on " in errors(done)[0]


@pytest.mark.parametrize("tool", ["bench_cifar.py", "experiments/slow_networks.py"])
def test_tools_refuse_flags_in_one_line(tool):
    done = launch(0, ROOT / "tools" / tool, "--learners=some", check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "--learners=some: give a whole number" in errors(done)[0], (
        done.stderr[-2000:]
    )


def test_topology_tool(tmp_path):
    picture = tmp_path / "ring.png"
    said = launch(0, ROOT / "tools/topology.py", "--topology=ring", "--sizes=4,8", f"--output={picture}").stdout
    none = launch(0, ROOT / "tools/topology.py", "--topology=hypercube", "--sizes=6", check=False)
    assert none.returncode == 2 and errors(none) == [
        "error: topology hypercube: 6 learners are no power of two; use 2, 4, 8, ... learners"
    ]
    assert "0.6667" in said and "0.1953" in said
    assert picture.read_bytes().startswith(b"\x89PNG")
