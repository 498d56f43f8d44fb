"""What a bill holds besides usage and commitments: marketplace, discounts, credits, fees, tax."""

import datetime as dt
from decimal import Decimal as D

from . import acme
from .acme import PAYER, PRODUCTION, SHARED, days, weekday_factor
from .lines import line, midnight, month_span

DAY = dt.timedelta(days=1)
EDP_RATE = D("0.03")
EDP_SERVICES = {"AmazonS3", "AmazonCloudFront"}
TAX_RATE = D("0.19")


def marketplace(period):
    """A third-party product: a monthly subscription and metered hosts, sold by someone else."""
    start, end = month_span(period)
    product = acme.Service("7kq0000000000000000acme", "", "Northwind Observability")
    seller = {
        "bill_billing_entity": "AWS Marketplace",
        "bill_invoicing_entity": "Amazon Web Services EMEA SARL",
        "line_item_legal_entity": "Northwind Software GmbH",
        "product_servicecode": None, "product_sku": acme.code(16, "northwind"),
        "product_region_code": "", "line_item_operation": "",
    }
    yield line(period, "Fee", product, PAYER, start, end, D("299"),
               **seller | {"line_item_line_item_description": "AWS Marketplace subscription fee",
                           "line_item_usage_amount": D(1), "line_item_usage_type": "Subscription",
                           "line_item_unblended_rate": "299", "pricing_unit": "Quantity"})
    for day in days(period):
        hosts = D(168 if weekday_factor(day) < 1 else 240)
        yield line(period, "Usage", product, PRODUCTION, midnight(day), midnight(day + DAY),
                   hosts * D("0.021"), **seller | {
                       "line_item_line_item_description": "AWS Marketplace hourly software usage",
                       "line_item_usage_amount": hosts, "line_item_unblended_rate": "0.021",
                       "line_item_usage_type": "EUC1-SoftwareUsage:host", "pricing_unit": "Hrs",
                       "line_item_resource_id": "",
                       "resource_tags": {"user_service": "monitoring", "user_team": "platform"},
                       "pricing_public_on_demand_cost": hosts * D("0.021"),
                       "pricing_public_on_demand_rate": "0.021"})


def enterprise_discount(period, rows):
    """One discount line per account and service; on the net basis it is inside the usage lines."""
    start, end = month_span(period)
    totals = {}
    for row in rows:
        if row["line_item_product_code"] in EDP_SERVICES:
            key = row["line_item_usage_account_id"], row["line_item_product_code"]
            totals[key] = totals.get(key, D(0)) + row["line_item_unblended_cost"]
    for (account, product_code), total in sorted(totals.items()):
        service = acme.S3 if product_code == "AmazonS3" else acme.CLOUDFRONT
        yield line(period, "EdpDiscount", service, account, start, end, -total * EDP_RATE,
                   line_item_net_unblended_cost=D(0), line_item_usage_type="",
                   line_item_line_item_description="Enterprise Program Discount")


def credits_and_refunds(period):
    start, end = month_span(period)
    sessions = "arn:aws:dynamodb:eu-central-1:222222222222:table/sessions"
    yield line(period, "Credit", acme.DYNAMODB, PRODUCTION, start, end, D("-18.75"),
               line_item_resource_id=sessions, line_item_usage_type="EUC1-ReadRequestUnits",
               line_item_line_item_description="AWS Activate credit")
    yield line(period, "Credit", acme.LAMBDA, PRODUCTION, start, end, D("-5"),
               line_item_usage_type="", line_item_resource_id="",
               line_item_line_item_description="Serverless promotion")
    if period == "2026-02":
        day = midnight(dt.date(2026, 2, 6))
        yield line(period, "Credit", acme.CLOUDWATCH, SHARED, day, day + DAY, D("-3.3"),
                   line_item_line_item_description="Service level agreement credit")
        yield line(period, "Refund", acme.S3, PRODUCTION, day, day + DAY, D("-7.35"),
                   line_item_resource_id="acme-media", bill_bill_type="Refund",
                   line_item_usage_type="EUC1-Requests-Tier1",
                   line_item_line_item_description="Refund for duplicated request charges")
    if period == "2026-03":
        yield line(period, "Refund", acme.RDS, acme.DATA, start, end, D("-12.4"),
                   bill_bill_type="Refund", line_item_usage_type="",
                   line_item_line_item_description="Refund for storage incident")


def support(period, rows):
    """Business support: a tenth of the usage, at least 100 dollars."""
    start, end = month_span(period)
    base = sum(row["line_item_unblended_cost"] for row in rows
               if row["line_item_line_item_type"] == "Usage")
    fee = max(D(100), (base / 10).quantize(D("0.01")))
    yield line(period, "Fee", acme.SUPPORT, PAYER, start, end, fee,
               line_item_line_item_description="AWS Support (Business)",
               line_item_usage_type="Dollar", line_item_usage_amount=D(1),
               line_item_unblended_rate="", pricing_unit="Dollar", product_region_code="")


def unknown_type(period):
    """A line item type nobody has heard of yet: kept, shown as an adjustment, warned about."""
    if period != "2026-03":
        return
    start, end = month_span(period)
    yield line(period, "CarbonContribution", acme.EC2, PAYER, start, end, D("0.42"),
               line_item_line_item_description="Carbon contribution", line_item_usage_type="")


def tax(period, rows):
    """VAT per account and service on what was billed, rounded to the cent on each line."""
    start, end = month_span(period)
    totals = {}
    for row in rows:
        if row["bill_billing_entity"] != "AWS" or row["line_item_line_item_type"] == "Refund":
            continue
        name = row["product"]["product_name"]
        key = row["line_item_usage_account_id"], row["line_item_product_code"], name
        totals[key] = totals.get(key, D(0)) + row["line_item_unblended_cost"]
    for (account, product_code, name), total in sorted(totals.items()):
        amount = (total * TAX_RATE).quantize(D("0.01"))
        if amount:
            service = acme.Service(product_code, product_code, name)
            yield line(period, "Tax", service, account, start, end, amount,
                       line_item_tax_type="VAT", line_item_operation="", line_item_usage_type="",
                       line_item_line_item_description=f"VAT on {product_code}")
