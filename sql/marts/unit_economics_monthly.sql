-- model:   unit_economics_monthly
-- grain:   one row per unit metric, ledger, currency, target, dimensions and billing period
-- inputs:  unit_days
-- params:  $billing_period
-- why:     the ratio of the sums of the days, not the mean of their ratios: a day with ten requests
--          must not weigh as much as one with a million. Cost of days without a quantity is not
--          divided by the quantity of other days.

with

days as (

    select * from unit_days

),

months as (

    select
        UnitMetric,
        Metric,
        Ledger,
        QuantityUnit,
        BillingCurrency,
        UnitKey,
        coalesce(sum(Cost) filter (where Quantity is not null), 0) as Cost,
        coalesce(sum(Cost) filter (where Quantity is null), 0) as CostWithoutQuantity,
        -- of the two words the later one in the alphabet: provisional if any day is
        max(Finality) as Finality,
        sum(Quantity) as Quantity
    from days
    group by UnitMetric, Metric, Ledger, QuantityUnit, BillingCurrency, UnitKey

)

select
    $billing_period as x_BillingPeriod,
    UnitMetric as x_UnitMetric,
    Metric as x_Metric,
    Ledger as x_Ledger,
    BillingCurrency,
    match_value(UnitKey, 1) as x_AllocationTargetId,
    UnitKey,
    cast(Cost as decimal(38, 12)) as x_Cost,
    cast(CostWithoutQuantity as decimal(38, 12)) as x_CostWithoutQuantity,
    Finality as x_Finality,
    Quantity as x_Quantity,
    QuantityUnit as x_QuantityUnit,
    case when Quantity > 0 then divide_round(cast(Cost as decimal(38, 12)), Quantity) end
        as x_UnitCost,
    case
        when Quantity is null then 'no_quantity'
        when Quantity = 0 then 'zero_quantity'
        when Quantity < 0 then 'negative_quantity'
    end as x_UnitCostReason
from months
