#!/usr/bin/env bash
# Installs Horovod into the active environment, built for its TensorFlow with Gloo, and with MPI where mpicxx is.
#
# The wheel is kept in a cache under a name with everything it was built for: pip's own cache does not know that
# a Horovod wheel fits one TensorFlow only.
set -euo pipefail
version=0.28.1

read -r tensorflow python machine < <(python - <<'PY'
import importlib.metadata as metadata, platform, sys
found = {d.metadata["Name"].lower().replace("-", "_"): d.version for d in metadata.distributions()}
name = next((n for n in ("tensorflow", "tensorflow_cpu") if n in found), None)
if name is None:
    sys.exit("build_horovod: no TensorFlow in this environment; install it first")
print(f"{name}-{found[name]}", f"py{sys.version_info.major}{sys.version_info.minor}", platform.machine())
PY
)
if command -v mpicxx >/dev/null; then mpi=mpi; else mpi=gloo; fi
compiler=gcc$(g++ -dumpversion)
cache="${TFDGAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tfdgan}/horovod-$version-$tensorflow-$python-$machine-$compiler-$mpi"

built="$(python -c 'import horovod; print(horovod.__version__)' 2>/dev/null || true)"
mark="$(python -c 'import sys; print(sys.prefix)')/.horovod-built-for"
if [ "$built" = "$version" ] && [ "$(cat "$mark" 2>/dev/null)" = "$(basename "$cache")" ]; then
  exit 0
fi
if ! ls "$cache"/horovod-*.whl >/dev/null 2>&1; then
  echo "building Horovod $version for $tensorflow ($mpi), about 2 to 4 minutes on 2 cores"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  pip download --quiet --disable-pip-version-check --no-deps --no-binary horovod --no-build-isolation --no-cache-dir \
    --dest "$work" "horovod==$version"
  tar -xzf "$work/horovod-$version.tar.gz" -C "$work"
  # xla_mpi_ops.cc includes headers that moved after TensorFlow 2.18; it only serves collectives inside XLA.
  sed -i '/xla_mpi_ops\.cc/d' "$work/horovod-$version/horovod/tensorflow/CMakeLists.txt"
  [ "$mpi" = mpi ] || export HOROVOD_WITHOUT_MPI=1
  HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 \
    CMAKE_POLICY_VERSION_MINIMUM=3.5 MAKEFLAGS="-j$(nproc)" \
    pip wheel --disable-pip-version-check --no-build-isolation --no-cache-dir --no-deps --wheel-dir "$work/wheel" \
    "$work/horovod-$version" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
  mkdir -p "$(dirname "$cache")"
  rm -rf "$cache"
  cp -r "$work/wheel" "$cache.$$"
  mv "$cache.$$" "$cache"
fi
pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$cache"/horovod-*.whl
basename "$cache" >"$mark"
