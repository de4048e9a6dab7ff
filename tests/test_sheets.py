"""Latents by choice, and what stands where on a sheet."""

import numpy as np
import pytest
import scipy.stats

from tfdgan.errors import UserError
from tfdgan.models import latents
from tfdgan.tasks.image import sheets
from tfdgan.tasks.latent_sampler import LatentSampler


def sampler(classes=None):
    return LatentSampler(None, ([], []), latent_size=4, label="consensus", classes=classes)


def test_truncation_by_quantiles():
    # The median stays, the 97.72% quantile of the normal (2) goes to that of the normal within +-1:
    # F(-1) + .97725 (F(1) - F(-1)) = .15866 + .97725 * .68269 = .82582, so F^-1(.82582) = .9377.
    np.testing.assert_allclose(latents.truncated([[0.0, 2.0]], 1.0), [[0, 0.9377]], atol=1e-4)
    normal = np.random.default_rng(0).standard_normal((20_000, 1))
    within = latents.truncated(normal, 0.5)
    assert np.abs(within).max() <= 0.5 and within.dtype == np.float32
    np.testing.assert_allclose(within.std(), scipy.stats.truncnorm(-0.5, 0.5).std(), atol=5e-3)
    np.testing.assert_allclose(latents.truncated(normal, 9.0), normal, atol=1e-4)  # that is no truncation


def test_paths_by_hand():
    # A right angle and lengths 1 and 3: half-way the direction is (1, 1) / sqrt 2, the length 2.
    (path,) = latents.paths([[1.0, 0.0]], [[0.0, 3.0]], 3)
    np.testing.assert_allclose(path, [[1, 0], [2**0.5, 2**0.5], [0, 3]], atol=1e-6)
    (same,) = latents.paths([[0.6, 0.8]], [[0.6, 0.8]], 4)
    np.testing.assert_allclose(same, [[0.6, 0.8]] * 4, atol=1e-6)


def test_a_grid_takes_each_class_in_turn():
    plain = sheets.arrange(sampler(), "grid", 5, 0, frames=8)
    assert plain.latents.shape == (5, 4) and plain.labels is None and plain.columns is None
    assert sheets.arrange(sampler(3), "grid", 5, 0, frames=8).labels.tolist() == [0, 1, 2, 0, 1]
    assert sheets.arrange(sampler(3), "grid", 5, 0, frames=8, label=2).labels.tolist() == [2] * 5
    np.testing.assert_array_equal(sheets.arrange(sampler(3), "grid", 5, 0, frames=8).latents, plain.latents)


def test_classes_stand_in_rows_over_the_same_latents():
    sheet = sheets.arrange(sampler(3), "classes", 2, 0, frames=8, truncation=1.0)
    assert sheet.labels.tolist() == [0, 0, 1, 1, 2, 2] and sheet.columns == 2
    np.testing.assert_array_equal(sheet.latents[:2], sheet.latents[4:])
    assert np.abs(sheet.latents).max() <= 1


def test_interpolations_are_rows_from_latent_to_latent():
    sheet = sheets.arrange(sampler(2), "interpolation", 3, 0, frames=5)
    assert sheet.latents.shape == (15, 4) and sheet.columns == 5
    assert sheet.labels.tolist() == [0] * 5 + [1] * 5 + [0] * 5
    ends = sampler().latents(6, 0, "picture").numpy()
    np.testing.assert_allclose(sheet.latents[[0, 4, 5, 9, 10, 14]], ends, atol=1e-5)


def test_no_sheet_of_classes_without_any():
    with pytest.raises(UserError, match="^layout=classes: this generator knows no classes"):
        sheets.arrange(sampler(None), "classes", number=2, seed=0)
