#!/usr/bin/env bash
# Makes a virtual environment with the pinned versions of requirements.lock, Horovod built for that TensorFlow,
# and this package. Usage: setup.sh PYTHON VENV
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
  echo "setup: $python is $("$python" --version 2>&1); Python 3.11 is needed, e.g. make setup PYTHON=python3.11" >&2
  exit 2
}
for tool in g++ cmake make; do
  command -v "$tool" >/dev/null || { echo "setup: $tool is missing (Debian: apt-get install g++ cmake make)" >&2; exit 2; }
done  # without OpenSSL's headers the last step says what is missing, and all works but sealing

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
source "$venv/bin/activate"
# Never both wheels in one environment: they install the same package.
if nvidia-smi >/dev/null 2>&1; then tensorflow="tensorflow[and-cuda]"; else tensorflow=tensorflow-cpu; fi
# Bytecode is made when a module is first imported: most of TensorFlow's modules never are.
pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.lock "$tensorflow==2.21.0"
bash tools/build_horovod.sh
pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# What is built, and TensorFlow's own lines, are of no use here.
python -m tfdgan.gossip.native.build 2>&1 >/dev/null |
  { grep -v -E '^([IWE][0-9]{4} |WARNING: All log messages before absl|To enable the following)' || true; } >&2
