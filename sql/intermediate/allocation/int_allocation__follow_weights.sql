-- model:   int_allocation__follow_weights
-- grain:   one row per level key, target and inheritable dimensions
-- inputs:  allocation_followed_cost, allocation_followed_cost, allocation_followed_cost,
--          allocation_followed_cost, allocation_followed_cost
-- params:  none
-- why:     the weights of each of the five levels a follower may follow. The key of a level always
--          holds billing account and currency: nothing follows across either.

with

commitments as (

    select * from allocation_followed_cost where EffectiveCost > 0

),

resources as (

    select * from allocation_followed_cost where EffectiveCost > 0

),

skus as (

    select * from allocation_followed_cost where EffectiveCost > 0

),

services as (

    select * from allocation_followed_cost where EffectiveCost > 0

),

accounts as (

    select * from allocation_followed_cost where EffectiveCost > 0

),

levels as (

    select
        'CommitmentDiscountId' as Level,
        match_key(FollowCommitmentDiscountId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Inheritable,
        EffectiveCost as Quantity
    from commitments
    where FollowCommitmentDiscountId is not null
    union all
    select
        'ResourceId' as Level,
        match_key(FollowResourceId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Inheritable,
        EffectiveCost as Quantity
    from resources
    where FollowResourceId is not null
    union all
    select
        'SkuId' as Level,
        match_key(FollowSkuId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Inheritable,
        EffectiveCost as Quantity
    from skus
    where FollowSkuId is not null
    union all
    select
        'ServiceName, SubAccountId' as Level,
        match_key(ServiceName, SubAccountId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Inheritable,
        EffectiveCost as Quantity
    from services
    union all
    select
        'BillingAccountId' as Level,
        match_key(BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Inheritable,
        EffectiveCost as Quantity
    from accounts

)

select
    Level,
    LevelKey,
    TargetId,
    Inheritable,
    sum(Quantity) as Quantity
from levels
group by Level, LevelKey, TargetId, Inheritable
