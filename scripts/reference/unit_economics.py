"""Cost per business quantity in DuckDB, from the reference's own splits and the telemetry."""

from decimal import Decimal

DAILY = ["x_BillingPeriod", "x_ChargeDate", "x_UnitMetric", "x_Ledger", "x_AllocationTargetId",
         "x_Service", "x_Finality", "x_Cost", "x_CostWithoutQuantity", "x_Quantity", "x_UnitCost",
         "x_UnitCostReason"]
MONTHLY = [name for name in DAILY if name != "x_ChargeDate"]

METRICS = [  # name, telemetry, ledger, by target, by service
    ("cost_per_request", "requests", "effective", True, True),
    ("cost_per_customer_request", "traffic", "billed", True, False),
    ("cost_per_query_second", "query_seconds", "effective", False, True),
]


def figures(metric, by_day):
    """Cost, quantity and their ratio in units of 10^-12 (10^-18 for the ratio), half away from zero.

    Cost without quantity and quantity without cost both stay; the first is not divided by anything.
    """
    name, telemetry, ledger, by_target, by_service = metric
    target, service = ("target" if by_target else "null"), ("service" if by_service else "null")
    measured_service = "nullif(MatchKey, '')" if by_service else "null"
    day = "strftime(make_timestamp({} * 86400000000), '%Y-%m-%d')"
    return f"""
    select '{name}' as metric, '{ledger}' as ledger, *,
        case when quantity > 0
             then sign(cost) * ((2 * abs(cost) * 1000000000000000000 + quantity) // (2 * quantity))
             end as unit_cost,
        case when quantity is null then 'no_quantity' when quantity = 0 then 'zero_quantity'
             when quantity < 0 then 'negative_quantity' end as reason
    from (
        select {'day' if by_day else 'null'} as day, target, service,
            -- one provisional part makes the whole provisional
            max(finality) as finality,
            coalesce(sum(cost) filter (quantity is not null), 0)::hugeint as cost,
            coalesce(sum(cost) filter (quantity is null), 0)::hugeint as cost_without,
            sum(quantity)::hugeint as quantity
        from (
            select coalesce(costs.day, quantities.day) as day,
                coalesce(costs.target, quantities.target) as target,
                coalesce(costs.service, quantities.service) as service,
                finality, coalesce(cost, 0)::hugeint as cost, quantity::hugeint as quantity
            from (
                select {day.format('day')} as day, {target} as target, {service} as service,
                    sum({ledger}Cost) as cost, max(x_Finality) as finality
                from splits
                where BilledCost <> 0 or EffectiveCost <> 0 or ListCost <> 0 or ContractedCost <> 0
                group by 1, 2, 3
            ) as costs
            full join (
                select {day.format('Day')} as day, {'Target' if by_target else 'null'} as target,
                    {measured_service} as service, sum(Units) as quantity
                from telemetry
                where Telemetry = '{telemetry}' and Period = 'current' and Units is not null
                group by 1, 2, 3
            ) as quantities
            on costs.day is not distinct from quantities.day
                and costs.target is not distinct from quantities.target
                and costs.service is not distinct from quantities.service
        )
        group by 1, 2, 3
    )"""


def text(units, scale):
    return "" if units is None else format(Decimal(units).scaleb(-scale), "f")


def rows(connection, period, by_day):
    found = []
    for metric in METRICS:
        for (name, ledger, day, target, service, finality, cost, without, quantity, unit_cost,
             reason) in connection.execute(figures(metric, by_day)).fetchall():
            found.append((period, *([day] if by_day else []), name, ledger, target, service,
                          finality, text(cost, 12), text(without, 12), text(quantity, 12),
                          text(unit_cost, 18), reason))
    return found


def daily(connection, period):
    return rows(connection, period, True)


def monthly(connection, period):
    return rows(connection, period, False)
