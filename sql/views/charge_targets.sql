-- model:   charge_targets
-- grain:   one row per charge and part of its cell (x_BillingPeriod, x_ChargeId, x_PoolId,
--          x_AllocationActivity, x_ChargeDate, x_AllocationTargetId, x_InheritedDimensions)
-- inputs:  charge_cells, allocated_parts, driver_quantities, driver_quantities
-- params:  none
-- why:     what each charge costs each target, which a join of charges and parts would repeat. The
--          charges of a cell stand in the order of their ids; each is given what the cell splits
--          into up to it, less what it splits into before it, by the ranges that split the cell. So
--          the rows of a charge add up to the charge and the rows of a part to the part, to the
--          last digit, also where charges cancel out. A part whose charges are not found keeps its
--          cost without a charge. allocated_parts has the pipeline's own columns in Dimensions.

with

charges as (

    select * from charge_cells

),

parts as (

    select
        *,
        coalesce(x_InheritedDimensions, '') as Inherited,
        case
            when x_PoolId is null then x_AllocationTargetId
            else coalesce(x_AllocationActivity, x_AllocationDriver)
        end as PartName
    from allocated_parts

),

targets as (

    select
        x_BillingPeriod,
        x_PoolId,
        x_AllocationTargetId,
        coalesce(x_InheritedDimensions, '') as Inherited,
        x_DriverQuantityBefore,
        x_DriverQuantityUpTo,
        x_DriverQuantityTotal
    from driver_quantities

),

activities as (

    select
        x_BillingPeriod,
        x_PoolId,
        x_AllocationTargetId,
        x_DriverQuantityBefore,
        x_DriverQuantityUpTo,
        x_DriverQuantityTotal
    from driver_quantities

),

cumulated as (

    select
        *,
        sum(BilledCost) over (
            partition by x_BillingPeriod, CellId
            order by x_ChargeId
            rows between unbounded preceding and current row
        ) as BilledUpTo,
        sum(EffectiveCost) over (
            partition by x_BillingPeriod, CellId
            order by x_ChargeId
            rows between unbounded preceding and current row
        ) as EffectiveUpTo,
        sum(ListCost) over (
            partition by x_BillingPeriod, CellId
            order by x_ChargeId
            rows between unbounded preceding and current row
        ) as ListUpTo,
        sum(ContractedCost) over (
            partition by x_BillingPeriod, CellId
            order by x_ChargeId
            rows between unbounded preceding and current row
        ) as ContractedUpTo
    from charges

),

ranged as (

    select
        *,
        cast(BilledUpTo - BilledCost as decimal(38, 12)) as BilledBefore,
        cast(EffectiveUpTo - EffectiveCost as decimal(38, 12)) as EffectiveBefore,
        cast(ListUpTo - ListCost as decimal(38, 12)) as ListBefore,
        cast(ContractedUpTo - ContractedCost as decimal(38, 12)) as ContractedBefore,
        unnest(charge_days(SpanStart, SpanEnd)) as Day
    from cumulated

),

days as (

    select
        x_BillingPeriod,
        CellId,
        x_ChargeId,
        ResourceId,
        ResourceName,
        ResourceType,
        SkuId,
        ChargeDescription,
        Day['ChargeDate'] as ChargeDate,
        apportion(BilledBefore, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as BilledBefore,
        apportion(BilledUpTo, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as BilledUpTo,
        apportion(EffectiveBefore, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as EffectiveBefore,
        apportion(EffectiveUpTo, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as EffectiveUpTo,
        apportion(ListBefore, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ListBefore,
        apportion(ListUpTo, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ListUpTo,
        apportion(ContractedBefore, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ContractedBefore,
        apportion(ContractedUpTo, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ContractedUpTo
    from ranged

),

met as (

    select
        parts.*,
        days.x_ChargeId,
        days.ResourceId,
        days.ResourceName,
        days.ResourceType,
        days.SkuId,
        days.ChargeDescription,
        targets.x_DriverQuantityBefore as TargetBefore,
        targets.x_DriverQuantityUpTo as TargetUpTo,
        targets.x_DriverQuantityTotal as TargetTotal,
        activities.x_DriverQuantityBefore as ActivityBefore,
        activities.x_DriverQuantityUpTo as ActivityUpTo,
        activities.x_DriverQuantityTotal as ActivityTotal,
        days.BilledBefore,
        days.BilledUpTo,
        days.EffectiveBefore,
        days.EffectiveUpTo,
        days.ListBefore,
        days.ListUpTo,
        days.ContractedBefore,
        days.ContractedUpTo
    from parts
    left join targets
        on parts.x_BillingPeriod = targets.x_BillingPeriod
        and parts.x_PoolId = targets.x_PoolId
        and parts.x_AllocationTargetId = targets.x_AllocationTargetId
        and parts.Inherited = targets.Inherited
    left join activities
        on parts.x_BillingPeriod = activities.x_BillingPeriod
        and parts.x_ActivityPoolId = activities.x_PoolId
        and parts.PartName = activities.x_AllocationTargetId
    left join days
        on parts.x_BillingPeriod = days.x_BillingPeriod
        and parts.x_CellId = days.CellId
        and parts.x_ChargeDate = days.ChargeDate

),

of_activities as (

    select
        *,
        case
            when x_ActivityPoolId is null then BilledBefore
            else apportion(BilledBefore, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as BilledActivityBefore,
        case
            when x_ActivityPoolId is null then BilledUpTo
            else apportion(BilledUpTo, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as BilledActivityUpTo,
        case
            when x_ActivityPoolId is null then EffectiveBefore
            else apportion(EffectiveBefore, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as EffectiveActivityBefore,
        case
            when x_ActivityPoolId is null then EffectiveUpTo
            else apportion(EffectiveUpTo, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as EffectiveActivityUpTo,
        case
            when x_ActivityPoolId is null then ListBefore
            else apportion(ListBefore, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ListActivityBefore,
        case
            when x_ActivityPoolId is null then ListUpTo
            else apportion(ListUpTo, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ListActivityUpTo,
        case
            when x_ActivityPoolId is null then ContractedBefore
            else apportion(ContractedBefore, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ContractedActivityBefore,
        case
            when x_ActivityPoolId is null then ContractedUpTo
            else apportion(ContractedUpTo, ActivityBefore, ActivityUpTo, ActivityTotal)
        end as ContractedActivityUpTo
    from met

),

of_targets as (

    select
        *,
        case
            when x_PoolId is null then BilledActivityBefore
            else apportion(BilledActivityBefore, TargetBefore, TargetUpTo, TargetTotal)
        end as BilledTargetBefore,
        case
            when x_PoolId is null then BilledActivityUpTo
            else apportion(BilledActivityUpTo, TargetBefore, TargetUpTo, TargetTotal)
        end as BilledTargetUpTo,
        case
            when x_PoolId is null then EffectiveActivityBefore
            else apportion(EffectiveActivityBefore, TargetBefore, TargetUpTo, TargetTotal)
        end as EffectiveTargetBefore,
        case
            when x_PoolId is null then EffectiveActivityUpTo
            else apportion(EffectiveActivityUpTo, TargetBefore, TargetUpTo, TargetTotal)
        end as EffectiveTargetUpTo,
        case
            when x_PoolId is null then ListActivityBefore
            else apportion(ListActivityBefore, TargetBefore, TargetUpTo, TargetTotal)
        end as ListTargetBefore,
        case
            when x_PoolId is null then ListActivityUpTo
            else apportion(ListActivityUpTo, TargetBefore, TargetUpTo, TargetTotal)
        end as ListTargetUpTo,
        case
            when x_PoolId is null then ContractedActivityBefore
            else apportion(ContractedActivityBefore, TargetBefore, TargetUpTo, TargetTotal)
        end as ContractedTargetBefore,
        case
            when x_PoolId is null then ContractedActivityUpTo
            else apportion(ContractedActivityUpTo, TargetBefore, TargetUpTo, TargetTotal)
        end as ContractedTargetUpTo
    from of_activities

),

split as (

    select
        *,
        case
            when x_ChargeId is null then BilledCost
            else cast(BilledTargetUpTo - BilledTargetBefore as decimal(38, 12))
        end as BilledPart,
        case
            when x_ChargeId is null then EffectiveCost
            else cast(EffectiveTargetUpTo - EffectiveTargetBefore as decimal(38, 12))
        end as EffectivePart,
        case
            when x_ChargeId is null then ListCost
            else cast(ListTargetUpTo - ListTargetBefore as decimal(38, 12))
        end as ListPart,
        case
            when x_ChargeId is null then ContractedCost
            else cast(ContractedTargetUpTo - ContractedTargetBefore as decimal(38, 12))
        end as ContractedPart
    from of_targets

)

select
    -- charge
    x_BillingPeriod,
    x_ChargeId,
    ResourceId,
    ResourceName,
    ResourceType,
    SkuId,
    ChargeDescription,

    -- part
    x_ChargeDate,
    x_IsPartialDay,
    x_Source,
    x_Finality,
    BillingCurrency,
    ChargeFrequency,
    x_AllocationTargetId,
    x_InheritedDimensions,
    x_AllocationReason,
    x_AllocationStage,
    x_AllocationRuleId,
    x_AllocationMethod,
    x_AllocationActivity,
    x_AllocationDriver,
    x_DriverSource,
    x_IsEstimated,
    x_CellId,
    x_PoolId,
    x_ActivityPoolId,

    -- cost
    BilledPart as BilledCost,
    EffectivePart as EffectiveCost,
    ListPart as ListCost,
    ContractedPart as ContractedCost,

    -- kept columns and dimensions
    Dimensions
from split
where
    BilledPart <> 0
    or EffectivePart <> 0
    or ListPart <> 0
    or ContractedPart <> 0
