"""Turns a range of hours into CUR 2.0 line items, column by column."""

import numpy as np
import pyarrow as pa

from generator import cur2

from . import estate
from .estate import ACCOUNTS, HOURS, METERS, PAYER, REGIONS

HOUR_MS = 3_600_000
MONTH_START = int(np.datetime64(f"{estate.YEAR}-{estate.MONTH:02d}-01", "ms").astype(np.int64))
MONTH_END = MONTH_START + HOURS * HOUR_MS
KINDS = np.array([meter[0] for meter in METERS])
ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)


def of_hours(world, hours, last):
    """Usage of these hours with their negation and fee rows; `last` adds the monthly rows."""
    blocks = [usage(world, hours), negation(world, hours), plan_fees(world, hours)]
    if last:
        blocks += [monthly(world)]
    table = pa.concat_tables(blocks).unify_dictionaries()
    ids = line_ids(table.num_rows, hours.start)
    position = cur2.SCHEMA.get_field_index("identity_line_item_id")
    return table.set_column(position, "identity_line_item_id", ids)


def line_ids(count, seed):
    """Unique 52-character ids as AWS writes them: random, hence incompressible."""
    letters = ALPHABET[np.random.default_rng(seed).integers(0, 32, count * 52, dtype=np.uint8)]
    offsets = np.arange(0, (count + 1) * 52, 52, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(letters.tobytes())])


def assemble(count, columns):
    """A table with all columns of the export; what is not given is NULL."""
    arrays, fields = [], []
    for field in cur2.SCHEMA:
        values = columns.get(field.name)
        if values is None:
            values = pa.nulls(count, field.type)
            if pa.types.is_string(field.type):
                values = pa.DictionaryArray.from_arrays(pa.nulls(count, pa.int32()), pa.array([], pa.string()))
        elif isinstance(values, str):
            values = words([values], np.zeros(count, dtype=np.int32))
        elif isinstance(values, np.ndarray):
            values = pa.array(values).cast(field.type)
        arrays.append(values)
        fields.append(pa.field(field.name, values.type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def words(dictionary, index, valid=None):
    """A dictionary-encoded string column; negative indexes and invalid rows are NULL."""
    index = np.asarray(index, dtype=np.int32)
    mask = index < 0 if valid is None else ~valid
    return pa.DictionaryArray.from_arrays(
        pa.array(index, mask=mask), pa.array(dictionary, pa.string()))


def doubles(values, valid=None):
    return pa.array(values, pa.float64(), mask=None if valid is None else ~valid)


def times(milliseconds):
    return pa.array(milliseconds, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))


def maps(entries, index):
    """A map column: `entries` holds one list of pairs per dictionary value."""
    lengths = np.array([len(pairs) for pairs in entries])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    flat = [pair for pairs in entries for pair in pairs]
    keys, values = pa.array([k for k, _ in flat], pa.string()), pa.array([v for _, v in flat])
    count = lengths[index]
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    take = np.repeat(starts[index] - offsets[:-1], count) + np.arange(offsets[-1])
    return pa.MapArray.from_arrays(pa.array(offsets), keys.take(pa.array(take)),
                                   values.take(pa.array(take)))


def common(count, account, start, end):
    """Columns every line has."""
    first = np.datetime64(MONTH_START, "ms")
    span = (start - MONTH_START) // HOUR_MS * 1000 + (end - start) // HOUR_MS
    spans, interval = np.unique(span, return_inverse=True)
    texts = [f"{first + np.timedelta64(int(s) // 1000, 'h')}/"
             f"{first + np.timedelta64(int(s) // 1000 + int(s) % 1000, 'h')}".replace(".000", "Z")
             for s in spans]
    names = [*ACCOUNTS, PAYER]
    return {
        "identity_time_interval": words(texts, interval),
        "bill_bill_type": "Anniversary", "bill_billing_entity": "AWS",
        "bill_invoicing_entity": "Amazon Web Services, Inc.", "bill_invoice_id": "BENCH-2026-01",
        "bill_payer_account_id": PAYER, "bill_payer_account_name": "bench payer",
        "bill_billing_period_start_date": times(np.full(count, MONTH_START)),
        "bill_billing_period_end_date": times(np.full(count, MONTH_END)),
        "line_item_currency_code": "USD", "line_item_legal_entity": "Amazon Web Services, Inc.",
        "line_item_usage_account_id": words(names, account),
        "line_item_usage_account_name": words([f"account {name}" for name in names], account),
        "line_item_usage_start_date": times(start), "line_item_usage_end_date": times(end),
        "pricing_currency": "USD",
    }


def usage(world, hours):
    """Every resource in every one of these hours."""
    count = world.count * len(hours)
    who = np.tile(np.arange(world.count), len(hours))
    hour = np.repeat(np.arange(hours.start, hours.stop), world.count)
    random = np.random.default_rng(1_000 + hours.start)
    meter, kind = world.meter[who], KINDS[world.meter[who]]
    rate = np.array([m[8] for m in METERS])[meter]
    amount = np.where(world.per_hour[who], 10_000,
                      world.mean[who] * random.integers(50, 150, count) // 100)
    amount = np.where(kind == "DiscountedUsage", reserved_amount(who, hour), amount)
    cost = rate * amount  # in 10^-8
    covered, reserved = kind == "SavingsPlanCoveredUsage", kind == "DiscountedUsage"
    spot, split = kind == "Spot", kind == "Split"
    spot_price = 600 + (hour * 37 + meter) % 400
    billed = np.select([spot, reserved, split], [spot_price * amount, 0, 0], cost)
    edp = np.isin(meter, [n for n, m in enumerate(METERS) if m[1] in ("AmazonS3", "AmazonCloudFront")])
    net = np.where(edp, billed * 97 // 100, billed)
    start = MONTH_START + hour * HOUR_MS
    prefix = np.array(["EUC1-", "", "EUW1-", "APS1-"])
    usage_types = [p + m[5] for m in METERS for p in prefix]
    skus = [f"SKU{n:05d}{m:08d}" for n in range(len(METERS)) for m in range(len(REGIONS))]
    sku = meter * len(REGIONS) + world.region[who]
    rates = [f"{m[8] / 10_000:.4f}" for m in METERS]
    kind_names = ["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"]
    instance = [m[10] or "" for m in METERS]
    no_rate = spot | split
    return assemble(count, common(count, world.account[who], start, start + HOUR_MS) | {
        "line_item_line_item_type": words(kind_names, np.where(reserved, 1, np.where(covered, 2, 0))),
        "line_item_product_code": words([m[1] for m in METERS], meter),
        "product_servicecode": words([m[2] for m in METERS], meter),
        "line_item_usage_type": words(usage_types, sku),
        "product_usagetype": words(usage_types, sku),
        "line_item_operation": words([m[6] for m in METERS], meter),
        "product_operation": words([m[6] for m in METERS], meter),
        "product_product_family": words([m[4] for m in METERS], meter),
        "product_instance_type": words(instance, np.where(world.per_hour[who], meter, -1)),
        "product_region_code": words(REGIONS, world.region[who]),
        "product_from_region_code": words(REGIONS, np.where(meter == 6, world.region[who], -1)),
        "product_location": words([f"AWS {region}" for region in REGIONS], world.region[who]),
        "line_item_availability_zone": words([f"{r}a" for r in REGIONS],
                                             np.where(world.per_hour[who], world.region[who], -1)),
        "product_sku": words(skus, sku),
        "pricing_rate_code": words([f"{name}.JRTCKXETXF.6YS6EN2CT7" for name in skus], sku),
        "pricing_rate_id": words([str(7_000_000 + n) for n in range(len(skus))], sku),
        "pricing_unit": words([m[7] for m in METERS], meter),
        "pricing_term": words(["OnDemand", "Reserved", ""], np.where(reserved, 1, np.where(spot, 2, 0))),
        "line_item_line_item_description": words(
            [f"${m[8] / 10_000:.4f} per {m[7]} {name}" for m in METERS for name in REGIONS], sku),
        "line_item_resource_id": words(resource_ids(world), who),
        "line_item_usage_amount": doubles(amount / 10_000),
        "line_item_normalization_factor": doubles(np.full(count, 4.0), reserved),
        "line_item_normalized_usage_amount": doubles(amount * 4 / 10_000, reserved),
        "line_item_unblended_rate": words(
            [*rates, "", "0"], np.select([no_rate, reserved], [len(rates), len(rates) + 1], meter)),
        "line_item_blended_rate": words([*rates, ""], np.where(no_rate, len(rates), meter)),
        "line_item_unblended_cost": doubles(billed / 1e8),
        "line_item_net_unblended_cost": doubles(net / 1e8),
        "line_item_blended_cost": doubles(billed / 1e8),
        "pricing_public_on_demand_rate": words([*rates, ""], np.where(no_rate, len(rates), meter)),
        "pricing_public_on_demand_cost": doubles(np.where(spot, 0, cost) / 1e8),
        "discount_total_discount": doubles((net - billed) / 1e8, edp),
        "product": maps([product_entries(m, region) for m in METERS for region in REGIONS], sku),
        "resource_tags": maps([tag_entries(world, n) for n in range(world.count)], who),
        "cost_category": maps([[("business_unit", f"unit-{n % 6}")] for n in range(len(estate.TEAMS))],
                              world.team[who]),
        "tags": maps([[("accountTag/owner", "finops")]], np.zeros(count, dtype=int)),
        "reservation_reservation_a_r_n": words(reservation_arns(), np.where(
            reserved, world.commitment[who] % estate.RESERVATIONS, -1)),
        "reservation_effective_cost": doubles(amount * estate.RESERVED_RATE / 1e8, reserved),
        "reservation_net_effective_cost": doubles(amount * estate.RESERVED_RATE / 1e8, reserved),
        "reservation_recurring_fee_for_usage": doubles(amount * 300 / 1e8, reserved),
        "reservation_amortized_upfront_cost_for_usage": doubles(amount * 250 / 1e8, reserved),
        "reservation_subscription_id": words(["123456789"], np.zeros(count, dtype=int)),
        "savings_plan_savings_plan_a_r_n": words(plan_arns(), np.where(
            covered, world.commitment[who] % estate.PLANS, -1)),
        "savings_plan_savings_plan_rate": doubles(np.full(count, estate.PLAN_RATE / 1e4), covered),
        "savings_plan_savings_plan_effective_cost": doubles(amount * estate.PLAN_RATE / 1e8, covered),
        "savings_plan_net_savings_plan_effective_cost":
            doubles(amount * estate.PLAN_RATE / 1e8, covered),
        "split_line_item_parent_resource_id": words(["i-0bench"], np.where(split, 0, -1)),
        "split_line_item_split_cost": doubles(np.full(count, 0.0486), split),
        "split_line_item_unused_cost": doubles(np.zeros(count), split),
    })


def reserved_amount(who, hour):
    """Hours (in 1/10,000) that a reserved instance runs in an hour: one hour in twenty is half."""
    return np.where((who * 2_654_435_761 + hour * 40_503) % 20 == 0, 5_000, 10_000)


def unused_reserved(world):
    """Instances and unused hours (in 1/10,000) of each reservation over the month."""
    who = np.flatnonzero(KINDS[world.meter] == "DiscountedUsage")
    used = reserved_amount(who[:, None], np.arange(HOURS)[None, :]).sum(axis=1)
    group = world.commitment[who] % estate.RESERVATIONS
    instances = np.bincount(group, minlength=estate.RESERVATIONS)
    return instances, np.bincount(group, 10_000 * HOURS - used, estate.RESERVATIONS).astype(int)


def resource_ids(world):
    texts = []
    for n in range(world.count):
        meter = METERS[world.meter[n]]
        if meter[10] and meter[1] == "AmazonEC2":
            texts.append(f"i-{n:017x}")
        elif "EBS" in meter[5]:
            texts.append(f"vol-{n:017x}")
        else:
            texts.append(f"arn:aws:{meter[1].lower()}:{REGIONS[world.region[n]]}:"
                         f"{ACCOUNTS[world.account[n]]}:resource/{n:06d}")
    return texts


def product_entries(meter, region):
    entries = [("product_name", meter[3]), ("servicename", meter[3]), ("region", region),
               ("group", meter[4])]
    if meter[10]:
        entries += [("vcpu", "4"), ("memory", "16 GiB"), ("operating_system", "Linux"),
                    ("tenancy", "Shared")]
    return entries


def tag_entries(world, n):
    if world.untagged[n]:
        return []
    entries = [("user_service", estate.SERVICES[world.service[n]]),
               ("user_team", estate.TEAMS[world.team[n]]), ("aws_created_by", "terraform")]
    if world.customer[n] >= 0:
        entries.append(("user_customer", estate.CUSTOMERS[world.customer[n]]))
    return entries


def reservation_arns():
    return [f"arn:aws:ec2:eu-central-1:{PAYER}:reserved-instances/{n:036d}"
            for n in range(estate.RESERVATIONS)]


def plan_arns():
    return [f"arn:aws:savingsplans::{PAYER}:savingsplan/{n:036d}" for n in range(estate.PLANS)]


def covered_per_hour(world):
    """Covered instances per plan and account: usage and negation rows are grouped by both."""
    covered = KINDS[world.meter] == "SavingsPlanCoveredUsage"
    group = (world.commitment % estate.PLANS) * len(ACCOUNTS) + world.account
    return np.bincount(group[covered], minlength=estate.PLANS * len(ACCOUNTS))


def negation(world, hours):
    """One row per plan, account and hour that cancels the covered usage."""
    groups = covered_per_hour(world)
    used = np.flatnonzero(groups)
    group = np.tile(used, len(hours))
    hour = np.repeat(np.arange(hours.start, hours.stop), len(used))
    start, count = MONTH_START + hour * HOUR_MS, len(group)
    return assemble(count, common(count, group % len(ACCOUNTS), start, start + HOUR_MS) | {
        "line_item_line_item_type": "SavingsPlanNegation", "line_item_product_code": "AmazonEC2",
        "product_servicecode": "AmazonEC2", "line_item_usage_type": "EUC1-BoxUsage:m6i.xlarge",
        "line_item_operation": "RunInstances",
        "line_item_usage_amount": doubles(groups[group].astype(float)),
        "line_item_unblended_cost": doubles(-groups[group] * 2300 / 1e4),
        "line_item_net_unblended_cost": doubles(-groups[group] * 2300 / 1e4),
        "product": maps([[("product_name", "Amazon Elastic Compute Cloud")]], np.zeros(count, int)),
        "savings_plan_savings_plan_a_r_n": words(plan_arns(), group // len(ACCOUNTS)),
    })


def plan_fees(world, hours):
    """The hourly fee of each plan; two in three plans are not fully used."""
    per_plan = covered_per_hour(world).reshape(estate.PLANS, -1).sum(axis=1)
    plan = np.tile(np.arange(estate.PLANS), len(hours))
    hour = np.repeat(np.arange(hours.start, hours.stop), estate.PLANS)
    start, count = MONTH_START + hour * HOUR_MS, len(plan)
    used = per_plan[plan] * estate.PLAN_RATE
    commitment = used + (plan % 3) * 12_500
    payer = np.full(count, len(ACCOUNTS))
    return assemble(count, common(count, payer, start, start + HOUR_MS) | {
        "line_item_line_item_type": "SavingsPlanRecurringFee",
        "line_item_product_code": "ComputeSavingsPlans", "product_servicecode": "ComputeSavingsPlans",
        "product_region_code": "eu-central-1",
        "line_item_usage_type": "EUC1-EC2SP:m6i.1yrNoUpfront",
        "line_item_usage_amount": doubles(np.ones(count)),
        "line_item_unblended_cost": doubles(commitment / 1e4),
        "line_item_net_unblended_cost": doubles(commitment / 1e4),
        "product": maps([[("product_name", "Savings Plans for AWS Compute usage")]],
                        np.zeros(count, int)),
        "savings_plan_savings_plan_a_r_n": words(plan_arns(), plan),
        "savings_plan_recurring_commitment_for_billing_period": doubles(commitment / 1e4),
        "savings_plan_amortized_upfront_commitment_for_billing_period": doubles(np.zeros(count)),
        "savings_plan_total_commitment_to_date": doubles(commitment / 1e4),
        "savings_plan_used_commitment": doubles(used / 1e4),
    })


def monthly(world):
    """Rows that span the month: reservation fees, tax, credits, discounts, support."""
    accounts, services = len(ACCOUNTS), sorted({(m[1], m[2], m[3]) for m in METERS})
    kinds = ["RIFee", "Tax", "Credit", "EdpDiscount", "Fee", "CarbonContribution"]
    rows = [(0, accounts, 0, n) for n in range(estate.RESERVATIONS)]
    taxed = [s for s, names in enumerate(services) if names[1] in ("AmazonEC2", "AmazonS3")]
    rows += [(1, a, s, -1) for a in range(accounts) for s in taxed]
    rows += [(2, a, s, -1) for a in range(0, accounts, 5) for s in taxed]
    rows += [(3, a, s, -1) for a in range(accounts) for s in range(len(services))
             if services[s][0] in ("AmazonS3", "AmazonCloudFront")]
    rows += [(4, accounts, 0, -1), (5, accounts, 0, -1)]
    kind, account, service, reservation = np.array(rows).T
    count, fee = len(rows), kind == 0
    instances, unused = (figures[reservation] for figures in unused_reserved(world))
    cents = np.select([kind == 1, kind == 2, kind == 3, kind == 4],
                      [900 + 37 * account + 11 * service, -1500 - account, -300 - 7 * account,
                       250_000], 42)
    cost = np.where(fee, instances * HOURS * 300, cents * 100)  # in 1/10,000
    start, end = np.full(count, MONTH_START), np.full(count, MONTH_END)
    columns = common(count, account, start, end)
    columns["line_item_usage_end_date"] = times(np.where(fee, end - 1000, end))
    return assemble(count, columns | {
        "line_item_line_item_type": words(kinds, kind),
        "line_item_product_code": words([*(s[0] for s in services), "AWSSupportBusiness"],
                                        np.where(kind == 4, len(services), service)),
        "product_servicecode": words([*(s[1] for s in services), "AWSSupportBusiness"],
                                     np.where(kind == 4, len(services), service)),
        "line_item_usage_type": words(["EUC1-HeavyUsage:m5.large", ""], np.where(fee, 0, 1)),
        "line_item_unblended_cost": doubles(cost / 1e4),
        "line_item_net_unblended_cost": doubles(np.where(kind == 3, 0, cost) / 1e4),
        "line_item_tax_type": words(["VAT"], np.where(kind == 1, 0, -1)),
        "product": maps([*([("product_name", s[2])] for s in services),
                         [("product_name", "AWS Support (Business)")]],
                        np.where(kind == 4, len(services), service)),
        "reservation_reservation_a_r_n": words(reservation_arns(), reservation),
        "reservation_amortized_upfront_fee_for_billing_period":
            doubles(instances * HOURS * 250 / 1e4, fee),
        "reservation_unused_amortized_upfront_fee_for_billing_period":
            doubles(unused * 250 / 1e8, fee),
        "reservation_unused_recurring_fee": doubles(unused * 300 / 1e8, fee),
        "reservation_unused_quantity": doubles(unused / 1e4, fee),
    })
