-- model:   stg_focus__charges
-- grain:   one row per row of a FOCUS export (no key is delivered)
-- inputs:  src_focus__charges
-- params:  $billing_period_start
-- why:     the only place where the export's doubles become decimals and its maps JSON text. Prices
--          keep eighteen decimals, which is why they are read from their shortest text. Columns of
--          newer versions that an export does not have arrive as NULL.

with

charges as (

    select * from src_focus__charges

)

select
    -- split allocation
    AllocatedMethodDetails as allocated_method_details,
    AllocatedMethodId as allocated_method_id,
    AllocatedResourceId as allocated_resource_id,
    AllocatedResourceName as allocated_resource_name,
    map_json(AllocatedTags) as allocated_tags,

    -- accounts, companies and invoice
    BillingAccountId as billing_account_id,
    BillingAccountName as billing_account_name,
    BillingAccountType as billing_account_type,
    SubAccountId as sub_account_id,
    SubAccountName as sub_account_name,
    SubAccountType as sub_account_type,
    InvoiceId as invoice_id,
    InvoiceDetailId as invoice_detail_id,
    coalesce(InvoiceIssuerName, ProviderName, ServiceProviderName) as invoice_issuer,
    coalesce(ServiceProviderName, ProviderName, PublisherName, InvoiceIssuerName)
        as service_provider,
    coalesce(HostProviderName, ProviderName, ServiceProviderName) as host_provider,

    -- time
    BillingPeriodStart as billing_period_start,
    BillingPeriodEnd as billing_period_end,
    ChargePeriodStart as charge_start,
    case
        when ChargePeriodEnd > ChargePeriodStart then ChargePeriodEnd
        else ChargePeriodStart + interval '1 second'
    end as charge_end,

    -- what kind of charge
    ChargeCategory as charge_category,
    ChargeClass as charge_class,
    ChargeDescription as charge_description,
    ChargeFrequency as charge_frequency,
    ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null as is_ordinary,

    -- commitment and capacity
    CommitmentDiscountId as commitment_id,
    CommitmentDiscountCategory as commitment_category,
    CommitmentDiscountName as commitment_name,
    CommitmentDiscountStatus as commitment_status,
    CommitmentDiscountType as commitment_type,
    decimal_from_double(CommitmentDiscountQuantity) as commitment_quantity,
    CommitmentDiscountUnit as commitment_unit,
    CommitmentProgramEligibilityDetails as commitment_eligibility,
    ContractApplied as contract_applied,
    CapacityReservationId as capacity_reservation_id,
    CapacityReservationStatus as capacity_reservation_status,

    -- cost
    BillingCurrency as billing_currency,
    decimal_from_double(BilledCost) as billed_cost,
    decimal_from_double(EffectiveCost) as effective_cost,
    decimal_from_double(ListCost) as list_cost,
    decimal_from_double(ContractedCost) as contracted_cost,

    -- price and quantity
    PricingCategory as pricing_category,
    PricingCurrency as pricing_currency,
    decimal_from_text(cast(PricingCurrencyContractedUnitPrice as varchar))
        as pricing_currency_contracted_unit_price,
    decimal_from_double(PricingCurrencyEffectiveCost) as pricing_currency_effective_cost,
    decimal_from_text(cast(PricingCurrencyListUnitPrice as varchar))
        as pricing_currency_list_unit_price,
    decimal_from_double(PricingQuantity) as pricing_quantity,
    PricingUnit as pricing_unit,
    decimal_from_double(ConsumedQuantity) as consumed_quantity,
    ConsumedUnit as consumed_unit,
    decimal_from_text(cast(ListUnitPrice as varchar)) as list_unit_price,
    decimal_from_text(cast(ContractedUnitPrice as varchar)) as contracted_unit_price,
    SkuId as sku_id,
    SkuMeter as sku_meter,
    SkuPriceId as sku_price_id,
    map_json(SkuPriceDetails) as sku_price_details,

    -- service, place and resource
    ServiceCategory as service_category,
    ServiceName as service_name,
    ServiceSubcategory as service_subcategory,
    AvailabilityZone as availability_zone,
    RegionId as region_id,
    RegionName as region_name,
    ResourceId as resource_id,
    ResourceName as resource_name,
    ResourceType as resource_type,
    map_json(Tags) as tags,

    -- custom
    map_json(x_CostCategories) as cost_categories,
    map_json(x_Discounts) as discounts,
    x_Operation as operation,
    x_ServiceCode as service_code,
    x_UsageType as usage_type
from charges
where BillingPeriodStart = $billing_period_start
