#!/usr/bin/env python3
"""Sheaf beside what a user would pick instead, and beside the limits of the machine.

Every row computes one input with Sheaf, with NumPy at once, and with pools of one process a core: multiprocessing,
mpi4py.futures and joblib (peers.py; "-" where one is not installed), in turn and round after round, from HDF5 to HDF5 in a
memory file system. The first round warms up, and there each peer's results are compared with Sheaf's. Seconds are medians,
with the least and the greatest:
  inside  Sheaf: from the end of MPI's start to the finished file, as its run slot notes them; peers: without the start of
          the interpreter, its imports and its workers
  whole   from starting the process to its end, mpirun's included
"Sheaf alone" is Sheaf without mpirun: one rank with a thread a core, as one would run it on one machine.
Limits, measured in the same rounds: bare (calls of BLAS and LAPACK on matrices in memory, bare.c; Sheaf's own kernels for tiny
matrices may beat it), move (the same bytes read and written, move.c), stream (the input's words added up, stream.c), least
(what no schedule beats, by the run's records).
Ratios are medians of each round's: a peer's, or a limit's, seconds to Sheaf's. Tasks of nothing are dispatch.py's, and keep
their results with Sheaf only; its peers do a twentieth of them, and their seconds are twenty times that.

  run.sh [--rows large,svd --repeats 5 --unpinned ...]
"""

import argparse
import csv
import importlib
import os
import statistics
import sys

sys.dont_write_bytecode = True
import dispatch  # noqa: E402
import mixed  # noqa: E402
import peers  # noqa: E402
import rows  # noqa: E402
from common import (add_options, call, core_of, describe_run, digits, environment, figure, run_sheaf,  # noqa: E402
                    scratch, timed, warm_memory)

INSIDE, WHOLE = 0, 1
ALONE = "alone"
TITLES = {"numpy": "NumPy", "pool": "fork pool", "mpi4py": "mpi4py.futures", "joblib": "joblib"}
CSV_HEAD = ("row", "what", "who", "role", "core_type", "rounds", "inside_median", "inside_least", "inside_greatest",
            "whole_median", "whole_least", "whole_greatest", "inside_to_sheaf", "whole_to_sheaf")


class Measured:
    """A row's seconds: {who: [(inside, whole), ...]}, a pair a round; limits have no whole."""

    def __init__(self, row):
        self.row, self.seconds = row, {}

    def add(self, who, inside, whole=None):
        self.seconds.setdefault(who, []).append((inside, whole))

    def of(self, who, part):
        return [times[part] for times in self.seconds[who]]

    def has_whole(self):
        return None not in self.of("sheaf", WHOLE)

    def ratio(self, who, part):
        return statistics.median(x / s for x, s in zip(self.of(who, part), self.of("sheaf", part)))

    def best_peer(self, part):
        return min((p for p in peers.PEERS if p in self.seconds), key=lambda p: statistics.median(self.of(p, part)))

    def drop_first_round(self):
        for times in self.seconds.values():
            del times[0]


def cell(measured, who, part):
    if who not in measured.seconds:
        return "-"
    return figure(measured.of(who, part))


def markdown_row(measured, part):
    best = measured.best_peer(part)
    cells = [measured.row.describe(), *(cell(measured, who, part) for who in ("sheaf", ALONE, *peers.PEERS)),
             f"{TITLES[best]} {digits(measured.ratio(best, part))}"]
    if part == INSIDE:
        cells.append(", ".join(f"{limit} {digits(measured.ratio(limit, part))}" for limit in measured.row.limits) or "-")
    return f"| {' | '.join(cells)} |"


def markdown(head, table):
    """Two tables: the seconds inside with the limits, and those of whole processes."""
    names = " | ".join(("Sheaf", "Sheaf alone", *TITLES.values(), "best peer / Sheaf"))
    columns = 4 + len(peers.PEERS)
    lines = [head, "", f"| seconds inside | {names} | limit / Sheaf |", "|---" * (columns + 1) + "|"]
    lines += [markdown_row(measured, INSIDE) for measured in table]
    lines += ["", f"| seconds of the whole process | {names} |", "|---" * columns + "|"]
    lines += [markdown_row(measured, WHOLE) for measured in table if measured.has_whole()]
    return "\n".join(lines) + "\n"


def csv_rows(measured, core):
    for who in measured.seconds:
        role = "sheaf" if who in ("sheaf", ALONE) else "peer" if who in peers.PEERS else "limit"
        parts = [INSIDE, WHOLE] if role != "limit" and measured.has_whole() else [INSIDE]
        spreads = [f"{f(measured.of(who, part)):.6f}" for part in parts for f in (statistics.median, min, max)]
        ratios = [f"{measured.ratio(who, part):.4f}" for part in parts]
        if WHOLE not in parts:
            spreads, ratios = spreads + [""] * 3, ratios + [""]
        yield [measured.row.name, measured.row.describe(), who, role, core, len(measured.of(who, INSIDE)), *spreads, *ratios]


def measured_versions():
    return [f"{name} {importlib.import_module(name).__version__}" for name in ("numpy", "h5py", "mpi4py", "joblib")
            if name in ("numpy", "h5py") or peers.is_installed(name)]


def write_files(a, core, table):
    with open(a.markdown, "w", encoding="utf-8") as file:
        file.write(markdown(describe_run(a, core, measured_versions()), table))
    with open(a.csv, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_HEAD)
        for measured in table:
            writer.writerows(csv_rows(measured, core))


def measure_limit(a, env, row, limit, source, target):
    programs = {"bare": ["bare", str(a.ranks), "1", str(row.count), str(row.size), row.kernel],
                "move": ["move", str(a.ranks), source, target, str(row.result_bytes())],
                "stream": ["stream", str(a.ranks), source]}
    name, *arguments = programs[limit]
    return float(call([os.path.join(a.limits, name), *arguments], env))


def measure_round(a, env, measured, directory, checked):
    """Sheaf, each peer and each limit once."""
    row = measured.row
    source, ours, theirs = (os.path.join(directory, name) for name in ("input.h5", "sheaf.h5", "peer.h5"))

    def make_ready(target):
        if os.path.exists(target):
            os.unlink(target)
        warm_memory(directory, row.result_bytes())

    make_ready(ours)
    operands = [f"{source}:/{operand}{'' if row.form == 'stack' else '/*'}" for operand in row.operands]
    inside, whole, _ = run_sheaf(a.sheaf, env, a.ranks, row.kernel, operands, ours)
    measured.add("sheaf", inside, whole)
    make_ready(theirs)
    measured.add(ALONE, *run_sheaf(a.sheaf, env, 0, row.kernel, operands, theirs)[:2])
    for peer in filter(peers.is_installed, peers.PEERS):
        make_ready(theirs)
        words, more = peers.command(peer, peers.Job(row.kernel, source, theirs, row.operands, row.form, a.ranks))
        text, whole = timed(words, {**env, **more})
        measured.add(peer, float(text), whole)
        difference = None if checked else rows.differs(row, peers.KERNELS[row.kernel][0], ours, theirs)
        if difference:
            sys.exit(f"{row.name}: {peer}: {difference}")
    for limit in row.limits:
        make_ready(theirs)
        measured.add(limit, mixed.read_makespan(ours, a.ranks)[1] if limit == "least"
                     else measure_limit(a, env, row, limit, source, theirs))


def measure_dispatch_round(a, env, measured, directory):
    """Tasks that do nothing; dispatch.py gives tasks per second."""
    count, alone = measured.row.count, measured.row.name == "dispatch"
    flops = dispatch.NOMINAL_FLOPS["one task a chunk" if alone else "tasks share chunks"]
    _, rate, _ = dispatch.measure_sheaf(a, env, os.path.join(directory, "sheaf.h5"), count, flops)
    measured.add("sheaf", count / rate)
    for name in dispatch.PEERS:
        rate = dispatch.measure_peer(name, a, env, count // 20, 1 if alone else dispatch.TASKS_PER_CHUNK)
        measured.add("pool" if name == "multiprocessing" else name, count / rate)


def measure_row(a, env, row):
    measured = Measured(row)
    with scratch(a.dir) as directory:
        if row.kernel != "noop":
            rows.make_input(row, a.sheaf, env, os.path.join(directory, "input.h5"))
        for i in range(a.repeats + 1):
            if row.kernel == "noop":
                measure_dispatch_round(a, env, measured, directory)
            else:
                measure_round(a, env, measured, directory, checked=i > 0)
            print(f"{row.name}: round {i} of {a.repeats}", file=sys.stderr, flush=True)
    if a.repeats > 0:
        measured.drop_first_round()
    return measured


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.set_defaults(ranks=len(os.sched_getaffinity(0)))
    parser.add_argument("--limits", required=True, help="the directory of bare, move and stream")
    rows.add_options(parser, rows.ROWS)
    parser.add_argument("--markdown", default="table.md", help="where the table goes (default table.md)")
    parser.add_argument("--csv", default="table.csv", help="where all figures go (default table.csv)")
    a = parser.parse_args()
    a.repeats = 0 if a.quick else a.repeats
    return a


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    core, table = core_of(a.sheaf, env), []
    for row in rows.choose(a, rows.ROWS):
        table.append(measure_row(a, env, row))
        write_files(a, core, table)  # what there is, should it be stopped
    print(markdown(describe_run(a, core, measured_versions()), table), end="")


if __name__ == "__main__":
    main()
