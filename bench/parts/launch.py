"""Runs a program and says what it cost: launch.py FD PROGRAM [ARGUMENT...]; JSON goes to the file descriptor.

A process's peak memory begins at that of whoever forked it: a benchmark that has grown would hide the peak of a small
program. This one is small.
"""
import json
import os
import sys
import time


def main():
    descriptor, program = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(descriptor, False)
    began = time.monotonic()
    child = os.posix_spawnp(program[0], program, os.environ)
    _, status, usage = os.wait4(child, 0)
    found = {"seconds": time.monotonic() - began, "cpu_seconds": usage.ru_utime + usage.ru_stime,
             "mebibytes": usage.ru_maxrss / 1024}
    os.write(descriptor, json.dumps(found).encode())
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
