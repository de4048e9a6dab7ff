"""Options of training: the course of a run, and the updates that make a step."""

import dataclasses

from tfdgan.errors import UserError
from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class RunOptions(Options):
    """Run: how long, from which seed, what is kept and when."""

    workdir: str = option(
        "",
        "Folder for checkpoints and logs; training in a folder that has checkpoints resumes from the newest one.",
        local=True,
        path=True,
    )
    steps: int = option(
        100_000,
        "Steps to train to, pretraining included. A step is --critic_steps critic updates and one generator update, "
        "or --generator_steps of them under --trainer=clipped_ratio.",
        minimum=1,
        free=True,
    )
    batch_size: int = option(64, "Samples per learner and update.", minimum=1)
    seed: int = option(0, "Root of every random number.", minimum=0, below=2**63)
    recalibrate: int = option(
        0,
        "Batches from which the consensus generator's statistics of batch norm are estimated anew before each score "
        "and checkpoint; 0 keeps the averages over training.",
        minimum=0,
        free=True,
    )
    ema_decay: float = option(0.999, "Decay of the generator's running average; 0 keeps none.", minimum=0, below=1)
    steps_per_loop: int = option(10, "Most steps that are taken between two returns to Python.", minimum=1, free=True)
    log_every: int = option(
        50, "Steps between ticks, at which learners exchange losses, stop requests and faults.", minimum=1, free=True
    )
    eval_every: int = option(
        1000, "Steps between scores and sample grids of the consensus; 0 makes none.", minimum=0, free=True
    )
    eval_samples: int = option(
        0,
        "Generated samples for a score; 0 stands for 10,000 (digits and text: 2,000, style transfer: 1,000).",
        minimum=0,
        free=True,
    )
    checkpoint_every: int = option(
        1000, "Steps between checkpoints; 0 saves only where phases end.", minimum=0, free=True
    )
    keep_checkpoints: int = option(3, "How many checkpoints stay.", minimum=1, free=True)

    max_resets: int = option(
        3,
        "How often learners with NaN or Inf are set back to the mean of the others before the run ends; 0: never.",
        minimum=0,
        free=True,
    )

    def check_options(self) -> None:
        if self.eval_samples == 1:
            raise UserError("--eval_samples=1: a score needs at least 2")


@dataclasses.dataclass(frozen=True)
class TrainerOptions(Options):
    """Training: which updates make a step."""

    trainer: str = option(
        "adversarial",
        "adversarial: critic updates and one generator update a step. clipped_ratio: the generator's step is clipped "
        "by how far the generator has moved, and the critic's step reweights generated samples.",
        choices=("adversarial", "clipped_ratio"),
    )
    update: str = option(
        "simultaneous",
        "The generator's gradient is taken at the critic before (simultaneous) or after (alternating) the critic's "
        "last update of the step.",
        choices=("simultaneous", "alternating"),
    )
    critic_steps: int = option(5, "Critic updates a step.", minimum=1)
    pretraining_steps: int = option(
        0,
        "Steps of maximum likelihood before the game, of --critic_steps updates each (text, style_transfer).",
        minimum=0,
    )
    learning_rate_p: float = option(1e-2, "Learning rate of pretraining.", above=0)
    jit: bool = option(False, "Compile by XLA what computes gradients.")

    def unused_options(self) -> dict[str, str]:
        return {} if self.pretraining_steps else {"learning_rate_p": self.as_flag("pretraining_steps")}


@dataclasses.dataclass(frozen=True)
class ClippedRatioOptions(TrainerOptions):
    """Ratio clipping and reweighting: options of --trainer=clipped_ratio."""

    generator_steps: int = option(5, "Generator updates a step under --trainer=clipped_ratio.", minimum=1)
    ratio_clipping: bool = option(True, "Clip the generator's step by the probability ratio.")
    clip_mode: str = option(
        "paper",
        "Clipped surrogate of score f and ratio r: paper is min(r f, clip(r, 1 - e, 1 + e) f), released is "
        "f min(r, 1 + e), the form of the authors' code.",
        choices=("paper", "released"),
    )
    ratio: str = option(
        "paired",
        "The ratio that clips: single is exp(l_old - l), as in the paper, of a classifier's logits before and after a "
        "step's updates, so what the classifier learns counts too; paired takes l_old from a twin of the classifier "
        "with the same updates on samples of the old generator, and cuts log r at -3 and 3.",
        choices=("single", "paired"),
    )
    inner_latents: str = option(
        "fresh",
        "Latents of a step's generator updates: fresh for each update of classifier and generator, as in the paper, or "
        "one batch reused for all, as in the authors' code.",
        choices=("fresh", "reused"),
    )
    classifier_batches: str = option(
        "joint",
        "The classifier sees real and generated samples in one pass, for one batch norm (joint), or in two (separate), "
        "as in the authors' code.",
        choices=("joint", "separate"),
    )
    clip_epsilon: float = option(0.4, "How far from 1 the ratio counts: e of the clipped surrogate.", above=0, below=1)
    center_scores: bool = option(False, "Subtract the mean of the batch from the scores that the ratio multiplies.")
    learning_rate_c: float = option(1e-4, "Learning rate of the classifier that estimates the ratio.", above=0)
    clip_norm_c: float = option(0.0, "Norm to which the classifier's gradient is cut; 0 cuts nothing.", minimum=0)
    sample_reweighting: bool = option(
        True, "Weight generated samples by exp(score / temperature) in the critic's loss."
    )
    reweighting_temperature: float = option(1.0, "Temperature of --sample_reweighting.", above=0)
    reweighting_spread: float = option(
        0.0,
        "Standard deviation to which scores are scaled before --sample_reweighting takes exp, in place of a "
        "temperature; .5 keeps the effective sample size near .78 of the batch. 0 leaves the temperature.",
        minimum=0,
    )

    def check_options(self) -> None:
        if self.trainer == "clipped_ratio":
            self.check_wanted("--trainer=clipped_ratio: has its critic first", update="alternating")

    def unused_options(self) -> dict[str, str]:
        if self.trainer != "clipped_ratio":
            return dict.fromkeys(ClippedRatioOptions.own_names(), self.as_flag("trainer"))
        found: dict[str, str] = {}
        if not self.ratio_clipping:
            ratio = ("ratio", "clip_mode", "clip_epsilon", "center_scores", "learning_rate_c", "clip_norm_c")
            found |= dict.fromkeys((*ratio, "classifier_batches"), self.as_flag("ratio_clipping"))
        if self.reweighting_spread:
            found |= {"reweighting_temperature": self.as_flag("reweighting_spread")}
        if not self.sample_reweighting:
            weights = ("reweighting_temperature", "reweighting_spread")
            found |= dict.fromkeys(weights, self.as_flag("sample_reweighting"))
        return found
