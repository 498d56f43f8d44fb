"""Acme's telemetry: what customers did, hour by hour, and where the measurements have holes.

Three sources with three shapes on purpose (names, number types, grain): the pipeline file maps
each of them to the one telemetry contract.
"""

import datetime as dt
from decimal import Decimal as D

import pyarrow as pa
import pyarrow.parquet as pq

from .acme import CUSTOMERS, LATE_CUSTOMER, LATE_FROM, days, noise, weekday_factor

UTC = dt.timezone.utc
NO_QUERY_TELEMETRY = dt.date(2026, 2, 10)  # the collector was down: no rows at all
IDLE_DAY, IDLE_SERVICE = dt.date(2026, 1, 18), "reporting"  # measured, and measured as zero
CORRECTION = (dt.datetime(2026, 1, 21, 9, tzinfo=UTC), "checkout", "birch", -500)
UNKNOWN = (dt.datetime(2026, 1, 20, 14, tzinfo=UTC), "api", "delta")

REQUEST_SERVICES = {"api": 900, "checkout": 220, "search": 640, "media": 400}
CPU_SERVICES = {"platform": 9000, "billing": 3000, "reporting": 1500}
DATABASES = {"orders-db": 340, "analytics-db": 520, "insights-db": 410, "warehouse": 260,
             "loyalty-db": 300}
# The collectors outside of AWS report every six hours only.
DISTANT_SERVICES = {"ingest": 5200, "loyalty": 1900}


def size(customer, service):
    """How big a customer is for a service: a few are large, some do not use it at all."""
    rank = noise("size", customer, service)
    return 0 if rank < 0.12 else 0.2 + 4 * rank**3


def active(day):
    return [c for c in CUSTOMERS if c != LATE_CUSTOMER or day >= LATE_FROM]


def hour_factor(hour):
    return 0.35 + 0.65 * max(0.0, 1 - abs(hour - 13) / 11)


def moment(day, hour):
    return dt.datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def requests(period):
    """Requests per service, customer and hour: integers, one NULL, one negative correction."""
    times, services, customers, counts = [], [], [], []
    for day in days(period):
        for hour in range(24):
            for service, base in REQUEST_SERVICES.items():
                for customer in active(day):
                    scale = size(customer, service)
                    if not scale:
                        continue
                    mean = base * scale * hour_factor(hour) * weekday_factor(day)
                    count = round(mean * (0.8 + 0.4 * noise("requests", service, customer, day, hour)))
                    at = moment(day, hour)
                    unknown = (at, service, customer) == UNKNOWN
                    times.append(at)
                    services.append(service)
                    customers.append(customer)
                    counts.append(None if unknown else count)
        for hour in (0, 6, 12, 18):
            for service, base in DISTANT_SERVICES.items():
                for customer in active(day):
                    mean = base * size(customer, service) * hour_factor(hour + 3)
                    mean *= weekday_factor(day)
                    if not mean:
                        continue
                    count = round(mean * (0.8 + 0.4 * noise("requests", service, customer, day, hour)))
                    times.append(moment(day, hour))
                    services.append(service)
                    customers.append(customer)
                    counts.append(count)
    if CORRECTION[0].strftime("%Y-%m") == period:
        at, service, customer, count = CORRECTION
        times.append(at)
        services.append(service)
        customers.append(customer)
        counts.append(count)
    return pa.table({
        "ts": pa.array(times, pa.timestamp("us", tz="UTC")),
        "service": pa.array(services), "customer_id": pa.array(customers),
        "request_count": pa.array(counts, pa.int64())})


def cpu_seconds(period):
    """CPU seconds per service, customer and six hours: doubles with three decimals."""
    times, services, customers, seconds = [], [], [], []
    for day in days(period):
        for hour in (0, 6, 12, 18):
            for service, base in CPU_SERVICES.items():
                for customer in active(day):
                    value = base * size(customer, service) * hour_factor(hour + 3)
                    value *= 0.7 + 0.6 * noise("cpu", service, customer, day, hour)
                    if (day, service) == (IDLE_DAY, IDLE_SERVICE):
                        value = 0.0
                    times.append(moment(day, hour))
                    services.append(service)
                    customers.append(customer)
                    seconds.append(round(value, 3))
    return pa.table({
        "bucket_start": pa.array(times, pa.timestamp("ms", tz="UTC")),
        "service": pa.array(services), "customer": pa.array(customers),
        "cpu_seconds": pa.array(seconds, pa.float64())})


def query_seconds(period):
    """Query seconds per database, customer and day: decimals; one day was never measured."""
    times, databases, customers, seconds = [], [], [], []
    for day in days(period):
        if day == NO_QUERY_TELEMETRY:
            continue
        for database, base in DATABASES.items():
            for customer in active(day):
                value = base * size(customer, database) * weekday_factor(day)
                value *= 0.7 + 0.6 * noise("query", database, customer, day)
                if not value:
                    continue
                times.append(moment(day, 0))
                databases.append(database)
                customers.append(customer)
                seconds.append(D(str(round(value, 6))))
    return pa.table({
        "day": pa.array(times, pa.timestamp("us", tz="UTC")),
        "database": pa.array(databases), "customer": pa.array(customers),
        "seconds": pa.array(seconds, pa.decimal128(18, 6))})


TABLES = {"requests": requests, "cpu_seconds": cpu_seconds, "query_seconds": query_seconds}


def write(root, period):
    """Writes one file per telemetry and month."""
    for name, table in TABLES.items():
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(period), directory / f"{period}.parquet", compression="zstd")
