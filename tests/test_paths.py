"""Paths in flags and options: what is expanded, and where the data of a run lie now."""

import dataclasses
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from tfdgan.cli import flagfile_order, flagfiles
from tfdgan.cli.options import EvaluateOptions, ExportOptions, WorkdirOptions
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, StyleTransferOptions, TextOptions
from tfdgan.tasks.image.options import ImageGenerateOptions
from tfdgan.tasks.style_transfer.options import StyleGenerateOptions

PATHS = {
    "arms", "data_dir", "dataset", "inception", "input", "join", "output", "references", "topology", "vocabulary",
    "wire_key_file", "workdir",
}  # fmt: skip


def test_paths_are_expanded_in_every_flag_that_has_one(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("PLACE", "a place")
    kinds = [ImageOptions, TextOptions, StyleTransferOptions, EvaluateOptions, ExportOptions, WorkdirOptions]
    kinds += [ImageGenerateOptions, StyleGenerateOptions]
    marked = {f.name for kind in kinds for f in dataclasses.fields(kind) if f.metadata["path"]}
    assert marked == PATHS - {"arms"}  # of compare, which has no options
    options = ImageOptions(workdir="~/x", dataset="folder:${PLACE}/y", data_dir="$PLACE", topology="~/w.npy")
    assert (options.workdir, options.dataset) == ("/home/ann/x", "folder:a place/y")
    assert (options.data_dir, options.topology) == ("a place", "/home/ann/w.npy")
    with pytest.raises(UserError, match=r"workdir=\$NOWHERE/x: the variable NOWHERE is not set"):
        ImageOptions(workdir="$NOWHERE/x")
    with pytest.raises(UserError, match="workdir=~nobody_here/x: there is no user nobody_here with a home folder"):
        ImageOptions(workdir="~nobody_here/x")
    assert flagfile_order.files(["train", "--flagfile=$PLACE/a", "--flagfile", "~/b"]) == ["a place/a", "/home/ann/b"]


def test_where_the_data_of_a_run_lie_now(tmp_path):
    """evaluate and generate may be told so; other data, or others of their kind's, are none of the run's."""
    for before, now, is_taken in (
        ("folder:a", "folder:b", True),
        ("cifar10", "cifar10", True),
        ("folder:a", "array:b.npy", False),
        ("cifar10", "digits", False),
    ):
        (tmp_path / "config.flags").write_text(f"--dataset={before}\n")
        if is_taken:
            assert flagfiles.load(str(tmp_path), dataset=now).dataset == now
        else:
            with pytest.raises(UserError, match=f"dataset={now}: {tmp_path} was trained on {before}; give the place"):
                flagfiles.load(str(tmp_path), dataset=now)


def test_a_workdir_of_the_home_folder(tmp_path):
    """Nothing called ~ is made, and hints can be typed as they are."""
    flags = ["--workdir=~/a run", "--dataset=gaussians", "--model=mlp", "--steps=1", "--strategy=local"]
    variables = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tfdgan.train", *flags]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    assert f"watch: tensorboard --logdir '{tmp_path}/a run'" in done.stdout
    assert (tmp_path / "a run" / "scores.jsonl").is_file() and not (tmp_path / "~").exists()
