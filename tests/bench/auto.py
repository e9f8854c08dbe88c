#!/usr/bin/env python3
"""Is the layout that Sheaf chooses by itself as good as the best that one could have given it?

Every workload is computed, from HDF5 to HDF5 in a memory file system, without --layout and with each layout RxT[:W] that
fits the cores, all inside mpirun -n CORES, in turn and round after round. The first round warms up, and there all results
are compared with NumPy's. Seconds are those inside the program, from the end of MPI's start to the finished file, as its run
slot notes them: medians, with the least and the greatest. The ratio is the median of each round's: the best fixed layout's seconds, the
best being the one of the least median, to auto's. It should be 0.97 at least.

The row `schedule` takes few large tasks, which do not spread evenly. It compares auto's makespan, from the first read to
the last write by the run's records, with the shortest of all schedules (every order of starts, every choice of widths,
tried by brute force) of as many tasks that take what one alone takes on 1, 2, ... C cores, measured in the same round.
This ratio, auto's to the shortest, should be 1.05 at most. Tasks side by side may slow each other: no schedule helps that.

  run.sh --auto [--rows eigh-500,schedule --repeats 5 --unpinned ...]
"""

import argparse
import csv
import functools
import os
import statistics
import sys

import h5py
import numpy as np

sys.dont_write_bytecode = True
import mixed  # noqa: E402
import peers  # noqa: E402
import rows  # noqa: E402
from common import (add_options, call, core_of, describe_run, environment, figure, run_sheaf,  # noqa: E402
                    scratch, warm_memory)
from rows import PAIR, Row  # noqa: E402

AUTO = "auto"
LEAST_RATIO, GREATEST_STRETCH = 0.97, 1.05
SAID_LINES = 2  # of all and of the first class
SCHEDULED = (1, 2, 3, 5)  # tasks
UNEQUAL = "matmul, {0.count} of {0.least}x{0.least} to {0.size}x{0.size}"
WORKLOADS = [
    Row("matmul-2000-few", "matmul", 3, 2000, (3, 60), PAIR),
    Row("matmul-2000", "matmul", 30, 2000, (5, 60), PAIR),
    Row("matmul-4000", "matmul", 3, 4000, (3, 80), PAIR),
    Row("matmul-64", "matmul", 20000, 64, (40, 16), PAIR),
    Row("eigh-500-few", "eigh", 3, 500, (3, 20)),
    Row("eigh-500", "eigh", 40, 500, (9, 20)),
    Row("eigh-1500", "eigh", 3, 1500, (3, 30)),
    Row("svd-300", "svd", 100, 300, (9, 20)),
    Row("svd-1000", "svd", 3, 1000, (3, 30)),
    Row("inv-16", "inv", 100000, 16, (100, 16)),
    Row("inv-1000", "inv", 20, 1000, (5, 40)),
    Row("cholesky-2000", "cholesky", 3, 2000, (3, 40)),
    Row("det-200", "det", 2000, 200, (9, 20)),
    Row("sqdiff", "sqdiff", 20, 10**7, (4, 10000), PAIR, text="sqdiff of int64, {0.count} of {0.size:,}"),
    Row("mixed", "matmul", 500, 3000, (12, 100), PAIR, "unequal", text=UNEQUAL),
    Row("mixed-few", "matmul", 7, 4000, (7, 100), PAIR, "unequal", text=UNEQUAL, least=1000),
]
SCHEDULE = Row("schedule", "matmul", max(SCHEDULED), 3000, (max(SCHEDULED), 60), PAIR)
CSV_HEAD = ("workload", "what", "layout", "core_type", "rounds", "median", "least", "greatest", "to_auto", "chosen")


def fixed_layouts(cores):
    """All (ranks, threads, width) that fit."""
    return [(ranks, threads, width) for ranks in range(1, cores + 1) for threads in range(1, cores // ranks + 1)
            for width in sorted({1, threads})]


def layout_text(layout):
    ranks, threads, width = layout
    return f"{ranks}x{threads}" if threads == 1 else f"{ranks}x{threads}:{width}"


def least_makespan(seconds, cores, count):
    """Of COUNT equal tasks, none interrupted, that take seconds[w] on w cores. Every schedule, its starts put forward as far as
    they go, is one of those tried here: tasks taken in the order of their starts, each on the cores that are free first."""
    @functools.lru_cache(maxsize=None)
    def finish(free, left):
        if left == 0:
            return free[-1]
        return min(finish(tuple(sorted((free[width - 1] + seconds[width],) * width + free[width:])), left - 1)
                   for width in seconds if width <= cores)
    return finish((0.0,) * cores, count)


class Measured:
    """A workload's seconds, {layout's text or AUTO: [...]}, and what auto chose in the last round."""

    def __init__(self, row):
        self.row, self.seconds, self.chosen = row, {}, ""

    def add(self, layout, seconds):
        self.seconds.setdefault(layout, []).append(seconds)

    def best_fixed(self):
        return min((layout for layout in self.seconds if layout != AUTO), key=lambda x: statistics.median(self.seconds[x]))

    def ratio(self, layout):
        return statistics.median(s / auto for s, auto in zip(self.seconds[layout], self.seconds[AUTO]))


class Scheduled:
    """A number of tasks: auto's makespan and the shortest, a pair a round; and what auto chose in the last one."""

    def __init__(self, row, count):
        self.row, self.count, self.makespans, self.chosen = row, count, [], ""

    def describe(self):
        return f"{self.count} of {self.row.kernel} {self.row.size}x{self.row.size}"

    def stretch(self):
        return statistics.median(found / least for found, least in self.makespans)


def describe_choice(target):
    """The layout, the widths where there are several, and how what the program itself says of it begins."""
    with h5py.File(target) as results:
        run, chunks = results["sheaf/runs"][0], results["sheaf/chunks"][...]
    widths, counts = np.unique(chunks["width"], return_counts=True)
    words = [run["layout"].decode()]
    if len(widths) > 1:
        words.append(", ".join(f"{count} at width {width}" for width, count in zip(widths, counts)))
    said = run["choices"].decode().splitlines()
    words += said[:SAID_LINES] + (["..."] if len(said) > SAID_LINES else [])
    return "; ".join(words).replace("|", "/")


def run_layout(a, env, directory, row, operands, layout):
    """Seconds inside; the results are left in sheaf.h5."""
    target = os.path.join(directory, "sheaf.h5")
    if os.path.exists(target):
        os.unlink(target)
    warm_memory(directory, row.result_bytes())
    inside, _, _ = run_sheaf(a.sheaf, env, a.ranks, row.kernel, operands, target,
                             *([] if layout == AUTO else ["--layout", layout]))
    return inside


def make_reference(a, env, row, directory):
    """NumPy's results, in the file that it returns."""
    target = os.path.join(directory, "numpy.h5")
    words, more = peers.command("numpy", peers.Job(row.kernel, os.path.join(directory, "input.h5"), target, row.operands,
                                                   row.form, a.ranks))
    call(words, {**env, **more})
    return target


def measure_workload(a, env, row):
    measured = Measured(row)
    layouts = [AUTO, *map(layout_text, fixed_layouts(a.ranks))]
    with scratch(a.dir) as directory:
        source, target = (os.path.join(directory, name) for name in ("input.h5", "sheaf.h5"))
        rows.make_input(row, a.sheaf, env, source)
        operands = [f"{source}:/{operand}{'' if row.form == 'stack' else '/*'}" for operand in row.operands]
        reference = make_reference(a, env, row, directory)
        for i in range(a.repeats + 1):
            for layout in layouts:
                seconds = run_layout(a, env, directory, row, operands, layout)
                if i == 0:
                    difference = rows.differs(row, peers.KERNELS[row.kernel][0], target, reference)
                    if difference:
                        sys.exit(f"{row.name}, layout {layout}: {difference}")
                if i > 0 or a.repeats == 0:
                    measured.add(layout, seconds)
                if layout == AUTO:
                    measured.chosen = describe_choice(target)
            if i == 0:
                os.unlink(reference)
    return measured


def measure_schedules(a, env, row):
    """A Scheduled for each number of tasks."""
    table = [Scheduled(row, count) for count in SCHEDULED if count <= row.count]
    with scratch(a.dir) as directory:
        source, target = (os.path.join(directory, name) for name in ("input.h5", "sheaf.h5"))
        rows.make_input(row, a.sheaf, env, source)

        def makespan(count, layout):
            """Of the second of two runs: the first has touched as much memory. What a virtual machine has not used for a
            moment it gives back, and gets again at a tenth of the speed: two ranks would pay for what one did not need."""
            for _ in range(2):
                run_layout(a, env, directory, row, [f"{source}:/{operand}[0:{count}]" for operand in row.operands], layout)
            return mixed.read_makespan(target, a.ranks)[0]

        for i in range(a.repeats + 1):
            # with all cores at work: alone, a task has the memory and the cache to itself, as in no schedule
            seconds = {width: makespan(a.ranks // width, layout_text((a.ranks // width, width, width)))
                       for width in range(1, a.ranks + 1)}
            for scheduled in table:
                found = makespan(scheduled.count, AUTO)
                scheduled.chosen = describe_choice(target)
                if i > 0 or a.repeats == 0:
                    scheduled.makespans.append((found, least_makespan(seconds, a.ranks, scheduled.count)))
    return table


def workload_lines(a, table):
    layouts = list(map(layout_text, fixed_layouts(a.ranks)))
    yield f"| seconds inside | auto | {' | '.join(layouts)} | best fixed / auto | auto chose |"
    yield "|---" * (4 + len(layouts)) + "|"
    for measured in table:
        cells = [figure(measured.seconds[layout]) for layout in (AUTO, *layouts)]
        best = measured.best_fixed()
        yield f"| {measured.row.describe()} | {' | '.join(cells)} | {best} {measured.ratio(best):.3f} | {measured.chosen} |"
    good = sum(measured.ratio(measured.best_fixed()) >= LEAST_RATIO for measured in table)
    yield f"\nauto reaches {LEAST_RATIO} of the best fixed layout on {good} of {len(table)} workloads.\n"


def schedule_lines(schedules):
    yield "| makespan, seconds | auto | shortest schedule | auto / shortest | auto chose |"
    yield "|---" * 5 + "|"
    for scheduled in schedules:
        cells = [figure(values) for values in zip(*scheduled.makespans)]
        yield f"| {scheduled.describe()} | {' | '.join(cells)} | {scheduled.stretch():.3f} | {scheduled.chosen} |"
    good = sum(scheduled.stretch() <= GREATEST_STRETCH for scheduled in schedules)
    yield f"\nauto stays within {GREATEST_STRETCH} of the shortest schedule for {good} of {len(schedules)} counts of tasks.\n"


def markdown(a, core, table, schedules):
    lines = [describe_run(a, core, [f"numpy {np.__version__}"]), ""]
    lines += workload_lines(a, table) if table else []
    lines += schedule_lines(schedules) if schedules else []
    return "\n".join(lines)


def csv_row(name, what, layout, core, values, to_auto, chosen):
    return [name, what, layout, core, len(values), *(f"{f(values):.6f}" for f in (statistics.median, min, max)),
            f"{to_auto:.4f}", chosen]


def csv_rows(core, table, schedules):
    for measured in table:
        for layout, seconds in measured.seconds.items():
            yield csv_row(measured.row.name, measured.row.describe(), layout, core, seconds, measured.ratio(layout),
                          measured.chosen if layout == AUTO else "")
    for scheduled in schedules:
        found, least = zip(*scheduled.makespans)
        yield csv_row(scheduled.row.name, scheduled.describe(), AUTO, core, found, 1, scheduled.chosen)
        yield csv_row(scheduled.row.name, scheduled.describe(), "shortest schedule", core, least, 1 / scheduled.stretch(), "")


def write_files(a, core, table, schedules):
    with open(a.markdown, "w", encoding="utf-8") as file:
        file.write(markdown(a, core, table, schedules))
    with open(a.csv, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_HEAD)
        writer.writerows(csv_rows(core, table, schedules))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.set_defaults(ranks=len(os.sched_getaffinity(0)))
    rows.add_options(parser, [*WORKLOADS, SCHEDULE])
    parser.add_argument("--markdown", default="auto.md", help="where the tables go (default auto.md)")
    parser.add_argument("--csv", default="auto.csv", help="where all figures go (default auto.csv)")
    a = parser.parse_args()
    a.repeats = 0 if a.quick else a.repeats
    return a


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    core, table, schedules = core_of(a.sheaf, env), [], []
    for row in rows.choose(a, [*WORKLOADS, SCHEDULE]):
        if row is SCHEDULE:
            schedules = measure_schedules(a, env, row)
        else:
            table.append(measure_workload(a, env, row))
        write_files(a, core, table, schedules)  # what there is, should it be stopped
        print(f"{row.name}: measured", file=sys.stderr, flush=True)
    print(markdown(a, core, table, schedules), end="")


if __name__ == "__main__":
    main()
