-- model:   stg_gcp__line_items
-- grain:   one row per row of the billing export (no key is delivered)
-- inputs:  src_gcp__line_items
-- params:  $billing_period, $billing_period_start, $billing_period_end
-- why:     the only place where the export's numbers become decimals and its maps JSON text. An
--          invoice month is a month in Los Angeles, whose first of the month is 08:00 UTC from
--          December to March and 07:00 UTC else; usage dates do not decide it. Credits are summed
--          by what they are, inside their row; the list itself is kept for the credits that become
--          charges.

with

line_items as (

    select * from src_gcp__line_items

)

select
    -- account and parties
    billing_account_id,
    currency,
    project_id,
    project_name,
    coalesce(transaction_type, 'GOOGLE') <> 'GOOGLE' as is_third_party,
    seller_name,

    -- what kind of row; exports from before this column have regular rows only
    coalesce(cost_type, 'regular') as row_type,
    adjustment_type,
    coalesce(adjustment_type, adjustment_mode) is not null as is_explained,
    adjustment_description,

    -- time
    $billing_period_start + case
        when date_part('month', $billing_period_start) in (12, 1, 2, 3) then interval '8 hours'
        else interval '7 hours'
    end as billing_period_start,
    $billing_period_end + case
        when date_part('month', $billing_period_end) in (12, 1, 2, 3) then interval '8 hours'
        else interval '7 hours'
    end as billing_period_end,
    usage_start_time as usage_start,
    usage_end_time as usage_end,
    export_time,

    -- service, place and resource; 'global' is no region
    service_id,
    service_description as service_name,
    sku_id,
    sku_description,
    coalesce(location_region, nullif(location_location, 'global')) as region_id,
    location_zone as availability_zone,
    coalesce(resource_global_name, resource_name) as resource_id,
    resource_name,
    nullif(split_part(resource_global_name, '/', -2), '') as resource_type,

    -- commitment; the id is the one of the standard prices
    subscription_instance_id,
    nullif(consumption_model_id, '7754-699E-0EBF') as model_id,
    consumption_model_description as model_name,

    -- price and quantity; the amount is not yet divided by the size of the block
    usage_unit,
    coalesce(usage_pricing_unit, price_unit) as pricing_unit,
    decimal_from_number(usage_amount) as used_amount,
    decimal_from_number(usage_amount_in_pricing_units) as pricing_amount,
    nullif(decimal_from_number(price_pricing_unit_quantity), cast(0 as decimal(38, 12)))
        as pricing_unit_quantity,
    price_from_number(price_tier_start_amount) as tier_start,
    price_from_number(price_list_price) as list_price,
    price_from_number(price_effective_price) as effective_price,
    price_from_number(price_effective_price_default) as default_price,

    -- cost
    -- a missing amount is no amount of zero: it stays unknown, so that a check can find it
    decimal_from_number(cost) as gross_cost,
    decimal_from_number(cost_at_list) as public_cost,
    decimal_from_number(cost_at_effective_price_default) as default_cost,

    -- credits; what is not named here is known only after the fact and becomes a charge
    credits,
    cast(coalesce(array_length(credits), 0) as bigint) as credit_count,
    credits_json(credits) as credits_by_type,
    credits_total(credits, 'SUSTAINED_USAGE_DISCOUNT') as sustained_use_credits,
    credits_total(credits, 'DISCOUNT') as discount_credits,
    credits_total(credits, 'COMMITTED_USAGE_DISCOUNT') as resource_commitment_credits,
    credits_total(credits, 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE') as spend_commitment_credits,
    credits_total(credits, 'FEE_UTILIZATION_OFFSET') as fee_offset_credits,
    -- a text that differs where the credits do: sums by type, and what the first four are named
    charge_id(
        credits[1]['id'], credits[1]['full_name'], credits[1]['name'],
        decimal_from_number(credits[1]['amount']),
        credits[2]['id'], credits[2]['full_name'], credits[2]['name'],
        decimal_from_number(credits[2]['amount']),
        credits[3]['id'], credits[3]['full_name'], credits[3]['name'],
        decimal_from_number(credits[3]['amount']),
        credits[4]['id'], credits[4]['full_name'], credits[4]['name'],
        decimal_from_number(credits[4]['amount']),
        credits_json(credits)
    ) as credits_key,

    -- discounts inside the row; what offsets a fee is the cost of other rows
    nullif(
        '{' || rtrim(
            coalesce(
                '"COMMITTED_USAGE_DISCOUNT":'
                || map_value(credits_json(credits), 'COMMITTED_USAGE_DISCOUNT') || ',', ''
            )
            || coalesce(
                '"COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE":'
                || map_value(credits_json(credits), 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE') || ',',
                ''
            )
            || coalesce(
                '"DISCOUNT":' || map_value(credits_json(credits), 'DISCOUNT') || ',', ''
            )
            || coalesce(
                '"SUSTAINED_USAGE_DISCOUNT":'
                || map_value(credits_json(credits), 'SUSTAINED_USAGE_DISCOUNT') || ',', ''
            ),
            ','
        ) || '}',
        '{}'
    ) as discounts,

    -- one scheme of tags may go without a prefix: the labels users set on resources
    merge_maps_json('', labels, 'project/', project_labels, 'tag/', tags, '', system_labels)
        as all_tags
from line_items
where invoice_month = replace($billing_period, '-', '')
