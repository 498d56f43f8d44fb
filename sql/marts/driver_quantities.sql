-- model:   driver_quantities
-- grain:   one row per cost pool, charge date, target and inherited dimensions
-- inputs:  allocation_quantities
-- params:  $billing_period
-- why:     what every split was made from, so that each allocated row can be recomputed from the
--          tables alone. Targets with a quantity of zero are kept: they were measured.

with

quantities as (

    select * from allocation_quantities

)

select
    $billing_period as x_BillingPeriod,
    PoolId as x_PoolId,
    Stage as x_AllocationStage,
    RuleId as x_AllocationRuleId,
    Activity as x_AllocationActivity,
    Driver as x_AllocationDriver,
    DriverKey as x_AllocationDriverKey,
    ChargeDate as x_ChargeDate,
    TargetId as x_AllocationTargetId,
    Inherited as x_InheritedDimensions,
    DriverSource as x_DriverSource,
    Quantity as x_DriverQuantity,
    QuantityBefore as x_DriverQuantityBefore,
    QuantityUpTo as x_DriverQuantityUpTo,
    QuantityTotal as x_DriverQuantityTotal
from quantities
