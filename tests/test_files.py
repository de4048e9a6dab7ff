"""Files that are replaced whole or not at all; the cache folder and its locks."""

import os
import pathlib
import stat
import subprocess
import sys

import pytest

from tfdgan.storage import cache, files


def test_new_content_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with files.replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"  # until the block is left
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_old_content_stays_when_the_block_raises(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half"), files.replacing(path, "w") as file:
        file.write("half")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_nothing_appears_when_the_block_raises(tmp_path):
    with pytest.raises(RuntimeError), files.replacing(tmp_path / "file"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "file", "text\n")
    assert (tmp_path / "a" / "b" / "file").read_text() == "text\n"


def test_name_without_folder_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write_text("file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_the_file_is_flushed_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def noted_fsync(descriptor):
        status = os.fstat(descriptor)
        assert not stat.S_ISDIR(status.st_mode) or os.path.samestat(status, os.stat(tmp_path))
        done.append("folder" if stat.S_ISDIR(status.st_mode) else "file")
        fsync(descriptor)

    def noted_replace(*paths):
        done.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    files.write_text(tmp_path / "file", "text")
    assert done == ["file", "rename", "folder"]


def test_target_that_is_a_folder_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        files.write_text(tmp_path / "folder", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert str(caught.value) == f"[Errno 21] Is a directory: '{tmp_path}/folder'"


def test_the_error_names_the_file_that_was_asked_for(tmp_path):
    name = 250 * "x"  # with what is added while it is written, the name is too long
    with pytest.raises(OSError, match=rf"File name too long: '{tmp_path}/{name}'"):
        files.write_text(tmp_path / name, "text")


@pytest.mark.parametrize(
    "variables, folder",
    [
        (dict(TFDGAN_CACHE="/a/b", XDG_CACHE_HOME="/c", HOME="/d"), "/a/b"),
        (dict(XDG_CACHE_HOME="/c", HOME="/d"), "/c/tfdgan"),
        (dict(XDG_CACHE_HOME="", HOME="/d"), "/d/.cache/tfdgan"),
        (dict(HOME="/d"), "/d/.cache/tfdgan"),
    ],
)
def test_where_the_cache_is(variables, folder, monkeypatch):
    for name in ("TFDGAN_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache.cache_folder() == folder


HOLDER = """
import sys, time
from tfdgan.storage import cache
with cache.lock(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.readline()
    open(sys.argv[1], "w").close()
    if sys.argv[2] == "killed":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["over", "killed"])
def test_one_process_at_a_time_is_in_a_lock(tmp_path, end):
    path = tmp_path / "made"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, end],
        cwd=pathlib.Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "in\n"
    other.stdin.write("go on\n")
    other.stdin.flush()
    with cache.lock(path):
        assert path.exists()
    other.communicate(timeout=20)
    with cache.lock(str(path)):  # free again
        pass
