-- model:    allocated_charges__shares_are_parts
-- grain:    one row per cell, part and day whose shares exceed the whole
-- inputs:   allocated_charges
-- params:   none
-- severity: fail
-- why:      shares lie between 0 and 1 and do not exceed 1 together. They may fall short of it:
--           targets whose part is zero in all ledgers have no row. Each share is rounded to
--           eighteen decimals, hence the tolerance of one unit per row.

select
    x_CellId,
    x_PoolId,
    x_AllocationActivity,
    x_ChargeDate,
    sum(x_AllocationShare) as Shares,
    min(x_AllocationShare) as SmallestShare
from allocated_charges
where x_PoolId is not null
group by x_CellId, x_PoolId, x_AllocationActivity, x_ChargeDate
having
    sum(x_AllocationShare) > 1 + 0.000000000000000001 * count(*)
    or min(x_AllocationShare) < 0
