-- model:    completeness__flag_fits_its_rows
-- grain:    one row per source whose row contradicts itself or the others of its billing period
-- inputs:   completeness
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      a month that lacks a source is not comparable with others. A reader filters by the
--           flag, so it must say the same as the rows it sums up.

with

periods as (

    select
        x_BillingPeriod,
        min(case when x_SourceStatus = 'published' then 1 else 0 end) = 1 as IsComplete
    from completeness
    group by x_BillingPeriod

)

select completeness.*
from completeness
inner join periods
    on completeness.x_BillingPeriod = periods.x_BillingPeriod
where
    completeness.x_IsComplete <> periods.IsComplete
    or (completeness.x_SourceStatus = 'published') <> (completeness.x_Reason is null)
