-- model:    unit_economics_daily__costs_add_up
-- grain:    one row per unit metric and currency whose cost is not the allocated cost
-- inputs:   unit_economics_daily, allocated_charges
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      a unit metric divides the whole allocated cost of its ledger, also what nobody owns.
--           Cost that disappears for want of a quantity would make every unit look cheaper.

with

metrics as (

    select
        x_UnitMetric,
        x_Ledger,
        BillingCurrency,
        sum(x_Cost) + sum(x_CostWithoutQuantity) as Cost
    from unit_economics_daily
    group by x_UnitMetric, x_Ledger, BillingCurrency

),

allocated as (

    select
        BillingCurrency,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from allocated_charges
    group by BillingCurrency

),

compared as (

    select
        metrics.x_UnitMetric,
        metrics.x_Ledger,
        metrics.BillingCurrency,
        metrics.Cost,
        case metrics.x_Ledger
            when 'billed' then allocated.Billed
            when 'effective' then allocated.Effective
            when 'list' then allocated.List
            when 'contracted' then allocated.Contracted
        end as AllocatedTotal
    from metrics
    left join allocated
        on metrics.BillingCurrency = allocated.BillingCurrency

)

select *
from compared
where Cost <> coalesce(AllocatedTotal, 0)
