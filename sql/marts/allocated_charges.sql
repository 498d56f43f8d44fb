-- model:   allocated_charges
-- grain:   one row per cell, pool, charge date, target and inherited dimensions
-- inputs:  int_allocation__splits
-- params:  $billing_period
-- why:     every charge that costs something, given to somebody. Dimensions is opaque here and
--          unpacked into the columns the pipeline declares.

with

splits as (

    select * from int_allocation__splits

)

select
    -- identity
    $billing_period as x_BillingPeriod,
    ChargeDate as x_ChargeDate,
    to_char(ChargeDate, '%Y-%m') > $billing_period as x_IsPartialDay,
    x_Source,
    x_Finality,
    BillingCurrency,
    ChargeFrequency,
    TargetId as x_AllocationTargetId,
    Inherited as x_InheritedDimensions,

    -- how it came about
    Reason as x_AllocationReason,
    Stage as x_AllocationStage,
    RuleId as x_AllocationRuleId,
    Method as x_AllocationMethod,
    Activity as x_AllocationActivity,
    Driver as x_AllocationDriver,
    Quantity as x_AllocationDriverQuantity,
    coalesce(
        divide_round(Quantity, QuantityTotal),
        divide_round(ActivityQuantity, ActivityTotal),
        cast(1 as decimal(38, 18))
    ) as x_AllocationShare,
    DriverSource as x_DriverSource,
    IsEstimated as x_IsEstimated,
    CellId as x_CellId,
    PoolId as x_PoolId,
    ActivityPoolId as x_ActivityPoolId,
    ChargeCount as x_ChargeCount,

    -- cost
    BilledCost,
    EffectiveCost,
    ListCost,
    ContractedCost,

    -- kept columns and dimensions
    Dimensions
from splits
