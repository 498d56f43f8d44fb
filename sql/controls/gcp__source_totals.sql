-- model:   gcp__source_totals
-- grain:   one row per cost ledger and currency (Ledger, BillingCurrency)
-- inputs:  src_gcp__line_items
-- params:  $billing_period
-- why:     what the export itself adds up to, computed from its rows without the models it
--          controls. Nothing is left out: every row is a charge, so the charges must equal
--          SourceTotal to the last digit, in every ledger:
--          * billed and effective: the cost of every row and all its credits. No fee is spread over
--            time, so both have the same sum.
--          * list: the cost at list prices, else the cost, and the credits that are known only
--            after the fact.
--          * contracted: the cost less discounts of the price; for usage that a spend commitment
--            made cheaper, the cost at the standard price; and the same credits after the fact.
--          ConversionResidual is what the stored twelve decimals lack of the delivered numbers.

with

line_items as (

    select * from src_gcp__line_items

),

amounts as (

    select
        currency,
        decimal_from_number(cost) as gross,
        number_residual(cost) as cost_residual,
        decimal_from_number(cost_at_list) as listed,
        number_residual(cost_at_list) as listed_residual,
        -- usage at a price other than the standard one, that is neither a fee nor corrected
        case
            when coalesce(cost_type, 'regular') = 'regular'
                and consumption_model_id <> '7754-699E-0EBF'
                and coalesce(sku_description, '') not like 'Commitment%'
                and map_value(credits_json(credits), 'FEE_UTILIZATION_OFFSET') is null
                then decimal_from_number(cost_at_effective_price_default)
        end as standard,
        number_residual(cost_at_effective_price_default) as standard_residual,
        credits_total(credits) as credited,
        credits_residual(credits) as credited_residual,
        credits_total(credits, 'SUSTAINED_USAGE_DISCOUNT,DISCOUNT') as discounted,
        credits_residual(credits, 'SUSTAINED_USAGE_DISCOUNT,DISCOUNT') as discounted_residual,
        credits_total(
            credits,
            'COMMITTED_USAGE_DISCOUNT,COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE,FEE_UTILIZATION_OFFSET'
        ) as committed,
        credits_residual(
            credits,
            'COMMITTED_USAGE_DISCOUNT,COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE,FEE_UTILIZATION_OFFSET'
        ) as committed_residual
    from line_items
    where invoice_month = replace($billing_period, '-', '')

),

sums as (

    select
        currency,
        count(*) as rows,
        coalesce(sum(gross), cast(0 as decimal(38, 12))) as gross,
        coalesce(sum(cost_residual), cast(0 as decimal(38, 36))) as cost_residual,
        sum(credited) as credited,
        sum(credited_residual) as credited_residual,
        sum(credited - discounted - committed) as afterwards,
        sum(credited_residual - discounted_residual - committed_residual) as afterwards_residual,
        coalesce(sum(coalesce(listed, gross)), cast(0 as decimal(38, 12))) as listed,
        coalesce(
            sum(case when listed is null then cost_residual else listed_residual end),
            cast(0 as decimal(38, 36))
        ) as listed_residual,
        sum(coalesce(standard, coalesce(gross, cast(0 as decimal(38, 12))) + discounted))
            as contracted,
        sum(
            case
                when standard is not null then standard_residual
                else coalesce(cost_residual, cast(0 as decimal(38, 36))) + discounted_residual
            end
        ) as contracted_residual
    from amounts
    group by currency

),

-- one row per ledger, so that the source is read once
ledgers as (

    select * from (values ('billed'), ('effective'), ('list'), ('contracted')) as ledgers (Ledger)

)

select
    ledgers.Ledger,
    sums.currency as BillingCurrency,
    cast(case ledgers.Ledger
        when 'list' then sums.listed + sums.afterwards
        when 'contracted' then sums.contracted + sums.afterwards
        else sums.gross + sums.credited
    end as decimal(38, 12)) as SourceTotal,
    cast(0 as decimal(38, 12)) as LeftOutTotal,
    cast(case ledgers.Ledger
        when 'list' then sums.listed_residual + sums.afterwards_residual
        when 'contracted' then sums.contracted_residual + sums.afterwards_residual
        else sums.cost_residual + sums.credited_residual
    end as decimal(38, 36)) as ConversionResidual,
    sums.rows as SourceRows,
    case ledgers.Ledger
        when 'list' then 'cost at list prices and credits after the fact '
            || cast(sums.afterwards as varchar)
        when 'contracted' then 'cost at negotiated prices and credits after the fact '
            || cast(sums.afterwards as varchar)
        else 'cost ' || cast(sums.gross as varchar) || ' and credits '
            || cast(sums.credited as varchar)
    end as Control
from sums
cross join ledgers
