-- model:   int_allocation__follow_weights
-- grain:   one row per level key and target (LevelKey, TargetId)
-- inputs:  allocation_followed_cost, allocation_followed_cost, allocation_followed_cost,
--          allocation_followed_cost, allocation_followed_cost
-- params:  none
-- why:     the weights of each of the five levels a follower may follow. The key of a level always
--          holds billing account and currency: nothing follows across either.

with

commitments as (

    select * from allocation_followed_cost

),

resources as (

    select * from allocation_followed_cost

),

skus as (

    select * from allocation_followed_cost

),

services as (

    select * from allocation_followed_cost

),

accounts as (

    select * from allocation_followed_cost

),

levels as (

    select
        'CommitmentDiscountId' as Level,
        match_key(FollowCommitmentDiscountId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Quantity
    from commitments
    where FollowCommitmentDiscountId is not null
    union all
    select
        'ResourceId' as Level,
        match_key(FollowResourceId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Quantity
    from resources
    where FollowResourceId is not null
    union all
    select
        'SkuId' as Level,
        match_key(FollowSkuId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Quantity
    from skus
    where FollowSkuId is not null
    union all
    select
        'ServiceName, SubAccountId' as Level,
        match_key(ServiceName, SubAccountId, BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Quantity
    from services
    union all
    select
        'BillingAccountId' as Level,
        match_key(BillingAccountId, BillingCurrency) as LevelKey,
        TargetId,
        Quantity
    from accounts

)

select
    Level,
    LevelKey,
    TargetId,
    sum(Quantity) as Quantity
from levels
group by Level, LevelKey, TargetId
