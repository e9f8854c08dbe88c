#!/usr/bin/env python3
"""A user's own kernel: the shipped example built as its users build it, run under MPI and compared with NumPy; and
plugins that are wrong are refused by name, on one rank and on three.

SHEAF is the program, PLUGINS the directory with the broken plugins, SOURCE that of the example.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

SHEAF, PLUGINS, SOURCE, BUILD = (os.environ[name] for name in ("SHEAF", "PLUGINS", "SOURCE", "BUILD"))
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def dedisperse(beam, delay):
    out = np.zeros((delay.shape[0], beam.shape[1]), np.float64)
    for trial, delays in enumerate(delay):
        for channel, shift in enumerate(delays):
            if shift < beam.shape[1]:
                out[trial, : beam.shape[1] - shift] += beam[channel, shift:]
    return out


class Plugins(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.work)

    def call(self, *command, code=0, **options):
        done = subprocess.run(command, cwd=self.work, env={**ENVIRONMENT, **options}, stdin=subprocess.DEVNULL, timeout=60,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def run_sheaf(self, ranks, *arguments, code=0):
        return self.call("mpirun", "--oversubscribe", "-n", str(ranks), SHEAF, *arguments, code=code)

    def build_example(self):
        prefix = os.path.join(self.work, "prefix")
        self.call("cmake", "--install", BUILD, "--prefix", prefix)
        shutil.copy(os.path.join(SOURCE, "dedisperse.c"), self.work)
        shutil.copy(os.path.join(SOURCE, "example.cmake"), os.path.join(self.work, "CMakeLists.txt"))
        config = next(path for path, _, files in os.walk(prefix) if "sheaf-kernel.pc" in files)
        file = os.path.join(config, "sheaf-kernel.pc")
        with open(file) as old:
            text = old.read()
        with open(file, "w") as new:  # installed elsewhere than configured
            new.write("\n".join(f"prefix={prefix}" if line.startswith("prefix=") else line for line in text.splitlines()) + "\n")
        self.call("cmake", "-S", ".", "-B", "build", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror", PKG_CONFIG_PATH=config)
        self.call("cmake", "--build", "build")
        return os.path.join("build", "dedisperse.so")

    def test_example(self):
        plugin = self.build_example()
        random = np.random.default_rng(7)
        beams = random.integers(0, 256, (5, 16, 300), np.uint8)
        delay = np.sort(random.integers(0, 320, (9, 16)), axis=1)[:, ::-1]
        with h5py.File(os.path.join(self.work, "survey.h5"), "w") as file:
            file["beams"], file["delay"], file["real"] = beams, delay, beams.astype(np.float32)
            wrong = np.stack([delay] * 5)
            wrong[3, 0, 4] = -1
            file["wrong"] = wrong
        for beam, ranks in (("beams", 1), ("real", 3)):
            self.run_sheaf(ranks, "run", "dedisperse", f"survey.h5:/{beam}", "survey.h5:/delay", "-o", f"{beam}.h5", "--kernel",
                           plugin)
            with h5py.File(os.path.join(self.work, f"{beam}.h5")) as file:
                result = file["dedispersed"][:]
            self.assertEqual((result.dtype, result.shape), (np.float32, (5, 9, 300)))
            # whole numbers below 2^24: exact in f32
            np.testing.assert_array_equal(result, [dedisperse(b, delay) for b in beams])
        done = self.run_sheaf(2, "run", "dedisperse", "survey.h5:/beams", "survey.h5:/wrong", "-o", "failed.h5", "--kernel", plugin,
                              code=1)
        self.assertIn("task 3  kernel failed (info 5)", done.stderr)
        shown = self.call(SHEAF, "info", "dedisperse", "--kernel", plugin).stdout
        self.assertIn("dedisperse (c,s),(t,c)->(t,s)", shown)
        self.assertIn("u8 f32", shown)
        self.assertIn("dedisperse", self.call(SHEAF, "info", "--kernel", plugin).stdout)

    def test_broken_ones_are_refused(self):
        expected = {"abi": "ABI version 2", "name": "name is no word", "signature": "expected", "outputs": "one name for each output",
                    "names": "no output_names", "run": "no function `run`", "types": "accepts no type", "empty": "offers no kernels",
                    "no_entry": "exports no sheaf_plugin_kernels"}
        for ranks in (1, 3):
            for name, words in expected.items() if ranks == 1 else [("abi", expected["abi"])]:
                with self.subTest(name, ranks=ranks):
                    path = os.path.join(PLUGINS, f"broken_{name}.so")
                    done = self.run_sheaf(ranks, "run", "broken", "ones:2x2", "--count", "2", "-o", "x.h5", "--kernel", path,
                                          code=65)
                    complaints = [line for line in done.stderr.splitlines() if line.startswith("sheaf: ")]
                    self.assertEqual(len(complaints), 1, done.stderr)
                    self.assertIn(words, complaints[0])
                    self.assertIn(f"broken_{name}.so", complaints[0])
                    self.assertFalse(os.path.exists(os.path.join(self.work, "x.h5")))

    def test_files_that_others_may_write_are_refused(self):
        path = os.path.join(self.work, "open.so")
        shutil.copy(os.path.join(PLUGINS, "broken_abi.so"), path)
        refusals = [((0o777, 0), "others may write this file (mode 777)")]
        if os.geteuid() == 0:
            refusals += [((0o775, 1), "others may write this file (mode 775)"), ((0o755, 0), None)]
        for (mode, group), words in refusals:
            os.chmod(path, mode)
            if os.geteuid() == 0:
                os.chown(path, 0, group)
            done = self.call(SHEAF, "run", "broken", "ones:2x2", "--count", "2", "-o", "x.h5", "--kernel", path, code=65)
            self.assertIn(words or "ABI version 2", done.stderr)  # where it is trusted, what is wrong with it is found
        if os.geteuid() == 0:
            os.chown(path, 1, 0)
            done = self.call(SHEAF, "run", "broken", "ones:2x2", "--count", "2", "-o", "x.h5", "--kernel", path, code=65)
            self.assertIn("another user's (uid 1)", done.stderr)

    def test_what_is_no_plugin(self):
        with open(os.path.join(self.work, "text.so"), "w") as file:
            file.write("not an object\n")
        for path in ("text.so", "missing.so", "/nowhere/x.so"):
            done = self.call(SHEAF, "run", "broken", "ones:2x2", "--count", "2", "-o", "x.h5", "--kernel", path, code=66)
            self.assertIn(f"--kernel {path}: cannot be loaded", done.stderr)


if __name__ == "__main__":
    unittest.main()
