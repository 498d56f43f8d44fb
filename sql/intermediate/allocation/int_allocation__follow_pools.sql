-- model:   int_allocation__follow_pools
-- grain:   one row per cell of the stage that finds something to follow (CellId)
-- inputs:  cells, cells, cells, cells, cells, allocation_follow_weights
-- params:  none
-- why:     each follower takes the first level at which some usage has a positive cost, from the
--          narrowest to the widest. Followers of the same usage that lack the same dimensions share
--          a pool. Reads the cells once per level; they are the followers only.

with

commitments as (

    select * from cells where Method = 'follow'

),

resources as (

    select * from cells where Method = 'follow'

),

skus as (

    select * from cells where Method = 'follow'

),

services as (

    select * from cells where Method = 'follow'

),

accounts as (

    select * from cells where Method = 'follow'

),

levels as (

    select
        CellId,
        Inherits,
        1 as Position,
        'CommitmentDiscountId' as Level,
        match_key(FollowCommitmentDiscountId, BillingAccountId, BillingCurrency) as LevelKey
    from commitments
    where FollowCommitmentDiscountId is not null
    union all
    select
        CellId,
        Inherits,
        2 as Position,
        'ResourceId' as Level,
        match_key(FollowResourceId, BillingAccountId, BillingCurrency) as LevelKey
    from resources
    where FollowResourceId is not null
    union all
    select
        CellId,
        Inherits,
        3 as Position,
        'SkuId' as Level,
        match_key(FollowSkuId, BillingAccountId, BillingCurrency) as LevelKey
    from skus
    where FollowSkuId is not null
    union all
    select
        CellId,
        Inherits,
        4 as Position,
        'ServiceName, SubAccountId' as Level,
        match_key(ServiceName, SubAccountId, BillingAccountId, BillingCurrency) as LevelKey
    from services
    union all
    select
        CellId,
        Inherits,
        5 as Position,
        'BillingAccountId' as Level,
        match_key(BillingAccountId, BillingCurrency) as LevelKey
    from accounts

),

followed as (

    select distinct Level, LevelKey
    from allocation_follow_weights

),

candidates as (

    select
        levels.CellId,
        levels.Inherits,
        levels.Position,
        levels.Level,
        levels.LevelKey
    from levels
    inner join followed
        on levels.Level = followed.Level
        and levels.LevelKey = followed.LevelKey

),

nearest as (

    select CellId, min(Position) as Position
    from candidates
    group by CellId

)

select
    candidates.CellId,
    charge_id('follow', candidates.Level, candidates.LevelKey, candidates.Inherits) as PoolId,
    candidates.Level,
    candidates.LevelKey,
    candidates.Inherits
from candidates
inner join nearest
    on candidates.CellId = nearest.CellId
    and candidates.Position = nearest.Position
