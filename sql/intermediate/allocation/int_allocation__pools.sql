-- model:   int_allocation__pools
-- grain:   one row per cost pool that some cell needs (PoolId)
-- inputs:  int_allocation__cell_parts, int_allocation__cell_parts
-- params:  none
-- why:     a driver that was not measured leaves no trace in telemetry, so what is missing can
--          only be seen from the side of the cost. Reads the parts twice, once per kind of pool.

with

target_pools as (

    select * from int_allocation__cell_parts

),

activity_pools as (

    select * from int_allocation__cell_parts

)

select distinct
    PoolId,
    'target' as Level,
    Stage,
    RuleId,
    Activity,
    PartName,
    Kind,
    Driver,
    DriverKey,
    DriverDate,
    Ledger,
    case when Kind = 'cost' then BillingCurrency end as BillingCurrency
from target_pools
where Kind in ('driver', 'seen', 'fixed', 'equal', 'cost')
union all
select distinct
    ActivityPoolId as PoolId,
    'activity' as Level,
    Stage,
    RuleId,
    cast(null as varchar) as Activity,
    cast(null as varchar) as PartName,
    ActivityKind as Kind,
    ActivityDriver as Driver,
    ActivityKey as DriverKey,
    ActivityDate as DriverDate,
    cast(null as varchar) as Ledger,
    cast(null as varchar) as BillingCurrency
from activity_pools
where ActivityKind is not null
