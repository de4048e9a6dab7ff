"""Images, and points of the plane: which data, models, scores and pictures belong together."""

import functools

import numpy as np
import tensorflow as tf

from tfdgan import data, models, pictures, sheets
from tfdgan.data import digits, gaussians, images
from tfdgan.errors import UserError
from tfdgan.metrics import Score, digits_classifier, modes
from tfdgan.metrics.extractor import Extractor
from tfdgan.models.sampling import Sampler
from tfdgan.saved_model import ImageModule
from tfdgan.tasks.feature_scores import FeatureScores

SAMPLES = 10_000  # for a score
_DIGIT_SAMPLES = 2_000
_PICTURE = 64
_PICTURE_POINTS = 2_500


class ImageTask:
    """Generation of images [h, w, c] in [-1, 1], or of points [2].

    Args:
      config: a `Config`. With the arguments below, its `model` or `dataset` is "given".
      generator, critic: the user's own Keras models instead of the named ones.
      samples: the user's own data, as `data.from_user` takes it, instead of the named set.
    """

    def __init__(self, config, generator=None, critic=None, samples=None):
        self.config, self._models, self._samples = config, (generator, critic), samples
        self.sample_shape = self.classes = None  # known once the models are built
        if (config.model == "given") != (generator is not None and critic is not None):
            raise UserError("models: pass generator and critic together, with model='given' in the Config")
        if (config.dataset == "given") != (samples is not None):
            raise UserError("data: pass samples, with dataset='given' in the Config; a command cannot use them")

    def source(self, rank=0, size=1):
        """The data `Source` of learner `rank`."""
        if self._samples is not None:
            source = data.from_user(self._samples, rank, size, self.config.partition)
        else:
            source = data.load(self.config, rank, size)
        if not len(source):
            share = f"learner {rank} of {size} gets no samples"
            raise UserError(f"--dataset={self.config.dataset}: {share}; use fewer learners or more data")
        if self.config.conditional and source.classes is None:
            raise UserError(
                f"--conditional: --dataset={self.config.dataset} has no labels, whole numbers from 0; leave it out"
            )
        return source

    def check(self, source):
        """Raise `UserError` unless samples can be read and the extractor, if there is one, takes them."""
        source.check()
        try:
            batch = next(iter(source.once(64))).numpy()
        except tf.errors.OpError as error:
            reason = (error.message or type(error).__name__).split("\n")[0]
            raise UserError(f"--dataset={self.config.dataset}: cannot be read ({reason[:200]})") from error
        low, high = float(batch.min()), float(batch.max())
        if not np.isfinite([low, high]).all():
            raise UserError(f"--dataset={self.config.dataset}: holds NaN or Inf; remove them")
        if batch.ndim == 4 and max(-low, high) > 1 + 1e-3:
            raise UserError(
                f"--dataset={self.config.dataset}: image values from {low:.4g} to {high:.4g}; scale them to [-1, 1]"
            )
        if self._extractor:
            shape = "x".join(map(str, batch.shape[1:]))
            try:
                self._extractor(batch[:2])
            except (TypeError, tf.errors.OpError) as error:
                raise UserError(f"--inception={self.config.inception}: does not take images of {shape}") from error

    def build_models(self, sample_shape, classes=None):
        """(generator, critic), built, equal on every learner. `classes`: of the data, for conditional models."""
        self.sample_shape, self.classes = tuple(sample_shape), classes if self.config.conditional else None
        if self.config.model != "given":
            return models.build(self.config, sample_shape, self.classes)
        models.check_pair(*self._models, (self.config.latent_size,), sample_shape, self.classes)
        return self._models

    digest = ""  # images are what they are: there are no numbers that could mean something else elsewhere

    def prepare(self):
        """Make what all learners of a host read; one of them calls this before `source`. Returns remarks."""
        return []

    @property
    def facts(self):
        """What a checkpoint keeps, for `rebuild`."""
        return {"sample_shape": self.sample_shape, "classes": self.classes}

    def rebuild(self, facts):
        """The models of a checkpoint that has kept `facts`."""
        return self.build_models(tuple(facts["sample_shape"]), facts.get("classes"))

    def sampler(self, generator, weights, label):
        """The `Sampler` of a generator under some weights."""
        return Sampler(generator, weights, self.config.latent_size, label, self.classes)

    def module(self, sampler):
        """What `export` writes."""
        return ImageModule(sampler)

    def shown(self, sampler, seed=0):
        """Samples as text: none."""

    def picture(self, sampler, seed=0):
        """Fixed latents' samples, each class in turn where there are classes, as `draw` draws them."""
        number = _PICTURE if len(self.sample_shape) == 3 else _PICTURE_POINTS
        sheet = sheets.lay(sampler, "grid", number, seed, frames=0)
        return self.draw(sampler.at(sheet.latents, sheet.labels))

    def draw(self, samples, columns=None):
        """Samples as one picture, uint8 [h, w, 1 or 3], images in rows of `columns`; None if they cannot be drawn."""
        shape = self.sample_shape
        if len(shape) == 3 and shape[-1] in (1, 3):
            return pictures.grid(samples, columns)
        if shape == (2,):
            return pictures.scatter(samples, gaussians.CENTRES if self.config.dataset == "gaussians" else samples[:0])
        return None

    @property
    def judges(self):
        """Names and digests of what compares features: the same on every learner, or their sums mean nothing."""
        return [f"{scored.extractor.name} {scored.extractor.digest}" for scored in self._scored]

    @property
    def knows_real(self):
        """True if `measure` need not look at the real data: there is nothing to learn from it, or it is known."""
        return all(scored.knows_real for scored in self._scored)

    def measure(self, sampler, number, seed, part, *, real, thorough, progress):
        """{name: array}: what the scores need, of a part of the samples; the parts' arrays add up.

        Args:
          sampler: a `Sampler`.
          number: generated samples in all; None takes 10,000, for digits 2,000.
          seed: of the latents.
          part: (i, n); every n-th batch from the i-th on.
          real: whether the real data's part is measured too.
          thorough: whether features are kept for scores that need them one by one.
          progress: function (iterable, length, what) -> iterable, e.g. a progress bar.
        """
        number, measured = self.number(number), {}
        if self.config.dataset == "gaussians":
            drawn = (samples for _, samples in sampler.batches(number, seed, part=part))
            counts = (modes.good_per_mode(samples, gaussians.CENTRES, gaussians.SIGMA) for samples in drawn)
            measured["modes"] = sum(counts, np.zeros(len(gaussians.CENTRES)))
        for index, scored in enumerate(self._scored):
            length = -(-number // (100 * part[1]))
            batches = progress(sampler.batches(number, seed, part=part), length, scored.extractor.name)
            found = {"fake": scored.measure(batches, number, thorough)}
            if real:
                found["real"] = scored.measure_real(part, progress)
            for kind, arrays in found.items():
                measured |= {f"{index} {kind} {name}": array for name, array in arrays.items()}
        return measured

    def scores(self, sums, sampler, number, seed):
        """The scores that this data allows, from the sums over all parts: a list of `Score`."""
        number = self.number(number)
        signature = {"generated": number, "seed": seed, "weights": sampler.label}
        if self.classes:
            signature["labels"] = "uniform"
        scores = self._modes(sums["modes"], number, signature) if "modes" in sums else []
        for index, scored in enumerate(self._scored):
            real, fake = (_under(f"{index} {kind} ", sums) for kind in ("real", "fake"))
            if real:
                scored.take_real(real)
            scores += scored.scores(fake, signature)
            if scored.extractor.name == digits_classifier.NAME:
                scores += scored.recognised(fake, signature)
        return scores

    def number(self, number):
        """How many samples are generated for a score; `number`: how many were asked for, or None."""
        return number or self.config.eval_samples or (_DIGIT_SAMPLES if self.config.dataset == "digits" else SAMPLES)

    @functools.cached_property
    def _extractor(self):
        return Extractor(self.config.inception) if self.config.inception else None

    @functools.cached_property
    def _scored(self):
        """What compares features: by the extractor that was given, and where there is one by the data's own."""
        extractors = [self._extractor] if self._extractor else []
        if self.config.dataset == "digits":
            pictures, labels = digits.arrays()
            samples = np.stack([images.to_sample(p, 0).numpy() for p in pictures])
            extractors.insert(0, digits_classifier.load(samples, labels))
        return [FeatureScores(extractor, self.source()) for extractor in extractors]

    @staticmethod
    def _modes(per_mode, number, signature):
        found, good = {"found": "at least 40 good"}, {"good": "within 4 sigma"}
        return [
            Score("modes found of 25", modes.found(per_mode), {**good, **found, **signature}),
            Score("good samples", per_mode.sum() / number, {**good, **signature}, best="high"),
        ]


def _under(prefix, arrays):
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
