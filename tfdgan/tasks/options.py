"""The options that every task has: of training, and of the command `generate`."""

import dataclasses

from tfdgan.data.options import DataOptions
from tfdgan.errors import UserError
from tfdgan.models.options import ModelOptions
from tfdgan.objectives.options import ObjectiveOptions
from tfdgan.optimizers.options import OptimizerOptions
from tfdgan.options import Options, option, references
from tfdgan.strategies.options import StrategyOptions
from tfdgan.training.options import ClippedRatioOptions, RunOptions

PACKAGED = ("image", "text", "style_transfer")  # the tasks that come with the package


@dataclasses.dataclass(frozen=True)
class TaskOptions(
    RunOptions, DataOptions, ModelOptions, ObjectiveOptions, ClippedRatioOptions, OptimizerOptions, StrategyOptions
):
    """Task: what is generated.

    The options of a run, whatever the task; a task of your own adds options by inheriting from this class.
    """

    task: str = option(
        "image",
        "What is generated: image, text or style_transfer, or package.module:Class, a task of your own.",
    )

    def check_options(self) -> None:
        if self.task not in PACKAGED and not references.is_reference(self.task):
            raise UserError(f"--task={self.task}: choose one of {', '.join(PACKAGED)}, or package.module:Class")
        if self.pretraining_steps >= self.steps:
            raise UserError(
                f"--pretraining_steps={self.pretraining_steps}: leaves no step to the game; --steps={self.steps} "
                "counts both"
            )
        if self.precision != "float32" and self.model == "given":
            raise UserError(
                f"--precision={self.precision}: models passed in from Python are built already; build them under "
                "keras.config.set_dtype_policy"
            )
        if references.is_reference(self.model):
            references.check("model", self.model)
        if self.gossips and self.compression != "none":
            why = f"--compression={self.compression}: keeps what fixed neighbours know, from the first step on"
            self.check_wanted(why, pretraining_steps=0)
        if self.strategy == "dposg":
            self.check_wanted(
                "--strategy=dposg: has its own optimistic step",
                **dict(trainer="adversarial", optimizer="sgd", critic_steps=1, update="simultaneous", mix_after="step"),
                **dict(mix_order="late", mix_delay=0, compression="none", pretraining_steps=0, clip_norm=0.0),
                **dict(lookahead_every=0, quasi_global=0.0),
            )
        if self.join and not self.can_set_back:
            way = f"--compression={self.compression}" if self.gossips else f"--strategy={self.strategy}"
            raise UserError(f"--join: nobody can come in under {way}, whose learners know more than weights")
        if self.splits_batches and self.batch_size < 2:
            raise UserError("--batch_size=1: has no halves, which --second_moment=split_batch needs; use at least 2")
        if self.trainer != "clipped_ratio":
            return
        if self.objective not in ("wasserstein", "relativistic"):
            raise UserError(
                f"--objective={self.objective}: --trainer=clipped_ratio multiplies scores; use wasserstein or "
                "relativistic"
            )
        if self.ratio_clipping and self.mix_after != "step":
            raise UserError(
                f"--mix_after={self.mix_after}: would mix the classifier in the middle of a ratio; use step, or "
                "--ratio_clipping=false"
            )

    def unused_options(self) -> dict[str, str]:
        if not self.gossips:
            return dict.fromkeys(("second_moment", "noise_every", "max_resets"), self.as_flag("strategy"))
        return {} if self.can_set_back else {"max_resets": self.as_flag("compression")}

    @property
    def can_set_back(self) -> bool:
        """True if a learner may go on from others' state: neither its strategy nor the others' minds."""
        return self.gossips and self.compression == "none"

    @property
    def splits_batches(self) -> bool:
        """True if the noise of gradients is estimated from the halves of batches."""
        return self.gossips and self.optimizer == "oadam" and self.second_moment == "split_batch"

    def is_for(self, *tasks: str) -> bool:
        """True if the options of these tasks of the package apply: to themselves, and to a task of your own."""
        return self.task in tasks or self.task not in PACKAGED

    def check_files(self) -> None:
        """Raise `UserError` if a file or folder that training reads is missing."""
        self.check_topology_file()

    def check_judges(self) -> None:
        """Raise `UserError` if what samples are scored by is missing."""

    def depends_on_last_step(self) -> str | None:
        """What depends on the number of the last step, or None. If something does, a run may not be lengthened."""
        return "the learning rate's decay" if self.learning_rate_decay != "constant" else None


@dataclasses.dataclass(frozen=True)
class GenerateOptions(Options):
    """Options of the command `generate`, for all tasks.

    A task adds options by inheriting from this class. Options of the same name in several tasks are one flag.
    """

    output: str = option(
        "",
        "File to write: .png or .npz (image), .txt (text, style_transfer); standard output if left out "
        "(style_transfer).",
        path=True,
    )

    def check_output(self, *endings: str) -> None:
        """Raise `UserError` unless the file's name has one of the endings."""
        if not self.output:
            raise UserError("--output is missing: give the name of a file")
        if not self.output.endswith(endings):
            raise UserError(f"--output={self.output}: give a name that ends in {' or '.join(endings)}")
