-- model:    driver_quantities__keys_are_unique
-- grain:    one row per repeated key
-- inputs:   driver_quantities
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      a target occurs once in a pool with the same inherited dimensions; twice, and its
--           cells would be split twice.

select
    x_PoolId,
    x_AllocationTargetId,
    x_InheritedDimensions,
    count(*) as Repetitions
from driver_quantities
group by x_PoolId, x_AllocationTargetId, x_InheritedDimensions
having count(*) > 1
