"""What a run does, in words: the papers' names where they have one."""

from collections.abc import Mapping

from tfdgan.tasks.options import TaskOptions

_PAPERS = {"centralized": ("oadam", "CP-OAdam"), "dposg": ("sgd", "DPOSG")}  # strategy: (optimizer, name)
_OPTIMIZERS = {"oadam": "optimistic Adam", "adam": "Adam", "sgd": "SGD"}
# Options that make another method, or another exchange, of what a paper's name stands for.
_CHANGES = (
    *("second_moment", "mix_order", "mix_after", "mix_delay", "mix_every", "quasi_global", "lookahead_every"),
    *("gossip_rounds", "chebyshev", "compression", "wire_dtype"),
)


def strategy(options: TaskOptions, own: Mapping[str, str]) -> str:
    """How learners work together, such as "Rand-DP-OAdam".

    Options that change what the name stands for follow as flags.

    Args:
      own: {"strategy", "objective": name of a piece of one's own, or ""}.
    """
    if own.get("strategy"):
        return f"{own['strategy']} (a strategy of its own)"
    optimizer, paper = _PAPERS.get(options.strategy, ("", ""))
    if options.strategy == "decentralized" and options.topology == "ring":
        optimizer, paper = "oadam", "Rand-DP-OAdam" if options.random_mixing else "DP-OAdam"
    name = paper if paper and options.optimizer == optimizer else _plain(options)
    idle = options.without_effect()
    usual = type(options).__dataclass_fields__
    given = [change for change in _CHANGES if getattr(options, change) != usual[change].default and change not in idle]
    if paper == "DPOSG":  # whose t the rounds are
        given = [change for change in given if change != "gossip_rounds"]
    flags = " ".join(flag(change, getattr(options, change)) for change in given)
    return f"{name} with {flags}" if flags else name


def _plain(options: TaskOptions) -> str:
    graph = ""
    if options.gossips:
        graph = f" on {options.topology}{', relabelled at random' if options.random_mixing else ''}"
    return f"{options.strategy}{graph}, {_OPTIMIZERS[options.optimizer]}"


def training(options: TaskOptions, own: Mapping[str, str]) -> str:
    """What a step consists of."""
    objective = own.get("objective") or options.objective
    if options.trainer != "clipped_ratio":
        return f"{objective} objective; critic updates a step: {options.critic_steps}; {options.update} updates"
    parts = [f"probability ratio clipping ({options.ratio} ratio)"] if options.ratio_clipping else []
    parts += ["sample reweighting"] if options.sample_reweighting else []
    return (
        f"{' and '.join(parts) or 'neither ratio clipping nor reweighting'}; {objective} objective; updates a step: "
        f"critic {options.critic_steps}, generator {options.generator_steps}"
    )


def flag(name: str, value: object) -> str:
    """An option as it stands in a flagfile."""
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"
