#!/usr/bin/env python3
"""Checks a file of FOCUS charges with the official focus-validator 2.2.1 against FOCUS 1.2.

    apportion query "select * from focus_charges" --destination output/sample \\
        --focus-version 1.2 --format parquet --output charges.parquet
    python scripts/validate_focus.py charges.parquet [--allow REGEX] [--fails]

The rules are those shipped in the validator's wheel; nothing is downloaded but the validator
itself, once, into a virtual environment in the cache folder (FOCUS_VENV overrides it). Without a
Python of at least 3.12 the check is skipped with exit code 0 and a message; `--require` makes that
an error. Exits with 1 when a rule fails that is not known to be wrong.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

VALIDATOR = "focus-validator==2.2.1"
# The validator pins numpy below 2, and newer pyarrow wheels demand numpy 2.
PYARROW = "pyarrow>=17,<22"

# Rules of the 1.2 model that fail on correct data: their conditions leave out what the
# specification's text says (a status is required only of charges that can have one; an invoice id
# only once there is an invoice), and the roots fail with any of their leaves.
KNOWN = re.compile(
    r"(CapacityReservationStatus-C-00[0234]-C|CommitmentDiscountStatus-C-00[024]-C"
    r"|InvoiceId-C-004-C)$")
ROOTS = re.compile(r"CostAndUsage-D-00[012]-M$")


def python():
    """A Python of at least 3.12, or None."""
    pyenv = sorted(pathlib.Path.home().glob(".pyenv/versions/3.1[2-9].*/bin/python"))
    for name in [os.environ.get("FOCUS_PYTHON"), sys.executable, "python3.12", "python3.13",
                 "python3.14", *map(str, pyenv)]:
        path = name and shutil.which(name)
        probe = "import sys; sys.exit(sys.version_info < (3, 12))"
        if path and subprocess.run([path, "-c", probe], capture_output=True).returncode == 0:
            return path
    return None


def environment():
    """The virtual environment of the validator, made when it is absent; None without a Python."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    venv = pathlib.Path(os.environ.get("FOCUS_VENV", cache / "apportion" / "focus-validator-2.2.1"))
    if not (venv / "bin/focus-validator").exists():
        interpreter = python()
        if interpreter is None:
            return None
        subprocess.run([interpreter, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", VALIDATOR, PYARROW], check=True)
    return venv


def validate(venv, file):
    """Output of the validator. It reads a file of its package relative to the working folder."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.run([venv / "bin/python", "-c", code], check=True, capture_output=True,
                              text=True).stdout.strip()
    result = subprocess.run(
        [venv / "bin/focus-validator", "--data-file", file.resolve(), "--validate-version", "1.2",
         "--rule-set-path", f"{packages}/focus_validator/rules", "--block-download",
         "--focus-dataset", "CostAndUsage", "--applicability-criteria", "ALL"],
        cwd=packages, capture_output=True, text=True)
    return result.stdout, result.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="Parquet or CSV in FOCUS 1.2 columns")
    parser.add_argument("--allow", help="rule ids that may fail, as a regular expression")
    parser.add_argument("--fails", action="store_true", help="show what failed and why")
    parser.add_argument("--require", action="store_true", help="fail when Python is too old")
    options = parser.parse_args()
    venv = environment()
    if venv is None:
        print("skipped: focus-validator needs Python 3.12 or newer, none was found")
        return 1 if options.require else 0
    output, errors = validate(venv, options.file)
    # The validator's own exit code is always 0; its summary line is the only proof that it ran.
    summary = re.search(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)", output, re.M)
    if not summary:
        print("the validator gave no summary:", *errors.splitlines()[-5:], sep="\n  ", file=sys.stderr)
        return 2
    failed = dict(re.findall(r"^❌ (\S+): FAIL\s+\((.*)\)$", output, re.M))
    known = {rule for rule in failed if KNOWN.search(rule)
             or (options.allow and re.search(options.allow, rule))}
    unexpected = {rule for rule in failed.keys() - known if not ROOTS.search(rule)}
    if not known and not unexpected:  # roots alone
        unexpected = set(failed)
    total, passed, _, skipped = summary.groups()
    print(f"focus 1.2: {total} rules, {passed} passed, {skipped} skipped, "
          f"{len(known)} known to be wrong, {len(unexpected)} unexpected failures in {options.file}")
    if options.fails:
        for rule in sorted(unexpected):
            print(f"  {rule}: {failed[rule][:160]}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
