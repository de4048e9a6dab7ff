"""What the machine gives a process: open files, shared memory, disk, memory, cores."""

import contextlib
import mmap
import os
import resource
import shutil

import psutil

from tfdgan.cli.doctor.finding import Finding, Status

# A learner of two was seen to open 21 files, horovodrun 16 for both; each neighbour takes two more.
_FILES = 256
_DISK = 1 << 30  # bytes: Horovod's build takes most of it
_LEARNER = 0.7 * (1 << 30)  # bytes that a learner with small nets takes, most of it TensorFlow itself
_GIB = 1 << 30
_SHELF = 1 << 20  # bytes to try shared memory with


def open_files() -> Finding:
    """Whether a process may open as many files as a learner with many neighbours does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _FILES:
        many = "any number" if soft == resource.RLIM_INFINITY else soft
        return Finding(Status.OK, "open files", f"open files: {many} a process")
    text = f"open files: {soft} a process; a learner with a few neighbours takes 30, data in many files more"
    least = 1024 if hard == resource.RLIM_INFINITY else min(1024, hard)
    mend = f"ulimit -n {least}" if least >= _FILES else "as root, ulimit -Hn 1024 && ulimit -n 1024"
    return Finding(Status.NOTE, "open files", text, mend)


def shared_memory() -> Finding:
    """Whether learners of this host can exchange by shared memory."""
    why = ""
    try:
        descriptor = os.memfd_create("tfdgan-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(descriptor, "r+b") as file:
            os.ftruncate(descriptor, _SHELF)
            mmap.mmap(file.fileno(), _SHELF).close()
    except AttributeError:
        why = "this system has no memfd"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        text = f"shared memory: none ({why}); learners of this host exchange by TCP"
        return Finding(Status.NOTE, "shared memory", text)
    return Finding(Status.OK, "shared memory", "shared memory: learners of this host exchange by it")


def cache(folder: str, fault: str | None) -> Finding:
    """Whether the cache folder can be written, and has room.

    Args:
      fault: why it cannot be written; None if it can.
    """
    if fault is not None:
        text = f"cache: {folder} cannot be written ({fault}); a temporary folder is used instead"
        return Finding(Status.BROKEN, "cache", text, "export TFDGAN_CACHE=FOLDER, one that can be written")
    free = shutil.disk_usage(folder).free
    text = f"cache: {folder}, {free / _GIB:.1f} GiB free"
    if free < _DISK:
        mend = "export TFDGAN_CACHE=FOLDER, on a disk with 1 GiB free"
        return Finding(Status.NOTE, "cache", f"{text}; built libraries, data and scores take up to 1 GiB", mend)
    return Finding(Status.OK, "cache", text)


def memory(free: float) -> Finding:
    """Whether learners fit into the memory that is free, in bytes."""
    count = int(free / _LEARNER)
    text = f"memory: {free / _GIB:.1f} GiB free"
    if not count:
        return Finding(Status.NOTE, "memory", f"{text}; a learner with small nets takes {_LEARNER / _GIB:.1f} GiB")
    learners = "one learner" if count == 1 else f"{count} learners"
    return Finding(Status.OK, "memory", f"{text}, room for {learners} with small nets")


def free_memory() -> float:
    """Bytes that a new process can have, of the machine's or of this container's."""
    free = float(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        with open("/sys/fs/cgroup/memory.max") as most, open("/sys/fs/cgroup/memory.current") as taken:
            free = min(free, float(int(most.read()) - int(taken.read())))
    return free


def cores(count: int) -> Finding:
    """How many cores this process may use."""
    text = f"cores: {count}"
    return Finding(Status.OK, "cores", f"{text}, which the learners of this host share")
