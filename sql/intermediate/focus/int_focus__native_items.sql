-- model:   int_focus__native_items
-- grain:   one row per row of a FOCUS export (charge_key, occurrence)
-- inputs:  int_focus__native_services, stg_focus__charges
-- params:  none
-- why:     finds a key and repairs prices. An export has no row id, so the key is a hash over what
--          the row says; rows that say the same are numbered, and which of them is first does not
--          matter. Prices, quantities and SKUs that providers leave out of ordinary charges are
--          derived from cost and quantity; a price that does not explain its cost is derived again,
--          and so is one in another currency than the cost. A price id shared by several products
--          gets the product in front, because it prices one.

with

charges as (

    select * from int_focus__native_services

),

delivered as (

    select * from stg_focus__charges

),

-- other rows keep a price only if it is complete
priced as (

    select
        charges.*,
        case
            when category = 'Tax' then false
            when is_ordinary then true
            else sku_price_id is not null and sold_quantity is not null
                and list_unit_price is not null and contracted_unit_price is not null
        end as is_priced,
        case
            when category = 'Tax' then null
            when is_ordinary
                then coalesce(
                    sku_id,
                    sku_price_id,
                    coalesce(service_code, service)
                    || ':' || coalesce(sku_meter, usage_type, category)
                )
            else sku_id
        end as sku
    from charges

),

-- from the delivered rows, where two columns are all that has to be read; a product without a price
-- is its own price
shared as (

    select coalesce(sku_price_id, sku_id) as sku_price_id
    from delivered
    where coalesce(sku_price_id, sku_id) is not null
    group by coalesce(sku_price_id, sku_id)
    having min(coalesce(sku_id, sku_price_id)) <> max(coalesce(sku_id, sku_price_id))

),

-- the sign of a charge lives in its quantity; a cost without a quantity is one unit
quantified as (

    select
        priced.*,
        shared.sku_price_id is not null and is_priced and sku is not null as repairs_sku_price_id,
        case
            when not is_priced then null
            when list = 0 and contracted = 0 then coalesce(sold_quantity, 0)
            when coalesce(sold_quantity, 0) = 0
                then case when list + contracted < 0
                    then cast(-1 as decimal(38, 12)) else cast(1 as decimal(38, 12)) end
            when list + contracted < 0 then -abs(sold_quantity)
            else abs(sold_quantity)
        end as quantity
    -- the small side comes first: it is what a join holds in memory
    from shared
    right join priced
        on shared.sku_price_id = priced.sku_price_id

),

explained as (

    select
        quantified.*,
        coalesce(
            list_unit_price >= 0
            and abs(multiply_round(list_unit_price, quantity) - list)
            <= cast('0.000000001' as decimal(38, 12)),
            false
        ) as is_list_explained,
        coalesce(
            contracted_unit_price >= 0
            and abs(multiply_round(contracted_unit_price, quantity) - contracted)
            <= cast('0.000000001' as decimal(38, 12)),
            false
        ) as is_contracted_explained
    from quantified

),

keyed as (

    select
        explained.*,
        case
            when not is_priced then null
            when is_list_explained then list_unit_price
            else coalesce(divide_round(list, quantity), cast(0 as decimal(38, 18)))
        end as list_price,
        case
            when not is_priced then null
            when is_contracted_explained then contracted_unit_price
            else coalesce(divide_round(contracted, quantity), cast(0 as decimal(38, 18)))
        end as contracted_price,
        is_priced and (not is_list_explained or not is_contracted_explained) as repairs_prices,
        not is_priced and category <> 'Tax'
        and coalesce(sku_price_id, pricing_category) is not null as repairs_stray_price,
        is_ordinary and sku_id is null as repairs_sku,
        charge_id(
            allocated_method_details,
            allocated_method_id,
            allocated_resource_id,
            allocated_resource_name,
            allocated_tags,
            billing_account_id,
            billing_account_name,
            billing_account_type,
            sub_account_id,
            sub_account_name,
            sub_account_type,
            invoice_id,
            invoice_detail_id,
            invoice_issuer,
            service_provider,
            host_provider,
            provider_name,
            publisher,
            is_marketplace,
            cast(billing_period_start as varchar),
            cast(billing_period_end as varchar),
            cast(charge_start as varchar),
            cast(charge_end as varchar),
            charge_category,
            charge_class,
            charge_subcategory,
            charge_description,
            charge_frequency,
            cost_type,
            line_item_type,
            reference_number,
            corrected_reference_number,
            commitment,
            commitment_category,
            commitment_name,
            commitment_status,
            commitment_type,
            cast(commitment_quantity as varchar),
            commitment_unit,
            commitment_eligibility,
            subscription_id,
            consumption_model_id,
            consumption_model_name,
            credits_by_type,
            credited_commitment_id,
            credited_commitment_name,
            contract_applied,
            capacity_reservation_id,
            capacity_reservation_status,
            billing_currency,
            cast(billed_cost as varchar),
            cast(effective_cost as varchar),
            cast(exact_list_cost as varchar),
            cast(exact_contracted_cost as varchar),
            pricing_category,
            pricing_currency,
            cast(exchange_rate as varchar),
            cast(pricing_currency_contracted_unit_price as varchar),
            cast(pricing_currency_effective_cost as varchar),
            cast(pricing_currency_list_unit_price as varchar),
            cast(exact_pricing_quantity as varchar),
            pricing_unit,
            unit_of_measure,
            cast(block_size as varchar),
            cast(consumed_quantity as varchar),
            consumed_unit,
            cast(list_unit_price as varchar),
            cast(contracted_unit_price as varchar),
            cast(effective_unit_price as varchar),
            sku_id,
            sku_meter,
            sku_price_id,
            sku_price_details,
            service_category,
            service_name,
            service_subcategory,
            meter_category,
            availability_zone,
            region_id,
            region_name,
            resource_id,
            resource_name,
            resource_type,
            tags,
            cost_categories,
            source_columns,
            discounts,
            operation,
            service_code,
            usage_type
        ) as charge_key
    from explained

)

select
    keyed.*,
    row_number() over (partition by charge_key) as occurrence
from keyed
