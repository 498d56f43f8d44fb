-- An AWS bill as FOCUS charges, in DuckDB's SQL.
--
-- Written from the FOCUS specification and AWS's column dictionary, not from the project's own
-- SQL, so that agreement between the two means something. Used to compute golden results and as
-- the other side of the benchmark.
--
-- Reads the view `line_items` (CUR 2.0 columns), the macros money(double) and ratio(a, b), and the
-- variables cost_basis ('gross' or 'net'), source and billing_period.

with

typed as (

    select
        *,
        getvariable('cost_basis') = 'net' as is_net,
        line_item_line_item_type as kind,
        nullif(line_item_product_code, '') as product_code,
        nullif(line_item_usage_type, '') as usage_type,
        nullif(line_item_operation, '') as operation,
        nullif(line_item_resource_id, '') as resource_id,
        nullif(reservation_reservation_a_r_n, '') as reservation_arn,
        nullif(savings_plan_savings_plan_a_r_n, '') as savings_plan_arn,
        nullif(product_servicecode, '') as service_code,
        nullif(pricing_unit, '') as unit,
        nullif(bill_billing_entity, '') = 'AWS Marketplace' as is_marketplace,
        -- Fees of reservations end at 23:59:59; every other end is exclusive.
        case when second(line_item_usage_end_date) = 59
             then line_item_usage_end_date + interval 1 second
             else line_item_usage_end_date end as period_end,
        money(case when is_net then line_item_net_unblended_cost
                   else line_item_unblended_cost end) as basis,
        money(pricing_public_on_demand_cost) as public_cost,
        money(case when is_net then reservation_net_effective_cost
                   else reservation_effective_cost end) as reservation_cost,
        money(case when is_net then savings_plan_net_savings_plan_effective_cost
                   else savings_plan_savings_plan_effective_cost end) as savings_plan_cost,
        money(case when is_net then reservation_net_unused_amortized_upfront_fee_for_billing_period
                   else reservation_unused_amortized_upfront_fee_for_billing_period end)
            as unused_upfront,
        money(case when is_net then reservation_net_unused_recurring_fee
                   else reservation_unused_recurring_fee end) as unused_recurring,
        money(savings_plan_total_commitment_to_date) as commitment,
        money(savings_plan_used_commitment) as used_commitment,
        money(line_item_usage_amount) as quantity
    from line_items
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')

),

classified as (

    select
        *,
        coalesce(savings_plan_arn, reservation_arn) as commitment_id,
        case
            when kind in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') then 'Usage'
            when kind in ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'RIFee', 'Fee',
                          'FlatRateSubscription') then 'Purchase'
            when kind = 'Tax' then 'Tax'
            when kind in ('Credit', 'Discount', 'BundledDiscount', 'EdpDiscount',
                          'PrivateRateDiscount', 'SppDiscount', 'RiVolumeDiscount') then 'Credit'
            when kind = 'Refund' then
                case when commitment_id is not null
                          or line_item_line_item_description
                             like 'Refund for one-time fee for Savings Plan ID%'
                          or product_code in ('ComputeSavingsPlans',
                                              'MachineLearningSavingsPlans',
                                              'DatabaseSavingsPlans')
                     then 'Purchase' else 'Usage' end
            else 'Adjustment'
        end as category,
        kind in ('RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee')
            or (kind in ('Fee', 'Refund') and commitment_id is not null)
            or (kind = 'Refund' and line_item_line_item_description
                like 'Refund for one-time fee for Savings Plan ID%') as buys_commitment,
        case kind
            when 'RIFee' then coalesce(unused_upfront, 0) + coalesce(unused_recurring, 0)
            when 'SavingsPlanRecurringFee'
                then coalesce(commitment, 0) - coalesce(used_commitment, 0)
            else 0
        end as unused_cost
    from typed
    where kind <> 'SavingsPlanNegation'

),

-- A fee with unused commitment is two charges: the purchase and the unused part.
charges as (

    select
        *,
        unnest(case when unused_cost <> 0 then [false, true] else [false] end) as is_unused
    from classified

),

-- What negation rows leave of the covered usage of one plan: normally nothing.
negation_rest as (

    select savings_plan_arn, sum(basis) as rest,
        min(line_item_usage_start_date) as first_start, max(period_end) as last_end,
        any_value(bill_payer_account_id) as payer,
        any_value(line_item_currency_code) as currency,
        min(bill_billing_period_start_date) as month_start,
        min(bill_billing_period_end_date) as month_end,
        case when bool_and(coalesce(bill_invoice_id, '') <> '') then 'final' else 'provisional' end
            as finality
    from typed
    where kind in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
    group by all
    having sum(basis) <> 0

),

priced as (

    select
        *,
        case when is_unused then 'Usage' else category end as charge_category,
        case
            when is_unused then 'Unused'
            when kind in ('DiscountedUsage', 'SavingsPlanCoveredUsage') then 'Used'
        end as commitment_status,
        case when is_unused or kind in ('DiscountedUsage', 'SavingsPlanCoveredUsage')
             then 0::decimal(38, 12) else coalesce(basis, 0) end as billed_cost,
        case
            when is_unused then unused_cost
            when kind = 'DiscountedUsage' then coalesce(reservation_cost, 0)
            when kind = 'SavingsPlanCoveredUsage' then coalesce(savings_plan_cost, 0)
            when buys_commitment then 0
            else coalesce(basis, 0)
        end as effective_cost,
        case
            when is_unused then 0
            when kind in ('DiscountedUsage', 'SavingsPlanCoveredUsage')
                then coalesce(public_cost, 0)
            when kind = 'Usage' and usage_type not like '%SpotUsage%' and public_cost <> 0
                then public_cost
            else coalesce(basis, 0)
        end as list_cost,
        case
            when is_unused then 0
            when kind = 'DiscountedUsage' then coalesce(public_cost, 0)
            else coalesce(basis, 0)
        end as contracted_cost,
        case
            when kind in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') or is_unused
                then 'Usage-Based'
            when kind in ('RIFee', 'SavingsPlanRecurringFee', 'FlatRateSubscription')
                then 'Recurring'
            when kind = 'Fee' and commitment_id is null
                and line_item_usage_start_date = bill_billing_period_start_date
                and period_end = bill_billing_period_end_date then 'Recurring'
            else 'One-Time'
        end as charge_frequency,
        case
            when is_unused or kind in ('DiscountedUsage', 'SavingsPlanCoveredUsage')
                then 'Committed'
            when kind = 'Usage' and usage_type like '%SpotUsage%' then 'Dynamic'
            when kind <> 'Refund' and category in ('Usage', 'Purchase') then 'Standard'
        end as pricing_category
    from charges

)

select
    null::varchar as AllocatedMethodDetails,
    null::varchar as AllocatedMethodId,
    null::varchar as AllocatedResourceId,
    null::varchar as AllocatedResourceName,
    null::varchar as AllocatedTags,
    nullif(line_item_availability_zone, '') as AvailabilityZone,
    billed_cost::decimal(38, 12) as BilledCost,
    bill_payer_account_id as BillingAccountId,
    nullif(bill_payer_account_name, '') as BillingAccountName,
    'Payer Account' as BillingAccountType,
    line_item_currency_code as BillingCurrency,
    bill_billing_period_end_date as BillingPeriodEnd,
    bill_billing_period_start_date as BillingPeriodStart,
    null::varchar as CapacityReservationId,
    null::varchar as CapacityReservationStatus,
    charge_category as ChargeCategory,
    case when kind = 'Refund' then 'Correction' end as ChargeClass,
    nullif(line_item_line_item_description, '') as ChargeDescription,
    charge_frequency as ChargeFrequency,
    period_end as ChargePeriodEnd,
    line_item_usage_start_date as ChargePeriodStart,
    case when commitment_status is null then null
         when savings_plan_arn is not null then 'Spend' else 'Usage' end
        as CommitmentDiscountCategory,
    commitment_id as CommitmentDiscountId,
    null::varchar as CommitmentDiscountName,
    case
        when commitment_id is null then null
        when is_unused and savings_plan_arn is not null then unused_cost
        when savings_plan_arn is not null and kind = 'SavingsPlanRecurringFee' then commitment
        when savings_plan_arn is not null then savings_plan_cost
        when is_unused then money(reservation_unused_quantity)
        else quantity
    end as CommitmentDiscountQuantity,
    commitment_status as CommitmentDiscountStatus,
    case when commitment_id is null then null
         when savings_plan_arn is not null then 'Savings Plan' else 'Reserved Instance' end
        as CommitmentDiscountType,
    case when commitment_id is null then null
         when savings_plan_arn is not null then line_item_currency_code else 'Hours' end
        as CommitmentDiscountUnit,
    null::varchar as CommitmentProgramEligibilityDetails,
    case when charge_category = 'Usage' and not is_unused and kind <> 'Refund' then quantity end
        as ConsumedQuantity,
    case when charge_category = 'Usage' and not is_unused and kind <> 'Refund' then unit end
        as ConsumedUnit,
    null::varchar as ContractApplied,
    contracted_cost::decimal(38, 12) as ContractedCost,
    case when charge_category in ('Usage', 'Purchase')
         then rate(line_item_unblended_rate) end as ContractedUnitPrice,
    effective_cost::decimal(38, 12) as EffectiveCost,
    'AWS' as HostProviderName,
    null::varchar as InvoiceDetailId,
    nullif(bill_invoice_id, '') as InvoiceId,
    coalesce(nullif(bill_invoicing_entity, ''), 'Amazon Web Services, Inc.') as InvoiceIssuerName,
    list_cost::decimal(38, 12) as ListCost,
    rate(pricing_public_on_demand_rate) as ListUnitPrice,
    pricing_category as PricingCategory,
    coalesce(nullif(pricing_currency, ''), line_item_currency_code) as PricingCurrency,
    case when charge_category in ('Usage', 'Purchase')
         then rate(line_item_unblended_rate) end as PricingCurrencyContractedUnitPrice,
    effective_cost::decimal(38, 12) as PricingCurrencyEffectiveCost,
    rate(pricing_public_on_demand_rate) as PricingCurrencyListUnitPrice,
    case when charge_category in ('Usage', 'Purchase') and not is_unused then quantity end
        as PricingQuantity,
    case unit when 'Hrs' then 'Hours' when 'GB-Mo' then 'GB-Months'
              when 'Lambda-GB-Second' then 'GB-Seconds' else unit end as PricingUnit,
    coalesce(
        nullif(case when product_product_family = 'Data Transfer'
                    then product_from_region_code end, ''),
        nullif(product_region_code, '')) as RegionId,
    nullif(product_location, '') as RegionName,
    case when is_unused or (buys_commitment and commitment_id is not null) then commitment_id
         else resource_id end as ResourceId,
    nullif(resource_tags['user_name'], resource_id) as ResourceName,
    case when resource_id is null then null
         when resource_id like 'i-%' then 'Instance'
         when resource_id like 'vol-%' then 'Volume'
         when resource_id like 'arn:%' then split_part(resource_id, ':', 3)
         else 'Other' end as ResourceType,
    case product_code
        when 'AmazonEC2' then 'Compute' when 'AWSLambda' then 'Compute'
        when 'AmazonEKS' then 'Compute' when 'ComputeSavingsPlans' then 'Compute'
        when 'AmazonS3' then 'Storage' when 'AmazonRDS' then 'Databases'
        when 'AmazonDynamoDB' then 'Databases'
        when 'AmazonCloudFront' then 'Networking' when 'AmazonRoute53' then 'Networking'
        when 'AmazonCloudWatch' then 'Management and Governance'
        else 'Other' end as ServiceCategory,
    coalesce(nullif(product['product_name'], ''), service_code, product_code) as ServiceName,
    case when is_marketplace then nullif(line_item_legal_entity, '') else 'AWS' end
        as ServiceProviderName,
    'Other' as ServiceSubcategory,
    nullif(product_sku, '') as SkuId,
    usage_type as SkuMeter,
    case when nullif(product_instance_type, '') is not null
         then json_object('InstanceType', product_instance_type,
              'CoreCount', try_cast(product['vcpu'] as int),
              'OperatingSystem', product['operating_system']) end as SkuPriceDetails,
    nullif(pricing_rate_code, '') as SkuPriceId,
    line_item_usage_account_id as SubAccountId,
    nullif(line_item_usage_account_name, '') as SubAccountName,
    'Account' as SubAccountType,
    case when cardinality(resource_tags) > 0
         then '{' || array_to_string(list_sort(list_transform(map_entries(resource_tags),
              lambda entry: to_json(
                  case when starts_with(entry.key, 'user_') then substr(entry.key, 6)
                       when starts_with(entry.key, 'aws_') then 'aws:' || substr(entry.key, 5)
                       else entry.key end) || ':' || to_json(entry.value))), ',') || '}'
         end as Tags,
    getvariable('billing_period')::varchar as x_BillingPeriod,
    left(sha256(getvariable('source') || '|' || identity_line_item_id || '|'
        || identity_time_interval || case when is_unused then '|unused' else '' end), 32)
        as x_ChargeId,
    case when cardinality(cost_category) > 0 then to_json(cost_category) end as x_CostCategories,
    case when cardinality(discount) > 0 then to_json(discount) end as x_Discounts,
    case when nullif(bill_invoice_id, '') is null then 'provisional' else 'final' end as x_Finality,
    kind as x_LineItemType,
    operation as x_Operation,
    service_code as x_ServiceCode,
    getvariable('source')::varchar as x_Source,
    usage_type as x_UsageType
from priced

union all by name

select
    rest as BilledCost, rest as EffectiveCost, rest as ListCost, rest as ContractedCost,
    rest as PricingCurrencyEffectiveCost,
    payer as BillingAccountId, payer as SubAccountId, currency as BillingCurrency,
    month_start as BillingPeriodStart, month_end as BillingPeriodEnd,
    first_start as ChargePeriodStart, last_end as ChargePeriodEnd,
    'Adjustment' as ChargeCategory, 'One-Time' as ChargeFrequency,
    savings_plan_arn as CommitmentDiscountId, 'Savings Plan' as CommitmentDiscountType,
    'Savings Plans for AWS Compute usage' as ServiceName, 'Compute' as ServiceCategory,
    'AWS' as HostProviderName, 'AWS' as ServiceProviderName,
    'Amazon Web Services, Inc.' as InvoiceIssuerName,
    'SavingsPlanNegation' as x_LineItemType,
    finality as x_Finality,
    left(sha256(getvariable('source') || '|negation|' || savings_plan_arn), 32) as x_ChargeId,
    getvariable('source')::varchar as x_Source,
    getvariable('billing_period')::varchar as x_BillingPeriod
from negation_rest
