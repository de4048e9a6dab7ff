"""Nearest real samples: by hand, against everything at once, and as the command writes them."""

import numpy as np
import pytest
from conftest import launch
from PIL import Image

from tfdgan.data import load
from tfdgan.tasks.image import samples_file
from tfdgan.tasks.image.nearest import in_source, nearest
from tfdgan.tasks.image.sheets import Sheet


def flat(batch):
    return batch.reshape(len(batch), -1)


def test_by_hand_over_several_batches():
    real = np.array([[0.0], [10.0], [4.0], [5.0], [11.0]])
    found = nearest(np.array([[4.4], [12.0]]), [real[:2], real[2:4], real[4:]], 2, flat)
    assert found.indices.tolist() == [[2, 3], [4, 1]]
    np.testing.assert_allclose(found.distances, [[0.4, 0.6], [1.0, 2.0]])
    np.testing.assert_array_equal(found.samples, [[[4.0], [5.0]], [[11.0], [10.0]]])


def test_of_equal_distances_the_first_counts_and_fewer_than_asked_are_all():
    real = np.array([[1.0], [3.0], [1.0]])
    found = nearest(np.array([[2.0]]), [real[:1], real[1:]], 7, flat)
    assert found.indices.tolist() == [[0, 1, 2]]


def test_against_all_distances_at_once():
    random = np.random.default_rng(0)
    real, made = random.standard_normal((57, 2, 2, 3)), random.standard_normal((6, 2, 2, 3))
    found = nearest(made, np.array_split(real, 5), 4, flat)
    every = np.linalg.norm(flat(made)[:, None] - flat(real), axis=2)
    np.testing.assert_array_equal(found.indices, np.argsort(every, axis=1)[:, :4])
    np.testing.assert_allclose(found.distances, np.sort(every, axis=1)[:, :4])
    np.testing.assert_array_equal(found.samples, real[found.indices])


def test_files_are_named(tmp_path):
    """Whatever the order in which a folder is read."""
    for grey in range(0, 250, 50):
        Image.fromarray(np.full((8, 8), grey, np.uint8)).save(tmp_path / f"{grey}.png")
    made = np.stack([np.full((8, 8, 1), grey / 127.5 - 1, np.float32) for grey in (98, 203)])
    found = in_source(made, load(f"folder:{tmp_path}"), 2, None)
    assert found.names.tolist() == [["100.png", "50.png"], ["200.png", "150.png"]]
    sheet = Sheet(np.zeros((2, 3), np.float32), None, None)
    samples_file.write(str(tmp_path / "near.npz"), 7, sheet, made, lambda *_: None, found)
    with np.load(tmp_path / "near.npz") as stored:
        assert stored["names"].tolist() == found.names.tolist()


@pytest.mark.distributed
def test_the_command_finds_copies(tmp_path):
    """A generator that writes one training image, whatever the latents: the nearest one is this image."""
    (tmp_path / "copier.py").write_text(
        "import keras\nimport numpy as np\n\n"
        "IMAGES = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 3)).astype(np.float32)\n\n\n"
        "def data():\n    return IMAGES\n\n\n"
        "def pair(options, shape):\n"
        "    nought = dict(use_bias=True, kernel_initializer='zeros')\n"
        "    copy = keras.initializers.Constant(IMAGES[17].reshape(-1))\n"
        "    generator = keras.Sequential([keras.Input((options.latent_size,)),\n"
        "        keras.layers.Dense(192, bias_initializer=copy, **nought), keras.layers.Reshape(shape)])\n"
        "    critic = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1)])\n"
        "    return generator, critic\n"
    )
    flags = (
        "--dataset=copier:data",
        "--model=copier:pair",
        "--strategy=local",
        "--steps=1",
        "--eval_every=0",
        "--learning_rate_g=1e-30",
    )
    path = f"{tmp_path}:."
    where = f"--workdir={tmp_path}/run"
    launch(0, "-m", "tfdgan.train", *flags, "--batch_size=4", "--critic_steps=1", where, PYTHONPATH=path)
    generate = ("-m", "tfdgan.generate", where, "--layout=neighbours", "--num=3", "--neighbours=2")
    said = launch(0, *generate, f"--output={tmp_path}/near.npz", PYTHONPATH=path).stdout
    assert "3 samples, each beside the 2 nearest real ones by pixels, of step 1" in said
    with np.load(tmp_path / "near.npz") as stored:
        assert stored["indices"][:, 0].tolist() == [17] * 3
        np.testing.assert_allclose(stored["distances"][:, 0], 0, atol=1e-3)
        np.testing.assert_array_equal(stored["neighbours"][:, 0], stored["samples"])
        assert stored["neighbours"].shape == (3, 2, 8, 8, 3) and stored["neighbours"].dtype == np.uint8
    launch(0, *generate, f"--output={tmp_path}/near.png", PYTHONPATH=path)
    assert (tmp_path / "near.png").stat().st_size > 500
    wrong = launch(0, *generate, "--neighbours=99", f"--output={tmp_path}/c.png", PYTHONPATH=path, check=False)
    assert wrong.returncode == 2 and "--neighbours=99: there are 40 real samples; give at most as many" in wrong.stderr
    generate = ("-m", "tfdgan.generate", where, "--neighbours=2", f"--output={tmp_path}/b.png")
    wrong = launch(0, *generate, PYTHONPATH=path, check=False)
    assert wrong.returncode == 2 and "--neighbours=2: only --layout=neighbours looks at real samples" in wrong.stderr
