-- model:   int_drivers__seen_targets
-- grain:   one row per telemetry and target (Telemetry, TargetId)
-- inputs:  telemetry_quantities
-- params:  none
-- why:     who is active: every target the driver measured above zero in the billing period,
--          whatever the match key. They share where an even split has no list of targets.

with

quantities as (

    select * from telemetry_quantities

)

select distinct
    Telemetry,
    TargetId
from quantities
where
    Quantity > 0
    and TargetId not in ('unallocated', 'idle')
