-- model:   int_allocation__followed_cost
-- grain:   one row per account, currency, follow keys, service, sub account and target
-- inputs:  int_allocation__splits
-- params:  none
-- why:     where the usage of the billing period went, at the finest level a follower can ask for.
--          Only positive cost of usage counts; followers never follow each other.

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
    sum(EffectiveCost) as Quantity
from splits
where
    FollowerKind is null
    and EffectiveCost > 0
group by
    BillingAccountId,
    BillingCurrency,
    FollowCommitmentDiscountId,
    FollowResourceId,
    FollowSkuId,
    ServiceName,
    SubAccountId,
    TargetId
