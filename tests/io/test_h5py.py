"""Files of ours as h5py sees them, files of h5py's as we read them.

usage: test_h5py.py STORE_FIXTURE; exits 77 (skipped) without h5py
"""
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

FIXTURE = os.path.abspath(sys.argv.pop(1))
TASKS, PER_CHUNK, CHUNKS, DONE = 50, 8, 7, 48
TYPES = {"f32": np.dtype("f4"), "f64": np.dtype("f8"), "c64": np.dtype("c8"), "c128": np.dtype("c16")}
EVERY_TYPE = ("f8", "f4", "f2", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def check_layout(test, file, path, datasets):
    """All datasets are contiguous, allocated, never filled, apart from each other, large ones on page borders."""
    spans = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.size:
            plist = item.id.get_create_plist()
            test.assertEqual((plist.get_layout(), plist.get_alloc_time(), plist.get_fill_time()),
                             (h5py.h5d.CONTIGUOUS, h5py.h5d.ALLOC_TIME_EARLY, h5py.h5d.FILL_TIME_NEVER), name)
            offset, size = item.id.get_offset(), item.id.get_storage_size()
            spans.append((offset, offset + size, name))
            if size >= 4096:
                test.assertEqual(offset % 4096, 0, name)

    file.visititems(visit)
    spans.sort()
    test.assertEqual(len(spans), datasets)
    for (_, end, name), (start, _, after) in zip(spans, spans[1:]):
        test.assertLessEqual(end, start, f"{name} and {after}")
    test.assertLessEqual(spans[-1][1], os.path.getsize(path))
    with open(path, "rb") as plain:
        test.assertEqual(plain.read(9), b"\x89HDF\r\n\x1a\n\0", "superblock 0, which every reader knows")


class Results(unittest.TestCase):
    """A results file whose last chunk was not computed."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sheaf-test-")
        path = os.path.join(cls.folder.name, "out.h5")
        subprocess.run([FIXTURE, "make", path], check=True)
        cls.file = h5py.File(path, "r")
        cls.path = path

    @classmethod
    def tearDownClass(cls):
        cls.file.close()
        cls.folder.cleanup()

    def test_outputs(self):
        result, s, once = self.file["result"], self.file["s"], self.file["once"]
        self.assertEqual((result.shape, result.dtype), ((10, 5, 12, 9), np.dtype("<f8")))
        self.assertEqual((s.shape, s.dtype), ((10, 5, 7), np.dtype("<c8")))
        self.assertEqual((once.shape, once.dtype), ((5,), np.dtype("<f4")))
        expected = np.arange(TASKS * 12 * 9, dtype="f8")
        expected[DONE * 12 * 9:] = 0
        np.testing.assert_array_equal(result[...].ravel(), expected)
        task, i = np.divmod(np.arange(TASKS * 7), 7)
        expected = (task - 1j * i).astype("c8")
        expected[DONE * 7:] = 0
        np.testing.assert_array_equal(s[...].ravel(), expected)
        np.testing.assert_array_equal(once[...], [1, 2, 3, 4, 5])

    def test_attributes(self):
        attributes = self.file["sheaf"].attrs
        numbers = {"format": 1, "seed": 42, "tasks": TASKS, "chunks": CHUNKS, "grid_bytes": 2 << 20,
                   "grid_flops": 10**9, "grid_tasks": 16384}
        for name, value in numbers.items():
            self.assertEqual((attributes[name], attributes[name].dtype), (value, np.dtype("<i8")), name)
        texts = {"version": b"0.1.0", "kernel": b"matmul", "signature": b"(m,k),(k,n)->(m,n)",
                 "parameters": b"ord=2", "program": b"sheaf make"}
        for name, value in texts.items():
            self.assertEqual(attributes[name], value, name)
        self.assertRegex(attributes["created"].decode(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        np.testing.assert_array_equal(attributes["lead"], [10, 5])
        self.assertEqual(set(attributes), set(numbers) | set(texts) | {"created", "lead"})

    def test_fixed_tables(self):
        sheaf = self.file["sheaf"]
        self.assertEqual(set(sheaf), {"command", "outputs", "operands", "classes", "status", "info", "chunks",
                                      "runs", "hosts", "marks"})
        self.assertEqual(sheaf["command"][...].tobytes(),
                         b"sheaf\0run\0matmul\0a file.h5:/a\0it's\0\0-o\0out.h5\0")
        self.assertEqual(sheaf["outputs"][...].tobytes(), b"result\0s\0once\0")
        operands = sheaf["operands"]
        self.assertEqual((operands.shape, operands.dtype.itemsize), ((3,), 4096))
        first, second = operands[0], operands[1]
        self.assertEqual((first["text"], first["path"], first["dataset"]),
                         (b"beams.h5:/a", b"/somewhere/beams.h5", b"/a"))
        self.assertEqual((first["kind"], first["type"], first["lead_ndim"], first["core_ndim"]), (0, 10, 2, 2))
        self.assertEqual((list(first["lead"][:2]), list(first["core"][:2])), ([10, 5], [12, 4]))
        self.assertEqual((first["fingerprint"], first["offset"]), (0xfedcba9876543210, 4096))
        self.assertEqual((first["file_bytes"], first["file_mtime"]), (23296, 1234567890123456789))
        self.assertEqual((first["file_type"], first["swapped"]), (2, 1))
        self.assertEqual((second["file_type"], second["swapped"]), (11, 0))
        self.assertEqual((first["slice_first"], first["slice_step"]), (20, -2))
        self.assertEqual((second["kind"], second["distribution"], second["seed"], second["operand"],
                          second["offset"]), (1, 1, 42, 1, -1))
        self.assertEqual(operands[2]["shared"], 1)
        classes = sheaf["classes"]
        self.assertEqual((classes.shape, classes.dtype.itemsize), ((1,), 1024))
        self.assertEqual(tuple(classes[0]), (TASKS, 0, 0, CHUNKS, PER_CHUNK, 864.0, 672, 920))

    def test_running_tables(self):
        sheaf = self.file["sheaf"]
        status = np.where(np.arange(TASKS) % 10 == 9, 2, 1)
        status[DONE:] = 0
        self.assertEqual((sheaf["status"].dtype, sheaf["info"].dtype), (np.dtype("u1"), np.dtype("<i4")))
        np.testing.assert_array_equal(sheaf["status"], status)
        np.testing.assert_array_equal(sheaf["info"], np.where(status == 2, 3, 0))
        chunks = sheaf["chunks"]
        self.assertEqual((chunks.shape, chunks.dtype.itemsize), ((CHUNKS,), 128))
        offsets = {"state": 0, "fate": 1, "attempts": 2, "class": 4, "first": 8, "count": 16, "failed": 20, "run": 24,
                   "host": 28, "rank": 32, "worker": 36, "width": 38, "read_start": 40, "compute_start": 48,
                   "write_start": 56, "read_seconds": 64, "compute_seconds": 68, "write_seconds": 72,
                   "task": 76, "result_checksum": 80, "sequence": 88, "care": 96, "signal": 97, "reading": 98, "oom_kills": 100,
                   "checksum": 120}
        self.assertEqual({name: field[1] for name, field in chunks.dtype.fields.items()}, offsets)
        np.testing.assert_array_equal(chunks["state"], [2] * 6 + [0])
        np.testing.assert_array_equal(chunks["first"], [0, 8, 16, 24, 32, 40, 0])
        np.testing.assert_array_equal(chunks["sequence"], [1, 2, 3, 4, 5, 6, 0])
        runs, marks, hosts = sheaf["runs"], sheaf["marks"], sheaf["hosts"]
        self.assertEqual((runs.shape, runs.dtype.itemsize), ((64,), 4096))
        self.assertEqual((runs[0]["state"], runs[0]["ranks"], runs[0]["host"], runs[0]["core"]),
                         (2, 2, b"node0", b"Haswell"))
        self.assertEqual((marks.shape, marks.dtype.itemsize, marks[0]["sequence"]), ((1024,), 32, 6))
        self.assertEqual((hosts.shape, hosts.dtype, hosts[0]), ((1024,), np.dtype("S64"), b"node0"))

    def test_layout(self):
        check_layout(self, self.file, self.path, 13)


class Classes(unittest.TestCase):
    """A results file of three classes, whose last chunk was not computed: outputs in groups beside a stacked one."""

    NAMES = ["b/x", "a", "b/y", "c.d", "a-b", "z/y/\u00e4"]
    CLASS = [0, 1, 1, 0, 2, 0]
    ORDER = [0, 3, 5, 1, 2, 4]
    UNDONE = 4

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sheaf-test-")
        cls.path = os.path.join(cls.folder.name, "out.h5")
        subprocess.run([FIXTURE, "classes", cls.path], check=True)
        cls.file = h5py.File(cls.path, "r")

    @classmethod
    def tearDownClass(cls):
        cls.file.close()
        cls.folder.cleanup()

    def check_group(self, output, dtype, shapes):
        found = []
        self.file[output].visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        self.assertEqual(sorted(found), sorted(self.NAMES))
        for task, name in enumerate(self.NAMES):
            data, shape = self.file[output][name], shapes[self.CLASS[task]]
            self.assertEqual((data.shape, data.dtype), (shape, np.dtype(dtype)), name)
            parts = data[...].ravel().view(data.dtype.char.lower() if data.dtype.kind == "c" else data.dtype)
            expected = 1000 * task + np.arange(parts.size) if task != self.UNDONE else np.zeros(parts.size)
            np.testing.assert_array_equal(parts, expected, name)

    def test_groups(self):
        self.check_group("u", "<f8", [(3, 4), (60, 50), (0, 4)])
        self.check_group("w", "<c8", [(5,), (7,), (1,)])

    def test_tables_in_the_order_of_tasks(self):
        sheaf = self.file["sheaf"]
        expected = 1000.0 * np.arange(6)[:, None] + [0, 1]
        expected[self.UNDONE] = 0
        np.testing.assert_array_equal(self.file["s"], expected)
        np.testing.assert_array_equal(sheaf["status"], [1, 1, 2, 1, 0, 1])
        np.testing.assert_array_equal(sheaf["info"], [0, 0, 3, 0, 0, 0])
        self.assertEqual(sheaf["names"][...].tobytes().decode(), "\0".join(self.NAMES) + "\0")
        self.assertEqual(sheaf["outputs"][...].tobytes(), b"u\0s\0w\0")
        self.assertEqual((sheaf["order"].shape, sheaf["order"].dtype), ((6,), np.dtype("<i8")))
        np.testing.assert_array_equal(sheaf["order"], self.ORDER)
        np.testing.assert_array_equal(sheaf["classes"]["first_position"], [0, 3, 5])
        np.testing.assert_array_equal(sheaf["classes"]["first_chunk"], [0, 2, 3])
        np.testing.assert_array_equal(sheaf["chunks"]["first"], [0, 2, 3, 0])
        np.testing.assert_array_equal(sheaf["chunks"]["class"], [0, 0, 1, 0])
        np.testing.assert_array_equal(sheaf["chunks"]["failed"], [0, 0, 1, 0])

    def test_layout(self):
        # one stacked output, 11 datasets in groups that have elements, one that has none
        check_layout(self, self.file, self.path, len([d for d in self.file["sheaf"].values() if d.size]) + 11 + 1)


class Inputs(unittest.TestCase):
    """What h5py writes, read back by us."""

    def read(self, path, core_ndim, *types, cut=""):
        done = subprocess.run([FIXTURE, "read", f"{path}:/group/data{cut}", str(core_ndim), *types], check=True,
                              stdout=subprocess.PIPE)
        line, got = done.stdout.split(b"\n", 1)
        return line.decode(), got

    def check(self, data, access, **options):
        """Read as what it is in every split of its axes, and as every other type that it can be read as."""
        with tempfile.TemporaryDirectory(prefix="sheaf-test-") as folder:
            path = os.path.join(folder, "in.h5")
            with h5py.File(path, "w") as file:
                file.create_dataset("group/data", data=data, **options)
            native = data.dtype.newbyteorder("=")
            for core_ndim in range(data.ndim + 1):
                line, got = self.read(path, core_ndim)
                name = "u8" if native.kind == "b" else f"{native.kind}{native.itemsize * 8}"
                split = data.ndim - core_ndim
                shapes = [f"({', '.join(map(str, part))})" for part in (data.shape[:split], data.shape[split:])]
                self.assertEqual(line, f"{name} {access} {shapes[0]} {shapes[1]}")
                self.assertEqual(got, data.astype(native).tobytes())
            for name, dtype in TYPES.items():
                if native.kind == "c" and dtype.kind != "c":
                    continue
                line, got = self.read(path, 1, name)
                self.assertEqual(line.split()[:2], [name, access])
                self.assertEqual(got, data.astype(dtype).tobytes(), name)

    def numbers(self, dtype):
        random = np.random.default_rng(20261120)
        if np.dtype(dtype).kind == "c":
            return (random.normal(size=(3, 5, 4)) + 1j * random.normal(size=(3, 5, 4))).astype(dtype)
        return (random.normal(size=(3, 5, 4)) * 50 + 60).astype(dtype)

    def test_plain(self):
        for dtype in EVERY_TYPE:
            with self.subTest(dtype):
                self.check(self.numbers("<" + dtype), "plain")

    def test_big_endian(self):
        for dtype in EVERY_TYPE:
            with self.subTest(dtype):
                self.check(self.numbers(">" + dtype), "plain")

    def test_chunked(self):
        for dtype in EVERY_TYPE:
            for order in "<>":
                with self.subTest(order + dtype):
                    self.check(self.numbers(order + dtype), "library", chunks=(2, 2, 3))
        for options in ({"chunks": (2, 5, 4), "compression": "gzip"},
                        {"chunks": True, "shuffle": True},
                        {"chunks": (3, 1, 4), "fletcher32": True}):
            for dtype in ("<f8", "<c16", ">f4", "<i4"):
                with self.subTest(dtype, **options):
                    self.check(self.numbers(dtype), "library", **options)

    def test_booleans(self):
        data = np.random.default_rng(20261122).integers(0, 2, (3, 5, 4)).astype(bool)
        self.check(data, "plain")
        self.check(data, "library", chunks=(2, 2, 3), compression="gzip")

    def test_slices(self):
        """Python's own rules, whatever the layout, over one leading axis and over two."""
        random = np.random.default_rng(20261121)
        data = random.integers(-1000, 1000, (11, 3, 2, 5)).astype(">i4")
        slices = [":", "2:7", "::3", "-4:", ":-4:2", "1:10:4", "::-1", "8:1:-3", "5:6", "0:1000:2", "-1000:1000",
                  "5", "-11", "-1"]
        for options in ({}, {"chunks": (4, 2, 2, 3), "compression": "gzip"}, {"chunks": (1, 3, 2, 5)}):
            with tempfile.TemporaryDirectory(prefix="sheaf-test-") as folder:
                path = os.path.join(folder, "in.h5")
                with h5py.File(path, "w") as file:
                    file.create_dataset("group/data", data=data, **options)
                for cut in slices:
                    bounds = [int(part) if part else None for part in cut.split(":")]
                    expected = data[slice(*bounds)] if ":" in cut else data[[bounds[0]]]
                    for core_ndim in (3, 2):
                        with self.subTest(cut, core_ndim=core_ndim, **options):
                            line, got = self.read(path, core_ndim, "f32", cut=f"[{cut}]")
                            lead = ", ".join(map(str, expected.shape[:4 - core_ndim]))
                            self.assertEqual(line.split(" ", 2)[2].split(")")[0], f"({lead}")
                            self.assertEqual(got, expected.astype("<f4").tobytes())

    def test_filter_of_h5py_alone(self):
        with tempfile.TemporaryDirectory(prefix="sheaf-test-") as folder:
            path = os.path.join(folder, "in.h5")
            with h5py.File(path, "w") as file:
                file.create_dataset("data", data=self.numbers("<f8"), compression="lzf")
            done = subprocess.run([FIXTURE, "read", f"{path}:/data", "2"], stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 65)
            self.assertIn(b"is stored by filter 32000 (lzf), which this HDF5 library does not have", done.stderr)

    def test_growing(self):
        self.check(self.numbers("<f8"), "library", maxshape=(None, 5, 4))


if __name__ == "__main__":
    unittest.main()
