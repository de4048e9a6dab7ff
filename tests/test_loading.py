"""What a command loads."""

import subprocess
import sys

import pytest

LOADED = """
import sys
from tfdgan.cli import loading
loading.load_tensorflow(whole=False)
assert {"tensorflow", "keras"} <= set(sys.modules), "not loaded"
assert not {"sklearn", "scipy.stats", "matplotlib"} & set(sys.modules), "loaded, though unused"
import matplotlib.figure, sklearn.datasets
assert len(sklearn.datasets.load_digits().data) == 1797
"""

WHOLE = """
from tfdgan.cli import loading
from tfdgan.cli.config import Config
from tfdgan.options import references
own = Config(model="keras:Model", dataset="digits", workdir="x")
assert references.named_in(own) and not references.named_in(Config(dataset="folder:pets", workdir="x"))
loading.load_tensorflow(whole=references.named_in(own))
import keras, numpy
keras.visualization.plot_image_gallery(numpy.zeros([1, 4, 4, 3]), value_range=(0, 255), rows=1, cols=1)
"""

FAILS = """
import sys
from tfdgan.cli import loading
sys.modules["tensorflow.python"] = None
try:
    loading.load_tensorflow(whole=False)
except ImportError:
    import sklearn
else:
    raise AssertionError("an import that fails is passed over")
"""


def in_fresh_process(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_keras_comes_without_what_no_command_uses_and_an_import_finds_it_all_the_same():
    in_fresh_process(LOADED)


@pytest.mark.slow
def test_the_users_own_code_has_all_of_keras():
    in_fresh_process(WHOLE)


def test_after_an_import_that_fails_nothing_stays_hidden():
    in_fresh_process(FAILS)
