-- model:   int_drivers__days
-- grain:   one row per driver, key, day and target (Telemetry, MatchKey, ChargeDate, TargetId)
-- inputs:  telemetry_quantities, telemetry_previous_quantities, telemetry_elsewhere_quantities
-- params:  none
-- why:     what was measured on a day, whichever billing period the day lies in: a correction of
--          an older day is weighed by that day, however old. A weight is never negative: a target
--          whose net quantity of the day is below zero weighs nothing, which the driver report
--          shows.

with

current_quantities as (

    select * from telemetry_quantities

),

previous_quantities as (

    select * from telemetry_previous_quantities

),

elsewhere_quantities as (

    select * from telemetry_elsewhere_quantities

),

quantities as (

    select Telemetry, MatchKey, ChargeDate, TargetId, Quantity
    from current_quantities
    union all
    select Telemetry, MatchKey, ChargeDate, TargetId, Quantity
    from previous_quantities
    union all
    select Telemetry, MatchKey, ChargeDate, TargetId, Quantity
    from elsewhere_quantities

)

select
    Telemetry,
    MatchKey,
    ChargeDate,
    TargetId,
    cast(greatest(sum(Quantity), 0) as decimal(38, 12)) as Quantity
from quantities
where Quantity is not null
group by Telemetry, MatchKey, ChargeDate, TargetId
