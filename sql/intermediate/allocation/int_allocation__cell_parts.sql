-- model:   int_allocation__cell_parts
-- grain:   one row per cell, day and part of its rule (CellId, ChargeDate, Part)
-- inputs:  cells, allocation_parts, allocation_cell_pools
-- params:  none
-- why:     spreads a cell exactly over its days and names the pools that split it. PoolId splits
--          a part over targets; ActivityPoolId, where the rule has several parts, splits the cell
--          over them. A cell without pools (direct, no rule) passes through with one row a day.
--          Cells that are zero in all ledgers end here: free usage times hundreds of targets would
--          say nothing, and no money is lost with it.
--          Right joins keep the small relation on the build side of the hash join.

with

chosen_cells as (

    select * from cells
    where
        BilledCost <> 0
        or EffectiveCost <> 0
        or ListCost <> 0
        or ContractedCost <> 0

),

parts as (

    select * from allocation_parts

),

cell_pools as (

    select * from allocation_cell_pools

),

spans as (

    select
        *,
        unnest(charge_days(ChargePeriodStart, ChargePeriodEnd)) as Day
    from chosen_cells

),

days as (

    select
        CellId,
        x_Source,
        x_Finality,
        BillingCurrency,
        ChargeFrequency,
        Stage,
        RuleId,
        Method,
        DirectTarget,
        FollowerKind,
        DriverKeys,
        FollowCommitmentDiscountId,
        FollowResourceId,
        FollowSkuId,
        ServiceName,
        SubAccountId,
        BillingAccountId,
        ChargeCount,
        Dimensions,
        Inheritable,
        Day['ChargeDate'] as ChargeDate,
        apportion(BilledCost, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as BilledCost,
        apportion(EffectiveCost, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as EffectiveCost,
        apportion(ListCost, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ListCost,
        apportion(ContractedCost, Day['SecondsBefore'], Day['SecondsUpTo'], Day['SecondsTotal'])
            as ContractedCost
    from spans

),

day_parts as (

    select
        days.*,
        parts.Part,
        parts.PartName,
        parts.Kind,
        parts.Activity,
        parts.Driver,
        parts.Ledger,
        parts.ActivityKind,
        parts.ActivityDriver,
        case
            when parts.Kind = 'driver' then days.DriverKeys[parts.KeyPosition]
        end as DriverKey,
        case
            when parts.Kind = 'driver' then days.ChargeDate
        end as DriverDate,
        case
            when parts.ActivityKind = 'driver' then days.DriverKeys[parts.ActivityKeyPosition]
        end as ActivityKey,
        case
            when parts.ActivityKind = 'driver' then days.ChargeDate
        end as ActivityDate
    from parts
    right join days
        on parts.Stage = days.Stage
        and parts.RuleId = days.RuleId

)

select
    day_parts.*,
    case
        when day_parts.ActivityKind is not null
            then charge_id(
                'activity', day_parts.RuleId, day_parts.ActivityKey, day_parts.ActivityDate
            )
    end as ActivityPoolId,
    case
        when cell_pools.PoolId is not null then cell_pools.PoolId
        when day_parts.Kind in ('driver', 'seen', 'fixed', 'equal')
            then charge_id(
                'target', day_parts.RuleId, day_parts.PartName,
                day_parts.DriverKey, day_parts.DriverDate
            )
        when day_parts.Kind = 'cost'
            then charge_id('cost', day_parts.RuleId, day_parts.BillingCurrency)
    end as PoolId
from cell_pools
right join day_parts
    on cell_pools.CellId = day_parts.CellId
