"""The contracts of what is generated: `Task`, `Sampler`; and `Source`, where its samples come from."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from tfdgan.data import Source
from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.models import building
from tfdgan.tasks.options import GenerateOptions, TaskOptions
from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.clipped_ratio import ClippedRatioTrainer
from tfdgan.training.feed import Feed
from tfdgan.training.scoring import Progress
from tfdgan.training.trainer import Trainer

__all__ = ["Consensuses", "Sampler", "Source", "Task", "Weights"]

Weights = tuple[Sequence[Any], Sequence[Any]]  # (trainable, others), arrays or tensors in the model's order


class Sampler:
    """A generator under given weights. A subclass adds how samples are drawn; only the task and its users call that.

    Args:
      generator: a built Keras model. It may be in training, so a sampler never assigns to its variables. It computes
        under `weights`, as `models.stateless.applied` does.
      weights: they are copied.
      label: what the weights are, such as "consensus EMA"; stands in every score's signature.

    Attributes:
      generator, label: as given.
      trainable, non_trainable: the weights, tensors.
    """

    def __init__(self, generator: keras.Model, weights: Weights, label: str) -> None:
        self.generator, self.label = generator, label
        self.trainable, self.non_trainable = ([tf.constant(np.asarray(w)) for w in group] for group in weights)


class Consensuses(Protocol):
    """What `Task.draw_curves` can ask of the scored workdir; all learners call it together."""

    workdir: str
    samples: int | None  # for a score
    seed: int  # of the samples
    watching: bool  # whether checkpoints are scored as they appear
    progress: Progress

    def score(self, step: int | str | None) -> list[Score]:
        """Score a kept checkpoint and record the scores; a list on learner 0, else an empty one."""

    def sampler(self, step: int | str | None) -> tuple[int, Sampler] | None:
        """(its number, the sampler) of a kept checkpoint, of "best" or of "pretrained"; None if there is none."""

    def steps(self) -> list[int]:
        """The kept checkpoints, ascending, the same on every learner."""

    def share(self, value: Any) -> Any:
        """Learner 0's value, on every learner."""


class Task(abc.ABC):
    """What is generated: which data, nets, scores and pictures belong together.

    A task of your own inherits from this class; `--task=package.module:Class` names it. Abstract methods have to be
    defined, the others may be. Each learner makes a task, with equal options, and calls the same methods. No method
    but `draw_curves` talks to other learners; the training loop does.

    Args:
      options: of the class `Options`.

    Attributes:
      Options: the class of its options; it inherits from `tasks.TaskOptions`.
      Generate: the class of its options of the command `generate`.
      options: as given.
      classes: how many labels there are, of a conditional generator; known once the models are built.
      shows_data: whether `show` needs the data and shows some, which an exported generator's card then does not.
    """

    Options: ClassVar[type[TaskOptions]] = TaskOptions
    Generate: ClassVar[type[GenerateOptions]] = GenerateOptions

    classes: int | None = None
    shows_data: ClassVar[bool] = False

    def __init__(self, options: Any) -> None:
        self.options = options

    # Data.

    @abc.abstractmethod
    def source(self, rank: int = 0, size: int = 1) -> Source:
        """Learner `rank`'s part of the training data, of `size` parts; (0, 1) is everything."""

    def prepare(self) -> list[str]:
        """Make what all learners of a host read; one of them calls this before `source`. Returns remarks to print."""
        return []

    def check(self, source: Source) -> None:
        """Raise `UserError` unless the samples of `source` can be used, before training."""
        source.check()

    @property
    def digest(self) -> str:
        """A text that is another one if the numbers in samples mean something else, such as other words.

        It must be the same on every learner.
        """
        return ""

    @property
    def conditional(self) -> bool:
        """True if the nets take labels, int32 [n], as a second input."""
        return False

    @property
    def labelled(self) -> bool:
        """True if training needs labels beside samples."""
        return self.conditional

    # Nets.

    @abc.abstractmethod
    def build_models(
        self, sample_shape: tuple[int, ...], classes: int | None = None
    ) -> tuple[keras.Model, keras.Model]:
        """(generator, critic), built, equal on every learner.

        Args:
          sample_shape: of one sample of `source`.
          classes: of `source`, or None.
        """

    def build_classifier(self, critic: keras.Model) -> keras.Model:
        """The classifier for ratio clipping, samples -> logits [n, 1] of being real: the critic's net, weights anew."""
        with building.built(self.options.precision, self.options.seed + 1):
            return building.clone_as_classifier(critic)

    @property
    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps for `rebuild`: JSON, "sample_shape" in it. A run with other facts is refused."""

    def rebuild(self, facts: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
        """The nets of a checkpoint that has kept `facts`."""
        return self.build_models(tuple(facts["sample_shape"]), facts.get("classes"))

    # Training.

    @abc.abstractmethod
    def feed(self, generator: keras.Model) -> Feed:
        """How the generator is fed."""

    def trainer_class(self, name: str) -> type[Trainer]:
        """The trainer that the option `trainer` names."""
        return ClippedRatioTrainer if name == "clipped_ratio" else AdversarialTrainer

    def trainer_options(self) -> dict[str, Any]:
        """Arguments of the trainer's class beside those that every trainer of its kind has."""
        return {}

    # Samples.

    @abc.abstractmethod
    def sampler(self, generator: keras.Model, weights: Weights, label: str) -> Sampler:
        """The sampler of a generator; arguments as `Sampler` takes them."""

    def show(self, sampler: Any, seed: int = 0) -> np.ndarray | str | None:
        """Samples of fixed inputs as a picture, uint8 [h, w, 1 or 3], or as lines of text; None: there is no way."""
        del sampler, seed
        return None

    def row(self, sampler: Any, seed: int = 0) -> np.ndarray | None:
        """A few samples of fixed inputs as a small picture, uint8 [h, w, 1 or 3], to be compared with others' like it.

        Training draws one of the consensus and of each learner, by samplers of one generator under several weights.
        A task without such pictures returns None. The size does not depend on weights: they stand side by side.
        """
        del sampler, seed
        return None

    def write_samples(self, sampler: Any, step: int, options: Any) -> str:
        """What the command `generate` does: write samples to `options.output`. Returns what was written, in words.

        Args:
          sampler: of the step.
          step: for files that name it.
          options: of the class `Generate`.
        """
        raise UserError(f"--task={self.options.task}: {type(self).__name__} writes no samples (no write_samples)")

    def module(self, sampler: Any) -> tf.Module:
        """What the command `export` writes: a module with `signatures()`, {name: concrete function}."""
        raise UserError(f"--task={self.options.task}: {type(self).__name__} cannot be exported (no module)")

    # Scores. Each learner measures a part of the samples; the parts' arrays are summed; learner 0 makes scores of sums.

    @property
    def judges(self) -> list[str]:
        """Names and digests of the nets that judge samples. Learners must have the same, or sums mean nothing."""
        return []

    @property
    def knows_real(self) -> bool:
        """True if `measure` need not look at the real data."""
        return True

    def number(self, number: int | None) -> int:
        """How many samples are generated for a score; `number`: how many were asked for, or None."""
        return number or self.options.eval_samples or 10_000

    def measure(
        self,
        sampler: Any,
        number: int | None,
        seed: int,
        part: tuple[int, int],
        *,
        real: bool,
        thorough: bool,
        progress: Progress,
    ) -> dict[str, np.ndarray]:
        """{name: array}: what the scores need, of a part of the samples. The arrays of all parts add up.

        Args:
          sampler: of this task.
          number: generated samples in all, or None.
          seed: of the samples.
          part: (i, n); every n-th batch from the i-th on.
          real: whether the real data's part is measured too.
          thorough: whether scores are wanted that need samples one by one.
          progress: function (iterable, length, what) -> iterable, e.g. a progress bar.
        """
        del sampler, number, seed, part, real, thorough, progress
        return {}

    def scores(self, sums: dict[str, np.ndarray], sampler: Any, number: int | None, seed: int) -> list[Score]:
        """The scores, from the sums over all parts."""
        del sums, sampler, number, seed
        return []

    def why_no_score(self) -> str:
        """Words for a user who asks for scores where there are none."""
        return f"no score is known for --task={self.options.task}"

    def draw_curves(self, step: int | str | None, scores: list[Score], kept: Consensuses) -> list[str]:
        """Draw what the command `evaluate` shows beside scores. Returns lines to print, on learner 0.

        Args:
          step: which checkpoint was scored; None: the newest.
          scores: of the checkpoint, on learner 0.
          kept: the workdir's checkpoints.
        """
        del step, scores, kept
        return []
