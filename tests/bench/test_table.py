#!/usr/bin/env python3
"""The table of benchmarks: its arithmetic, and that nobody is fast by being wrong."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest

import h5py
import numpy as np

sys.dont_write_bytecode = True
import common
import peers
import rows
import table


def made_up():
    """Three rounds, in which each ratio has another median than the ratio of the medians."""
    row = dataclasses.replace(rows.ROWS[0], count=3, size=5, limits=("bare",))
    measured = table.Measured(row)
    for sheaf, numpy, pool, bare in ((2.0, 4.0, 9.0, 1.0), (1.0, 3.0, 9.0, 1.0), (4.0, 5.0, 9.0, 3.0)):
        measured.add("sheaf", sheaf, sheaf + 1)
        measured.add(table.ALONE, sheaf, sheaf + 0.5)
        measured.add("numpy", numpy, numpy + 8)
        measured.add("pool", pool, pool + 1)
        measured.add("bare", bare)
    return measured


class Table(unittest.TestCase):
    def test_inside(self):
        line = "| matmul, 3 of 5x5 | 2 (1–4) | 2 (1–4) | 4 (3–5) | 9 (9–9) | - | - | NumPy 2 | bare 0.75 |"
        self.assertIn(line, table.markdown("head", [made_up()]).splitlines())

    def test_whole(self):
        """The best peer of whole processes may be another one."""
        line = "| matmul, 3 of 5x5 | 3 (2–5) | 2.5 (1.5–4.5) | 12 (11–13) | 10 (10–10) | - | - | fork pool 3.33 |"
        self.assertIn(line, table.markdown("head", [made_up()]).splitlines())

    def test_rows_without_whole_processes_and_limits(self):
        """Those of dispatch.py."""
        measured = table.Measured(next(row for row in rows.ROWS if row.name == "dispatch"))
        measured.add("sheaf", 2.0)
        measured.add("pool", 6.0)
        line = "| 400,000 tasks of nothing, one by one | 2 | - | - | 6 | - | - | fork pool 3 | - |"
        text = table.markdown("head", [measured, made_up()])
        self.assertIn(line, text.splitlines())
        self.assertEqual(text.count("400,000"), 1)
        self.assertEqual({len(line) for line in table.csv_rows(measured, "Zen")}, {len(table.CSV_HEAD)})

    def test_all_lines_of_a_table_are_as_wide_as_its_head(self):
        for part in table.markdown("head", [made_up()]).split("\n\n")[1:]:
            self.assertEqual(len({line.count("|") for line in part.splitlines()}), 1, part)

    def test_first_round_warms_up(self):
        measured = made_up()
        measured.drop_first_round()
        self.assertEqual(measured.of("sheaf", table.INSIDE), [1.0, 4.0])

    def test_csv(self):
        found = {line[2]: line for line in table.csv_rows(made_up(), "Haswell")}
        self.assertEqual({len(line) for line in found.values()}, {len(table.CSV_HEAD)})
        self.assertEqual(found["numpy"][3:10], ["peer", "Haswell", 3, "4.000000", "3.000000", "5.000000", "12.000000"])
        self.assertEqual(found["bare"][-5:], ["", "", "", "0.7500", ""])

    def test_files(self):
        with tempfile.TemporaryDirectory() as directory:
            a = types.SimpleNamespace(markdown=os.path.join(directory, "t.md"), csv=os.path.join(directory, "t.csv"),
                                      ranks=2, repeats=3)
            table.write_files(a, "Zen, pinned", [made_up()])
            with open(a.markdown, encoding="utf-8") as file:
                self.assertIn("OpenBLAS core type Zen, pinned; ", file.readline())
            with open(a.csv, encoding="utf-8") as file:
                self.assertEqual([line["who"] for line in csv.DictReader(file)], ["sheaf", "alone", "numpy", "pool", "bare"])


class Memory(unittest.TestCase):
    """A benchmark in a memory file system must leave the machine its memory."""

    def test_no_row_needs_more_than_what_it_computes(self):
        for row in rows.ROWS:
            self.assertLess(row.result_bytes(), 2e9, row.name)
            self.assertLess(row.memory_bytes(), 12e9, row.name)

    def test_results_of_unequal_shapes(self):
        row = next(row for row in rows.ROWS if row.form == "unequal")
        self.assertEqual(row.result_bytes(), sum(8 * int(n) ** 2 for n in rows.mixed_sizes(row)))

    def test_fewer_tasks(self):
        row = dataclasses.replace(next(row for row in rows.ROWS if row.name == "sqdiff"))
        rows.fit_memory(row, 64e9)
        self.assertEqual(row.count, 20)
        rows.fit_memory(row, 6e9)
        self.assertEqual(row.count, 10)

    def test_warming_is_refused_before_it_fills_memory(self):
        with tempfile.TemporaryDirectory() as directory:
            with self.assertRaisesRegex(SystemExit, "more than half"):
                common.warm_memory(directory, 1 << 50)
            self.assertEqual(os.listdir(directory), [])


class Termination(unittest.TestCase):
    def test_nothing_is_left(self):
        """A benchmark that is terminated removes its files and ends what it started, with the workers of that."""
        with tempfile.TemporaryDirectory() as parent:
            pid_path = os.path.join(parent, "pid")
            script = ("import os, common\n"
                      f"with common.scratch({parent!r}):\n"
                      f"    common.call(['sh', '-c', 'sleep 100 & echo $! >{pid_path}.new; mv {pid_path}.new {pid_path}; wait'],"
                      " dict(os.environ))\n")
            with subprocess.Popen([sys.executable, "-c", script], cwd=os.path.dirname(os.path.abspath(__file__))) as process:
                self.wait_for(lambda: os.path.exists(pid_path))
                process.terminate()
                self.assertEqual(process.wait(20), 128 + signal.SIGTERM)
            with open(pid_path, encoding="ascii") as file:
                worker = file.read().strip()
            self.wait_for(lambda: not is_alive(worker))
            self.assertEqual(os.listdir(parent), ["pid"])

    def wait_for(self, condition):
        for _ in range(200):
            if condition():
                return
            time.sleep(0.1)
        self.fail("waited 20 seconds in vain")


def is_alive(pid):
    """A zombie, which whoever adopted it has not asked after yet, is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Comparison(unittest.TestCase):
    """A peer's results against Sheaf's."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.paths = [os.path.join(directory.name, name) for name in ("sheaf.h5", "peer.h5")]

    def differs(self, row, ours, theirs):
        for path, results in zip(self.paths, (ours, theirs)):
            with h5py.File(path, "w") as file:
                for name, values in results.items():
                    file[name] = values
        return rows.differs(row, peers.KERNELS[row.kernel][0], *self.paths)

    def row(self, kernel, form="stack"):
        return next(row for row in rows.ROWS if row.kernel == kernel and row.form == form)

    def test_same(self):
        product = np.random.default_rng(1).random((7, 3, 3))
        self.assertIsNone(self.differs(self.row("matmul"), {"result": product}, {"result": product * (1 + 1e-12)}))

    def test_one_wrong_number_in_the_last_task(self):
        product = np.random.default_rng(1).random((7, 3, 3))
        other = product.copy()
        other[6, 2, 2] += 1e-6
        self.assertIn("not Sheaf's", self.differs(self.row("matmul"), {"result": product}, {"result": other}))

    def test_nothing_computed(self):
        self.assertIn("not Sheaf's", self.differs(self.row("sqdiff"), {"result": np.arange(4)}, {"result": np.zeros(4)}))

    def test_other_shape(self):
        self.assertIn("(2, 3)", self.differs(self.row("matmul"), {"result": np.ones((3, 3))}, {"result": np.ones((2, 3))}))

    def test_unequal_tasks(self):
        ours = {"result/0": np.ones((2, 2)), "result/1": np.ones((3, 3))}
        row = self.row("matmul", "unequal")
        self.assertIsNone(self.differs(row, ours, ours))
        self.assertIn("1 from 0", self.differs(row, ours, dict(ours, **{"result/1": 2 * np.ones((3, 3))})))

    def test_signs_of_vectors_are_free(self):
        u, s, vt = np.linalg.svd(np.random.default_rng(1).random((4, 5, 5)))
        row, ours = self.row("svd"), {"u": u, "s": s, "vt": vt}
        self.assertIsNone(self.differs(row, ours, {"u": -u, "s": s, "vt": -vt}))
        self.assertIn("not Sheaf's", self.differs(row, ours, {"u": -u, "s": s, "vt": vt}))


class Peers(unittest.TestCase):
    def test_not_installed(self):
        self.assertFalse(peers.is_installed("no_such_library"))
        self.assertTrue(peers.is_installed("pool"))

    def test_blocks(self):
        """Every task is in one block, and there are enough blocks for all workers."""
        with tempfile.TemporaryDirectory() as directory:
            source = os.path.join(directory, "input.h5")
            with h5py.File(source, "w") as file:
                file["a"] = np.zeros((101, 2, 2))
                for i in range(11):
                    file[f"s/{i}"], file[f"u/{i}"] = np.zeros((2, 2)), np.zeros((i + 1, 2))
            for operand, form, tasks in (("a", "stack", 101), ("s", "set", 11), ("u", "unequal", 11)):
                job = peers.Job("inv", source, "", [operand], form, 2)
                count, blocks = peers.split(job, 2)
                self.assertEqual(count, tasks)
                self.assertGreaterEqual(len(blocks), 8)
                self.assertEqual([i for first, end, _ in blocks for i in range(first, end)], list(range(tasks)))
            self.assertEqual(blocks[0][2], ["10"], "the longest is first")


if __name__ == "__main__":
    unittest.main()
