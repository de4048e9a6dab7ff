"""The experiment's flags, validated into one frozen dataclass. Loads neither TensorFlow nor Horovod.

A field of `Config` is a flag: its type, default, choices and help stand in one place. `flagfiles` is between the two.
"""

import dataclasses
import os

from tfdgan import corpora, rules
from tfdgan.errors import UserError
from tfdgan.gossip import BACKENDS, COMPRESSIONS, WIRE_DTYPES, topology


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
    task: str = _flag("image", "What is generated.", choices=rules.TASKS)
    dataset: str = _flag(
        "cifar10",
        "gaussians, digits, the name of a TFDS image set, folder:PATH (PATH/SPLIT/LABEL/image), or "
        "package.module:function returning arrays or a tf.data.Dataset; of text: oracle, coco_captions (train.txt and "
        "test.txt in DATA_DIR/coco_captions), or file:PATH (a file, or a folder of train.txt and test.txt); of "
        "style_transfer: toy_styles, or file:PREFIX (PREFIX.train.0, PREFIX.train.1, ..., PREFIX.dev.0, ...).",
    )
    data_dir: str = _flag(
        "",
        "Where TFDS keeps its data; empty: TFDS_DATA_DIR or its default. Of coco_captions: the folder that holds it.",
        local=True,
    )
    image_size: int = _flag(0, "Side to which images are resized, a power of two; 0: as the dataset has it.", minimum=0)
    sentence_length: int = _flag(20, "Most words of a sentence; longer ones are cut (text, style_transfer).", minimum=2)
    vocabulary_size: int = _flag(
        5000,
        "Words of the oracle; of others the most frequent ones, at most, 0: all (text, style_transfer).",
        minimum=0,
    )
    vocabulary: str = _flag(
        "", "File of words, one a line, instead of those of the data (text, style_transfer).", local=True
    )
    corpus_size: int = _flag(
        10_000, "Sentences of the oracle to train on, and as many to test; of toy_styles in each style.", minimum=1
    )
    references: str = _flag(
        "",
        "File of lines 'style TAB sentence TAB the sentence as a person said it in the next style' (style_transfer).",
        local=True,
    )
    partition: str = _flag(
        "iid",
        "How the data is divided among learners: iid, or by_label (sorted by label, then cut).",
        choices=("iid", "by_label"),
    )
    model: str = _flag(
        "dcgan",
        "dcgan, resnet, ct_resnet, sagan, mlp, or package.module:factory(config, sample_shape) -> (generator, critic), "
        "with --conditional factory(config, sample_shape, classes); of text: relational_memory, lstm; style_transfer.",
    )
    latent_size: int = _flag(100, "Size of the generator's standard normal input.", minimum=1)
    width_g: int = _flag(
        64,
        "Width of the generator: channels of its last hidden layer, units (mlp, lstm, style_transfer), size of a head "
        "(relational_memory).",
        minimum=1,
    )
    width_d: int = _flag(
        64,
        "Width of the critic: channels of its first layer, units (mlp), filters a convolution (text, style_transfer).",
        minimum=1,
    )
    embedding_size: int = _flag(
        32, "Of the generator's words (text), of the rewriter's and of the critic's (style_transfer).", minimum=1
    )
    memory_slots: int = _flag(1, "Rows of the memory (relational_memory).", minimum=1)
    memory_heads: int = _flag(2, "Heads of its attention.", minimum=1)
    representations: int = _flag(64, "Representations in which the critic reads a sentence (text).", minimum=1)
    style_size: int = _flag(16, "Size of a style's code, below width_g; the rest of it is content.", minimum=1)
    dropout: float = _flag(
        0.2, "Share left out when sentences are repeated, and by the critic (style_transfer).", minimum=0, below=1
    )
    score_weight: float = _flag(
        1.0, "Weight of the critic's scores in the rewriter's loss, where repeating has 1 (style_transfer).", minimum=0
    )
    style_weight: float = _flag(1.0, "Weight of the wanted style's cross-entropy there.", minimum=0)
    style_weight_d: float = _flag(1.0, "Weight of the true style's cross-entropy in the critic's loss.", minimum=0)
    content_weight: float = _flag(
        1.0, "Weight of 1 - cos between the content codes of a sentence and of what is made of it.", minimum=0
    )
    invariance_weight: float = _flag(0.1, "Weight against a content code that tells the style.", minimum=0)
    inverse_temperature: float = _flag(
        100.0, "Of the generator's soft samples, at the last step (text, style_transfer).", minimum=0.01, below=1e6
    )
    temperature_schedule: str = _flag(
        "exponential",
        "How it comes there: T^p or 1 + (T - 1) p for progress p in [0, 1] of the game, or constant.",
        choices=("constant", "linear", "exponential"),
    )
    spectral_normalization: str = _flag(
        "none", "Which nets of resnet have it; sagan has it in both.", choices=("none", "critic", "both")
    )
    objective: str = _flag(
        "wasserstein", "The game's payoff.", choices=("wasserstein", "hinge", "non_saturating", "relativistic")
    )
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
    trainer: str = _flag(
        "adversarial",
        "adversarial: critic updates and a generator update a step; clipped_ratio: a generator step clipped by how far "
        "the generator has moved, a critic step that reweights generated samples.",
        choices=("adversarial", "clipped_ratio"),
    )
    update: str = _flag(
        "simultaneous",
        "Generator's gradient at the critic before (simultaneous) or after (alternating) its last update of the step.",
        choices=("simultaneous", "alternating"),
    )
    pretraining_steps: int = _flag(
        0,
        "Steps before the game, of critic_steps updates each by maximum likelihood (text, style_transfer).",
        minimum=0,
    )
    learning_rate_p: float = _flag(1e-2, "Learning rate of that.", above=0)
    critic_steps: int = _flag(5, "Critic updates a step.", minimum=1)
    generator_steps: int = _flag(5, "Generator updates a step (clipped_ratio).", minimum=1)
    ratio_clipping: bool = _flag(True, "Clip the generator's step by the probability ratio (clipped_ratio).")
    clip_mode: str = _flag(
        "paper",
        "min(r f, clip(r, 1 - e, 1 + e) f) as the paper has it, or f min(r, 1 + e) as its released code.",
        choices=("paper", "released"),
    )
    clip_epsilon: float = _flag(0.4, "How far the ratio counts, e.", above=0, below=1)
    center_scores: bool = _flag(False, "Take the batch's mean from the scores f that the ratio multiplies.")
    learning_rate_c: float = _flag(1e-4, "Learning rate of the classifier behind the ratio.", above=0)
    clip_norm_c: float = _flag(0.0, "Norm to which the classifier's gradient is cut; 0: any.", minimum=0)
    sample_reweighting: bool = _flag(
        True, "Weight generated samples by exp(score / temperature) in the critic's loss (clipped_ratio)."
    )
    reweighting_temperature: float = _flag(1.0, "That temperature.", above=0)
    strategy: str = _flag(
        "decentralized",
        "How learners work together: centralized averages gradients, decentralized and dposg average weights with "
        "neighbours, local not at all.",
        choices=("centralized", "decentralized", "dposg", "local"),
    )
    topology: str = _flag("ring", f"Who talks to whom: {', '.join(topology.NAMES)}, or a .npy mixing matrix.")
    random_mixing: bool = _flag(False, "Relabel the learners of the topology at random every step.")
    gossip_rounds: int = _flag(1, "Gossip rounds a mix.", minimum=1)
    chebyshev: bool = _flag(False, "Weigh the gossip rounds so that together they mix best (symmetric topologies).")
    mix_every: int = _flag(
        1,
        "Mix only every so many steps (of mix_after=update: updates of a player); horovod waits all the same.",
        minimum=1,
    )
    mix_delay: int = _flag(
        0,
        "1: weights mixed are those of the step before, so that an exchange may take two (native backend).",
        minimum=0,
        below=2,
    )
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
    link_mbit: float = _flag(
        0.0,
        "Mbit/s that this host's link sends, which its learners share and do not exceed; 0: TCP finds out, and loses "
        "time by it (native backend).",
        minimum=0,
        below=1e6,
        local=True,
    )
    compression: str = _flag(
        "none",
        "Send differences to what neighbours know, rounded to 8 bits or the largest of them (fixed topologies, native "
        "backend).",
        choices=COMPRESSIONS,
    )
    top_fraction: float = _flag(0.01, "Share of the numbers that top_k sends.", above=0, below=1)
    consensus_rate: float = _flag(
        0.0,
        "How far weights go towards what is known of the neighbours' (compression); 0: 1 of int8, twice top_fraction "
        "of top_k, above which it may diverge.",
        minimum=0,
    )
    wire_dtype: str = _flag(
        "float32", "Type of weights on the wire, or of gradients (centralized).", choices=WIRE_DTYPES
    )
    optimizer: str = _flag("oadam", "oadam is optimistic Adam.", choices=("oadam", "adam", "sgd"))
    learning_rate_g: float = _flag(1e-4, "Learning rate of the generator.", above=0)
    learning_rate_d: float = _flag(1e-4, "Learning rate of the critic.", above=0)
    learning_rate_decay: str = _flag("constant", "linear falls to 0 at the last step.", choices=("constant", "linear"))
    clip_norm: float = _flag(
        0.0, "Norm to which the generator's and the critic's gradients are cut; 0: any.", minimum=0
    )
    beta_1: float = _flag(0.5, "First moment's decay (oadam, adam).", minimum=0, below=1)
    beta_2: float = _flag(0.9, "Second moment's decay (oadam, adam).", minimum=0, below=1)
    batch_size: int = _flag(64, "Samples per learner and update.", minimum=1)
    steps: int = _flag(
        100_000,
        "Steps to train to, pretraining included; a step is critic_steps critic updates and one of the generator "
        "(clipped_ratio: more).",
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
    eval_samples: int = _flag(
        0,
        "Generated samples for a score; 0: 10,000, for digits and text 2,000, of style_transfer 1,000.",
        minimum=0,
        free=True,
    )
    checkpoint_every: int = _flag(1000, "Steps between checkpoints; 0: where phases end.", minimum=0, free=True)
    keep_checkpoints: int = _flag(3, "How many checkpoints stay.", minimum=1, free=True)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            rules.check_value(field, getattr(self, field.name))
        rules.check_names(self)
        rules.check_combinations(self)

    @property
    def labelled(self):
        """True if training needs labels beside samples."""
        return self.conditional or self.task == "style_transfer"

    @property
    def sentences_end(self):
        """True if word 0 ends a sentence (text); an oracle's sentences are all of one length."""
        return self.dataset != "oracle"

    def check_files(self):
        """Raise `UserError` if a file or folder that training reads is missing."""
        if self.dataset.startswith("folder:"):
            if not os.path.isdir(os.path.expanduser(self.dataset.removeprefix("folder:"))):
                raise UserError(f"--dataset={self.dataset}: no such folder")
        if self.task == "text" and self.dataset != "oracle":
            corpora.paths(self.dataset, self.data_dir)
        if self.task == "style_transfer" and self.dataset != "toy_styles":
            corpora.styled_paths(self.dataset)
        for name in ("vocabulary", "references"):
            path = getattr(self, name)
            if path and not os.path.isfile(os.path.expanduser(path)):
                raise UserError(f"--{name}={path}: no such file")
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
            if self.compression != "none" and not schedule.is_fixed:
                raise UserError(
                    f"--compression={self.compression}: --topology={self.topology} has other neighbours at each step; "
                    "use a fixed one, such as ring or exponential"
                )
            if self.mix_delay:
                topology.check_delayed(schedule)
            if self.gossip_backend == "horovod_pairs" and size > 1:
                schedule.check_fixed_symmetric()
            if self.on_peer_loss == "degrade" and self.topology not in topology.NAMES and not schedule.is_symmetric:
                raise UserError(
                    f"--on_peer_loss=degrade: the directed matrix {self.topology} cannot be made anew for fewer "
                    "learners; use a topology by name or a symmetric matrix"
                )

    def schedule(self, size):
        """The mixing schedule for `size` learners."""
        return topology.make_schedule(self.topology, size, **self._mixing())

    def schedule_among(self, ranks, size):
        """The mixing schedule when only the learners `ranks` are left."""
        return topology.make_schedule_among(ranks, self.topology, size, **self._mixing())

    def _mixing(self):
        rounds = self.gossip_rounds if self.chebyshev else 0
        return dict(random=self.random_mixing, seed=self.seed, every=self.mix_every, chebyshev_rounds=rounds)

    @property
    def gossips(self):
        """True if weights are averaged with neighbours."""
        return self.strategy in ("decentralized", "dposg")

    @property
    def needs_native(self):
        """True if only the native exchange can carry this."""
        return self.gossips and (self.mix_delay > 0 or self.compression != "none")

    @property
    def steps_matter(self):
        """What depends on the last step's number, or None: then a run may not be lengthened."""
        if self.learning_rate_decay != "constant":
            return "the learning rate's decay"
        cools = self.temperature_schedule != "constant" and self.inverse_temperature != 1
        return "the temperature's schedule" if self.task != "image" and cools else None

    def without_effect(self):
        """Names of flags that were changed from their defaults but mean nothing beside the others."""
        unused = rules.unused(self)
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
