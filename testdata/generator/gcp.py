"""What Acme runs at Google Cloud, its analytics, and how one row of that bill is built.

Google bills in Pacific time: an invoice month starts at midnight in Los Angeles, and on 8 March
2026 clocks there go forward, so that day has 23 hours. Costs are kept in millionths.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal as D
from zoneinfo import ZoneInfo

from . import acme
from .acme import SEED

UTC = dt.timezone.utc
PACIFIC = ZoneInfo("America/Los_Angeles")
BILLING_ACCOUNT = "0ACE00-1A2B3C-4D5E6F"
REGION, ZONE = "europe-west3", "europe-west3-b"
DEFAULT_MODEL = {"id": "7754-699E-0EBF", "description": "Default"}
SQL_MODEL = {"id": "3C5A-91D0-77E2", "description": "Cloud SQL CUD 1 year"}
MICRO = D("0.000001")


@dataclass(frozen=True)
class Project:
    id: str
    number: str
    name: str
    cost_center: str


ANALYTICS = Project("acme-analytics", "300000000001", "Acme Analytics", "4711")
INGEST = Project("acme-ingest", "300000000002", "Acme Ingest", "4712")

COMPUTE = ("6F81-5844-456A", "Compute Engine")
KUBERNETES = ("CCD8-9BF1-090E", "Kubernetes Engine")
BIGQUERY = ("24E6-581D-38E5", "BigQuery")
SQL = ("9662-B51E-5089", "Cloud SQL")
STORAGE = ("95FF-2EF5-5EA1", "Cloud Storage")
LOGGING = ("5490-F7B7-8DF6", "Cloud Logging")
LINEAGE = ("A7C1-0E5D-42B9", "Larkspur Lineage")  # third party, sold on the marketplace
INVOICE = (None, "Invoice")

# pricing unit: base unit, base units in one pricing unit
UNITS = {
    "hour": ("seconds", D(3600)),
    "gibibyte hour": ("byte-seconds", D(2**30 * 3600)),
    "gibibyte month": ("byte-seconds", D(2**30 * 730 * 3600)),
    "gibibyte": ("bytes", D(2**30)),
    "tebibyte": ("bytes", D(2**40)),
    "count": ("requests", D(1)),
    "month": ("seconds", D(730 * 3600)),
}


@dataclass(frozen=True)
class Sku:
    """An entry of the price list; `price` is what Acme pays, `block` what the price is for."""

    service: tuple
    description: str
    unit: str
    list_price: D
    price: D
    location: str = REGION
    block: D = D(1)
    tier: D = D(0)
    seller: str | None = "Google"
    transaction_type: str = "GOOGLE"

    @property
    def id(self):
        digest = hashlib.sha256(f"{SEED}|{self.service[1]}|{self.description}".encode()).hexdigest()
        return "-".join(digest[n:n + 4].upper() for n in (0, 4, 8))


def sku(service, description, unit, list_price, price=None, **more):
    return Sku(service, description, unit, D(list_price), D(price or list_price), **more)


E2_CORE = sku(COMPUTE, "E2 Instance Core running in Frankfurt", "hour", "0.0281", "0.027")
E2_RAM = sku(COMPUTE, "E2 Instance Ram running in Frankfurt", "gibibyte hour", "0.00377", "0.0036")
N1_CORE = sku(COMPUTE, "N1 Predefined Instance Core running in Frankfurt", "hour", "0.040703")
N1_RAM = sku(COMPUTE, "N1 Predefined Instance Ram running in Frankfurt", "gibibyte hour", "0.005453")
SPOT_CORE = sku(COMPUTE, "Spot Preemptible E2 Instance Core running in Frankfurt", "hour", "0.00843")
SPOT_RAM = sku(
    COMPUTE, "Spot Preemptible E2 Instance Ram running in Frankfurt", "gibibyte hour", "0.00113")
CPU_FEE = sku(COMPUTE, "Commitment v1: E2 Cpu in Frankfurt for 1 Year", "hour", "0.0177")
RAM_FEE = sku(COMPUTE, "Commitment v1: E2 Ram in Frankfurt for 1 Year", "gibibyte hour", "0.00237")
DISK = sku(COMPUTE, "Balanced PD Capacity in Frankfurt", "gibibyte month", "0.12")
EGRESS = sku(COMPUTE, "Network Internet Data Transfer Out from Frankfurt to EMEA", "gibibyte",
             "0.12", "0.085")
LICENCE = sku(COMPUTE, "Licensing Fee for SUSE Linux Enterprise Server (CPU cost)", "hour", "0.11",
              seller=None, transaction_type="THIRD_PARTY_RESELLER")
CLUSTER = sku(KUBERNETES, "Zonal Kubernetes Clusters", "hour", "0.1")
ANALYSIS_FREE = sku(BIGQUERY, "Analysis (EU)", "tebibyte", "0", location="EU")
ANALYSIS = sku(BIGQUERY, "Analysis (EU)", "tebibyte", "6.25", location="EU", tier=D(1))
LOGICAL = sku(BIGQUERY, "Active Logical Storage (EU)", "gibibyte month", "0.02", location="EU")
SQL_CORE = sku(SQL, "Cloud SQL for PostgreSQL: Zonal - vCPU in Frankfurt", "hour", "0.0512", "0.05")
SQL_RAM = sku(SQL, "Cloud SQL for PostgreSQL: Zonal - RAM in Frankfurt", "gibibyte hour",
              "0.0087", "0.0085")
SQL_DISK = sku(SQL, "Cloud SQL for PostgreSQL: Zonal - Standard storage in Frankfurt",
               "gibibyte month", "0.204")
SQL_FEE = sku(SQL, "Commitment - dollar based v1: Cloud SQL for 1 year", "hour", "0.28",
              location="global")
STANDARD = sku(STORAGE, "Standard Storage Frankfurt", "gibibyte month", "0.023", "0.0207")
CLASS_A = sku(STORAGE, "Regional Standard Class A Operations", "count", "0.005", block=D(1000))
LOGS_FREE = sku(LOGGING, "Log Storage cost", "gibibyte", "0", location="global")
LOGS = sku(LOGGING, "Log Storage cost", "gibibyte", "0.5", location="global", tier=D(50))
PLAN = sku(LINEAGE, "Larkspur Lineage Team Plan", "month", "180", location="global",
           seller="Larkspur Software GmbH", transaction_type="THIRD_PARTY_AGENCY")
TAX = sku(INVOICE, "Tax", "count", "0", location="global")
ROUNDING = sku(INVOICE, "Rounding error", "count", "0", location="global")


def micro(value):
    return value.quantize(MICRO)


def instant(day):
    """Midnight in Los Angeles, in UTC."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)


def pacific_day(day):
    return instant(day), instant(day + dt.timedelta(days=1))


def hours(span):
    return D(int((span[1] - span[0]).total_seconds())) / 3600


def invoice_span(period):
    """First instant of the invoice month and of the next one."""
    days = acme.days(period)
    return instant(days[0]), instant(days[-1] + dt.timedelta(days=1))


def labels(service=None, team=None, customer=None, **more):
    pairs = {"service": service, "team": team, "customer": customer} | more
    return [{"key": key.replace("__", "-"), "value": value}
            for key, value in pairs.items() if value is not None]


def compute_resource(project, name, zone=ZONE):
    number = int(hashlib.sha256(f"{SEED}|{name}".encode()).hexdigest()[:14], 16)
    return {"name": f"projects/{project.number}/instances/{name}",
            "global_name": f"//compute.googleapis.com/projects/{project.id}/zones/{zone}"
                           f"/instances/{number}"}


def credit(kind, name, amount, id_=None):
    return {"name": name, "full_name": name, "id": id_ or name, "type": kind, "amount": amount}


def place(location, zone):
    if location == "EU":
        return {"location": "eu", "country": None, "region": None, "zone": None}
    if location == "global":
        return {"location": "global", "country": None, "region": None, "zone": None}
    return {"location": zone or location, "country": "DE", "region": location, "zone": zone}


def row(period, span, item, project, **columns):
    """A row without usage and price: taxes, roundings and the frame of everything else."""
    start, end = span
    exported = instant(end.astimezone(PACIFIC).date()) + dt.timedelta(hours=9, minutes=17)
    return {
        "billing_account_id": BILLING_ACCOUNT,
        "service": {"id": item.service[0], "description": item.service[1]},
        "sku": {"id": item.id, "description": item.description},
        "usage_start_time": start,
        "usage_end_time": end,
        "project": project and {
            "id": project.id, "number": project.number, "name": project.name,
            "labels": [{"key": "cost-center", "value": project.cost_center}],
            "ancestry_numbers": f"/{project.number}/100000000001/",
            "ancestors": [
                {"resource_name": f"projects/{project.number}", "display_name": project.name},
                {"resource_name": "organizations/100000000001", "display_name": "acme.example"}]},
        "labels": [], "system_labels": [], "tags": [], "credits": [],
        "location": place(item.location, None),
        "resource": {},
        "subscription": {},
        "transaction_type": item.transaction_type,
        "seller_name": item.seller,
        "export_time": exported,
        "currency": "USD",
        "currency_conversion_rate": D(1),
        "usage": {"amount": D(0), "amount_in_pricing_units": D(0)},
        "invoice": {"month": period.replace("-", ""), "publisher_type": "GOOGLE"},
        "cost_type": "regular",
        "adjustment_info": {},
        "consumption_model": DEFAULT_MODEL,
    } | columns


def money(cost):
    """The four costs of a row that has no price."""
    return {name: cost for name in ("cost", "cost_at_list", "cost_at_effective_price_default",
                                    "cost_at_list_consumption_model")}


def metered(period, span, item, project, amount, price=None, zone=None, **columns):
    """A row of usage; `amount` is in pricing units and `price` what a commitment makes of it."""
    base_unit, factor = UNITS[item.unit]
    price = item.price if price is None else price

    def cost(unit_price):
        return micro(unit_price * amount / item.block)

    return row(period, span, item, project, **{
        "location": place(item.location, zone),
        "usage": {"amount": amount * factor, "unit": base_unit,
                  "amount_in_pricing_units": amount, "pricing_unit": item.unit},
        "price": {"effective_price": price, "effective_price_default": item.price,
                  "list_price": item.list_price, "list_price_consumption_model": item.list_price,
                  "tier_start_amount": item.tier, "unit": item.unit,
                  "pricing_unit_quantity": item.block},
        "cost": cost(price),
        "cost_at_list": cost(item.list_price),
        "cost_at_effective_price_default": cost(item.price),
        "cost_at_list_consumption_model": cost(item.list_price),
    } | columns)
