-- model:   focus_charges__names_follow_ids
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     names and types come with the id they describe, and never without it (N12, N13, N16,
--          K10).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        RegionId,
        SubAccountId,
        ResourceId,
        InvoiceId,
        case
            when (RegionId is null) <> (RegionName is null)
                then 'RegionName without RegionId or the reverse'
            when (SubAccountId is null) <> (SubAccountName is null)
                then 'SubAccountName without SubAccountId or the reverse'
            when (SubAccountId is null) <> (SubAccountType is null)
                then 'SubAccountType without SubAccountId or the reverse'
            when (ResourceId is null) <> (ResourceType is null)
                then 'ResourceType without ResourceId or the reverse'
            when ResourceId is null and ResourceName is not null
                then 'ResourceName without ResourceId'
            when InvoiceId is null and InvoiceDetailId is not null
                then 'InvoiceDetailId without InvoiceId'
            when CapacityReservationId is null and CapacityReservationStatus is not null
                then 'CapacityReservationStatus without id'
            when CapacityReservationId is not null and ChargeCategory = 'Usage'
                and ChargeClass is null and CapacityReservationStatus is null
                then 'capacity reservation without status'
            when ChargeCategory in ('Usage', 'Purchase') and HostProviderName is null
                then 'host of usage or purchase is missing'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    RegionId,
    SubAccountId,
    ResourceId,
    InvoiceId
from judged
where Rule is not null
