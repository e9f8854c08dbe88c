#!/usr/bin/env python3
"""The automatic layout beside all others: the arithmetic, the tables, and what they are measured against."""

import csv
import dataclasses
import itertools
import os
import sys
import tempfile
import types
import unittest

import h5py
import numpy as np

sys.dont_write_bytecode = True
import auto
import rows


def brute_makespan(seconds, cores, count):
    """Each task on any set of cores, as soon as they are free after what was put there before: no rule which to take."""
    subsets = [s for width in seconds for s in itertools.combinations(range(cores), width)]
    best = float("inf")
    for choice in itertools.product(subsets, repeat=count):
        free = [0.0] * cores
        for subset in choice:
            end = max(free[core] for core in subset) + seconds[len(subset)]
            for core in subset:
                free[core] = end
        best = min(best, max(free))
    return best


class Schedules(unittest.TestCase):
    def test_known(self):
        seconds = {1: 4.0, 2: 2.5}
        for count, expected in ((1, 2.5), (2, 4.0), (3, 6.5), (5, 10.5)):
            self.assertAlmostEqual(auto.least_makespan(seconds, 2, count), expected)

    def test_against_every_placement(self):
        generator = np.random.default_rng(3)
        for _ in range(20):
            alone = np.sort(generator.uniform(1, 4, 3))[::-1]
            seconds = {width: float(t) for width, t in enumerate(alone, 1)}
            for cores, count in ((2, 5), (3, 4)):
                widths = {width: seconds[width] for width in range(1, cores + 1)}
                self.assertAlmostEqual(auto.least_makespan(widths, cores, count), brute_makespan(widths, cores, count))


class Layouts(unittest.TestCase):
    def test_all_that_fit(self):
        self.assertEqual(list(map(auto.layout_text, auto.fixed_layouts(2))), ["1x1", "1x2:1", "1x2:2", "2x1"])
        self.assertEqual(list(map(auto.layout_text, auto.fixed_layouts(4))),
                         ["1x1", "1x2:1", "1x2:2", "1x3:1", "1x3:3", "1x4:1", "1x4:4", "2x1", "2x2:1", "2x2:2", "3x1", "4x1"])


class Workloads(unittest.TestCase):
    def test_inputs_of_all_kernels_can_be_made_and_compared(self):
        self.assertGreaterEqual(len(auto.WORKLOADS), 12)
        for row in auto.WORKLOADS:
            self.assertIn(row.kernel, auto.peers.KERNELS)
            self.assertLess(row.memory_bytes(), 12e9, row.name)
            self.assertLess(dataclasses.replace(row, count=row.quick[0], size=row.quick[1]).matrix_bytes(), 1e6, row.name)

    def test_choosing(self):
        options = types.SimpleNamespace(rows="eigh-500,schedule", quick=False)
        self.assertEqual([row.name for row in rows.choose(options, [*auto.WORKLOADS, auto.SCHEDULE])], ["eigh-500", "schedule"])
        options.rows = "eigh-500,eigh-600"
        with self.assertRaisesRegex(SystemExit, "no row eigh-600; there are matmul-2000-few,"):
            rows.choose(options, auto.WORKLOADS)


def made_up():
    """On two cores. The best fixed layout is 2x1, whose ratio's median is not that of the medians."""
    measured = auto.Measured(auto.WORKLOADS[0])
    measured.seconds = {auto.AUTO: [2.0, 1.0, 4.0], "1x1": [9.0, 9.0, 9.0], "1x2:1": [5.0, 5.0, 5.0], "1x2:2": [4.0, 4.0, 4.0],
                        "2x1": [2.2, 2.4, 2.0]}
    measured.chosen = "2x1:1"
    scheduled = auto.Scheduled(auto.SCHEDULE, 3)
    scheduled.makespans, scheduled.chosen = [(1.02, 1.0), (2.2, 2.0), (3.0, 3.0)], "1x2:2"
    return [measured], [scheduled]


class Tables(unittest.TestCase):
    options = types.SimpleNamespace(ranks=2, repeats=3)

    def test_markdown(self):
        text = auto.markdown(self.options, "Zen, not pinned", *made_up())
        self.assertIn("| matmul, 3 of 2000x2000 | 2 (1–4) | 9 (9–9) | 5 (5–5) | 4 (4–4) | 2.2 (2–2.4) | 2x1 1.100 | 2x1:1 |", text)
        self.assertIn("auto reaches 0.97 of the best fixed layout on 1 of 1 workloads.", text)
        self.assertIn("| 3 of matmul 3000x3000 | 2.2 (1.02–3) | 2 (1–3) | 1.020 | 1x2:2 |", text)
        self.assertIn("auto stays within 1.05 of the shortest schedule for 1 of 1 counts of tasks.", text)
        for block in text.split("\n\n"):
            if block.startswith("|"):
                self.assertEqual(len({line.count("|") for line in block.splitlines()}), 1, block)

    def test_worse_than_it_should_be(self):
        table, schedules = made_up()
        table[0].seconds["1x1"] = [0.9, 0.9, 0.9]
        schedules[0].makespans = [(1.1, 1.0)]
        text = auto.markdown(self.options, "Zen, not pinned", table, schedules)
        self.assertIn("| 1x1 0.450 |", text)
        self.assertIn("on 0 of 1 workloads", text)
        self.assertIn("for 0 of 1 counts", text)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as directory:
            paths = {name: os.path.join(directory, name) for name in ("markdown", "csv")}
            a = types.SimpleNamespace(**vars(self.options), **paths)
            auto.write_files(a, "Zen, not pinned", *made_up())
            with open(a.csv, encoding="utf-8") as file:
                found = {(line["workload"], line["layout"]): line for line in csv.DictReader(file)}
        self.assertEqual(len(found), 7)
        line = found["matmul-2000-few", "2x1"]
        self.assertEqual((line["rounds"], line["median"], line["to_auto"], line["chosen"]), ("3", "2.200000", "1.1000", ""))
        self.assertEqual(found["matmul-2000-few", auto.AUTO]["chosen"], "2x1:1")
        self.assertEqual(found["schedule", "shortest schedule"]["to_auto"], "0.9804")


class Choice(unittest.TestCase):
    def describe(self, widths, choices):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "r.h5")
            with h5py.File(path, "w") as file:
                file["sheaf/runs"] = np.array([(b"1x2:2", choices)], dtype=[("layout", "S64"), ("choices", "S99")])
                file["sheaf/chunks"] = np.array([(w,) for w in widths], dtype=[("width", "u2")])
            return auto.describe_choice(path)

    def test_one_width(self):
        self.assertEqual(self.describe([2, 2], b""), "1x2:2")

    def test_several_widths_and_reasons(self):
        """In a cell of a table."""
        self.assertEqual(self.describe([1, 2, 1], b"few tasks | wide\nlast\nclasses\nmore"),
                         "1x2:2; 2 at width 1, 1 at width 2; few tasks / wide; last; ...")


if __name__ == "__main__":
    unittest.main()
