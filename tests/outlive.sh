#!/bin/sh
# Runs a command, passes SIGTERM, Ctrl-C and SIGHUP on to it, waits for its end, says how it ended, and ends with 0: horovodrun ends all
# learners as soon as one process fails, and signals only the processes that it has started itself.
#
#   horovodrun -np 8 sh tests/outlive.sh python -m tfdgan.train --on_peer_loss=degrade --flagfile=...
"$@" &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT HUP
while kill -0 $child 2>/dev/null; do
  wait $child  # a signal ends the wait, not the child
  code=$?
done
[ "$code" -eq 0 ] || echo "learner ended with $code"
exit 0
