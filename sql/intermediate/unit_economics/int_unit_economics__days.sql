-- model:   int_unit_economics__days
-- grain:   one row per unit metric, currency, unit key and day
-- inputs:  unit_costs, unit_quantities, unit_currencies
-- params:  none
-- why:     brings cost and quantity of each unit metric together. Both sides were summed to the
--          same keys before, so nothing fans out; cost without quantity and quantity without cost
--          both stay. A quantity is compared with the cost in every currency of the period.

with

costs as (

    select * from unit_costs

),

quantities as (

    select
        unit_quantities.UnitMetric,
        unit_quantities.Metric,
        unit_quantities.Ledger,
        unit_quantities.QuantityUnit,
        unit_quantities.UnitKey,
        unit_quantities.ChargeDate,
        unit_quantities.Quantity,
        unit_currencies.BillingCurrency
    from unit_quantities
    cross join unit_currencies

)

select
    coalesce(costs.UnitMetric, quantities.UnitMetric) as UnitMetric,
    coalesce(costs.Metric, quantities.Metric) as Metric,
    coalesce(costs.Ledger, quantities.Ledger) as Ledger,
    coalesce(costs.QuantityUnit, quantities.QuantityUnit) as QuantityUnit,
    coalesce(costs.BillingCurrency, quantities.BillingCurrency) as BillingCurrency,
    coalesce(costs.UnitKey, quantities.UnitKey) as UnitKey,
    coalesce(costs.ChargeDate, quantities.ChargeDate) as ChargeDate,
    coalesce(costs.Cost, cast(0 as decimal(38, 12))) as Cost,
    costs.Finality,
    quantities.Quantity
from costs
full join quantities
    on costs.UnitMetric = quantities.UnitMetric
    and costs.BillingCurrency = quantities.BillingCurrency
    and costs.UnitKey = quantities.UnitKey
    and costs.ChargeDate = quantities.ChargeDate
