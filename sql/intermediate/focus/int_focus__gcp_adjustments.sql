-- model:   int_focus__gcp_adjustments
-- grain:   one row per billing account and currency whose commitment fees are not offset by what
--          covered usage costs (charge_key)
-- inputs:  stg_gcp__line_items
-- params:  none
-- why:     usage under a spend commitment is billed as zero because credits on the commitment's fee
--          offset it, in sum and not row by row. Where the sum is not zero the bill says something
--          else than we do; the difference becomes one adjustment, so that the billed cost still
--          ties to the invoice. It has no effective cost, which covered and unused parts state in
--          full. Reads the line items a second time, but only a handful of columns.

with

line_items as (

    select * from stg_gcp__line_items

),

differences as (

    select
        billing_account_id,
        currency,
        billing_period_start,
        billing_period_end,
        max(service_id) as service_id,
        max(service_name) as service_name,
        sum(
            case
                when map_value(credits_by_type, 'FEE_UTILIZATION_OFFSET') is not null
                    then fee_offset_credits
                else gross_cost + sustained_use_credits + discount_credits
                    + resource_commitment_credits + spend_commitment_credits
            end
        ) as difference
    from line_items
    where row_type = 'regular'
        and (
            map_value(credits_by_type, 'FEE_UTILIZATION_OFFSET') is not null
            or model_id is not null
            and not coalesce(starts_with(sku_description, 'Commitment'), false)
        )
    group by billing_account_id, currency, billing_period_start, billing_period_end

)

select
    -- identity
    charge_id('fee-utilization-offset', billing_account_id, currency, billing_period_start)
        as charge_key,
    cast(1 as bigint unsigned) as occurrence,
    cast(0 as bigint) as position,
    'adjustment' as part,
    'FEE_UTILIZATION_OFFSET' as line_item_type,
    'adjustment' as kind,

    -- accounts and parties
    billing_account_id,
    currency,
    arrow_cast(null, 'Utf8') as project_id,
    arrow_cast(null, 'Utf8') as project_name,
    'Google Cloud' as provider_name,

    -- time
    billing_period_start,
    billing_period_end,
    billing_period_start as charge_start,
    billing_period_end as charge_end,
    false as is_correction,

    -- service, place and resource
    'Offsets of commitment fees that differ from the usage they cover' as description,
    service_id,
    service_name,
    arrow_cast(null, 'Utf8') as region_id,
    arrow_cast(null, 'Utf8') as availability_zone,
    arrow_cast(null, 'Utf8') as resource_id,
    arrow_cast(null, 'Utf8') as resource_name,
    arrow_cast(null, 'Utf8') as resource_type,

    -- commitment
    arrow_cast(null, 'Utf8') as commitment_id,
    arrow_cast(null, 'Utf8') as commitment_name,
    true as is_spend_commitment,
    cast(null as decimal(38, 12)) as commitment_quantity,

    -- price and quantity
    false as is_priced,
    arrow_cast(null, 'Utf8') as sku_id,
    arrow_cast(null, 'Utf8') as sku_meter,
    arrow_cast(null, 'Utf8') as sku_price_id,
    cast(null as decimal(38, 18)) as tier_start,
    cast(null as decimal(38, 12)) as pricing_unit_quantity,
    arrow_cast(null, 'Utf8') as pricing_unit,
    cast(null as decimal(38, 12)) as pricing_quantity,
    arrow_cast(null, 'Utf8') as usage_unit,
    cast(null as decimal(38, 12)) as consumed_quantity,
    cast(null as decimal(38, 18)) as list_unit_price,
    cast(null as decimal(38, 18)) as contracted_unit_price,

    -- cost; list and contracted cost are on the covered usage and on the fee
    difference as billed_cost,
    cast(0 as decimal(38, 12)) as effective_cost,
    cast(0 as decimal(38, 12)) as list_cost,
    cast(0 as decimal(38, 12)) as contracted_cost,

    -- as delivered
    arrow_cast(null, 'Utf8') as tags,
    arrow_cast(null, 'Utf8') as discounts
from differences
where difference <> 0
