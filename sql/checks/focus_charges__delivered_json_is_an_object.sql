-- model:   focus_charges__delivered_json_is_an_object
-- severity: warn
-- promise:  the provider's
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     JSON columns that are handed on as they are delivered hold objects (F11).

with

charges as (

    select * from focus_charges
    where AllocatedMethodDetails is not null
        or ContractApplied is not null
        or CommitmentProgramEligibilityDetails is not null

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        AllocatedMethodDetails,
        ContractApplied,
        CommitmentProgramEligibilityDetails,
        case
            when trim(AllocatedMethodDetails) not like '{%}'
                then 'AllocatedMethodDetails is not an object'
            when trim(ContractApplied) not like '{%}'
                then 'ContractApplied is not an object'
            when trim(CommitmentProgramEligibilityDetails) not like '{%}'
                then 'CommitmentProgramEligibilityDetails is not an object'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    AllocatedMethodDetails,
    ContractApplied,
    CommitmentProgramEligibilityDetails
from judged
where Rule is not null
