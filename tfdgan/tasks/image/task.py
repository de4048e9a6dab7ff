"""Images, and points: which data, nets, scores and pictures belong together."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdgan.data import Source, digits, gaussians, images
from tfdgan.data.given import fault_in
from tfdgan.errors import UserError
from tfdgan.metrics import Score, modes
from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.models import building
from tfdgan.tasks.base import Task, Weights
from tfdgan.tasks.image import class_names, digits_classifier, nearest, nets, pictures, samples_file, sheets
from tfdgan.tasks.image.export import ImageModule
from tfdgan.tasks.image.options import ImageGenerateOptions, ImageOptions
from tfdgan.tasks.image.real import RealSamples
from tfdgan.tasks.image.scores import FeatureScores
from tfdgan.tasks.latent_sampler import LatentSampler
from tfdgan.training.feed import LatentFeed
from tfdgan.training.scoring import Progress

_MOST_NAMES = 10_000  # of classes in a manifest
_SAMPLES, _DIGIT_SAMPLES = 10_000, 2_000  # for a score
_PICTURE, _PICTURE_POINTS = 64, 2_500
_ROW, _ROW_SIDE = 8, 64  # images of a learner beside others, and their pixels a side at most: all are told of them


class ImageTask(Task):
    """Generation of images [h, w, c] in [-1, 1], or of points [d].

    Args:
      options: an `ImageOptions`. With the arguments below, its `model` or `dataset` is "given".
      generator, critic: the user's own Keras models instead of the named ones.
      samples: the user's own data, as `data.from_user` takes it, instead of the named set.
    """

    Options = ImageOptions
    Generate = ImageGenerateOptions

    def __init__(
        self,
        options: ImageOptions,
        generator: keras.Model | None = None,
        critic: keras.Model | None = None,
        samples: Any = None,
    ) -> None:
        super().__init__(options)
        self._real, self._models = RealSamples(options, samples), (generator, critic)
        self.sample_shape: tuple[int, ...] = ()  # known once the models are built
        self.classes: int | None = None
        self._class_names: list[str] = []  # known once there is a source, or a checkpoint is loaded
        if (options.model == "given") != (generator is not None and critic is not None):
            raise UserError(
                f"--model={options.model}: pass generator and critic together, with model='given' in the options"
            )
        if (options.dataset == "given") != (samples is not None):
            raise UserError(f"--dataset={options.dataset}: pass samples if and only if dataset='given' in the options")

    @property
    def digest(self) -> str:
        """A hash of the class names; "" if labels are unused. Learners with another hash number other classes."""
        return class_names.digest(self._class_names)

    def prepare(self) -> list[str]:
        self._real.check_others()
        return []

    def source(self, rank: int = 0, size: int = 1) -> Source:
        source = self._real.part(rank, size)
        self._class_names = list(source.class_names) if self.options.conditional else []
        return source

    def check(self, source: Source) -> None:
        """Raise `UserError` unless samples can be read and the extractor, if there is one, takes them."""
        self._check_extractor(self._real.check(source)[:2])

    def _check_extractor(self, batch: np.ndarray) -> None:
        """Raise `UserError` if there is an extractor that does not take such samples."""
        if not self._extractor:
            return
        named, shape = f"--inception={self.options.inception}", "x".join(map(str, batch.shape[1:]))
        if batch.ndim != 4:
            raise UserError(f"{named}: scores images, not samples of shape {shape}; leave it out")
        try:
            self._extractor(batch)
        except (TypeError, tf.errors.OpError) as error:
            hint = "; train with --channels=3" if batch.shape[-1] == 1 and not self.options.channels else ""
            raise UserError(f"{named}: does not take images of {shape}{hint}") from error

    @property
    def conditional(self) -> bool:
        return self.options.conditional

    def build_models(
        self, sample_shape: tuple[int, ...], classes: int | None = None
    ) -> tuple[keras.Model, keras.Model]:
        self.sample_shape, self.classes = tuple(sample_shape), classes if self.options.conditional else None
        if self.options.model != "given":
            return nets.build(self.options, sample_shape, self.classes)
        building.check_pair(*self._models, (self.options.latent_size,), sample_shape, self.classes)
        return self._models

    def build_classifier(self, critic: keras.Model) -> keras.Model:
        return nets.build_classifier(self.options, critic)

    @property
    def facts(self) -> dict[str, Any]:
        names = {"class_names": self._class_names} if 0 < len(self._class_names) <= _MOST_NAMES else {}
        data = {"data": self._real.whole} if self._real.whole else {}
        return {"sample_shape": self.sample_shape, **names, "classes": self.classes, **data}

    def rebuild(self, facts: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
        self._class_names = facts.get("class_names", [])  # checkpoints of earlier versions have none
        self._real.trained_on = facts.get("data", "")
        return super().rebuild(facts)

    def feed(self, generator: keras.Model) -> LatentFeed:
        return LatentFeed(self.options.latent_size)

    def sampler(self, generator: keras.Model, weights: Weights, label: str) -> LatentSampler:
        return LatentSampler(generator, weights, self.options.latent_size, label, self.classes)

    def module(self, sampler: LatentSampler) -> ImageModule:
        return ImageModule(sampler)

    def show(self, sampler: LatentSampler, seed: int = 0) -> np.ndarray | None:
        """Samples of fixed latents, each class in turn where there are classes, as `draw` draws them."""
        return self.draw(self._fixed_samples(sampler, seed))

    def row(self, sampler: LatentSampler, seed: int = 0) -> np.ndarray | None:
        """The first images of `show`; of the 25 Gaussians where its points lie; None for other points."""
        if self._has_pictures:
            # As many as `show` makes, although few are wanted: nothing is traced for another size of batch.
            return pictures.grid(pictures.shrunk(self._fixed_samples(sampler, seed)[:_ROW], _ROW_SIDE), _ROW)
        if self.options.dataset == "gaussians":
            return pictures.density(self._fixed_samples(sampler, seed), np.abs(gaussians.CENTRES).max() + 0.5)
        return None

    def _fixed_samples(self, sampler: LatentSampler, seed: int) -> np.ndarray:
        number = _PICTURE if len(self.sample_shape) == 3 else _PICTURE_POINTS
        sheet = sheets.arrange(sampler, "grid", number, seed)
        return sampler.at(sheet.latents, sheet.labels)

    @property
    def _has_pictures(self) -> bool:
        """True if samples are images that can be drawn."""
        return len(self.sample_shape) == 3 and self.sample_shape[-1] in (1, 3)

    def draw(self, samples: np.ndarray, columns: int | None = None) -> np.ndarray | None:
        """Samples as one picture, uint8 [h, w, 1 or 3], images in rows of `columns`; None if they cannot be drawn."""
        if self._has_pictures:
            return pictures.grid(samples, columns)
        if self.sample_shape == (2,):
            has_modes = self.options.dataset == "gaussians"
            return pictures.scatter(samples, gaussians.CENTRES if has_modes else samples[:0])
        return None

    def write_samples(self, sampler: LatentSampler, step: int, options: ImageGenerateOptions) -> str:
        label = class_names.number(options.label, self._class_names, self.classes) if options.label else None
        sheet = sheets.arrange(
            sampler,
            options.layout,
            options.num,
            options.seed,
            frames=options.frames or 8,
            label=label,
            truncation=options.truncation or None,
        )
        if options.layout == "neighbours" and len(self.sample_shape) < 3 and not options.output.endswith(".npz"):
            raise UserError(f"--output={options.output}: neighbours of points are no picture; give a name in .npz")
        samples = sampler.at(sheet.latents, sheet.labels)
        said = f"{len(samples)} samples"
        if label is not None:
            said += f" of class {self._class_names[label] if self._class_names else label}"
        if options.layout != "neighbours":
            samples_file.write(options.output, step, sheet, samples, self.draw)
            return said
        self._check_extractor(samples[:2])
        source, extractor = self._real.everything(self.options.split), self._extractor
        near = nearest.in_source(samples, source, options.neighbours, extractor)
        by = f"features of {extractor.name} {extractor.digest}" if extractor else "pixels"
        samples_file.write(options.output, step, sheet, samples, self.draw, near)
        return f"{said}, each beside the {near.indices.shape[1]} nearest real ones by {by},"

    @property
    def judges(self) -> list[str]:
        return [f"{scored.extractor.name} {scored.extractor.digest}" for scored in self._scored]

    @property
    def knows_real(self) -> bool:
        """True if no score needs the real data, or all that scores need of it is known."""
        return all(scored.knows_real for scored in self._scored)

    def number(self, number: int | None) -> int:
        usual = _DIGIT_SAMPLES if self.options.dataset == "digits" else _SAMPLES
        return number or self.options.eval_samples or usual

    def measure(
        self,
        sampler: LatentSampler,
        number: int | None,
        seed: int,
        part: tuple[int, int],
        *,
        real: bool,
        thorough: bool,
        progress: Progress,
    ) -> dict[str, np.ndarray]:
        """As `Task.measure` says. With `thorough` features are kept for scores that need them one by one."""
        number, measured = self.number(number), {}
        self._check_extractor(np.zeros((2, *self.sample_shape), np.float32))
        if self.options.dataset == "gaussians":
            drawn = (samples for _, samples in sampler.batches(number, seed, part=part))
            counts = (modes.good_per_mode(samples, gaussians.CENTRES, gaussians.SIGMA) for samples in drawn)
            measured["modes"] = sum(counts, np.zeros(len(gaussians.CENTRES)))
        for index, scored in enumerate(self._scored):
            length = -(-number // (100 * part[1]))
            batches = progress(sampler.batches(number, seed, part=part), length, scored.extractor.name)
            found = {"fake": scored.measure(batches, number, thorough)}
            if real:
                try:
                    found["real"] = scored.measure_real(part, progress)
                except tf.errors.OpError as error:
                    if said := fault_in(error):
                        raise UserError(said) from error
                    raise
            for kind, arrays in found.items():
                measured |= {f"{index} {kind} {name}": array for name, array in arrays.items()}
        return measured

    def scores(self, sums: dict[str, np.ndarray], sampler: LatentSampler, number: int | None, seed: int) -> list[Score]:
        """The scores that this data allows."""
        number = self.number(number)
        signature: dict[str, Any] = {"generated": number, "seed": seed, "weights": sampler.label}
        if self.classes:
            signature["labels"] = "uniform"
        scores = _of_modes(sums["modes"], number, signature) if "modes" in sums else []
        for index, scored in enumerate(self._scored):
            real, fake = (_under(f"{index} {kind} ", sums) for kind in ("real", "fake"))
            if real:
                scored.take_real(real)
            scores += scored.scores(fake, signature)
            if scored.extractor.name == digits_classifier.NAME:
                scores += scored.recognised(fake, signature)
        return scores

    def why_no_score(self) -> str:
        if len(self.sample_shape) == 3:
            return "no score is known for this data without an extractor: give --inception=SAVED_MODEL_DIR"
        shape = "x".join(map(str, self.sample_shape))
        return f"no score is known for samples of shape {shape}, as --dataset={self.options.dataset} has; use export"

    @functools.cached_property
    def _extractor(self) -> SavedModelExtractor | None:
        return SavedModelExtractor(self.options.inception) if self.options.inception else None

    @functools.cached_property
    def _scored(self) -> list[FeatureScores]:
        """Scores by features: of the extractor that was given, and of the data's own extractor if there is one."""
        extractors = [self._extractor] if self._extractor else []
        if self.options.dataset == "digits":
            greys, kinds = digits.arrays()
            samples = np.stack([images.to_sample(grey).numpy() for grey in greys])
            extractors.insert(0, digits_classifier.load(samples, kinds))
        if not extractors:
            return []
        split = self.options.eval_split or self.options.split
        real = self._real.everything(split)  # read once, of which each learner takes a part
        return [FeatureScores(extractor, real, split) for extractor in extractors]


def _of_modes(per_mode: np.ndarray, number: int, signature: dict[str, Any]) -> list[Score]:
    """Scores of points around known centres, from how many good samples each has."""
    found, good = {"found": "at least 40 good"}, {"good": "within 4 sigma"}
    return [
        Score("modes found of 25", modes.found(per_mode), {**good, **found, **signature}),
        Score("good samples", per_mode.sum() / number, {**good, **signature}, best="high"),
    ]


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
