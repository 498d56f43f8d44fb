-- model:   focus_charges__usage_lies_in_its_period
-- severity: warn
-- promise:  the provider's
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     late usage is real, but much of it means a wrong period (K02).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        ChargePeriodStart,
        ChargePeriodEnd,
        case
            when ChargeCategory = 'Usage' and ChargeClass is null
                and (ChargePeriodStart < BillingPeriodStart or ChargePeriodEnd > BillingPeriodEnd)
                then 'usage outside of its billing period'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ChargePeriodStart,
    ChargePeriodEnd
from judged
where Rule is not null
