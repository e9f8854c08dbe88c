"""What the audit says of how it was started: by taskset and mpirun, under quotas, in a Slurm job, beside other programs."""
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time
import unittest
import uuid

import h5py

from sheaf_test import NO_RESOURCES, SHEAF, SheafTest

CPUS = sorted(os.sched_getaffinity(0))
FIRST = ["taskset", "-c", str(CPUS[0])]
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC")


def mpirun(ranks, *options):
    return ["mpirun", "-n", str(ranks), *options]


class AuditTest(SheafTest):
    def setUp(self):
        super().setUp()
        self.environment = {name: value for name, value in self.environment.items()
                            if not name.startswith("SLURM_") and name not in BLAS_VARIABLES}
        info = self.sheaf("info", ranks=0).out
        self.cores = int(re.search(r"^  cores +(\d+)", info, re.MULTILINE)[1])
        if "no cgroup quota" not in info:
            self.skipTest("under a quota already")
        if self.cores < 2:
            self.skipTest("one core")

    def launch(self, launcher, *arguments, environment=None, group=None):
        """Run LAUNCHER sheaf ARGUMENTS, in a cgroup."""
        def enter():
            if group:
                (group / "cgroup.procs").write_text(str(os.getpid()))
        process = subprocess.Popen([*launcher, SHEAF, *map(str, arguments)], cwd=self.work, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**self.environment, **(environment or {})}, start_new_session=True,
                                   errors="replace", preexec_fn=enter)
        return self.finish(process)

    def audit(self, launcher, *options, mended=(), warned=(), kernel="gram", **how):
        """A run finds just this, and --strict refuses it where a warning is among it."""
        for strict in ([], ["--strict"], *([["--dry-run"]] if mended or warned else [])):
            with self.subTest(launcher=launcher, options=options, strict=strict):
                outcome = self.launch(launcher, "run", kernel, "random:30x20", "--count", 10 * self.cores, "-o", "out.h5",
                                      "--overwrite", *options, *strict, **how)
                refused = bool(strict == ["--strict"] and warned)
                self.assertEqual(outcome.code, NO_RESOURCES if refused else 0, str(outcome))
                complaints = outcome.complaints()
                if refused:
                    self.assertRegex(complaints.pop(), "^sheaf: --strict: not started")
                    self.assertFalse(self.path("out.h5").exists())
                    self.assertNotIn("done:", outcome.out)
                expected = [*warned] if not refused else [*warned, *mended]
                self.assertEqual(len(complaints), len(expected), str(outcome))
                for text in expected:
                    self.assertEqual(sum(bool(re.search(text, line)) for line in complaints), 1, f"{text}: {outcome}")
                for text in mended if not refused else ():
                    self.assertRegex(outcome.out, f"(?m){text}")
                if self.path("out.h5").exists() and strict != ["--dry-run"]:
                    with h5py.File(self.path("out.h5")) as file:
                        self.layout = file["sheaf/runs"][0]["layout"].decode()
                    self.path("out.h5").unlink()


class Starts(AuditTest):
    def test_nothing_to_find(self):
        for launcher in ([], mpirun(1, "--bind-to", "none"), mpirun(2, "--bind-to", "none"),
                         mpirun(2, "--bind-to", "socket"), mpirun(self.cores, "--bind-to", "core")):
            self.audit(launcher)
        # Who asks for less than there is, or says himself where to run, gets it.
        self.audit(FIRST)
        self.assertEqual(self.layout, "1x1:1")
        self.audit(FIRST + mpirun(1, "--bind-to", "none"))
        self.audit(mpirun(1, "--bind-to", "core"), "--layout", "1x1")
        self.audit([], "--layout", "1x1", environment={"OMP_NUM_THREADS": "1"})

    def test_too_many_threads(self):
        self.audit([], "--layout", f"1x{self.cores + 1}:1",
                   warned=[f"layout 1x{self.cores + 1} wants {self.cores + 1} cores, there are {self.cores}.*"
                           f"--layout 1x{self.cores}$"])
        self.audit(FIRST, "--layout", "1x2:1", warned=["layout 1x2 wants 2 cores, there is 1 .of the machine's"])
        two = FIRST + mpirun(2, "--oversubscribe", "--bind-to", "none")
        self.audit(two, "--layout", "2x1", warned=["layout 2x1 wants 2 cores, there is 1 .of the machine's"])
        self.audit(two)  # one of them is parked
        self.assertEqual(self.layout, "1x1:1")

    def test_bound_by_the_launcher(self):
        self.audit(mpirun(1, "--bind-to", "core"),
                   warned=[f"the rank was started on one core of the {self.cores} that the launcher has: .*"
                           "mpirun --bind-to none"])
        self.audit(mpirun(2, "--bind-to", "none") + FIRST,
                   warned=[f"all 2 ranks were started on one core of the {self.cores} that the launcher has"])

    def test_bound_anew(self):
        """Ranks that are bound to a core each, and a layout of one rank with two: its BLAS has two threads, on two cores."""
        overruled = r"OMP_NUM_THREADS=1 is overruled: the layout gives BLAS 2 threads on a task"
        self.audit(mpirun(2, "--bind-to", "core"), "--layout", "1x2:2", environment={"OMP_NUM_THREADS": "1"},
                   mended=[r"1 rank was started on fewer cores \(1\) than the layout gives a rank: now each has 2",
                           overruled])
        self.assertEqual(self.layout, "1x2:2")
        self.audit([], "--layout", "1x2:2", environment={"OMP_NUM_THREADS": "1"}, mended=[overruled])
        # Threads of Sheaf's own are no BLAS threads.
        self.audit([], "--layout", "1x2:2", environment={"OMP_NUM_THREADS": "1"}, kernel="copy")

    def test_parted_by_the_launcher(self):
        """Ranks that were started on enough cores, each on its own, stay on them."""
        swapped = ["sh", "-c", f'taskset -pc $((OMPI_COMM_WORLD_RANK ? {CPUS[0]} : {CPUS[1]})) $$ >/dev/null && exec "$0" "$@"']
        outcome = self.launch(mpirun(2, "--bind-to", "none") + swapped, "run", "gram", "random:9x9", "--count", 4, "-o",
                              "out.h5", "--layout", "2x1")
        self.assertEqual(outcome.complaints(), [])
        self.assertRegex(outcome.out, rf"rank 0 @ \S+: CPU {CPUS[1]} · rank 1 @ \S+: CPU {CPUS[0]}\n")

    def test_each_node(self):
        """Of each node that has findings, and of the others nothing."""
        outcome = self.launch(mpirun(2, "--bind-to", "none"), "run", "gram", "random:9x9", "--count", 4, "-o", "out.h5",
                              "--layout", f"1x{self.cores + 1}:1", "--strict", environment={"SHEAF_NODE_RANKS": "1"})
        self.assertEqual(outcome.code, NO_RESOURCES, str(outcome))
        self.assertEqual([bool(re.search("wants|not started", line)) for line in outcome.complaints()], [True] * 3,
                         str(outcome))

    def test_make(self):
        layout = ["--layout", f"1x{self.cores + 1}:1"]
        outcome = self.launch([], "make", "in.h5", "a=random:9x9", "--count", 4, *layout, "--strict")
        self.assertEqual((outcome.code, len(outcome.complaints())), (NO_RESOURCES, 2), str(outcome))
        self.assertFalse(self.path("in.h5").exists())
        outcome = self.launch([], "make", "in.h5", "a=random:9x9", "--count", 4, *layout)
        self.assertEqual((outcome.code, len(outcome.complaints())), (0, 1), str(outcome))

    def test_info(self):
        out = self.launch([], "info").out
        self.assertRegex(out, r"(?m)^  machine +\d+ cores? with \d+ hardware threads? · \d+ packages? · \d+ NUMA nodes?$")
        self.assertRegex(out, r"(?m)^  offered +CPU \S+ · no cgroup quota$")
        out = self.launch(FIRST, "info").out
        self.assertRegex(out, rf"(?m)^  cores +1 \(this process may use 1\)\n.*\n  offered +CPU {CPUS[0]} ")


class Machines(AuditTest):
    """This machine, as if its CPUs were others; tests/app/test_survey.c has many more."""

    def as_if(self, machine):
        return {"HWLOC_SYNTHETIC": machine, "HWLOC_THISSYSTEM": "1"}

    def test_siblings(self):
        """Two hardware threads are one core."""
        if CPUS != [0, 1]:
            self.skipTest("the CPUs are not just 0 and 1")
        machine = self.as_if("pack:1 core:1 pu:2")
        self.audit([], environment=machine)
        self.assertEqual(self.layout, "1x1:1")
        self.audit([], "--layout", "1x2:1", environment=machine,
                   warned=[r"wants 2 cores, there is 1 \(2 hardware threads share them\)"])
        self.assertRegex(self.launch([], "info", environment=machine).out, "1 core with 2 hardware threads")

    def test_numa_nodes(self):
        if CPUS != [0, 1]:
            self.skipTest("the CPUs are not just 0 and 1")
        machine = self.as_if("numa:2 core:1 pu:1")
        self.audit([], environment=machine)
        self.assertEqual(self.layout, "1x2:1")
        self.assertRegex(self.launch([], "info", environment=machine).out, "2 cores with 2 hardware threads .* 2 NUMA nodes")


class Slurm(AuditTest):
    """By its variables; what Slurm itself does, tests/slurm has."""

    def test_started_on_less(self):
        granted = {"SLURM_CPUS_ON_NODE": str(len(CPUS)), "SLURM_TASKS_PER_NODE": "1", "SLURM_CPUS_PER_TASK": str(len(CPUS))}
        self.audit(FIRST, environment=granted,
                   warned=[f"the rank was started on one core, Slurm granted {len(CPUS)} CPUs here: to use all, "
                           f"srun --cpus-per-task={len(CPUS)} "])
        self.audit([], environment=granted)
        self.assertIn(f"Slurm granted {len(CPUS)} CPUs for 1 task of {len(CPUS)}\n",
                      self.launch([], "info", environment=granted).out)

    def test_unconfined(self):
        """Then nobody knows which cores are the job's: nothing is bound."""
        self.audit([], environment={"SLURM_CPUS_ON_NODE": "1"},
                   mended=["Slurm granted 1 CPUs and does not confine the job"])
        self.assertEqual(self.layout, "1x1:1")
        outcome = self.launch([], "run", "gram", "random:9x9", "--count", 9, "-o", "o.h5",
                              environment={"SLURM_CPUS_ON_NODE": "1"})
        self.assertRegex(outcome.out, rf"rank 0 @ \S+: CPU {CPUS[0]}[-,]")


class Groups(AuditTest):
    """Needs the right to make a cgroup."""

    def make_group(self, controller, *settings):
        """A cgroup with one of these settings, (file, text): of version 1 or 2."""
        for top in (f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup"):
            group = pathlib.Path(top) / f"sheaf-test-{uuid.uuid4().hex}"
            try:
                group.mkdir()
            except OSError:
                continue
            self.addCleanup(group.rmdir)
            for name, text in settings:
                try:
                    (group / name).write_text(text)
                    return group
                except OSError:
                    continue  # of the other version, or without this controller
        return self.skipTest(f"may not make a cgroup of {controller}")


class Quota(Groups):
    def make_quota(self, cpus):
        period = 100000
        quota = int(cpus * period)
        return self.make_group("cpu", ("cpu.cfs_quota_us", f"{quota}"), ("cpu.max", f"{quota} {period}"))

    def test_quota(self):
        group = self.make_quota(1.5)
        self.audit([], group=group, mended=[rf"the cgroup's CPU quota is 1\.5 of {self.cores} cores: Sheaf uses 1$"])
        self.assertEqual(self.layout, "1x1:1")
        self.audit([], "--layout", "1x1", group=group)
        self.audit([], "--layout", "1x2:1", group=group,
                   warned=[r"wants 2 cores, there is 1 \(the cgroup's CPU quota is 1\.5\)"])
        self.assertIn("cgroup quota of 1.5 CPUs", self.launch([], "info", group=group).out)
        self.audit([], group=self.make_quota(self.cores))

    def test_less_than_a_core(self):
        self.audit([], "--layout", "1x1", group=self.make_quota(0.5),
                   warned=[r"the cgroup's CPU quota is 0\.5 of a core"])


class BlasThreads(Groups):
    def test_more_than_the_build_has(self):
        greatest = int(re.search(r"BLAS .* up to (\d+) threads", self.launch([], "info").out)[1])
        outcome = self.launch([], "run", "gram", "random:9x9", "--count", 2, "-o", "out.h5", "--layout",
                              f"1x{greatest + 1}:{greatest + 1}")
        self.assertEqual(outcome.code, NO_RESOURCES, str(outcome))
        self.assertRegex(outcome.err, f"{greatest + 1} BLAS threads are wanted on a task, this BLAS was built for {greatest} ")
        self.assertRegex(outcome.err, "(?m)^sheaf: not started, for what is said above")
        self.assertFalse(self.path("out.h5").exists())

    def test_more_than_the_system_makes(self):
        """OpenBLAS would wait forever for threads that it believes it has."""
        outcome = self.launch([], "run", "gram", "random:300x300", "--count", 2, "-o", "out.h5", "--layout", "1x16:16",
                              group=self.make_group("pids", ("pids.max", "16")))
        self.assertEqual(outcome.code, NO_RESOURCES, str(outcome))
        self.assertRegex(outcome.err, r"BLAS has \d+ of the 16 threads .* pids\.max")
        self.assertFalse(self.path("out.h5").exists())


class OtherBuilds(AuditTest):
    """OpenBLAS without threads, and with those of OpenMP, where they are installed, or below OPENBLAS_BUILDS."""

    def launch_with(self, build, *options, **variables):
        library = pathlib.Path(os.environ.get("OPENBLAS_BUILDS", f"/usr/lib/{platform.machine()}-linux-gnu"))
        library = library / f"openblas-{build}"
        if not (library / "libopenblas.so.0").exists():
            self.skipTest(f"no libopenblas0-{build}")
        return self.launch([], "run", "gram", "random:300x300", "--count", 2, "-o", "out.h5", *options,
                           environment={"LD_LIBRARY_PATH": str(library), **variables})

    def expect_refused(self, outcome, reason):
        self.assertEqual(outcome.code, NO_RESOURCES, str(outcome))
        self.assertRegex(outcome.err, f"2 BLAS threads are wanted on a task, {reason}")
        self.assertFalse(self.path("out.h5").exists())

    def test_without_threads(self):
        self.expect_refused(self.launch_with("serial", "--layout", "1x2:2"), "this BLAS has none: install a threaded one")
        outcome = self.launch_with("serial")
        self.assertEqual((outcome.code, outcome.complaints()), (0, []), str(outcome))

    def test_openmp(self):
        """It would wait forever for threads that OpenMP does not give it."""
        wide = ("--layout", "1x2:2")
        self.expect_refused(self.launch_with("openmp", *wide, OMP_THREAD_LIMIT="1"), "OMP_THREAD_LIMIT=1 holds them back")
        self.expect_refused(self.launch_with("openmp", *wide, OMP_DYNAMIC="true"), "under OMP_DYNAMIC=true")
        outcome = self.launch_with("openmp", *wide, OMP_NUM_THREADS="1")
        self.assertEqual((outcome.code, outcome.complaints()), (0, []), str(outcome))
        self.assertIn("OMP_NUM_THREADS=1 is overruled", outcome.out)


class Cpusets(AuditTest):
    """Needs the right to make a cgroup."""

    def test_own_cpusets(self):
        """Ranks that can use a core each, and no other, as in containers; the first two the same."""
        top = pathlib.Path("/sys/fs/cgroup/cpuset")
        groups = [top / f"sheaf-test-{self.marker}-{rank}" for rank in range(3)]
        for group, cpu in zip(groups, (CPUS[1], CPUS[1], CPUS[0])):
            try:
                group.mkdir()
                self.addCleanup(group.rmdir)
                (group / "cpuset.mems").write_text((top / "cpuset.mems").read_text())
                (group / "cpuset.cpus").write_text(str(cpu))
            except OSError:
                self.skipTest("may not make a cgroup with a cpuset")
        enter = ["sh", "-c", f'echo $$ >{top}/sheaf-test-{self.marker}-$OMPI_COMM_WORLD_RANK/cgroup.procs && exec "$0" "$@"']
        launcher = mpirun(3, "--oversubscribe", "--bind-to", "none") + enter
        for layout, binding in (("2x1", rf"rank 0 @ \S+: CPU {CPUS[1]} · rank 1 @ \S+: CPU {CPUS[1]} · 1 parked\n"),
                                ("1x1", rf"rank 0 @ \S+: CPU {CPUS[1]} · 2 parked\n")):
            outcome = self.launch(launcher, "run", "gram", "random:9x9", "--count", 4, "-o", "out.h5", "--overwrite",
                                  "--layout", layout)
            self.assertEqual((outcome.code, outcome.complaints()), (0, []), str(outcome))
            self.assertRegex(outcome.out, binding)


class Neighbours(AuditTest):
    """Another program that computes on one of our cores."""

    def setUp(self):
        super().setUp()
        self.environment["SHEAF_NEIGHBOURS"] = "1"
        self.busy = subprocess.Popen([*FIRST, sys.executable, "-c", "while True: pass"], cwd=self.work)
        self.addCleanup(self.busy.wait)
        self.addCleanup(self.busy.kill)
        time.sleep(3)
        run, delay, _ = map(int, pathlib.Path(f"/proc/{self.busy.pid}/schedstat").read_text().split())
        if run < 0.3e9 or run + delay < 2e9:
            self.skipTest("this machine is too busy with others")

    def run_on(self, layout, *options, launcher=()):
        return self.launch(launcher, "run", "gram", "random:9x9", "--count", 9, "-o", "out.h5", "--overwrite", "--layout",
                           layout, *options)

    def test_no_core_is_left(self):
        expected = r"\d+ threads? of other programs \(.*, process \d+.*\) computes? on these"
        self.assertRegex(self.run_on(f"1x{self.cores}").err, expected)
        self.assertRegex(self.run_on("2x1", launcher=mpirun(2, "--bind-to", "none")).err,
                         expected if self.cores == 2 else "")
        outcome = self.run_on(f"1x{self.cores}", "--strict")
        self.assertEqual(outcome.code, NO_RESOURCES, str(outcome))
        self.assertRegex(outcome.err, expected)
        self.assertRegex(self.launch([], "info").out, expected)

    def test_a_core_is_left(self):
        """It is taken, and not the one that is busy. Others may keep the rest busy for a while: it is asked for again."""
        end = time.monotonic() + 20
        binding = str(CPUS[0])
        while str(CPUS[0]) in re.findall(r"\d+", binding) and time.monotonic() < end:
            binding = re.search(r"rank 0 @ \S+: CPU (\S+)", self.run_on("1x1").out)[1]
        self.assertNotIn(str(CPUS[0]), re.findall(r"\d+", binding))

    def test_who_waits_is_no_neighbour(self):
        self.busy.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        self.assertNotIn(f"process {self.busy.pid}", self.run_on(f"1x{self.cores}").err)


if __name__ == "__main__":
    unittest.main()
