"""The exported folder: its Keras file, its TFLite file, its card, integers of either size."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import environment, launch

from tfdgan.cli import workdir
from tfdgan.cli.exports import export, keras_file, model_card, tflite
from tfdgan.errors import UserError
from tfdgan.models import relational_memory
from tfdgan.models.stateless import applied
from tfdgan.tasks.base import Sampler
from tfdgan.tasks.image import nets
from tfdgan.tasks.image.export import ImageModule
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.latent_sampler import LatentSampler

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
    runner = interpreter.get_signature_runner("serving_default")
    made = np.concatenate([runner(latents=latents[i : i + 1])["images"] for i in range(len(latents))])
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


def test_folders_that_cannot_be_written_are_one_line(exported, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"^output={tmp_path}/file/x: cannot be written "):
        export.write(str(exported / "run"), None, str(tmp_path / "file/x"), tflite=False)


def test_another_export_to_the_same_folder_is_refused(exported):
    with pytest.raises(UserError, match="exists already; choose a new folder"):
        export.write(str(exported / "run"), None, str(exported / "out"), tflite=False)


@pytest.mark.parametrize("step", ["best", "1"])
def test_a_chosen_step_is_exported(exported, step, tmp_path):
    export.write(str(exported / "run"), step, str(tmp_path / "out"), tflite=False)
    assert "on one learner" in (tmp_path / "out/README.md").read_text()


TEXT = ("--task=text", "--dataset=oracle", "--vocabulary_size=12", "--sentence_length=3", "--model=lstm")


def test_text_has_a_keras_file_and_no_tflite_file(tmp_path):
    sizes = ("--corpus_size=100", "--width_g=8", "--width_d=4", "--eval_every=0", "--pretraining_steps=1", "--steps=2")
    sizes += ("--representations=2",)
    launch(0, "-m", "tfdgan.train", *TEXT, *SHORT, *sizes, f"--workdir={tmp_path}/run")
    refused = ("-m", "tfdgan.export", f"--workdir={tmp_path}/run", f"--output={tmp_path}/a", "--tflite")
    done = launch(0, *refused, check=False)
    assert done.returncode == 2 and "--tflite: what this task exports goes from text to text" in done.stderr
    assert not (tmp_path / "a").exists()
    lines = export.write(str(tmp_path / "run"), "pretrained", str(tmp_path / "out"), tflite=False)
    assert lines[1].endswith(": SavedModel, generator.keras, README.md") and len(lines) == 2
    model = tf.saved_model.load(str(tmp_path / "out"))
    assert model.sample(3, 1.0, 0)["sentences"].shape == (3,)
    card = (tmp_path / "out/README.md").read_text()
    assert "* `sample(number int64 [], temperature float32 [], seed int64 [])` -> `sentences`" in card
    assert "import tfdgan.models.sentences" in card
    noise = np.random.default_rng(0).standard_normal((4, 3, 12)).astype(np.float32)
    _, sampler, _ = workdir.load(str(tmp_path / "run"), "pretrained")
    expected = applied(sampler.generator, sampler.trainable, sampler.non_trainable, noise)
    generator = keras.saving.load_model(tmp_path / "out/generator.keras")
    np.testing.assert_allclose(generator(noise), expected, atol=1e-6)


def test_a_relational_memory_has_a_keras_file(tmp_path):
    sizes = dict(embedding_size=4, representations=2, ends=False, width_g=8, width_d=4)
    generator, _ = relational_memory.build((3, 12), slots=1, heads=2, **sizes)
    assert keras_file.write(Sampler(generator, weights_of(generator), "fresh"), str(tmp_path)) is None
    noise = np.random.default_rng(0).standard_normal((4, 3, 12)).astype(np.float32)
    again = keras.saving.load_model(tmp_path / "generator.keras")
    np.testing.assert_allclose(again(noise), generator(noise), atol=1e-6)


def weights_of(model):
    return model.trainable_variables, model.non_trainable_variables


def test_the_card_of_styles_shows_no_sentence_of_the_data_and_needs_none(tmp_path):
    """The data of the run is gone; a signature's bars do not break the table."""
    for split, count in (("train", 30), ("dev", 5)):
        for style, word in ((0, "bad"), (1, "good")):
            lines = "".join(f"secret {word} food number {number}\n" for number in range(count))
            (tmp_path / f"mine.{split}.{style}").write_text(lines)
    style = ("--task=style_transfer", f"--dataset=file:{tmp_path}/mine", "--model=style_transfer", "--style_size=2")
    sizes = ("--sentence_length=6", "--embedding_size=4", "--width_g=6", "--width_d=4", "--trainer=clipped_ratio")
    game = ("--update=alternating", "--generator_steps=1", "--noratio_clipping", "--eval_every=0")
    launch(0, "-m", "tfdgan.train", *style, *sizes, *game, *SHORT, f"--workdir={tmp_path}/run")
    scores = [dict(step=1, name="BLEU", value=1.0, signature={"bleu": "nrefs:1|case:mixed"})]
    (tmp_path / "run/scores.jsonl").write_text("".join(json.dumps(record) + "\n" for record in scores))
    for file in tmp_path.glob("mine.*"):
        file.unlink()
    lines = export.write(str(tmp_path / "run"), None, str(tmp_path / "out"), tflite=False)
    assert "generator.keras" in lines[1]
    card = (tmp_path / "out/README.md").read_text()
    assert "secret" not in card and str(tmp_path) not in card and "`file:mine`" in card
    assert "| BLEU | 1 | bleu: nrefs:1&#124;case:mixed |" in card


def test_no_folder_of_this_machine_is_in_the_card():
    shown = model_card._without_path
    assert shown("folder:/data/projects:2024/cats") == "folder:cats" and shown("array:a/b:c.npy") == "array:b:c.npy"
    assert shown("package.module:function") == "package.module:function" and shown("cifar10") == "cifar10"
    assert shown("/home/me/ring.npy") == "ring.npy"


@pytest.mark.slow
@pytest.mark.parametrize("model, side, classes", [("resnet", 32, None), ("ct_resnet", 32, None), ("sagan", 64, 3)])
def test_every_pair_of_images_has_a_tflite_file(model, side, classes):
    """One sample a call; of the others dcgan and mlp have no layers but those of r3gan, or fewer."""
    sizes = dict(width_g=8, width_d=8, latent_size=4)
    options = ImageOptions(model=model, conditional=bool(classes), **sizes)
    generator, _ = nets.build(options, (side, side, 3), classes)
    module = ImageModule(LatentSampler(generator, weights_of(generator), 4, "fresh", classes))
    signatures = module.signatures()
    interpreter = tf.lite.Interpreter(model_content=tflite.convert(module, signatures))
    inputs = {"latents": np.random.default_rng(0).standard_normal((1, 4)).astype(np.float32)}
    inputs |= {"labels": np.array([2], np.int32)} if classes else {}
    made = interpreter.get_signature_runner("serving_default")(**inputs)["images"]
    expected = signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})["images"]
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_what_tflite_cannot_is_named_in_one_line(capfd):
    class Module(tf.Module):
        def signatures(self):
            spec = tf.TensorSpec([None, 2], tf.float32, name="latents")
            digamma = tf.function(lambda latents: {"images": tf.raw_ops.Betainc(a=latents, b=latents, x=latents)})
            return {"serving_default": digamma.get_concrete_function(spec)}

    module = Module()
    with pytest.raises(
        UserError, match=r"^tflite: this generator does not convert \(no operation of TFLite for tf.Betainc"
    ):
        tflite.convert(module, module.signatures())
    assert "loc(" not in capfd.readouterr().err


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

    found = keras_file.write(Held, str(tmp_path))
    assert found.startswith("Keras cannot save and load this model (decorate Unspeakable with keras.saving") or (
        found == "Keras cannot save and load this model (give Unspeakable a get_config and a from_config)"
    )
    assert not list(tmp_path.iterdir())
