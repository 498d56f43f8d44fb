-- model:   int_drivers__previous_period
-- grain:   one row per telemetry, match key and target (Telemetry, MatchKey, TargetId)
-- inputs:  telemetry_previous_quantities
-- params:  none
-- why:     the shares of the whole previous period; a single day of it would be a coincidence.

with

previous_quantities as (

    select * from telemetry_previous_quantities

)

select
    Telemetry,
    MatchKey,
    TargetId,
    sum(Quantity) as Quantity
from previous_quantities
where Quantity > 0
group by Telemetry, MatchKey, TargetId
