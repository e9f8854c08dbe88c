#!/usr/bin/env python3
"""Every storage layout, filter, element type and byte order that h5py can write, read back as h5py itself reads it: as a
stack, in slices, and as a set of datasets."""
import unittest

import h5py
import numpy as np
from sheaf_test import RANKS, SheafTest

TASKS, ROWS, COLUMNS = 23, 6, 10
INTEGERS = [f"{order}{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8) for order in "<>" if size > 1 or order == "<"]
FLOATS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
COMPLEX = ["<c8", ">c8", "<c16", ">c16"]
# Several ranks read, each for itself, as one does: some of the types show that they do.
TYPES = INTEGERS + FLOATS + COMPLEX if RANKS == 1 else ["<u2", ">f4", ">c16"]


def numbers(dtype, seed=1):
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    shape = (TASKS, ROWS, COLUMNS)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return random.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    parts = random.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1] if dtype.kind == "c" else parts[0]).astype(dtype)


def compact(file, name, data):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    low_level(file, name, data, plist)


def nbit(file, name, data):
    """Bits that integers of 5 bits fewer do not use are left out."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4, ROWS, 3))
    plist.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_MANDATORY)
    low_level(file, name, data, plist)


def low_level(file, name, data, plist):
    dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(data.dtype, logical=True),
                              h5py.h5s.create_simple(data.shape), plist)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(data))


def with_options(**options):
    def write(file, name, data):
        file.create_dataset(name, data=data, **options)
    return write


def grown(file, name, data):
    """Chunks beyond the end, and a dataset that grew."""
    dataset = file.create_dataset(name, data=data[:9], maxshape=(None, None, None), chunks=(4, 4, 4), compression="gzip")
    dataset.resize(data.shape)
    dataset[9:] = data[9:]


def partly_written(file, name, data):
    """Chunks that nobody wrote hold the fill value."""
    dataset = file.create_dataset(name, data.shape, data.dtype, chunks=(3, 2, 10), fillvalue=7, shuffle=True,
                                  compression="gzip")
    dataset[4:11] = data[4:11]


LAYOUTS = {
    "contiguous": with_options(),
    "compact": compact,
    "a chunk a task": with_options(chunks=(1, ROWS, COLUMNS)),
    "chunks of several tasks": with_options(chunks=(5, ROWS, COLUMNS)),
    "chunks of parts of tasks": with_options(chunks=(2, 4, 3)),
    "one chunk": with_options(chunks=(TASKS, ROWS, COLUMNS), compression="gzip"),
    "gzip": with_options(chunks=(4, ROWS, COLUMNS), compression="gzip"),
    "gzip 9, shuffle": with_options(chunks=(5, 4, 7), compression="gzip", compression_opts=9, shuffle=True),
    "fletcher32": with_options(chunks=(2, 3, 4), fletcher32=True),
    "gzip, shuffle, fletcher32": with_options(chunks=(4, 6, 3), compression="gzip", shuffle=True, fletcher32=True),
    "shuffle alone": with_options(chunks=(4, 6, 3), shuffle=True),
    "grown": grown,
    "partly written": partly_written,
}
SZIP = {"szip": with_options(chunks=(4, ROWS, COLUMNS), compression="szip"),
        "szip, shuffle": with_options(chunks=(4, ROWS, 8), compression="szip", shuffle=True)}
SCALED = {"scale-offset": with_options(chunks=(4, ROWS, COLUMNS), scaleoffset=True),
          "scale-offset, gzip": with_options(chunks=(2, 3, COLUMNS), scaleoffset=True, compression="gzip")}
ROUNDED = {"scale-offset of 3 digits": with_options(chunks=(4, ROWS, COLUMNS), scaleoffset=3)}


class Layouts(SheafTest):
    def check(self, layouts, dtypes):
        """One file with a dataset for each; h5py says what it holds."""
        names = {}
        with h5py.File(self.path("in.h5"), "w") as file:
            for layout, write in layouts.items():
                for dtype in dtypes:
                    names[f"d{len(names)}"] = (layout, dtype)
                    write(file, f"d{len(names) - 1}", numbers(dtype, len(names)))
        for name, (layout, dtype) in names.items():
            with self.subTest(layout=layout, dtype=dtype):
                with h5py.File(self.path("in.h5")) as file:
                    expected = file[name][:]
                native = expected.astype(expected.dtype.newbyteorder("="))
                self.assertSameBits(self.compute("copy", f"in.h5:/{name}"), native)
                self.assertSameBits(self.compute("copy", f"in.h5:/{name}[1:20:3]"), native[1:20:3])

    def test_types(self):
        self.check({name: LAYOUTS[name] for name in ("contiguous", "gzip 9, shuffle")}, TYPES)

    def test_layouts(self):
        self.check(LAYOUTS, [">i2", "<f8"] if RANKS == 1 else ["<f8"])

    def test_scale_offset_and_nbit(self):
        """Filters of the library itself."""
        self.check({**SCALED, "nbit": nbit}, ["<i4", ">u2"])
        self.check(ROUNDED, ["<f4", "<f8"])

    def test_szip(self):
        """Where the library has it: it must say so itself before this is skipped."""
        if not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP) or \
                not h5py.h5z.get_filter_info(h5py.h5z.FILTER_SZIP) & h5py.h5z.FILTER_CONFIG_ENCODE_ENABLED:
            self.skipTest("this h5py cannot write szip")
        self.check(SZIP, ["<i4", ">f8"])

    def test_as_sets(self):
        """A dataset a task."""
        members = {"contiguous": with_options(), "compact": compact,
                   "chunks": with_options(chunks=(4, 7)),
                   "all": with_options(chunks=(4, 3), compression="gzip", shuffle=True, fletcher32=True),
                   "scaled": with_options(chunks=(6, 10), scaleoffset=True)}
        for layout, write in members.items():
            for dtype in (">i2", "<i4"):
                data = numbers(dtype, 3)
                with h5py.File(self.path("set.h5"), "w") as file:
                    for task in range(TASKS):
                        write(file, f"t{task}", data[task])
                with self.subTest(layout=layout, dtype=dtype):
                    found = self.compute("copy", "set.h5:/t*")
                    self.assertSameBits(found, data.astype(data.dtype.newbyteorder("=")))


if __name__ == "__main__":
    unittest.main()
