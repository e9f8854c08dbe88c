"""The program starts itself anew, once, with what OpenBLAS reads only while it is loaded; nobody notices otherwise."""
import pathlib
import shutil
import subprocess
import time
import unittest

import h5py

from sheaf_test import RANKS, SHEAF, SheafTest

VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_THREAD_TIMEOUT")
# It goes on for minutes on any machine, and is ended when enough was seen.
LONG = ("gram", "normal:60000x100", "--count", 1000)


def read_strings(process, name):
    return pathlib.Path(f"/proc/{process}/{name}").read_bytes().split(b"\0")[:-1]


def blas_settings(process):
    """What the process started with: what it has removed since is still seen here."""
    variables = dict(text.split(b"=", 1) for text in read_strings(process, "environ") if b"=" in text)
    return {name: variables[name.encode()].decode() for name in VARIABLES if name.encode() in variables}


class Restart(SheafTest):
    launcher_may_leave_files = True

    def setUp(self):
        super().setUp()
        for name in VARIABLES:
            self.environment.pop(name, None)

    def start_and_look(self, *options, ranks, output="out.h5", **environment):
        """Numbers of the ranks' processes while they compute."""
        process = self.start("run", *LONG, "-o", output, *options, ranks=ranks, environment=environment)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.addCleanup(self.kill_all)
        self.wait_for_file(process, output)
        return self.rank_processes() if ranks else {0: process.pid}

    def test_each_rank(self):
        processes = self.start_and_look(ranks=RANKS)
        self.assertEqual(sorted(processes), list(range(RANKS)))
        for process in processes.values():
            self.assertEqual(blas_settings(process), {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_THREAD_TIMEOUT": "4"})
            self.assertEqual(pathlib.Path(f"/proc/{process}/comm").read_text(), "sheaf\n")

    def test_arguments_stay(self):
        """Byte by byte; so does the process."""
        output = " o\tu \\t\n'\u00e9\".h5"
        process = self.start_and_look("--layout", "1x1", ranks=0, output=output)[0]
        expected = [SHEAF, "run", *map(str, LONG), "-o", output, "--layout", "1x1"]
        self.assertEqual(read_strings(process, "cmdline"), [text.encode() for text in expected])
        self.assertIn("OPENBLAS_THREAD_TIMEOUT", blas_settings(process))

    def test_unwanted(self):
        processes = self.start_and_look(ranks=0, SHEAF_RESTART="0")
        self.assertEqual(blas_settings(processes[0]), {})

    def test_settled(self):
        settings = {"OMP_NUM_THREADS": "2", "OPENBLAS_THREAD_TIMEOUT": "20"}
        processes = self.start_and_look(ranks=0, **settings)
        self.assertEqual(blas_settings(processes[0]), settings)

    def test_no_daemon_for_one_rank(self):
        """Without a launcher Open MPI starts none, unless it is told to."""
        for value, expected in ((None, []), ("0", ["orted"])):
            environment = {"OMPI_MCA_ess_singleton_isolated": value} if value else {}
            process = self.start_and_look("--overwrite", ranks=0, output=f"{value}.h5", **environment)[0]
            children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
            names = [pathlib.Path(f"/proc/{child}/comm").read_text().strip() for child in children]
            self.assertEqual(names, expected)
            self.kill_all()

    def test_program_that_is_gone(self):
        """It was deleted while it was loaded, as by an update."""
        shutil.copy(SHEAF, self.path("sheaf"))
        with open(self.path("sheaf"), "rb") as program:
            self.path("sheaf").unlink()
            number = program.fileno()
            process = subprocess.Popen(["sheaf", "run", "gram", "random:9x9", "--count", "3", "-o", "out.h5"],
                                       executable=f"/proc/self/fd/{number}", pass_fds=[number], cwd=self.work,
                                       text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=self.environment, start_new_session=True)
            outcome = self.finish(process)
        self.assertEqual(outcome.code, 0, str(outcome))
        with h5py.File(self.path("out.h5")) as file:
            self.assertEqual(file["result"].shape, (3, 9, 9))

    def test_the_pool_is_made_when_it_is_wanted(self):
        """Started with one thread, BLAS has two on a task where the layout says so."""
        out = self.sheaf("run", "gram", "random:600x600", "--count", 2, "-o", "out.h5", "--layout", "1x2:2", ranks=0).out
        self.assertIn("2 tasks", out)
        with h5py.File(self.path("out.h5")) as file:
            self.assertEqual(file["sheaf/runs"][0]["layout"], b"1x2:2")


if __name__ == "__main__":
    unittest.main()
