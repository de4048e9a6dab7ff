#!/usr/bin/env bash
# Makes a virtual environment with the pinned versions of requirements.lock, Horovod built for that TensorFlow,
# and this package. Usage: setup.sh PYTHON VENV TENSORFLOW, where TENSORFLOW is a version that pins.sh knows.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 venv=$2 version=$3

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "setup: $python is $("$python" --version 2>&1); 3.11, 3.12 or 3.13 is needed, e.g. make setup PYTHON=python3.11" >&2
  exit 2
}
pins=$(bash tools/pins.sh "$version") || exit 2
case $version in
  2.18.1 | 2.19.1)
    "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || {
      echo "setup: TensorFlow $version has no wheel for $("$python" --version 2>&1); 2.20.0 and 2.21.0 have" >&2
      exit 2
    } ;;
esac
if [ -x "$venv/bin/python" ] && [ "$("$venv/bin/python" --version)" != "$("$python" --version)" ]; then
  echo "setup: $venv has $("$venv/bin/python" --version), $python is $("$python" --version); make clean first" >&2
  exit 2
fi
command -v g++ >/dev/null || { echo "setup: g++ is missing (Debian: apt-get install g++)" >&2; exit 2; }
# Without OpenSSL's headers the last step says what is missing, and all works but sealing.

rm -f "$venv"/.done-*
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
source "$venv/bin/activate"
# Never both wheels in one environment: they install the same package.
if nvidia-smi >/dev/null 2>&1; then tensorflow="tensorflow[and-cuda]"; else tensorflow=tensorflow-cpu; fi
# Bytecode is made when a module is first imported: most of TensorFlow's modules never are. It is kept whatever the
# environment says, since each process would make it anew.
unset PYTHONDONTWRITEBYTECODE
pip install --quiet --disable-pip-version-check --no-compile "$tensorflow==$version" \
  --requirement <(printf '%s\n' "$pins")
bash tools/build_horovod.sh
pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# Load once what training loads, for its bytecode, on another core than the compiler's. Should it fail, `tfdgan doctor`
# says why.
timeout 300 python -m tfdgan.cli.doctor.probe_tensorflow >/dev/null 2>&1 &
trap 'kill $! 2>/dev/null || true' EXIT
# What is built, and TensorFlow's own lines, are of no use here.
python -m tfdgan.gossip.native.build 2>&1 >/dev/null |
  { grep -v -E '^([IWE][0-9]{4} |WARNING: All log messages before absl|To enable the following)' || true; } >&2
wait
