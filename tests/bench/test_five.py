#!/usr/bin/env python3
"""The five-way comparison: its arithmetic, its tables, and that a wrong product is seen."""

import contextlib
import csv
import io
import os
import sys
import tempfile
import types
import unittest

import h5py
import numpy as np

sys.dont_write_bytecode = True
import five

OPTIONS = types.SimpleNamespace(ranks=4, count=100, size=2000, repeats=3)


def made_up():
    """Three rounds. NumPy's best way is another one inside than whole, and so is its ratio's."""
    seconds = {}
    for way in five.WAYS:
        for side in five.SIDES:
            seconds[way, side] = [(20.0, 21.0)] * 3
    seconds["processes", five.ONE] = [(6.0, 16.0), (9.0, 19.0), (8.0, 18.0)]
    seconds["BLAS threads", five.ONE] = [(10.0, 10.0), (10.0, 10.0), (11.0, 12.0)]
    seconds["processes", "sheaf"] = [(4.0, 5.0), (4.0, 5.0), (4.0, 5.0)]
    seconds[five.AUTO, "sheaf"] = [(2.0, 4.0), (3.0, 4.0), (4.0, 4.0)]
    seconds[five.LIMIT, five.LIMIT] = [(2.0, 2.0)] * 3
    return seconds


class Figures(unittest.TestCase):
    def test_best_ratio(self):
        """Of the rounds' ratios 3, 3 and 2 the median, not the ratio of the medians."""
        self.assertEqual(five.best_ratio(made_up(), five.ONE, "inside"), (3.0, "processes", five.AUTO))
        self.assertEqual(five.best_ratio(made_up(), five.ONE, "whole"), (2.5, "BLAS threads", five.AUTO))

    def test_markdown(self):
        text = five.markdown(OPTIONS, "Zen, not pinned", made_up())
        self.assertIn("| processes | 8 (6–9) | 20 (20–20) | 20 (20–20) | 4 (4–4) | 4x1 |", text)
        self.assertIn("| processes and BLAS threads | 20 (20–20) | 20 (20–20) | 20 (20–20) | 20 (20–20) | 4x4:4 |", text)
        self.assertIn("| auto | - | - | - | 3 (2–4) | - |", text)
        self.assertIn("inside: Sheaf (auto) is 3 times as fast as NumPy, one file (processes).", text)
        self.assertTrue(text.endswith("Limit, the products alone: 2 (2–2) s. Seconds inside, of the best way, to the limit's: "
                                      "NumPy, one file 4; NumPy, a file each 10; NumPy, nothing written 10; Sheaf 1.5.\n"), text)
        for part in text.split("\n\n")[1:3]:
            self.assertEqual({line.count("|") for line in part.splitlines()}, {7}, part)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as directory:
            a = types.SimpleNamespace(**vars(OPTIONS), **{name: os.path.join(directory, name) for name in ("markdown", "csv")})
            five.write_files(a, "Zen, not pinned", made_up())
            with open(a.csv, encoding="utf-8") as file:
                found = {(line["way"], line["side"]): line for line in csv.DictReader(file)}
        self.assertEqual(len(found), 4 * len(five.WAYS) + 2)
        line = found["processes", five.ONE]
        self.assertEqual((line["inside_median"], line["whole_greatest"], line["layout"]), ("8.000000", "19.000000", ""))
        self.assertEqual(found["BLAS threads", "sheaf"]["layout"], "1x4:4")


class Products(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.a = types.SimpleNamespace(count=5, size=30)

    def run_numpy(self, way, how):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            five.time_numpy(way, 2, self.a.count, self.a.size, how, os.path.join(self.directory, "numpy.h5"))
        self.assertGreater(float(printed.getvalue()), 0)

    def read(self, how, i):
        target = os.path.join(self.directory, "numpy.h5")
        with h5py.File(target if how == five.ONE else five.product_path(target, i)) as file:
            return file["result"][i if how == five.ONE else ...]

    def test_every_way_of_numpy_computes_every_product(self):
        for way in five.WAYS:
            for how in (five.ONE, five.EACH):
                self.run_numpy(way, how)
                for i in range(self.a.count):
                    five.check_product(f"{way}, {how}", i, self.read(how, i), five.draw_pair(i, self.a.size))
                for name in os.listdir(self.directory):
                    os.unlink(os.path.join(self.directory, name))

    def test_nothing_is_written_where_products_are_dropped(self):
        self.run_numpy("processes", five.DROPPED)
        self.assertEqual(os.listdir(self.directory), [])

    def test_wrong_product(self):
        a, b = five.draw_pair(0, 30)
        wrong = a @ b
        wrong[29, 29] *= 1 + 1e-6
        with self.assertRaisesRegex(SystemExit, "processes: product 0 is wrong"):
            five.check_product("processes", 0, wrong, (a, b))

    def test_tasks_have_operands_of_their_own(self):
        self.assertFalse(np.array_equal(five.draw_pair(0, 4), five.draw_pair(1, 4)))


if __name__ == "__main__":
    unittest.main()
