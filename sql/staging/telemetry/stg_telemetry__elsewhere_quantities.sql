-- model:   stg_telemetry__elsewhere_quantities
-- grain:   one row per driver, key, day and target (Telemetry, MatchKey, ChargeDate, TargetId)
-- inputs:  src_telemetry_elsewhere
-- params:  none
-- why:     the telemetry of days that lie neither in the billing period nor in the one before, but
--          on which some of its charges do: corrections of older months, and the hours that an
--          invoice month has beyond the month in UTC. They weigh those days and nothing else.

with

measurements as (

    select * from src_telemetry_elsewhere

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
