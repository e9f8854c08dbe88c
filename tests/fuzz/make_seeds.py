#!/usr/bin/env python3
"""Seeds for the fuzzers: texts of every grammar, small HDF5 files of every layout, results files of every kind.

usage: make_seeds.py SHEAF DIRECTORY
"""
import os
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np

OPERANDS = ["beams.h5:/a", "random:20x30:c64:shared", "normal:2x3", "range:4", "a.h5:/x[5]", "a.h5:/x[1:-1:2]", "a.h5:/x[::-3]",
            "d/b*.h5:/g/[!a-z]?/*", "[[]\n[", "b[0-9]*\nb12x", "*é?\naéb", "@list.txt", "a.h5:/b:/c", "x.h5:/[9223372036854775807:]"]
WORDS = ["run\ninv\na.h5:/x\n-o\nout.h5\n--layout\n2x3:1", "run\nmatmul\n--param\nord=fro\n--memory=4G\n--count\n10",
         "(m,k),(k,n)->(m,n)\n(m,n)...->(m,n)\n()->(m)\n(3),(m,3)->()", "sweep\nsvd\n--layouts\n1x1,2x1\n--seconds\n3",
         "ord=inf\ntol=1e-6\nupper=yes\nfull=true", "verify\nout.h5\n--recompute\n1%", "4x2:2", "--help", "resume\n--\nx"]


def write_texts(directory, texts):
    directory.mkdir(parents=True)
    for i, text in enumerate(texts):
        (directory / f"{i}.txt").write_text(text)


def write_inputs(directory):
    """All with a dataset /a, most with others."""
    directory.mkdir(parents=True)
    a = np.arange(60.0).reshape(5, 4, 3)
    for name, how in {
            "plain": {},
            "chunked": {"chunks": (2, 4, 3)},
            "gzip": {"chunks": (2, 2, 3), "compression": "gzip"},
            "shuffled": {"chunks": (1, 4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
            "lzf": {"chunks": (1, 4, 3), "compression": "lzf"},
            "growing": {"chunks": (1, 2, 2), "maxshape": (None, None, 3)},
    }.items():
        with h5py.File(directory / f"{name}.bin", "w") as file:
            file.create_dataset("a", data=a, **how)
    with h5py.File(directory / "types.bin", "w") as file:
        for dtype in ("u1", ">i4", "<f2", ">f8", "c8", "?", "S4"):
            file[dtype.strip("<>?") + "x"] = np.ones((2, 2)).astype(dtype)
        file["a"] = 1.0
    with h5py.File(directory / "links.bin", "w") as file:
        file["g/x"] = a
        file["a"] = h5py.SoftLink("/g/x")
        file["e"] = h5py.ExternalLink("other.h5", "/a")
        file["g/loop"] = h5py.SoftLink("/g")
    with h5py.File(directory / "outside.bin", "w") as file:
        file.create_dataset("a", (4, 4), "f8", external=[("other.raw", 0, 128)])
    with h5py.File(directory / "virtual.bin", "w") as file:
        layout = h5py.VirtualLayout((2, 4, 3), "f8")
        layout[0] = h5py.VirtualSource("other.h5", "a", (4, 3))
        file.create_virtual_dataset("a", layout)
    with h5py.File(directory / "latest.bin", "w", libver="latest") as file:
        file.create_dataset("a", data=a, chunks=(1, 4, 3), compression="gzip")
        file.attrs["note"] = "x"


def write_results(sheaf, directory):
    directory.mkdir(parents=True)
    with h5py.File(directory / "in.h5", "w") as file:
        for i in range(3):
            file[f"b{i}"] = np.eye(2 + i)
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_ess_singleton_isolated": "1", "SHEAF_NEIGHBOURS": "0"}
    for name, operands in {"stacked": ["inv", "random:2x2", "--count", "5"], "grouped": ["svd", "in.h5:/b*"],
                           "made": None}.items():
        command = ["run", *operands, "-o", f"{name}.bin"] if operands else ["make", f"{name}.bin", "a=ones:2x2", "--count", "3"]
        subprocess.run([sheaf, *command], cwd=directory, env=environment, stdout=subprocess.DEVNULL, check=True)
    (directory / "in.h5").unlink()


def main():
    sheaf, directory = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    shutil.rmtree(directory, ignore_errors=True)
    write_texts(directory / "operand", OPERANDS)
    write_texts(directory / "words", WORDS)
    write_inputs(directory / "source")
    write_results(sheaf, directory / "store")


if __name__ == "__main__":
    main()
