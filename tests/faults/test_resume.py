"""A run that was killed is gone on with, by any number of ranks: what was committed stays, bit for bit, and is never computed
again; what was in flight is. What cannot be gone on with is refused.

SHEAF is the program, KERNELS the plugin of tests/faults; KILL_EVERY: commits between two kills (1: the long test),
PAUSE: milliseconds that a task takes (the longer, the fewer commits come between a kill and its effect).
"""
import os
import pathlib
import random
import shutil
import signal
import time
import unittest

import h5py
import numpy as np

from sheaf_test import (BAD_DATA, CHUNK_DONE, CHUNK_STARTED, NO_INPUT, RUN_FINISHED, USAGE, SheafTest, valid_chunks,
                        xxh3)

KERNELS = os.environ["KERNELS"]
KILL_EVERY = int(os.environ.get("KILL_EVERY", "12"))
TASKS, LENGTH, PER_CHUNK = 200, 1024, 4
CHUNKS = TASKS // PER_CHUNK
FAILED = [3, 17, 18, 100]


class ResumeTest(SheafTest):
    launcher_may_leave_files = True

    def setUp(self):
        super().setUp()
        self.write_input()

    def write_input(self, name="in.h5", tasks=TASKS, more=0.0):
        data = np.random.default_rng(1).random((tasks, LENGTH)) + more
        data[:, 0] = np.arange(tasks)
        data[[task for task in FAILED if task < tasks], 1] = -1
        self.write(name, a=data)

    def run_words(self, output="out.h5", *words):
        return ["run", "slow", "in.h5:/a", "-k", KERNELS, "-o", output, "--progress", "none", *words]

    def log(self):
        """The tasks that were computed since the last call, in the order of their start."""
        path = self.path("log")
        found = np.fromfile(path).astype(int).tolist() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def logged(self, **more):
        return {"SHEAF_TEST_LOG": str(self.path("log")), **more}

    def contents(self, name="out.h5"):
        """Results, status, info."""
        with h5py.File(self.path(name), "r") as file:
            return file["result"][...], file["sheaf/status"][...], file["sheaf/info"][...]

    def assertSameResults(self, name, expected):
        for found, wanted, what in zip(self.contents(name), self.contents(expected), ("results", "status", "info")):
            self.assertSameBits(found, wanted, f"{name}: {what}")

    def chunk_bytes(self, name="out.h5"):
        with h5py.File(self.path(name), "r") as file:
            offset = file["sheaf/chunks"].id.get_offset()
        return offset, self.path(name).read_bytes()[offset:offset + 128 * CHUNKS]

    def committed(self, name="out.h5"):
        """The records of chunks that are done, as they lie in the file, by number."""
        with h5py.File(self.path(name), "r") as file:
            done = [i for i, chunk in valid_chunks(file).items() if chunk["state"] == CHUNK_DONE]
        records = self.chunk_bytes(name)[1]
        return {i: records[128 * i:128 * i + 128] for i in done}

    def damage(self, name, offset, data):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            file.write(data)


class Killed(ResumeTest):
    pause = int(os.environ.get("PAUSE", "10"))
    nodes = {}

    def start_run(self, ranks):
        """Whichever start it is, the line is the same, as in a job script that is submitted again."""
        process = self.start(*self.run_words("out.h5", "--resume", "--layout", f"{ranks}x1:1"), ranks=ranks,
                             environment=self.logged(SHEAF_TEST_PAUSE=str(self.pause), **self.nodes))
        self.addCleanup(process.kill)
        return process

    def wait_for_commits(self, process, count):
        """Until so many chunks are done, or the run has ended."""
        while process.poll() is None and not self.path("out.h5").exists():
            time.sleep(0.002)
        if not self.path("out.h5").exists():
            return
        with h5py.File(self.path("out.h5"), "r") as file:
            offset = file["sheaf/chunks"].id.get_offset()
        with open(self.path("out.h5"), "rb", buffering=0) as raw:
            while process.poll() is None:
                raw.seek(offset)
                if raw.read(128 * CHUNKS)[::128].count(CHUNK_DONE) >= count:
                    return
                time.sleep(0.0005)

    def await_silence(self, process):
        process.communicate(timeout=60)
        end = time.monotonic() + 20
        while self.processes():
            self.assertLess(time.monotonic(), end, "ranks live on")
            time.sleep(0.02)

    def kill_rank(self, process, chance):
        ranks = self.rank_processes()
        if ranks:
            os.kill(chance.choice(sorted(ranks.values())), signal.SIGKILL)

    def kill_launcher(self, process, chance):
        process.kill()

    def check_kills(self, kill, every):
        """Kill again and again, `every` commits after the start, until all is done."""
        self.sheaf(*self.run_words("expected.h5"), ranks=0, code=1)
        chance = random.Random(2)
        before, computed, kills, all_lost = {}, [], 0, 0
        while len(before) < CHUNKS:
            ranks = kills % 4 + 1
            process = self.start_run(ranks)
            self.wait_for_commits(process, len(before) + every)
            kill(process, chance)
            self.await_silence(process)
            if not self.path("out.h5").exists():
                continue
            now = self.committed()
            # What was committed is what it was, and nobody has computed it again.
            for chunk, record in before.items():
                self.assertEqual(record, now[chunk], f"record {chunk} after kill {kills}")
            new = self.log()
            done = {task for chunk in before for task in range(PER_CHUNK * chunk, PER_CHUNK * (chunk + 1))}
            self.assertEqual(done & set(new), set(), f"computed again after kill {kills}")
            lost = len(set(new)) - PER_CHUNK * (len(now) - len(before))
            # Each rank computes one chunk; one that is computed is committed before the next is begun. (Those of other nodes
            # are, when they have come to the root: how many are on their way is the scheduler's to say.)
            all_lost += lost
            if not self.nodes:
                self.assertLessEqual(lost, PER_CHUNK * ranks, f"lost by kill {kills}")
            self.assertEqual(len(new), len(set(new)))
            computed += new
            before = now
            kills += 1
            self.assertLess(kills, 4 * CHUNKS)
        self.assertEqual(set(computed), set(range(TASKS)))
        self.sheaf("resume", "out.h5", ranks=2, code=1)
        self.assertEqual(self.log(), [])
        self.assertSameResults("out.h5", "expected.h5")
        self.sheaf("verify", "out.h5", ranks=0)
        print(f"{kills} kills survived, {all_lost} tasks in flight lost")
        self.assertGreaterEqual(kills, CHUNKS // (every + 8), "too few kills")

    def test_rank_killed(self):
        self.check_kills(self.kill_rank, KILL_EVERY)

    def test_rank_of_several_nodes_killed(self):
        """Each rank a node of its own: commits travel to the root."""
        self.nodes = {"SHEAF_NODE_RANKS": "1"}
        self.check_kills(self.kill_rank, 2 * KILL_EVERY)

    def test_launcher_killed(self):
        """Ranks whose launcher is gone live a moment longer, and compute."""
        self.pause = max(self.pause, 25)
        self.check_kills(self.kill_launcher, KILL_EVERY)


class Resumed(ResumeTest):
    """What is gone on with, and how it is told."""

    def interrupted(self, chunks, name="out.h5"):
        """A file of which these chunks were never committed, and all others are, with no mark: a run's that was killed."""
        self.sheaf(*self.run_words("expected.h5"), ranks=0, code=1)
        shutil.copy(self.path("expected.h5"), self.path(name))
        with h5py.File(self.path(name), "r") as file:
            chunk_offset, mark_offset = (file["sheaf"][table].id.get_offset() for table in ("chunks", "marks"))
            result_offset, status_offset = (file[table].id.get_offset() for table in ("result", "sheaf/status"))
        for chunk in chunks:
            self.damage(name, chunk_offset + 128 * chunk, bytes(128))
            self.damage(name, result_offset + chunk * PER_CHUNK * LENGTH * 8, bytes(PER_CHUNK * LENGTH * 8))
            self.damage(name, status_offset + chunk * PER_CHUNK, bytes(PER_CHUNK))
        self.damage(name, mark_offset, bytes(32))
        return chunk_offset, result_offset

    def test_reasons(self):
        """Each reason to compute a chunk again is told, and what is damaged becomes right."""
        chunks, results = self.interrupted([5, 6])
        flipped = self.path("out.h5").read_bytes()[chunks + 128 * 10 + 80]
        self.damage("out.h5", chunks + 128 * 10 + 80, bytes([flipped ^ 1]))
        self.damage("out.h5", chunks + 128 * 20, bytes(64))
        self.damage("out.h5", results + 30 * PER_CHUNK * LENGTH * 8 + 4000, b"\xff")
        outcome = self.sheaf("resume", "out.h5", ranks=3, code=1, environment=self.logged())
        self.assertIn("goes on: 180 of 200 tasks done, 4 failed; 20 left", outcome.out)
        self.assertIn("  8 never started (2 chunks)", outcome.out)
        self.assertIn("  8 of chunks whose record is torn (2 chunks)", outcome.out)
        self.assertIn("  4 of chunks whose results do not match their checksum (1 chunk)", outcome.out)
        self.assertIn("46 chunks read again, committed after the last sync", outcome.out)
        self.assertIn("done: 200 tasks, 180 of them before, 4 failed", outcome.out)
        self.assertEqual(sorted(self.log()), [4 * chunk + i for chunk in (5, 6, 10, 20, 30) for i in range(4)])
        self.assertSameResults("out.h5", "expected.h5")
        self.sheaf("verify", "out.h5", ranks=0)
        with h5py.File(self.path("out.h5"), "r") as file:
            runs = file["sheaf/runs"][...]
            self.assertEqual([run["number"] for run in runs if run["state"] == RUN_FINISHED], [0, 1])
            self.assertEqual({chunk["run"] for chunk in valid_chunks(file).values()}, {0, 1})
            self.assertEqual(file["sheaf/marks"][0]["run"], 1)

    def test_marked_results_are_not_read(self):
        """What is known to be on disk is not read again, but with --verify."""
        _, results = self.interrupted([])
        shutil.copy(self.path("expected.h5"), self.path("out.h5"))
        self.damage("out.h5", results + 30 * PER_CHUNK * LENGTH * 8 + 4000, b"\xff")
        outcome = self.sheaf("resume", "out.h5", ranks=0, code=1, environment=self.logged())
        self.assertNotIn("read again", outcome.out)
        self.assertEqual(self.log(), [])
        outcome = self.sheaf("resume", "out.h5", "--verify", ranks=2, code=1, environment=self.logged())
        self.assertIn("50 chunks read again, for --verify", outcome.out)
        self.assertIn("  4 of chunks whose results do not match their checksum (1 chunk)", outcome.out)
        self.assertEqual(sorted(self.log()), [120, 121, 122, 123])
        self.assertSameResults("out.h5", "expected.h5")
        self.sheaf("verify", "out.h5", ranks=0)

    def test_finished(self):
        """A finished run does nothing and ends as it did; so does one without failures."""
        self.sheaf(*self.run_words("out.h5", "--resume"), ranks=2, code=1)
        before = self.path("out.h5").read_bytes()
        for words in (["resume", "out.h5"], self.run_words("out.h5", "--resume"), ["resume", "out.h5", "--dry-run"]):
            outcome = self.sheaf(*words, ranks=0, code=1, environment=self.logged())
            self.assertIn("200 of 200 tasks done, 4 failed; 0 left", outcome.out)
            self.assertIn("task 17  singular (info 17)", outcome.err)
        self.assertEqual(self.log(), [])
        self.assertEqual(before, self.path("out.h5").read_bytes())
        self.sheaf("run", "add", "in.h5:/a", "in.h5:/a", "-o", "good.h5", ranks=0)
        before = self.path("good.h5").read_bytes()
        self.sheaf("resume", "good.h5", ranks=0)
        self.assertEqual(before, self.path("good.h5").read_bytes())

    def test_retry_failed(self):
        """Failed tasks are computed again; of their chunks, what was good stays."""
        self.sheaf(*self.run_words("out.h5"), ranks=0, code=1)
        before = self.contents()
        outcome = self.sheaf("resume", "out.h5", "--retry-failed", ranks=3,
                             environment=self.logged(SHEAF_TEST_MENDED="1"))
        self.assertIn("  4 that failed (--retry-failed) (3 chunks)", outcome.out)
        self.assertIn("done: 200 tasks, 196 of them before, 0 failed", outcome.out)
        self.assertEqual({task // PER_CHUNK for task in self.log()}, {task // PER_CHUNK for task in FAILED})
        result, status, info = self.contents()
        with h5py.File(self.path("in.h5"), "r") as file:
            mended = file["a"][...][FAILED] + 1001
        self.assertSameBits(result[FAILED], mended, "mended")
        good = [task for task in range(TASKS) if task not in FAILED]
        self.assertSameBits(result[good], before[0][good], "good ones")
        self.assertTrue((status == 1).all() and (info == 0).all())
        self.sheaf("verify", "out.h5", ranks=0)
        self.sheaf("resume", "out.h5", "--retry-failed", ranks=0, environment=self.logged())
        self.assertEqual(self.log(), [])

    def test_retry_interrupted(self):
        """A retry that was killed between its beginning and its first chunk: what was good then is not computed again."""
        self.sheaf(*self.run_words("out.h5"), ranks=0, code=1)
        offset, records = self.chunk_bytes()
        record = bytearray(records[:128])
        record[0] = CHUNK_STARTED
        record[120:] = xxh3(bytes(record[:120]), 0).to_bytes(8, "little")
        self.damage("out.h5", offset, record)
        expected = self.contents()
        self.sheaf("resume", "out.h5", ranks=0, code=1, environment=self.logged())
        self.assertEqual(self.log(), [])
        self.assertEqual(self.chunk_bytes()[1], records)
        # one that was killed in the middle of it: the chunk is computed again
        record[80:88] = bytes(8)
        record[120:] = xxh3(bytes(record[:120]), 0).to_bytes(8, "little")
        self.damage("out.h5", offset, record)
        outcome = self.sheaf("resume", "out.h5", ranks=0, code=1, environment=self.logged())
        self.assertIn("  4 in flight when an earlier run was killed: computed alone, behind all others (1 chunk)", outcome.out)
        self.assertEqual(self.log(), [0, 1, 2, 3])
        for found, wanted in zip(self.contents(), expected):
            self.assertSameBits(found, wanted)

    def test_unequal_shapes(self):
        """Results of unequal shapes, a dataset each: they are found again, and are those of an undisturbed run."""
        generator = np.random.default_rng(3)
        os.mkdir(self.path("d"))
        for task in range(12):
            n = (40, 200, 90)[task % 3]
            self.write(f"d/b{task}.h5", a=generator.random((n, n)) + n * np.eye(n))
        words = ["run", "inv", "d/*.h5:/a", "-o", "out.h5", "--layout", "1x1:1"]
        self.sheaf(*words, ranks=0)
        expected = self.path("out.h5").read_bytes()
        with h5py.File(self.path("out.h5"), "r") as file:
            offset = file["sheaf/chunks"].id.get_offset()
            places = [(item.id.get_offset(), item.id.get_storage_size()) for item in file["result"].values()]
            chunks = len(file["sheaf/chunks"])
        self.assertGreater(chunks, 2)
        for chunk in (0, chunks - 1):
            self.damage("out.h5", offset + 128 * chunk, bytes(128))
        self.damage("out.h5", places[7][0] + 24, b"\x01\x02")  # a result of a chunk that is done, or is to be computed
        self.sheaf("resume", "out.h5", "--verify", "--layout", "1x1:1", ranks=3)
        found = self.path("out.h5").read_bytes()
        for at, size in places:
            self.assertEqual(found[at:at + size], expected[at:at + size])
        self.sheaf("verify", "out.h5", ranks=0)
        os.rename(self.path("d/b5.h5"), self.path("d/c5.h5"))
        outcome = self.sheaf("run", "inv", "d/*.h5:/a", "-o", "out.h5", "--resume", ranks=0, code=BAD_DATA)
        self.assertIn("the content of d/*.h5:/a is not that of", outcome.err)

    def test_other_directory_and_layout(self):
        """Paths count from where the file was begun; what does not change results may be given anew."""
        self.interrupted([0, 49])
        os.mkdir(self.path("elsewhere"))
        os.rename(self.path("out.h5"), self.path("elsewhere/moved.h5"))
        outcome = self.sheaf("resume", "elsewhere/moved.h5", "--layout", "1x1:1", "--memory", "1G", "--progress", "log",
                             "--order", "reverse", ranks=4, code=1)
        self.assertIn("layout 1x1:1", outcome.out)
        self.assertSameResults("elsewhere/moved.h5", "expected.h5")
        self.assertIn("2 chunks", outcome.out)

    def test_restaged_input(self):
        """Content decides, not names and times."""
        self.interrupted([7])
        shutil.copy(KERNELS, self.path("restaged.so"))
        os.rename(self.path("in.h5"), self.path("restaged.h5"))
        os.utime(self.path("restaged.h5"), (1, 1))
        self.sheaf("run", "slow", "restaged.h5:/a", "-k", "restaged.so", "-o", "out.h5", "--resume", ranks=2, code=1)
        self.assertSameResults("out.h5", "expected.h5")

    def test_made_file(self):
        """sheaf make can be gone on with, too."""
        self.sheaf("make", "made.h5", "a=random:100x100", "b=ones:3:shared", "--count", 50, ranks=0)
        expected = self.path("made.h5").read_bytes()
        with h5py.File(self.path("made.h5"), "r") as file:
            offset = file["sheaf/chunks"].id.get_offset()
        self.damage("made.h5", offset, bytes(128))
        outcome = self.sheaf("resume", "made.h5", ranks=2)
        self.assertIn("never started (1 chunk)", outcome.out)
        with h5py.File(self.path("made.h5"), "r") as file:
            size = file["a"].id.get_storage_size()
            offset = file["a"].id.get_offset()
        self.assertEqual(self.path("made.h5").read_bytes()[offset:offset + size], expected[offset:offset + size])

    def test_refusals(self):
        """Each with one message that names the difference; the file stays as it is."""
        self.interrupted([3])
        self.write_input("other.h5", more=1.0)
        self.write_input("fewer.h5", tasks=100)
        self.write("not-ours.h5", a=np.ones(3))
        self.path("text.h5").write_text("no HDF5")
        other = self.path("other.so")
        other.write_bytes(pathlib.Path(KERNELS).read_bytes() + b"other code")
        before = self.path("out.h5").read_bytes()
        run = self.run_words("out.h5", "--resume")

        def changed(old, new, *words):
            return [new if word == old else word for word in run] + list(words)

        cases = [
            (changed("in.h5:/a", "other.h5:/a"), BAD_DATA, "the content of other.h5:/a is not that of in.h5:/a"),
            (changed("in.h5:/a", "fewer.h5:/a"), BAD_DATA, "the leading shape of fewer.h5:/a is (100), it was (200)"),
            (changed("slow", "exp"), BAD_DATA, "the kernel is exp, it was slow"),
            (changed(KERNELS, "./other.so"), BAD_DATA, "the fingerprint of the kernel's file (--kernel) is "),
            (changed("", "", "--seed", "5"), BAD_DATA, "it was begun with --seed 0, not with --seed 5"),
            (changed("", "", "--check-finite"), BAD_DATA, "begun with no --check-finite, not with --check-finite"),
            (changed("", "", "--as", "f64"), BAD_DATA, "begun with --as auto, not with --as f64"),
            (changed("", "", "--overwrite"), USAGE, "--resume goes on with the output, --overwrite replaces it"),
            (self.run_words("new.h5", "--retry-failed"), USAGE, "--retry-failed goes with --resume"),
            (changed("out.h5", "not-ours.h5"), BAD_DATA, "it has no /sheaf"),
            (changed("out.h5", "text.h5"), BAD_DATA, "is not an HDF5 file"),
            (["resume", "nowhere.h5"], NO_INPUT, "nowhere.h5"),
            (["resume"], USAGE, "resume takes one results file, 0 given"),
            (["resume", "out.h5", "--seed", "1"], USAGE, "sheaf resume has no option --seed"),
        ]
        for words, code, text in cases:
            with self.subTest(text=text):
                outcome = self.sheaf(*words, ranks=0, code=code, environment=self.logged())
                self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                self.assertIn(text, outcome.complaints()[0])
        self.assertEqual(before, self.path("out.h5").read_bytes())
        self.assertEqual(self.log(), [])
        self.assertFalse(self.path("new.h5").exists())

    def test_several_nodes(self):
        """Each rank a node of its own: the rest is handed out between them."""
        self.interrupted([1, 2, 3, 10, 11, 12, 13, 40, 49])
        self.sheaf("resume", "out.h5", "--layout", "1x1:1", ranks=4, code=1,
                   environment=self.logged(SHEAF_NODE_RANKS="1"))
        self.assertEqual(len(self.log()), 9 * PER_CHUNK)
        self.assertSameResults("out.h5", "expected.h5")


class Recomputed(ResumeTest):
    def test_sample_is_equal(self):
        self.sheaf(*self.run_words("out.h5"), ranks=2, code=1)
        before = self.snapshot()
        outcome = self.sheaf("verify", "out.h5", "--recompute", "10%", ranks=3, environment=self.logged())
        sample = self.log()
        self.assertIn(f"{len(sample)} tasks of {len(sample) // PER_CHUNK} chunk", outcome.out)
        self.assertIn(f"computed again: {len(sample)} equal, bit for bit, 0 different", outcome.out)
        self.assertTrue(0 < len(sample) < TASKS)
        self.sheaf("verify", "out.h5", "--recompute", "10%", ranks=0, environment=self.logged())
        self.assertEqual(sorted(self.log()), sorted(sample), "another sample")
        self.sheaf("verify", "out.h5", "--recompute", "10%", "--seed", "1", ranks=0, environment=self.logged())
        self.assertNotEqual(sorted(self.log()), sorted(sample), "the same sample")
        outcome = self.sheaf("verify", "out.h5", "--recompute", "0.001%", ranks=0, environment=self.logged())
        self.assertIn("4 tasks of 1 chunk computed again", outcome.out)
        self.log()
        self.assertEqual(before, self.snapshot())

    def test_wrong_results_are_named(self):
        """Results that are not what their inputs give, whatever their checksums say."""
        self.sheaf(*self.run_words("out.h5"), ranks=0, environment={"SHEAF_TEST_MENDED": "1"})
        self.sheaf("verify", "out.h5", ranks=0)
        outcome = self.sheaf("verify", "out.h5", "--recompute", "100%", ranks=2, code=1)
        self.assertIn("out.h5: task 5: 1024 of 1024 elements of /result are not what is computed now", outcome.out)
        self.assertIn("out.h5: task 3: has status 1 and info 0, now it gets 2 and 3", outcome.out)
        self.assertIn("0 equal, bit for bit, 200 different", outcome.out)
        self.assertEqual(outcome.complaints(), ["sheaf: out.h5: 200 of 200 tasks that were computed again differ"])

    def test_other_widths(self):
        """What was computed on two cores is compared with a tolerance, for it differs in the last bits."""
        self.sheaf("run", "inv", "random:300x300", "--count", 6, "-o", "out.h5", "--layout", "1x2:2", ranks=0)
        outcome = self.sheaf("verify", "out.h5", "--recompute", "100%", ranks=0)
        self.assertRegex(outcome.out, "6 tasks of . chunks? computed again: . equal, bit for bit, .*0 different")

    def test_refusals(self):
        self.sheaf(*self.run_words("out.h5"), ranks=0, code=1)
        self.sheaf("make", "made.h5", "a=random:10x10", "--count", 5, ranks=0)
        outcome = self.sheaf("verify", "out.h5", "--recompute", "0%", ranks=0, code=USAGE)
        self.assertIn('expected a share from above 0% to 100%, as 1%, found "0%"', outcome.err)
        outcome = self.sheaf("verify", "made.h5", "--recompute", "1%", ranks=0, code=BAD_DATA)
        self.assertIn("made.h5: --recompute is for what sheaf run has computed", outcome.err)
        self.write_input(more=1.0)
        outcome = self.sheaf("verify", "out.h5", "--recompute", "1%", ranks=2, code=BAD_DATA)
        self.assertEqual(len(outcome.complaints()), 1)
        self.assertIn("the content of in.h5:/a is not that of in.h5:/a when the file was begun", outcome.err)


if __name__ == "__main__":
    unittest.main()
