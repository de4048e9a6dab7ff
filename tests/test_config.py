"""The options of a run: what is accepted, what is refused, and how it is said."""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from tfdgan.cli.config import Config
from tfdgan.cli.options import EvaluateOptions
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, TextOptions, names

ROOT = pathlib.Path(__file__).parents[1]


def refused(kind=Config, **values):
    """The error of these options, as somebody who gave flags reads it."""
    with pytest.raises(UserError) as caught:
        kind(**values)
    message = caught.value.as_flags()
    assert "\n" not in message
    assert str(caught.value) == re.sub(r"(?<!\w)--(?=[a-z])", "", message)  # as Python's arguments
    return message


def test_errors_name_arguments_in_python_and_flags_in_commands():
    with pytest.raises(UserError) as caught:
        ImageOptions(critic_steps=0)
    assert str(caught.value) == "critic_steps=0: must be at least 1"
    assert caught.value.as_flags() == "--critic_steps=0: must be at least 1"
    with pytest.raises(UserError) as caught:
        TextOptions(strategy="dposg")
    assert str(caught.value) == "strategy=dposg: has its own optimistic step and needs optimizer=sgd, not oadam"


def test_defaults_are_valid_and_frozen():
    config = Config()
    assert (config.strategy, config.topology, config.optimizer) == ("decentralized", "ring", "oadam")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.steps = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "sound"),
        ("partition", "random"),
        ("model", "resnet9000"),
        ("model", "no_such_package.module:factory"),
        ("dataset", "no_such_package.module:data"),
        ("latent_size", 0),
        ("width_g", 0),
        ("width_d", -3),
        ("image_size", "24y"),
        ("image_size", "0x8"),
        ("image_size", -8),
        ("resize", "stretch"),
        ("channels", 2),
        ("background", "very blue"),
        ("cache_mb", -1.0),
        ("objective", "hinge9"),
        ("gradient_penalty", -0.5),
        ("trainer", "none"),
        ("update", "never"),
        ("critic_steps", 0),
        ("strategy", "federated"),
        ("topology", "rign"),
        ("gossip_rounds", 0),
        ("mix_after", "epoch"),
        ("gossip_backend", "tcp"),
        ("wire_dtype", "int8"),
        ("optimizer", "lion"),
        ("learning_rate_g", 0.0),
        ("learning_rate_d", -1e-4),
        ("learning_rate_d", float("nan")),
        ("learning_rate_g", float("inf")),
        ("learning_rate_decay", "cosine"),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("batch_size", 0),
        ("steps", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("ema_decay", 1.0),
        ("log_every", 0),
        ("eval_every", -1),
        ("checkpoint_every", -1),
        ("keep_checkpoints", 0),
    ],
)
def test_bad_value_is_refused_by_flag_and_value(name, value):
    assert refused(**{name: value}).startswith(f"--{name}={value}")


@pytest.mark.parametrize(
    "name, value",
    [("dataset", "folder:/no/such/folder"), ("topology", "no_such_file.npy"), ("inception", "/no/such/model")],
)
def test_missing_file_is_refused_by_flag_and_value(name, value):
    """Only where files are read: export needs none of them."""
    with pytest.raises(UserError) as caught:
        Config(**{name: value}).check_files()
    assert caught.value.as_flags().startswith(f"--{name}={value}")
    assert str(caught.value).startswith(f"{name}={value}")


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 10.0), ("steps", "10"), ("steps", True), ("random_mixing", 1), ("beta_1", "0.5")]
)
def test_value_of_another_type_is_refused(name, value):
    assert refused(**{name: value}).startswith(f"--{name}={value!r}")


def test_an_int_serves_for_a_float():
    assert Config(gradient_penalty=5).gradient_penalty == 5


def test_model_must_suit_the_data():
    assert "--model=dcgan" in refused(dataset="gaussians")
    assert "--model=sagan" in refused(dataset="gaussians", model="sagan")
    assert "--consistency=2" in refused(consistency=2.0, model="resnet")
    assert "--dataset=cifar10" in refused(model="mlp")
    assert refused(augment="flip,blur").startswith("--augment=flip,blur: no 'blur'; choose of flip, diffaug")
    assert "--model=mlp" in refused(augment="flip", model="mlp", dataset="digits")
    assert "models.augmentation.Augmentation" in refused(augment="flip", model="os.path:join")
    assert "--consistency=2" in refused(augment="flip", consistency=2.0, model="ct_resnet")
    assert Config(augment="diffaug, flip,flip,").augment == "flip,diffaug"
    assert Config(dataset="gaussians", model="mlp").model == "mlp"


DPOSG = dict(strategy="dposg", optimizer="sgd", critic_steps=1)


def test_dposg_with_its_own_step_is_accepted():
    assert Config(**DPOSG).gossips


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("optimizer", "oadam"), ("critic_steps", 5), ("update", "alternating"), ("mix_after", "update")),
        *(("mix_order", "after"), ("lookahead_every", 5)),
    ],
)
def test_dposg_refuses_anything_beside_its_own_step(name, value):
    message = refused(**{**DPOSG, name: value})
    assert message.startswith("--strategy=dposg") and f"--{name}=" in message and str(value) in message


def test_the_commands_own_options(tmp_path):
    EvaluateOptions()
    EvaluateOptions(samples=2)
    assert refused(EvaluateOptions, samples=1) == "--samples=1: a score needs at least 2"
    assert refused(EvaluateOptions, samples=-1).startswith("--samples=-1")
    kinds = names.generate_options(None)
    assert refused(kinds["image"]) == "--output is missing: give the name of a file"
    assert "--output=a.txt" in refused(kinds["image"], output="a.txt")
    assert "--output=a.png" in refused(kinds["text"], output="a.png")
    assert "--temperature=0.0" in refused(kinds["text"], output="a.txt", temperature=0.0)
    assert refused(kinds["image"], output="a.png", label="3", layout="classes").startswith("--label=3: ")
    assert refused(kinds["style_transfer"]) == "--to_style is missing: give the number of a style"
    assert refused(kinds["style_transfer"], to_style=0, input=str(tmp_path)).startswith(f"--input={tmp_path}: no such")
    os.mkfifo(tmp_path / "pipe")  # as a shell makes of <(COMMAND)
    kinds["style_transfer"](to_style=0, input=str(tmp_path / "pipe"))


def test_flags_without_effect_are_named():
    assert Config().without_effect() == {}
    config = Config(strategy="local", topology="star", gossip_rounds=2, optimizer="sgd", beta_1=0.1, dataset="digits")
    local = "--strategy=local"
    assert config.without_effect() == {"beta_1": "--optimizer=sgd", "gossip_rounds": local, "topology": local}


@pytest.mark.parametrize(
    "values, name, beside",
    [
        (dict(dataset="gaussians", model="mlp", image_size="8"), "image_size", "--dataset=gaussians"),
        (dict(dataset="folder:x", resize="pad"), "resize", "--image_size=0"),
        (dict(dataset="gaussians", model="mlp", resize="pad"), "resize", "--dataset=gaussians"),
        (dict(model="dcgan", spectral_normalization="critic"), "spectral_normalization", "--model=dcgan"),
        (dict(trainer="adversarial", clip_mode="released"), "clip_mode", "--trainer=adversarial"),
        (dict(consensus_rate=0.5), "consensus_rate", "--compression=none"),
        (dict(strategy="local", consensus_rate=0.5), "consensus_rate", "--strategy=local"),
        (dict(lookahead_rate=0.25), "lookahead_rate", "--lookahead_every=0"),
        (dict(gossip_backend="horovod", gossip_timeout=9.0), "gossip_timeout", "--gossip_backend=horovod"),
        (dict(gradient_penalty=0.0, penalty="r1"), "penalty", "--gradient_penalty=0.0"),
        (dict(noise_every=4), "noise_every", "--second_moment=own"),
        (dict(compression="int8", max_resets=7), "max_resets", "--compression=int8"),
        (dict(memory_slots=3), "memory_slots", "--task=image"),
    ],
)
def test_what_an_option_has_no_effect_with_is_named(values, name, beside):
    assert Config(**values).without_effect()[name] == beside


def test_topology_must_exist_at_the_number_of_learners():
    Config(topology="torus").check_learners(12)
    with pytest.raises(UserError, match="torus.*7"):
        Config(topology="torus").check_learners(7)
    Config(topology="torus", strategy="local").check_learners(7)  # it is not used


def test_pairs_need_a_fixed_symmetric_topology():
    Config(gossip_backend="horovod_pairs").check_learners(4)
    for changes in (dict(random_mixing=True), dict(topology="exponential"), dict(topology="matching")):
        with pytest.raises(UserError, match="horovod_pairs"):
            Config(gossip_backend="horovod_pairs", **changes).check_learners(6)


COMMAND_LINES = {
    "batch": (["--batch_size=0"], 1, "--batch_size=0"),
    "unknown flag": (["--bach_size=4"], 1, "bach_size"),
    "unknown name": (["--strategy=federated"], 1, "--strategy=federated"),
    "no number": (["--steps=many"], 1, "many"),
    "no flagfile": (
        ["--flagfile=no_such.flags"],
        1,
        "error: --flagfile=no_such.flags: cannot be read (No such file or directory)",
    ),
    "no flag": (["digits"], 1, "digits"),
    "torus of 7": (["--topology=torus"], 7, "7"),
    "not doubly stochastic": (["--topology={folder}/rows.npy"], 2, "column 0 sums to 0.75"),
    "wrong size": (["--topology={folder}/four.npy"], 3, "4x4"),
}


@pytest.fixture(scope="module")
def command_runs(tmp_path_factory):
    """Every command line at once, since most of the time goes into starting Python."""
    folder = tmp_path_factory.mktemp("topologies")
    np.save(folder / "rows.npy", [[0.5, 0.5], [0.25, 0.75]])
    np.save(folder / "four.npy", np.full((4, 4), 0.25))
    runs = {}
    for name, (arguments, size, _) in COMMAND_LINES.items():
        command = [sys.executable, "-X", "importtime", "-m", "tfdgan.train"]
        command += [argument.format(folder=folder) for argument in arguments]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOROVOD_SIZE": str(size), "HOROVOD_RANK": "0"}
        runs[name] = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    return {name: (*run.communicate(timeout=60), run.returncode) for name, run in runs.items()}


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_command_says_what_is_wrong_in_one_line_and_at_once(command_runs, name):
    stdout, stderr, code = command_runs[name]
    lines = stderr.splitlines()
    imports = [line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")]
    said = [line for line in lines if not line.startswith("import time:")]
    assert code == 2
    assert stdout == ""
    assert len(said) == 1 and said[0].startswith("error: ") and COMMAND_LINES[name][2] in said[0]
    assert "tfdgan.cli.config" in imports  # the list of imports is one
    assert not {"tensorflow", "keras", "horovod"} & set(imports)


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("--chebyshev", dict(chebyshev=True)),
        ("horovod", dict(mix_delay=1, gossip_backend="horovod")),
        ("--mix_after=step", dict(mix_delay=1, mix_after="update")),
        ("mix_delay", dict(mix_delay=1, strategy="dposg", optimizer="sgd", critic_steps=1)),
        ("--mix_delay=2", dict(mix_delay=2)),
        ("float16", dict(strategy="centralized", wire_dtype="bfloat16")),
        ("--mix_every=0", dict(mix_every=0)),
        ("horovod_pairs", dict(compression="int8", gossip_backend="horovod_pairs")),
        ("--random_mixing", dict(compression="int8", random_mixing=True)),
        ("--mix_every=1, not 2", dict(compression="top_k", mix_every=2)),
        ("--gossip_rounds=1, not 2", dict(compression="top_k", gossip_rounds=2)),
        ("--wire_dtype=float32", dict(compression="top_k", wire_dtype="bfloat16")),
        ("--wire_dtype=float32", dict(chebyshev=True, gossip_rounds=2, wire_dtype="bfloat16")),
        (
            "leave --pretraining_steps=5 out",
            dict(compression="int8", pretraining_steps=5, task="text", dataset="oracle", model="lstm"),
        ),
        ("--on_peer_loss=fail", dict(compression="top_k", on_peer_loss="degrade")),
        ("--mix_order=late", dict(compression="int8", mix_order="after")),
        ("--mix_order=late", dict(mix_delay=1, mix_order="after")),
        ("leave --lookahead_every=5 out", dict(mix_delay=1, lookahead_every=5)),
        ("--mix_order=after", dict(quasi_global=0.9)),
        ("leave --lookahead_every=5 out", dict(quasi_global=0.9, mix_order="after", lookahead_every=5)),
        ("leave --lookahead_every=5 out", dict(strategy="diloco", lookahead_every=5)),
        ("--batch_size=1", dict(batch_size=1, second_moment="split_batch")),
        ("--top_fraction=1.0", dict(compression="top_k", top_fraction=1.0)),
        ("--consensus_rate=-0.5", dict(compression="top_k", consensus_rate=-0.5)),
    ],
)
def test_sparing_ways_to_mix_that_cannot_be(said, values):
    assert said in refused(**values)


def test_sparing_ways_to_mix_that_mean_nothing():
    values = dict(chebyshev=True, mix_every=2, mix_delay=1, top_fraction=0.5, consensus_rate=0.5)
    assert list(Config(**values, strategy="local", compression="int8").without_effect()) == sorted(
        [*values, "compression"]
    )
    assert list(Config(top_fraction=0.5, consensus_rate=0.5).without_effect()) == ["consensus_rate", "top_fraction"]
    assert list(Config(compression="int8", top_fraction=0.5).without_effect()) == ["top_fraction"]


def test_ways_towards_the_centre_that_mean_nothing():
    values = dict(second_moment="split_batch", noise_every=4, mix_order="after", quasi_global=0.5, outer_every=3)
    assert list(Config(**values, strategy="local", lookahead_rate=0.25).without_effect()) == sorted(
        [*values, "lookahead_rate"]
    )
    assert list(Config(noise_every=4).without_effect()) == ["noise_every"]
    assert list(Config(strategy="diloco", outer_every=3, lookahead_rate=0.25).without_effect()) == ["lookahead_rate"]
    assert list(Config(second_moment="split_batch", optimizer="adam").without_effect()) == ["second_moment"]


def test_late_mixing_refuses_a_matrix_under_which_it_would_diverge(tmp_path):
    """A cyclic shift, as plain mixing takes it for ever: z^2 - z + (1 - l) / 2 with l = e^(i pi) = -1 has |z| = 1."""
    shift, halves = np.roll(np.eye(8), 1, axis=1), np.eye(8) / 2 + np.roll(np.eye(8), 1, axis=1) / 2
    for name, matrix in (("shift", shift), ("halves", halves)):
        np.save(tmp_path / f"{name}.npy", matrix)
    Config(mix_delay=1, topology=f"{tmp_path}/halves.npy").check_learners(8)
    with pytest.raises(UserError, match="shift.npy.*1.1"):
        Config(mix_delay=1, topology=f"{tmp_path}/shift.npy").check_learners(8)


def test_topologies_that_sparing_ways_to_mix_do_not_have():
    for values in (dict(chebyshev=True, gossip_rounds=2), dict(compression="int8")):
        with pytest.raises(UserError, match="one_peer_exponential"):
            Config(**values, topology="one_peer_exponential").check_learners(8)
        Config(**values, topology="ring").check_learners(8)
