-- model:   focus_charges__text_is_never_blank
-- severity: fail
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     absent text is NULL; an empty or blank value would pass every not-null test and match
--          nothing (F09).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        case
            when AllocatedMethodDetails < '!' and trim(AllocatedMethodDetails) = ''
                then 'AllocatedMethodDetails'
            when AllocatedMethodId < '!' and trim(AllocatedMethodId) = ''
                then 'AllocatedMethodId'
            when AllocatedResourceId < '!' and trim(AllocatedResourceId) = ''
                then 'AllocatedResourceId'
            when AllocatedResourceName < '!' and trim(AllocatedResourceName) = ''
                then 'AllocatedResourceName'
            when AllocatedTags < '!' and trim(AllocatedTags) = ''
                then 'AllocatedTags'
            when AvailabilityZone < '!' and trim(AvailabilityZone) = ''
                then 'AvailabilityZone'
            when BillingAccountId < '!' and trim(BillingAccountId) = ''
                then 'BillingAccountId'
            when BillingAccountName < '!' and trim(BillingAccountName) = ''
                then 'BillingAccountName'
            when BillingAccountType < '!' and trim(BillingAccountType) = ''
                then 'BillingAccountType'
            when BillingCurrency < '!' and trim(BillingCurrency) = ''
                then 'BillingCurrency'
            when CapacityReservationId < '!' and trim(CapacityReservationId) = ''
                then 'CapacityReservationId'
            when CapacityReservationStatus < '!' and trim(CapacityReservationStatus) = ''
                then 'CapacityReservationStatus'
            when ChargeCategory < '!' and trim(ChargeCategory) = ''
                then 'ChargeCategory'
            when ChargeClass < '!' and trim(ChargeClass) = ''
                then 'ChargeClass'
            when ChargeDescription < '!' and trim(ChargeDescription) = ''
                then 'ChargeDescription'
            when ChargeFrequency < '!' and trim(ChargeFrequency) = ''
                then 'ChargeFrequency'
            when CommitmentDiscountCategory < '!' and trim(CommitmentDiscountCategory) = ''
                then 'CommitmentDiscountCategory'
            when CommitmentDiscountId < '!' and trim(CommitmentDiscountId) = ''
                then 'CommitmentDiscountId'
            when CommitmentDiscountName < '!' and trim(CommitmentDiscountName) = ''
                then 'CommitmentDiscountName'
            when CommitmentDiscountStatus < '!' and trim(CommitmentDiscountStatus) = ''
                then 'CommitmentDiscountStatus'
            when CommitmentDiscountType < '!' and trim(CommitmentDiscountType) = ''
                then 'CommitmentDiscountType'
            when CommitmentDiscountUnit < '!' and trim(CommitmentDiscountUnit) = ''
                then 'CommitmentDiscountUnit'
            when CommitmentProgramEligibilityDetails < '!'
                and trim(CommitmentProgramEligibilityDetails) = ''
                then 'CommitmentProgramEligibilityDetails'
            when ConsumedUnit < '!' and trim(ConsumedUnit) = ''
                then 'ConsumedUnit'
            when ContractApplied < '!' and trim(ContractApplied) = ''
                then 'ContractApplied'
            when HostProviderName < '!' and trim(HostProviderName) = ''
                then 'HostProviderName'
            when InvoiceDetailId < '!' and trim(InvoiceDetailId) = ''
                then 'InvoiceDetailId'
            when InvoiceId < '!' and trim(InvoiceId) = ''
                then 'InvoiceId'
            when InvoiceIssuerName < '!' and trim(InvoiceIssuerName) = ''
                then 'InvoiceIssuerName'
            when PricingCategory < '!' and trim(PricingCategory) = ''
                then 'PricingCategory'
            when PricingCurrency < '!' and trim(PricingCurrency) = ''
                then 'PricingCurrency'
            when PricingUnit < '!' and trim(PricingUnit) = ''
                then 'PricingUnit'
            when RegionId < '!' and trim(RegionId) = ''
                then 'RegionId'
            when RegionName < '!' and trim(RegionName) = ''
                then 'RegionName'
            when ResourceId < '!' and trim(ResourceId) = ''
                then 'ResourceId'
            when ResourceName < '!' and trim(ResourceName) = ''
                then 'ResourceName'
            when ResourceType < '!' and trim(ResourceType) = ''
                then 'ResourceType'
            when ServiceCategory < '!' and trim(ServiceCategory) = ''
                then 'ServiceCategory'
            when ServiceName < '!' and trim(ServiceName) = ''
                then 'ServiceName'
            when ServiceProviderName < '!' and trim(ServiceProviderName) = ''
                then 'ServiceProviderName'
            when ServiceSubcategory < '!' and trim(ServiceSubcategory) = ''
                then 'ServiceSubcategory'
            when SkuId < '!' and trim(SkuId) = ''
                then 'SkuId'
            when SkuMeter < '!' and trim(SkuMeter) = ''
                then 'SkuMeter'
            when SkuPriceDetails < '!' and trim(SkuPriceDetails) = ''
                then 'SkuPriceDetails'
            when SkuPriceId < '!' and trim(SkuPriceId) = ''
                then 'SkuPriceId'
            when SubAccountId < '!' and trim(SubAccountId) = ''
                then 'SubAccountId'
            when SubAccountName < '!' and trim(SubAccountName) = ''
                then 'SubAccountName'
            when SubAccountType < '!' and trim(SubAccountType) = ''
                then 'SubAccountType'
            when Tags < '!' and trim(Tags) = ''
                then 'Tags'
            when x_BillingPeriod < '!' and trim(x_BillingPeriod) = ''
                then 'x_BillingPeriod'
            when x_ChargeId < '!' and trim(x_ChargeId) = ''
                then 'x_ChargeId'
            when x_CostCategories < '!' and trim(x_CostCategories) = ''
                then 'x_CostCategories'
            when x_Discounts < '!' and trim(x_Discounts) = ''
                then 'x_Discounts'
            when x_LineItemType < '!' and trim(x_LineItemType) = ''
                then 'x_LineItemType'
            when x_Operation < '!' and trim(x_Operation) = ''
                then 'x_Operation'
            when x_ServiceCode < '!' and trim(x_ServiceCode) = ''
                then 'x_ServiceCode'
            when x_Source < '!' and trim(x_Source) = ''
                then 'x_Source'
            when x_UsageType < '!' and trim(x_UsageType) = ''
                then 'x_UsageType'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType
from judged
where Rule is not null
