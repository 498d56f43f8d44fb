-- model:   int_focus__aws_items
-- grain:   one row per charge: a line item, or the unused part of a commitment fee (line_item_id,
--          time_interval, part)
-- inputs:  stg_aws__line_items
-- params:  none
-- why:     says what each line item is (kind) and what it costs in each of the four ledgers.
--          Negation rows and split rows are left out: the first only cancel what covered rows
--          repeat, the second repeat what the instance row already charges. Unused commitment is
--          stated on the fee row and becomes a charge of its own, by unnest and not by a second
--          scan. Prices come from the bill's text rates wherever rate times quantity is the cost.

with

line_items as (

    select * from stg_aws__line_items

),

-- kind decides category, frequency, price and cost; every later step reads it, never the type
classified as (

    select
        line_items.*,
        case
            when line_item_type = 'Usage' and usage_type like '%SpotUsage%' then 'spot'
            when line_item_type = 'Usage' then 'usage'
            when line_item_type = 'DiscountedUsage' then 'reserved'
            when line_item_type = 'SavingsPlanCoveredUsage' then 'covered'
            when line_item_type in ('RIFee', 'SavingsPlanRecurringFee') then 'commitment'
            when line_item_type = 'SavingsPlanUpfrontFee' then 'commitment_upfront'
            when line_item_type = 'Fee'
                and (reservation_arn is not null or savings_plan_arn is not null)
                then 'commitment_upfront'
            when line_item_type in ('Fee', 'FlatRateSubscription') then 'fee'
            when line_item_type = 'Tax' then 'tax'
            when line_item_type = 'Credit' or line_item_type like '%Discount' then 'credit'
            when line_item_type <> 'Refund' then 'adjustment'
            when reservation_arn is not null
                or savings_plan_arn is not null
                or description like 'Refund for one-time fee for Savings Plan ID%'
                then 'commitment_refund'
            when product_code like '%SavingsPlans' then 'purchase_refund'
            else 'refund'
        end as kind,
        -- zero beside a missing rate is how the bill says that there is no public price
        not is_marketplace and public_cost is not null
        and (public_rate is not null or public_cost <> 0) as has_public_price,
        case line_item_type
            when 'RIFee' then reservation_unused_upfront + reservation_unused_recurring
            when 'SavingsPlanRecurringFee'
                then multiply_round(commitment_basis_ratio, total_commitment - used_commitment)
            else cast(0 as decimal(38, 12))
        end as unused_cost
    from line_items

),

-- no list, no row: dropping and multiplying rows in one step copies them once. An unknown unused
-- cost (a net amount is missing) keeps its row, so that a check can find it
parts as (

    select
        classified.*,
        unnest(
            case
                when line_item_type = 'SavingsPlanNegation' or is_split_row then null
                when unused_cost = 0 then make_array('charge')
                else make_array('charge', 'unused')
            end
        ) as part
    from classified

),

costed as (

    select
        parts.*,
        kind in ('usage', 'spot', 'reserved', 'covered', 'commitment', 'commitment_upfront', 'fee')
        as is_priced,
        case
            when kind in ('usage', 'spot') then null
            else coalesce(savings_plan_arn, reservation_arn)
        end as commitment_id,
        case
            when part = 'unused' or kind = 'covered' then cast(0 as decimal(38, 12))
            else cost
        end as billed_cost,
        case
            when part = 'unused' then unused_cost
            when kind = 'reserved' then reservation_effective_cost
            when kind = 'covered' then savings_plan_effective_cost
            when kind in ('commitment', 'commitment_upfront', 'commitment_refund')
                then cast(0 as decimal(38, 12))
            else cost
        end as effective_cost,
        case
            when part = 'unused' then cast(0 as decimal(38, 12))
            when kind in ('usage', 'reserved', 'covered') and has_public_price then public_cost
            else cost
        end as list_cost,
        -- a reserved row states no negotiated on-demand price, its own cost is zero
        case
            when part = 'unused' then cast(0 as decimal(38, 12))
            when kind = 'reserved' and has_public_price then public_cost
            else cost
        end as contracted_cost
    from parts

),

-- the sign of a charge lives in its quantity; a cost without a quantity is one unit
quantified as (

    select
        costed.*,
        case
            when not is_priced then null
            when part = 'unused' and savings_plan_arn is not null
                then total_commitment - used_commitment
            when part = 'unused' then coalesce(unused_units, 0)
            when list_cost = 0 and contracted_cost = 0 then coalesce(usage_amount, 0)
            when coalesce(usage_amount, 0) = 0
                then case when list_cost + contracted_cost < 0
                    then cast(-1 as decimal(38, 12)) else cast(1 as decimal(38, 12)) end
            when list_cost + contracted_cost < 0 then -abs(usage_amount)
            else abs(usage_amount)
        end as pricing_quantity,
        case
            when is_priced and rate_code is not null
                then coalesce(nullif(split_part(rate_code, '.', 1), ''), rate_code)
            when kind = 'tax' then null
            when sku is not null then sku
            -- no product is named: the usage type of a service is the stable thing that is sold
            when is_priced then product_code || ':' || coalesce(usage_type, line_item_type)
        end as sku_id
    from costed

),

priced as (

    select
        quantified.*,
        case
            when not is_priced then null
            when part = 'unused' then cast(0 as decimal(38, 18))
            when kind in ('usage', 'reserved', 'covered') and has_public_price
                and abs(multiply_round(public_rate, pricing_quantity) - list_cost)
                <= cast('0.000000001' as decimal(38, 12))
                then public_rate
            else coalesce(divide_round(list_cost, pricing_quantity), cast(0 as decimal(38, 18)))
        end as list_unit_price
    from quantified

)

select
    -- identity
    line_item_id,
    time_interval,
    part,
    line_item_type,
    kind,

    -- accounts and invoice
    payer_account_id,
    payer_account_name,
    usage_account_id,
    usage_account_name,
    currency,
    pricing_currency,
    invoice_id,
    coalesce(
        invoicing_entity,
        case when not is_marketplace then legal_entity end,
        'Amazon Web Services, Inc.'
    ) as issuer_name,
    case when is_marketplace then coalesce(legal_entity, 'AWS') else 'AWS' end as provider_name,

    -- time; one-time fees have no length, a charge period must have one
    billing_period_start,
    billing_period_end,
    usage_start as charge_start,
    case
        when usage_end > usage_start then usage_end
        else usage_start + interval '1 second'
    end as charge_end,

    -- service, product and resource
    description,
    product_code,
    coalesce(service_code, product_code) as service_code,
    service_name,
    product_family,
    instance_type,
    vcpu,
    memory,
    operating_system,
    region_id,
    availability_zone,
    case
        when part = 'unused' or kind in ('commitment', 'commitment_upfront', 'commitment_refund')
            then coalesce(commitment_id, resource_id)
        else resource_id
    end as resource_id,
    case
        when resource_id is not null and kind not in ('commitment', 'commitment_upfront')
            then resource_name
    end as resource_name,
    capacity_reservation_id,
    capacity_reservation_status,

    -- commitment
    commitment_id,
    savings_plan_arn is not null as is_spend_commitment,
    case
        when commitment_id is null or not is_priced then null
        when savings_plan_arn is not null and part = 'unused'
            then total_commitment - used_commitment
        when savings_plan_arn is not null and kind = 'covered' then savings_plan_effective_cost
        when savings_plan_arn is not null and kind = 'commitment' then total_commitment
        when savings_plan_arn is not null then cost
        when part = 'unused' and reserved_normalized_units <> 0
            then coalesce(unused_normalized_units, 0)
        when part = 'unused' then coalesce(unused_units, 0)
        when kind = 'reserved' and normalized_usage_amount <> 0 then normalized_usage_amount
        when kind = 'reserved' then coalesce(usage_amount, 0)
        when reserved_normalized_units <> 0 then reserved_normalized_units
        else coalesce(reserved_units, usage_amount, 0)
    end as commitment_quantity,
    case
        when commitment_id is null or not is_priced then null
        when savings_plan_arn is not null then currency
        when kind = 'reserved' and normalized_usage_amount <> 0 then 'Normalized Hours'
        when kind <> 'reserved' and reserved_normalized_units <> 0 then 'Normalized Hours'
        else 'Hours'
    end as commitment_unit,

    -- price and quantity
    is_priced,
    sku_id,
    case
        when is_priced then coalesce(rate_code, sku_id || '.' || rate_id, sku_id)
    end as sku_price_id,
    pricing_unit,
    pricing_quantity,
    case
        when is_priced and part = 'charge' and kind in ('usage', 'spot', 'reserved', 'covered')
            then coalesce(usage_amount, 0)
    end as consumed_quantity,
    list_unit_price,
    case
        when not is_priced then null
        when contracted_cost = list_cost and kind <> 'usage' then list_unit_price
        when contracted_rate is not null
            and abs(multiply_round(contracted_rate, pricing_quantity) - contracted_cost)
            <= cast('0.000000001' as decimal(38, 12))
            then contracted_rate
        when contracted_cost = list_cost then list_unit_price
        else coalesce(divide_round(contracted_cost, pricing_quantity), cast(0 as decimal(38, 18)))
    end as contracted_unit_price,

    -- cost
    billed_cost,
    effective_cost,
    list_cost,
    contracted_cost,

    -- as delivered
    operation,
    usage_type,
    tags,
    cost_categories,
    discounts
from priced
