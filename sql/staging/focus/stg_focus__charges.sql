-- model:   stg_focus__charges
-- grain:   one row per row of a FOCUS export (no key is delivered)
-- inputs:  src_focus__charges
-- params:  $billing_period_start, $billing_period_end
-- why:     the only place where the export's numbers become decimals and its maps JSON text, and
--          where one fact under several names becomes one column: names of older versions
--          (1.0-preview: Provider, Region, UsageQuantity, ...), and the provider's own columns for
--          what its version does not have yet (x_InvoiceId, x_Labels, ...). Ids and words that a
--          provider spells otherwise in its bill are spelled as there, so that both are one
--          account. Columns an export does not have arrive as NULL. Nothing is judged here. A
--          billing period may begin at midnight of the provider's time zone, hence the range.

with

charges as (

    select * from src_focus__charges

),

-- the first credit that belongs to a commitment names it; a row has one or two credits, the first
-- four are looked at
searched as (

    select
        charges.*,
        case
            when x_Credits[1]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or x_Credits[1]['type'] = 'FEE_UTILIZATION_OFFSET' then 1
            when x_Credits[2]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or x_Credits[2]['type'] = 'FEE_UTILIZATION_OFFSET' then 2
            when x_Credits[3]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or x_Credits[3]['type'] = 'FEE_UTILIZATION_OFFSET' then 3
            when x_Credits[4]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or x_Credits[4]['type'] = 'FEE_UTILIZATION_OFFSET' then 4
        end as commitment_credit
    from charges

)

select
    -- split allocation
    AllocatedMethodDetails as allocated_method_details,
    coalesce(AllocatedMethodId, x_CostAllocationRuleName) as allocated_method_id,
    AllocatedResourceId as allocated_resource_id,
    AllocatedResourceName as allocated_resource_name,
    map_json(AllocatedTags) as allocated_tags,

    -- accounts, companies and invoice; a seller on a marketplace is the publisher before 1.3.
    -- Microsoft writes the ids of accounts as paths here, and in its bill what they end in
    case
        when lower(BillingAccountId) like '/providers/microsoft.billing/%'
            then coalesce(nullif(split_part(BillingAccountId, '/', -1), ''), BillingAccountId)
        else BillingAccountId
    end as billing_account_id,
    BillingAccountName as billing_account_name,
    BillingAccountType as billing_account_type,
    case
        when lower(SubAccountId) like '/subscriptions/%'
            then coalesce(nullif(lower(split_part(SubAccountId, '/', 3)), ''), SubAccountId)
        else SubAccountId
    end as sub_account_id,
    nullif(SubAccountName, 'Unassigned') as sub_account_name,
    case when x_ServiceId is not null then coalesce(SubAccountType, 'Project') else SubAccountType
    end as sub_account_type,
    coalesce(InvoiceId, x_InvoiceId) as invoice_id,
    InvoiceId is null and x_InvoiceId is not null as has_own_invoice_id,
    InvoiceDetailId as invoice_detail_id,
    coalesce(
        InvoiceIssuerName,
        InvoiceIssuer,
        ProviderName,
        Provider,
        ServiceProviderName,
        PublisherName,
        Publisher
    ) as invoice_issuer,
    coalesce(
        ServiceProviderName,
        case
            when x_PublisherCategory = 'Vendor' then coalesce(PublisherName, Publisher)
            when x_CostType is not null and PublisherName not in ('Google', 'Google Cloud')
                then PublisherName
        end,
        ProviderName,
        Provider,
        PublisherName,
        Publisher,
        InvoiceIssuerName,
        InvoiceIssuer
    ) as service_provider,
    -- an export that does not say who hosts leaves it to be who provides
    coalesce(
        HostProviderName,
        ProviderName,
        Provider,
        ServiceProviderName,
        PublisherName,
        Publisher,
        InvoiceIssuerName,
        InvoiceIssuer
    ) as host_provider,
    coalesce(ProviderName, Provider, x_ProviderName) as provider_name,
    coalesce(PublisherName, Publisher) as publisher,
    coalesce(x_PublisherCategory, '') = 'Vendor' as is_marketplace,

    -- time
    BillingPeriodStart as billing_period_start,
    BillingPeriodEnd as billing_period_end,
    ChargePeriodStart as charge_start,
    case
        when ChargePeriodEnd > ChargePeriodStart then ChargePeriodEnd
        else ChargePeriodStart + interval '1 second'
    end as charge_end,
    coalesce(ChargePeriodEnd <= ChargePeriodStart, false) as has_no_length,

    -- what kind of charge
    ChargeCategory as charge_category,
    ChargeClass as charge_class,
    ChargeSubcategory as charge_subcategory,
    coalesce(ChargeDescription, x_SkuOrderName) as charge_description,
    ChargeFrequency as charge_frequency,
    x_CostType as cost_type,
    coalesce(x_CostType, ChargeSubcategory) as line_item_type,
    oci_ReferenceNumber as reference_number,
    oci_BackReferenceNumber as corrected_reference_number,

    -- commitment and capacity
    CommitmentDiscountId as commitment_id,
    CommitmentDiscountCategory as commitment_category,
    CommitmentDiscountName as commitment_name,
    CommitmentDiscountStatus as commitment_status,
    CommitmentDiscountType as commitment_type,
    decimal_from_number(CommitmentDiscountQuantity) as commitment_quantity,
    CommitmentDiscountUnit as commitment_unit,
    CommitmentProgramEligibilityDetails as commitment_eligibility,
    x_SubscriptionInstanceId as subscription_id,
    x_ConsumptionModelId as consumption_model_id,
    x_ConsumptionModelDescription as consumption_model_name,
    credits_json(x_Credits) as credits_by_type,
    coalesce(
        nullif(x_Credits[commitment_credit]['id'], ''),
        x_Credits[commitment_credit]['full_name'],
        x_Credits[commitment_credit]['name']
    ) as credited_commitment_id,
    x_Credits[commitment_credit]['full_name'] as credited_commitment_name,
    ContractApplied as contract_applied,
    CapacityReservationId as capacity_reservation_id,
    CapacityReservationStatus as capacity_reservation_status,

    -- cost; eighteen decimals beside twelve where a repair multiplies
    BillingCurrency as billing_currency,
    decimal_from_number(BilledCost) as billed_cost,
    decimal_from_number(EffectiveCost) as effective_cost,
    decimal_from_number(ListCost) as list_cost,
    price_from_number(ListCost) as exact_list_cost,
    coalesce(decimal_from_number(ContractedCost), decimal_from_number(x_OnDemandCost))
        as contracted_cost,
    coalesce(price_from_number(ContractedCost), price_from_number(x_OnDemandCost))
        as exact_contracted_cost,

    -- price and quantity
    PricingCategory as pricing_category,
    coalesce(PricingCurrency, x_PricingCurrency) as pricing_currency,
    decimal_from_number(x_BillingExchangeRate) as exchange_rate,
    price_from_number(PricingCurrencyContractedUnitPrice)
        as pricing_currency_contracted_unit_price,
    decimal_from_number(PricingCurrencyEffectiveCost) as pricing_currency_effective_cost,
    price_from_number(PricingCurrencyListUnitPrice) as pricing_currency_list_unit_price,
    decimal_from_number(PricingQuantity) as pricing_quantity,
    price_from_number(PricingQuantity) as exact_pricing_quantity,
    PricingUnit as pricing_unit,
    x_PricingUnitDescription as unit_of_measure,
    decimal_from_number(x_PricingBlockSize) as block_size,
    coalesce(decimal_from_number(ConsumedQuantity), decimal_from_number(UsageQuantity))
        as consumed_quantity,
    coalesce(ConsumedUnit, UsageUnit) as consumed_unit,
    price_from_number(ListUnitPrice) as list_unit_price,
    coalesce(price_from_number(ContractedUnitPrice), price_from_number(x_OnDemandUnitPrice))
        as contracted_unit_price,
    price_from_number(x_EffectiveUnitPrice) as effective_unit_price,
    SkuId as sku_id,
    coalesce(SkuMeter, x_SkuMeterName) as sku_meter,
    nullif(nullif(SkuPriceId, '-2'), 'Unassigned') as sku_price_id,
    coalesce(map_json(SkuPriceDetails), map_json(x_SkuDetails)) as sku_price_details,

    -- service, place and resource
    ServiceCategory as service_category,
    ServiceName as service_name,
    ServiceSubcategory as service_subcategory,
    x_SkuMeterCategory as meter_category,
    AvailabilityZone as availability_zone,
    coalesce(RegionId, Region, nullif(x_Location, 'global')) as region_id,
    RegionName as region_name,
    RegionName is not null
    and coalesce(RegionId, Region, nullif(x_Location, 'global')) is null as has_no_region_id,
    ResourceId as resource_id,
    ResourceName as resource_name,
    coalesce(ResourceType, x_ResourceType) as resource_type,

    -- tags: users' labels keep their keys, project labels and organisation tags get a prefix
    merge_maps_json(
        '', Tags,
        '', x_Labels,
        'project/', x_ProjectLabels,
        'tag/', x_Tags,
        '', x_SystemLabels,
        'oci:', case
            when oci_CompartmentName is not null
                then map(make_array('CompartmentName'), make_array(oci_CompartmentName))
        end
    ) as tags,
    map_json(Tags) is null
    and coalesce(
        map_json(x_Labels), map_json(x_ProjectLabels), map_json(x_Tags), map_json(x_SystemLabels)
    ) is not null as has_own_tags,

    -- custom; credits of Google are inside the costs of their row
    coalesce(
        map_json(x_CostCategories),
        case
            when coalesce(x_CostCenter, x_InvoiceSectionName, x_ResourceGroupName) is not null
                then map_json(
                    map(
                        make_array('CostCenter', 'InvoiceSection', 'ResourceGroup'),
                        make_array(
                            x_CostCenter,
                            nullif(x_InvoiceSectionName, 'Unassigned'),
                            lower(x_ResourceGroupName)
                        )
                    )
                )
        end
    ) as cost_categories,
    map_json(x_SourceColumns) as source_columns,
    coalesce(map_json(x_Discounts), credits_json(x_Credits)) as discounts,
    coalesce(x_Operation, x_SkuMeterSubcategory) as operation,
    coalesce(x_ServiceCode, x_ServiceId) as service_code,
    coalesce(
        x_UsageType,
        x_SkuMeterName,
        case
            when x_CostType is not null then ChargeDescription
            when coalesce(x_SkuMeterCategory, x_SkuMeterSubcategory) is not null then SkuMeter
        end
    ) as usage_type
from searched
where BillingPeriodStart >= $billing_period_start
    and BillingPeriodStart < $billing_period_end
