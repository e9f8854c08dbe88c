"""What Sheaf computes, against NumPy; the same bits whoever computes them; and what the results file says about it."""
import pathlib
import time
import unittest

import h5py
import numpy as np

from sheaf_test import (CHUNK_DONE, RANKS, RUN_FINISHED, SHEAF, TASK_DONE, TASK_NOT_FINITE, TASK_SINGULAR, TYPES, SheafTest,
                        inverse_ratios, is_sealed, product_and_bound, random_array, read_rows,
                        regular_array, unit_roundoff, xxh3)


class Grids(SheafTest):
    """Few tasks and many. (Each kernel in each type: test_kernels.py.)"""

    def test_many_chunks(self):
        """So many tasks that the grid has many chunks, the last one not full."""
        a, b = random_array((20011, 8, 8), np.float64, 1), random_array((20011, 8, 8), np.float64, 2)
        self.write("in.h5", a=a, b=b)
        self.assertWithin(self.compute("matmul", "in.h5:/a", "in.h5:/b"), *product_and_bound(a, b))
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertGreater(len(file["sheaf/chunks"]), 8)

    def test_one_element(self):
        a = random_array((3, 1, 1), np.float64)
        self.write("in.h5", a=a)
        self.assertWithin(self.compute("inv", "in.h5:/a"), 1 / a, 2 * unit_roundoff(a.dtype) * np.abs(1 / a))


@unittest.skipIf(RANKS > 2, "more ranks read what two read")
class Operands(SheafTest):
    """Where operands come from, and how their axes count."""

    def test_leading_axes(self):
        a, b = random_array((2, 3, 5, 4), np.float64, 1), random_array((2, 3, 4, 6), np.float64, 2)
        self.write("in.h5", a=a, b=b)
        self.assertWithin(self.compute("matmul", "in.h5:/a", "in.h5:/b"), *product_and_bound(a, b))
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(file["sheaf"].attrs["lead"].tolist(), [2, 3])
            self.assertEqual(file["sheaf/status"].shape, (6,))

    def test_single_matrices(self):
        """No leading axes: one task, and none in the output either."""
        a, b = random_array((5, 4), np.float64, 1), random_array((4, 6), np.float64, 2)
        self.write("in.h5", a=a, b=b)
        self.assertWithin(self.compute("matmul", "in.h5:/a", "in.h5:/b"), *product_and_bound(a, b))
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertNotIn("lead", file["sheaf"].attrs)
            self.assertEqual(file["sheaf"].attrs["tasks"], 1)

    def test_shared(self):
        a, b = random_array((41, 9, 12), np.float64, 1), random_array((12, 7), np.float64, 2)
        self.write("in.h5", a=a, b=b, one=b[np.newaxis], left=a[0])
        for operand in ("b", "one"):
            with self.subTest(operand=operand):
                self.assertWithin(self.compute("matmul", "in.h5:/a", f"in.h5:/{operand}"), *product_and_bound(a, b))
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(file["sheaf/operands"]["shared"].tolist(), [0, 1])
        many = random_array((41, 12, 7), np.float64, 3)
        self.write("many.h5", b=many)
        self.assertWithin(self.compute("matmul", "in.h5:/left", "many.h5:/b"), *product_and_bound(a[:1], many))

    def test_storage(self):
        """Big-endian numbers and filters, alone and together: through the HDF5 library."""
        a, b = random_array((37, 9, 12), np.float64, 1), random_array((37, 12, 7), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"], file["b"] = a, b
            file.create_dataset("a_big", data=a, dtype=">f8")
            file.create_dataset("a_gzip", data=a, chunks=(5, 4, 12), compression="gzip", shuffle=True)
            file.create_dataset("b_big_gzip", data=b, dtype=">f8", chunks=(4, 12, 7), compression="gzip")
            file.create_dataset("b_sums", data=b, chunks=(2, 3, 4), fletcher32=True)
            file.create_dataset("group/b_chunked", data=b, chunks=(40, 3, 4), maxshape=(None, 12, 7))
        expected = self.compute("matmul", "in.h5:/a", "in.h5:/b")
        self.assertWithin(expected, *product_and_bound(a, b))
        for x, y in (("a_big", "b"), ("a_gzip", "b"), ("a", "b_big_gzip"), ("a_gzip", "b_sums"),
                     ("a_big", "group/b_chunked")):
            with self.subTest(a=x, b=y):
                self.assertSameBits(self.compute("matmul", f"in.h5:/{x}", f"in.h5:/{y}"), expected)

    def test_complex_storage(self):
        a = random_array((13, 5, 6), np.complex64)
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("big", data=a, dtype=">c8")
            file.create_dataset("gzip", data=a, chunks=(3, 5, 6), compression="gzip")
        for name in ("big", "gzip"):
            with self.subTest(name):
                self.assertSameBits(self.compute("copy", f"in.h5:/{name}"), a)

    def test_several_files(self):
        a, b = random_array((6, 3, 4), np.float32, 1), random_array((6, 4, 3), np.float32, 2)
        self.write("a.h5", x=a)
        self.path("folder").mkdir()
        self.write("folder/b.h5", **{"deep/er": b})
        result = self.compute("matmul", "a.h5:/x", self.path("folder/b.h5:/deep/er"))
        self.assertWithin(result, *product_and_bound(a, b))


@unittest.skipIf(RANKS > 2, "more ranks make what two make")
class Generated(SheafTest):
    """Generated operands: what they are, and that they depend on seed, operand and task alone."""

    def test_make_and_run_agree(self):
        self.sheaf("make", "in.h5", "a=random:6x8", "b=normal:8x5:c128", "c=random:8x5:shared", "d=normal:6x8:c128",
                   "--count", 50, "--seed", 7)
        self.sheaf("run", "copy", "random:6x8", "--count", 50, "--seed", 7, "-o", "copy.h5")
        self.assertSameBits(self.read("copy.h5"), self.read("in.h5", "a"))
        # Operands count from 0: b is a command's second one, here as there.
        expected = self.compute("matmul", "in.h5:/d", "in.h5:/b")
        mixed = self.compute("matmul", "in.h5:/d", "normal:8x5:c128", "--seed", 7, output="mixed.h5")
        self.assertSameBits(mixed, expected)
        other = self.compute("matmul", "in.h5:/d", "normal:8x5:c128", "--seed", 8, output="mixed.h5")
        self.assertFalse((other == expected).any(axis=(1, 2)).any(), "another seed gave the same numbers")

    def test_shared(self):
        self.sheaf("make", "in.h5", "a=random:6x8", "b=random:8x5:shared", "--count", 20, "--seed", 3)
        shared = self.read("in.h5", "b")
        self.assertEqual(shared.shape, (8, 5))
        expected = self.compute("matmul", "in.h5:/a", "in.h5:/b")
        generated = self.compute("matmul", "random:6x8", "random:8x5:shared", "--count", 20, "--seed", 3)
        self.assertSameBits(generated, expected)

    def test_distributions(self):
        count, shape = 200, (16, 25)
        for name, dtype in TYPES.items():
            with self.subTest(type=name):
                text = f"16x25:{name}"
                self.sheaf("make", "in.h5", *(f"{kind}={kind}:{text}" for kind in
                                              ("random", "normal", "ones", "zeros", "range")), "--count", count,
                           "--overwrite")
                values = {kind: self.read("in.h5", kind) for kind in ("random", "normal", "ones", "zeros", "range")}
                for kind, array in values.items():
                    self.assertEqual((array.shape, array.dtype), ((count, *shape), dtype), kind)
                self.assertTrue((values["ones"] == 1).all() and (values["zeros"] == 0).all())
                self.assertTrue((values["range"] == np.arange(400).reshape(shape)).all())
                parts = [np.real, np.imag] if np.iscomplexobj(values["random"]) else [np.real]
                for part in parts:
                    self._check_moments(part(values["random"]), 1 / 2, 1 / 12, 1 / 180)
                    self._check_moments(part(values["normal"]), 0, 1, 2)
                    self.assertTrue((part(values["random"]) >= 0).all() and (part(values["random"]) < 1).all())
                for kind in ("random", "normal"):
                    distinct = {task.tobytes() for task in values[kind]}
                    self.assertEqual(len(distinct), count, f"{kind}: tasks repeat")

    def _check_moments(self, sample, mean, variance, variance_of_squares):
        """Within 6 standard deviations of what n independent numbers would have: one time in 5e8 by chance."""
        sample = sample.astype(np.float64)
        self.assertLess(abs(sample.mean() - mean), 6 * np.sqrt(variance / sample.size))
        self.assertLess(abs(((sample - mean) ** 2).mean() - variance), 6 * np.sqrt(variance_of_squares / sample.size))


class FailedTasks(SheafTest):
    """Tasks that cannot be computed spoil neither the others nor the run."""

    def setUp(self):
        super().setUp()
        self.a = regular_array((40, 6, 6), np.float64)
        self.a[3] = 0
        self.a[17, 2] = 0
        self.a[39, 4] = self.a[39, 1]
        self.a[20, 0, 5] = np.nan
        self.a[21, 5, 0] = np.inf
        self.singular, self.not_finite = [3, 17], [20, 21]
        # Two equal rows: after elimination the last pivot is exactly 0, or a rounding error. Left to the kernel.
        self.either = 39

    def check(self, output):
        good = np.setdiff1d(np.arange(40), self.singular + self.not_finite + [self.either])
        with h5py.File(self.path(output), "r") as file:
            result, status, info = (file[name][...] for name in ("result", "sheaf/status", "sheaf/info"))
            chunks = file["sheaf/chunks"][...]
        result, flat = result.reshape(40, 6, 6), self.a.reshape(40, 6, 6)
        self.assertTrue((status[good] == TASK_DONE).all() and (info[good] == 0).all())
        self.assertLess(inverse_ratios(flat[good], result[good]).max(), 30)
        self.assertEqual(status[self.singular].tolist(), [TASK_SINGULAR] * 2)
        # LAPACK takes our rows for its columns: the first row that is 0 is the first pivot that is.
        self.assertEqual(info[self.singular].tolist(), [1, 3])
        self.assertEqual(status[self.not_finite].tolist(), [TASK_NOT_FINITE] * 2)
        self.assertIn(status[self.either], (TASK_DONE, TASK_SINGULAR))
        failed = status != TASK_DONE
        self.assertTrue(np.isnan(result[failed]).all())
        self.assertEqual(chunks["failed"].sum(), failed.sum())
        return int(failed.sum())

    def test_failures_are_told(self):
        self.write("in.h5", a=self.a)
        outcome = self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=1)
        failed = self.check("out.h5")
        self.assertEqual(sum("tasks failed" in line for line in outcome.complaints()), 1, str(outcome))
        self.assertIn(f"out.h5: {failed} of 40 tasks failed", outcome.err)
        for line in (r"task 3 +singular \(info 1\)", r"task 17 +singular \(info 3\)", r"task 20 +not finite"):
            self.assertRegex(outcome.err, line)
        self.assertNotRegex(outcome.err, "task 4 ")
        self.assertIn(f"{failed} failed", outcome.out)

    def test_leading_axes_are_told(self):
        self.a = self.a.reshape(5, 8, 6, 6)
        self.write("in.h5", a=self.a)
        outcome = self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=1)
        self.check("out.h5")
        self.assertRegex(outcome.err, r"task 17 \[2, 1\] +singular")

    def test_all_fail(self):
        outcome = self.sheaf("run", "inv", "ones:4x4", "--count", 1000, "-o", "out.h5", code=1)
        self.assertIn("1000 of 1000 tasks failed", outcome.err)
        self.assertIn("and 980 more", outcome.err)
        self.assertTrue(np.isnan(self.read("out.h5")).all())


class SameBits(SheafTest):
    """With --reproducible, results depend on the data alone: not on ranks, layout, order, memory, nodes."""

    def ways(self):
        yield "default", [], {}
        yield "all ranks", ["--layout", f"{RANKS}x1"], {}
        yield "two threads", ["--layout", "1x2:1"], {}
        yield "two threads on a task, were it allowed to", ["--layout", "1x2:2"], {}
        yield "two threads each", ["--layout", f"{RANKS}x2:1"], {}
        yield "reverse", ["--order", "reverse"], {}
        yield "little memory", ["--memory", "48M"], {}
        for node_ranks in range(1, min(RANKS, 3)):
            nodes = {"SHEAF_NODE_RANKS": str(node_ranks)}
            yield f"nodes of {node_ranks}", [], nodes
            yield f"nodes of {node_ranks}, one rank each, reverse", ["--layout", "1x2:1", "--order", "reverse"], nodes

    def check(self, kernel, *operands, tasks):
        operands = *operands, "--reproducible"
        reference = self.compute(kernel, *operands, "--layout", "1x1", output="reference.h5", ranks=0)
        for name, options, environment in self.ways():
            with self.subTest(way=name):
                result = self.compute(kernel, *operands, *options, environment=environment)
                with h5py.File(self.path("out.h5"), "r") as file:
                    run = file["sheaf/runs"][0]
                    self.assertEqual(file["sheaf/chunks"]["count"].sum(), tasks)
                    self.assertTrue((file["sheaf/status"][...] == TASK_DONE).all())
                    self.assertTrue((file["sheaf/chunks"]["width"] == 1).all())
                self.assertEqual(run["nodes"], -(-RANKS // int(environment.get("SHEAF_NODE_RANKS", RANKS))))
                self.assertSameBits(result, reference, name)
        return reference

    def test_small(self):
        """Many tasks a chunk, many chunks."""
        self.sheaf("make", "in.h5", "a=normal:16x16", "b=normal:16x16", "--count", 5000, ranks=0)
        self.check("matmul", "in.h5:/a", "in.h5:/b", tasks=5000)

    def test_large(self):
        """One task a chunk; large enough for BLAS to use threads, were it allowed to."""
        reference = self.check("matmul", "normal:512x512", "normal:512x512", "--count", 9, tasks=9)
        self.sheaf("make", "in.h5", "a=normal:512x512", "b=normal:512x512", "--count", 9, ranks=0)
        a, b = self.read("in.h5", "a"), self.read("in.h5", "b")
        # NumPy's own error is as large as ours: the bound counts twice.
        gamma = 512 * unit_roundoff(a.dtype) / (1 - 512 * unit_roundoff(a.dtype))
        self.assertWithin(reference, a @ b, 2 * gamma * (np.abs(a) @ np.abs(b)))

    def test_in_memory(self):
        """Results that are written to where they lie in memory, in huge pages or not, are those that are written to a file."""
        operands = ["normal:100x64", "normal:64x70"]
        words = ["--count", 3001, "--progress", "none", "--overwrite"]
        self.sheaf("run", "matmul", *operands, *words, "-o", "out.h5")
        expected = self.read("out.h5")
        limits = [()]
        if b"__asan_init" not in pathlib.Path(SHEAF).read_bytes():  # which needs more addresses than there is memory
            limits.append(("prlimit", "--as=20000000000"))  # then nothing is mapped
        for limit in limits:
            self.rank_wrapper = limit
            self.sheaf("run", "matmul", *operands, *words, "-o", self.segments / "out.h5")
            self.assertSameBits(self.read(self.segments / "out.h5"), expected, str(limit))
        self.rank_wrapper = ()
        self.sheaf("verify", self.segments / "out.h5", ranks=0)
        (self.segments / "out.h5").unlink()

    def test_library_input(self):
        """What the carrier reads through the HDF5 library."""
        a = regular_array((700, 20, 20), np.complex128)
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=a, chunks=(16, 20, 20), compression="gzip", compression_opts=1)
        reference = self.check("inv", "in.h5:/a", tasks=700)
        self.assertLess(inverse_ratios(a, reference).max(), 30)


class ResultsFile(SheafTest):
    """Everything that io/FORMAT.md promises of a finished run."""

    def compute_example(self, *options, environment=None):
        self.a = regular_array((2, 1500, 12, 12), np.float64)
        self.a[0, 7] = self.a[1, 1499] = 0
        self.failed = [7, 2999]
        self.write("in.h5", a=self.a)
        before = time.time()
        self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", "--seed", 11, *options, code=1, environment=environment)
        self.span = before, time.time()
        file = h5py.File(self.path("out.h5"), "r")
        self.addCleanup(file.close)
        return file

    def test_creation(self):
        file = self.compute_example()
        attributes = dict(file["sheaf"].attrs)
        expected = {"format": 1, "kernel": b"inv", "signature": b"(m,m)->(m,m)", "parameters": b"", "seed": 11,
                    "tasks": 3000, "grid_bytes": 2 << 20, "grid_flops": 10**9, "grid_tasks": 16384,
                    "program": b"sheaf run"}
        for name, value in expected.items():
            self.assertEqual(attributes[name], value, name)
        self.assertEqual(attributes["lead"].tolist(), [2, 1500])
        self.assertRegex(attributes["version"].decode(), r"^\d+\.\d+\.\d+")
        self.assertRegex(attributes["created"].decode(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        command = file["sheaf/command"][...].tobytes().rstrip(b"\0").split(b"\0")
        self.assertEqual(command[1:], b"run inv in.h5:/a -o out.h5 --seed 11".split())
        self.assertEqual(file["sheaf/outputs"][...].tobytes().rstrip(b"\0"), b"result")
        operand, = file["sheaf/operands"]
        self.assertEqual((operand["text"], operand["dataset"], operand["kind"], operand["shared"]),
                         (b"in.h5:/a", b"/a", 0, 0))
        self.assertEqual(operand["path"].decode(), str(self.path("in.h5").resolve()))
        self.assertEqual(operand["lead"][:operand["lead_ndim"]].tolist(), [2, 1500])
        self.assertEqual(operand["core"][:operand["core_ndim"]].tolist(), [12, 12])
        self.assertEqual(operand["file_bytes"], self.path("in.h5").stat().st_size)
        self.assertEqual(operand["file_mtime"], self.path("in.h5").stat().st_mtime_ns)
        with h5py.File(self.path("in.h5"), "r") as source:
            self.assertEqual(operand["offset"], source["a"].id.get_offset())

    def test_layout_of_the_file(self):
        """Contiguous, allocated, aligned, nothing filled: what lets ranks write by offset."""
        file = self.compute_example()
        for name in ("result", *(f"sheaf/{table}" for table in ("status", "info", "chunks", "runs", "hosts", "marks"))):
            dataset = file[name]
            self.assertIsNone(dataset.chunks, name)
            self.assertIsNotNone(dataset.id.get_offset(), name)
            if dataset.nbytes >= 4096:
                self.assertEqual(dataset.id.get_offset() % 4096, 0, name)
        self.assertEqual(file["result"].dtype, np.dtype("<f8"))
        self.assertEqual(file["sheaf/status"].dtype, np.uint8)
        self.assertEqual(file["sheaf/info"].dtype, np.int32)

    def check_chunks(self, file, nodes):
        """The grid, the records and their checksums."""
        tasks, task_bytes = 3000, 12 * 12 * 8
        row, = file["sheaf/classes"]
        # 2304 bytes of input and output: 910 tasks; 32 tasks of 1152 bytes are the fewest to end on a page border.
        self.assertEqual((row["tasks"], row["tasks_per_chunk"], row["chunks"]), (tasks, 896, 4))
        self.assertEqual((row["input_bytes"], row["output_bytes"]), (task_bytes, task_bytes))
        rows, raw = read_rows(file, "chunks", 128)
        status, info = file["sheaf/status"][...], file["sheaf/info"][...]
        result = file["result"][...].reshape(tasks, 12, 12)
        self.assertEqual(rows["first"].tolist(), [0, 896, 1792, 2688])
        self.assertEqual(rows["count"].tolist(), [896, 896, 896, 312])
        self.assertEqual(rows["failed"].tolist(), [1, 0, 0, 1])
        for name, value in (("state", CHUNK_DONE), ("attempts", 0), ("class", 0), ("run", 0), ("width", 1)):
            self.assertTrue((rows[name] == value).all(), name)
        self.assertTrue((rows["rank"] < RANKS).all())
        for i, chunk in enumerate(rows):
            self.assertTrue(is_sealed(raw[i], i), f"checksum of record {i}")
            self.assertFalse(is_sealed(raw[i], i + 1), "a misplaced record is not seen")
            tasks_of = slice(chunk["first"], chunk["first"] + chunk["count"])
            data = result[tasks_of].tobytes() + status[tasks_of].tobytes() + info[tasks_of].tobytes()
            self.assertEqual(chunk["result_checksum"], xxh3(data), f"checksum of the results of chunk {i}")
            times = [self.span[0], chunk["read_start"], chunk["compute_start"], chunk["write_start"], self.span[1]]
            self.assertEqual(times, sorted(times), f"times of chunk {i}")
            for part in ("read_seconds", "compute_seconds", "write_seconds"):
                self.assertTrue(0 <= chunk[part] < self.span[1] - self.span[0], part)
        hosts = file["sheaf/hosts"][...]
        marks, raw_marks = read_rows(file, "marks", 32)
        # All our nodes are one machine: they share the first row.
        self.assertTrue((rows["host"] == 0).all() and hosts[0] != b"" and (hosts[1:] == b"").all())
        self.assertTrue(is_sealed(raw_marks[0], 0), "checksum of the mark")
        if nodes == 1:
            self.assertEqual(sorted(rows["sequence"]), [1, 2, 3, 4])
            self.assertEqual(marks[0]["sequence"], 4)

    def check_run(self, file, nodes, ranks_per_node, threads, width):
        rows, raw = read_rows(file, "runs", 4096)
        self.assertTrue((rows["state"][1:] == 0).all())
        run = rows[0]
        self.assertTrue(is_sealed(raw[0], 0), "checksum of the run's slot")
        self.assertEqual((run["state"], run["number"], run["ranks"], run["nodes"]), (RUN_FINISHED, 0, RANKS, nodes))
        self.assertEqual((run["ranks_per_node"], run["threads"], run["width"]), (ranks_per_node, threads, width))
        self.assertEqual(run["layout"].decode(), f"{ranks_per_node}x{threads}:{width}")
        times = [self.span[0], run["start"], run["end"], self.span[1]]
        self.assertEqual(times, sorted(times))
        self.assertTrue(run["start"] <= run["heartbeat"] <= run["end"])
        for name in ("host", "version", "mpi", "hdf5", "blas", "core"):
            self.assertNotEqual(run[name], b"", name)

    def test_one_node(self):
        file = self.compute_example("--layout", f"{RANKS}x1")
        self.check_chunks(file, 1)
        self.check_run(file, 1, RANKS, 1, 1)

    def test_several_nodes(self):
        """Records of other nodes reach the file through the root's."""
        nodes = -(-RANKS // 2)
        file = self.compute_example("--layout", "1x1", environment={"SHEAF_NODE_RANKS": "2"})
        self.check_chunks(file, nodes)
        self.check_run(file, nodes, 1, 1, 1)

    def test_make(self):
        """What make writes is a results file too, and plain HDF5."""
        self.sheaf("make", "made.h5", "a=random:4x5:f32", "b=range:3:shared", "--count", 10, "--seed", 4)
        with h5py.File(self.path("made.h5"), "r") as file:
            self.assertEqual(sorted(file), ["a", "b", "sheaf"])
            self.assertEqual((file["a"].shape, file["b"][...].tolist()), ((10, 4, 5), [0, 1, 2]))
            attributes = file["sheaf"].attrs
            self.assertEqual((attributes["program"], attributes["tasks"], attributes["seed"]), (b"sheaf make", 10, 4))
            self.assertEqual(file["sheaf/runs"][0]["state"], RUN_FINISHED)
            self.assertTrue((file["sheaf/chunks"]["state"] == CHUNK_DONE).all())


if __name__ == "__main__":
    unittest.main()
