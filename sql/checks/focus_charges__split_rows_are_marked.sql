-- model:   focus_charges__split_rows_are_marked
-- severity: warn
-- promise:  the provider's
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     a split charge names its method on every row, its consumer on allocated rows, and
--          carries ratios in AllocatedMethodDetails (S03 to S09, S15). No model of ours splits
--          charges; what exports say about splits of their own is handed on.

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        AllocatedMethodId,
        AllocatedResourceId,
        AllocatedMethodDetails,
        case
            when AllocatedResourceId is not null and AllocatedMethodId is null
                then 'resource without method'
            when (AllocatedResourceId is null) <> (AllocatedResourceName is null)
                then 'name without resource or the reverse'
            when AllocatedMethodDetails is not null and AllocatedMethodId is null
                then 'details without method'
            when AllocatedTags is not null and AllocatedMethodId is null
                then 'tags without method'
            when AllocatedMethodDetails is not null
                and (AllocatedMethodDetails not like '%"Elements"%'
                or AllocatedMethodDetails not like '%"AllocatedRatio"%')
                then 'details without elements'
            when AllocatedMethodDetails like '%"UsageQuantity"%'
                and AllocatedMethodDetails not like '%"UsageUnit"%'
                then 'usage quantity without unit'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    AllocatedMethodId,
    AllocatedResourceId,
    AllocatedMethodDetails
from judged
where Rule is not null
