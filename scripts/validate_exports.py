#!/usr/bin/env python3
"""Validates what a run wrote, and what runs over real exports write, against FOCUS 1.2 and 1.3.

    python scripts/validate_exports.py --binary target/release/apportion output/sample [--require]

Every source of the sample is checked by itself. Where APPORTION_REAL_EXPORTS names the folder of real
exports, each of those is run into a temporary folder and checked too; a file that is missing there
is an error. Needs nothing from PyPI but what `validate_focus.py` installs for itself, and takes its
options `--require` and `--rules`. Exits with 1 when a rule fails that no allowance below explains.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

VERSIONS = ["1.2", "1.3"]
VALIDATE = pathlib.Path(__file__).with_name("validate_focus.py")

# Rules that correct charges break, and why.
# A purchase that covers nothing later (support, marketplace) has an effective cost; the rule wants 0.
PURCHASES = "EffectiveCost-C-00(0|5)-[CM]"
# Google's detailed export and Azure's EA schema have no invoice ids, which the model of 1.2 wants
# whatever its text says; `^` keeps the allowance from the rules of 1.3, whose ids begin with CAU.
NO_INVOICES = "^InvoiceId-C-00[035]-[CM]"

# The model of 1.2 demands BilledCost = 0 wherever ProviderName and InvoiceIssuerName differ, and so takes "AWS"
# and "Amazon Web Services EMEA SARL" for two companies. Both are stated as they are; 1.3 dropped the rule. The
# rule that sums up those of the column fails with it.
ISSUERS = "^BilledCost-C-00(5-C|0-M)$"

SAMPLE = {"aws-main": [PURCHASES, ISSUERS], "gcp-analytics": [PURCHASES, NO_INVOICES],
          "azure-loyalty": [PURCHASES]}
# The open month of the sample has no invoices yet.
SAMPLE_MONTHS = "x_BillingPeriod < '2026-03'"

# name: format, files in the folder of real exports, allowances
REAL = {
    "aws-2018": ("aws_cur_legacy", ["aws/Oct2018-WorkshopCUR-00001.snappy.parquet",
                                    "aws/Dec2018-WorkshopCUR-00001.snappy.parquet"], [PURCHASES, ISSUERS]),
    "azure-ea": ("azure_cost_management", ["azure/ea/EA_ActualCost_Small.csv",
                                           "azure/ea/EA_AmortizedCost_Small.csv"], [PURCHASES, NO_INVOICES]),
    "gcp-detailed": ("gcp_billing_export", ["generated/gcp_detailed_nested.parquet"], [PURCHASES, NO_INVOICES]),
}


def run_real(binary, name, folder, work):
    """Runs one real export and returns the folder of its tables."""
    kind, files, _ = REAL[name]
    export = work / name / "export"
    export.mkdir(parents=True)
    for file in files:
        shutil.copy(folder / file, export)
    pipeline = work / name / "pipeline.yaml"
    pipeline.write_text(f"version: 1\nname: {name}\nsources:\n  {name}: {{ format: {kind}, location: export/ }}\n"
                        "destination: { location: tables/ }\n")
    subprocess.run([binary, "run", pipeline], check=True, stdout=subprocess.DEVNULL)
    return work / name / "tables"


def validate(binary, tables, source, months, allowed, work, options):
    """Number of versions that fail."""
    failures = 0
    for version in VERSIONS:
        file = work / f"{source}-{version}.parquet"
        sql = f"SELECT * FROM focus_charges WHERE x_Source = '{source}' AND {months}"
        subprocess.run([binary, "query", sql, "--destination", tables, "--focus-version", version,
                        "--format", "parquet", "--output", file], check=True)
        command = [sys.executable, VALIDATE, file, "--version", version, "--fails", *options]
        sys.stdout.flush()
        failures += subprocess.run([*command, "--allow", "|".join(allowed)]).returncode != 0
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=pathlib.Path, help="where a run of pipelines/sample.yaml wrote")
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--rules", help="folder of the models of the rules; see validate_focus.py")
    parser.add_argument("--require", action="store_true", help="fail where the check cannot run")
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    options = (["--require"] if arguments.require else []) + (["--rules", arguments.rules] if arguments.rules else [])
    real = os.environ.get("APPORTION_REAL_EXPORTS")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for source, allowed in SAMPLE.items():
            failures += validate(binary, arguments.tables, source, SAMPLE_MONTHS, allowed, work, options)
        for name, (_, _, allowed) in REAL.items() if real else ():
            tables = run_real(binary, name, pathlib.Path(real), work)
            failures += validate(binary, tables, name, "true", allowed, work, options)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
