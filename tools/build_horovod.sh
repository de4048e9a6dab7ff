#!/usr/bin/env bash
# Installs Horovod into the active environment, built for its TensorFlow, unless that is done: what
# `python -m tfdgan.doctor --fix` does. The environment has the packages of requirements.lock.
set -euo pipefail
export PYTHONPATH="$(dirname "$(dirname "$(realpath "$0")")")${PYTHONPATH:+:$PYTHONPATH}"
python -c 'import filelock, lazy_loader, platformdirs' 2>/dev/null || {
  echo "build_horovod: this environment has not the packages of requirements.lock; install them first" >&2
  exit 2
}
python -m tfdgan.cli.doctor.horovod_build
