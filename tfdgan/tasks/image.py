"""Images, and points of the plane: which data, models, scores and pictures belong together."""

import functools

import numpy as np
import tensorflow as tf

from tfdgan import data, models, pictures
from tfdgan.data import digits, gaussians, images
from tfdgan.errors import UserError
from tfdgan.metrics import Score, digits_classifier, modes
from tfdgan.metrics.extractor import Extractor
from tfdgan.metrics.frechet import Moments, frechet_distance

SAMPLES = 10_000  # for a score
_DIGIT_SAMPLES = 2_000
_DIGIT_JUDGED = 500  # of them, by the classifier's confidence
_PICTURE = 64
_PICTURE_POINTS = 2_500


class ImageTask:
    """Unconditional generation of images [h, w, c] in [-1, 1], or of points [2].

    Args:
      config: a `Config`. With the arguments below, its `model` or `dataset` is "given".
      generator, critic: the user's own Keras models instead of the named ones.
      samples: the user's own data, as `data.from_user` takes it, instead of the named set.
    """

    def __init__(self, config, generator=None, critic=None, samples=None):
        self.config, self._models, self._samples = config, (generator, critic), samples
        self._moments = {}  # of the real data, by extractor
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
            raise UserError(f"--conditional: --dataset={self.config.dataset} has no labels; leave it out")
        return source

    def check(self, source):
        """Raise `UserError` unless samples can be read and the extractor, if there is one, takes them."""
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
        models.check_pair(*self._models, self.config.latent_size, sample_shape, self.classes)
        return self._models

    def picture(self, sampler, number=None, seed=0):
        """Fixed latents' samples as one picture, uint8 [h, w, 1 or 3]; None if they cannot be drawn.

        Not by the generator's own output_shape, which only Sequential and functional models have.
        """
        shape = self.sample_shape
        if len(shape) == 3 and shape[-1] in (1, 3):
            return pictures.grid(sampler.samples(number or _PICTURE, seed, "picture"))
        if shape == (2,):
            points = sampler.samples(number or _PICTURE_POINTS, seed, "picture")
            return pictures.scatter(points, gaussians.CENTRES if self.config.dataset == "gaussians" else points[:0])
        return None

    def scores(self, sampler, number=None, seed=0, progress=iter):
        """The scores that this data allows: a list of `Score`.

        Args:
          sampler: a `Sampler`.
          number: generated samples for a score; None takes 10,000, for digits 2,000.
          seed: of the latents.
          progress: wraps the iteration over batches, e.g. in a progress bar.
        """
        scores = []
        if self.config.dataset == "gaussians":
            scores += self._modes(sampler, number or SAMPLES, seed)
        if self.config.dataset == "digits":
            scores += self._digits(sampler, number or _DIGIT_SAMPLES, seed, progress)
        if self._extractor:
            scores += self._frechet(self._extractor, sampler, number or SAMPLES, seed, progress)[0]
        return scores

    @functools.cached_property
    def _extractor(self):
        return Extractor(self.config.inception) if self.config.inception else None

    @functools.cached_property
    def _digits_classifier(self):
        pictures, labels = digits.arrays()
        return digits_classifier.load(np.stack([images.to_sample(p, 0).numpy() for p in pictures]), labels)

    def _real_moments(self, extractor):
        if extractor not in self._moments:
            moments = self._moments[extractor] = Moments()
            for batch in self.source().once(250):
                moments.add(extractor(batch)["pool_3"])
        return self._moments[extractor]

    def _frechet(self, extractor, sampler, number, seed, progress):
        """([FD], logits of all samples)."""
        fake, logits = Moments(), []
        for batch in progress(sampler.batches(number, seed)):
            outputs = extractor(batch)
            fake.add(outputs["pool_3"])
            logits.append(np.asarray(outputs["logits"]))
        real = self._real_moments(extractor)
        signature = {
            "extractor": f"{extractor.name} {extractor.digest}",
            "resize": f"none, {'x'.join(map(str, batch.shape[1:]))}",
            "generated": number,
            "real": f"{real.count} train",
            "seed": seed,
            "weights": sampler.label,
        }
        return [Score(f"FD ({extractor.name})", frechet_distance(fake, real), signature)], np.concatenate(logits)

    def _digits(self, sampler, number, seed, progress):
        classifier = self._digits_classifier
        scores, logits = self._frechet(classifier, sampler, number, seed, progress)
        logits = logits[:_DIGIT_JUDGED].astype(np.float64)
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        shares = np.bincount(logits.argmax(axis=1), minlength=10) / len(logits)
        signature = {**scores[0].signature, "generated": len(logits)}
        del signature["real"]
        return [
            *scores,
            Score(f"mean confidence ({classifier.name})", float(probabilities.max(axis=1).mean()), signature),
            Score(f"smallest class share ({classifier.name})", float(shares.min()), signature),
        ]

    def _modes(self, sampler, number, seed):
        found, good = modes.count(sampler.samples(number, seed), gaussians.CENTRES, gaussians.SIGMA)
        signature = {
            "good": "within 4 sigma",
            "found": "at least 40 good",
            "generated": number,
            "seed": seed,
            "weights": sampler.label,
        }
        return [Score("modes found of 25", found, signature), Score("good samples", good, signature)]
