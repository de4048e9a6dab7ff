"""The exported folder: its Keras file, its TFLite file, its card, integers of either size."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import environment, launch

from tfdgan.cli import workdir
from tfdgan.cli.exports import export, keras_file
from tfdgan.errors import UserError

pytestmark = pytest.mark.distributed

NETS = ("--model=r3gan", "--dataset=digits", "--image_size=32", "--width_g=8", "--width_d=8", "--latent_size=6")
SHORT = ("--batch_size=2", "--critic_steps=1", "--strategy=local", "--steps=1", "--log_every=1")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a run of one step, and its export."""
    folder = tmp_path_factory.mktemp("export")
    scored = ("--eval_every=1", "--eval_samples=100")
    launch(0, "-m", "tfdgan.train", *NETS, *SHORT, *scored, f"--workdir={folder}/run")
    done = launch(0, "-m", "tfdgan.export", f"--workdir={folder}/run", f"--output={folder}/out", "--tflite")
    assert "SavedModel, generator.keras, generator.tflite, README.md" in done.stdout
    return folder


@pytest.fixture(scope="module")
def latents():
    return np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def images(exported, latents):
    _, sampler, _ = workdir.load(str(exported / "run"))
    return sampler(latents).numpy()


IN_A_FRESH_PROCESS = """
import sys
import keras
import numpy as np
import tfdgan.models.r3gan
generator = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[3], generator(np.load(sys.argv[2]), training=False))
"""


def test_the_keras_file_gives_the_same_images_in_a_fresh_process(exported, latents, images, tmp_path):
    card = (exported / "out/README.md").read_text()
    assert "import tfdgan.models.r3gan\n" in card and 'keras.saving.load_model("generator.keras")' in card
    np.save(tmp_path / "latents.npy", latents)
    arguments = [exported / "out/generator.keras", tmp_path / "latents.npy", tmp_path / "images.npy"]
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, *arguments], env=environment(), check=True)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), images, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_the_tflite_file_gives_the_same_images(exported, latents, images):
    interpreter = tf.lite.Interpreter(str(exported / "out/generator.tflite"))
    made = interpreter.get_signature_runner("serving_default")(latents=latents)["images"]
    np.testing.assert_allclose(made, images, atol=1e-4)


def test_sample_takes_integers_of_either_size(exported):
    model = tf.saved_model.load(str(exported / "out"))
    number, seed = tf.constant(3, tf.int64), tf.constant(1, tf.int64)
    expected = model.signatures["sample"](number=number, seed=seed)["images"].numpy()
    for sizes in ((tf.int32, tf.int32), (tf.int32, tf.int64), (tf.int64, tf.int32), (tf.int64, tf.int64)):
        found = model.sample(*(tf.cast(value, size) for value, size in zip((number, seed), sizes, strict=True)))
        np.testing.assert_array_equal(found["images"], expected)
    np.testing.assert_array_equal(model.sample(3, 1)["images"], expected)
    np.testing.assert_array_equal(model.sample(number=3, seed=1)["images"], expected)


def test_the_card_tells_data_scores_and_configuration(exported):
    card = (exported / "out/README.md").read_text()
    assert card.startswith("---\nlibrary_name: keras\n")
    assert "after 1 of 1 steps; weights: learner 0 EMA" in card
    assert "`digits`, samples of shape 32x32x1" in card and "![generated samples](samples.png)" in card
    assert "| FD (digits_classifier) |" in card and "generated: 100; seed: 0" in card and "real: 1797 train" in card
    assert "* `serving_default(latents float32 [n, 6])` -> `images`" in card
    assert "--model=r3gan\n" in card and str(exported) not in card and "--workdir" not in card
    assert (exported / "out/samples.png").stat().st_size > 500


def test_another_export_to_the_same_folder_is_refused(exported):
    with pytest.raises(UserError, match="exists already; choose a new folder"):
        export.write(str(exported / "run"), None, str(exported / "out"), tflite=False)


def test_text_has_no_tflite_file_but_a_keras_file(tmp_path):
    text = ("--task=text", "--dataset=oracle", "--model=lstm", "--vocabulary_size=12", "--sentence_length=3")
    sizes = ("--corpus_size=100", "--representations=2", "--width_g=8", "--width_d=4", "--eval_every=0")
    launch(0, "-m", "tfdgan.train", *text, *sizes, *SHORT, f"--workdir={tmp_path}/run")
    refused = ("-m", "tfdgan.export", f"--workdir={tmp_path}/run", f"--output={tmp_path}/a", "--tflite")
    done = launch(0, *refused, check=False)
    assert done.returncode == 2 and "--tflite: what this task exports goes from text to text" in done.stderr
    assert not (tmp_path / "a").exists()
    done = launch(0, "-m", "tfdgan.export", f"--workdir={tmp_path}/run", f"--output={tmp_path}/out")
    model = tf.saved_model.load(str(tmp_path / "out"))
    assert model.sample(3, 1.0, 0)["sentences"].shape == (3,)
    card = (tmp_path / "out/README.md").read_text()
    assert ("generator.keras" in done.stdout) and card.count("generator.keras") >= 1
    assert "* `sample(number int64 [], temperature float32 [], seed int64 [])` -> `sentences`" in card


class Unspeakable(keras.layers.Layer):
    """A layer that Keras can save, and not load: it does not say what it was made with."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def call(self, x):
        return x * self.units


def test_a_net_that_keras_cannot_load_has_no_file_and_a_reason(tmp_path):
    class Held:
        generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), Unspeakable(2)])
        trainable = [np.ones((2, 3), np.float32), np.zeros(3, np.float32)]
        non_trainable = []

    assert "Keras cannot save and load this model" in keras_file.write(Held, str(tmp_path))
    assert not list(tmp_path.iterdir())
