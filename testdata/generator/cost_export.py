"""Physical shape of an Azure Cost Management export of a Microsoft Customer Agreement.

Actual and amortized cost have the same columns (dataset version 2023-12-01-preview). Numbers are
doubles, dates timestamps, tags and additional info JSON text. Every run writes a folder of its own
with a manifest; the newest run of a month holds the whole month.
"""

import datetime as dt
import json
import os
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = """
invoiceId previousInvoiceId billingAccountId billingAccountName billingProfileId billingProfileName
invoiceSectionId invoiceSectionName resellerName resellerMpnId costCenter billingPeriodEndDate
billingPeriodStartDate servicePeriodEndDate servicePeriodStartDate date serviceFamily
productOrderId productOrderName consumedService meterId meterName meterCategory meterSubCategory
meterRegion ProductId ProductName SubscriptionId subscriptionName publisherType publisherId
publisherName resourceGroupName ResourceId resourceLocation location effectivePrice quantity
unitOfMeasure chargeType billingCurrency pricingCurrency costInBillingCurrency
costInPricingCurrency costInUsd paygCostInBillingCurrency paygCostInUsd
exchangeRatePricingToBilling exchangeRateDate isAzureCreditEligible serviceInfo1 serviceInfo2
additionalInfo tags PayGPrice frequency term reservationId reservationName pricingModel unitPrice
costAllocationRuleName benefitId benefitName provider
""".split()

DATES = {"billingPeriodEndDate", "billingPeriodStartDate", "servicePeriodEndDate",
         "servicePeriodStartDate", "date", "exchangeRateDate"}
NUMBERS = {"effectivePrice", "quantity", "costInBillingCurrency", "costInPricingCurrency",
           "costInUsd", "paygCostInBillingCurrency", "paygCostInUsd",
           "exchangeRatePricingToBilling", "PayGPrice", "unitPrice"}


def data_type(name):
    if name in DATES:
        return pa.timestamp("ms", tz="UTC")
    return pa.float64() if name in NUMBERS else pa.string()


SCHEMA = pa.schema([(name, data_type(name)) for name in COLUMNS])


def to_table(rows):
    """Turns rows (dicts of column name to value, Decimal for numbers) into a table.

    Text that is missing is empty, as in the CSV form of the export; a missing date is NULL.
    """
    unknown = {name for row in rows for name in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"columns unknown to the export: {sorted(unknown)}")
    columns = []
    for field in SCHEMA:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_float64(field.type):
            values = [None if value is None else float(value) for value in values]
        elif pa.types.is_string(field.type):
            values = [value or "" for value in values]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def date_range(first, last):
    return f"{first:%Y%m%d}-{last:%Y%m%d}"


def write_run(root, directory, export, kind, span, run_time, rows):
    """Writes one run of one export: a data file and the manifest that names it.

    The path is `<directory>/<export>/<range>/<time of the run>/<id of the run>/`, below `root`
    without the directory, because `root` is where the directory was copied to.
    """
    first, last = span
    run_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{export}|{run_time}"))
    folder = f"{export}/{date_range(first, last)}/{run_time}/{run_id}"
    path = f"{root}/{folder}"
    os.makedirs(path, exist_ok=True)
    name = "part_0_0001.snappy.parquet"
    pq.write_table(to_table(rows), f"{path}/{name}", compression="snappy", store_schema=False,
                   coerce_timestamps="ms")
    size = os.path.getsize(f"{path}/{name}")
    submitted = dt.datetime.strptime(run_time, "%Y%m%d%H%M")
    manifest = {
        "manifestVersion": "2024-04-01",
        "byteCount": size,
        "blobCount": 1,
        "dataRowCount": len(rows),
        "exportConfig": {
            "exportName": export,
            "resourceId": "/providers/Microsoft.Billing/billingAccounts/acme/providers"
                          f"/Microsoft.CostManagement/exports/{export}",
            "dataVersion": "2023-12-01-preview",
            "apiVersion": "2023-07-01-preview",
            "type": kind,
            "timeFrame": "Custom",
            "granularity": "Daily",
        },
        "deliveryConfig": {
            "partitionData": True,
            "dataOverwriteBehavior": "CreateNewReport",
            "fileFormat": "Parquet",
            "compressionMode": "Snappy",
            "containerUri": "/subscriptions/acme/storageAccounts/acmebilling",
            "rootFolderPath": directory,
        },
        "blobs": [{"blobName": f"{directory}/{folder}/{name}", "byteCount": size,
                   "dataRowCount": len(rows)}],
        "runInfo": {
            "executionType": "Scheduled",
            "submittedTime": f"{submitted:%Y-%m-%dT%H:%M:%SZ}",
            "runId": run_id,
            "startDate": f"{first:%Y-%m-%d}T00:00:00",
            "endDate": f"{last:%Y-%m-%d}T00:00:00",
        },
    }
    with open(f"{path}/manifest.json", "w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=1)
        out.write("\n")
