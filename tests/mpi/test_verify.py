"""sheaf verify: what was committed is found as it was, at any moment and after any kill; what has changed since is named."""
import os
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

from sheaf_test import BAD_DATA, CHUNK_DONE, NO_INPUT, RANKS, USAGE, SheafTest, random_array, valid_chunks


class VerifyTest(SheafTest):
    def verify(self, name, code=0, ranks=0):
        outcome = self.sheaf("verify", name, ranks=ranks, code=code)
        self.assertEqual(len(outcome.complaints()), 0 if code == 0 else 1, str(outcome))
        return outcome

    def flip(self, name, offset, bit=0):
        """Change a bit of the file, with another program; again changes it back."""
        with open(self.path(name), "rb") as file:
            file.seek(offset)
            byte = file.read(1)[0] ^ 1 << bit
        subprocess.run(["dd", f"of={self.path(name)}", "bs=1", f"seek={offset}", "conv=notrunc", "status=none"],
                       input=bytes([byte]), check=True)

    def expect_damage(self, name, offset, line):
        """A flipped bit at the offset is told by this line; flipped back, all is right."""
        self.flip(name, offset)
        outcome = self.verify(name, code=1)
        self.assertIn(line, outcome.out.splitlines()[0])
        self.assertEqual(len(outcome.out.splitlines()), 2, str(outcome))
        self.assertRegex(outcome.complaints()[0], f"^sheaf: {name}: is damaged: ")
        self.flip(name, offset)


class Damage(VerifyTest):
    def test_stacked(self):
        """Several outputs, a failed task, a chunk that starts within the tasks."""
        a = random_array((300, 24, 40), np.float64)
        a[7, 3, 3] = np.nan
        self.write("in.h5", a=a)
        self.sheaf("run", "svd", "in.h5:/a", "-o", "out.h5", code=1)
        self.assertRegex(self.verify("out.h5").out, r"^out.h5: 300 of 300 committed tasks right \([0-9]+ chunks?\) · ")
        with h5py.File(self.path("out.h5"), "r") as file:
            chunks = valid_chunks(file)
            self.assertGreater(len(chunks), 1)
            last = max(chunks)
            offsets = {key: file[key].id.get_offset() for key in ("u", "s", "vt", "sheaf/status", "sheaf/info",
                                                                  "sheaf/chunks", "sheaf/runs", "sheaf/marks")}
            sizes = {key: file[key].dtype.itemsize * file[key][0].size for key in offsets}
        first, count = int(chunks[last]["first"]), int(chunks[last]["count"])
        where = f"out.h5: chunk {last}, task{'s' if count > 1 else ''} {first}" + (" to 299" if count > 1 else "")
        for key in ("u", "s", "vt", "sheaf/status", "sheaf/info"):
            for task in (first, 299):
                with self.subTest(key=key, task=task):
                    self.expect_damage("out.h5", offsets[key] + (task + 1) * sizes[key] - 1,
                                       f"{where}: results, status or info are not those")
        self.expect_damage("out.h5", offsets["sheaf/chunks"] + 128 * last + 80, f"{where}: its record is torn or changed")
        self.expect_damage("out.h5", offsets["sheaf/runs"] + 60, "out.h5: row 0 of /sheaf/runs is torn or changed")
        self.expect_damage("out.h5", offsets["sheaf/marks"] + 8, "out.h5: row 0 of /sheaf/marks is torn or changed")
        self.verify("out.h5")

    def test_groups(self):
        """Results of unequal shapes are named by their inputs."""
        rows = {"b1": 3, "b2": 5, "b3": 3, "deep/b4": 400}
        self.write("in.h5", **{f"{key}/data": random_array((n, 6), np.float32) for key, n in rows.items()})
        self.path("list.txt").write_text("".join(f"in.h5:/{key}/data\n" for key in rows))
        self.sheaf("run", "qr", "@list.txt", "-o", "out.h5")
        self.assertIn("out.h5: 4 of 4 committed tasks right", self.verify("out.h5").out)
        with h5py.File(self.path("out.h5"), "r") as file:
            names = bytes(file["sheaf/names"][...]).decode().split("\0")[:4]
            offsets = [file["q"][name].id.get_offset() for name in names]
        for name, offset in zip(names, offsets):
            with self.subTest(name=name):
                self.expect_damage("out.h5", offset, name)

    def test_made(self):
        self.sheaf("make", "in.h5", "a=random:30x30", "b=random:9:shared", "--count", 100)
        self.assertIn("100 of 100 committed tasks right", self.verify("in.h5").out)

    def test_no_output(self):
        """Status and info have a checksum where nothing else is there."""
        self.sheaf("run", "noop", "random:4", "--count", 50, "-o", "out.h5")
        self.assertIn("50 of 50 committed tasks right", self.verify("out.h5").out)

    def test_launcher(self):
        """One rank does it, and says it once."""
        self.sheaf("run", "inv", "random:9x9", "--count", 5, "-o", "out.h5")
        outcome = self.verify("out.h5")
        self.assertEqual(outcome.out.count("5 of 5 committed tasks right"), 1, str(outcome))


class Refusals(VerifyTest):
    def test_files(self):
        self.write("in.h5", a=np.zeros(3))
        self.path("text.h5").write_text("no HDF5")
        self.sheaf("run", "inv", "random:90x90", "--count", 50, "-o", "short.h5")
        os.truncate(self.path("short.h5"), self.path("short.h5").stat().st_size // 2)
        for name, code in (("nowhere.h5", NO_INPUT), ("text.h5", NO_INPUT), ("in.h5", BAD_DATA), ("short.h5", BAD_DATA)):
            with self.subTest(name=name):
                outcome = self.verify(name, code=code)
                self.assertIn(name, outcome.complaints()[0])
                self.assertEqual(outcome.out, "")

    def test_usage(self):
        for arguments in ([], ["a.h5", "b.h5"], ["a.h5", "--count", "3"]):
            self.sheaf("verify", *arguments, ranks=0, code=USAGE)


class Running(VerifyTest):
    # Whoever is killed leaves the launcher's files behind.
    launcher_may_leave_files = True

    def start_run(self):
        """A run of some seconds; returns once its results file is there."""
        process = self.start("run", "matmul", "random:20x1500", "random:1500x1500:shared", "--count", 400, "-o", "out.h5",
                             "--layout", f"{RANKS}x1", "--overwrite")
        self.addCleanup(process.kill)
        self.wait_for_file(process)
        return process

    def test_while_it_is_written(self):
        process = self.start_run()
        meanwhile = 0
        while process.poll() is None:
            out = self.verify("out.h5").out
            meanwhile += "not committed yet" in out and " 0 of 0 " not in out
        self.assertEqual(self.finish(process).code, 0)
        self.assertGreater(meanwhile, 0, "never looked at in the middle of the run")
        self.assertIn("400 of 400 committed tasks right", self.verify("out.h5").out)

    def test_after_a_kill(self):
        middle = 0
        for seconds in (0, 0.1, 0.3):
            with self.subTest(seconds=seconds):
                process = self.start_run()
                time.sleep(seconds)
                for rank in self.rank_processes().values():
                    os.kill(rank, signal.SIGKILL)
                self.finish(process)
                with h5py.File(self.path("out.h5"), "r") as file:
                    done = sum(int(chunk["count"]) for chunk in valid_chunks(file).values()
                               if chunk["state"] == CHUNK_DONE)
                self.assertIn(f"out.h5: {done} of {done} committed task", self.verify("out.h5").out)
                middle += 0 < done < 400
                os.remove(self.path("out.h5"))
        self.assertGreater(middle, 0, "no kill came in the middle of a run")


if __name__ == "__main__":
    unittest.main()
