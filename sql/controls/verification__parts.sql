-- model:   verification__parts
-- grain:   one row per part of a cell that is not what its quantities make of it
-- inputs:  int_allocation__splits, allocated_charges
-- params:  none
-- why:     holds every written part against the same part made again, row by row: a part that is
--          missing, doubled, moved or changed shows up with what was expected and what was found.
--          Both sides are summed instead of joined, because an aggregation spills and a join does
--          not.

with

expected as (

    select
        CellId,
        PoolId,
        ActivityPoolId,
        Activity,
        ChargeDate,
        TargetId,
        Inherited,
        x_Source,
        BillingCurrency,
        RuleId,
        cast(1 as bigint) as ExpectedRows,
        cast(0 as bigint) as FoundRows,
        Quantity as ExpectedQuantity,
        cast(0 as decimal(38, 12)) as FoundQuantity,
        BilledCost as ExpectedBilled,
        cast(0 as decimal(38, 12)) as FoundBilled,
        EffectiveCost as ExpectedEffective,
        cast(0 as decimal(38, 12)) as FoundEffective,
        ListCost as ExpectedList,
        cast(0 as decimal(38, 12)) as FoundList,
        ContractedCost as ExpectedContracted,
        cast(0 as decimal(38, 12)) as FoundContracted
    from int_allocation__splits

),

found as (

    select
        x_CellId as CellId,
        x_PoolId as PoolId,
        x_ActivityPoolId as ActivityPoolId,
        x_AllocationActivity as Activity,
        x_ChargeDate as ChargeDate,
        x_AllocationTargetId as TargetId,
        x_InheritedDimensions as Inherited,
        x_Source,
        BillingCurrency,
        x_AllocationRuleId as RuleId,
        cast(0 as bigint) as ExpectedRows,
        cast(1 as bigint) as FoundRows,
        cast(0 as decimal(38, 12)) as ExpectedQuantity,
        x_AllocationDriverQuantity as FoundQuantity,
        cast(0 as decimal(38, 12)) as ExpectedBilled,
        BilledCost as FoundBilled,
        cast(0 as decimal(38, 12)) as ExpectedEffective,
        EffectiveCost as FoundEffective,
        cast(0 as decimal(38, 12)) as ExpectedList,
        ListCost as FoundList,
        cast(0 as decimal(38, 12)) as ExpectedContracted,
        ContractedCost as FoundContracted
    from allocated_charges

),

both_sides as (

    select * from expected
    union all
    select * from found

)

select
    CellId,
    PoolId,
    ActivityPoolId,
    Activity,
    ChargeDate,
    TargetId,
    Inherited,
    x_Source,
    BillingCurrency,
    RuleId,
    sum(ExpectedRows) as ExpectedRows,
    sum(FoundRows) as FoundRows,
    cast(sum(ExpectedQuantity) as decimal(38, 12)) as ExpectedQuantity,
    cast(sum(FoundQuantity) as decimal(38, 12)) as FoundQuantity,
    cast(sum(ExpectedBilled) as decimal(38, 12)) as ExpectedBilled,
    cast(sum(FoundBilled) as decimal(38, 12)) as FoundBilled,
    cast(sum(ExpectedEffective) as decimal(38, 12)) as ExpectedEffective,
    cast(sum(FoundEffective) as decimal(38, 12)) as FoundEffective,
    cast(sum(ExpectedList) as decimal(38, 12)) as ExpectedList,
    cast(sum(FoundList) as decimal(38, 12)) as FoundList,
    cast(sum(ExpectedContracted) as decimal(38, 12)) as ExpectedContracted,
    cast(sum(FoundContracted) as decimal(38, 12)) as FoundContracted
from both_sides
group by
    CellId,
    PoolId,
    ActivityPoolId,
    Activity,
    ChargeDate,
    TargetId,
    Inherited,
    x_Source,
    BillingCurrency,
    RuleId
having
    sum(ExpectedRows) <> sum(FoundRows)
    or sum(ExpectedQuantity) <> sum(FoundQuantity)
    or sum(ExpectedBilled) <> sum(FoundBilled)
    or sum(ExpectedEffective) <> sum(FoundEffective)
    or sum(ExpectedList) <> sum(FoundList)
    or sum(ExpectedContracted) <> sum(FoundContracted)
