-- model:   focus_charges__json_columns_are_flat_objects
-- severity: fail
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     Tags, AllocatedTags and SkuPriceDetails are JSON objects without nesting; our own JSON
--          columns are objects (F10, F11). A value is nested where a bracket opens right after a
--          colon.

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        Tags,
        AllocatedTags,
        SkuPriceDetails,
        case
            when not starts_with(Tags, '{') or not ends_with(Tags, '}')
                then 'Tags is not an object'
            when not starts_with(AllocatedTags, '{') or not ends_with(AllocatedTags, '}')
                then 'AllocatedTags is not an object'
            when not starts_with(SkuPriceDetails, '{') or not ends_with(SkuPriceDetails, '}')
                then 'SkuPriceDetails is not an object'
            when not starts_with(x_CostCategories, '{') or not ends_with(x_CostCategories, '}')
                then 'x_CostCategories is not an object'
            when not starts_with(x_SourceColumns, '{') or not ends_with(x_SourceColumns, '}')
                then 'x_SourceColumns is not an object'
            when not starts_with(x_Discounts, '{') or not ends_with(x_Discounts, '}')
                then 'x_Discounts is not an object'
            when (Tags like '%":{%' or Tags like '%":[%')
                and (
                    strpos(replace(Tags, '\"', ''), '":{') > 0
                    or strpos(replace(Tags, '\"', ''), '":[') > 0
                )
                then 'Tags is nested'
            when (AllocatedTags like '%":{%' or AllocatedTags like '%":[%')
                and (
                    strpos(replace(AllocatedTags, '\"', ''), '":{') > 0
                    or strpos(replace(AllocatedTags, '\"', ''), '":[') > 0
                )
                then 'AllocatedTags is nested'
            when (SkuPriceDetails like '%":{%' or SkuPriceDetails like '%":[%')
                and (
                    strpos(replace(SkuPriceDetails, '\"', ''), '":{') > 0
                    or strpos(replace(SkuPriceDetails, '\"', ''), '":[') > 0
                )
                then 'SkuPriceDetails is nested'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    Tags,
    AllocatedTags,
    SkuPriceDetails
from judged
where Rule is not null
