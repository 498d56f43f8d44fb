#!/usr/bin/env python3
"""Checks a file of FOCUS charges with the official focus-validator 2.2.1 against FOCUS 1.2 or 1.3.

    apportion query "select * from focus_charges" --destination output/sample \\
        --focus-version 1.3 --format parquet --output charges.parquet
    python scripts/validate_focus.py charges.parquet --version 1.3 [--allow REGEX] [--fails]

The validator is installed once into a virtual environment in the cache folder (FOCUS_VENV overrides
it). Its wheel ships the rules of 1.2. Those of 1.3 are read from the folder that `--rules` or
APPORTION_FOCUS_RULES names (`model-1.3.json` of the specification's releases); without one the
validator fetches them from there, once. Without a Python of at least 3.12 the check is skipped with
exit code 0 and a message, and so is 1.3 where its rules cannot be had; `--require` makes both an
error. Exits with 1 when a rule fails that is not known to be wrong, 2 when the tool itself fails.
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

# Rules of each model that fail on correct data. Their conditions leave out what the specification's
# text says: a status is required only of charges that can have one, an invoice id only once there is
# an invoice, a unit price in the pricing currency only where there is a price, a resource type only
# of a resource.
KNOWN = {
    "1.2": re.compile(r"(CapacityReservationStatus-C-00[0234]-C|CommitmentDiscountStatus-C-00[024]-C"
                      r"|InvoiceId-C-004-C)$"),
    "1.3": re.compile(r"CAU-(CapacityReservationStatus-C-00[0234]-C"
                      r"|CommitmentDiscountStatus-C-00[0234]-C"
                      r"|PricingCurrencyContractedUnitPrice-C-(000-C|003-M|012-C)"
                      r"|ResourceType-C-00[035]-C)$"),
}
# The roots fail with any of their leaves.
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


def validate(venv, file, version, rules):
    """Output of the validator. It reads a file of its package relative to the working folder."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.run([venv / "bin/python", "-c", code], check=True, capture_output=True,
                              text=True).stdout.strip()
    shipped = pathlib.Path(packages) / "focus_validator/rules"
    there = [folder for folder in [rules, shipped] if folder and [*folder.glob(f"model-{version}*.json")]]
    rules = (there or [shipped])[0]
    result = subprocess.run(
        [venv / "bin/focus-validator", "--data-file", file.resolve(), "--validate-version", version,
         "--rule-set-path", rules.resolve(), *(["--block-download"] if there else []),
         "--focus-dataset", "CostAndUsage", "--applicability-criteria", "ALL"],
        cwd=packages, capture_output=True, text=True)
    return result.stdout, result.stderr, bool(there)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="Parquet or CSV in FOCUS columns")
    parser.add_argument("--version", choices=sorted(KNOWN), default="1.2", help="of the file and the rules")
    parser.add_argument("--rules", type=pathlib.Path, help="folder of the models; APPORTION_FOCUS_RULES")
    parser.add_argument("--allow", help="rule ids that may fail, as a regular expression")
    parser.add_argument("--fails", action="store_true", help="show what failed and why")
    parser.add_argument("--require", action="store_true", help="fail where the check cannot run")
    options = parser.parse_args()
    venv = environment()
    if venv is None:
        print("skipped: focus-validator needs Python 3.12 or newer, none was found")
        return 1 if options.require else 0
    rules = options.rules or os.environ.get("APPORTION_FOCUS_RULES")
    version = options.version
    output, errors, there = validate(venv, options.file, version, rules and pathlib.Path(rules))
    # The validator's own exit code is always 0; its summary line is the only proof that it ran.
    summary = re.search(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)", output, re.M)
    if not summary and not there:
        print(f"skipped: the rules of FOCUS {version} are not at hand and could not be fetched")
        return 1 if options.require else 0
    if not summary:
        print("the validator gave no summary:", *errors.splitlines()[-5:], sep="\n  ", file=sys.stderr)
        return 2
    failed = dict(re.findall(r"^❌ (\S+): FAIL\s+\((.*)\)$", output, re.M))
    known = {rule for rule in failed if KNOWN[version].search(rule)
             or (options.allow and re.search(options.allow, rule))}
    unexpected = {rule for rule in failed.keys() - known if not ROOTS.search(rule)}
    if not known and not unexpected:  # roots alone
        unexpected = set(failed)
    total, passed, _, skipped = summary.groups()
    print(f"focus {version}: {total} rules, {passed} passed, {skipped} skipped, "
          f"{len(known)} known to be wrong, {len(unexpected)} unexpected failures in {options.file}")
    if options.fails:
        for rule in sorted(unexpected):
            print(f"  {rule}: {failed[rule][:160]}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
