#!/usr/bin/env python3
"""README.md tells the truth: its console examples run, in order, in one directory, and print what it says they print; its
kernel compiles into the program as it says.

In a console block "$ " starts a command ("# exit N" behind it: its exit code, else 0), the lines after it are its output. A
line of only "…" stands for any lines, "…" within a line for any text; numbers and their units may differ.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SHEAF = os.path.abspath(os.environ["SHEAF"])


def readme_blocks(language):
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


def console_examples():
    """(command, exit code, expected lines) of every example, in order."""
    examples = []
    for block in readme_blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, comment = line[2:].partition("   # exit ")
                examples.append((command, int(comment or 0), []))
            else:
                examples[-1][2].append(line)
    return examples


def pattern_of(line):
    """A regular expression for a line: "…" is any text, a number with its unit any other one."""
    parts = []
    for token in re.split(r"(…|\d+(?:\.\d+)?(?: [kMGT]?(?:B|B/s|FLOP|FLOP/s|ms|s|min)\b)?)", line):
        if token == "…":
            parts.append(".*")
        elif re.match(r"\d", token):
            parts.append(r"-?\d+(?:\.\d+)?(?: [a-zA-Z/]+)?")
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts) + "$")


def match_lines(expected, actual):
    """The first expected line that is not found in order, None where all are."""
    at, anywhere = 0, False
    for line in expected:
        if line == "…":
            anywhere = True
            continue
        found = next((i for i in range(at, len(actual)) if pattern_of(line).match(actual[i])), None)
        if found is None or (found > at and not anywhere):
            return line
        at, anywhere = found + 1, False
    return None


class Readme(unittest.TestCase):
    def test_console_examples(self):
        examples = console_examples()
        self.assertGreater(len(examples), 5)
        env = dict(os.environ, PATH=f"{os.path.dirname(SHEAF)}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
                   OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
                   SHEAF_NEIGHBOURS="0")  # whatever else this machine computes is not told of
        with tempfile.TemporaryDirectory() as directory:
            for command, code, expected in examples:
                done = subprocess.run(command, shell=True, cwd=directory, env=env, stdin=subprocess.DEVNULL, timeout=60,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                with self.subTest(command=command):
                    self.assertEqual(done.returncode, code, done.stdout)
                    missing = match_lines(expected, done.stdout.splitlines())
                    self.assertIsNone(missing, f"README says it prints this line, it printed:\n{done.stdout}")

    def test_kernel_table(self):
        """README lists exactly the kernels that there are, with their signatures."""
        text = subprocess.run([SHEAF, "info"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
        there = dict(re.findall(r"^  (\w+) +(\S+->\S*) ", text, re.MULTILINE))
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
            listed = dict(re.findall(r"^\| `(\w+)` \| `(\S+->\S*)` \|", file.read(), re.MULTILINE))
        self.assertGreater(len(there), 3)
        self.assertEqual(listed, there)

    def test_options(self):
        """README tells of every option of sheaf run, and of none that no command has."""
        there = {command: set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", self.help_of(command), re.MULTILINE))
                 for command in ("run", "sweep", "make", "info", "verify", "resume", "status")}
        self.assertIn("--outputs", there["run"])
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
            text = re.sub(r"^    .*$", "", file.read(), flags=re.MULTILINE)  # other programs' command lines
        told = set(re.findall(r"--[a-z][a-z-]*", text))
        self.assertEqual(there["run"] - told - {"--help", "--version", "--output"}, set())
        slurm = {"--nodes", "--ntasks-per-node", "--cpus-per-task"}
        self.assertEqual(told - slurm - set().union(*there.values()), set())

    @staticmethod
    def help_of(command):
        return subprocess.run([SHEAF, command, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=True).stdout

    def test_kernel_example(self):
        code = next(block for block in readme_blocks("c") if "kernel_negate" in block)
        with tempfile.TemporaryDirectory() as directory:
            tree = os.path.join(directory, "sheaf")
            shutil.copytree(TOP, tree, ignore=shutil.ignore_patterns("build", ".git", "*.h5"))
            with open(os.path.join(tree, "kernels", "negate.c"), "w", encoding="utf-8") as file:
                file.write(code)
            path = os.path.join(tree, "kernels", "list.c")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("DO(copy)", "DO(copy) DO(negate)", 1))
            build = os.path.join(directory, "build")
            for command in (["cmake", "-G", "Ninja", "-S", tree, "-B", build, "-DSHEAF_TESTS=OFF", "-DSHEAF_WERROR=ON",
                             "-DCMAKE_BUILD_TYPE=Debug"], ["cmake", "--build", build, "-j2"],
                            [os.path.join(build, "app", "sheaf"), "run", "negate", "ones:2x3", "--count", "2", "-o",
                             os.path.join(directory, "negated.h5")]):
                done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=300, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
            import h5py
            with h5py.File(os.path.join(directory, "negated.h5")) as results:
                self.assertTrue((results["result"][:] == -1).all())


if __name__ == "__main__":
    unittest.main()
