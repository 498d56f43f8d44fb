"""What the acquired business runs at Azure, its app `loyalty`, and how one row of that bill is built.

A Microsoft Customer Agreement in US dollars. Quantities count blocks of the unit of measure and
are rounded to eight decimals; costs are computed before that rounding and not rounded at all.
"""

import datetime as dt
import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal as D

from . import acme
from .acme import OPEN_PERIOD, SEED, code

UTC = dt.timezone.utc


def guid(*keys):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join([SEED, *map(str, keys)])))


BILLING_ACCOUNT = f"{guid('billing account')}:{guid('tenant')}_2019-05-31"
PROFILE, SECTION = "LOYA-LTY1-BG7-PGB", "APPS-0001-PJA-PGB"
PRODUCTION = (guid("subscription", "production"), "loyalty-production")
DEVELOPMENT = (guid("subscription", "development"), "loyalty-development")
LOCATION = "westeurope"
EIGHT = D("0.00000001")


@dataclass(frozen=True)
class Meter:
    """A price list entry; `price` is Acme's price for one unit of measure, `payg` the public one."""

    service: str  # resource provider
    category: str
    subcategory: str
    name: str
    unit: str
    payg: D
    price: D
    family: str = "Compute"
    region: str = "EU West"
    info: dict = field(default_factory=dict)

    @property
    def product(self):
        return f"{self.subcategory} - {self.name} - {self.region}"

    @property
    def product_id(self):
        return f"DZH318Z0{code(4, self.product)}{code(4, 'product', self.product)}"

    @property
    def meter_id(self):
        return guid("meter", self.product)


def vm(size, cores, payg, price=None, spot=False):
    series = "Dsv5 Series" if size.startswith("D") else "Esv5 Series" if size[0] == "E" else "BS Series"
    name = size.replace("_", " ") + (" Spot" if spot else "")
    return Meter("Microsoft.Compute", "Virtual Machines", f"Virtual Machines {series}", name, "1 Hour",
                 D(payg), D(price or payg),
                 info={"ServiceType": f"Standard_{size}", "VCPUs": cores, "UsageType": "ComputeHR"})


D4S = vm("D4s_v5", 4, "0.23", "0.2185")
E4S = vm("E4s_v5", 4, "0.304", "0.2888")
B2S = vm("B2s", 2, "0.048")
D2S_SPOT = vm("D2s_v5", 2, "0.0207", spot=True)
DISK = Meter("Microsoft.Compute", "Storage", "Premium SSD Managed Disks", "P10 LRS Disk", "1/Month",
             D("21.68"), D("21.68"), "Storage")
SQL_CORE = Meter("Microsoft.Sql", "SQL Database",
                 "SQL Database Single/Elastic Pool General Purpose - Compute Gen5", "vCore", "1 Hour",
                 D("0.2112"), D("0.20064"), "Databases")
SQL_DATA = Meter("Microsoft.Sql", "SQL Database",
                 "SQL Database Single/Elastic Pool General Purpose - Storage", "Data Stored",
                 "1 GB/Month", D("0.1266"), D("0.1266"), "Databases")
BLOB = Meter("Microsoft.Storage", "Storage", "Tiered Block Blob", "Hot LRS Data Stored",
             "1 GB/Month", D("0.0196"), D("0.01862"), "Storage")
WRITES = Meter("Microsoft.Storage", "Storage", "Tiered Block Blob", "Hot LRS Write Operations",
               "10K", D("0.054"), D("0.054"), "Storage")
READS = Meter("Microsoft.Storage", "Storage", "Tiered Block Blob", "Hot Read Operations", "10K",
              D("0.0043"), D("0.0043"), "Storage")
EGRESS = Meter("Microsoft.Compute", "Bandwidth", "Rtn Preference: MGN", "Standard Data Transfer Out",
               "1 GB", D("0.08"), D("0.076"), "Networking")
CALLS = Meter("Microsoft.Web", "Functions", "Functions", "Standard Total Executions", "10",
              D("0.000002"), D("0.000002"))
VAULT = Meter("Microsoft.KeyVault", "Key Vault", "Key Vault", "Operations", "10K", D("0.03"),
              D("0.03"), "Security")
LOGS = Meter("Microsoft.OperationalInsights", "Log Analytics", "Log Analytics",
             "Analytics Logs Data Ingestion", "1 GB", D("2.76"), D("2.76"),
             "Management and Governance")
CDN = Meter("Microsoft.Cdn", "Content Delivery Network", "Azure CDN from Microsoft",
            "Standard Data Transfer", "1 GB", D("0.081"), D("0.081"), "Networking", "Zone 1")
RESERVED = Meter("", "Virtual Machines", "Virtual Machines Dsv5 Series", "D4s v5", "1 Hour",
                 D("100.74"), D("100.74"))
PLANNED = Meter("", "Savings Plan", "Compute Savings Plan", "Compute Savings Plan, 1 Year",
                "1 Hour", D(0), D(0), region="Global")


@dataclass(frozen=True)
class Benefit:
    """A reservation or savings plan: its order is bought, its single item is used."""

    model: str
    provider: str
    orders: str
    items: str
    name: str
    order_name: str
    rate: D  # amortised, per hour: of one instance, or of the whole plan

    @property
    def order(self):
        return guid("order", self.name)

    @property
    def item(self):
        return guid("benefit", self.name)

    def bought(self):
        """Columns of a purchase: the id ends where the item would stand."""
        return {"benefitId": f"/providers/{self.provider}/{self.orders}/{self.order}/{self.items}/",
                "benefitName": self.name, "pricingModel": self.model, "productOrderId": self.order,
                "productOrderName": self.order_name, "term": "12"} | self.reservation(self.order)

    def used(self):
        return {"benefitId": f"/providers/{self.provider}/{self.orders}/{self.order}/{self.items}/"
                             f"{self.item}",
                "benefitName": self.name, "pricingModel": self.model, "term": "12",
                } | self.reservation(self.item)

    def reservation(self, id_):
        if self.model != "Reservation":
            return {}
        return {"reservationId": id_, "reservationName": self.name}


RESERVATION = Benefit("Reservation", "Microsoft.Capacity", "reservationOrders", "reservations",
                      "loyalty-vms", "Reserved VM Instance, Standard_D4s_v5, EU West, 1 Year",
                      D("0.138"))
SAVINGS_PLAN = Benefit("SavingsPlan", "Microsoft.BillingBenefits", "savingsPlanOrders",
                       "savingsPlans", "loyalty-compute", "Compute Savings Plan, 1 Year", D("0.36"))
PLAN_DISCOUNT = D("0.7")  # what the plan charges for an hour, of the public price


def midnight(day):
    return dt.datetime(day.year, day.month, day.day, tzinfo=UTC)


def resource_id(subscription, group, provider, kind, name):
    return (f"/subscriptions/{subscription[0]}/resourceGroups/{group}/providers/{provider}/{kind}"
            f"/{name}")


def tags(service=None, team=None, customer=None, **more):
    pairs = {"service": service, "team": team, "customer": customer} | more
    return json.dumps({key: value for key, value in pairs.items() if value is not None})


def row(period, day, meter, subscription, quantity, cost, **columns):
    """A row as both datasets have it."""
    first, last = acme.days(period)[0], acme.days(period)[-1]
    final = period != OPEN_PERIOD
    shown = D(quantity).quantize(EIGHT)
    public = meter.payg * shown
    info = json.dumps(meter.info) if meter.info else ""
    return {
        "invoiceId": f"G{int(period.replace('-', '')):09d}" if final else "",
        "billingAccountId": BILLING_ACCOUNT,
        "billingAccountName": "Acme Loyalty",
        "billingProfileId": PROFILE,
        "billingProfileName": "Loyalty",
        "invoiceSectionId": SECTION,
        "invoiceSectionName": "Apps",
        "billingPeriodStartDate": midnight(first) if final else None,
        "billingPeriodEndDate": midnight(last) if final else None,
        "servicePeriodStartDate": midnight(first),
        "servicePeriodEndDate": midnight(last),
        "date": midnight(day),
        "serviceFamily": meter.family,
        "consumedService": meter.service,
        "meterId": meter.meter_id,
        "meterName": meter.name,
        "meterCategory": meter.category,
        "meterSubCategory": meter.subcategory,
        "meterRegion": meter.region,
        "ProductId": meter.product_id,
        "ProductName": meter.product,
        "SubscriptionId": subscription and subscription[0],
        "subscriptionName": subscription and subscription[1],
        "publisherType": "Microsoft",
        "publisherName": "Microsoft",
        "resourceLocation": LOCATION,
        "location": "EU West",
        "effectivePrice": meter.price,
        "quantity": shown,
        "unitOfMeasure": meter.unit,
        "chargeType": "Usage",
        "billingCurrency": "USD",
        "pricingCurrency": "USD",
        "costInBillingCurrency": cost,
        "costInPricingCurrency": cost,
        "costInUsd": cost,
        "paygCostInBillingCurrency": public,
        "paygCostInUsd": public,
        "exchangeRatePricingToBilling": D(1),
        "exchangeRateDate": midnight(first),
        "isAzureCreditEligible": "True",
        "additionalInfo": info,
        "PayGPrice": meter.payg,
        "frequency": "UsageBased",
        "pricingModel": "OnDemand",
        "unitPrice": meter.price,
        "provider": "Azure",
    } | columns
