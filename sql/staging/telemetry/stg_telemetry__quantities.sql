-- model:   stg_telemetry__quantities
-- grain:   one row per driver, key, day and target (Telemetry, MatchKey, ChargeDate, TargetId)
-- inputs:  src_telemetry
-- params:  none
-- why:     aggregated here because measurements are many and nothing downstream looks at one.
--          A missing quantity is counted and not read as zero; a quantity that belongs to nobody
--          belongs to the target `unallocated`, so that it keeps its share of the cost.

with

measurements as (

    select * from src_telemetry

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
