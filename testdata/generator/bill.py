"""Writes the bill of one billing period, line by line, as AWS would.

Order of the sections is the order in which a bill comes about: usage, commitments, discounts,
fees, credits and refunds, and last the tax on what was billed.
"""

import datetime as dt
from decimal import Decimal as D

from . import acme
from .acme import PAYER, PRODUCTION, SAVINGS_PLANS, days, noise, weekday_factor
from .commitments import RESERVATIONS, SAVINGS_PLANS as PLANS, running_hours
from .lines import (
    line, metered, midnight, month_span, quantity, reservation_columns, savings_plan_columns,
    savings_plan_fee_columns, text,
)
from .monthly import (
    EDP_RATE, EDP_SERVICES, credits_and_refunds, enterprise_discount, marketplace, support, tax,
    unknown_type,
)

DAY = dt.timedelta(days=1)


def bill(period):
    """All line items of a billing period."""
    rows = []
    for day in days(period):
        rows += on_demand(period, day)
        rows += eks_nodes(period, day)
        rows += spot(period, day)
        rows += reserved_usage(period, day)
        rows += savings_plan_day(period, day)
    rows += reservation_fees(period)
    rows += marketplace(period)
    rows += enterprise_discount(period, rows)
    rows += credits_and_refunds(period)
    rows += support(period, rows)
    rows += unknown_type(period)
    rows += tax(period, rows)
    return rows


def usage(period, day, account, meter, amount, resource_id, tags, **columns):
    """One day of usage at the on-demand price, the enterprise discount shown in the net cost."""
    cost = meter.rate * amount
    discounted = {}
    if meter.service.code in EDP_SERVICES:
        off = cost * EDP_RATE
        discounted = {
            "line_item_net_unblended_cost": cost - off,
            "line_item_net_unblended_rate": text(meter.rate * (1 - EDP_RATE)),
            "discount": {"edp_discount": -off},
            "discount_total_discount": -off,
        }
    return line(period, "Usage", meter.service, account, midnight(day), midnight(day + DAY), cost,
                **(metered(meter, amount, resource_id, tags) | discounted | columns))


def on_demand(period, day):
    for resource in acme.RESOURCES:
        factor = D(1)
        if resource.swing:
            wobble = noise(resource.resource_id, resource.meter.usage_type, day) - 0.5
            factor = D(str(round(weekday_factor(day) + resource.swing * wobble, 4)))
        places = 3 if resource.meter.unit in ("Lambda-GB-Second", "Hrs", "Hours") else 6
        amount = quantity(resource.base * factor, 0 if "Request" in resource.meter.unit else places)
        free = {}
        if resource.meter is acme.LAMBDA_TIME and day.day <= 3:
            # Free tier: no rate, no cost, but the public price is there.
            free = {"line_item_unblended_cost": D(0), "line_item_net_unblended_cost": D(0),
                    "line_item_blended_cost": D(0), "line_item_unblended_rate": "0",
                    "line_item_blended_rate": "0", "pricing_term": "",
                    "line_item_usage_type": "Global-Lambda-GB-Second",
                    "line_item_line_item_description": "AWS Lambda - Compute Free Tier"}
        yield usage(period, day, resource.account, resource.meter, amount, resource.resource_id,
                    resource.tags, **free)


def eks_nodes(period, day):
    for node in acme.NODES:
        yield usage(period, day, PRODUCTION, acme.M7G, D(24), node, acme.NODE_TAGS)
        yield from split_rows(period, day, node)


def split_rows(period, day, node):
    """Split cost allocation of one node: its cost again, over pods; money only in split columns.

    The node has 4 vCPU and 16 GB for 24 hours; one vCPU-hour weighs as much as nine GB-hours.
    Cost and unused cost of all rows add up to the cost of the node.
    """
    meter, capacity = acme.M7G, D(24 * (4 * 9 + 16))
    cost, left = meter.rate * 24, meter.rate * 24
    shares = [(pod, unit, amount, amount * (9 if unit == "vCPU" else 1))
              for pod, vcpu, memory in acme.PODS
              for unit, amount in (("vCPU", vcpu), ("GB", memory))]
    reserved = sum(weight for _, _, _, weight in shares)
    idle = capacity - reserved
    for number, (pod, unit, amount, weight) in enumerate(shares):
        part = quantity(cost * weight / capacity, 10)
        unused = quantity(cost * idle / capacity * weight / reserved, 10)
        if number == len(shares) - 1:
            part = left - unused
        left -= part + unused
        arn = f"arn:aws:eks:{acme.REGION}:{PRODUCTION}:pod/platform/default/{pod}/{node[-2:]}"
        columns = metered(meter, amount, arn, {"aws_eks_namespace": "default"}, rate=D(0))
        columns |= {
            "line_item_operation": "EKSPod-EC2",
            "line_item_usage_type": f"EUC1-EKS-EC2-{unit}-Hours",
            "line_item_availability_zone": None,
            "pricing_public_on_demand_cost": D(0),
            "pricing_public_on_demand_rate": "",
            "split_line_item_parent_resource_id": node,
            "split_line_item_reserved_usage": amount,
            "split_line_item_actual_usage": quantity(amount * D("0.4"), 3),
            "split_line_item_split_usage": amount,
            "split_line_item_split_usage_ratio": quantity(amount / (96 if unit == "vCPU" else 384)),
            "split_line_item_split_cost": part,
            "split_line_item_net_split_cost": part,
            "split_line_item_unused_cost": unused,
            "split_line_item_net_unused_cost": unused,
            "split_line_item_public_on_demand_split_cost": part,
            "split_line_item_public_on_demand_unused_cost": unused,
        }
        yield line(period, "Usage", acme.EKS, PRODUCTION, midnight(day), midnight(day + DAY),
                   D(0), **columns)


def spot(period, day):
    """Spot: the price moves daily, there is no rate and no public price."""
    for instance, tags in acme.SPOT_FLEET:
        hours = quantity(6 + 10 * noise("spot hours", instance, day), 3)
        price = quantity(0.14 + 0.05 * noise("spot price", day), 4)
        columns = metered(acme.SPOT, hours, instance, tags) | {
            "line_item_unblended_rate": "", "line_item_blended_rate": "",
            "pricing_public_on_demand_rate": "", "pricing_term": "", "pricing_unit": "Hrs",
            "line_item_line_item_description": f"c5.2xlarge Linux/UNIX Spot in {acme.REGION}",
        }
        yield line(period, "Usage", acme.EC2, acme.DATA, midnight(day), midnight(day + DAY),
                   hours * price, **columns)


def reserved_hours(reservation, day):
    """Hours of a day that one unit of a reservation is in force."""
    start = midnight(day)
    if reservation.start >= start + DAY:
        return D(0)
    return D((start + DAY - max(start, reservation.start)) // dt.timedelta(hours=1))


def reserved_usage(period, day):
    for reservation in RESERVATIONS:
        hours = reserved_hours(reservation, day)
        for resource_id, tags in reservation.covered:
            running = D(running_hours(resource_id, day))
            covered, meter = min(running, hours), reservation.meter
            if running > covered:  # before the reservation was bought
                yield usage(period, day, reservation.account, meter, running - covered,
                            resource_id, tags)
            if not covered:
                continue
            amortised, recurring = reservation.amortised * covered, reservation.recurring * covered
            columns = metered(meter, covered, resource_id, tags) | reservation_columns(reservation)
            columns |= {
                "line_item_unblended_rate": "0", "line_item_blended_rate": "0",
                "line_item_normalization_factor": D(reservation.factor or 0) or None,
                "line_item_normalized_usage_amount":
                    covered * reservation.factor if reservation.factor else None,
                "reservation_amortized_upfront_cost_for_usage": amortised,
                "reservation_recurring_fee_for_usage": recurring,
                "reservation_effective_cost": amortised + recurring,
                "reservation_net_amortized_upfront_cost_for_usage": amortised,
                "reservation_net_recurring_fee_for_usage": recurring,
                "reservation_net_effective_cost": amortised + recurring,
            }
            yield line(period, "DiscountedUsage", meter.service, reservation.account,
                       midnight(day), midnight(day + DAY), D(0), **columns)


def reservation_fees(period):
    """The monthly fee with what stayed unused, and the upfront fee in the month of purchase."""
    start, end = month_span(period)
    for reservation in RESERVATIONS:
        if reservation.start >= end:
            continue
        hours = sum(reserved_hours(reservation, day) for day in days(period)) * reservation.units
        used = sum(min(D(running_hours(resource_id, day)), reserved_hours(reservation, day))
                   for day in days(period) for resource_id, _ in reservation.covered)
        unused, meter, factor = hours - used, reservation.meter, reservation.factor
        fee = reservation_columns(reservation) | {
            "product": {"product_name": meter.service.name, "region": acme.REGION} | meter.product,
            "product_region_code": acme.REGION,
            "product_instance_type": meter.instance_type,
            "product_product_family": meter.family,
            "product_sku": acme.code(16, meter.usage_type, meter.operation),
            "line_item_operation": meter.operation,
            "line_item_usage_type": f"EUC1-HeavyUsage:{meter.instance_type}",
            "pricing_unit": "Hrs",
            "reservation_number_of_reservations": str(reservation.units),
            "reservation_units_per_reservation": "1",
            "reservation_subscription_id": acme.code(10, reservation.arn),
        }
        if start <= reservation.start < end and reservation.upfront:
            yield line(period, "Fee", meter.service, reservation.account, reservation.start,
                       reservation.start, reservation.upfront * reservation.units,
                       **fee | {
                           "line_item_line_item_description": "Sign up charge for subscription",
                           "line_item_usage_amount": D(reservation.units),
                           "line_item_unblended_rate": text(reservation.upfront),
                           "pricing_unit": "Quantity",
                           "reservation_total_reserved_units": str(reservation.units),
                           "reservation_total_reserved_normalized_units":
                               text(D(reservation.units * factor)) if factor else "",
                           "reservation_upfront_value": reservation.upfront * reservation.units,
                           "reservation_net_upfront_value": reservation.upfront * reservation.units,
                       })
        amortised, recurring = reservation.amortised, reservation.recurring
        yield line(period, "RIFee", meter.service, reservation.account,
                   max(start, reservation.start), end - dt.timedelta(seconds=1), recurring * hours,
                   **fee | {
                       "line_item_line_item_description":
                           f"USD {text(recurring)} hourly fee per {meter.instance_type}",
                       "line_item_usage_amount": hours,
                       "line_item_unblended_rate": text(recurring),
                       "line_item_normalization_factor": D(factor) if factor else None,
                       "line_item_normalized_usage_amount": hours * factor if factor else None,
                       "reservation_total_reserved_units": text(hours),
                       "reservation_total_reserved_normalized_units":
                           text(hours * factor) if factor else "",
                       "reservation_unused_quantity": unused,
                       "reservation_unused_normalized_unit_quantity":
                           unused * factor if factor else None,
                       "reservation_amortized_upfront_fee_for_billing_period": amortised * hours,
                       "reservation_unused_amortized_upfront_fee_for_billing_period":
                           amortised * unused,
                       "reservation_unused_recurring_fee": recurring * unused,
                       "reservation_net_amortized_upfront_fee_for_billing_period":
                           amortised * hours,
                       "reservation_net_unused_amortized_upfront_fee_for_billing_period":
                           amortised * unused,
                       "reservation_net_unused_recurring_fee": recurring * unused,
                   })


def savings_plan_day(period, day):
    """Covered usage, the negation that cancels it, and the day's fee with what was used of it."""
    for plan in PLANS:
        start, end, meter = midnight(day), midnight(day + DAY), plan.meter
        equivalent = hours = used = D(0)
        for resource_id, tags in plan.covered:
            running = D(running_hours(resource_id, day))
            if plan.start >= end:
                yield usage(period, day, PRODUCTION, meter, running, resource_id, tags)
                continue
            equivalent, hours = equivalent + meter.rate * running, hours + running
            used += plan.rate * running
            yield line(period, "SavingsPlanCoveredUsage", meter.service, PRODUCTION, start, end,
                       meter.rate * running,
                       **metered(meter, running, resource_id, tags)
                       | savings_plan_columns(plan) | {
                           "savings_plan_savings_plan_rate": plan.rate,
                           "savings_plan_savings_plan_effective_cost": plan.rate * running,
                           "savings_plan_net_savings_plan_effective_cost": plan.rate * running,
                       })
        if plan.start >= end:
            continue
        yield line(period, "SavingsPlanNegation", meter.service, PRODUCTION, start, end,
                   -equivalent, **savings_plan_columns(plan) | {
                       "line_item_usage_type": meter.usage_type,
                       "line_item_operation": meter.operation,
                       "line_item_availability_zone": f"{acme.REGION}a",
                       "line_item_usage_amount": hours,
                       "line_item_line_item_description": "SavingsPlanNegation used by "
                                                          f"AccountId : {PRODUCTION}",
                   })
        if plan.start == start:
            if plan.upfront:
                yield line(period, "SavingsPlanUpfrontFee", SAVINGS_PLANS, PAYER, start, start,
                           plan.upfront, **savings_plan_fee_columns(plan) | {
                               "line_item_line_item_description": "Savings Plan upfront fee",
                               "line_item_usage_amount": D(1), "pricing_unit": "Quantity"})
        recurring, amortised = plan.recurring * 24, plan.amortised * 24
        yield line(period, "SavingsPlanRecurringFee", SAVINGS_PLANS, PAYER, start, end, recurring,
                   **savings_plan_fee_columns(plan) | {
                       "line_item_line_item_description":
                           f"1 year {plan.option} {plan.family} Savings Plan",
                       "line_item_usage_amount": D(24),
                       "line_item_unblended_rate": text(plan.recurring),
                       "savings_plan_recurring_commitment_for_billing_period": recurring,
                       "savings_plan_amortized_upfront_commitment_for_billing_period": amortised,
                       "savings_plan_net_recurring_commitment_for_billing_period": recurring,
                       "savings_plan_net_amortized_upfront_commitment_for_billing_period":
                           amortised,
                       "savings_plan_total_commitment_to_date": recurring + amortised,
                       "savings_plan_used_commitment": used,
                   })
