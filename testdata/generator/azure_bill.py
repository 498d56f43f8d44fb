"""Writes the Azure bill of one month as its two datasets: actual and amortized cost."""

import datetime as dt
from decimal import Decimal as D

from . import acme, azure
from .acme import noise, weekday_factor
from .azure import (
    DEVELOPMENT, PLAN_DISCOUNT, PRODUCTION, RESERVATION, SAVINGS_PLAN, resource_id, row, tags,
)

LOYALTY = tags("loyalty", "loyalty")


def machine(name, group="rg-loyalty", subscription=PRODUCTION):
    return resource_id(subscription, group, "Microsoft.Compute", "virtualMachines", name)


def bill(period):
    """Rows of the actual and of the amortized dataset."""
    actual, amortized = [], []
    for day in acme.days(period):
        both = list(on_demand(period, day))
        actual += both
        amortized += both
        for used, unused in (reserved(period, day), planned(period, day)):
            # Actual cost shows usage under a commitment for nothing and no unused part.
            actual += [entry | {"costInBillingCurrency": D(0), "costInPricingCurrency": D(0),
                                "costInUsd": D(0), "effectivePrice": D(0)} for entry in used]
            amortized += used + unused
    both = list(monthly(period))
    actual += both + list(commitments(period))
    amortized += both
    return actual, amortized


def usage(period, day, meter, quantity, resource, tag=None, subscription=PRODUCTION, **columns):
    quantity = D(quantity)
    group = resource.split("/")[4] if resource else ""
    return row(period, day, meter, subscription, quantity, meter.price * quantity.quantize(D("1e-10")),
               ResourceId=resource, resourceGroupName=group, tags=tag, **columns)


def on_demand(period, day):
    """What is paid by use: machines, databases, storage, traffic, functions."""
    wobble = D(str(round(weekday_factor(day) + 0.4 * noise("azure", day), 4)))
    share = D(1) / len(acme.days(period))
    database = resource_id(PRODUCTION, "rg-loyalty", "Microsoft.Sql", "servers/loyalty/databases",
                           "loyalty")
    dedicated = resource_id(PRODUCTION, "rg-loyalty", "Microsoft.Sql", "servers/loyalty/databases",
                            "fjord")
    account = resource_id(PRODUCTION, "rg-loyalty", "Microsoft.Storage", "storageAccounts",
                          "acmeloyalty")
    # Azure writes the same resource in different case from day to day.
    shown = account.upper() if day.day % 7 == 0 else account
    yield usage(period, day, azure.B2S, 10, machine("vm-dev-1", "rg-dev", DEVELOPMENT),
                subscription=DEVELOPMENT, resourceLocation="West Europe")
    yield usage(period, day, azure.D2S_SPOT, D(8) * wobble.quantize(D("0.01")),
                machine("vm-reports-spot"), tags("reporting", "data"), pricingModel="Spot")
    yield usage(period, day, azure.DISK, share, resource_id(
        PRODUCTION, "rg-loyalty", "Microsoft.Compute", "disks", "vm-loyalty-1-os"), LOYALTY)
    yield usage(period, day, azure.SQL_CORE, 96, database, tags("loyalty-db", "loyalty"))
    yield usage(period, day, azure.SQL_DATA, 180 * share, database, tags("loyalty-db", "loyalty"))
    yield usage(period, day, azure.SQL_CORE, 48, dedicated, tags("loyalty-db", "loyalty", "fjord"))
    yield usage(period, day, azure.BLOB, 900 * share, shown, LOYALTY)
    yield usage(period, day, azure.WRITES, D("18.25") * wobble, shown, LOYALTY)
    yield usage(period, day, azure.READS, D("140.5") * wobble, account, LOYALTY)
    yield usage(period, day, azure.EGRESS, D("22.4") * wobble, machine("vm-loyalty-1"), LOYALTY)
    yield usage(period, day, azure.CALLS, (D(41000) * wobble).quantize(D("0.1")), resource_id(
        PRODUCTION, "rg-loyalty", "Microsoft.Web", "sites", "loyalty-hooks"), LOYALTY)
    yield usage(period, day, azure.VAULT, D("1.75") * wobble, resource_id(
        PRODUCTION, "rg-shared", "Microsoft.KeyVault", "vaults", "acme-loyalty"),
        tags(Env="prod", env="production"),
        consumedService="MICROSOFT.KEYVAULT" if day.day % 2 else "Microsoft.KeyVault")
    yield usage(period, day, azure.LOGS, D("1.9") * wobble, resource_id(
        PRODUCTION, "rg-shared", "Microsoft.OperationalInsights", "workspaces", "acme-loyalty"),
        tags("monitoring", "platform"))
    yield usage(period, day, azure.CDN, D("75.5") * wobble, resource_id(
        PRODUCTION, "rg-shared", "Microsoft.Cdn", "profiles", "loyalty-cdn"),
        tags("cdn", "platform"), resourceLocation="", location="")


def covered(period, day, meter, hours, cost, benefit, resource, tag):
    entry = usage(period, day, meter, hours, resource, tag, **benefit.used())
    return entry | {"costInBillingCurrency": cost, "costInPricingCurrency": cost,
                    "costInUsd": cost, "effectivePrice": (cost / hours).quantize(D("1e-12")),
                    # the price sheet has no negotiated price for what a reservation covers
                    "unitPrice": D(0) if benefit is RESERVATION else meter.price}


def unused(period, day, meter, quantity, cost, benefit, kind):
    return row(period, day, meter, None, quantity, cost, chargeType=kind, consumedService="",
               resourceLocation=azure.LOCATION, unitPrice=D(0), effectivePrice=cost / quantity,
               PayGPrice=D(0), paygCostInBillingCurrency=D(0), paygCostInUsd=D(0),
               **benefit.used())


def reserved(period, day):
    """Two reserved machines, one of them off at weekends."""
    used, idle = [], D(48)
    for name, hours in (("vm-loyalty-1", D(24)), ("vm-loyalty-2", D(24 if day.weekday() < 5 else 0))):
        if hours:
            used.append(covered(period, day, azure.D4S, hours, RESERVATION.rate * hours, RESERVATION,
                                machine(name), LOYALTY))
        idle -= hours
    rest = [unused(period, day, azure.D4S, idle, RESERVATION.rate * idle, RESERVATION,
                   "UnusedReservation")] if idle else []
    return used, rest


def planned(period, day):
    """A savings plan over a machine of the app and a batch machine that sleeps at weekends."""
    used, left = [], SAVINGS_PLAN.rate * 24
    machines = [("vm-loyalty-3", azure.D4S, D(24), LOYALTY)]
    if day.weekday() < 5:
        machines.append(("vm-reports-1", azure.E4S, D(20 if day.day % 3 else 18),
                         tags("reporting", "data")))
    for name, meter, hours, tag in machines:
        cost = min(left, meter.payg * PLAN_DISCOUNT * hours)
        used.append(covered(period, day, meter, hours, cost, SAVINGS_PLAN, machine(name), tag))
        left -= cost
    rest = [unused(period, day, azure.PLANNED, D(1), left, SAVINGS_PLAN,
                   "UnusedSavingsPlan")] if left else []
    return used, rest


def commitments(period):
    """Purchases: in actual cost only."""
    first = acme.days(period)[0]
    days = len(acme.days(period))

    def bought(day, meter, benefit, quantity, cost, kind="Purchase", frequency="Recurring"):
        return row(period, day, meter, None, quantity, cost, chargeType=kind, frequency=frequency,
                   consumedService="", effectivePrice=cost / quantity, unitPrice=cost / quantity,
                   PayGPrice=D(0), paygCostInBillingCurrency=D(0), paygCostInUsd=D(0),
                   isAzureCreditEligible="False", **benefit.bought())

    yield bought(first, azure.RESERVED, RESERVATION, D(2), 2 * azure.RESERVED.price)
    fee = SAVINGS_PLAN.rate * 24 * days
    yield bought(first, azure.PLANNED, SAVINGS_PLAN, D(1), fee)
    if period == "2026-03":  # part of the reservation was exchanged
        yield bought(dt.date(2026, 3, 17), azure.RESERVED, RESERVATION, D(1), D("-12.5"), "Refund",
                     "OneTime")


def monthly(period):
    """A marketplace subscription, a refund, a rounding."""
    first, last = acme.days(period)[0], acme.days(period)[-1]
    price = D(89)
    plan = azure.Meter("Microsoft.SaaS", "SaaS", "Birdwatch Alerts", "Team Plan", "1/Month", price,
                       price, "Azure Marketplace Services", "Global")
    yield row(period, first, plan, PRODUCTION, D(1), price, chargeType="Purchase",
              frequency="Recurring", publisherType="Marketplace", publisherName="Birdwatch Labs Ltd",
              resourceLocation="Unassigned", location="Unassigned", isAzureCreditEligible="False",
              tags=tags("monitoring", "platform"), resourceGroupName="rg-shared",
              ResourceId=resource_id(PRODUCTION, "rg-shared", "Microsoft.SaaS", "resources",
                                     "birdwatch"))
    if period == "2026-02":
        yield usage(period, dt.date(2026, 2, 9), azure.EGRESS, D("-60"), machine("vm-loyalty-1"),
                    LOYALTY, chargeType="Refund", frequency="OneTime")
    if period == "2026-01":
        rounding = azure.Meter("", "Rounding", "Rounding", "Rounding Adjustment", "1", D(0), D(0),
                               "Other", "Global")
        yield row(period, last, rounding, None, D(1), D("-0.003"), chargeType="RoundingAdjustment",
                  frequency="OneTime", resourceLocation="", location="", pricingModel="")


def bill_until(period, until):
    """What a run saw that was made when the month had got to `until`."""
    return [[entry for entry in rows if entry["date"].date() <= until] for rows in bill(period)]
