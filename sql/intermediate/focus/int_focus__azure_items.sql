-- model:   int_focus__azure_items
-- grain:   one row per charge (charge_key, occurrence)
-- inputs:  stg_azure__line_items
-- params:  none
-- why:     unites the two exports of a month, says what each row is (kind) and what it costs in
--          each of the four ledgers. The amortised export is the base: it says what usage costs
--          and what of a commitment was wasted. Only the actual export says what a commitment was
--          bought for, so purchases and refunds of commitments come from there, and nothing else.
--          Quantities are delivered in blocks of the unit of measure, so price times quantity is
--          the cost without any division. Rows have no id: the key is a hash over what a row says.

with

line_items as (

    select * from stg_azure__line_items

),

-- kind decides category, frequency, price and cost; every later step reads it, never the type.
-- A commitment that an amortised export still charges is spread nowhere: an ordinary purchase
classified as (

    select
        line_items.*,
        case
            when charge_type in ('unusedreservation', 'unusedsavingsplan') then 'unused'
            when charge_type = 'usage' and pricing_model in ('reservation', 'savingsplan')
                then 'used'
            when charge_type = 'usage' and pricing_model = 'spot' then 'spot'
            when charge_type = 'usage' then 'usage'
            when charge_type = 'purchase' and dataset = 'ActualCost' then 'commitment'
            when charge_type = 'refund' and dataset = 'ActualCost' then 'commitment_refund'
            when charge_type = 'purchase' then 'fee'
            when charge_type = 'refund' then 'refund'
            when charge_type = 'tax' then 'tax'
            when charge_type = 'credit' then 'credit'
            else 'adjustment'
        end as kind,
        charge_type = 'unusedsavingsplan'
        or coalesce(pricing_model = 'savingsplan', false)
        or coalesce(benefit_id like '%/microsoft.billingbenefits/%', false) as is_spend_commitment,
        charge_id(
            dataset,
            line_item_type,
            pricing_model,
            frequency,
            publisher_name,
            is_marketplace,
            billing_account_id,
            billing_account_name,
            billing_account_type,
            customer_name,
            partner_name,
            invoice_id,
            currency,
            pricing_currency,
            subscription_id,
            subscription_name,
            cost_categories,
            cost_allocation_rule,
            cast(charge_date as varchar),
            consumed_service,
            meter_category,
            meter_subcategory,
            meter_name,
            product_name,
            plan_name,
            resource_location,
            resource_id,
            resource_name,
            resource_type,
            tags,
            details,
            benefit_id,
            benefit_name,
            reservation_id,
            product_order_id,
            product_order_name,
            term,
            meter_id,
            product_id,
            part_number,
            unit_of_measure,
            cast(quantity as varchar),
            cast(unit_price as varchar),
            cast(payg_price as varchar),
            cast(effective_price as varchar),
            cast(exchange_rate as varchar),
            cast(cost as varchar),
            cast(payg_cost as varchar),
            cast(pricing_currency_cost as varchar)
        ) as charge_key
    from line_items
    where dataset <> 'ActualCost'
        or (
            charge_type in ('purchase', 'refund')
            and pricing_model in ('reservation', 'savingsplan')
        )

),

-- a purchase names the order of a commitment, usage one of its parts: both are reduced to the order
committed as (

    select
        classified.*,
        kind in ('usage', 'spot', 'used', 'unused', 'commitment', 'fee') as is_priced,
        case
            when kind not in ('used', 'unused', 'commitment', 'commitment_refund') then null
            when benefit_id like '/providers/%orders/%'
                then '/providers/' || split_part(benefit_id, '/', 3) || '/'
                    || split_part(benefit_id, '/', 4) || '/' || split_part(benefit_id, '/', 5)
            else case when is_spend_commitment
                then '/providers/microsoft.billingbenefits/savingsplanorders/'
                else '/providers/microsoft.capacity/reservationorders/' end
                || coalesce(
                    lower(map_value(details, 'ReservationOrderId')),
                    product_order_id,
                    reservation_id,
                    benefit_id
                )
        end as commitment_id,
        case
            when kind in ('used', 'unused')
                then decimal_from_text(map_value(details, 'RINormalizationRatio'))
        end as normalization_ratio,
        case
            when kind in ('used', 'unused') then cast(0 as decimal(38, 12))
            else cost
        end as billed_cost,
        case
            when kind in ('commitment', 'commitment_refund') then cast(0 as decimal(38, 12))
            else cost
        end as effective_cost,
        coalesce(
            multiply_round(exchange_rate, multiply_round(unit_price, quantity)),
            cast(0 as decimal(38, 12))
        ) as stated_contracted,
        coalesce(
            nullif(payg_cost, cast(0 as decimal(38, 12))),
            multiply_round(exchange_rate, multiply_round(payg_price, quantity)),
            cast(0 as decimal(38, 12))
        ) as stated_list
    from classified

),

-- a negotiated price that is missing, zero or below what was charged (quantities are rounded) gives
-- way to the charge, a public price to the negotiated one; what nobody used has no price at all
contracted as (

    select
        committed.*,
        case
            when kind = 'unused' then cast(0 as decimal(38, 12))
            when kind not in ('usage', 'spot', 'used', 'fee') then cost
            when cost > 0 then greatest(cost, stated_contracted)
            when cost < 0 then least(cost, stated_contracted)
            when cost = 0 then stated_contracted
        end as contracted_cost
    from committed

),

listed as (

    select
        contracted.*,
        case
            when kind = 'unused' then cast(0 as decimal(38, 12))
            when kind not in ('usage', 'spot', 'used', 'fee') then cost
            when contracted_cost > 0 then greatest(contracted_cost, stated_list)
            when contracted_cost < 0 then least(contracted_cost, stated_list)
            when contracted_cost = 0 then stated_list
        end as list_cost
    from contracted

),

-- the sign of a charge lives in its quantity; a cost without a quantity is one unit
quantified as (

    select
        listed.*,
        case
            when not is_priced then null
            when list_cost = 0 and contracted_cost = 0 then coalesce(quantity, 0)
            when coalesce(quantity, 0) = 0
                then case when list_cost + contracted_cost < 0
                    then cast(-1 as decimal(38, 12)) else cast(1 as decimal(38, 12)) end
            when list_cost + contracted_cost < 0 then -abs(quantity)
            else abs(quantity)
        end as pricing_quantity,
        case
            when kind = 'tax' then null
            when coalesce(product_id, meter_id, part_number) is not null
                then coalesce(product_id, meter_id, part_number)
            -- no product is named: what was ordered is the stable thing that is sold
            when is_priced
                then coalesce(product_order_name, product_name, plan_name, consumed_service, '')
                    || ':' || coalesce(meter_name, charge_type)
        end as sku_id
    from listed

),

priced as (

    select
        quantified.*,
        case
            when not is_priced then null
            when payg_price >= 0 and exchange_rate = 1
                and abs(multiply_round(payg_price, pricing_quantity) - list_cost)
                <= cast('0.000000001' as decimal(38, 12))
                then payg_price
            else coalesce(divide_round(list_cost, pricing_quantity), cast(0 as decimal(38, 18)))
        end as list_unit_price,
        case
            when not is_priced then null
            when unit_price >= 0 and exchange_rate = 1
                and abs(multiply_round(unit_price, pricing_quantity) - contracted_cost)
                <= cast('0.000000001' as decimal(38, 12))
                then unit_price
            else coalesce(
                divide_round(contracted_cost, pricing_quantity), cast(0 as decimal(38, 18))
            )
        end as contracted_unit_price,
        -- the same in the currency of the price list
        multiply_round(exchange_rate, multiply_round(payg_price, pricing_quantity))
            as converted_list,
        multiply_round(exchange_rate, multiply_round(unit_price, pricing_quantity))
            as converted_contracted,
        cast(divide_round(list_cost, exchange_rate) as decimal(38, 12)) as pricing_currency_list,
        cast(divide_round(contracted_cost, exchange_rate) as decimal(38, 12))
            as pricing_currency_contracted
    from quantified

)

select
    priced.*,
    row_number() over (partition by charge_key) as occurrence,

    coalesce(billing_account_id, subscription_id, customer_name, 'Microsoft') as billing_account,
    case
        when billing_account_id is not null then billing_account_name
        else coalesce(subscription_name, customer_name)
    end as billing_name,
    case
        when billing_account_id is not null then billing_account_type
        when subscription_id is not null then 'Subscription'
        else 'Billing Account'
    end as billing_type,
    coalesce(partner_name, 'Microsoft') as issuer_name,

    -- where a commitment is bought or wasted, it is the resource
    case
        when kind in ('commitment', 'commitment_refund', 'unused')
            then coalesce(commitment_id, resource_id)
        else resource_id
    end as charged_resource_id,
    case
        when kind in ('commitment', 'commitment_refund', 'unused')
            then coalesce(benefit_name, product_order_name, resource_name)
        else resource_name
    end as charged_resource_name,

    -- virtual machines under one reservation differ in size, a ratio makes them comparable
    case
        when commitment_id is null or not is_priced then null
        when is_spend_commitment and kind = 'commitment' then cost
        when is_spend_commitment then effective_cost
        when normalization_ratio > 0 then multiply_round(normalization_ratio, quantity)
        else coalesce(quantity, 0)
    end as commitment_quantity,
    case
        when commitment_id is null or not is_priced then null
        when is_spend_commitment then currency
        when normalization_ratio > 0
            or meter_category = 'Virtual Machines'
            or product_order_name like 'Reserved VM Instance%'
            or product_name like 'Reserved VM Instance%'
            then 'Normalized Hours'
        else 'Hours'
    end as commitment_unit,

    -- an entry of the price list begins with its SKU, so that it can never have two
    case
        when is_priced
            then sku_id
                || case when product_id is not null then coalesce(':' || meter_id, '') else '' end
                || coalesce(':' || nullif(part_number, sku_id), '')
                || coalesce(':' || term, '')
    end as sku_price_id,
    -- what is unused of no commitment was used
    case
        when is_priced
            and (kind in ('usage', 'spot', 'used') or kind = 'unused' and commitment_id is null)
            then coalesce(quantity, 0)
    end as consumed_blocks,
    case
        when not is_priced or pricing_currency = currency then list_unit_price
        when payg_price > 0
            and abs(converted_list - list_cost) <= cast('0.000000001' as decimal(38, 12))
            then payg_price
        else coalesce(
            divide_round(pricing_currency_list, pricing_quantity), cast(0 as decimal(38, 18))
        )
    end as pricing_currency_list_price,
    case
        when not is_priced or pricing_currency = currency then contracted_unit_price
        when unit_price > 0
            and abs(converted_contracted - contracted_cost)
            <= cast('0.000000001' as decimal(38, 12))
            then unit_price
        else coalesce(
            divide_round(pricing_currency_contracted, pricing_quantity), cast(0 as decimal(38, 18))
        )
    end as pricing_currency_contracted_price,
    case
        when effective_cost = 0 or pricing_currency = currency then effective_cost
        when pricing_currency_cost <> 0 then pricing_currency_cost
        else cast(divide_round(cost, exchange_rate) as decimal(38, 12))
    end as pricing_currency_effective_cost
from priced
