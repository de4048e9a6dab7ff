"""The flags of the commands: their names, defaults and help, and the files that hold them."""

import dataclasses
import pathlib
import re

import pytest
from absl import flags

from tfdgan.cli import command, flagfiles
from tfdgan.cli.config import Config
from tfdgan.cli.options import EvaluateOptions, ExportOptions, ReportOptions, WorkdirOptions
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, StyleTransferOptions, TextOptions, names

ROOT = pathlib.Path(__file__).parents[1]


# Every flag of training with its default, which flagfiles of users rely on.
DEFAULTS = dict(
    augment="",
    background="white",
    batch_size=64,
    beta_1=0.5,
    beta_2=0.9,
    cache_mb=1024.0,
    center_scores=False,
    channels=0,
    chebyshev=False,
    classifier_batches="joint",
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
    eval_split="",
    feature="image",
    generator_steps=5,
    gossip_backend="auto",
    gossip_rounds=1,
    gossip_timeout=60.0,
    gradient_penalty=10.0,
    image_size="0",
    inception="",
    initial_weights="he",
    inner_latents="fresh",
    invariance_weight=0.1,
    inverse_temperature=100.0,
    jit=False,
    keep_checkpoints=3,
    label_feature="",
    latent_size=100,
    learning_rate_c=0.0001,
    learning_rate_d=0.0001,
    learning_rate_decay="constant",
    learning_rate_g=0.0001,
    learning_rate_p=0.01,
    lookahead_every=0,
    lookahead_rate=0.5,
    link_mbit=0.0,
    wire_security="auto",
    wire_key_file="",
    rendezvous="",
    join="",
    learner=-1,
    learners=0,
    max_resets=3,
    gossip_listen="",
    gossip_advertise="",
    gossip_memory=256,
    gossip_shared_memory="auto",
    log_every=50,
    memory_heads=2,
    memory_slots=1,
    mix_after="step",
    mix_delay=0,
    mix_every=1,
    mix_order="late",
    model="dcgan",
    noise_every=1,
    objective="wasserstein",
    on_peer_loss="fail",
    optimizer="oadam",
    outer_every=50,
    outer_momentum=0.9,
    outer_rate=0.7,
    partition="iid",
    penalty="two_sided",
    precision="float32",
    pretraining_steps=0,
    quasi_global=0.0,
    random_mixing=False,
    ratio="paired",
    recalibrate=0,
    ratio_clipping=True,
    references="",
    representations=64,
    resize="crop",
    reweighting_spread=0.0,
    reweighting_temperature=1.0,
    sample_reweighting=True,
    score_weight=1.0,
    second_moment="own",
    seed=0,
    sentence_length=20,
    spectral_normalization="none",
    split="train",
    steps=100000,
    steps_per_loop=10,
    strategy="decentralized",
    style_size=16,
    beam=1,
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
    image_size="16x24",
    resize="pad",
    channels=1,
    background="#102030",
    cache_mb=7.5,
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


def test_every_flag_keeps_its_name_and_its_default():
    fields = dataclasses.fields(Config)
    assert len(DEFAULTS) == 120
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


# Words that point out of sight: each text must make sense to somebody who reads nothing else.
POINTERS = re.compile(
    r"^(that|its|it|these|those|this|they|them|there)\b|\b(its?|there|of that|these|those|that\.)\b", re.I
)


OF_COMMANDS = [Config, EvaluateOptions, ExportOptions, ReportOptions, *names.generate_options(None).values()]


@pytest.mark.parametrize("kind", OF_COMMANDS, ids=lambda kind: kind.__name__)
def test_every_help_text_can_be_read_alone(kind):
    for field in dataclasses.fields(kind):
        text = field.metadata["help"]
        assert not POINTERS.search(text), f"{field.name}: {text}"
        assert text.endswith("."), f"{field.name}: {text}"


@pytest.mark.parametrize(
    "kinds",
    [
        *((Config,), (EvaluateOptions,), (ExportOptions,), (ReportOptions,)),
        (WorkdirOptions, *names.generate_options(None).values()),
    ],
    ids=["train", "evaluate", "export", "report", "generate"],
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
        *("gossip_timeout", "on_peer_loss", "link_mbit", "wire_dtype", "rendezvous", "join", "learner", "learners"),
        *(
            "wire_security",
            "wire_key_file",
            "gossip_listen",
            "gossip_advertise",
            "gossip_memory",
            "gossip_shared_memory",
        ),
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


@pytest.mark.parametrize("changes", [{}, UNUSUAL, {**UNUSUAL, "random_mixing": False}])
def test_flagfile_makes_the_same_configuration(tmp_path, changes):
    config = Config(**{**changes, "workdir": str(tmp_path)})
    (tmp_path / flagfiles.FLAGFILE).write_text(flagfiles.write(config))
    assert flagfiles.load(str(tmp_path)) == config


def test_flagfile_names_every_flag_once():
    """But those of one start, which are not kept."""
    lines = flagfiles.write(Config()).splitlines()
    names = {field.name for field in dataclasses.fields(Config)} - {"rendezvous", "join", "learner", "learners"}
    assert sorted(re.match("--(no(?=[a-z_]+$))?([a-z_0-9]+)", line)[2] for line in lines) == sorted(names)
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
