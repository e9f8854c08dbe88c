#!/usr/bin/env python3
"""Which files a run opens: those that it was told of, and no other, whatever is in them. And how it creates its own."""
import os
import re
import stat
import subprocess
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, NO_OUTPUT, SHEAF, SheafTest

# What the dynamic loader, MPI, hwloc, BLAS and the system's own libraries look at, whoever's file is read.
OF_THE_SYSTEM = re.compile(r"^/$|^/(usr|lib|lib64|etc|proc|sys|dev|run)(/|$)")


class Reach(SheafTest):
    def setUp(self):
        super().setUp()
        a = np.arange(48.0).reshape(3, 4, 4) + 50 * np.eye(4)
        self.path("secret").mkdir()
        self.path("secret/raw").write_bytes(a.tobytes())
        self.write("secret/other.h5", a=a)
        with h5py.File(self.path("hostile.h5"), "w") as file:
            file["plain"] = a
            file["link"] = h5py.ExternalLink("secret/other.h5", "/a")
            file["soft"] = h5py.SoftLink("/link")
            file["group"] = h5py.ExternalLink("secret/other.h5", "/")
            file.create_dataset("stored", a.shape, "f8", external=[(str(self.path("secret/raw")), 0, a.nbytes)])
            layout = h5py.VirtualLayout(a.shape, "f8")
            layout[...] = h5py.VirtualSource(str(self.path("secret/other.h5")), "a", a.shape)
            file.create_virtual_dataset("virtual", layout)
            # a filter that nobody has: a plugin would be looked for
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_chunk((1, 4, 4))
            creation.set_filter(32000, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple(a.shape)
            h5py.h5d.create(file.id, b"filtered", h5py.h5t.IEEE_F64LE, space, creation)

    def opened(self, *arguments, code):
        """The files that exist and were opened, or asked for, by any process of a run, but for the system's."""
        trace = self.path("trace")
        calls = "open,openat,openat2,stat,lstat,access,execve,readlink,newfstatat,faccessat2"
        outcome = subprocess.run(["strace", "-f", "-qq", "-y", "-s", "4096", "-e", "trace=" + calls, "-o", trace, SHEAF,
                                  *map(str, arguments)], cwd=self.work, env=self.environment, text=True,
                                 capture_output=True, timeout=120)
        self.assertEqual(outcome.returncode, code, outcome.stdout + outcome.stderr)
        found = set()
        for line in trace.read_text(errors="replace").splitlines():
            match = re.search(r'\bopen(?:at2?)?\((?:[^,"<]*(?:<([^>]*)>)?, )?"([^"]*)"', line)
            if match and "= -1 ENOENT" not in line:
                path = os.path.normpath(os.path.join(self.work, match[1] or "", match[2]))
                if not OF_THE_SYSTEM.search(path) and not path.startswith(str(self.sessions)):
                    found.add(os.path.relpath(path, self.work))
        asked = [line for line in trace.read_text(errors="replace").splitlines() if "secret" in line]
        trace.unlink()
        return found - {".", ".."}, asked

    def test_hostile_datasets(self):
        for name in ("link", "soft", "group/a", "stored", "virtual", "filtered"):
            with self.subTest(name):
                found, asked = self.opened("run", "inv", f"hostile.h5:/{name}", "-o", "out.h5", code=BAD_DATA)
                self.assertEqual(asked, [])
                self.assertEqual(found - {"out.h5.lock"}, {"hostile.h5"})

    def test_all_of_a_file(self):
        """Beside a plain dataset, the others are failed tasks; the files are the input, and what becomes the output."""
        found, asked = self.opened("run", "inv", "hostile.h5:/*", "-o", "out.h5", code=BAD_DATA)
        self.assertEqual(asked, [])
        self.assertLessEqual(found, {"hostile.h5", "out.h5.lock"})
        found, asked = self.opened("run", "inv", "hostile.h5:/plain", "-o", "out.h5", code=0)
        self.assertEqual(asked, [])
        # what is created first has a name that nobody can guess
        named = {re.sub(r"partial-.*|lock\..*", "new", path) for path in found}
        self.assertLessEqual(named, {"hostile.h5", "out.h5", "out.h5.lock", "out.h5.new"})
        self.assertIn("hostile.h5", named)

    def test_plugins(self):
        """No directory of plugins is looked into."""
        self.path("plugins").mkdir()
        self.environment["HDF5_PLUGIN_PATH"] = str(self.path("plugins"))
        found, _ = self.opened("run", "inv", "hostile.h5:/filtered", "-o", "out.h5", code=BAD_DATA)
        self.assertEqual(found - {"out.h5.lock"}, {"hostile.h5"})


class Created(SheafTest):
    def test_mode(self):
        for mask in (0o077, 0o027, 0o022):
            before = os.umask(mask)
            try:
                self.sheaf("run", "inv", "random:4x4", "--count", 3, "-o", "out.h5", "--overwrite")
            finally:
                os.umask(before)
            self.assertEqual(stat.S_IMODE(self.path("out.h5").stat().st_mode), 0o666 & ~mask)

    def test_links(self):
        """A link at the output's place is not followed: neither to a file, nor to where one would be."""
        self.path("victim").write_text("precious")
        os.symlink("victim", self.path("out.h5"))
        outcome = self.sheaf("run", "inv", "random:4x4", "--count", 3, "-o", "out.h5", code=NO_OUTPUT)
        self.assertIn("out.h5", outcome.complaints()[0])
        self.assertEqual(self.path("victim").read_text(), "precious")
        os.symlink("nowhere", self.path("dangling.h5"))
        self.sheaf("run", "inv", "random:4x4", "--count", 3, "-o", "dangling.h5", code=NO_OUTPUT)
        self.assertFalse(self.path("nowhere").exists())

    def test_overwrite_replaces_a_link(self):
        self.path("victim").write_text("precious")
        os.symlink("victim", self.path("out.h5"))
        self.sheaf("run", "inv", "random:4x4", "--count", 3, "-o", "out.h5", "--overwrite", code=None)
        self.assertEqual(self.path("victim").read_text(), "precious")


if __name__ == "__main__":
    unittest.main()
