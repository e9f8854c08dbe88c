"""Everything that can be refused: the right exit code, one message that says what, where and what else, before anything
is computed; and nothing created or changed. One rank runs without a launcher, several under mpirun."""
import os
import subprocess
import unittest

import h5py
import numpy as np

from sheaf_test import (BAD_DATA, IO_ERROR, LAUNCHED, NO_INPUT, NO_OUTPUT, NO_RESOURCES, RANKS, RUN_FAILED, SHEAF, USAGE,
                        SheafTest, random_array)

LIMIT_SECONDS = 20


class ErrorTest(SheafTest):
    def setUp(self):
        super().setUp()
        self.ranks = LAUNCHED
        # mpirun would give the other ranks two seconds after the first that returns an error; all have left MPI then.
        self.environment["OMPI_MCA_odls_base_sigkill_timeout"] = "0"
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"] = random_array((6, 4, 5), np.float64, 1)
            file["b"] = random_array((6, 5, 3), np.float64, 2)
            file["square"] = random_array((6, 4, 4), np.float64, 3)

    def refused(self, code, words, *arguments, output="out.h5"):
        """Run, and demand the code, a single message with all the words, and no trace."""
        if output and arguments[0] == "run":
            arguments = [*arguments, "-o", output]
        with self.subTest(" ".join(map(str, arguments))):
            before = self.snapshot()
            outcome = self.sheaf(*arguments, code=code, limit=LIMIT_SECONDS, ranks=self.ranks)
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))
            for word in words:
                self.assertIn(word, outcome.complaints()[0])
            self.assertEqual(outcome.out, "", "something was begun")
            self.assertEqual(self.snapshot().keys(), before.keys(), "something was created")
            self.assertEqual(self.snapshot(), before, "something was changed")


def some(texts):
    """All of them by one rank; under mpirun, which takes its time, the first two: the parser is the same."""
    return texts if RANKS == 1 else texts[:2]


class CommandLine(ErrorTest):
    def test_kernel_and_operands(self):
        self.refused(USAGE, ["nope", "matmul", "gram", "inv", "copy"], "run", "nope", "in.h5:/a")
        self.refused(USAGE, ["matmul takes 2 operands", "(m,k),(k,n)->(m,n)", "1 given"], "run", "matmul", "in.h5:/a")
        self.refused(USAGE, ["inv takes 1 operand", "2 given"], "run", "inv", "in.h5:/square", "in.h5:/square")
        self.refused(USAGE, ["which kernel"], "run", output=None)
        self.refused(USAGE, ["inv takes 1 operand", "0 given"], "run", "inv")
        self.refused(USAGE, ["in.h5", ":/"], "run", "inv", "in.h5")
        self.refused(USAGE, ["-o"], "run", "inv", "in.h5:/square", output=None)

    def test_commands(self):
        self.refused(USAGE, ["fly", "run", "make", "info"], "fly")

    def test_unknown_options(self):
        for command in (["run", "inv", "in.h5:/square"], ["make", "out.h5", "a=ones:2x2"], ["info"]):
            with self.subTest(command[0]):
                self.refused(USAGE, [f"sheaf {command[0]} has no option --wings", "--help"], *command, "--wings", output=None)

    def test_layouts(self):
        for text in some(("4", "0x1", "x", "1x0", "-1x2", "1x2:", "1x2:0", "1x2x3", "1x2:1:1", "axb", "1 x 2", "1x2 ",
                          "99999999999x1")):
            self.refused(USAGE, [f"--layout {text}", "RxT"], "run", "inv", "in.h5:/square", "--layout", text)
        self.refused(USAGE, ["--layout", "1x4:3", "found 3"], "run", "inv", "in.h5:/square", "--layout", "1x4:3")
        self.refused(USAGE, ["--layout", "found nothing"], "run", "inv", "in.h5:/square", "--layout", "")
        self.refused(USAGE, [f"{RANKS + 1} ranks", f"{RANKS} present"], "run", "inv", "in.h5:/square", "--layout",
                     f"{RANKS + 1}x1")
        self.refused(USAGE, [f"{RANKS + 1} ranks", f"{RANKS} present"], "make", "out.h5", "a=ones:2x2", "--count", 3,
                     "--layout", f"{RANKS + 1}x1")

    def test_numbers(self):
        for option, texts in (("--count", ("0", "-1", "many", "1.5", "2e3", "", "99999999999999999999")),
                              ("--seed", ("-1", "x", "99999999999999999999")), ("--memory", ("1", "-4G", "2Q", "G"))):
            for text in some(texts):
                self.refused(USAGE, [option, f'found "{text}"'], "run", "inv", "random:4x4", f"{option}={text}")
        for option in ("--order", "--progress"):
            self.refused(USAGE, [option, 'found "sideways"'], "run", "inv", "in.h5:/square", option, "sideways")

    def test_count(self):
        self.refused(USAGE, ["random:4x4", "--count"], "run", "inv", "random:4x4")
        self.refused(USAGE, ["--count 7", "in.h5:/square", "6 tasks"], "run", "inv", "in.h5:/square", "--count", 7)
        self.refused(USAGE, ["random:4x4", "--count"], "make", "out.h5", "a=random:4x4")

    def test_parameters(self):
        self.refused(USAGE, ["wings", "inv"], "run", "inv", "in.h5:/square", "--param", "wings=2")
        self.refused(USAGE, ["wings"], "run", "inv", "in.h5:/square", "--param", "wings")

    def test_generated_texts(self):
        for text in some(("random:", "random:4x4:f33", "random:4x", "random:4xx4", "random:4x4:shared:f32:f32",
                          "random:axb", "random:-4x4", "chaos:4x4")):
            self.refused(USAGE, [text], "run", "inv", text, "--count", 2)

    def test_make(self):
        self.refused(USAGE, ["make"], "make")
        self.refused(USAGE, ["NAME=OPERAND"], "make", "out.h5")
        for text in some(("random:4x4", "sheaf=ones:2x2", "=ones:2x2", "a/b=ones:2x2", ".=ones:2x2", "..=ones:2x2",
                          "a b=ones:2x2", "x" * 300 + "=ones:2x2")):
            self.refused(USAGE, ["NAME=OPERAND"], "make", "out.h5", text, "--count", 2)
        self.refused(USAGE, ["a=zeros:2x2", "twice"], "make", "out.h5", "a=ones:2x2", "a=zeros:2x2", "--count", 2)
        self.refused(USAGE, ["a=in.h5:/a", "random"], "make", "out.h5", "a=in.h5:/a")


class Inputs(ErrorTest):
    def test_nothing_there(self):
        self.refused(NO_INPUT, ["absent.h5", "No such file"], "run", "inv", "absent.h5:/a")
        self.refused(NO_INPUT, ["in.h5:/c", "/a", "/b", "/square"], "run", "matmul", "in.h5:/a", "in.h5:/c")
        self.path("folder.h5").mkdir()
        self.refused(NO_INPUT, ["folder.h5"], "run", "inv", "folder.h5:/a")

    def test_not_hdf5(self):
        self.path("text.h5").write_text("no HDF5 at all\n" * 1000)
        self.path("empty.h5").write_bytes(b"")
        for name in ("text.h5", "empty.h5"):
            self.refused(NO_INPUT, [f"{name}:/a", "HDF5"], "run", "inv", f"{name}:/a")

    def test_group(self):
        with h5py.File(self.path("in.h5"), "a") as file:
            file["group/x"] = np.ones((2, 3, 3))
        self.refused(NO_INPUT, ["in.h5:/group", "/group/x"], "run", "inv", "in.h5:/group")

    def test_truncated(self):
        with h5py.File(self.path("long.h5"), "w") as file:
            file["a"] = np.ones((100, 30, 30))
        os.truncate(self.path("long.h5"), 300000)
        self.refused(BAD_DATA, ["long.h5", "truncated"], "run", "inv", "long.h5:/a")

    def test_types(self):
        with h5py.File(self.path("in.h5"), "a") as file:
            file["text"] = np.full((6, 4, 4), b"word")
            file["compound"] = np.zeros((6, 4, 4), [("x", "f8"), ("y", "f8"), ("z", "f8")])
            file["complex"] = np.ones((6, 4, 4), np.complex64)
            file["long"] = np.ones((6, 4, 4), np.longdouble)
        for name, words in (("text", ["string"]), ("compound", ["compound"]), ("long", [])):
            self.refused(BAD_DATA, [f"in.h5:/{name}", *words], "run", "matmul", "in.h5:/square", f"in.h5:/{name}")
        self.refused(BAD_DATA, ["in.h5:/complex", "c64", "f32"], "run", "inv", "in.h5:/complex", "--as", "f32")

    def test_axes(self):
        with h5py.File(self.path("in.h5"), "a") as file:
            file["vector"] = np.ones(2000)
            file["scalar"] = 1.0
            file["none"] = h5py.Empty("f8")
            file["no_tasks"] = np.ones((0, 4, 4))
            file["no_rows"] = np.ones((6, 0, 4))
        self.refused(BAD_DATA, ["in.h5:/vector", "(2000)"], "run", "inv", "in.h5:/vector")
        for name in ("scalar", "none", "no_tasks", "no_rows"):
            self.refused(BAD_DATA, [f"in.h5:/{name}"], "run", "copy", f"in.h5:/{name}")
        self.refused(BAD_DATA, ["in.h5:/a", "(4, 5)", "(m,m)->(m,m)"], "run", "inv", "in.h5:/a")

    def test_mismatches(self):
        with h5py.File(self.path("in.h5"), "a") as file:
            file["b7"] = np.ones((7, 5, 3))
            file["b23"] = np.ones((2, 3, 5, 3))
        self.refused(BAD_DATA, ["in.h5:/square", "in.h5:/a", "k is 4 here but 5", "(m,k),(k,n)->(m,n)"], "run",
                     "matmul", "in.h5:/a", "in.h5:/square")
        self.refused(BAD_DATA, ["in.h5:/a", "(6)", "in.h5:/b7", "(7)"], "run", "matmul", "in.h5:/a", "in.h5:/b7")
        self.refused(BAD_DATA, ["in.h5:/a", "(6)", "in.h5:/b23", "(2, 3)"], "run", "matmul", "in.h5:/a", "in.h5:/b23")

    def test_extents(self):
        large = "random:4294967296x4294967296"
        self.refused(BAD_DATA, [large], "run", "copy", large, "--count", 1)
        self.refused(BAD_DATA, ["99999999999999999999x2"], "run", "copy", "ones:99999999999999999999x2", "--count", 1)
        self.refused(BAD_DATA, ["ones:3000000000x1"], "run", "gram", "ones:3000000000x1", "--count", 1)
        self.refused(BAD_DATA, ["ones:3000000000x1"], "run", "matmul", "ones:3000000000x1", "ones:1x1", "--count", 1)
        self.refused(BAD_DATA, ["1099511627776 tasks", "64 bits"], "run", "copy", "random:1000000x1000000",
                     "--count", 1 << 40)
        self.refused(BAD_DATA, ["ones:0x4"], "run", "copy", "ones:0x4", "--count", 1)

    def test_other_files_bytes(self):
        """A dataset whose bytes would come from another file."""
        secret = self.path("secret")
        secret.write_bytes(np.full((2, 3, 3), 42.0).tobytes())
        with h5py.File(self.path("other.h5"), "w") as file:
            file["data"] = np.ones((2, 3, 3))
        layout = h5py.VirtualLayout((2, 3, 3), np.float64)
        layout[...] = h5py.VirtualSource(str(self.path("other.h5")), "data", (2, 3, 3))
        with h5py.File(self.path("in.h5"), "a") as file:
            file.create_dataset("external", (2, 3, 3), np.float64, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
            file.create_virtual_dataset("virtual", layout)
            file["link"] = h5py.ExternalLink(str(self.path("other.h5")), "/data")
            file["soft"] = h5py.SoftLink("/link")
        self.refused(BAD_DATA, ["in.h5:/external", "external"], "run", "inv", "in.h5:/external")
        self.refused(BAD_DATA, ["in.h5:/virtual", "virtual"], "run", "inv", "in.h5:/virtual")
        for name in ("link", "soft"):
            self.refused(BAD_DATA, [f"in.h5:/{name}", "external"], "run", "inv", f"in.h5:/{name}")

    def test_damaged_while_read(self):
        """Bytes that fail their checksum are met during the run: the file is there, and says that the run failed."""
        a = random_array((64, 20, 20), np.float64)
        with h5py.File(self.path("sums.h5"), "w") as file:
            dataset = file.create_dataset("a", data=a, chunks=(8, 20, 20), fletcher32=True)
            offset = dataset.id.get_chunk_info(5).byte_offset
        with open(self.path("sums.h5"), "r+b") as file:
            file.seek(offset + 100)
            file.write(b"\xff" * 16)
        outcome = self.sheaf("run", "copy", "sums.h5:/a", "-o", "out.h5", code=IO_ERROR, limit=LIMIT_SECONDS,
                             ranks=self.ranks)
        # With more ranks than cores there is a warning too.
        self.assertEqual(sum("sums.h5:/a" in line for line in outcome.complaints()), 1, str(outcome))
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(file["sheaf/runs"][0]["state"], RUN_FAILED)


class Outputs(ErrorTest):
    def test_exists(self):
        self.path("out.h5").write_text("precious")
        text = "out.h5 exists; give --resume to go on with it, --overwrite to replace it"
        self.refused(NO_OUTPUT, [text], "run", "inv", "in.h5:/square")
        self.refused(NO_OUTPUT, [text], "make", "out.h5", "a=ones:2x2", "--count", 2)
        # What is refused for another reason does not cost the old file either.
        self.refused(BAD_DATA, ["in.h5:/a"], "run", "inv", "in.h5:/a", "--overwrite")

    def test_is_an_input(self):
        os.symlink("in.h5", self.path("symbolic.h5"))
        os.link(self.path("in.h5"), self.path("hard.h5"))
        for name in ("in.h5", "symbolic.h5", "hard.h5"):
            self.refused(NO_OUTPUT, [name], "run", "inv", "in.h5:/square", "--overwrite", output=name)

    def test_nowhere(self):
        self.refused(NO_OUTPUT, ["absent/out.h5"], "run", "inv", "in.h5:/square", output="absent/out.h5")
        self.refused(NO_OUTPUT, ["in.h5/out.h5"], "run", "inv", "in.h5:/square", output="in.h5/out.h5")
        # Root may write into any directory, but not create files in /proc.
        self.refused(NO_OUTPUT, ["/proc/out.h5"], "run", "inv", "in.h5:/square", output="/proc/out.h5")
        self.path("folder").mkdir()
        self.refused(NO_OUTPUT, ["folder"], "run", "inv", "in.h5:/square", "--overwrite", output="folder")
        self.refused(NO_OUTPUT, ["absent/out.h5"], "make", "absent/out.h5", "a=ones:2x2", "--count", 2)

    def test_no_room(self):
        """A file system of 1 MB, in a mount namespace that ends with the run."""
        probe = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(self.sessions)],
                               capture_output=True, text=True)
        if probe.returncode:
            self.skipTest(f"cannot mount a small file system: {probe.stderr.strip()}")
        small = self.path("small")
        small.mkdir()
        # What is left in it is told on a descriptor of its own: the file system is gone afterwards.
        script = 'mount -t tmpfs -o size=1M none "$0" && { "$@"; code=$?; ls -A "$0" >&3; exit $code; }'
        launcher = ["mpirun", "--oversubscribe", "-n", str(self.ranks)] if self.ranks else []
        for command in (["run", "copy", "random:100x100", "--count", "100", "-o", "small/out.h5"],
                        ["make", "small/out.h5", "a=random:100x100", "--count", "100"]):
            with self.subTest(command[0]):
                listing = self.path("listing")
                with open(listing, "w") as names:
                    ended = subprocess.run(
                        ["unshare", "--mount", "bash", "-c", f"exec 3>&{names.fileno()}; {script}", str(small),
                         *launcher, SHEAF, *command], cwd=self.work, env=self.environment, capture_output=True,
                        text=True, errors="replace", timeout=LIMIT_SECONDS, pass_fds=[names.fileno()])
                self.assertEqual(ended.returncode, NO_OUTPUT, ended.stderr)
                complaints = [line for line in ended.stderr.splitlines() if line.startswith("sheaf: ")]
                self.assertEqual(len(complaints), 1, ended.stderr)
                self.assertIn("small/out.h5", complaints[0])
                self.assertEqual((ended.stdout, listing.read_text()), ("", ""))


class Memory(ErrorTest):
    def test_no_room(self):
        self.refused(NO_RESOURCES, ["memory"], "run", "matmul", "random:2000x2000", "random:2000x2000", "--count", 4,
                     "--memory", "1M")
        self.refused(NO_RESOURCES, ["memory"], "make", "out.h5", "a=random:2000x2000", "--count", 4, "--memory", "1M")
        # 1.6 TB in, little out.
        self.refused(NO_RESOURCES, ["memory"], "run", "gram", "random:20000000x10000", "--count", 2)

    def test_no_room_for_shared(self):
        """More than /dev/shm holds: no rank may wait for the one that finds out."""
        self.refused(NO_RESOURCES, ["memory"], "run", "matmul", "random:4x20000000",
                     "random:20000000x10000:shared", "--count", 2)


if __name__ == "__main__":
    unittest.main()
