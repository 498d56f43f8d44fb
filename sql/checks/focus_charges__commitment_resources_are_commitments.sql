-- model:   focus_charges__commitment_resources_are_commitments
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     where a commitment is bought or wasted, the commitment itself is the resource (K07).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        ResourceId,
        CommitmentDiscountId,
        case
            when CommitmentDiscountId is not null and ChargeClass is null
                and (ChargeCategory = 'Purchase' or CommitmentDiscountStatus = 'Unused')
                and coalesce(ResourceId, '') <> CommitmentDiscountId
                then 'ResourceId is not the commitment'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ResourceId,
    CommitmentDiscountId
from judged
where Rule is not null
