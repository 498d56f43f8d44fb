-- model:   int_focus__aws
-- grain:   one row per charge (x_ChargeId)
-- inputs:  int_focus__aws_items, int_focus__aws_adjustments, seed_aws_service_categories,
--          seed_aws_service_names, seed_aws_regions, seed_aws_resource_types, seed_aws_units
-- params:  $source, $billing_period
-- why:     renders AWS charges as FOCUS 1.4. What a charge is and costs is decided before; here
--          are names, units and the rules about which columns may be filled. A price without a
--          known price list entry is not stated at all (SkuPriceId, then prices and quantities).

with

charges as (

    select * from int_focus__aws_items
    union all
    select * from int_focus__aws_adjustments

),

categories as (

    select * from seed_aws_service_categories

),

service_names as (

    select * from seed_aws_service_names

),

regions as (

    select * from seed_aws_regions

),

resource_types as (

    select * from seed_aws_resource_types

),

units as (

    select * from seed_aws_units

),

-- every join is many-to-one: the seeds are keyed by the joined column. A product that is not
-- listed may be listed as the service it is part of
named as (

    select
        charges.*,
        coalesce(service_names.service_name, charges.service_name) as service,
        coalesce(categories.service_category, of_service.service_category, 'Other')
            as service_category,
        coalesce(
            categories.service_subcategory, of_service.service_subcategory, 'Other (Other)'
        ) as service_subcategory,
        coalesce(regions.region_name, charges.region_id) as region_name,
        case
            when starts_with(charges.usage_type, regions.usage_prefix)
                then coalesce(
                    nullif(substr(charges.usage_type, length(regions.usage_prefix) + 1), ''),
                    charges.usage_type
                )
            else charges.usage_type
        end as usage_meter,
        case
            when not charges.is_priced then null
            when charges.part = 'unused' and charges.is_spend_commitment then charges.currency
            else coalesce(
                units.focus_unit,
                charges.pricing_unit,
                case
                    when charges.kind in ('reserved', 'spot', 'commitment') then 'Hours'
                    when charges.usage_type like '%Bytes' then 'GB'
                    when charges.usage_type like '%ByteHrs%' then 'GB-Months'
                    when charges.usage_type like '%Requests%' then 'Requests'
                    when charges.usage_type like '%Usage:%' then 'Hours'
                    else 'Units'
                end
            )
        end as unit,
        -- the kind of thing a resource id names, from the ARN or from the id's prefix; an ARN that
        -- is cut off leaves what the product is
        case
            when charges.resource_id is null then null
            when starts_with(charges.resource_id, 'i-') then 'instance'
            when starts_with(charges.resource_id, 'vol-') then 'volume'
            when starts_with(charges.resource_id, 'snap-') then 'snapshot'
            when not starts_with(charges.resource_id, 'arn:')
                then case
                    when charges.product_code = 'AmazonS3' then 'bucket'
                    else coalesce(charges.product_family, charges.service_code)
                end
            else coalesce(
                nullif(
                    case
                        when split_part(charges.resource_id, ':', 7) <> ''
                            then split_part(charges.resource_id, ':', 6)
                        when strpos(split_part(charges.resource_id, ':', 6), '/') > 1
                            then split_part(split_part(charges.resource_id, ':', 6), '/', 1)
                        -- arn:aws:sns:…:name says whose it is, not what it is
                        else coalesce(
                            resource_types.resource_type, split_part(charges.resource_id, ':', 3)
                        )
                    end,
                    ''
                ),
                charges.product_family,
                charges.service_code,
                'resource'
            )
        end as resource_type
    from charges
    left join categories
        on charges.product_code = categories.service_code
    left join categories as of_service
        on charges.service_code = of_service.service_code
    left join service_names
        on charges.service_name = service_names.delivered_name
    left join regions
        on charges.region_id = regions.region_id
    left join resource_types
        on split_part(charges.resource_id, ':', 3) = resource_types.arn_service
    left join units
        on charges.pricing_unit = units.pricing_unit

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

    -- account and invoice
    payer_account_id as BillingAccountId,
    -- an unnamed account shows its id: the standard wants a name wherever accounts can have one
    coalesce(payer_account_name, payer_account_id) as BillingAccountName,
    'Payer Account' as BillingAccountType,
    currency as BillingCurrency,
    billing_period_end as BillingPeriodEnd,
    billing_period_start as BillingPeriodStart,
    capacity_reservation_id as CapacityReservationId,
    case
        when capacity_reservation_id is null then null
        when lower(capacity_reservation_status) like '%unused%' then 'Unused'
        when kind in ('usage', 'spot', 'reserved', 'covered') then 'Used'
    end as CapacityReservationStatus,

    -- what kind of charge
    case
        when part = 'unused' then 'Usage'
        when kind in ('usage', 'spot', 'reserved', 'covered', 'refund') then 'Usage'
        when kind = 'tax' then 'Tax'
        when kind = 'credit' then 'Credit'
        when kind = 'adjustment' then 'Adjustment'
        else 'Purchase'
    end as ChargeCategory,
    case
        when kind in ('refund', 'purchase_refund', 'commitment_refund') then 'Correction'
    end as ChargeClass,
    coalesce(description, line_item_type) as ChargeDescription,
    case
        when part = 'unused' then 'Usage-Based'
        when kind in ('usage', 'spot', 'reserved', 'covered') then 'Usage-Based'
        when kind = 'commitment' or line_item_type = 'FlatRateSubscription' then 'Recurring'
        when kind = 'fee'
            and charge_start <= billing_period_start and charge_end >= billing_period_end
            then 'Recurring'
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
    arrow_cast(null, 'Utf8') as CommitmentDiscountName,
    commitment_quantity as CommitmentDiscountQuantity,
    case
        when commitment_id is null then null
        when part = 'unused' then 'Unused'
        when kind in ('reserved', 'covered') then 'Used'
    end as CommitmentDiscountStatus,
    case
        when commitment_id is null then null
        when is_spend_commitment then 'Savings Plan'
        else 'Reserved Instance'
    end as CommitmentDiscountType,
    commitment_unit as CommitmentDiscountUnit,
    arrow_cast(null, 'Utf8') as CommitmentProgramEligibilityDetails,
    consumed_quantity as ConsumedQuantity,
    case when consumed_quantity is not null then unit end as ConsumedUnit,

    -- cost and price
    arrow_cast(null, 'Utf8') as ContractApplied,
    contracted_cost as ContractedCost,
    contracted_unit_price as ContractedUnitPrice,
    effective_cost as EffectiveCost,
    'AWS' as HostProviderName,
    arrow_cast(null, 'Utf8') as InvoiceDetailId,
    invoice_id as InvoiceId,
    issuer_name as InvoiceIssuerName,
    list_cost as ListCost,
    list_unit_price as ListUnitPrice,
    case
        when part = 'unused' or kind in ('reserved', 'covered') then 'Committed'
        when kind = 'spot' then 'Dynamic'
        when is_priced then 'Standard'
    end as PricingCategory,
    coalesce(pricing_currency, currency) as PricingCurrency,
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
    resource_type as ResourceType,

    -- service and SKU
    service_category as ServiceCategory,
    service as ServiceName,
    provider_name as ServiceProviderName,
    service_subcategory as ServiceSubcategory,
    sku_id as SkuId,
    case
        when sku_id is not null then coalesce(usage_meter, product_family, line_item_type)
    end as SkuMeter,
    case
        when sku_price_id is not null and instance_type is not null
            then '{'
                || coalesce('"CoreCount":' || cast(try_cast(vcpu as int) as varchar) || ',', '')
                -- m5 of m5.large, db.m5.large and m5.large.search
                || coalesce(
                    '"InstanceSeries":"'
                    || regexp_match(instance_type, '(?:^|\.)([a-z][a-z-]*[0-9][a-z0-9-]*)\.')[1]
                    || '",',
                    ''
                )
                || '"InstanceType":"' || instance_type || '"'
                || coalesce(
                    ',"MemorySize":'
                    || regexp_replace(
                        cast(try_cast(split_part(memory, ' ', 1) as decimal(18, 3)) as varchar),
                        '\.?0+$',
                        ''
                    ),
                    ''
                )
                || coalesce(',"OperatingSystem":"' || operating_system || '"', '')
                || '}'
    end as SkuPriceDetails,
    sku_price_id as SkuPriceId,
    usage_account_id as SubAccountId,
    -- likewise, legacy exports name no accounts
    coalesce(usage_account_name, usage_account_id) as SubAccountName,
    case when usage_account_id is not null then 'Account' end as SubAccountType,
    tags as Tags,

    -- custom
    $billing_period as x_BillingPeriod,
    charge_id(line_item_id, time_interval, part) as x_ChargeId,
    cost_categories as x_CostCategories,
    discounts as x_Discounts,
    -- blank until the bill is final
    case when invoice_id is null then 'provisional' else 'final' end as x_Finality,
    line_item_type as x_LineItemType,
    operation as x_Operation,
    'AWS' as x_ProviderName,
    service_code as x_ServiceCode,
    $source as x_Source,
    arrow_cast(null, 'Utf8') as x_SourceColumns,
    usage_type as x_UsageType
from named
