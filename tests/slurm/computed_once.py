#!/usr/bin/env python3
"""Whether a results file that a job went on with holds, of each start, what that start left done: computed_once.py OUT.h5 JOB_OUTPUT"""
import re
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as file:
    records = file["sheaf/chunks"][...]
with open(sys.argv[2], encoding="utf-8") as output:
    done = [int(found) for found in re.findall(r"goes on: ([0-9]+) of [0-9]+ tasks done", output.read())]
starts = int(records["run"].max()) + 1
found = [int(records["count"][records["run"] < start].sum()) for start in range(1, starts)]
# A task that was computed again would be of a later start, and missing here.
print(f"{starts} starts, which began with 0 and {done} tasks done; by their records {found}")
sys.exit(0 if starts > 1 and found == done and np.all(records["state"] == 2) else 1)
