-- model:   int_focus__gcp_items
-- grain:   one row per charge: a row of the export, the covered part of a row that a commitment
--          covers in part, the unused part of a commitment fee, or a credit
--          (charge_key, occurrence, position)
-- inputs:  stg_gcp__line_items
-- params:  none
-- why:     says what each row of the export is (kind), which charges it makes and what they cost in
--          each of the four ledgers. Discounts of the price are folded into the row unless they are
--          more than it; credits known only after the fact become charges of their own. The export
--          has no row id, so the key is a hash over what the row says; rows that say the same are
--          numbered, and which of them is first does not matter.

with

line_items as (

    select * from stg_gcp__line_items

),

-- kind decides category, frequency, price and cost; every later step reads it, never the type
classified as (

    select
        line_items.*,
        case
            when row_type = 'tax' then 'tax'
            when row_type = 'adjustment' and adjustment_type = 'USAGE_CORRECTION'
                then 'correction'
            when row_type = 'adjustment' and adjustment_type = 'GOODWILL' then 'goodwill'
            when row_type <> 'regular' then 'adjustment'
            when map_value(credits_by_type, 'FEE_UTILIZATION_OFFSET') is not null then 'fee'
            when starts_with(sku_description, 'Commitment') then 'commitment'
            when model_id is not null then 'covered'
            when resource_commitment_credits + spend_commitment_credits <> 0 then 'committed'
            when sku_description like '%Preemptible%' then 'spot'
            else 'usage'
        end as kind,
        sustained_use_credits + discount_credits as price_credits,
        resource_commitment_credits + spend_commitment_credits as commitment_credits,
        coalesce(public_cost, gross_cost) as row_list_cost,
        coalesce(
            case
                when pricing_unit_quantity <> 1
                    then cast(divide_round(pricing_amount, pricing_unit_quantity)
                        as decimal(38, 12))
                else pricing_amount
            end,
            cast(0 as decimal(38, 12))
        ) as row_quantity,
        charge_id(
            billing_account_id, currency, project_id, project_name, seller_name, is_third_party,
            row_type, adjustment_type, is_explained, adjustment_description, usage_start,
            usage_end, export_time, service_id, service_name, sku_id, sku_description, region_id,
            availability_zone, resource_id, resource_name, subscription_instance_id,
            model_id, model_name, usage_unit, pricing_unit, used_amount, pricing_amount,
            pricing_unit_quantity, tier_start, list_price, effective_price, default_price,
            gross_cost, public_cost, default_cost, credits_key, all_tags
        ) as charge_key
    from line_items

),

-- a month, credited on its last day, is more than that day costs: no price explains the rest
discounted as (

    select
        classified.*,
        coalesce(
            kind in ('usage', 'spot', 'committed', 'covered', 'correction', 'commitment')
            and (kind <> 'covered' or default_cost is null)
            and (gross_cost >= 0 or gross_cost + price_credits > 0)
            and (gross_cost <= 0 or gross_cost + price_credits < 0)
            and price_credits <> 0 and gross_cost + price_credits <> 0,
            false
        ) as is_exceeded
    from classified

),

netted as (

    select
        discounted.*,
        case when is_exceeded then gross_cost else gross_cost + price_credits end as net_cost
    from discounted

),

-- a commitment that covers a row in part splits it: the share of the credits in the cost. Nothing
-- is shared where weights would have the wrong sign, that is in corrections
shared as (

    select
        netted.*,
        row_number() over (partition by charge_key) as occurrence,
        kind = 'committed' and commitment_credits < 0 and -commitment_credits < net_cost
            as is_split,
        case
            when kind = 'committed' and commitment_credits < 0 and -commitment_credits < net_cost
                then -commitment_credits
            else cast(0 as decimal(38, 12))
        end as covered_weight,
        case
            when kind = 'committed' and commitment_credits < 0 and -commitment_credits < net_cost
                then net_cost
            else cast(1 as decimal(38, 12))
        end as total_weight,
        case
            when kind = 'fee' then net_cost + commitment_credits + fee_offset_credits
            else cast(0 as decimal(38, 12))
        end as unused_cost,
        case when kind = 'covered' then default_price else effective_price end as contracted_price
    from netted

),

-- position 0 is the row itself, then its credits, then the covered or unused part if there is one
positioned as (

    select
        shared.*,
        unnest(
            range(0, credit_count + case when is_split or unused_cost <> 0 then 2 else 1 end)
        ) as position
    from shared

),

-- a list is searched by position: a commitment is named by the first credit that belongs to one,
-- among the first four
searched as (

    select
        positioned.*,
        case
            when credits[1]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or credits[1]['type'] = 'FEE_UTILIZATION_OFFSET' then 1
            when credits[2]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or credits[2]['type'] = 'FEE_UTILIZATION_OFFSET' then 2
            when credits[3]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or credits[3]['type'] = 'FEE_UTILIZATION_OFFSET' then 3
            when credits[4]['type'] like 'COMMITTED_USAGE_DISCOUNT%'
                or credits[4]['type'] = 'FEE_UTILIZATION_OFFSET' then 4
        end as commitment_credit
    from positioned

),

parts as (

    select
        searched.*,
        case
            when position = 0 then 'charge'
            when position <= credit_count then 'credit'
            when is_split then 'covered'
            else 'unused'
        end as part,
        credits[position]['type'] as credit_type,
        coalesce(credits[position]['full_name'], credits[position]['name']) as credit_name,
        coalesce(decimal_from_number(credits[position]['amount']), cast(0 as decimal(38, 12)))
            as credit_amount,
        coalesce(
            credits[commitment_credit]['id'],
            credits[commitment_credit]['full_name'],
            credits[commitment_credit]['name']
        ) as commitment_credit_id,
        credits[commitment_credit]['full_name'] as commitment_credit_name,
        apportion(row_list_cost, 0, covered_weight, total_weight) as covered_list_cost,
        apportion(row_quantity, 0, covered_weight, total_weight) as covered_quantity,
        apportion(coalesce(used_amount, 0), 0, covered_weight, total_weight)
            as covered_used_amount
    from searched

),

costed as (

    select
        parts.*,
        part <> 'credit'
        and kind in (
            'usage', 'spot', 'committed', 'covered', 'correction', 'commitment', 'fee'
        ) as is_priced,
        part in ('covered', 'unused') or (
            part = 'charge' and not is_split
            and kind in ('committed', 'covered', 'commitment', 'fee')
        ) as is_committed,
        case
            when part = 'credit' then credit_amount
            when part in ('covered', 'unused') or kind = 'covered' then cast(0 as decimal(38, 12))
            when kind = 'fee' then net_cost + commitment_credits
            else net_cost + commitment_credits + fee_offset_credits
        end as billed_cost,
        case
            when part = 'credit' then credit_amount
            when part = 'unused' then unused_cost
            when part = 'covered' or kind = 'fee' then cast(0 as decimal(38, 12))
            else net_cost + commitment_credits + fee_offset_credits
        end as effective_cost,
        -- the list price knows no discount of the price, wherever that stands
        case
            when part = 'unused' or credit_type in ('SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT')
                and part = 'credit' then cast(0 as decimal(38, 12))
            when part = 'credit' then credit_amount
            when part = 'covered' then covered_list_cost
            else row_list_cost - covered_list_cost
        end as list_cost,
        case
            when part = 'credit' then credit_amount
            when part = 'unused' then cast(0 as decimal(38, 12))
            when part = 'covered' then covered_weight
            when kind = 'covered' then coalesce(default_cost, net_cost)
            else net_cost - covered_weight
        end as contracted_cost,
        case
            when part = 'covered' then covered_quantity
            else row_quantity - covered_quantity
        end as quantity,
        case
            when part = 'covered' then covered_used_amount
            else coalesce(used_amount, 0) - covered_used_amount
        end as part_used_amount
    from parts
    where part <> 'credit'
        or coalesce(credit_type, '') not in (
            'SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT', 'COMMITTED_USAGE_DISCOUNT',
            'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET'
        )
        or is_exceeded and credit_type in ('SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT')

),

-- the sign of a charge lives in its quantity; a cost without a quantity is one unit
quantified as (

    select
        costed.*,
        case
            when not is_priced then null
            when part = 'unused' then unused_cost
            when list_cost = 0 and contracted_cost = 0 then quantity
            when quantity = 0
                then case when list_cost + contracted_cost < 0
                    then cast(-1 as decimal(38, 12)) else cast(1 as decimal(38, 12)) end
            when list_cost + contracted_cost < 0 then -abs(quantity)
            else abs(quantity)
        end as pricing_quantity,
        -- a commitment without an id is known by its credit, else by the prices it brings
        case
            when not is_committed then null
            when kind = 'covered' then coalesce(subscription_instance_id, model_id)
            when kind = 'commitment' then coalesce(subscription_instance_id, commitment_credit_id)
            else coalesce(
                subscription_instance_id,
                commitment_credit_id,
                case
                    when kind = 'fee' then 'FEE_UTILIZATION_OFFSET'
                    when resource_commitment_credits <> 0 then 'COMMITTED_USAGE_DISCOUNT'
                    else 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'
                end
            )
        end as commitment_id,
        case kind
            when 'committed' then resource_commitment_credits = 0
            when 'commitment' then sku_description like '%dollar based%'
            else kind in ('covered', 'fee')
        end as is_spend_commitment,
        case
            when kind = 'tax' then null
            when sku_id is not null then sku_id
            when is_priced
                then coalesce(service_id, service_name, 'Google Cloud')
                || ':' || coalesce(sku_description, row_type)
        end as sku
    from costed

)

select
    -- identity
    charge_key,
    occurrence,
    position,
    part,
    case when part = 'credit' then credit_type else row_type end as line_item_type,
    kind,

    -- accounts and parties
    billing_account_id,
    currency,
    project_id,
    project_name,
    case
        when is_third_party and seller_name <> 'Google' then seller_name
        else 'Google Cloud'
    end as provider_name,

    -- time; a charge period must have a length
    billing_period_start,
    billing_period_end,
    coalesce(usage_start, billing_period_start) as charge_start,
    case
        when usage_end > coalesce(usage_start, billing_period_start) then usage_end
        else coalesce(usage_start, billing_period_start) + interval '1 second'
    end as charge_end,
    row_type = 'adjustment' and is_explained and usage_start < billing_period_start
        as is_correction,

    -- service, place and resource
    case
        when part = 'credit' then coalesce(credit_name, credit_type)
        else coalesce(sku_description, adjustment_description, row_type)
    end as description,
    service_id,
    service_name,
    region_id,
    availability_zone,
    case
        when part = 'unused' or kind in ('commitment', 'fee') and part = 'charge'
            then coalesce(commitment_id, resource_id)
        else resource_id
    end as resource_id,
    case
        when part = 'unused' or kind in ('commitment', 'fee') and part = 'charge' then null
        else resource_name
    end as resource_name,
    case
        when (part = 'unused' or kind in ('commitment', 'fee') and part = 'charge')
            and commitment_id is not null
            then 'Committed Use Discount'
        when resource_id is not null then coalesce(resource_type, service_name, service_id)
    end as resource_type,

    -- commitment
    commitment_id,
    case
        when commitment_id is null then null
        when kind = 'covered' then model_name
        else commitment_credit_name
    end as commitment_name,
    is_spend_commitment,
    case
        when commitment_id is null then null
        when not is_spend_commitment then pricing_quantity
        when kind = 'committed' then -commitment_credits
        when part = 'unused' or kind = 'covered' then effective_cost
        else billed_cost
    end as commitment_quantity,

    -- price and quantity; standard prices are not named in a price id
    is_priced,
    sku as sku_id,
    sku_description as sku_meter,
    case
        when is_priced
            then sku
            || coalesce('/' || rtrim(rtrim(cast(tier_start as varchar), '0'), '.'), '')
            || coalesce('/' || model_id, '')
    end as sku_price_id,
    tier_start,
    pricing_unit_quantity,
    pricing_unit,
    pricing_quantity,
    usage_unit,
    case
        when is_priced and part <> 'unused' and kind not in ('commitment', 'fee')
            then part_used_amount
    end as consumed_quantity,
    -- cost is rounded to micro-units, so the price of the price list often does not explain it
    case
        when not is_priced then null
        when part = 'unused' then cast(0 as decimal(38, 18))
        when list_price >= 0
            and abs(multiply_round(list_price, pricing_quantity) - list_cost)
            <= cast('0.000000001' as decimal(38, 12))
            then list_price
        else coalesce(divide_round(list_cost, pricing_quantity), cast(0 as decimal(38, 18)))
    end as list_unit_price,
    case
        when not is_priced then null
        when part = 'unused' then cast(0 as decimal(38, 18))
        when contracted_price >= 0
            and abs(multiply_round(contracted_price, pricing_quantity) - contracted_cost)
            <= cast('0.000000001' as decimal(38, 12))
            then contracted_price
        else coalesce(divide_round(contracted_cost, pricing_quantity), cast(0 as decimal(38, 18)))
    end as contracted_unit_price,

    -- cost
    billed_cost,
    effective_cost,
    list_cost,
    contracted_cost,

    -- as delivered; discounts are stated once, on the row itself or as charges
    all_tags as tags,
    case when part = 'charge' and not is_exceeded then discounts end as discounts
from quantified
