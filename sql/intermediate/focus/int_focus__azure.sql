-- model:   int_focus__azure
-- grain:   one row per charge (x_ChargeId)
-- inputs:  int_focus__azure_items, seed_azure_resource_types, seed_azure_services,
--          seed_azure_meter_categories, seed_azure_regions, seed_azure_units
-- params:  $source, $billing_period, $billing_period_start, $billing_period_end
-- why:     renders Azure charges as FOCUS 1.4. What a charge is and costs is decided before; here
--          are names, units and the rules about which columns may be filled. Prices are per block
--          of the unit of measure, so the block stays in the pricing unit (10000 Units); what is
--          consumed is counted in single units.

with

charges as (

    select * from int_focus__azure_items

),

resource_types as (

    select * from seed_azure_resource_types

),

services as (

    select * from seed_azure_services

),

meter_categories as (

    select * from seed_azure_meter_categories

),

regions as (

    select * from seed_azure_regions

),

units as (

    select * from seed_azure_units

),

-- …/providers/microsoft.sql/servers/a/databases/b is of type microsoft.sql/servers/databases
typed as (

    select
        charges.*,
        split_part(charged_resource_id, '/providers/', -1) as resource_tail,
        lower(meter_category) as meter_key,
        lower(replace(resource_location, ' ', '')) as location_key,
        lower(replace(unit_of_measure, ' ', '')) as unit_key,
        kind in ('commitment', 'commitment_refund', 'unused') as is_commitment_charge,
        lower(map_value(details, 'VMCapacityReservationId')) as capacity_reservation_id,
        map_value(details, 'ServiceType') as instance_type
    from charges

),

-- a unit that is not listed is read: a number, perhaps in thousands, and what it counts; the row
-- of one (1hour) then names it, also where no number is delivered
measured as (

    select
        typed.*,
        units.focus_unit as listed_unit,
        units.block_size as listed_block,
        case
            when units.unit_of_measure is null
                then regexp_match(
                    typed.unit_of_measure, '^([1-9][0-9]{0,14})([KkMmBb]?)(?:$|[ /]+)(.*)$'
                )
        end as unit_parts,
        case
            when strpos(charged_resource_id, '/providers/') = 0 then resource_type
            -- an id that is cut off names a provider at most
            when split_part(resource_tail, '/', 2) = ''
                then nullif(split_part(resource_tail, '/', 1), '')
            else split_part(resource_tail, '/', 1) || '/' || split_part(resource_tail, '/', 2)
                || coalesce('/' || nullif(split_part(resource_tail, '/', 4), ''), '')
                || coalesce('/' || nullif(split_part(resource_tail, '/', 6), ''), '')
        end as resource_path
    from typed
    left join units
        on typed.unit_key = units.unit_of_measure

),

-- every join is many-to-one: the seeds are keyed by the joined column. The shop where commitments
-- are bought is not the service they are for, which their meter names
named as (

    select
        measured.*,
        multiply_round(
            decimal_from_text(coalesce(listed_block, single.block_size, '1')),
            multiply_round(
                decimal_from_text(coalesce(unit_parts[1], '1')),
                case upper(unit_parts[2])
                    when 'K' then cast(1000 as decimal(38, 12))
                    when 'M' then cast(1000000 as decimal(38, 12))
                    when 'B' then cast(1000000000 as decimal(38, 12))
                    else cast(1 as decimal(38, 12))
                end
            )
        ) as block,
        coalesce(
            listed_unit,
            single.focus_unit,
            nullif(unit_parts[3], ''),
            measured.unit_of_measure,
            'Units'
        ) as unit,
        coalesce(
            resource_types.resource_type_name, resource_path, measured.consumed_service, 'resource'
        ) as resource_type_name,
        coalesce(regions.region_id, location_key) as region_id,
        coalesce(regions.region_name, resource_location) as region_name,
        coalesce(
            case when is_commitment_charge then meter_categories.service_name end,
            resource_types.service_name,
            services.service_name,
            meter_categories.service_name
        ) as service_name,
        coalesce(
            case when is_commitment_charge then meter_categories.service_category end,
            resource_types.service_category,
            services.service_category,
            meter_categories.service_category
        ) as service_category,
        coalesce(
            case when is_commitment_charge then meter_categories.service_subcategory end,
            resource_types.service_subcategory,
            services.service_subcategory,
            meter_categories.service_subcategory
        ) as service_subcategory
    from measured
    left join units as single
        on '1' || lower(replace(coalesce(unit_parts[3], measured.unit_of_measure), ' ', ''))
        = single.unit_of_measure
    left join resource_types
        on resource_path = resource_types.resource_type
    left join services
        on measured.consumed_service = services.consumed_service
    left join meter_categories
        on meter_key = meter_categories.meter_category
    left join regions
        on location_key = regions.spelling

)

select
    -- cost allocation rules move cost between subscriptions; the rows they wrote name the rule
    arrow_cast(null, 'Utf8') as AllocatedMethodDetails,
    cost_allocation_rule as AllocatedMethodId,
    arrow_cast(null, 'Utf8') as AllocatedResourceId,
    arrow_cast(null, 'Utf8') as AllocatedResourceName,
    arrow_cast(null, 'Utf8') as AllocatedTags,
    arrow_cast(null, 'Utf8') as AvailabilityZone,
    billed_cost as BilledCost,

    -- account and invoice
    billing_account as BillingAccountId,
    coalesce(billing_name, billing_account) as BillingAccountName,
    billing_type as BillingAccountType,
    currency as BillingCurrency,
    $billing_period_end as BillingPeriodEnd,
    $billing_period_start as BillingPeriodStart,
    capacity_reservation_id as CapacityReservationId,
    case
        when capacity_reservation_id is null then null
        when resource_path = 'microsoft.compute/capacityreservationgroups/capacityreservations'
            then 'Unused'
        else 'Used'
    end as CapacityReservationStatus,

    -- what kind of charge
    case
        when kind in ('usage', 'spot', 'used', 'unused', 'refund') then 'Usage'
        when kind = 'tax' then 'Tax'
        when kind = 'credit' then 'Credit'
        when kind = 'adjustment' then 'Adjustment'
        else 'Purchase'
    end as ChargeCategory,
    case when kind in ('refund', 'commitment_refund') then 'Correction' end as ChargeClass,
    coalesce(product_name, product_order_name, meter_name, line_item_type) as ChargeDescription,
    case
        when frequency = 'recurring' then 'Recurring'
        when frequency = 'onetime' then 'One-Time'
        when kind in ('usage', 'spot', 'used', 'unused') then 'Usage-Based'
        when kind = 'refund' and frequency = 'usagebased' then 'Usage-Based'
        when kind in ('commitment', 'fee') and frequency = 'usagebased' then 'Recurring'
        else 'One-Time'
    end as ChargeFrequency,
    charge_date + interval '1 day' as ChargePeriodEnd,
    charge_date as ChargePeriodStart,

    -- commitment
    case
        when commitment_id is null then null
        when is_spend_commitment then 'Spend'
        else 'Usage'
    end as CommitmentDiscountCategory,
    commitment_id as CommitmentDiscountId,
    case when commitment_id is not null then benefit_name end as CommitmentDiscountName,
    commitment_quantity as CommitmentDiscountQuantity,
    case
        when commitment_id is null then null
        when kind = 'used' then 'Used'
        when kind = 'unused' then 'Unused'
    end as CommitmentDiscountStatus,
    case
        when commitment_id is null then null
        when is_spend_commitment then 'Savings Plan'
        else 'Reservation'
    end as CommitmentDiscountType,
    commitment_unit as CommitmentDiscountUnit,
    arrow_cast(null, 'Utf8') as CommitmentProgramEligibilityDetails,
    multiply_round(cast(block as decimal(38, 18)), consumed_blocks) as ConsumedQuantity,
    case when consumed_blocks is not null then unit end as ConsumedUnit,

    -- cost and price
    arrow_cast(null, 'Utf8') as ContractApplied,
    contracted_cost as ContractedCost,
    contracted_unit_price as ContractedUnitPrice,
    effective_cost as EffectiveCost,
    'Microsoft' as HostProviderName,
    arrow_cast(null, 'Utf8') as InvoiceDetailId,
    invoice_id as InvoiceId,
    issuer_name as InvoiceIssuerName,
    list_cost as ListCost,
    list_unit_price as ListUnitPrice,
    case
        when kind in ('used', 'unused') then 'Committed'
        when kind = 'spot' then 'Dynamic'
        when is_priced then 'Standard'
    end as PricingCategory,
    pricing_currency as PricingCurrency,
    pricing_currency_contracted_price as PricingCurrencyContractedUnitPrice,
    pricing_currency_effective_cost as PricingCurrencyEffectiveCost,
    pricing_currency_list_price as PricingCurrencyListUnitPrice,
    pricing_quantity as PricingQuantity,
    case
        when not is_priced then null
        when block = 1 then unit
        -- the standard has no form for blocks of a product of units
        else cast(cast(block as bigint) as varchar) || ' ' || replace(unit, '-', ' ')
    end as PricingUnit,

    -- place and resource
    region_id as RegionId,
    region_name as RegionName,
    charged_resource_id as ResourceId,
    case when charged_resource_id is not null then charged_resource_name end as ResourceName,
    case when charged_resource_id is not null then resource_type_name end as ResourceType,

    -- service and SKU; what others sell over the marketplace is their product, not Microsoft's
    case when is_marketplace then 'Other' else coalesce(service_category, 'Other') end
        as ServiceCategory,
    case
        when is_marketplace
            then coalesce(
                product_name, meter_category, plan_name, publisher_name, 'Azure Marketplace'
            )
        else coalesce(
            service_name, meter_category, consumed_service, product_name, 'Microsoft Azure'
        )
    end as ServiceName,
    case when is_marketplace then coalesce(publisher_name, 'Microsoft') else 'Microsoft' end
        as ServiceProviderName,
    case
        when is_marketplace then 'Other (Other)'
        else coalesce(service_subcategory, 'Other (Other)')
    end as ServiceSubcategory,
    sku_id as SkuId,
    case
        when sku_id is not null then coalesce(meter_name, product_name, line_item_type)
    end as SkuMeter,
    case
        when is_priced and instance_type like 'Standard%' and strpos(instance_type, '"') = 0
            then '{'
                || coalesce(
                    '"CoreCount":'
                    || cast(try_cast(map_value(details, 'VCPUs') as int) as varchar) || ',',
                    ''
                )
                -- Dsv3 of Standard_D2s_v3
                || case
                    when regexp_like(instance_type, '^Standard_[A-Za-z]+[0-9]')
                        then '"InstanceSeries":"' || regexp_replace(
                            instance_type,
                            '^Standard_([A-Za-z]+)[0-9]+(?:-[0-9]+)?([a-z]*)'
                            || '(?:_([A-Z]+[0-9]+[A-Z]*))?(?:_(v[0-9]+))?.*$',
                            '\1\2\3\4'
                        ) || '",'
                    else ''
                end
                || '"InstanceType":"' || instance_type || '"}'
    end as SkuPriceDetails,
    sku_price_id as SkuPriceId,
    subscription_id as SubAccountId,
    case when subscription_id is not null then coalesce(subscription_name, subscription_id) end
        as SubAccountName,
    case when subscription_id is not null then 'Subscription' end as SubAccountType,
    tags as Tags,

    -- custom
    $billing_period as x_BillingPeriod,
    charge_id(charge_key, cast(occurrence as varchar)) as x_ChargeId,
    cost_categories as x_CostCategories,
    arrow_cast(null, 'Utf8') as x_Discounts,
    -- filled by a later export, when the invoice is issued
    case when invoice_id is null then 'provisional' else 'final' end as x_Finality,
    line_item_type as x_LineItemType,
    meter_subcategory as x_Operation,
    'Microsoft' as x_ProviderName,
    coalesce(consumed_service, meter_category) as x_ServiceCode,
    $source as x_Source,
    arrow_cast(null, 'Utf8') as x_SourceColumns,
    meter_name as x_UsageType
from named
