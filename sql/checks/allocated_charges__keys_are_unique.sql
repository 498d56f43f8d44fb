-- model:    allocated_charges__keys_are_unique
-- grain:    one row per repeated key
-- inputs:   allocated_charges
-- params:   none
-- severity: fail
-- why:      a cell, part, day and target meet once. A repeated key means that a join fanned out.

select
    x_CellId,
    x_PoolId,
    x_AllocationActivity,
    x_ChargeDate,
    x_AllocationTargetId,
    count(*) as Repetitions
from allocated_charges
group by x_CellId, x_PoolId, x_AllocationActivity, x_ChargeDate, x_AllocationTargetId
having count(*) > 1
