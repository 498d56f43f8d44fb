-- model:    unit_economics_monthly__sums_of_days
-- grain:    one row per unit metric and currency whose month is not the sum of its days
-- inputs:   unit_economics_monthly, unit_economics_daily
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      both tables are read side by side; they must tell one story, also when
--           cost is divided by quantity.

with

months as (

    select
        x_UnitMetric,
        BillingCurrency,
        sum(x_Cost) as Cost,
        sum(x_CostWithoutQuantity) as CostWithoutQuantity,
        sum(x_Quantity) as Quantity
    from unit_economics_monthly
    group by x_UnitMetric, BillingCurrency

),

days as (

    select
        x_UnitMetric,
        BillingCurrency,
        sum(x_Cost) as Cost,
        sum(x_CostWithoutQuantity) as CostWithoutQuantity,
        sum(x_Quantity) as Quantity
    from unit_economics_daily
    group by x_UnitMetric, BillingCurrency

)

select
    coalesce(months.x_UnitMetric, days.x_UnitMetric) as UnitMetric,
    months.Cost as MonthCost,
    days.Cost as DaysCost,
    months.CostWithoutQuantity as MonthCostWithoutQuantity,
    days.CostWithoutQuantity as DaysCostWithoutQuantity,
    months.Quantity as MonthQuantity,
    days.Quantity as DaysQuantity
from months
full join days
    on months.x_UnitMetric = days.x_UnitMetric
    and months.BillingCurrency = days.BillingCurrency
where
    (months.Cost is distinct from days.Cost)
    or (months.CostWithoutQuantity is distinct from days.CostWithoutQuantity)
    or (months.Quantity is distinct from days.Quantity)
