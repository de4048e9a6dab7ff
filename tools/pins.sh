#!/usr/bin/env bash
# Prints the pinned packages beside a TensorFlow: requirements.lock, with what an older one wants otherwise.
# Usage: pins.sh TENSORFLOW
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  2.21.0) own=/dev/null ;;
  2.18.1 | 2.19.1 | 2.20.0) own=tools/locks/tensorflow-${1%.*}.lock ;;
  *)
    echo "setup: no pinned versions for TensorFlow $1; there are some for 2.18.1, 2.19.1, 2.20.0 and 2.21.0" >&2
    exit 2 ;;
esac
awk -F== 'FILENAME == ARGV[1] {own[$1]; print; next} !($1 in own)' "$own" requirements.lock
