#!/usr/bin/env python3
"""A file that crashes the HDF5 library, or keeps it busy for ever: named alone it is refused, beside others it is a failed
task. The library is told by the names of files what to do."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import time
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, NO_OUTPUT, RANKS, SheafTest

COUNT = 6
DAMAGED = pathlib.Path(__file__).parent / "damaged"


class Crash(SheafTest):
    def setUp(self):
        super().setUp()
        self.environment["LD_PRELOAD"] = os.environ["HOSTILE_LIBRARY"]
        self.environment["SHEAF_EXAMINE_SECONDS"] = "1"
        self.squares = np.random.default_rng(7).random((COUNT, 4, 4)) + 8 * np.eye(4)
        for i in range(COUNT):
            self.write(f"b{i}.h5", data=self.squares[i])

    def refused(self, words, *arguments):
        before = self.snapshot().keys()
        outcome = self.sheaf(*arguments, code=BAD_DATA)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        for word in words:
            self.assertIn(word, outcome.complaints()[0])
        self.assertEqual(self.snapshot().keys(), before, "something was created, a core perhaps")

    def test_named_file(self):
        self.write("crash.h5", a=self.squares)
        self.refused(["crash.h5:/a: ", "cannot be opened: the HDF5 library crashes on it (signal 11, Segmentation fault)"], "run", "inv", "crash.h5:/a", "-o",
                     "out.h5")
        shutil.copy(self.path("crash.h5"), self.path("spin.h5"))
        self.refused(["spin.h5:/a: ", "took more than 1 s of CPU"], "run", "inv", "spin.h5:/a", "-o", "out.h5")

    def test_glob(self):
        shutil.move(self.path("b1.h5"), self.path("b1crash.h5"))
        shutil.move(self.path("b4.h5"), self.path("b4spin.h5"))
        outcome = self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5", code=1)
        self.assertIn("b1crash.h5", outcome.out + outcome.err)
        with h5py.File(self.path("out.h5")) as file:
            good = [0, 2, 3, 5]
            np.testing.assert_array_equal(np.flatnonzero(file["sheaf/status"][:] == 1), good)
            np.testing.assert_allclose(file["result"][good], np.linalg.inv(self.squares[good]), rtol=1e-10)
            self.assertTrue(np.isnan(file["result"][[1, 4]]).all())

    def test_glob_within_a_file(self):
        """Nothing of such a file is known: there are no tasks to fail."""
        self.write("crash.h5", **{f"d{i}": self.squares[i] for i in range(COUNT)})
        self.refused(["crash.h5", "the HDF5 library crashes on it"], "run", "inv", "crash.h5:/d*", "-o", "out.h5")

    def test_resume_from_another_directory(self):
        """Paths are from where the run was begun, for the process that examines them too."""
        self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5")
        work, self.work = self.work, self.path("elsewhere")
        os.mkdir(self.work)
        self.sheaf("resume", "../out.h5")
        self.work = work
        shutil.copy(self.path("b1.h5"), self.path("b1crash.h5"))
        self.work = self.path("elsewhere")
        self.sheaf("resume", "../out.h5", code=BAD_DATA)  # there is one more
        self.work = work

    def test_results_file(self):
        """Those that Sheaf wrote are no exception; nothing but what was there is left, and all ends within the bound."""
        self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5")
        for name, words in (("crash.h5", "the HDF5 library crashes on it (signal 11, Segmentation fault); look at"),
                            ("spin.h5", "the HDF5 library took more than 1 s of CPU for it; look at")):
            os.rename(self.path("out.h5"), self.path(name))
            alone = () if RANKS > 1 else (("status", name), ("info", name), ("verify", name))
            for arguments in (*alone, ("resume", name), ("run", "inv", "b*.h5:/data", "-o", name, "--resume")):
                with self.subTest(" ".join(arguments)):
                    start = time.monotonic()
                    self.refused([f"{name}: cannot be opened: {words}"], *arguments)
                    self.assertLess(time.monotonic() - start, 30)
            os.rename(self.path(name), self.path("out.h5"))

    def test_file_of_a_sweep(self):
        self.sheaf("sweep", "inv", "b0.h5:/data", "-o", "out.h5", "--seconds", "1")
        os.rename(self.path("out.h5"), self.path("crash.h5"))
        self.refused(["crash.h5: cannot be opened: the HDF5 library crashes on it"], "info", "crash.h5")
        outcome = self.sheaf("sweep", "inv", "b0.h5:/data", "-o", "crash.h5", "--seconds", "1", code=NO_OUTPUT)
        self.assertIn("crash.h5 exists, and is no file of a sweep", outcome.err)


# What is changed from 1, counted from the beginning of a dataset's layout message, and to what: it is contiguous, and says now
# that it has chunks; the message before says that it is shared with other datasets.
CHUNKED, SHARED = (1, 2), (-20, 2)
LOOK = "import h5py, sys; print(h5py.File(sys.argv[1], 'r')[sys.argv[2]].id.get_offset())"


@unittest.skipIf(RANKS > 1, "one process opens them, however many there are")
class Results(SheafTest):
    """Results files with a single byte changed, of which HDF5 1.10.8 itself crashes."""

    def setUp(self):
        super().setUp()
        squares = np.random.default_rng(7).random((COUNT, 4, 4)) + 8 * np.eye(4)
        self.write("in.h5", a=squares)
        self.write("b.h5", **{f"d{i}": squares[i, : 4 - i % 2, : 4 - i % 2] for i in range(COUNT)})

    def damage(self, name, dataset, place, value):
        """Change a byte before or in the message that says where a dataset lies. @return whether the library crashes of it"""
        with h5py.File(self.path(name)) as file:
            about = file[dataset]
            layout = struct.pack("<BBQQ", 3, 1, about.id.get_offset(), about.id.get_storage_size())
        content = bytearray(self.path(name).read_bytes())
        self.assertEqual(content.count(layout), 1)
        at = content.index(layout) + place
        self.assertEqual(content[at], 1)
        content[at] = value
        self.path(name).write_bytes(content)
        look = subprocess.run([sys.executable, "-c", LOOK, self.path(name), dataset], capture_output=True, check=False)
        self.assertNotEqual(look.returncode, 0)
        return look.returncode < 0

    def refused(self, name, arguments):
        with self.subTest(" ".join(arguments)):
            before = self.snapshot()
            outcome = self.sheaf(*arguments, code=BAD_DATA)
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))
            self.assertIn(f"{name}: cannot be opened: the HDF5 library crashes on it (signal ", outcome.complaints()[0])
            self.assertEqual(self.snapshot(), before)

    def test_tables(self):
        run = ("run", "inv", "in.h5:/a", "-o", "out.h5")
        seen = 0
        for dataset, *change in (("/sheaf/runs", *CHUNKED), ("/sheaf/status", *SHARED), ("/result", *SHARED)):
            self.sheaf(*run, "--overwrite")
            crashes = self.damage("out.h5", dataset, *change)
            seen += crashes
            for arguments in (("status", "out.h5"), ("info", "out.h5"), ("verify", "out.h5"),
                              ("verify", "out.h5", "--recompute", "1%"), ("resume", "out.h5"), (*run, "--resume")):
                if crashes:
                    self.refused("out.h5", arguments)
        self.assertGreater(seen, 0, "none of these crashes this HDF5 library: find others")

    def test_datasets_of_a_group(self):
        """Who does not read them is not harmed."""
        run = ("run", "inv", "b.h5:/d*", "-o", "out.h5")
        self.sheaf(*run)
        self.sheaf("verify", "out.h5")
        crashes = self.damage("out.h5", "/result/3", *SHARED)
        self.sheaf("status", "--exit-code", "out.h5")
        self.sheaf("info", "out.h5")
        self.assertTrue(crashes, "this does not crash this HDF5 library: find another one")
        for arguments in (("verify", "out.h5"), ("resume", "out.h5"), (*run, "--resume")):
            self.refused("out.h5", arguments)


class Damaged(SheafTest):
    """Files that a fuzzer made, of which HDF5 1.10.8 itself crashes, loops for ever, or asks for more memory than there is."""

    def test_each(self):
        self.environment["SHEAF_EXAMINE_SECONDS"] = "1"
        for file in sorted(DAMAGED.glob("*.bin")):
            shutil.copy(file, self.path("x.h5"))
            for operand in ("x.h5:/a", "x.h5:/*"):
                with self.subTest(f"{file.name} {operand}"):
                    outcome = self.sheaf("run", "gram", operand, "-o", "out.h5", code=BAD_DATA)
                    self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                    self.assertIn("x.h5", outcome.complaints()[0])
                    self.assertFalse(self.path("out.h5").exists())

    @unittest.skipIf(RANKS > 1, "one process opens them, however many there are")
    def test_each_as_results(self):
        self.environment["SHEAF_EXAMINE_SECONDS"] = "1"
        for file in sorted(DAMAGED.glob("*.bin")):
            shutil.copy(file, self.path("x.h5"))
            for arguments in (("status", "x.h5"), ("info", "x.h5"), ("verify", "x.h5"), ("resume", "x.h5"),
                              ("run", "gram", "random:3x2", "--count", "1", "-o", "x.h5", "--resume")):
                with self.subTest(f"{file.name} {' '.join(arguments)}"):
                    outcome = self.sheaf(*arguments, code=BAD_DATA)
                    self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                    self.assertIn("x.h5: ", outcome.complaints()[0])


if __name__ == "__main__":
    unittest.main()
