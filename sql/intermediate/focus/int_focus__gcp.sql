-- model:   int_focus__gcp
-- grain:   one row per charge (x_ChargeId)
-- inputs:  int_focus__gcp_items, int_focus__gcp_adjustments, int_focus__gcp_invoices,
--          seed_gcp_service_categories, seed_gcp_regions, seed_gcp_units
-- params:  $source, $billing_period
-- why:     renders Google Cloud charges as FOCUS 1.4. What a charge is and costs is decided before;
--          here are names, units and the rules about which columns may be filled. A service is
--          known by its id, and by its name where the id is not listed, because names change. All
--          prices and costs are stated in the currency of the invoice.

with

charges as (

    select * from int_focus__gcp_items
    union all
    select * from int_focus__gcp_adjustments

),

invoices as (

    select * from int_focus__gcp_invoices

),

categories as (

    select * from seed_gcp_service_categories

),

regions as (

    select * from seed_gcp_regions

),

units as (

    select * from seed_gcp_units

),

-- the same service has several names over time and one id at most
identified as (

    select
        service_id,
        service_category,
        service_subcategory
    from categories
    where coalesce(service_id, '') <> ''

),

-- every join is many-to-one: the seeds are keyed by the joined column, invoices by account
named as (

    select
        charges.*,
        case when invoices.is_issued then 'final' else 'provisional' end as finality,
        coalesce(identified.service_category, categories.service_category, 'Other')
            as service_category,
        coalesce(
            identified.service_subcategory, categories.service_subcategory, 'Other (Other)'
        ) as service_subcategory,
        coalesce(regions.region_name, charges.region_id) as region_name,
        case
            when charges.pricing_unit = 'count'
                then coalesce(consumed_units.focus_unit, charges.usage_unit, 'Counts')
            else coalesce(units.focus_unit, charges.pricing_unit, 'Units')
        end as base_unit,
        coalesce(
            consumed_units.focus_unit, charges.usage_unit, units.focus_unit, charges.pricing_unit,
            'Units'
        ) as consumed_unit
    from charges
    left join invoices
        on charges.billing_account_id = invoices.billing_account_id
    left join identified
        on charges.service_id = identified.service_id
    left join categories
        on charges.service_name = categories.service_name
    left join regions
        on charges.region_id = regions.region_id
    left join units
        on charges.pricing_unit = units.gcp_unit
    left join units as consumed_units
        on charges.usage_unit = consumed_units.gcp_unit

),

-- what is counted is named in the base unit; a price per thousand has a thousand as its unit
measured as (

    select
        named.*,
        case
            when not is_priced then null
            when part = 'unused' then currency
            when pricing_unit_quantity <> 1
                then rtrim(rtrim(cast(pricing_unit_quantity as varchar), '0'), '.')
                || ' ' || base_unit
            else base_unit
        end as unit
    from named

)

select
    -- split allocation: not used by this model
    arrow_cast(null, 'Utf8') as AllocatedMethodDetails,
    arrow_cast(null, 'Utf8') as AllocatedMethodId,
    arrow_cast(null, 'Utf8') as AllocatedResourceId,
    arrow_cast(null, 'Utf8') as AllocatedResourceName,
    arrow_cast(null, 'Utf8') as AllocatedTags,
    availability_zone as AvailabilityZone,
    billed_cost as BilledCost,

    -- account and invoice; the export names neither the account nor the invoice
    billing_account_id as BillingAccountId,
    billing_account_id as BillingAccountName,
    'Billing Account' as BillingAccountType,
    currency as BillingCurrency,
    billing_period_end as BillingPeriodEnd,
    billing_period_start as BillingPeriodStart,
    arrow_cast(null, 'Utf8') as CapacityReservationId,
    arrow_cast(null, 'Utf8') as CapacityReservationStatus,

    -- what kind of charge
    case
        when part = 'credit' or kind = 'goodwill' then 'Credit'
        when part = 'unused' then 'Usage'
        when kind in ('usage', 'spot', 'committed', 'covered', 'correction') then 'Usage'
        when kind in ('commitment', 'fee') then 'Purchase'
        when kind = 'tax' then 'Tax'
        else 'Adjustment'
    end as ChargeCategory,
    case when is_correction and part <> 'credit' then 'Correction' end as ChargeClass,
    description as ChargeDescription,
    case
        when part = 'credit' then 'One-Time'
        when part = 'unused' then 'Usage-Based'
        when kind in ('usage', 'spot', 'committed', 'covered', 'correction') then 'Usage-Based'
        when kind in ('commitment', 'fee') then 'Recurring'
        else 'One-Time'
    end as ChargeFrequency,
    charge_end as ChargePeriodEnd,
    charge_start as ChargePeriodStart,

    -- commitment
    case
        when commitment_id is null then null
        when is_spend_commitment then 'Spend'
        else 'Usage'
    end as CommitmentDiscountCategory,
    commitment_id as CommitmentDiscountId,
    commitment_name as CommitmentDiscountName,
    commitment_quantity as CommitmentDiscountQuantity,
    case
        when commitment_id is null then null
        when part = 'unused' then 'Unused'
        when kind in ('committed', 'covered') then 'Used'
    end as CommitmentDiscountStatus,
    case when commitment_id is not null then 'Committed Use Discount' end
        as CommitmentDiscountType,
    case
        when commitment_quantity is null then null
        when is_spend_commitment then currency
        else unit
    end as CommitmentDiscountUnit,
    arrow_cast(null, 'Utf8') as CommitmentProgramEligibilityDetails,
    consumed_quantity as ConsumedQuantity,
    case when consumed_quantity is not null then consumed_unit end as ConsumedUnit,

    -- cost and price
    arrow_cast(null, 'Utf8') as ContractApplied,
    contracted_cost as ContractedCost,
    contracted_unit_price as ContractedUnitPrice,
    effective_cost as EffectiveCost,
    'Google Cloud' as HostProviderName,
    arrow_cast(null, 'Utf8') as InvoiceDetailId,
    arrow_cast(null, 'Utf8') as InvoiceId,
    'Google Cloud' as InvoiceIssuerName,
    list_cost as ListCost,
    list_unit_price as ListUnitPrice,
    case
        when not is_priced then null
        when part = 'unused' then 'Committed'
        when kind in ('committed', 'covered') and commitment_id is not null then 'Committed'
        when kind = 'spot' then 'Dynamic'
        else 'Standard'
    end as PricingCategory,
    currency as PricingCurrency,
    contracted_unit_price as PricingCurrencyContractedUnitPrice,
    effective_cost as PricingCurrencyEffectiveCost,
    list_unit_price as PricingCurrencyListUnitPrice,
    pricing_quantity as PricingQuantity,
    unit as PricingUnit,

    -- place and resource
    region_id as RegionId,
    region_name as RegionName,
    resource_id as ResourceId,
    nullif(resource_name, resource_id) as ResourceName,
    case when resource_id is not null then coalesce(resource_type, 'resource') end as ResourceType,

    -- service and SKU
    service_category as ServiceCategory,
    coalesce(service_name, service_id, 'Google Cloud') as ServiceName,
    provider_name as ServiceProviderName,
    service_subcategory as ServiceSubcategory,
    sku_id as SkuId,
    case when sku_id is not null then coalesce(sku_meter, sku_id) end as SkuMeter,
    case
        when sku_price_id is not null and tier_start is not null
            and pricing_unit_quantity is not null
            then '{"x_PricingUnitQuantity":'
                || rtrim(rtrim(cast(pricing_unit_quantity as varchar), '0'), '.')
                || ',"x_TierStartAmount":'
                || rtrim(rtrim(cast(tier_start as varchar), '0'), '.') || '}'
    end as SkuPriceDetails,
    sku_price_id as SkuPriceId,
    project_id as SubAccountId,
    coalesce(project_name, project_id) as SubAccountName,
    case when project_id is not null then 'Project' end as SubAccountType,
    tags as Tags,

    -- custom
    $billing_period as x_BillingPeriod,
    charge_id(charge_key, occurrence, position) as x_ChargeId,
    arrow_cast(null, 'Utf8') as x_CostCategories,
    discounts as x_Discounts,
    finality as x_Finality,
    line_item_type as x_LineItemType,
    arrow_cast(null, 'Utf8') as x_Operation,
    'Google Cloud' as x_ProviderName,
    service_id as x_ServiceCode,
    $source as x_Source,
    arrow_cast(null, 'Utf8') as x_SourceColumns,
    sku_meter as x_UsageType
from measured
