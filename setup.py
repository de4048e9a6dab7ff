"""Packaging. TensorFlow and Horovod are extras: there are two TensorFlow wheels, of which one environment holds one,
and Horovod must be built against the one that is there."""

import pathlib
import re
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = pathlib.Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "tfdgan/__init__.py").read_text()).group(1)


class BuildWithConfigurations(build_py):
    """A wheel holds configs/ inside the package; in a checkout they lie beside the package."""

    def run(self):
        super().run()
        if not self.editable_mode:
            shutil.copytree(here / "configs", pathlib.Path(self.build_lib, "tfdgan/configs"), dirs_exist_ok=True)


setup(
    name="tfdgan",
    version=version,
    description="Decentralised training of generative adversarial networks with Keras and Horovod",
    long_description=(here / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["tfdgan", "tfdgan.*"]),
    package_data={
        "": ["py.typed", "*.pyi"],
        "tfdgan.gossip.native": ["*.cc", "*.h", "*/*.cc", "*/*.h"],  # compiled where it runs
    },
    cmdclass={"build_py": BuildWithConfigurations},
    entry_points={"console_scripts": ["tfdgan = tfdgan.__main__:main"]},
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.1",  # flags and flagfiles
        "filelock>=3.12",  # one process of a host makes what all of them read
        "importlib_resources>=6",  # tensorflow-datasets 4.9.10 imports it without saying so
        "keras>=3.10",  # models and optimizers
        "lazy_loader>=0.4",  # names of a package that are loaded when they are first used
        "matplotlib>=3.8",  # plots
        "ml_dtypes>=0.4",  # bfloat16 outside TensorFlow
        "networkx>=3.2",  # graphs of learners
        "numpy>=1.26",  # mixing matrices, checkpoints
        "pillow>=11",  # image files
        "platformdirs>=4",  # the cache folder
        "psutil>=5.9",  # the address of a network interface
        "sacrebleu>=2.4",  # BLEU of rewritten sentences, with its signature
        "scikit-learn>=1.4",  # the digits
        "scipy>=1.11",  # the Frechet distance
        "tensorboard>=2.18",  # TensorFlow 2.21 no longer brings it, and tf.summary needs it
        "tensorflow-datasets>=4.9.7",  # image sets
        "tqdm>=4.66",  # progress bars
    ],
    extras_require={
        "cpu": ["tensorflow-cpu>=2.18"],
        "gpu": ["tensorflow[and-cuda]>=2.18"],
        "fidelity": ["torch>=2", "torch-fidelity>=0.4"],  # reads Inception's weights; tests compare scores with it
        "horovod": ["horovod>=0.28.1"],  # python -m tfdgan.doctor --fix builds it, for TensorFlow above 2.18 too
        "test": ["import-linter>=2", "mypy>=1.11", "nltk>=3.9", "pytest>=8", "pytest-xdist>=3.6", "ruff>=0.6"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
