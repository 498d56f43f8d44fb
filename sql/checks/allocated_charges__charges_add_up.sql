-- model:    allocated_charges__charges_add_up
-- grain:    one row per source, finality and currency whose charges are not fully allocated
-- inputs:   allocated_charges, focus_charges
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      every charge is allocated exactly once, and what is provisional stays so. Compares the
--           two written tables, so it does not trust anything in between.

with

charged as (

    select
        x_Source,
        x_Finality,
        BillingCurrency,
        sum(BilledCost) as BilledCost,
        sum(EffectiveCost) as EffectiveCost,
        sum(ListCost) as ListCost,
        sum(ContractedCost) as ContractedCost
    from focus_charges
    group by x_Source, x_Finality, BillingCurrency

),

allocated as (

    select
        x_Source,
        x_Finality,
        BillingCurrency,
        sum(BilledCost) as BilledCost,
        sum(EffectiveCost) as EffectiveCost,
        sum(ListCost) as ListCost,
        sum(ContractedCost) as ContractedCost
    from allocated_charges
    group by x_Source, x_Finality, BillingCurrency

),

differences as (

    select
        coalesce(charged.x_Source, allocated.x_Source) as Source,
        coalesce(charged.x_Finality, allocated.x_Finality) as Finality,
        coalesce(charged.BillingCurrency, allocated.BillingCurrency) as Currency,
        coalesce(charged.BilledCost, 0) - coalesce(allocated.BilledCost, 0) as Billed,
        coalesce(charged.EffectiveCost, 0) - coalesce(allocated.EffectiveCost, 0) as Effective,
        coalesce(charged.ListCost, 0) - coalesce(allocated.ListCost, 0) as List,
        coalesce(charged.ContractedCost, 0) - coalesce(allocated.ContractedCost, 0) as Contracted
    from charged
    full join allocated
        on charged.x_Source = allocated.x_Source
        and charged.x_Finality = allocated.x_Finality
        and charged.BillingCurrency = allocated.BillingCurrency

)

select *
from differences
where
    Billed <> 0
    or Effective <> 0
    or List <> 0
    or Contracted <> 0
