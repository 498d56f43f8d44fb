-- model:   int_allocation__cost_by_target
-- grain:   one row per currency and target (BillingCurrency, TargetId)
-- inputs:  int_allocation__splits
-- params:  none
-- why:     what earlier stages gave each target, for rules that weigh by cost. Gross and positive:
--          a credit would turn a share negative or make another exceed the whole. Over the whole
--          billing period, so that a quiet day does not shift the shares.

with

splits as (

    select * from int_allocation__splits

)

select
    BillingCurrency,
    TargetId,
    sum(cast(greatest(BilledCost, 0) as decimal(38, 12))) as BilledCost,
    sum(cast(greatest(EffectiveCost, 0) as decimal(38, 12))) as EffectiveCost,
    sum(cast(greatest(ListCost, 0) as decimal(38, 12))) as ListCost,
    sum(cast(greatest(ContractedCost, 0) as decimal(38, 12))) as ContractedCost
from splits
where FollowerKind is null
group by BillingCurrency, TargetId
