"""The options of a run and their flags: what is accepted, what is refused, and how it is said."""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from tfdgan.cli import command, flagfiles
from tfdgan.cli.config import Config
from tfdgan.cli.options import EvaluateOptions, ExportOptions, WorkdirOptions
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, StyleTransferOptions, TextOptions, names

ROOT = pathlib.Path(__file__).parents[1]

# Every flag of training with its default, which flagfiles of users rely on.
DEFAULTS = dict(
    batch_size=64,
    beta_1=0.5,
    beta_2=0.9,
    center_scores=False,
    chebyshev=False,
    checkpoint_every=1000,
    clip_epsilon=0.4,
    clip_mode="paper",
    clip_norm=0.0,
    clip_norm_c=0.0,
    compression="none",
    conditional=False,
    consensus_rate=0.0,
    consistency=0.0,
    content_weight=1.0,
    corpus_size=10000,
    critic_steps=5,
    data_dir="",
    dataset="cifar10",
    dropout=0.2,
    ema_decay=0.999,
    embedding_size=32,
    eval_every=1000,
    eval_samples=0,
    generator_steps=5,
    gossip_backend="auto",
    gossip_rounds=1,
    gossip_timeout=60.0,
    gradient_penalty=10.0,
    image_size=0,
    inception="",
    invariance_weight=0.1,
    inverse_temperature=100.0,
    jit=False,
    keep_checkpoints=3,
    latent_size=100,
    learning_rate_c=0.0001,
    learning_rate_d=0.0001,
    learning_rate_decay="constant",
    learning_rate_g=0.0001,
    learning_rate_p=0.01,
    link_mbit=0.0,
    log_every=50,
    memory_heads=2,
    memory_slots=1,
    mix_after="step",
    mix_delay=0,
    mix_every=1,
    model="dcgan",
    objective="wasserstein",
    on_peer_loss="fail",
    optimizer="oadam",
    partition="iid",
    penalty="two_sided",
    precision="float32",
    pretraining_steps=0,
    random_mixing=False,
    ratio_clipping=True,
    references="",
    representations=64,
    reweighting_temperature=1.0,
    sample_reweighting=True,
    score_weight=1.0,
    seed=0,
    sentence_length=20,
    spectral_normalization="none",
    steps=100000,
    steps_per_loop=10,
    strategy="decentralized",
    style_size=16,
    style_weight=1.0,
    style_weight_d=1.0,
    task="image",
    temperature_schedule="exponential",
    top_fraction=0.01,
    topology="ring",
    trainer="adversarial",
    update="simultaneous",
    vocabulary="",
    vocabulary_size=5000,
    width_d=64,
    width_g=64,
    wire_dtype="float32",
    workdir="",
)

# A value unlike the default for every kind of flag.
UNUSUAL = dict(
    workdir="runs/a b",
    dataset="digits",
    image_size=16,
    partition="by_label",
    strategy="centralized",
    random_mixing=True,
    learning_rate_g=1e-3,
    learning_rate_d=2.5e-7,
    beta_1=0.0,
    gradient_penalty=0.1,
    steps=7,
    seed=2**40,
)


def parse(*arguments):
    flag_values = flags.FlagValues()
    flagfiles.define(flag_values, Config)
    flag_values(["program", *arguments])
    return Config(**flagfiles.given(flag_values, Config))


def refused(kind=Config, **values):
    """The error of these options, as somebody who gave flags reads it."""
    with pytest.raises(UserError) as caught:
        kind(**values)
    message = caught.value.as_flags()
    assert "\n" not in message
    assert str(caught.value) == re.sub(r"(?<!\w)--(?=[a-z])", "", message)  # as Python's arguments
    return message


def test_every_flag_keeps_its_name_and_its_default():
    fields = dataclasses.fields(Config)
    assert len(DEFAULTS) == 84
    assert {field.name: field.default for field in fields} == DEFAULTS
    assert {field.name: type(field.default) for field in fields} == {field.name: field.type for field in fields}


def test_the_options_of_a_task_are_those_of_the_commands():
    """By name and default, but for what the task itself sets."""
    everything = {}
    for kind in (ImageOptions, TextOptions, StyleTransferOptions):
        own = {field.name: field.default for field in dataclasses.fields(kind)}
        kind()
        everything |= own
        changed = {name for name, default in own.items() if default != DEFAULTS[name]}
        assert changed <= {"task", "dataset", "model", "trainer", "update"}, kind
    assert set(everything) == set(DEFAULTS)


def test_errors_name_arguments_in_python_and_flags_in_commands():
    with pytest.raises(UserError) as caught:
        ImageOptions(critic_steps=0)
    assert str(caught.value) == "critic_steps=0: must be at least 1"
    assert caught.value.as_flags() == "--critic_steps=0: must be at least 1"
    with pytest.raises(UserError) as caught:
        TextOptions(strategy="dposg")
    assert str(caught.value) == "strategy=dposg: has its own optimistic step and needs optimizer=sgd, not oadam"


# Words that point out of sight: each text must make sense to somebody who reads nothing else.
POINTERS = re.compile(
    r"^(that|its|it|these|those|this|they|them|there)\b|\b(its?|there|of that|these|those|that\.)\b", re.I
)


OF_COMMANDS = [Config, EvaluateOptions, ExportOptions, *names.generate_options(None).values()]


@pytest.mark.parametrize("kind", OF_COMMANDS, ids=lambda kind: kind.__name__)
def test_every_help_text_can_be_read_alone(kind):
    for field in dataclasses.fields(kind):
        text = field.metadata["help"]
        assert not POINTERS.search(text), f"{field.name}: {text}"
        assert text.endswith("."), f"{field.name}: {text}"


@pytest.mark.parametrize(
    "kinds",
    [(Config,), (EvaluateOptions,), (ExportOptions,), (WorkdirOptions, *names.generate_options(None).values())],
    ids=["train", "evaluate", "export", "generate"],
)
def test_help_has_every_flag_once_in_groups_of_readable_lines(kinds, capsys):
    with pytest.raises(SystemExit) as ended:
        command.parse_options(["train.py", "--help"], *kinds)
    assert ended.value.code == 0
    usage, *groups = capsys.readouterr().out.rstrip("\n").split("\n\n")
    assert usage.startswith("usage: ") and "--flagfile=" in usage
    assert max(len(line) for group in groups for line in group.splitlines()) <= 100
    flag, titles, found = re.compile(r"  --(\w+)"), [], []
    for title, first, *rest in (group.splitlines() for group in groups):
        assert not title.startswith(" ") and title.endswith((".", ":")) and flag.fullmatch(first)
        titles.append(title)
        found += [match[1] for line in [first, *rest] if (match := flag.fullmatch(line))]
        assert all(line.startswith("      ") for line in rest if not flag.fullmatch(line))
    assert len(set(titles)) == len(titles) > 1
    assert sorted(found) == sorted({"help"}.union(*(kind.names() for kind in kinds)))


def test_help_groups_what_belongs_together(capsys):
    with pytest.raises(SystemExit):
        command.parse_options(["train.py", "--help"], Config)
    groups = {}
    for group in capsys.readouterr().out.split("\n\n")[1:]:
        title, *lines = group.splitlines()
        groups[re.split(r"[:,]", title)[0]] = {line[4:] for line in lines if line.startswith("  --")}
    assert groups["Gossip"] == {
        *("topology", "random_mixing", "gossip_rounds", "chebyshev", "mix_every", "gossip_backend"),
        *("gossip_timeout", "on_peer_loss", "link_mbit", "wire_dtype"),
    }
    assert {"workdir", "steps", "seed", "batch_size"} <= groups["Run"]
    assert {"optimizer", "learning_rate_g", "beta_1"} <= groups["Optimizers"]
    assert {"memory_slots", "representations"} <= groups["Text"] and "image_size" in groups["Images"]
    assert {"clip_epsilon", "sample_reweighting"} <= groups["Ratio clipping and reweighting"]
    assert groups["Other flags"] == {"help"}


def test_help_says_defaults_and_choices(capsys):
    with pytest.raises(SystemExit):
        command.parse_options(["train.py", "--help"], Config)
    said = " ".join(capsys.readouterr().out.split())
    assert "--steps_per_loop Most steps that are taken between two returns to Python. (default: 10)" in said
    assert "One of auto, native, horovod, horovod_pairs. (default: 'auto')" in said


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
        ("image_size", 24),
        ("image_size", -8),
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
    assert Config(dataset="gaussians", model="mlp").model == "mlp"


DPOSG = dict(strategy="dposg", optimizer="sgd", critic_steps=1)


def test_dposg_with_its_own_step_is_accepted():
    assert Config(**DPOSG).gossips


@pytest.mark.parametrize(
    ("name", "value"),
    [("optimizer", "oadam"), ("critic_steps", 5), ("update", "alternating"), ("mix_after", "update")],
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
    assert refused(kinds["image"]) == "--output is missing"
    assert "--output=a.txt" in refused(kinds["image"], output="a.txt")
    assert "--output=a.png" in refused(kinds["text"], output="a.png")
    assert "--temperature=0.0" in refused(kinds["text"], output="a.txt", temperature=0.0)
    assert refused(kinds["image"], output="a.png", label=3, layout="classes").startswith("--label=3: ")
    assert refused(kinds["style_transfer"]) == "--to_style is missing"
    assert refused(kinds["style_transfer"], to_style=0, input=str(tmp_path)).startswith(f"--input={tmp_path}: no such")
    os.mkfifo(tmp_path / "pipe")  # as a shell makes of <(COMMAND)
    kinds["style_transfer"](to_style=0, input=str(tmp_path / "pipe"))


@pytest.mark.parametrize("changes", [{}, UNUSUAL, {**UNUSUAL, "random_mixing": False}])
def test_flagfile_makes_the_same_configuration(tmp_path, changes):
    config = Config(**{**changes, "workdir": str(tmp_path)})
    (tmp_path / flagfiles.FLAGFILE).write_text(flagfiles.write(config))
    assert flagfiles.load(str(tmp_path)) == config


def test_flagfile_names_every_flag_once():
    lines = flagfiles.write(Config()).splitlines()
    assert len(lines) == len(dataclasses.fields(Config))
    assert "--norandom_mixing" in lines and "--learning_rate_g=0.0001" in lines


def test_load_takes_changes_and_the_folder_as_it_is_called_now(tmp_path):
    (tmp_path / flagfiles.FLAGFILE).write_text(flagfiles.write(Config(workdir="somewhere/else", steps=7)))
    config = flagfiles.load(str(tmp_path), steps=9)
    assert (config.workdir, config.steps) == (str(tmp_path), 9)
    with pytest.raises(UserError, match="^steps=0"):
        flagfiles.load(str(tmp_path), steps=0)


def test_load_says_what_is_wrong_with_a_folder(tmp_path):
    with pytest.raises(UserError, match=f"^workdir={tmp_path}"):
        flagfiles.load(str(tmp_path))
    (tmp_path / flagfiles.FLAGFILE).write_text("--no_such_flag=3\n")
    with pytest.raises(UserError, match="no_such_flag"):
        flagfiles.load(str(tmp_path))


def test_flags_after_a_flagfile_win(tmp_path):
    path = tmp_path / "some.flags"
    path.write_text("# a comment\n--steps=5\n--batch_size=3\n--random_mixing\n")
    config = parse("--batch_size=9", f"--flagfile={path}", "--steps=6", "--norandom_mixing")
    assert (config.steps, config.batch_size, config.random_mixing) == (6, 3, False)


def test_only_flags_that_were_given_are_given():
    flag_values = flags.FlagValues()
    flagfiles.define(flag_values, Config)
    flag_values(["program", "--steps=5", "--norandom_mixing", "--beta_1=0.25"])
    assert flagfiles.given(flag_values, Config) == {"steps": 5, "random_mixing": False, "beta_1": 0.25}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda path: path.stem)
def test_configurations_of_this_repository_are_valid(path):
    assert parse(f"--flagfile={path}") == flagfiles.read(str(path))


def test_differences_name_both_values():
    old, new = Config(batch_size=32, seed=1), Config(batch_size=64, seed=1)
    assert flagfiles.differences(new, old, ignore="free") == ["batch_size: 32 -> 64"]
    assert flagfiles.differences(new, new, ignore="free") == []


def test_differences_that_may_be_are_ignored():
    old, new = Config(steps=5, workdir="a", batch_size=32), Config(steps=6, workdir="b", batch_size=64)
    assert flagfiles.differences(new, old, ignore="free") == ["batch_size: 32 -> 64"]
    # What is free when resuming is not free to differ between learners; what is local is.
    assert flagfiles.differences(new, old, ignore="local") == ["steps: 5 -> 6", "batch_size: 32 -> 64"]


def test_flags_without_effect_are_named():
    assert Config().without_effect() == []
    config = Config(strategy="local", topology="star", gossip_rounds=2, optimizer="sgd", beta_1=0.1, dataset="digits")
    assert config.without_effect() == ["beta_1", "gossip_rounds", "topology"]


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
        ("--top_fraction=1.0", dict(compression="top_k", top_fraction=1.0)),
        ("--consensus_rate=-0.5", dict(compression="top_k", consensus_rate=-0.5)),
    ],
)
def test_sparing_ways_to_mix_that_cannot_be(said, values):
    assert said in refused(**values)


def test_sparing_ways_to_mix_that_mean_nothing():
    values = dict(chebyshev=True, mix_every=2, mix_delay=1, top_fraction=0.5, consensus_rate=0.5)
    assert Config(**values, strategy="local", compression="int8").without_effect() == sorted([*values, "compression"])
    assert Config(top_fraction=0.5, consensus_rate=0.5).without_effect() == ["consensus_rate", "top_fraction"]
    assert Config(compression="int8", top_fraction=0.5).without_effect() == ["top_fraction"]


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
