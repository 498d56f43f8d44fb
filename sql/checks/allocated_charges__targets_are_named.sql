-- model:    allocated_charges__targets_are_named
-- grain:    one row per allocated row without a target, or without the reason it needs
-- inputs:   allocated_charges
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      somebody bears every cost. What nobody owns says why, what somebody owns does not.

select
    x_CellId,
    x_ChargeDate,
    x_AllocationTargetId,
    x_AllocationReason,
    EffectiveCost
from allocated_charges
where
    x_AllocationTargetId is null
    or x_AllocationTargetId = ''
    or (x_AllocationReason is not null) <> (x_AllocationTargetId in ('idle', 'unallocated'))
