"""Builds single bill lines: identity, account, SKU and price columns that every line carries."""

import base64
import calendar
import datetime as dt
import hashlib
from decimal import Decimal as D

from .acme import ACCOUNTS, OPEN_PERIOD, PAYER, REGION, SAVINGS_PLANS, SEED, code

UTC = dt.timezone.utc
ON_DEMAND_TERM, HOURLY_RATE = "JRTCKXETXF", "6YS6EN2CT7"
COST_CATEGORIES = {
    "storefront": "commerce", "discovery": "commerce", "content": "commerce",
    "accounts": "dedicated", "data": "insight", "finance": "back office",
}


def midnight(day):
    return dt.datetime(day.year, day.month, day.day, tzinfo=UTC)


def month_span(period):
    """First instant of a billing period and of the next one."""
    year, month = map(int, period.split("-"))
    start = dt.datetime(year, month, 1, tzinfo=UTC)
    return start, start + dt.timedelta(days=calendar.monthrange(year, month)[1])


def text(number):
    """A decimal without exponent or trailing zeros, as AWS writes rates."""
    return format(number.normalize(), "f")


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def quantity(value, places=6):
    return D(value).quantize(D(1).scaleb(-places))


def line(period, kind, service, account, start, end, cost, **columns):
    """One line item with everything a line always has; `columns` add to it or override."""
    period_start, period_end = month_span(period)
    interval = f"{iso(start)}/{iso(max(end, start))}"
    key = "|".join([SEED, period, kind, service.servicecode, account, interval,
                    *(f"{k}={columns[k]}" for k in sorted(columns))])
    digest = hashlib.sha256(key.encode()).digest()
    final = period != OPEN_PERIOD
    return {
        "identity_line_item_id": base64.b32encode(digest).decode().lower().rstrip("="),
        "identity_time_interval": interval,
        "bill_invoice_id": f"EUINACME-{period.replace('-', '')}01" if final else "",
        "bill_invoicing_entity": "Amazon Web Services EMEA SARL",
        "bill_billing_entity": "AWS",
        "bill_bill_type": "Anniversary",
        "bill_payer_account_id": PAYER,
        "bill_payer_account_name": ACCOUNTS[PAYER],
        "bill_billing_period_start_date": period_start,
        "bill_billing_period_end_date": period_end,
        "line_item_usage_account_id": account,
        "line_item_usage_account_name": ACCOUNTS[account],
        "line_item_line_item_type": kind,
        "line_item_usage_start_date": start,
        "line_item_usage_end_date": end,
        "line_item_product_code": service.code,
        "line_item_currency_code": "USD",
        "line_item_legal_entity": "Amazon Web Services EMEA SARL",
        "line_item_unblended_cost": cost,
        "line_item_net_unblended_cost": cost,
        "line_item_blended_cost": cost,
        "pricing_currency": "USD",
        "product": {"product_name": service.name},
        "product_servicecode": service.servicecode,
    } | columns


def metered(meter, amount, resource_id, tags, rate=None):
    """SKU, price and quantity columns of one day of metered usage; no cost."""
    rate = meter.rate if rate is None else rate
    sku = code(16, meter.usage_type, meter.operation)
    rate_code = f"{sku}.{ON_DEMAND_TERM}.{HOURLY_RATE}"
    in_region = meter.region != "global"
    described = f"${text(rate)} per {meter.unit} {meter.usage_type}"
    return {
        "line_item_availability_zone": f"{meter.region}a" if meter.instance_type else None,
        "line_item_line_item_description": described,
        "line_item_operation": meter.operation,
        "line_item_resource_id": resource_id,
        "line_item_usage_type": meter.usage_type,
        "line_item_usage_amount": amount,
        "line_item_unblended_rate": text(rate),
        "line_item_blended_rate": text(rate),
        "pricing_public_on_demand_cost": meter.rate * amount,
        "pricing_public_on_demand_rate": text(meter.rate),
        "pricing_rate_code": rate_code,
        "pricing_rate_id": str(int.from_bytes(rate_code.encode()[:6], "big")),
        "pricing_term": "OnDemand",
        "pricing_unit": meter.unit,
        "product": {
            "product_name": meter.service.name, "servicename": meter.service.name,
            "region": meter.region} | meter.product,
        "product_instance_type": meter.instance_type,
        "product_operation": meter.operation,
        "product_product_family": meter.family,
        "product_region_code": meter.region if in_region else "global",
        "product_from_region_code": REGION if meter.family == "Data Transfer" and in_region else None,
        "product_location": "EU (Frankfurt)" if in_region else "Any",
        "product_location_type": "AWS Region" if in_region else "Other",
        "product_sku": sku,
        "product_usagetype": meter.usage_type,
        "reservation_subscription_id": "".join(c for c in rate_code if c.isdigit()) + "0",
        "resource_tags": tags or None,
        "cost_category": cost_category(tags),
        # Newer exports repeat every tag here with a prefix; only the account's own tag is ours.
        "tags": {"accountTag/owner": "finops"},
    }


def cost_category(tags):
    unit = COST_CATEGORIES.get((tags or {}).get("user_team"))
    return {"business_unit": unit} if unit else None


def reservation_columns(reservation):
    """What every line under a Reserved Instance repeats about it."""
    end = reservation.start + dt.timedelta(days=365)
    return {
        "reservation_reservation_a_r_n": reservation.arn,
        "reservation_start_time": reservation.start.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "reservation_end_time": end.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "reservation_modification_status": "Original",
        "pricing_term": "Reserved",
        "pricing_purchase_option": reservation.option,
        "pricing_lease_contract_length": "1yr",
        "pricing_offering_class": "standard",
    }


def savings_plan_columns(plan):
    """What every line under a Savings Plan repeats about it."""
    end = plan.start + dt.timedelta(days=365)
    return {
        "savings_plan_savings_plan_a_r_n": plan.arn,
        "savings_plan_start_time": plan.start.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "savings_plan_end_time": end.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "savings_plan_offering_type": "EC2InstanceSavingsPlans",
        "savings_plan_payment_option": plan.option,
        "savings_plan_purchase_term": "1yr",
        "savings_plan_region": REGION,
        "savings_plan_instance_type_family": plan.family,
    }


def savings_plan_fee_columns(plan):
    """Columns of the fees of a Savings Plan."""
    return savings_plan_columns(plan) | {
        "product": {"product_name": SAVINGS_PLANS.name},
        "product_product_family": "EC2InstanceSavingsPlans",
        "product_region_code": REGION,
        "line_item_usage_type": f"EUC1-EC2SP:{plan.family}.1yr{plan.option.replace(' ', '')}",
        "line_item_operation": "",
        "pricing_unit": "Hrs",
    }
