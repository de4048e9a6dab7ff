"""A learner's stand-in for tests/test_supervision.py: python -m supervised [flags of a learner] FOLDER DOES ...

It counts its starts in FOLDER/starts, keeps the flags of each, and does the n-th of DOES at its n-th start, the last of
them from then on: an exit code, -n to end by signal n, or "wait" to wait for a signal and end with 0. It takes part in
the job whose roster is there, unless "outside" follows.
"""

import os
import signal
import sys
import time

from tfdgan.distributed import roster

folder, *does = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
with open(f"{folder}/starts", "a") as file:
    file.write(" ".join([str(os.getpid()), *sys.argv[1:]]) + "\n")
with open(f"{folder}/starts") as file:
    start = len(file.readlines())
do = does[min(start, len(does)) - 1]
do, *outside = do.split()
if os.path.exists(f"{folder}/roster.json") and not outside:
    roster.note(3, f"process-{os.getpid()}", f"{folder}/roster.json")
if do == "wait":
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: ended.append(number))
    print("waits", flush=True)
    while not ended:
        time.sleep(0.01)
    print(f"got {len(ended)} signal(s), {ended[0]}", flush=True)
    sys.exit(0)
if int(do) < 0:
    os.kill(os.getpid(), -int(do))
sys.exit(int(do))
