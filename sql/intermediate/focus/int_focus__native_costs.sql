-- model:   int_focus__native_costs
-- grain:   one row per row of a FOCUS export (no key is delivered)
-- inputs:  int_focus__native_kinds
-- params:  none
-- why:     what each row costs in each ledger. Billed cost is never touched. The others are as
--          delivered but for four repairs, each decided by arithmetic on the row, counted by
--          focus__repairs and stated by the control beside the delivered totals:
--          * a price per block (10,000 requests): quantity and costs divided by the block once more
--            are multiplied by it; what was paid tells, because it was not divided;
--          * a list or contracted cost of zero, or none, beside something that was paid: the larger
--            of price times quantity and what was paid; list is at least contracted;
--          * the purchase of a commitment has no effective cost where usage of that commitment in
--            the same billing period carries it. Without such usage the cost stays where it is;
--          * unused commitment that is not billed by itself has an effective cost and no other: no
--            price is of what was not used.

with

charges as (

    select * from int_focus__native_kinds

),

carriers as (

    select commitment_key
    from charges
    where category = 'Usage' and commitment_key is not null
        and billed_cost = 0 and effective_cost <> 0
    group by commitment_key

),

measured as (

    select
        charges.*,
        category = 'Purchase' and effective_cost <> 0 and carriers.commitment_key is not null
            as is_carried_by_usage,
        coalesce(status = 'Unused' and billed_cost = 0, false) as is_waste,
        -- covered usage is billed as zero, a purchase may have no effective cost
        case when abs(effective_cost) > abs(billed_cost) then effective_cost else billed_cost end
            as paid,
        multiply_round(exact_pricing_quantity, block_size) as block_quantity,
        multiply_round(exact_contracted_cost, block_size) as block_contracted_cost,
        multiply_round(exact_list_cost, block_size) as block_list_cost
    -- the small side comes first: it is what a join holds in memory
    from carriers
    right join charges
        on carriers.commitment_key = charges.commitment_key

),

-- within one percent: quantities are rounded, and the smallest block is ten
divided as (

    select
        measured.*,
        coalesce(is_carried_by_usage, false) as repairs_effective_cost,
        coalesce(block_size > 1 and block_quantity <> 0 and paid <> 0, false)
        and (
            coalesce(abs(block_contracted_cost - paid) * 100 <= abs(paid), false)
            or coalesce(
                abs(multiply_round(contracted_unit_price, block_quantity) - paid) * 100
                <= abs(paid),
                false
            )
            or coalesce(
                abs(multiply_round(effective_unit_price, block_quantity) - effective_cost) * 100
                <= abs(effective_cost) and effective_cost <> 0,
                false
            )
        ) as repairs_block_size
    from measured

),

-- a right list or contracted cost never lies below half of what was paid, a divided one does
multiplied as (

    select
        divided.*,
        case when repairs_block_size then block_quantity else pricing_quantity end as sold_quantity,
        is_waste and (coalesce(list_cost, 0) <> 0 or coalesce(contracted_cost, 0) <> 0)
            as repairs_unused_cost,
        coalesce(
            case
                when is_waste then cast(0 as decimal(38, 12))
                when repairs_block_size and abs(contracted_cost) * 2 < abs(paid)
                    then block_contracted_cost
                else contracted_cost
            end,
            cast(0 as decimal(38, 12))
        ) as whole_contracted_cost,
        coalesce(
            case
                when is_waste then cast(0 as decimal(38, 12))
                when repairs_block_size and abs(list_cost) * 2 < abs(paid) then block_list_cost
                else list_cost
            end,
            cast(0 as decimal(38, 12))
        ) as whole_list_cost
    from divided

),

-- prices count only where they are in the currency of the costs
missed as (

    select
        multiplied.*,
        coalesce(
            whole_contracted_cost = 0 and paid <> 0 and coalesce(status, '') <> 'Unused', false
        ) as repairs_contracted_cost,
        coalesce(
            whole_list_cost = 0 and paid <> 0 and coalesce(status, '') <> 'Unused', false
        ) as repairs_list_cost,
        case
            when coalesce(pricing_currency, billing_currency) = billing_currency
                then multiply_round(contracted_unit_price, sold_quantity)
        end as contracted_by_price,
        case
            when coalesce(pricing_currency, billing_currency) = billing_currency
                then multiply_round(list_unit_price, sold_quantity)
        end as list_by_price
    from multiplied

),

contracted as (

    select
        missed.*,
        case
            when not repairs_contracted_cost then whole_contracted_cost
            when paid > 0 then greatest(paid, contracted_by_price)
            else least(paid, contracted_by_price)
        end as contracted
    from missed

)

select
    contracted.*,
    case
        when repairs_effective_cost then cast(0 as decimal(38, 12))
        else effective_cost
    end as effective,
    case
        when not repairs_list_cost then whole_list_cost
        when paid > 0 then greatest(paid, contracted, list_by_price)
        else least(paid, contracted, list_by_price)
    end as list,
    -- units of the pricing currency are stated only where a rate makes them comparable
    case
        when coalesce(pricing_currency, billing_currency) = billing_currency
            or pricing_currency_effective_cost is not null
            or exchange_rate > 0
            then coalesce(pricing_currency, billing_currency)
        else billing_currency
    end as price_currency,
    coalesce(
        pricing_currency <> billing_currency and pricing_currency_effective_cost is null
        and coalesce(exchange_rate, 0) <= 0,
        false
    ) as repairs_pricing_currency
from contracted
