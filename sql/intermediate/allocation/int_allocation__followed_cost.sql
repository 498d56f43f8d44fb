-- model:   int_allocation__followed_cost
-- grain:   one row per account, currency, follow keys, service, sub account, target and the
--          dimensions that followers may inherit
-- inputs:  int_allocation__splits
-- params:  none
-- why:     where the usage of a stage went, at the finest level a later stage can ask for. Gross
--          and positive: a credit would turn a share negative or make another exceed the whole.
--          Only usage counts; followers never follow each other.

with

splits as (

    select * from int_allocation__splits

)

select
    BillingAccountId,
    BillingCurrency,
    FollowCommitmentDiscountId,
    FollowResourceId,
    FollowSkuId,
    ServiceName,
    SubAccountId,
    TargetId,
    Inheritable,
    sum(cast(greatest(BilledCost, 0) as decimal(38, 12))) as BilledCost,
    sum(cast(greatest(EffectiveCost, 0) as decimal(38, 12))) as EffectiveCost,
    sum(cast(greatest(ListCost, 0) as decimal(38, 12))) as ListCost,
    sum(cast(greatest(ContractedCost, 0) as decimal(38, 12))) as ContractedCost
from splits
where FollowerKind is null
group by
    BillingAccountId,
    BillingCurrency,
    FollowCommitmentDiscountId,
    FollowResourceId,
    FollowSkuId,
    ServiceName,
    SubAccountId,
    TargetId,
    Inheritable
