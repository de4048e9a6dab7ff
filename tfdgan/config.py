"""The experiment's flags, validated into one frozen dataclass. Loads neither TensorFlow nor Horovod.

A field of `Config` is a flag: its type, default, choices and help stand in one place. `Config(...)` serves Python,
`define`, `given` and `asked` the commands, `to_flags` and `load` the flagfile that a workdir keeps.
"""

import dataclasses
import math
import os

from absl import flags

from tfdgan import factories
from tfdgan.errors import UserError
from tfdgan.gossip import BACKENDS, MOST_ROUNDS, WIRE_DTYPES, topology

DATASETS = ("gaussians", "digits", "given")  # given: passed in from Python
MODELS = ("dcgan", "resnet", "ct_resnet", "sagan", "mlp", "given")
FLAGFILE = "config.flags"


def _flag(default, help, *, choices=None, minimum=None, above=None, below=None, free=False, local=False):
    """A field with what a flag needs. `free`: may change when a run resumes. `local`: may differ between hosts."""
    metadata = dict(
        help=help, choices=choices, minimum=minimum, above=above, below=below, free=free or local, local=local
    )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment. Raises `UserError` on construction if a value cannot be used."""

    workdir: str = _flag(
        "", "Folder for checkpoints and logs; training on one that has checkpoints resumes.", local=True
    )
    task: str = _flag("image", "What is generated.", choices=("image",))
    dataset: str = _flag(
        "cifar10",
        "gaussians, digits, the name of a TFDS image set, folder:PATH (PATH/SPLIT/LABEL/image), or "
        "package.module:function returning arrays or a tf.data.Dataset.",
    )
    data_dir: str = _flag("", "Where TFDS keeps its data; empty: TFDS_DATA_DIR or its default.", local=True)
    image_size: int = _flag(0, "Side to which images are resized, a power of two; 0: as the dataset has it.", minimum=0)
    partition: str = _flag(
        "iid",
        "How the data is divided among learners: iid, or by_label (sorted by label, then cut).",
        choices=("iid", "by_label"),
    )
    model: str = _flag(
        "dcgan",
        "dcgan, resnet, ct_resnet, sagan, mlp, or package.module:factory(config, sample_shape) -> (generator, critic), "
        "with --conditional factory(config, sample_shape, classes).",
    )
    latent_size: int = _flag(100, "Size of the generator's standard normal input.", minimum=1)
    width_g: int = _flag(64, "Width of the generator: channels of its last hidden layer, or units (mlp).", minimum=1)
    width_d: int = _flag(64, "Width of the critic: channels of its first layer, or units (mlp).", minimum=1)
    spectral_normalization: str = _flag(
        "none", "Which nets of resnet have it; sagan has it in both.", choices=("none", "critic", "both")
    )
    objective: str = _flag("wasserstein", "The game's payoff.", choices=("wasserstein", "hinge", "non_saturating"))
    penalty: str = _flag(
        "two_sided",
        "What is added to the critic's loss: two_sided (|grad f| - 1)^2 or one_sided max(0, |grad f| - 1)^2 between "
        "real and generated samples, or r1, |grad f|^2 / 2 at real ones.",
        choices=("two_sided", "one_sided", "r1"),
    )
    gradient_penalty: float = _flag(10.0, "Its weight; 0 leaves it out.", minimum=0)
    consistency: float = _flag(
        0.0, "Weight of the consistency term over two passes of real samples (ct_resnet); 0 leaves it out.", minimum=0
    )
    trainer: str = _flag("adversarial", "Which player is updated when.", choices=("adversarial",))
    update: str = _flag(
        "simultaneous",
        "Generator's gradient at the critic before (simultaneous) or after (alternating) its last update of the step.",
        choices=("simultaneous", "alternating"),
    )
    critic_steps: int = _flag(5, "Critic updates a step.", minimum=1)
    strategy: str = _flag(
        "decentralized",
        "How learners work together: centralized averages gradients, decentralized and dposg average weights with "
        "neighbours, local not at all.",
        choices=("centralized", "decentralized", "dposg", "local"),
    )
    topology: str = _flag("ring", f"Who talks to whom: {', '.join(topology.NAMES)}, or a .npy mixing matrix.")
    random_mixing: bool = _flag(False, "Relabel the learners of the topology at random every step.")
    gossip_rounds: int = _flag(1, "Gossip rounds a mix.", minimum=1)
    mix_after: str = _flag("step", "Mix once a step, or after each update of a player.", choices=("step", "update"))
    gossip_backend: str = _flag("auto", "What carries the exchange.", choices=BACKENDS, free=True)
    gossip_timeout: float = _flag(
        60.0,
        "Seconds without a sign of a neighbour after which it counts as lost (native backend).",
        above=0,
        below=1e6,
        free=True,
    )
    on_peer_loss: str = _flag(
        "fail",
        "When a neighbour is lost: fail, or degrade: give its weight back to self and go on (native backend).",
        choices=("fail", "degrade"),
        free=True,
    )
    wire_dtype: str = _flag("float32", "Type of weights on the wire.", choices=WIRE_DTYPES)
    optimizer: str = _flag("oadam", "oadam is optimistic Adam.", choices=("oadam", "adam", "sgd"))
    learning_rate_g: float = _flag(1e-4, "Learning rate of the generator.", above=0)
    learning_rate_d: float = _flag(1e-4, "Learning rate of the critic.", above=0)
    learning_rate_decay: str = _flag("constant", "linear falls to 0 at the last step.", choices=("constant", "linear"))
    beta_1: float = _flag(0.5, "First moment's decay (oadam, adam).", minimum=0, below=1)
    beta_2: float = _flag(0.9, "Second moment's decay (oadam, adam).", minimum=0, below=1)
    batch_size: int = _flag(64, "Samples per learner and update.", minimum=1)
    steps: int = _flag(
        100_000,
        "Steps to train to; a step is critic_steps critic updates and one of the generator.",
        minimum=1,
        free=True,
    )
    seed: int = _flag(0, "Root of every random number.", minimum=0, below=2**63)
    ema_decay: float = _flag(0.999, "Decay of the generator's running average; 0 keeps none.", minimum=0, below=1)
    conditional: bool = _flag(
        False, "Train on the labels too: a sample of each class can then be asked for (resnet, sagan, your own)."
    )
    precision: str = _flag(
        "float32",
        "bfloat16 computes in 16 bits; weights, statistics and losses stay float32.",
        choices=("float32", "bfloat16"),
    )
    jit: bool = _flag(False, "Compile what computes gradients by XLA.")
    steps_per_loop: int = _flag(10, "Steps taken between returns to Python, at most.", minimum=1, free=True)
    inception: str = _flag("", "SavedModel with outputs pool_3 and logits, by which images are scored.", local=True)
    log_every: int = _flag(
        50, "Steps between ticks: losses, stop requests and faults are exchanged.", minimum=1, free=True
    )
    eval_every: int = _flag(
        1000, "Steps between scores and sample grids of the consensus; 0: never.", minimum=0, free=True
    )
    eval_samples: int = _flag(0, "Generated samples for a score; 0: 10,000, for digits 2,000.", minimum=0, free=True)
    checkpoint_every: int = _flag(1000, "Steps between checkpoints; 0: only the last.", minimum=0, free=True)
    keep_checkpoints: int = _flag(3, "How many checkpoints stay.", minimum=1, free=True)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check_value(field, getattr(self, field.name))
        _check_names(self)
        _check_combinations(self)

    def check_files(self):
        """Raise `UserError` if a file or folder that training reads is missing."""
        if self.dataset.startswith("folder:"):
            if not os.path.isdir(os.path.expanduser(self.dataset.removeprefix("folder:"))):
                raise UserError(f"--dataset={self.dataset}: no such folder")
        self.check_extractor()
        if self.topology not in topology.NAMES and not os.path.isfile(self.topology):
            raise UserError(f"--topology={self.topology}: no such file")

    def check_extractor(self):
        """Raise `UserError` if the extractor is no SavedModel."""
        if self.inception and not os.path.isfile(os.path.join(self.inception, "saved_model.pb")):
            raise UserError(f"--inception={self.inception}: no SavedModel there (saved_model.pb is missing)")

    def check_learners(self, size):
        """Raise `UserError` if `size` learners cannot run this; the topology must exist at that size."""
        if self.gossips:
            schedule = self.schedule(size)
            if self.gossip_backend == "horovod_pairs" and size > 1:
                schedule.check_fixed_symmetric()
            if self.on_peer_loss == "degrade" and self.topology not in topology.NAMES and not schedule.is_symmetric:
                raise UserError(
                    f"--on_peer_loss=degrade: the directed matrix {self.topology} cannot be made anew for fewer "
                    "learners; use a topology by name or a symmetric matrix"
                )

    def schedule(self, size):
        """The mixing schedule for `size` learners."""
        return topology.make_schedule(self.topology, size, random=self.random_mixing, seed=self.seed)

    def schedule_among(self, ranks, size):
        """The mixing schedule when only the learners `ranks` are left."""
        return topology.make_schedule_among(ranks, self.topology, size, random=self.random_mixing, seed=self.seed)

    @property
    def gossips(self):
        """True if weights are averaged with neighbours."""
        return self.strategy in ("decentralized", "dposg")

    def without_effect(self):
        """Names of flags that were changed from their defaults but mean nothing beside the others."""
        unused = set()
        if not self.gossips:
            unused |= {"topology", "random_mixing", "gossip_rounds", "mix_after", "gossip_backend", "wire_dtype"}
        if not self.gossips or self.gossip_backend not in ("auto", "native"):
            unused |= {"gossip_timeout", "on_peer_loss"}
        if self.optimizer == "sgd":
            unused |= {"beta_1", "beta_2"}
        if self.model != "resnet" and not factories.is_reference(self.model):
            unused |= {"spectral_normalization"}
        if self.model == "given":
            unused |= {"width_g", "width_d"}
        if not self.gradient_penalty:
            unused |= {"penalty"}
        if self.model == "mlp" or self.dataset == "given" or factories.is_reference(self.dataset):
            unused |= {"image_size"}
        if self.dataset in DATASETS or self.dataset.startswith("folder:") or factories.is_reference(self.dataset):
            unused |= {"data_dir"}
        return sorted(
            f.name for f in dataclasses.fields(self) if f.name in unused and getattr(self, f.name) != f.default
        )

    def to_flags(self):
        """The flagfile that makes this configuration again: one flag a line, all of them."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool):
                lines.append(f"--{'' if value else 'no'}{field.name}")
            else:
                lines.append(f"--{field.name}={value}")
        return "\n".join(lines) + "\n"


def _check_value(field, value):
    rules, name = field.metadata, field.name
    if field.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not field.type:
        raise UserError(f"--{name}={value!r}: must be of type {field.type.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{name}={value}: must be finite")
    if rules["choices"] and value not in rules["choices"]:
        raise UserError(f"--{name}={value}: choose one of {', '.join(rules['choices'])}")
    for rule, fails, words in (
        ("minimum", lambda v, bound: v < bound, "at least"),
        ("above", lambda v, bound: v <= bound, "above"),
        ("below", lambda v, bound: v >= bound, "below"),
    ):
        if rules[rule] is not None and fails(value, rules[rule]):
            raise UserError(f"--{name}={value}: must be {words} {rules[rule]}")


def _check_names(config):
    if config.model not in MODELS:
        if not factories.is_reference(config.model):
            raise UserError(f"--model={config.model}: choose one of {', '.join(MODELS)}, or package.module:factory")
        factories.check("model", config.model)
    if factories.is_reference(config.dataset):
        factories.check("dataset", config.dataset)
    if config.topology not in topology.NAMES and not config.topology.endswith(".npy"):
        raise UserError(f"--topology={config.topology}: choose one of {', '.join(topology.NAMES)}, or a .npy file")


def _check_combinations(config):
    if config.gossip_rounds > MOST_ROUNDS:
        raise UserError(f"--gossip_rounds={config.gossip_rounds}: must be at most {MOST_ROUNDS}")
    if config.on_peer_loss == "degrade" and config.gossip_backend not in ("auto", "native"):
        raise UserError(
            f"--on_peer_loss=degrade: Horovod ends with any learner, so --gossip_backend={config.gossip_backend} "
            "cannot go on without one; use native"
        )
    if config.image_size & (config.image_size - 1):
        raise UserError(f"--image_size={config.image_size}: must be a power of two")
    if config.model == "mlp" and config.dataset not in DATASETS and not factories.is_reference(config.dataset):
        raise UserError(
            f"--model=mlp: made for gaussians, digits and your own data, not for --dataset={config.dataset}"
        )
    if config.consistency and config.model in ("dcgan", "resnet", "sagan", "mlp"):
        raise UserError(
            f"--consistency={config.consistency:g}: --model={config.model} has no dropout and no layer called "
            "features; use --model=ct_resnet"
        )
    if config.eval_samples == 1:
        raise UserError("--eval_samples=1: a score needs at least 2")
    if config.precision != "float32" and config.model == "given":
        raise UserError(
            f"--precision={config.precision}: models passed in from Python are built already; build them under "
            "keras.config.set_dtype_policy"
        )
    if config.conditional and config.model in ("dcgan", "ct_resnet", "mlp"):
        raise UserError(f"--conditional: --model={config.model} takes no labels; use resnet, sagan or your own")
    if config.inception and config.dataset == "gaussians":
        raise UserError(f"--inception={config.inception}: scores images, not --dataset=gaussians; leave it out")
    if (
        config.model not in ("mlp", "given")
        and config.dataset == "gaussians"
        and not factories.is_reference(config.model)
    ):
        raise UserError(f"--model={config.model}: made for images, not for --dataset=gaussians; use --model=mlp")
    if config.strategy == "dposg":
        wanted = dict(optimizer="sgd", trainer="adversarial", critic_steps=1, update="simultaneous", mix_after="step")
        for name, value in wanted.items():
            here = getattr(config, name)
            if here != value:
                raise UserError(f"--strategy=dposg: has its own optimistic step and needs --{name}={value}, not {here}")


def define(flag_values):
    """Define a flag for every field of `Config`. None stands for "not given"."""
    for field in dataclasses.fields(Config):
        choices = f" One of {', '.join(field.metadata['choices'])}." if field.metadata["choices"] else ""
        text = f"{field.metadata['help']}{choices} (default: {field.default!r})"
        kind = {
            bool: flags.DEFINE_boolean,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            str: flags.DEFINE_string,
        }
        kind[field.type](field.name, None, text, flag_values=flag_values)


def given(flag_values):
    """The flags that were given, by name."""
    names = (field.name for field in dataclasses.fields(Config))
    return {name: flag_values[name].value for name in names if flag_values[name].value is not None}


def asked(flag_values):
    """The `Config` that the flags ask for.

    A workdir that was trained in, and at most flags beside it that may change when a run resumes, ask for its own.
    """
    values = given(flag_values)
    free = {field.name for field in dataclasses.fields(Config) if field.metadata["free"]}
    if "workdir" in values and free.issuperset(values) and os.path.isfile(os.path.join(values["workdir"], FLAGFILE)):
        return load(**values)
    return Config(**values)


def load(workdir, **changes):
    """The `Config` that a workdir was trained with, with `changes` to it."""
    path = os.path.join(workdir, FLAGFILE)
    if not os.path.isfile(path):
        raise UserError(f"--workdir={workdir}: nothing was trained there ({FLAGFILE} is missing)")
    flag_values = flags.FlagValues()
    define(flag_values)
    try:
        flag_values([path, f"--flagfile={path}"])
    except flags.Error as error:
        raise UserError(f"{path}: {error}") from error
    return Config(**{**given(flag_values), "workdir": workdir, **changes})


def differences(ours, theirs, *, ignore):
    """Lines 'name: theirs -> ours' for every field that differs, except those whose metadata has `ignore`."""
    return [
        f"{field.name}: {getattr(theirs, field.name)} -> {getattr(ours, field.name)}"
        for field in dataclasses.fields(Config)
        if not field.metadata[ignore] and getattr(ours, field.name) != getattr(theirs, field.name)
    ]
