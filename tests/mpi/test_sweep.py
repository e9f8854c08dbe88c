#!/usr/bin/env python3
"""sheaf sweep: its table is what follows from the times that it measured, in every form; it goes on after a kill, leaves no
scratch behind, and refuses what it cannot do."""
import csv
import json
import os
import re
import shlex
import signal
import time
import unittest

import h5py
import numpy as np
from scipy import stats
from sheaf_test import BAD_DATA, NO_INPUT, NO_OUTPUT, RANKS, USAGE, SheafTest, random_array

WARMING, MEASURING, COMPLETE = 0, 1, 2
UNMEASURED, BEST, ALIKE, WORSE = 0, 1, 2, 3
INTERRUPTED = 75
VERDICTS = ["not measured", "best", "alike", "worse"]
FORMAT = ["format", "identity", "command", "layout", "nodes", "ranks", "threads", "width", "threads_per_core", "phase",
          "rounds", "sample_chunks", "sample_tasks", "sample_flops", "sample_failed", "seconds", "memory", "bare_seconds",
          "repeats", "tasks_per_second", "tasks_per_second_low", "tasks_per_second_high", "flops_per_second", "of_bare",
          "relative", "p_value", "verdict", "memory_bytes"]
# A launcher binds a single rank to a single core: then there would be nothing to compare.
LAUNCHED = RANKS if RANKS > 1 else 0


def median_interval(values):
    """The narrowest pair of values, as far from either end, that hold the median with 95 %; the widest one if none does."""
    values, n = sorted(values), len(values)
    good = [k for k in range(1, (n + 1) // 2 + 1) if 1 - 2 * stats.binom.cdf(k - 1, n, 0.5) >= 0.95]
    k = max(good, default=1)
    return values[k - 1], values[n - k]


class SweepTest(SheafTest):
    def sweep(self, *arguments, scratch=True, ranks=LAUNCHED, **how):
        """Its scratch lies in memory: nothing is measured that waits for a disk."""
        where = ["--scratch", self.segments] if scratch else []
        return self.sheaf("sweep", *arguments, *where, ranks=ranks, **how)

    def columns(self, name="sweep.h5"):
        """What h5py finds in the file: a dictionary."""
        with h5py.File(self.path(name), "r") as file:
            self.assertEqual(sorted(file["sweep"]), sorted(FORMAT))
            return {key: value[...] for key, value in file["sweep"].items()}

    def check_columns(self, columns):
        """All that follows from the measured times, worked out again by others' means."""
        rounds, cells = int(columns["rounds"][0]), len(columns["layout"])
        seconds = columns["seconds"]
        self.assertTrue((seconds[:rounds] > 0).all() and not seconds[rounds:].any())
        self.assertTrue((columns["memory"][:rounds] > 1e6).all())
        self.assertTrue((columns["bare_seconds"][:rounds] > 0).all())
        self.assertTrue((columns["repeats"] == rounds).all())
        tasks, measured = columns["sample_tasks"][0], seconds[:rounds]
        rates = tasks / np.median(measured, axis=0)
        best = int(np.argmax(rates))
        np.testing.assert_allclose(columns["tasks_per_second"], rates)
        np.testing.assert_allclose(columns["relative"], rates / rates[best])
        np.testing.assert_allclose(columns["flops_per_second"], rates * columns["sample_flops"][0] / tasks)
        np.testing.assert_allclose(columns["of_bare"], np.median(columns["bare_seconds"][:rounds, None] / measured, axis=0))
        np.testing.assert_array_equal(columns["memory_bytes"], columns["memory"].max(axis=0))
        for i in range(cells):
            low, high = median_interval(measured[:, i])
            np.testing.assert_allclose([columns["tasks_per_second_low"][i], columns["tasks_per_second_high"][i]],
                                       [tasks / high, tasks / low])
            p = 1.0
            if i != best:
                p = stats.wilcoxon(np.log(measured[:, i] / measured[:, best]), mode="exact").pvalue
                self.assertEqual(columns["verdict"][i], WORSE if p < 0.05 else ALIKE)
            self.assertAlmostEqual(columns["p_value"][i], p)
        self.assertEqual(columns["verdict"][best], BEST)
        return best


class Tables(SweepTest):
    def test_table_in_all_forms(self):
        self.write("in.h5", a=random_array((60, 40, 30), np.float64), b=random_array((60, 30, 50), np.float64))
        arguments = ["matmul", "in.h5:/a", "in.h5:/b", "--seconds", 20, "-o", "sweep.h5", "--csv", "t.csv", "--json", "t.json"]
        outcome = self.sweep(*arguments)
        columns = self.columns()
        best = self.check_columns(columns)
        self.assertEqual(columns["phase"][0], COMPLETE)
        layouts = [text.decode() for text in columns["layout"]]
        self.assertEqual(len(set(layouts)), len(layouts))
        cores = int(re.search(r"of ([0-9]+) cores", columns["identity"].tobytes().decode())[1])
        for i, layout in enumerate(layouts):
            ranks, threads, width = (int(columns[key][i]) for key in ("ranks", "threads", "width"))
            self.assertIn(layout, (f"{ranks}x{threads}:{width}", "auto"))
            self.assertLessEqual(ranks, RANKS)
            self.assertLessEqual(ranks * threads, cores)
            self.assertEqual(columns["threads_per_core"][i], ranks * threads / cores)
        self.assertIn("auto", layouts)
        self.assertIn(f"1x{cores}:{cores}", layouts)
        self.assertIn(f"1x{cores}:1", layouts)

        with open(self.path("t.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with open(self.path("t.json"), encoding="utf-8") as file:
            table = json.load(file)
        self.assertEqual((table["kernel"], table["tasks"], table["sample_tasks"], table["rounds"]),
                         ("matmul", 60, columns["sample_tasks"][0], columns["rounds"][0]))
        self.assertEqual(len(rows), len(layouts))
        self.assertEqual(len(table["cells"]), len(layouts))
        for i, (row, cell) in enumerate(zip(rows, table["cells"])):
            self.assertEqual((row["layout"], row["verdict"]), (layouts[i], VERDICTS[columns["verdict"][i]]))
            self.assertEqual((cell["layout"], cell["verdict"]), (layouts[i], VERDICTS[columns["verdict"][i]]))
            self.assertEqual(cell["seconds"], columns["seconds"][:table["rounds"], i].tolist())
            for key in ("ranks", "width", "tasks_per_second", "of_bare", "relative", "p_value", "memory_bytes"):
                self.assertEqual((float(row[key]), cell[key]), (columns[key][i], columns[key][i]), key)

        # For people: all cells, fastest first, and the best one's line, which works as it stands.
        shown = [line.split()[0] for line in outcome.out.splitlines() if re.match(r"(\d+x\d+:\d+|auto) ", line)]
        self.assertEqual(shown, [layouts[i] for i in np.argsort(-columns["tasks_per_second"], kind="stable")])
        use = re.search(r"^use:  (?:mpirun -n (\d+) )?(?:--bind-to none )?sheaf (.*)$", outcome.out, re.MULTILINE)
        self.assertIn(f" --layout {layouts[best]} ", use[2])
        self.sheaf(*shlex.split(use[2]), ranks=int(use[1] or 0))
        self.assertEqual(self.read("OUT.h5").shape, (60, 40, 50))
        ranks, threads = columns["ranks"][best], columns["threads"][best]
        self.assertIn(f"#SBATCH --nodes=1 --ntasks-per-node={ranks} --cpus-per-task={threads}\n", outcome.out)

        # It is complete: the same again measures nothing; anything else is refused, by its difference.
        again = self.sweep(*arguments)
        self.assertIn("is complete: nothing is measured", again.err)
        np.testing.assert_array_equal(self.columns()["seconds"], columns["seconds"])
        self.assertEqual(again.out, outcome.out[-len(again.out):])
        info = self.sheaf("info", "sweep.h5", ranks=0).out
        self.assertIn("sweep.h5: sheaf sweep matmul in.h5:/a in.h5:/b ", info)
        self.assertIn(f"\n{layouts[best]} ", info)
        other = self.sweep("matmul", "in.h5:/a", "in.h5:/b", "--seconds", 21, "-o", "sweep.h5", code=NO_OUTPUT)
        self.assertIn('it has "seconds 20", this one "seconds 21"; give --overwrite', other.complaints()[-1])
        self.assertEqual(sorted(os.listdir(self.work)), ["OUT.h5", "in.h5", "sweep.h5", "t.csv", "t.json"])

    def test_unequal_shapes_and_failing_tasks(self):
        members = {f"m{i}": random_array((8 + i % 5, 6), np.float64, seed=i) for i in range(20)}
        members["m3"][1, 1] = np.nan
        self.write("in.h5", **members)
        self.sweep("svd", "in.h5:/m*", "--check-finite", "--seconds", 60, "--layouts", "1x1,1x2:1", "-o", "sweep.h5")
        columns = self.columns()
        self.check_columns(columns)
        self.assertEqual((columns["sample_tasks"][0], columns["sample_failed"][0]), (20, 1))

    def test_oversubscribed(self):
        self.sweep("matmul", "random:30x30", "random:30x30", "--count", 50, "--seconds", 20, "--oversubscribe", "-o", "sweep.h5",
                   "--layouts" if RANKS == 1 else "--seed", "1x1,1x2:1,1x4:4" if RANKS == 1 else 1)
        columns = self.columns()
        self.check_columns(columns)
        self.assertGreaterEqual(columns["threads_per_core"].max(), 2)
        info = self.sheaf("info", "sweep.h5", ranks=0).out
        self.assertRegex(info, "· [0-9.]+ times more threads than cores")

    @unittest.skipIf(RANKS == 1, "needs several ranks")
    def test_layouts_that_do_not_fit_the_memory(self):
        # A task needs 2 x 720 kB: the memory holds one at a time, not one a rank.
        outcome = self.sweep("inv", "random:300x300", "--count", 20, "--memory", "2500K", "--layouts", "1x2:2,2x1:1", "--seconds", 15,
                             "-o", "sweep.h5", "--csv", "t.csv")
        self.assertRegex(outcome.err, "sheaf: 2x1:1 is not measured: a task needs .* of memory, ")
        self.assertRegex(outcome.out, r"\n2x1:1 +- +not measured\n")
        columns = self.columns()
        np.testing.assert_array_equal(columns["verdict"], [BEST, UNMEASURED])
        self.assertTrue(columns["repeats"][0] > 0 and columns["repeats"][1] == 0)
        with open(self.path("t.csv"), encoding="utf-8") as file:
            self.assertEqual([row["verdict"] for row in csv.DictReader(file)], ["best", "not measured"])

    @unittest.skipIf(RANKS == 1, "needs several ranks")
    def test_layouts_that_do_not_fit_the_memory_of_nodes(self):
        outcome = self.sweep("inv", "random:300x300", "--count", 20, "--memory", "2500K", "--layouts", "1x2:2,2x1:1", "--nodes",
                             "--seconds", 5, ranks=4, environment={"SHEAF_NODE_RANKS": "2"})
        self.assertEqual(re.findall("^sheaf: (.*) is not measured: a task needs ", outcome.err, re.MULTILINE),
                         ["2 nodes, 2x1:1", "1 node, 2x1:1"])

    @unittest.skipIf(RANKS == 1, "needs several ranks")
    def test_nodes(self):
        self.sweep("matmul", "random:20x20", "random:20x20", "--count", 5000, "--seconds", 15, "--nodes", "--layouts", "1x1",
                   "-o", "sweep.h5", environment={"SHEAF_NODE_RANKS": "1"})
        columns = self.columns()
        self.assertEqual(sorted(columns["nodes"]), list(range(1, RANKS + 1)))
        self.assertEqual(columns["phase"][0], COMPLETE)
        self.assertTrue((columns["repeats"] > 0).all())


class Interrupted(SweepTest):
    # Whoever is killed leaves the launcher's files behind.
    launcher_may_leave_files = True

    def test_killed_and_gone_on(self):
        """Without a launcher it is asked to end, and says so; with one its ranks are killed."""
        arguments = ["matmul", "random:32x32", "random:32x32", "--count", 200000, "--seconds", 8, "-o", "sweep.h5"]
        process = self.start("sweep", *arguments, ranks=LAUNCHED)
        self.addCleanup(process.kill)
        measured, end = 0, time.monotonic() + 60
        while measured == 0:
            self.assertIsNone(process.poll(), "the sweep ended before it was looked at")
            self.assertLess(time.monotonic(), end, "the sweep measures nothing")
            time.sleep(0.01)
            if self.path("sweep.h5").exists():
                measured = np.count_nonzero(self.columns()["seconds"])
        for rank in self.rank_processes().values():
            os.kill(rank, signal.SIGKILL if LAUNCHED else signal.SIGTERM)
        outcome = self.finish(process)
        if not LAUNCHED:
            self.assertEqual(outcome.code, INTERRUPTED, str(outcome))
            self.assertIn("the same command goes on with what sweep.h5 holds", outcome.complaints()[-1])
        before = self.columns()
        self.assertEqual(before["phase"][0], MEASURING)
        self.assertIn("not complete: the same command goes on with it", self.sheaf("info", "sweep.h5", ranks=0).out)
        self.assertEqual([name for name in os.listdir(self.work) if "scratch" in name], [], "scratch is left")

        self.sweep(*arguments, scratch=False)
        after = self.columns()
        self.check_columns(after)
        self.assertEqual(after["phase"][0], COMPLETE)
        self.assertEqual(after["sample_chunks"][0], before["sample_chunks"][0])
        done = before["seconds"] > 0
        np.testing.assert_array_equal(after["seconds"][done], before["seconds"][done])
        self.assertGreater(np.count_nonzero(after["seconds"]), np.count_nonzero(done))

    def test_stopped_while_it_warms_up(self):
        arguments = ["inv", "random:1200x1200", "--count", 40, "-o", "sweep.h5"]
        process = self.start("sweep", *arguments, ranks=LAUNCHED)
        self.addCleanup(process.kill)
        self.wait_for_file(process, "sweep.h5")
        process.send_signal(signal.SIGTERM)
        self.finish(process)
        self.assertEqual(self.columns()["phase"][0], WARMING)
        self.assertIn("nothing is measured yet", self.sheaf("info", "sweep.h5", ranks=0).out)
        # Killed right after the file had its name, before its cells were in it.
        with h5py.File(self.path("sweep.h5"), "r+") as file:
            for column in ("layout", "nodes", "ranks", "threads", "width", "threads_per_core"):
                file["sweep"][column][...] = np.zeros_like(file["sweep"][column][...])
        # Nothing was measured: another sweep may have the file.
        # It takes away the scratch file, too, that one leaves which is killed while it builds it.
        self.sweep("matmul", "random:9x9", "random:9x9", "--count", 20, "--seconds", 20, "-o", "sweep.h5", "--layouts", "1x1",
                   scratch=False)
        self.assertEqual(self.columns()["phase"][0], COMPLETE)


class Refused(SweepTest):
    def refuse(self, code, expected, *arguments, **how):
        before = self.snapshot()
        outcome = self.sweep("inv", "random:9x9", "--count", 20, *arguments, code=code, **how)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        self.assertRegex(outcome.complaints()[0], expected)
        self.assertEqual(self.snapshot(), before)

    def test_layouts(self):
        self.refuse(USAGE, "^sheaf: --layouts: 1y2: expected RxT or RxT:W", "--layouts", "1x1,1y2")
        self.refuse(USAGE, f"--layouts: {RANKS + 1}x1: wants {RANKS + 1} ranks per node, {RANKS} present", "--layouts",
                    f"{RANKS + 1}x1")
        self.refuse(USAGE, "--layouts: 1x1: 1x1:1 is in the list twice", "--layouts", "1x1:1,1x1")

    @unittest.skipIf(RANKS > 1, "the root alone looks")
    def test_files(self):
        self.write("in.h5", a=random_array((5, 4, 4), np.float64))
        self.path("t.csv").write_text("mine", encoding="utf-8")
        self.refuse(NO_OUTPUT, "nowhere", "--scratch", "nowhere", scratch=False)
        self.refuse(NO_OUTPUT, "in.h5 exists, and is no file of a sweep; give --overwrite", "-o", "in.h5")
        self.refuse(NO_OUTPUT, "nowhere/s.h5: cannot create it", "-o", "nowhere/s.h5")
        self.refuse(NO_OUTPUT, "t.csv exists; give --overwrite", "--csv", "t.csv")
        outcome = self.sweep("inv", "in.h5:/a", "-o", "in.h5", "--overwrite", code=NO_OUTPUT)
        self.assertIn("in.h5 is the file of input in.h5:/a", outcome.complaints()[0])

    @unittest.skipIf(RANKS > 1, "the root alone looks")
    def test_too_little_time(self):
        # One task a core takes longer than that, whatever the machine.
        outcome = self.sweep("svd", "random:700x700", "--count", 20, "--seconds", 1, "--layouts", "1x1,1x2:2", code=USAGE)
        self.assertRegex(outcome.complaints()[-1],
                         r"--seconds 1: too short: warming up took .* s, .*; give at least [0-9]+$")

    @unittest.skipIf(RANKS > 1, "as sheaf run, which is tested with several ranks")
    def test_operands(self):
        for arguments, code in ((["nothing", "random:9x9"], USAGE), ([], USAGE), (["inv", "none.h5:/a"], NO_INPUT),
                                (["inv", "random:9x8", "--count", 5], BAD_DATA)):
            outcome = self.sweep(*arguments, code=code)
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))


if __name__ == "__main__":
    unittest.main()
