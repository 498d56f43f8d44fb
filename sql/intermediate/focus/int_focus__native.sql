-- model:   int_focus__native
-- grain:   one row per charge (x_ChargeId)
-- inputs:  int_focus__native_items, int_focus__native_regions, seed_azure_units, seed_gcp_regions,
--          seed_gcp_units
-- params:  $source, $billing_period
-- why:     lifts FOCUS 1.0 to 1.3 as providers export it to 1.4. Columns of later versions are
--          filled where the delivered ones decide them; names and units that the standard wants
--          beside an id or a number fall back to what is known, and are spelled as in the bill of
--          the same provider. What a row is and costs is decided before (int_focus__native_kinds,
--          int_focus__native_costs).

with

charges as (

    select * from int_focus__native_items

),

regions as (

    select * from seed_gcp_regions

),

named_regions as (

    select * from int_focus__native_regions

),

microsoft_units as (

    select * from seed_azure_units

),

google_units as (

    select * from seed_gcp_units

),

details as (

    select
        charges.*,
        case
            when lower(host_provider) = 'aws' or lower(host_provider) like 'amazon%' then 'aws'
            when lower(host_provider) like 'google%' then 'google'
            when lower(host_provider) like 'microsoft%' or lower(host_provider) like 'azure%'
                then 'microsoft'
        end as host_key,
        case when has_no_region_id then lower(replace(region_name, ' ', '')) end as region_key,
        lower(replace(unit_of_measure, ' ', '')) as unit_key,
        map_value(sku_price_details, 'ServiceType') as instance_type,
        case
            when commitment_kind = 'Usage' and category = 'Usage'
                then decimal_from_text(map_value(sku_price_details, 'RINormalizationRatio'))
        end as normalization_ratio,
        coalesce(
            commitment is not null and class is null
            and (category = 'Purchase' or status = 'Unused'),
            false
        ) as is_commitment_charge
    from charges

),

-- every join is many-to-one: the seeds are keyed by the joined column. What is counted is named in
-- the unit that is consumed
measured as (

    select
        details.*,
        coalesce(
            microsoft_units.focus_unit,
            case
                when details.pricing_unit = 'count'
                    then coalesce(consumed_units.focus_unit, details.consumed_unit)
            end,
            google_units.focus_unit,
            details.pricing_unit,
            consumed_units.focus_unit,
            details.consumed_unit,
            'Units'
        ) as unit,
        coalesce(
            case when details.consumed_unit is not null then microsoft_units.focus_unit end,
            consumed_units.focus_unit,
            details.consumed_unit,
            microsoft_units.focus_unit,
            google_units.focus_unit,
            details.pricing_unit,
            'Units'
        ) as unit_consumed,
        coalesce(details.region_id, named_regions.region_id, details.region_name) as place_id,
        coalesce(details.region_name, regions.region_name, details.region_id) as place,
        -- where a commitment is bought or wasted, it is the resource
        case
            when details.is_commitment_charge then details.commitment
            else details.resource_id
        end as resource
    from details
    left join microsoft_units
        on details.unit_key = microsoft_units.unit_of_measure
    left join google_units
        on details.pricing_unit = google_units.gcp_unit
    left join google_units as consumed_units
        on details.consumed_unit = consumed_units.gcp_unit
    left join regions
        on details.region_id = regions.region_id
    left join named_regions
        on details.host_key = named_regions.provider
        and details.region_key = named_regions.name_key

),

-- arn:aws:dynamodb:eu-central-1:1:table/t is a table
typed as (

    select
        measured.*,
        case
            when not starts_with(resource, 'arn:') then null
            when split_part(resource, ':', 7) <> ''
                then nullif(split_part(resource, ':', 6), '')
            when strpos(split_part(resource, ':', 6), '/') > 1
                then split_part(split_part(resource, ':', 6), '/', 1)
            else nullif(split_part(resource, ':', 3), '')
        end as arn_type
    from measured

)

select
    -- split allocation
    allocated_method_details as AllocatedMethodDetails,
    allocated_method_id as AllocatedMethodId,
    allocated_resource_id as AllocatedResourceId,
    allocated_resource_name as AllocatedResourceName,
    allocated_tags as AllocatedTags,
    availability_zone as AvailabilityZone,
    billed_cost as BilledCost,

    -- account and invoice
    billing_account_id as BillingAccountId,
    coalesce(billing_account_name, billing_account_id) as BillingAccountName,
    coalesce(billing_account_type, 'Billing Account') as BillingAccountType,
    billing_currency as BillingCurrency,
    billing_period_end as BillingPeriodEnd,
    billing_period_start as BillingPeriodStart,
    capacity_reservation_id as CapacityReservationId,
    case
        when capacity_reservation_id is null then null
        when capacity_reservation_status is null and category = 'Usage' then 'Used'
        else capacity_reservation_status
    end as CapacityReservationStatus,

    -- what kind of charge
    category as ChargeCategory,
    class as ChargeClass,
    charge_description as ChargeDescription,
    frequency as ChargeFrequency,
    charge_end as ChargePeriodEnd,
    charge_start as ChargePeriodStart,

    -- commitment
    commitment_kind as CommitmentDiscountCategory,
    commitment as CommitmentDiscountId,
    case
        when commitment is not null
            then coalesce(commitment_name, consumption_model_name, credited_commitment_name)
    end as CommitmentDiscountName,
    case
        when commitment is null or not is_ordinary then null
        when commitment_quantity is not null then commitment_quantity
        when commitment_kind = 'Spend' and category = 'Purchase' then billed_cost
        when commitment_kind = 'Spend' then effective
        -- virtual machines under one reservation differ in size, a ratio makes them comparable
        when normalization_ratio > 0 then multiply_round(normalization_ratio, quantity)
        else quantity
    end as CommitmentDiscountQuantity,
    status as CommitmentDiscountStatus,
    commitment_label as CommitmentDiscountType,
    case
        when commitment is null or not is_ordinary then null
        when commitment_quantity is not null and commitment_unit is not null then commitment_unit
        when commitment_kind = 'Spend' then billing_currency
        when order_type_name is not null
            and (
                normalization_ratio > 0 or meter_category = 'Virtual Machines'
                or charge_description like 'Reserved VM Instance%'
            )
            then 'Normalized Hours'
        when order_type_name is not null then 'Hours'
        else unit
    end as CommitmentDiscountUnit,
    commitment_eligibility as CommitmentProgramEligibilityDetails,
    case
        when is_priced and category = 'Usage' and coalesce(status, '') <> 'Unused'
            then coalesce(consumed_quantity, multiply_round(block_size, quantity), quantity)
    end as ConsumedQuantity,
    case
        when is_priced and category = 'Usage' and coalesce(status, '') <> 'Unused'
            then unit_consumed
    end as ConsumedUnit,

    -- cost and price
    contract_applied as ContractApplied,
    contracted as ContractedCost,
    contracted_price as ContractedUnitPrice,
    effective as EffectiveCost,
    host_provider as HostProviderName,
    case when invoice_id is not null then invoice_detail_id end as InvoiceDetailId,
    invoice_id as InvoiceId,
    invoice_issuer as InvoiceIssuerName,
    list as ListCost,
    list_price as ListUnitPrice,
    case when is_priced then coalesce(pricing, 'Standard') end as PricingCategory,
    price_currency as PricingCurrency,
    case
        when not is_priced then null
        when price_currency = billing_currency
            then coalesce(pricing_currency_contracted_unit_price, contracted_price)
        else coalesce(
            pricing_currency_contracted_unit_price,
            divide_round(contracted, multiply_round(exchange_rate, quantity))
        )
    end as PricingCurrencyContractedUnitPrice,
    case
        when repairs_effective_cost then effective
        when pricing_currency_effective_cost is not null then pricing_currency_effective_cost
        when price_currency = billing_currency then effective
        else cast(divide_round(effective, exchange_rate) as decimal(38, 12))
    end as PricingCurrencyEffectiveCost,
    case
        when not is_priced then null
        when price_currency = billing_currency
            then coalesce(pricing_currency_list_unit_price, list_price)
        else coalesce(
            pricing_currency_list_unit_price,
            divide_round(list, multiply_round(exchange_rate, quantity))
        )
    end as PricingCurrencyListUnitPrice,
    quantity as PricingQuantity,
    -- a block belongs into the unit, so that price times quantity is the cost
    case
        when not is_priced then null
        when block_size > 1 and not regexp_like(unit, '^[0-9]')
            then regexp_replace(cast(block_size as varchar), '\.?0+$', '')
                || ' ' || replace(unit, '-', ' ')
        else unit
    end as PricingUnit,

    -- place and resource; where a commitment is bought or wasted, it is the resource
    place_id as RegionId,
    place as RegionName,
    resource as ResourceId,
    case
        when is_commitment_charge and order_type_name is not null
            then coalesce(commitment_name, resource_name)
        when resource_id is not null then resource_name
    end as ResourceName,
    case
        when is_commitment_charge
            then coalesce(order_type_name, resource_type, arn_type, commitment_label)
        when resource_id is not null
            then coalesce(
                resource_type,
                arn_type,
                -- //compute.googleapis.com/projects/p/zones/z/instances/1 is one of the instances
                case
                    when resource_id like '//%.googleapis.com/%'
                        then nullif(split_part(resource_id, '/', -2), '')
                end,
                service_code,
                service
            )
    end as ResourceType,

    -- service and SKU
    service_class as ServiceCategory,
    service as ServiceName,
    service_provider as ServiceProviderName,
    service_subclass as ServiceSubcategory,
    sku as SkuId,
    case
        when sku is not null then coalesce(meter, usage_type, charge_description, sku)
    end as SkuMeter,
    -- Microsoft's details of a machine, in the keys of the standard; a map of text, as AWS has it,
    -- makes text of the standard's numbers
    case
        when is_priced and instance_type like 'Standard%' and strpos(instance_type, '"') = 0
            then '{'
                || coalesce(
                    '"CoreCount":'
                    || cast(
                        try_cast(map_value(sku_price_details, 'VCPUs') as int) as varchar
                    ) || ',',
                    ''
                )
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
        when is_priced
            then regexp_replace(
                -- the series is part of the type of a machine of AWS: m5 of m5.large
                case
                    when map_value(sku_price_details, 'InstanceSeries') is not null
                        then sku_price_details
                    else regexp_replace(
                        sku_price_details,
                        '"InstanceType":"((?:[a-z]+\.)?([a-z][a-z-]*[0-9][a-z0-9-]*)\.[^"]*)"',
                        '"InstanceSeries":"\2","InstanceType":"\1"'
                    )
                end,
                '"(CoreCount|DiskMaxIops|DiskSpace|GpuCount|MemorySize|NetworkMaxIops'
                || '|NetworkMaxThroughput)":"([0-9]+(\.[0-9]+)?)"',
                '"\1":\2',
                'g'
            )
    end as SkuPriceDetails,
    case
        when repairs_sku_price_id then sku || '/' || sku_price_id
        when is_priced then coalesce(sku_price_id, sku)
    end as SkuPriceId,
    sub_account_id as SubAccountId,
    case
        when sub_account_id is not null then coalesce(sub_account_name, sub_account_id)
    end as SubAccountName,
    case
        when sub_account_id is not null then coalesce(sub_account_type, 'Account')
    end as SubAccountType,
    tags as Tags,

    -- custom
    $billing_period as x_BillingPeriod,
    charge_id(charge_key, cast(occurrence as varchar)) as x_ChargeId,
    cost_categories as x_CostCategories,
    discounts as x_Discounts,
    -- an issuer that states no invoices never says that one is issued
    case when invoice_id is null then 'provisional' else 'final' end as x_Finality,
    line_item_type as x_LineItemType,
    operation as x_Operation,
    -- what everybody filters by, in the words of the market where nothing is delivered
    coalesce(
        provider_name,
        case host_key
            when 'aws' then 'AWS'
            when 'google' then 'Google Cloud'
            when 'microsoft' then 'Microsoft'
            else host_provider
        end
    ) as x_ProviderName,
    service_code as x_ServiceCode,
    $source as x_Source,
    source_columns as x_SourceColumns,
    usage_type as x_UsageType
from typed
