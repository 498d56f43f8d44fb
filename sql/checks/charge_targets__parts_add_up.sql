-- model:    charge_targets__parts_add_up
-- grain:    one row per part whose charges do not add up to it
-- inputs:   charge_targets, allocated_charges
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      cost by charge and target is the same money as cost by target. Charges minus parts are
--           summed instead of joined, because an aggregation spills and a join does not.

with

by_charge as (

    select
        x_BillingPeriod,
        x_CellId,
        x_PoolId,
        x_AllocationActivity,
        x_ChargeDate,
        x_AllocationTargetId,
        x_InheritedDimensions,
        BilledCost,
        EffectiveCost,
        ListCost,
        ContractedCost
    from charge_targets

),

by_part as (

    select
        x_BillingPeriod,
        x_CellId,
        x_PoolId,
        x_AllocationActivity,
        x_ChargeDate,
        x_AllocationTargetId,
        x_InheritedDimensions,
        -BilledCost as BilledCost,
        -EffectiveCost as EffectiveCost,
        -ListCost as ListCost,
        -ContractedCost as ContractedCost
    from allocated_charges

),

differences as (

    select * from by_charge
    union all
    select * from by_part

)

select
    x_BillingPeriod,
    x_CellId,
    x_PoolId,
    x_AllocationActivity,
    x_ChargeDate,
    x_AllocationTargetId,
    x_InheritedDimensions,
    sum(BilledCost) as Billed,
    sum(EffectiveCost) as Effective,
    sum(ListCost) as List,
    sum(ContractedCost) as Contracted
from differences
group by
    x_BillingPeriod,
    x_CellId,
    x_PoolId,
    x_AllocationActivity,
    x_ChargeDate,
    x_AllocationTargetId,
    x_InheritedDimensions
having
    sum(BilledCost) <> 0
    or sum(EffectiveCost) <> 0
    or sum(ListCost) <> 0
    or sum(ContractedCost) <> 0
