-- model:   int_allocation__splits
-- grain:   one row per cell, day, part, target and inherited dimensions
-- inputs:  int_allocation__cell_parts, allocation_quantities, allocation_quantities
-- params:  none
-- why:     the one place where cost is split, whatever the method: first over the activities of a
--          rule, then over targets. A target without weight gets no row, and apportion() gives it
--          nothing. Right joins keep the quantities, not the cells, on the build side.

with

cell_parts as (

    select * from int_allocation__cell_parts

),

activity_quantities as (

    select * from allocation_quantities
    where
        Level = 'activity'
        and Quantity > 0

),

target_quantities as (

    select * from allocation_quantities
    where
        Level = 'target'
        and Quantity > 0

),

part_costs as (

    select
        cell_parts.*,
        activity_quantities.IsEstimated as IsActivityEstimated,
        activity_quantities.Reason as ActivityReason,
        activity_quantities.DriverSource as ActivitySource,
        activity_quantities.Quantity as ActivityQuantity,
        activity_quantities.QuantityBefore as ActivityBefore,
        activity_quantities.QuantityUpTo as ActivityUpTo,
        activity_quantities.QuantityTotal as ActivityTotal
    from activity_quantities
    right join cell_parts
        on activity_quantities.PoolId = cell_parts.ActivityPoolId
        and activity_quantities.TargetId = cell_parts.PartName

),

weighted_parts as (

    -- a part that no quantity was measured for costs nothing
    select
        CellId,
        ChargeDate,
        x_Source,
        x_Finality,
        BillingCurrency,
        ChargeFrequency,
        Stage,
        RuleId,
        Method,
        DirectTarget,
        FollowerKind,
        FollowCommitmentDiscountId,
        FollowResourceId,
        FollowSkuId,
        ServiceName,
        SubAccountId,
        BillingAccountId,
        ChargeCount,
        Dimensions,
        Inheritable,
        Kind,
        PartName,
        Activity,
        ActivityDriver,
        ActivityPoolId,
        PoolId,
        IsActivityEstimated,
        ActivityReason,
        ActivitySource,
        ActivityQuantity,
        ActivityTotal,
        case
            when ActivityPoolId is null then BilledCost
            else apportion(BilledCost, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as BilledCost,
        case
            when ActivityPoolId is null then EffectiveCost
            else apportion(EffectiveCost, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as EffectiveCost,
        case
            when ActivityPoolId is null then ListCost
            else apportion(ListCost, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ListCost,
        case
            when ActivityPoolId is null then ContractedCost
            else apportion(ContractedCost, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ContractedCost
    from part_costs
    where
        ActivityPoolId is null
        or ActivityQuantity is not null

)

select
    -- cell
    parts.CellId,
    parts.ChargeDate,
    parts.x_Source,
    parts.x_Finality,
    parts.BillingCurrency,
    parts.ChargeFrequency,
    parts.Stage,
    parts.RuleId,
    parts.Method,
    parts.FollowerKind,
    parts.FollowCommitmentDiscountId,
    parts.FollowResourceId,
    parts.FollowSkuId,
    parts.ServiceName,
    parts.SubAccountId,
    parts.BillingAccountId,
    parts.ChargeCount,
    parts.Dimensions,
    parts.Inheritable,

    -- split
    case
        when parts.PoolId is not null then quantities.TargetId
        when parts.Kind = 'residual' then parts.PartName
        else coalesce(parts.DirectTarget, 'unallocated')
    end as TargetId,
    case
        when parts.PoolId is not null then quantities.Reason
        when parts.Kind = 'residual' then parts.ActivityReason
        when parts.DirectTarget in ('idle', 'unallocated') then 'declared'
        when parts.DirectTarget is not null then null
        when parts.Method = 'direct' then 'direct_target_missing'
        when parts.Method = 'follow' then 'nothing_to_follow'
        when parts.Method = 'unallocated' then 'policy'
        else 'no_rule_matched'
    end as Reason,
    quantities.Inherited,
    parts.Activity,
    parts.ActivityPoolId,
    parts.PoolId,
    case when parts.Kind = 'residual' then parts.ActivityDriver else quantities.Driver end
        as Driver,
    case when parts.Kind = 'residual' then parts.ActivitySource else quantities.DriverSource end
        as DriverSource,
    coalesce(quantities.IsEstimated, false) or coalesce(parts.IsActivityEstimated, false)
        as IsEstimated,
    quantities.Quantity,
    quantities.QuantityTotal,
    parts.ActivityQuantity,
    parts.ActivityTotal,

    -- cost
    case
        when parts.PoolId is null then parts.BilledCost
        else apportion(
            parts.BilledCost,
            quantities.QuantityBefore, quantities.QuantityUpTo, quantities.QuantityTotal
        )
    end as BilledCost,
    case
        when parts.PoolId is null then parts.EffectiveCost
        else apportion(
            parts.EffectiveCost,
            quantities.QuantityBefore, quantities.QuantityUpTo, quantities.QuantityTotal
        )
    end as EffectiveCost,
    case
        when parts.PoolId is null then parts.ListCost
        else apportion(
            parts.ListCost,
            quantities.QuantityBefore, quantities.QuantityUpTo, quantities.QuantityTotal
        )
    end as ListCost,
    case
        when parts.PoolId is null then parts.ContractedCost
        else apportion(
            parts.ContractedCost,
            quantities.QuantityBefore, quantities.QuantityUpTo, quantities.QuantityTotal
        )
    end as ContractedCost
from target_quantities as quantities
right join weighted_parts as parts
    on quantities.PoolId = parts.PoolId
