"""Telemetry of the benchmark month: requests by quarter of an hour, CPU seconds by half, query seconds by day."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .estate import CUSTOMERS, DAYS, HOURS, PERIOD
from .lines import HOUR_MS, MONTH_START, words

SHAPES = {  # services, steps, milliseconds per step, mean quantity
    "requests": (["api", "checkout", "search", "media"], 4 * HOURS, HOUR_MS // 4, 900),
    "cpu_seconds": (["platform", "billing", "reporting"], 2 * HOURS, HOUR_MS // 2, 1_800_000),
    "query_seconds": (["orders-db", "analytics-db"], DAYS, 24 * HOUR_MS, 340_000),
}


def table(name, start, stop):
    """Rows of one telemetry for a range of steps: every service and customer in every step."""
    services, _, step, mean = SHAPES[name]
    per_step = len(services) * len(CUSTOMERS)
    count = (stop - start) * per_step
    position = np.tile(np.arange(per_step), stop - start)
    service, customer = position // len(CUSTOMERS), position % len(CUSTOMERS)
    when = MONTH_START + np.repeat(np.arange(start, stop), per_step) * step
    random = np.random.default_rng([start, len(name)])
    size = 1 + 9 * (customer * 37 % 101 == 0) + customer % 7
    quantity = mean * size * random.integers(10, 100, count) // 100
    # Half of the customers use a service, not at every hour; the daily figures are complete.
    keep = (random.random(count) < 0.9) | (step >= 24 * HOUR_MS)
    keep &= (customer * 7 + service * 11) % len(CUSTOMERS) < len(CUSTOMERS) // 2
    values = pa.array(quantity if name == "requests" else quantity / 1000)
    return pa.table({
        "ts": pa.array(when * 1000, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        "service": words(services, service),
        "customer": words(CUSTOMERS, customer),
        "quantity": values,
    }).filter(pa.array(keep))


def write(root, rows):
    """Writes all telemetry, in day-sized pieces; a small month gets fewer days of it."""
    total = 0
    for name, (_, steps, _, _) in SHAPES.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        days = DAYS if rows >= 500_000 else 7 if rows >= 100_000 else 1
        writer = None
        for day in range(days):
            part = table(name, steps * day // DAYS, steps * (day + 1) // DAYS)
            total += part.num_rows
            writer = writer or pq.ParquetWriter(
                root / name / f"{PERIOD}.parquet", part.schema, compression="zstd",
                store_schema=False)
            writer.write_table(part)
        writer.close()
    return total
