"""Writes Acme's Google Cloud bill of one invoice month, row by row."""

import datetime as dt
from decimal import Decimal as D

from . import acme, gcp
from .acme import noise, weekday_factor
from .gcp import (
    ANALYTICS, INGEST, compute_resource, credit, hours, instant, invoice_span, labels, metered,
    micro, money, pacific_day, row,
)

HOUR = dt.timedelta(hours=1)
TAX_RATE = D("0.19")
CPU_COMMITMENT, RAM_COMMITMENT = "7100000000000000041", "7100000000000000042"
SQL_COMMITMENT = "8200000000000000007"
RENEWAL_DAY = dt.date(2026, 2, 20)  # the commitment on vCPUs paused for some hours
OFFSET_DAY, OFFSET_GAP = dt.date(2026, 3, 15), D("0.5")  # Google credited too little
PRODUCTION_TAG = [{"key": "environment", "value": "production", "inherited": True,
                   "namespace": "100000000001"}]


def bill(period):
    """All rows of an invoice month."""
    rows = []
    free_analysis, free_logs = D(1), D(50)  # what the free tiers of the month still hold
    for day in acme.days(period):
        span = pacific_day(day)
        rows += kubernetes(period, day, span)
        rows += batch(period, day, span)
        rows += cloud_sql(period, day, span)
        rows += ingest(period, day, span)
        analysis, free_analysis = queries(period, day, free_analysis)
        logs, free_logs = logging(period, day, span, free_logs)
        rows += analysis + logs
        rows += bigquery_storage(period, day, span)
    rows += monthly(period)
    rows += invoice_rows(period, rows)
    return rows


def kubernetes(period, day, span):
    """A cluster with two nodes; the commitment covers the first and half of the second."""
    length = hours(span)
    tags = labels("platform", "platform", goog__k8s__cluster__name="analytics")
    yield metered(period, span, gcp.CLUSTER, ANALYTICS, length, zone=gcp.ZONE, labels=tags,
                  resource={"name": "analytics", "global_name":
                            "//container.googleapis.com/projects/acme-analytics/zones/"
                            "europe-west3-b/clusters/analytics"})
    for name, share in (("gke-analytics-1", D(1)), ("gke-analytics-2", D("0.5"))):
        for item, units, commitment, kind in (
                (gcp.E2_CORE, 4, CPU_COMMITMENT, "CPU"), (gcp.E2_RAM, 16, RAM_COMMITMENT, "RAM")):
            amount = units * length
            covered = micro(item.price * amount * share)
            if day == RENEWAL_DAY and kind == "CPU" and share < 1:
                covered = D("0.7")  # a share without end: 0.7 of 2.592
            yield metered(
                period, span, item, ANALYTICS, amount, zone=gcp.ZONE, labels=tags,
                resource=compute_resource(ANALYTICS, name), tags=PRODUCTION_TAG,
                system_labels=[
                    {"key": "compute.googleapis.com/machine_spec", "value": "e2-standard-4"},
                    {"key": "compute.googleapis.com/cores", "value": "4"},
                    {"key": "compute.googleapis.com/memory", "value": "16384"}],
                credits=[credit("COMMITTED_USAGE_DISCOUNT", f"Committed Usage Discount: {kind}",
                                -covered, commitment)])
    for item, units, commitment in (
            (gcp.CPU_FEE, 6, CPU_COMMITMENT), (gcp.RAM_FEE, 24, RAM_COMMITMENT)):
        yield metered(period, span, item, ANALYTICS, units * length,
                      subscription={"instance_id": commitment})


def batch(period, day, span):
    """One large machine whose sustained use discount grows, and spot machines for reports."""
    length, days = hours(span), len(acme.days(period))
    used = D(day.day) / days
    rate = next(rate for rate, from_ in ((D("0.6"), D("0.75")), (D("0.4"), D("0.5")),
                                         (D("0.2"), D("0.25")), (D(0), D(0))) if used > from_)
    for item, units in ((gcp.N1_CORE, 4), (gcp.N1_RAM, 15)):
        amount = units * length
        off = micro(item.price * amount * rate)
        yield metered(
            period, span, item, ANALYTICS, amount, zone=gcp.ZONE,
            labels=labels("exports", "data", "kestrel"),
            resource=compute_resource(ANALYTICS, "nightly-exports"),
            credits=[credit("SUSTAINED_USAGE_DISCOUNT", "Sustained Usage Discount", -off)]
            if off else [])
    running = D(str(round(6 + 4 * noise("spot", day), 2)))
    for item, units in ((gcp.SPOT_CORE, 8), (gcp.SPOT_RAM, 32)):
        yield metered(period, span, item, ANALYTICS, units * running, zone=gcp.ZONE,
                      labels=labels("reporting", "data"),
                      resource=compute_resource(ANALYTICS, "report-workers"))


def cloud_sql(period, day, span):
    """A database under a spend commitment of the new kind, its replica on demand, the fee."""
    length = hours(span)
    running = length - 2 if day.weekday() == 6 else length  # maintenance on Sundays
    tags = labels("insights-db", "data")

    def database(name):
        return {"name": name, "global_name": "//cloudsql.googleapis.com/projects/acme-analytics"
                                             f"/instances/{name}"}

    covered = D(0)
    for item, units, price in ((gcp.SQL_CORE, 4, D("0.0375")), (gcp.SQL_RAM, 16, D("0.006375"))):
        usage = metered(period, span, item, ANALYTICS, units * running, price, labels=tags,
                        resource=database("insights"), consumption_model=gcp.SQL_MODEL,
                        subscription={"instance_id": SQL_COMMITMENT})
        covered += usage["cost"]
        yield usage
    if day.weekday() < 5:
        for item, units in ((gcp.SQL_CORE, 2), (gcp.SQL_RAM, 8)):
            yield metered(period, span, item, ANALYTICS, D(units * 10), labels=tags,
                          resource=database("insights-replica"))
    gibibytes = D(150) * length / 730
    yield metered(period, span, gcp.SQL_DISK, ANALYTICS, micro(gibibytes), labels=tags,
                  resource=database("insights"))
    offset = covered - (OFFSET_GAP if day == OFFSET_DAY else 0)
    yield metered(period, span, gcp.SQL_FEE, ANALYTICS, length,
                  subscription={"instance_id": SQL_COMMITMENT},
                  credits=[credit("FEE_UTILIZATION_OFFSET", "Fee utilization offset: Cloud SQL",
                                  -offset, SQL_COMMITMENT)])


def ingest(period, day, span):
    """What takes in events: a licensed machine, its traffic and two buckets."""
    length = hours(span)
    # Renamed once: the old name is still there, and the last one counts.
    tags = labels("intake", "data")[:1] + labels("ingest", "data")
    machine = compute_resource(INGEST, "ingest-1")
    for item, units in ((gcp.E2_CORE, 2), (gcp.E2_RAM, 8), (gcp.LICENCE, 1)):
        yield metered(period, span, item, INGEST, units * length, zone=gcp.ZONE, labels=tags,
                      resource=machine)
    yield metered(period, span, gcp.DISK, INGEST, micro(D(80) * length / 730), zone=gcp.ZONE,
                  labels=tags, resource={"name": "ingest-1", "global_name":
                                         "//compute.googleapis.com/projects/acme-ingest/zones/"
                                         "europe-west3-b/disks/4100000000000000001"})
    wobble = D(str(round(weekday_factor(day) + 0.4 * noise("gcp egress", day), 4)))
    yield metered(period, span, gcp.EGRESS, INGEST, D("31.5") * wobble, labels=tags,
                  resource=machine)
    yield metered(period, span, gcp.EGRESS, ANALYTICS, D("4.25") * wobble)  # unlabelled

    def bucket(name):
        return {"name": name, "global_name": f"//storage.googleapis.com/projects/_/buckets/{name}"}

    stored = metered(period, span, gcp.STANDARD, INGEST, micro(D(2400) * length / 730),
                     labels=tags, resource=bucket("acme-ingest-raw"))
    if period == "2026-01":  # a contract discount and a promotion on the same row
        off = micro(stored["cost"] * D("0.05"))
        stored["credits"] = [
            credit("DISCOUNT", "Storage introduction discount", -off),
            credit("PROMOTION", "Start-up promotion", -micro((stored["cost"] - off) / 2))]
    yield stored
    yield metered(period, span, gcp.CLASS_A, INGEST, (D(61000) * wobble).quantize(D(1)),
                  labels=tags, resource=bucket("acme-ingest-raw"))
    yield metered(period, span, gcp.STANDARD, INGEST, micro(D(310) * length / 730),
                  labels=labels("exports", "data", "harbor"), resource=bucket("harbor-exports"))


def queries(period, day, free):
    """BigQuery on demand, in some hours of the day; the first tebibyte of a month is free."""
    rows = []
    for hour, customer, base in ((3, "garnet", "0.06"), (9, None, "0.31"), (14, None, "0.27"),
                                 (21, None, "0.12")):
        start = dt.datetime(day.year, day.month, day.day, hour, tzinfo=gcp.UTC)
        if start < invoice_span(period)[0]:
            start += dt.timedelta(hours=6)  # belongs to the invoice of the month before
        amount = D(base) * D(str(round(weekday_factor(day) + 0.5 * noise("bq", day, hour), 3)))
        for item, part in ((gcp.ANALYSIS_FREE, min(free, amount)),
                           (gcp.ANALYSIS, amount - min(free, amount))):
            if not part:
                continue
            query = metered(period, (start, start + HOUR), item, ANALYTICS, micro(part),
                            labels=labels("warehouse", "data", customer))
            if period == "2026-01" and 10 <= day.day <= 20 and item is gcp.ANALYSIS:
                query["credits"] = [credit("PROMOTION", "Analytics migration promotion",
                                           -micro(query["cost"] / 2))]
            rows.append(query)
        free -= min(free, amount)
    return rows, free


def bigquery_storage(period, day, span):
    stored = metered(period, span, gcp.LOGICAL, ANALYTICS,
                     micro(D(5200) * hours(span) / 730), labels=labels("warehouse", "data"))
    if day == dt.date(2026, 3, 10):  # a kind of credit nobody has heard of yet
        stored["credits"] = [credit("PARTNER_LOYALTY", "Partner loyalty credit", D("-1.5"))]
    yield stored


def logging(period, day, span, free):
    """Logs have no labels, and the first 50 gibibytes of a month are free."""
    amount = D(str(round(3 + 3 * noise("gcp logs", day), 6)))
    parts = ((gcp.LOGS_FREE, min(free, amount)), (gcp.LOGS, amount - min(free, amount)))
    return ([metered(period, span, item, INGEST, part) for item, part in parts if part],
            free - min(free, amount))


def monthly(period):
    """A third party's plan, late usage, corrections."""
    yield metered(period, invoice_span(period), gcp.PLAN, ANALYTICS, D(1),
                  labels=labels("monitoring", "platform"))
    if period == "2026-02":
        # The last evening of January in Los Angeles, reported too late for January's invoice.
        end = invoice_span(period)[0]
        yield metered(period, (end - HOUR, end), gcp.EGRESS, INGEST, D("2.75"),
                      labels=labels("ingest", "data"), resource=compute_resource(INGEST, "ingest-1"))
        yield row(period, pacific_day(dt.date(2026, 1, 20)), gcp.EGRESS, INGEST,
                  cost_type="adjustment", labels=labels("ingest", "data"),
                  resource=compute_resource(INGEST, "ingest-1"), **money(D("-0.84")),
                  adjustment_info={"id": "adj-0001", "type": "USAGE_CORRECTION",
                                   "mode": "PARTIAL_CORRECTION",
                                   "description": "Traffic counted twice on 20 January"})
    if period == "2026-03":
        yield row(period, pacific_day(dt.date(2026, 3, 25)), gcp.SQL_CORE, ANALYTICS,
                  cost_type="adjustment", labels=labels("insights-db", "data"), **money(D("-4")),
                  adjustment_info={"id": "adj-0002", "type": "GOODWILL",
                                   "mode": "MANUAL_ADJUSTMENT",
                                   "description": "Goodwill for the incident of 24 March"})


def invoice_rows(period, rows):
    """Tax on what Google itself sold, and what rounding the invoice to cents left over."""
    last = acme.days(period)[-1]
    net = sum(entry["cost"] + sum(credit["amount"] for credit in entry["credits"])
              for entry in rows if entry["seller_name"] == "Google")
    tax = (net * TAX_RATE).quantize(D("0.01"))
    yield row(period, (instant(last), invoice_span(period)[1]), gcp.TAX, None, cost_type="tax",
              **money(tax))
    rest = net.quantize(D("0.01")) - net
    yield row(period, (instant(last), invoice_span(period)[1]), gcp.ROUNDING, None,
              cost_type="rounding_error", **money(micro(rest)))
