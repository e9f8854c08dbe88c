"""The HDF5 that users really have: element types, byte orders and layouts, read by the whole program."""
import os
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, IO_ERROR, SheafTest, product_and_bound, random_array

PLUGINS = os.environ["PLUGINS"]


class ElementTypes(SheafTest):
    def test_stored_types_become_what_the_kernel_takes(self):
        """Integers as f64, halves as f32, other byte orders as their own; shared operands too."""
        numbers = random_array((40, 6, 5), np.float64, 1) * 30
        for stored, computed in ((">i2", "f8"), ("<f2", "f4"), (">c8", "c8")):
            with self.subTest(stored):
                a = np.abs(numbers).astype(stored)
                self.write("in.h5", a=a, b=a[3].T)
                found = self.compute("matmul", "in.h5:/a", "in.h5:/b")
                self.assertEqual(found.dtype, np.dtype(computed))
                shared = np.broadcast_to(a[3].T, (40, 5, 6))
                expected, bound = product_and_bound(a.astype(computed), shared.astype(computed))
                self.assertWithin(found, expected, bound, stored)

    def test_operands_meet_in_their_common_type(self):
        a, b = random_array((10, 4, 3), np.float32, 1), random_array((10, 3, 5), np.complex64, 2)
        self.write("in.h5", a=a, b=b, wide=b.astype(">c16"))
        expected, bound = product_and_bound(a.astype("c8"), b)
        self.assertWithin(self.compute("matmul", "in.h5:/a", "in.h5:/b"), expected, bound)
        found = self.compute("matmul", "in.h5:/a", "in.h5:/wide")
        self.assertEqual(found.dtype, np.complex128)
        expected, bound = product_and_bound(a.astype("c16"), b.astype("c16"))
        self.assertWithin(found, expected, bound)

    def test_as_is_what_all_are_read_as(self):
        a = random_array((10, 4, 3), np.float64)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"] = a
            file.create_dataset("packed", data=a.astype(">f8"), chunks=(3, 4, 2), compression="gzip")
            file["complex"] = a.astype("c8")
        for dataset, name, dtype in (("a", "f32", "f4"), ("a", "c128", "c16"), ("packed", "c64", "c8")):
            found = self.compute("copy", f"in.h5:/{dataset}", "--as", name)
            self.assertSameBits(found, a.astype(dtype), f"{dataset} as {name}")
        generated = self.compute("copy", "random:4x3:f32", "--count", 5)
        self.assertSameBits(self.compute("copy", "random:4x3:f32", "--count", 5, "--as", "f64"), generated.astype("f8"))
        outcome = self.sheaf("info", "out.h5", ranks=0)
        self.assertIn("operand 0  random:4x3:f32 · f32 read as f64 · fingerprint", outcome.out)
        outcome = self.sheaf("run", "inv", "in.h5:/complex", "-o", "no.h5", "--as", "f64", code=BAD_DATA)
        self.assertEqual(len(outcome.complaints()), 1, outcome)
        self.assertIn("in.h5:/complex: is c64, which cannot be read as f64: its imaginary parts would be lost",
                      outcome.err)


class Slices(SheafTest):
    def test_the_output_has_the_selected_tasks(self):
        a, weights = random_array((50, 3, 4, 5), np.float64, 1), random_array((9, 5, 2), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"] = a
            file.create_dataset("packed", data=a, chunks=(7, 3, 4, 5), compression="gzip")
            file["weights"] = weights
        for dataset, text, cut in (("a", "[10:40:3]", np.s_[10:40:3]), ("a", "[:-20]", np.s_[:-20]),
                                   ("packed", "[::-4]", np.s_[::-4])):
            found = self.compute("copy", f"in.h5:/{dataset}{text}")
            self.assertSameBits(found, a[cut], text)
        expected, bound = product_and_bound(a[:20], np.broadcast_to(weights[4], (20, 3, 5, 2)))
        self.assertWithin(self.compute("matmul", "in.h5:/a[:20]", "in.h5:/weights[4:5]"), expected, bound)
        outcome = self.sheaf("run", "copy", "in.h5:/a[60:]", "-o", "no.h5", code=BAD_DATA)
        self.assertIn("in.h5:/a[60:]: selects no tasks: the first axis has 50 entries", outcome.err)


class Chunks(SheafTest):
    def test_chunks_of_ours_are_made_of_whole_ones_of_hdf5(self):
        a = random_array((1000, 32, 32), np.float64)
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=a, chunks=(100, 32, 16), compression="gzip", shuffle=True)
            file.create_dataset("b", data=a[::-1], chunks=(15, 32, 32))
        self.assertSameBits(self.compute("copy", "in.h5:/a"), a)
        with h5py.File(self.path("out.h5")) as file:
            # 2 MiB hold 128 tasks that read and write 16 KiB
            self.assertEqual(file["sheaf/classes"]["tasks_per_chunk"][0], 100)
        expected, bound = product_and_bound(a, a[::-1])
        self.assertWithin(self.compute("matmul", "in.h5:/a", "in.h5:/b"), expected, bound)
        with h5py.File(self.path("out.h5")) as file:
            self.assertEqual(file["sheaf/classes"]["tasks_per_chunk"][0], 300)


class PackedChunks(SheafTest):
    """Chunks that are fetched by one thread and unpacked by those that compute."""
    LAYOUTS = ("1x1", "1x3", "1x3:3")

    def test_whatever_h5py_packs(self):
        """Filters, types and shapes of chunks: cut by the tasks, by their rows, beyond the end, over several tasks."""
        a = np.cumsum(random_array((70, 9, 40), np.float64, 1), axis=2)
        gzip, checked = {"compression": "gzip"}, {"fletcher32": True}
        cases = [({**gzip, "shuffle": True}, (1, 9, 40), "f8"), (gzip, (1, 4, 16), ">f8"), (checked, (2, 9, 40), "c16"),
                 ({**gzip, **checked, "shuffle": True}, (16, 9, 7), "f4"), ({}, (3, 9, 40), "i2"),
                 ({**gzip, "shuffle": True}, (4, 5, 40), ">i4"), ({**gzip, "shuffle": True}, (70, 9, 40), "f8")]
        with h5py.File(self.path("in.h5"), "w") as file:
            for i, (filters, chunks, dtype) in enumerate(cases):
                file.create_dataset(str(i), data=(a * 100).astype(dtype), chunks=chunks, **filters)
        for i, (filters, chunks, dtype) in enumerate(cases):
            expected = (a * 100).astype(dtype)
            with self.subTest(filters=filters, chunks=chunks, dtype=dtype):
                found = self.compute("copy", f"in.h5:/{i}", "--layout", self.LAYOUTS[i % 3], ranks=0)
                self.assertSameBits(found, expected.astype(expected.dtype.newbyteorder("=")))

    def test_parts_as_another_type(self):
        a = np.cumsum(random_array((70, 9, 40), np.float64, 1), axis=2)
        with h5py.File(self.path("in.h5"), "w") as file:
            for name, dtype in (("narrow", ">i4"), ("wide", ">c16")):
                file.create_dataset(name, data=a.astype(dtype), chunks=(4, 5, 40), compression="gzip", shuffle=True)
        self.assertSameBits(self.compute("copy", "in.h5:/narrow[7:]", "--as", "f64"), a[7:].astype("i4").astype("f8"))
        self.assertSameBits(self.compute("copy", "in.h5:/wide[8:64]", "--as", "c64"), a[8:64].astype("c16").astype("c8"))

    def test_chunks_never_written_have_the_fill_value(self):
        a = random_array((60, 5, 6), np.float64)
        with h5py.File(self.path("in.h5"), "w") as file:
            sparse = file.create_dataset("a", a.shape, chunks=(1, 5, 4), compression="gzip", fillvalue=2.5)
            sparse[10:30, :, :3] = a[10:30, :, :3]
            expected = sparse[...]
        self.assertSameBits(self.compute("copy", "in.h5:/a"), expected)

    def test_damaged_chunks_fail_the_run(self):
        a = random_array((60, 5, 60), np.float64)
        with h5py.File(self.path("in.h5"), "w") as file:
            data = file.create_dataset("a", data=a, chunks=(1, 5, 30), compression="gzip", shuffle=True)
            start = data.id.get_chunk_info_by_coord((17, 0, 30)).byte_offset
        with open(self.path("in.h5"), "r+b") as file:
            file.seek(start + 100)
            byte = file.read(1)[0]
            file.seek(start + 100)
            file.write(bytes([byte ^ 1]))
        for layout in self.LAYOUTS:
            outcome = self.sheaf("run", "copy", "in.h5:/a", "-o", "out.h5", "--overwrite", "--layout", layout, code=IO_ERROR,
                                 ranks=0)
            self.assertIn("in.h5:/a: cannot unpack its HDF5 chunk at (17, 0, 30): its compressed data are damaged; copy "
                          "the file again", outcome.err)


class OtherFiles(SheafTest):
    def test_external_links_and_virtual_datasets_need_leave(self):
        a = random_array((10, 4, 3), np.float64)
        self.write("other.h5", a=a)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["link"] = h5py.ExternalLink("other.h5", "/a")
            layout = h5py.VirtualLayout((10, 4, 3), "f8")
            layout[:] = h5py.VirtualSource("other.h5", "a", (10, 4, 3))
            file.create_virtual_dataset("virtual", layout)
        for name in ("link", "virtual"):
            outcome = self.sheaf("run", "copy", f"in.h5:/{name}", "-o", "no.h5", code=BAD_DATA)
            self.assertIn("give --allow-external", outcome.err)
            self.assertSameBits(self.compute("copy", f"in.h5:/{name}[3:]", "--allow-external"), a[3:], name)

    def test_filter_plugins_need_leave(self):
        a = random_array((10, 4, 3), np.float64)
        h5py.h5pl.prepend(PLUGINS.encode())
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=a, chunks=(3, 4, 3), compression=302)
        where = {"HDF5_PLUGIN_PATH": PLUGINS}
        outcome = self.sheaf("run", "copy", "in.h5:/a", "-o", "no.h5", code=BAD_DATA, environment=where)
        self.assertIn("in.h5:/a: is stored by filter 302 (reverse bits)", outcome.err)
        self.assertIn("--allow-filters", outcome.err)
        self.assertSameBits(self.compute("copy", "in.h5:/a", "--allow-filters", environment=where), a)


class Ways(SheafTest):
    CUTS = ("", "[1:4]", "[::2]")

    def test_mapped_or_copied_bits_are_equal(self):
        """In place or by reading, with slices and shared operands, and tasks that are long enough for the measurement."""
        a, b = random_array((5, 800, 900), np.float64, 1), random_array((900, 7), np.float64, 2)
        self.write("in.h5", a=a, b=b)
        found = {}
        for way in "copy", "map", None:
            if way:
                self.environment["SHEAF_READ"] = way
            else:
                del self.environment["SHEAF_READ"]
            found[way] = [self.compute("matmul", f"in.h5:/a{cut}", "in.h5:/b", "--reproducible") for cut in self.CUTS]
        self.assertWithin(found["copy"][0], *product_and_bound(a, np.broadcast_to(b, (5, 900, 7))))
        for way in "map", None:
            for one, other in zip(found["copy"], found[way]):
                self.assertSameBits(other, one, str(way))


if __name__ == "__main__":
    unittest.main()
