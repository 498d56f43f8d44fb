-- model:   int_allocation__cost_by_target
-- grain:   one row per currency and target (BillingCurrency, TargetId)
-- inputs:  allocation_followed_cost
-- params:  none
-- why:     what earlier stages gave each target, for rules that weigh by cost. Over the whole
--          billing period, so that a quiet day does not shift the shares.

with

followed_cost as (

    select * from allocation_followed_cost

)

select
    BillingCurrency,
    TargetId,
    cast(sum(BilledCost) as decimal(38, 12)) as BilledCost,
    cast(sum(EffectiveCost) as decimal(38, 12)) as EffectiveCost,
    cast(sum(ListCost) as decimal(38, 12)) as ListCost,
    cast(sum(ContractedCost) as decimal(38, 12)) as ContractedCost
from followed_cost
group by BillingCurrency, TargetId
