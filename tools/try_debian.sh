#!/usr/bin/env bash
# Tries a revision on a bare Debian: a fresh root by debootstrap, in it the README's apt-get line and nothing else, then
# `make setup` for each TensorFlow asked for, two learners, and two that take the run up again. A line a TensorFlow goes
# to FOLDER/SUITE.tsv. Needs root, debootstrap and 10 GB.
#   tools/try_debian.sh SUITE FOLDER TENSORFLOW...     e.g. tools/try_debian.sh trixie /var/tmp/roots 2.21.0 2.20.0
set -euo pipefail
suite=$1 folder=$2
shift 2
here=$(realpath "$(dirname "$0")/..")
root=$folder/$suite
packages=$(sed -n 's/^ *apt-get install //p' "$here/README.md")

mkdir -p "$folder"
if [ ! -e "$root/.made" ]; then
  debootstrap --variant=minbase "$suite" "$root" >"$root.log"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  touch "$root/.made"
fi
rm -rf "$root/root/tfdgan"
git clone --quiet "$here" "$root/root/tfdgan"

# Mounts end with the process.
inside() {
  unshare --mount --fork bash -c 'mount --bind /proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$@"' "$root" \
    "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
inside apt-get update -q >>"$root.log"
inside DEBIAN_FRONTEND=noninteractive apt-get install -y -q $packages >>"$root.log"
# A proxy that signs by itself is known to this machine, not to a fresh root.
[ -z "${PIP_CERT:-}" ] || cp "$PIP_CERT" "$root/etc/ssl/certs/ca-certificates.crt"

for tensorflow; do
  said=$(inside PIP_CERT=/etc/ssl/certs/ca-certificates.crt bash -euo pipefail -c '
    cd /root/tfdgan
    rm -rf .venv runs /root/.cache
    begun=$SECONDS; make setup TENSORFLOW="$0" >&2; first=$((SECONDS - begun))
    rm -rf .venv
    begun=$SECONDS; make setup TENSORFLOW="$0" >&2; second=$((SECONDS - begun))
    source .venv/bin/activate
    tfdgan doctor >&2
    train() {
      horovodrun -np 2 python -m tfdgan.train --flagfile=configs/gaussians.flags --workdir=runs/tried --steps=20 \
        --checkpoint_every=10 --gossip_backend=native >&2
    }
    train
    rm -r runs/tried/checkpoints/00000020
    train 2>&1 | tee resumed.log >&2
    grep --quiet "resuming at step 10" resumed.log
    printf "%s\t%s\t%s\t%s\t%s\n" "$(python --version)" "$(g++ -dumpversion)" "$0" "$first" "$second"
  ' "$tensorflow" 2>>"$root.log") || { echo "$suite, TensorFlow $tensorflow failed; the end of $root.log:"; tail -n 5 "$root.log"; exit 1; }
  echo "$said" | tail -n 1 | tee -a "$root.tsv"
done
