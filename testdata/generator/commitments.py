"""Acme's Reserved Instances and Savings Plans, and the instances they cover.

Prices are chosen so that every hourly part is exact in few decimals: the identity
`used + unused = recurring + amortised upfront` then holds to the last digit.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal as D

from .acme import C6I, DATA, DB, M5, M6I, PRODUCTION, Meter, noise, tagged


@dataclass(frozen=True)
class Reservation:
    """A Reserved Instance: `units` identical instances from `start` on."""

    arn: str
    meter: Meter
    account: str
    start: dt.datetime
    units: int
    upfront: D  # per unit, for 8,760 hours
    recurring: D  # per unit and hour
    od_discount_term: str
    option: str
    factor: int | None  # normalised units per instance
    covered: tuple  # (resource id, tags)

    @property
    def amortised(self):
        return self.upfront / 8760

    @property
    def number(self):
        return self.arn.rsplit("/", 1)[1]


@dataclass(frozen=True)
class SavingsPlan:
    """A Savings Plan with an hourly commitment, part of it possibly paid upfront."""

    arn: str
    meter: Meter
    start: dt.datetime
    rate: D  # price per covered hour
    commitment: D  # per hour
    upfront_share: D
    option: str
    covered: tuple

    @property
    def upfront(self):
        return self.commitment * self.upfront_share * 8760

    @property
    def amortised(self):
        return self.commitment * self.upfront_share

    @property
    def recurring(self):
        return self.commitment * (1 - self.upfront_share)

    @property
    def family(self):
        return self.meter.instance_type.split(".")[0]


UTC = dt.timezone.utc

RESERVATIONS = [
    Reservation(
        "arn:aws:ec2:eu-central-1:222222222222:reserved-instances/5a1f0000-0000-4000-8000-000000000001",
        M5, PRODUCTION, dt.datetime(2026, 1, 1, tzinfo=UTC), 3, D("219"), D("0.03"),
        "1yr", "Partial Upfront", 4,
        (("i-0f500000000000001", tagged("billing", "finance")),
         ("i-0f500000000000002", tagged("billing", "finance")),
         ("i-0f500000000000003", tagged("reporting", "data")))),
    Reservation(
        "arn:aws:rds:eu-central-1:333333333333:ri:ri-2026-02-12-10-00-00-000",
        DB, DATA, dt.datetime(2026, 2, 12, 10, tzinfo=UTC), 1, D("0"), D("0.21"),
        "1yr", "No Upfront", None,
        (("arn:aws:rds:eu-central-1:333333333333:db:orders", tagged("orders-db", "data")),)),
]

SAVINGS_PLANS = [
    SavingsPlan(
        "arn:aws:savingsplans::111111111111:savingsplan/7c0d0000-0000-4000-8000-000000000001",
        M6I, dt.datetime(2025, 11, 1, tzinfo=UTC), D("0.1656"), D("0.75"), D("0"),
        "No Upfront",
        (("i-0c6100000000000a1", tagged("api", "storefront", name="api-1")),
         ("i-0c6100000000000a2", tagged("api", "storefront", name="api-2")),
         ("i-0c6100000000000a3", tagged("checkout", "storefront", name="checkout-1")),
         ("i-0c6100000000000a4", tagged("checkout", "storefront", name="checkout-2")))),
    SavingsPlan(
        "arn:aws:savingsplans::111111111111:savingsplan/7c0d0000-0000-4000-8000-000000000002",
        C6I, dt.datetime(2026, 1, 10, tzinfo=UTC), D("0.06"), D("0.24"), D("0.5"),
        "Partial Upfront",
        (("i-0c6200000000000c1", tagged("search", "discovery")),
         ("i-0c6200000000000c2", tagged("search", "discovery")),
         ("i-0c6200000000000c3", tagged("search", "discovery")),
         ("i-0c6200000000000c4", tagged("search", "discovery")))),
]


def running_hours(resource_id, day):
    """Hours an instance under a commitment runs on a day: some are stopped at times."""
    stopped_at_weekends = {"i-0f500000000000003": 24, "i-0c6100000000000a4": 8}
    if day.weekday() >= 5 and resource_id in stopped_at_weekends:
        return 24 - stopped_at_weekends[resource_id]
    if resource_id == "i-0c6200000000000c4" and noise("stop", day) < 0.3:
        return 17
    return 24
