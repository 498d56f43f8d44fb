-- model:   int_focus__native
-- grain:   one row per charge (x_ChargeId)
-- inputs:  int_focus__native_items
-- params:  $source, $billing_period
-- why:     lifts FOCUS 1.0 to 1.3 as providers export it to 1.4. Columns of later versions are
--          filled where the delivered ones decide them; names and units that the standard wants
--          beside an id or a number fall back to what is known. Costs are never touched.

with

charges as (

    select * from int_focus__native_items

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
        when capacity_reservation_status is null and charge_category = 'Usage' then 'Used'
        else capacity_reservation_status
    end as CapacityReservationStatus,

    -- what kind of charge
    charge_category as ChargeCategory,
    charge_class as ChargeClass,
    charge_description as ChargeDescription,
    case
        when charge_category = 'Purchase' and charge_frequency = 'Usage-Based' then 'Recurring'
        when charge_frequency is not null then charge_frequency
        when charge_category = 'Usage' then 'Usage-Based'
        else 'One-Time'
    end as ChargeFrequency,
    charge_end as ChargePeriodEnd,
    charge_start as ChargePeriodStart,

    -- commitment
    case
        when commitment_id is not null then coalesce(commitment_category, 'Usage')
    end as CommitmentDiscountCategory,
    commitment_id as CommitmentDiscountId,
    case when commitment_id is not null then commitment_name end as CommitmentDiscountName,
    case
        when commitment_id is null or not is_ordinary then null
        when commitment_quantity is not null then commitment_quantity
        when commitment_category = 'Spend' and charge_category = 'Purchase' then billed_cost
        when commitment_category = 'Spend' then effective_cost
        else quantity
    end as CommitmentDiscountQuantity,
    case
        when commitment_id is null then null
        when charge_category = 'Usage' and charge_class is null
            then coalesce(commitment_status, 'Used')
        else commitment_status
    end as CommitmentDiscountStatus,
    case
        when commitment_id is not null then coalesce(commitment_type, 'Commitment')
    end as CommitmentDiscountType,
    case
        when commitment_id is null or not is_ordinary then null
        when commitment_quantity is not null and commitment_unit is not null then commitment_unit
        when commitment_category = 'Spend' then billing_currency
        else coalesce(pricing_unit, consumed_unit, 'Units')
    end as CommitmentDiscountUnit,
    commitment_eligibility as CommitmentProgramEligibilityDetails,
    case
        when is_priced and charge_category = 'Usage' and coalesce(commitment_status, '') <> 'Unused'
            then coalesce(consumed_quantity, quantity)
    end as ConsumedQuantity,
    case
        when is_priced and charge_category = 'Usage' and coalesce(commitment_status, '') <> 'Unused'
            then coalesce(consumed_unit, pricing_unit, 'Units')
    end as ConsumedUnit,

    -- cost and price
    contract_applied as ContractApplied,
    contracted_cost as ContractedCost,
    contracted_price as ContractedUnitPrice,
    effective_cost as EffectiveCost,
    host_provider as HostProviderName,
    case when invoice_id is not null then invoice_detail_id end as InvoiceDetailId,
    invoice_id as InvoiceId,
    invoice_issuer as InvoiceIssuerName,
    list_cost as ListCost,
    list_price as ListUnitPrice,
    case when is_priced then coalesce(pricing_category, 'Standard') end as PricingCategory,
    coalesce(pricing_currency, billing_currency) as PricingCurrency,
    case
        when is_priced then coalesce(pricing_currency_contracted_unit_price, contracted_price)
    end as PricingCurrencyContractedUnitPrice,
    coalesce(pricing_currency_effective_cost, effective_cost) as PricingCurrencyEffectiveCost,
    case
        when is_priced then coalesce(pricing_currency_list_unit_price, list_price)
    end as PricingCurrencyListUnitPrice,
    quantity as PricingQuantity,
    case when is_priced then coalesce(pricing_unit, consumed_unit, 'Units') end as PricingUnit,

    -- place and resource; where a commitment is bought or wasted, it is the resource
    region_id as RegionId,
    case when region_id is not null then coalesce(region_name, region_id) end as RegionName,
    case
        when commitment_id is not null and charge_class is null
            and (charge_category = 'Purchase' or commitment_status = 'Unused')
            then commitment_id
        else resource_id
    end as ResourceId,
    case when resource_id is not null then resource_name end as ResourceName,
    case
        when resource_id is not null then coalesce(resource_type, service_code, service_name)
        when commitment_id is not null and charge_class is null
            and (charge_category = 'Purchase' or commitment_status = 'Unused')
            then coalesce(commitment_type, 'Commitment')
    end as ResourceType,

    -- service and SKU
    service_category as ServiceCategory,
    service_name as ServiceName,
    service_provider as ServiceProviderName,
    coalesce(service_subcategory, 'Other (' || service_category || ')') as ServiceSubcategory,
    sku as SkuId,
    case
        when sku is not null then coalesce(sku_meter, usage_type, charge_description, sku)
    end as SkuMeter,
    case when is_priced then sku_price_details end as SkuPriceDetails,
    case when is_priced then coalesce(sku_price_id, sku) end as SkuPriceId,
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
    arrow_cast(null, 'Utf8') as x_LineItemType,
    operation as x_Operation,
    service_code as x_ServiceCode,
    $source as x_Source,
    usage_type as x_UsageType
from charges
