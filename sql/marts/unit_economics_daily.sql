-- model:   unit_economics_daily
-- grain:   one row per unit metric, ledger, currency, target, dimensions and day
-- inputs:  unit_days
-- params:  $billing_period
-- why:     cost, quantity and cost per unit. Where nothing was measured, or zero, the cost stays
--          visible and the unit cost is empty with a reason: never infinity, never left out. Cost
--          without a quantity has a column of its own, so that a sum of costs over any rows can be
--          divided by the sum of their quantities.

with

days as (

    select * from unit_days

)

select
    $billing_period as x_BillingPeriod,
    ChargeDate as x_ChargeDate,
    to_char(ChargeDate, '%Y-%m') > $billing_period as x_IsPartialDay,
    UnitMetric as x_UnitMetric,
    Metric as x_Metric,
    Ledger as x_Ledger,
    BillingCurrency,
    match_value(UnitKey, 1) as x_AllocationTargetId,
    UnitKey,
    case when Quantity is null then cast(0 as decimal(38, 12)) else Cost end as x_Cost,
    case when Quantity is null then Cost else cast(0 as decimal(38, 12)) end
        as x_CostWithoutQuantity,
    Finality as x_Finality,
    Quantity as x_Quantity,
    QuantityUnit as x_QuantityUnit,
    case when Quantity > 0 then divide_round(Cost, Quantity) end as x_UnitCost,
    case
        when Quantity is null then 'no_quantity'
        when Quantity = 0 then 'zero_quantity'
        when Quantity < 0 then 'negative_quantity'
    end as x_UnitCostReason
from days
