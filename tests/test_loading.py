"""What a command loads."""

import subprocess
import sys

LOADED = """
import sys
from tfdgan.cli import loading
loading.load_tensorflow()
assert {"tensorflow", "keras"} <= set(sys.modules), "not loaded"
assert not {"sklearn", "scipy.stats", "matplotlib"} & set(sys.modules), "loaded, though unused"
import matplotlib.figure, sklearn.datasets
assert len(sklearn.datasets.load_digits().data) == 1797
"""

IN_USE = """
import matplotlib, sys
from tfdgan.cli import loading
loading.load_tensorflow()
assert sys.modules["matplotlib"] is matplotlib
from keras.src.visualization import plot_image_gallery
assert plot_image_gallery.plt is not None
"""

FAILS = """
import sys
from tfdgan.cli import loading
sys.modules["tensorflow.python"] = None
try:
    loading.load_tensorflow()
except ImportError:
    import sklearn
else:
    raise AssertionError("an import that fails is passed over")
"""


def in_fresh_process(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_keras_comes_without_what_no_command_uses_and_an_import_finds_it_all_the_same():
    in_fresh_process(LOADED)


def test_what_was_imported_before_stays():
    in_fresh_process(IN_USE)


def test_after_an_import_that_fails_nothing_stays_hidden():
    in_fresh_process(FAILS)
