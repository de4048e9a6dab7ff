"""Pairs of nets as people bring them: which fit, what is said of those that do not, and the classifier of a critic."""

import keras
import numpy as np
import pytest

from tfdgan.errors import UserError
from tfdgan.models import building, ct_resnet, dcgan
from tfdgan.tasks.image import nets
from tfdgan.tasks.image.options import ImageOptions


def build(sample_shape, classes=None, **changes):
    return nets.build(ImageOptions(**changes), sample_shape, classes)


def weights(pair):
    return [value for model in pair for value in model.get_weights()]


def layer(before, *after):
    """A model of one dense layer."""
    size = int(np.prod(after))
    return keras.Sequential(
        [keras.Input(before), keras.layers.Flatten(), keras.layers.Dense(size), keras.layers.Reshape(after)]
    )


def test_pair_that_fits_is_accepted():
    building.check_pair(layer((3,), 4, 2), layer((4, 2), 1), (3,), (4, 2))


def test_generator_of_another_shape_is_refused():
    with pytest.raises(UserError, match=r"generator: .*\(4, 2\).*\(4, 3\)"):
        building.check_pair(layer((3,), 4, 2), layer((4, 2), 1), (3,), (4, 3))


def test_critic_with_several_scores_is_refused():
    with pytest.raises(UserError, match=r"critic: .*\(2, 5\)"):
        building.check_pair(layer((3,), 4), layer((4,), 5), (3,), (4,))


USERS_MODELS = """
import keras


def pair(config, sample_shape):
    generator = keras.Sequential([keras.Input((config.latent_size,)), keras.layers.Dense(sample_shape[0])])
    critic = keras.Sequential([keras.Input(sample_shape), keras.layers.Dense(1)])
    return generator, critic


def generator_only(config, sample_shape):
    return pair(config, sample_shape)[0]


def three(config, sample_shape):
    return (*pair(config, sample_shape), None)


def broken(config, sample_shape):
    return 1 / 0


not_a_function = 3
"""


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    (tmp_path / "users_own_models.py").write_text(USERS_MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    return "users_own_models"


def test_users_factory_is_called_by_name(users_module):
    generator, critic = build((3,), model=f"{users_module}:pair", latent_size=7)
    assert generator.count_params() == 7 * 3 + 3 and critic.count_params() == 3 + 1
    again = build((3,), model=f"{users_module}:pair", latent_size=7)
    for a, b in zip(weights((generator, critic)), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["generator_only", "three", "missing", "not_a_function", "broken"])
def test_users_factory_that_gives_no_pair_is_refused(users_module, name):
    with pytest.raises(UserError, match=f"^model={users_module}:{name}"):
        build((3,), model=f"{users_module}:{name}")


def test_what_a_factory_does_wrong_is_named():
    with pytest.raises(UserError, match="^model=own: is a int, not a function"):
        building.call_factory("own", 3)
    with pytest.raises(UserError, match=r"^model=own: ZeroDivisionError: division by zero \(.*test_model_pairs.py"):
        building.call_factory("own", lambda: 1 / 0)
    with pytest.raises(UserError, match="images are 5 x 5; use sides from 8"):  # the factory's own words
        building.call_factory("own", lambda: dcgan.build((5, 5, 3), latent_size=2, width_g=2, width_d=2))


def test_a_failed_build_leaves_the_precision_as_it_was():
    with pytest.raises(ZeroDivisionError), building.built("bfloat16", 0):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == "float32"


def test_classifiers_are_the_critics_net_with_other_weights():
    with building.built("float32", 0):
        _, critic = ct_resnet.build((32, 32, 3), latent_size=5, width_g=2, width_d=3)
        clone, own = building.clone_as_classifier(critic), ct_resnet.classifier(critic, 3)
    assert [w.shape for w in clone.get_weights()] == [w.shape for w in critic.get_weights()]
    assert (clone.get_weights()[0] != critic.get_weights()[0]).any()
    # Three blocks of two batch norms, no dropout.
    kinds = [type(layer) for layer in own.layers]
    assert kinds.count(keras.layers.BatchNormalization) == 6 and keras.layers.Dropout not in kinds
    assert own(np.zeros((2, 32, 32, 3), np.float32)).shape == (2, 1)


class NotCloneable(keras.Model):
    def __init__(self, size):
        super().__init__()
        self.dense = keras.layers.Dense(size)

    def call(self, x):
        return self.dense(x)


def test_a_critic_that_cannot_be_cloned_is_refused():
    with pytest.raises(UserError, match="^ratio_clipping: the critic cannot be made anew as a classifier"):
        building.clone_as_classifier(NotCloneable(1))
