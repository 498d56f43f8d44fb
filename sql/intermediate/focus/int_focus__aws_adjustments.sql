-- model:   int_focus__aws_adjustments
-- grain:   one row per Savings Plan whose negations do not cancel its covered usage
--          (line_item_id)
-- inputs:  stg_aws__line_items
-- params:  none
-- why:     covered rows are billed as zero because negation rows cancel them, in sum and not row by
--          row. Where the sum is not zero the bill says something else than we do; the difference
--          becomes one adjustment, so that the billed cost still ties to the invoice. Reads the
--          line items a second time, but only the two types and a handful of columns.

with

line_items as (

    select * from stg_aws__line_items

),

differences as (

    select
        savings_plan_arn,
        payer_account_id,
        currency,
        billing_period_start,
        billing_period_end,
        max(payer_account_name) as payer_account_name,
        -- of no invoice as long as a part of it is
        case when count(invoice_id) = count(*) then max(invoice_id) end as invoice_id,
        max(invoicing_entity) as invoicing_entity,
        sum(cost) as difference
    from line_items
    where line_item_type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
        and not is_split_row
    group by savings_plan_arn, payer_account_id, currency, billing_period_start, billing_period_end
    having sum(cost) <> 0

)

select
    -- identity
    'savings-plan-negation' as line_item_id,
    coalesce(savings_plan_arn, '') || '/' || payer_account_id || '/' || currency
        || '/' || arrow_cast(billing_period_start, 'Utf8') as time_interval,
    'adjustment' as part,
    'SavingsPlanNegation' as line_item_type,
    'adjustment' as kind,

    -- accounts and invoice
    payer_account_id,
    payer_account_name,
    nullif(split_part(savings_plan_arn, ':', 5), '') as usage_account_id,
    arrow_cast(null, 'Utf8') as usage_account_name,
    currency,
    currency as pricing_currency,
    invoice_id,
    coalesce(invoicing_entity, 'Amazon Web Services, Inc.') as issuer_name,
    'AWS' as provider_name,

    -- time
    billing_period_start,
    billing_period_end,
    billing_period_start as charge_start,
    billing_period_end as charge_end,

    -- service, product and resource
    'Savings Plan negations that do not cancel the covered usage' as description,
    'SavingsPlans' as product_code,
    'SavingsPlans' as service_code,
    'Savings Plans' as service_name,
    arrow_cast(null, 'Utf8') as product_family,
    arrow_cast(null, 'Utf8') as instance_type,
    arrow_cast(null, 'Utf8') as vcpu,
    arrow_cast(null, 'Utf8') as memory,
    arrow_cast(null, 'Utf8') as operating_system,
    arrow_cast(null, 'Utf8') as region_id,
    arrow_cast(null, 'Utf8') as availability_zone,
    savings_plan_arn as resource_id,
    arrow_cast(null, 'Utf8') as resource_name,
    arrow_cast(null, 'Utf8') as capacity_reservation_id,
    arrow_cast(null, 'Utf8') as capacity_reservation_status,

    -- commitment
    savings_plan_arn as commitment_id,
    true as is_spend_commitment,
    cast(null as decimal(38, 12)) as commitment_quantity,
    arrow_cast(null, 'Utf8') as commitment_unit,

    -- price and quantity
    false as is_priced,
    arrow_cast(null, 'Utf8') as sku_id,
    arrow_cast(null, 'Utf8') as sku_price_id,
    arrow_cast(null, 'Utf8') as pricing_unit,
    cast(null as decimal(38, 12)) as pricing_quantity,
    cast(null as decimal(38, 12)) as consumed_quantity,
    cast(null as decimal(38, 18)) as list_unit_price,
    cast(null as decimal(38, 18)) as contracted_unit_price,

    -- cost
    difference as billed_cost,
    difference as effective_cost,
    difference as list_cost,
    difference as contracted_cost,

    -- as delivered
    arrow_cast(null, 'Utf8') as operation,
    arrow_cast(null, 'Utf8') as usage_type,
    arrow_cast(null, 'Utf8') as tags,
    arrow_cast(null, 'Utf8') as cost_categories,
    arrow_cast(null, 'Utf8') as discounts
from differences
