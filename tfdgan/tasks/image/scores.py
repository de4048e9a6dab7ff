"""Scores of images by an extractor's features: FD, IS, KD, precision and recall."""

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from tfdgan.data import Source
from tfdgan.metrics import Extractor, Score
from tfdgan.metrics.density_coverage import density_coverage
from tfdgan.metrics.frechet import Moments, frechet_distance
from tfdgan.metrics.inception_score import inception_score
from tfdgan.metrics.kernel_distance import SUBSET_SIZE, SUBSETS, kernel_distance
from tfdgan.metrics.precision_recall import precision_recall
from tfdgan.metrics.tally import SPLITS, Tally
from tfdgan.storage import cache, npz
from tfdgan.training.scoring import Progress

Arrays = dict[str, np.ndarray]

DENSITY_NEIGHBOURS = 5
KEPT = 10_000  # features kept whole, for KD, precision and recall
_BATCH = 100
_FORMAT = 1  # of the files of real statistics; a new number makes them all anew


class FeatureScores:
    """Compares generated samples with all real ones, both in parts that add up.

    Args:
      extractor: gives the features.
      source: the whole data.
      split: what signatures call the real samples.
    """

    def __init__(self, extractor: Extractor, source: Source, split: str = "train") -> None:
        self.extractor, self._source, self._split = extractor, source, split
        self._sizes = extractor.sizes(source.sample_shape)
        self._real: Arrays | None = None

    @property
    def knows_real(self) -> bool:
        """True if the real samples' sums need not be made: they are at hand, or in the cache folder."""
        path = self._cached
        if self._real is None and path and os.path.isfile(path):
            with contextlib.suppress(OSError, ValueError, EOFError, zipfile.BadZipFile), np.load(path) as stored:
                self._real = {name: stored[name] for name in stored.files}
        return self._real is not None

    @property
    def _cached(self) -> str | None:
        """The file of the real statistics, named by all that they depend on. None for data without a key."""
        if self._source.key is None:
            return None
        depends_on = [_FORMAT, self.extractor.name, self.extractor.digest, self.extractor.side, KEPT, self._source.key]
        digest = hashlib.blake2b(json.dumps(depends_on).encode(), digest_size=12).hexdigest()
        return cache.place(os.path.join("real_statistics", f"{digest}.npz"))

    def measure_real(self, part: tuple[int, int], progress: Progress) -> Arrays:
        """{name: array} of this part (i, n) of the real samples."""
        tally = Tally(len(self._source), *self._sizes, KEPT)
        batches = -(-len(self._source) // (_BATCH * part[1]))
        for number, batch in progress(self._source.numbered(_BATCH, part), batches, "real samples"):
            tally.add(self.extractor(batch), int(number) * _BATCH)
        return tally.arrays

    def take_real(self, sums: Arrays) -> None:
        """Take the sum of all parts, and keep it in the cache folder."""
        self._real = sums
        if path := self._cached:
            with cache.keeping(path):
                npz.write(path, sums)

    def measure(self, batches: Iterable[tuple[int, np.ndarray]], number: int, thorough: bool) -> Arrays:
        """{name: array} of generated samples: `batches` gives (number of the first one, samples)."""
        tally = Tally(number, *self._sizes, KEPT if thorough else 0)
        for first, batch in batches:
            tally.add(self.extractor(batch), first)
        return tally.arrays

    def scores(self, sums: Arrays, signature: dict[str, Any]) -> list[Score]:
        """The scores of the summed parts; KD, precision, recall, density and coverage if features were kept."""
        name, named, real = self.extractor.name, self.extractor.named, self._real
        if real is None:
            raise ValueError("FeatureScores.scores: the real samples' sums are not known; call take_real first")
        signature = {
            "extractor": f"{name} {self.extractor.digest}",
            "resize": self.extractor.resize(self._source.sample_shape),
            **signature,
        }
        against = {**signature, "real": f"{real['count']:.0f} {self._split}"}
        smaller, least = int(min(sums["count"], real["count"])), self._sizes[0] + 1
        few = {"warning": f"{smaller} samples give no covariance of {least - 1} features: take {least} or more"}
        fake, true = (Moments(float(s["count"]), s["sum"], s["products"]) for s in (sums, real))
        mean, spread = inception_score(*(sums[key] for key in ("counts", "negative_entropies", "probabilities")))
        number, enough = int(sums["count"]), SPLITS * self._sizes[1]
        scarce = {"warning": f"{number} samples in {SPLITS} splits: fewer in each than classes, take {enough} or more"}
        recognised = {**signature, "+-": f"over {SPLITS} splits"} | (scarce if number < enough else {})
        scores = [
            Score(named("FD"), frechet_distance(fake, true), against | (few if smaller < least else {}), best="low"),
            Score(named("IS"), mean, recognised, spread),
        ]
        kept = sums["kept"]
        fewest = min(len(kept), len(real["kept"]))
        if fewest > 3:
            whole = {**against, "features": f"{len(kept)} against {len(real['kept'])}"}
            size = min(SUBSET_SIZE, len(kept), len(real["kept"]))
            distance, spread = kernel_distance(kept, real["kept"], SUBSETS, size)
            precision, recall = precision_recall(real["kept"], kept)
            scores += [
                Score(named("KD"), distance, {**whole, "+-": f"over {SUBSETS} subsets of {size}"}, spread),
                Score(named("precision"), precision, {**whole, "neighbours": 3}),
                Score(named("recall"), recall, {**whole, "neighbours": 3}),
            ]
        if fewest > DENSITY_NEIGHBOURS:
            density, coverage = density_coverage(real["kept"], kept, DENSITY_NEIGHBOURS)
            near = {**whole, "neighbours": DENSITY_NEIGHBOURS}
            scores += [Score(named("density"), density, near), Score(named("coverage"), coverage, near)]
        return scores

    def recognised(self, sums: Arrays, signature: dict[str, Any]) -> list[Score]:
        """How sure the extractor is of its classes, and the share of the class that it sees least often."""
        name, number = self.extractor.name, sums["count"]
        signature = {"extractor": f"{name} {self.extractor.digest}", **signature}
        return [
            Score(f"mean confidence ({name})", float(sums["confidence"] / number), signature),
            Score(f"smallest class share ({name})", sums["predicted"].min() / number, signature),
        ]
