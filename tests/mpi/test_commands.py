"""The commands apart from what they compute: help, info, dry runs, layouts, parked ranks, no launcher at all."""
import re
import unittest

import h5py
import numpy as np

from sheaf_test import NO_OUTPUT, TASK_DONE, USAGE, SheafTest, product_and_bound, random_array


class Help(SheafTest):
    """Said once, whoever starts it."""

    def test_help(self):
        for ranks in (0, 2):
            for command, words in (([], ["run", "make", "info", "verify", "status", "Exit codes"]),
                                   (["run"], ["KERNEL OPERAND...", "--output", "--layout", "--count", "--seed",
                                              "--param", "--memory", "--overwrite", "--dry-run", "--order", "--progress"]),
                                   (["make"], ["FILE.h5 NAME=OPERAND...", "--count", "--seed"]),
                                   (["info"], ["[FILE.h5|KERNEL]"]),
                                   (["verify"], ["FILE.h5"]),
                                   (["status"], ["FILE.h5", "--exit-code"])):
                with self.subTest(ranks=ranks, command=command):
                    outcome = self.sheaf(*command, "--help", ranks=ranks)
                    self.assertEqual(outcome.err, "")
                    self.assertEqual(outcome.out.count("Usage: sheaf"), 1, str(outcome))
                    for word in words:
                        self.assertIn(word, outcome.out)

    def test_short_help(self):
        for command in ([], ["run"], ["make"], ["info"], ["verify"], ["status"]):
            with self.subTest(command=command):
                self.assertEqual(self.sheaf(*command, "-h", ranks=0).out, self.sheaf(*command, "--help", ranks=0).out)
        self.assertEqual(self.sheaf(ranks=0).out, self.sheaf("--help", ranks=0).out)

    def test_version(self):
        for ranks in (0, 2):
            for command in ([], ["run"], ["make"], ["info"], ["verify"], ["status"]):
                with self.subTest(ranks=ranks, command=command):
                    outcome = self.sheaf(*command, "--version", ranks=ranks)
                    self.assertRegex(outcome.out, r"\Asheaf \d+\.\d+\.\d+\n\Z")
                    self.assertEqual(outcome.err, "")


class Info(SheafTest):
    def test_node(self):
        for ranks in (0, 2):
            outcome = self.sheaf("info", ranks=ranks)
            for word in ("matmul", "gram", "inv", "copy", "cores", "memory", "BLAS", "HDF5"):
                self.assertIn(word, outcome.out)
            self.assertEqual(outcome.out.count("kernels (sheaf info KERNEL"), 1)

    def test_faster_kernels_of_the_blas(self):
        """Where info says that a setting gives faster kernels, it does, and then there is nothing more to say."""
        def info(core):
            environment = {"OPENBLAS_CORETYPE": core} if core else None
            out = self.sheaf("info", ranks=0, environment=environment).out
            advice = re.findall(r"^ +(OpenBLAS uses .*)$", out, re.MULTILINE)
            return re.search(r"^  BLAS core  (\S+)$", out, re.MULTILINE)[1], advice

        core, advice = info("Nehalem")
        if core != "Nehalem" or not advice:
            self.skipTest("no x86-64, a BLAS for one kind of CPU, or a CPU without AVX")
        self.assertRegex(advice[0], r"^OpenBLAS uses Nehalem kernels, this CPU has AVX\S*: "
                                    r"set OPENBLAS_CORETYPE=\w+ \(it is now Nehalem\)$")
        better = re.search(r"OPENBLAS_CORETYPE=(\w+)", advice[0])[1]
        self.assertEqual(info(better), (better, []))

        for options in ([], ["--dry-run"]):
            for setting, times in (("Nehalem", 1), (better, 0)):
                outcome = self.sheaf("run", "inv", "random:9x9", "--count", 5, "-o", "out.h5", "--overwrite", *options,
                                     ranks=2, environment={"OPENBLAS_CORETYPE": setting})
                self.assertEqual(outcome.out.count(advice[0]), times, str(outcome))
                self.assertEqual(outcome.out.count("set OPENBLAS_CORETYPE"), times, str(outcome))
                self.assertEqual(outcome.complaints(), [])

    def test_kernel(self):
        out = self.sheaf("info", "matmul", ranks=0).out
        for word in ("(m,k),(k,n)->(m,n)", "/result", "f32 f64 c64 c128"):
            self.assertIn(word, out)

    def test_results_file_with_a_dataset_a_task(self):
        self.write("in.h5", a=np.ones((5, 3, 3)))
        self.sheaf("run", "copy", "in.h5:/a", "-o", "out.h5", ranks=0)
        with h5py.File(self.path("out.h5"), "r+") as file:
            del file["result"]
            file.create_group("result")
        self.assertRegex(self.sheaf("info", "out.h5", ranks=0).out, r"(?m)^  /result +5 datasets$")

    def test_results_file(self):
        self.write("in.h5", a=np.ones((5, 3, 3)))
        self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=1, ranks=2)
        out = self.sheaf("info", "out.h5", ranks=0).out
        for word in ("sheaf run inv", "5 of 5 tasks done, 5 failed", "/result", "(5, 3, 3) f64", "in.h5:/a", "finished",
                     "2 ranks on 1 node"):
            self.assertIn(word, out)

    def test_incomplete_file(self):
        """As a kill leaves it: a chunk without its record does not count."""
        self.sheaf("make", "out.h5", "a=random:100x100", "--count", 130, ranks=0)
        with h5py.File(self.path("out.h5"), "r+") as file:
            chunks = file["sheaf/chunks"]
            self.assertEqual(chunks["count"].tolist(), [13] * 10)
            chunks[3] = np.zeros((), chunks.dtype)
        out = self.sheaf("info", "out.h5", ranks=0).out
        self.assertIn("117 of 130 tasks done", out)

    def test_input(self):
        self.write("in.h5", a=np.ones((5, 3, 3)), **{"group/b": np.ones(7, np.float32)})
        out = self.sheaf("info", "in.h5", ranks=0).out
        self.assertRegex(out, r"/a +\(5, 3, 3\) f64")
        self.assertRegex(out, r"/group/b +\(7\) f32")

    def test_changes_nothing(self):
        self.sheaf("make", "out.h5", "a=ones:2x2", "--count", 2, ranks=0)
        before = self.snapshot()
        self.sheaf("info", "out.h5", ranks=0)
        self.assertEqual(self.snapshot(), before)

    def test_refusals(self):
        self.path("text.h5").write_text("no HDF5")
        for arguments, code in ((["absent.h5"], 66), (["nope"], 66), (["text.h5"], 66), (["matmul", "inv"], USAGE)):
            with self.subTest(arguments):
                outcome = self.sheaf("info", *arguments, code=code, ranks=0)
                self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                self.assertIn(arguments[0] if code == 66 else "2 given", outcome.err)


class DryRun(SheafTest):
    def test_creates_nothing(self):
        self.write("in.h5", a=np.ones((50, 30, 20)), b=np.ones((20, 40)))
        before = self.snapshot()
        for options in ([], ["-o", "out.h5"]):
            for ranks in (0, 2):
                outcome = self.sheaf("run", "matmul", "in.h5:/a", "in.h5:/b", "--dry-run", *options, ranks=ranks)
                self.assertEqual(self.snapshot(), before)
                # 50 tasks of 2 * 30 * 20 * 40 flops and 30 * 40 * 8 bytes.
                for word in ("matmul (m,k),(k,n)->(m,n)", "50 tasks", "2.40 MFLOP", "(30, 40) f64", "output: 480 kB",
                             "estimate", "nothing was computed"):
                    self.assertIn(word, outcome.out)

    def test_refuses_as_a_run_would(self):
        self.write("in.h5", a=np.ones((50, 30, 20)))
        self.sheaf("run", "inv", "in.h5:/a", "--dry-run", code=65, ranks=0)
        self.path("out.h5").write_text("precious")
        self.sheaf("run", "gram", "in.h5:/a", "--dry-run", "-o", "out.h5", code=NO_OUTPUT, ranks=0)
        self.assertEqual(self.path("out.h5").read_text(), "precious")


class Make(SheafTest):
    def test_several_types(self):
        self.sheaf("make", "in.h5", "a=random:4x5", "b=normal:2x3x4:f32", "c-1=ones:3:c64", "d.x=zeros:1x1:c128",
                   "e_=range:6:f32:shared", "--count", 7)
        with h5py.File(self.path("in.h5"), "r") as file:
            found = {name: (file[name].shape, file[name].dtype.str) for name in file if name != "sheaf"}
        self.assertEqual(found, {"a": ((7, 4, 5), "<f8"), "b": ((7, 2, 3, 4), "<f4"), "c-1": ((7, 3), "<c8"),
                                 "d.x": ((7, 1, 1), "<c16"), "e_": ((6,), "<f4")})

    def test_only_shared(self):
        self.sheaf("make", "in.h5", "a=range:2x3:shared", "b=ones:4:shared")
        self.assertEqual(self.read("in.h5", "a").tolist(), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(self.read("in.h5", "b").tolist(), [1, 1, 1, 1])

    def test_existing(self):
        self.sheaf("make", "in.h5", "a=ones:2x2", "--count", 3)
        self.sheaf("make", "in.h5", "a=zeros:2x2", "--count", 3, code=NO_OUTPUT)
        self.assertTrue((self.read("in.h5", "a") == 1).all())
        self.sheaf("make", "in.h5", "a=zeros:2x2", "--count", 3, "--overwrite")
        self.assertTrue((self.read("in.h5", "a") == 0).all())

    def test_overwrite_run(self):
        self.write("in.h5", a=random_array((4, 3, 3), np.float64))
        self.path("out.h5").write_text("old")
        self.assertSameBits(self.compute("copy", "in.h5:/a"), self.read("in.h5", "a"))


class Layouts(SheafTest):
    """Who computed what, and how wide, as the records tell it. With all that Open MPI does at its start where nobody tells it
    what to leave out, as users have it."""
    quick_start = False

    def setUp(self):
        super().setUp()
        # 300 * 300 * 3 * 8 bytes are one task a chunk; long enough that no rank takes them all.
        self.count = 24
        self.a, self.b = (random_array((self.count, 300, 300), np.float64, seed) for seed in (1, 2))
        self.write("in.h5", a=self.a, b=self.b)
        self.expected = product_and_bound(self.a[:3], self.b[:3])

    def run_with(self, *options, ranks, environment=None):
        self.outcome = self.sheaf("run", "matmul", "in.h5:/a", "in.h5:/b", "-o", "out.h5", "--overwrite", *options,
                                  ranks=ranks, environment=environment)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertTrue((file["sheaf/status"][...] == TASK_DONE).all())
            self.assertWithin(file["result"][:3], *self.expected)
            return file["sheaf/runs"][0], file["sheaf/chunks"][...]

    def cores(self):
        return int(re.search(r"cores +(\d+)", self.sheaf("info", ranks=0).out)[1])

    def test_without_launcher(self):
        """All cores, by threads that work on tasks: there are more tasks than cores."""
        cores = self.cores()
        if cores > self.count:
            self.skipTest("more cores than tasks")
        run, chunks = self.run_with("--reproducible", ranks=0)
        self.assertEqual((run["ranks"], run["nodes"], run["threads"], run["width"]), (1, 1, cores, 1))
        self.assertTrue((chunks["width"] == 1).all() and (chunks["rank"] == 0).all())
        self.assertEqual(set(chunks["worker"]), set(range(cores)), "a worker had nothing to do")

    def test_threads_on_tasks(self):
        run, chunks = self.run_with("--layout", "1x2:1", ranks=1)
        self.assertEqual((run["layout"], run["threads"], run["width"]), (b"1x2:1", 2, 1))
        self.assertEqual((set(chunks["width"]), set(chunks["rank"]), set(chunks["worker"])), ({1}, {0}, {0, 1}))

    def test_blas_threads(self):
        run, chunks = self.run_with("--layout", "1x2:2", ranks=1)
        self.assertEqual((run["layout"], run["threads"], run["width"]), (b"1x2:2", 2, 2))
        self.assertEqual((set(chunks["width"]), set(chunks["rank"]), set(chunks["worker"])), ({2}, {0}, {0}))

    def test_two_ranks(self):
        run, chunks = self.run_with("--layout", "2x1", ranks=2)
        self.assertEqual((run["layout"], run["ranks"], run["ranks_per_node"]), (b"2x1:1", 2, 2))
        self.assertEqual((set(chunks["width"]), set(chunks["rank"]), set(chunks["worker"])), ({1}, {0, 1}, {0}))

    def test_parked(self):
        """Of four ranks two compute; the others are told, and leave no records."""
        run, chunks = self.run_with("--layout", "2x1", ranks=4)
        self.assertEqual((run["ranks"], run["ranks_per_node"]), (4, 2))
        self.assertEqual(set(chunks["rank"]), {0, 1})
        self.assertIn("2 parked", self.outcome.out)

    def test_parked_on_each_node(self):
        run, chunks = self.run_with("--layout", "1x1", ranks=4, environment={"SHEAF_NODE_RANKS": "2"})
        self.assertEqual((run["ranks"], run["nodes"], run["ranks_per_node"]), (4, 2, 1))
        self.assertEqual(set(chunks["rank"]), {0, 2})

    def test_too_many_for_the_cores(self):
        cores = self.cores()
        self.run_with("--layout", f"1x{cores + 1}:1", ranks=0)
        self.assertRegex(self.outcome.err, f"wants {cores + 1} cores, there are {cores}")

    def test_progress(self):
        """What is shown while it runs never reaches stdout."""
        for kind in ("auto", "line", "log", "none"):
            with self.subTest(kind):
                self.run_with("--progress", kind, ranks=0)
                self.assertIn(f"done: {self.count} tasks, 0 failed", self.outcome.out)
        self.assertEqual(self.outcome.err, "")


if __name__ == "__main__":
    unittest.main()
