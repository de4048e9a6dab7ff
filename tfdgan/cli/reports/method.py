"""What a run does, in words: the papers' names where they have one."""

import dataclasses
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
    """How learners work together, such as "Rand-DP-OAdam"; `changes` says what is not as the name has it.

    Args:
      own: {"strategy", "objective": name of a piece of one's own, or ""}.
    """
    return own.get("strategy") or _paper(options) or _plain(options)


def changes(options: TaskOptions) -> list[str]:
    """The options that make another method, or another exchange, of what the strategy's name stands for, as flags."""
    usual = {field.name: field.default for field in dataclasses.fields(options)}
    beside = {*options.without_effect(), *(["gossip_rounds"] if options.strategy == "dposg" else [])}  # its t
    return [options.as_flag(name) for name in _CHANGES if getattr(options, name) != usual[name] and name not in beside]


def _paper(options: TaskOptions) -> str:
    """The papers' name, or ""."""
    optimizer, name = _PAPERS.get(options.strategy, ("", ""))
    if options.strategy == "decentralized" and options.topology == "ring":
        optimizer, name = "oadam", "Rand-DP-OAdam" if options.random_mixing else "DP-OAdam"
    return name if options.optimizer == optimizer else ""


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
