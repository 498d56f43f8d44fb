-- model:   stg_telemetry__previous_quantities
-- grain:   one row per driver, key, day and target (Telemetry, MatchKey, ChargeDate, TargetId)
-- inputs:  src_telemetry_previous
-- params:  none
-- why:     the telemetry of the billing period before: it stands in for a driver that was not
--          measured (fallback `previous_period`) and weighs corrections of days of that period.
--          Read from telemetry, never from earlier output, so the order of runs does not matter.

with

measurements as (

    select * from src_telemetry_previous

),

dated as (

    select
        Telemetry,
        coalesce(MatchKey, '') as MatchKey,
        cast(Time as date) as ChargeDate,
        coalesce(nullif(Target, ''), 'unallocated') as TargetId,
        Quantity
    from measurements

)

select
    Telemetry,
    MatchKey,
    ChargeDate,
    TargetId,
    sum(Quantity) as Quantity,
    count(*) as MeasurementCount,
    count(*) - count(Quantity) as MissingCount
from dated
group by Telemetry, MatchKey, ChargeDate, TargetId
