-- model:   azure__source_totals
-- grain:   one row per cost ledger and currency (Ledger, BillingCurrency)
-- inputs:  src_azure__line_items
-- params:  $billing_period_start, $billing_period_end
-- why:     what the two exports of a month add up to, computed from their rows without the models
--          it controls. The charges must equal SourceTotal to the last digit, in every ledger:
--          * billed: the amortised rows, less what they say about used and unused commitment, plus
--            the purchases and refunds of commitments, which only the actual export has.
--          * effective: all amortised rows.
--          * contracted and list: the exports have no total. The cost of every charge but of what
--            was not used of a commitment, plus what the negotiated price times quantity, and then
--            the public price, state above it.
--          Nothing is left out of a charge; the other actual rows say again what the amortised say.
--          Their total is named, because in a complete delivery all actual rows are what is billed;
--          if it is not, the control carries a warning that the run repeats.
--          ConversionResidual is what the stored twelve decimals lack of the delivered numbers.

with

line_items as (

    select * from src_azure__line_items

),

amounts as (

    select
        upper(billing_currency) as currency,
        dataset = 'ActualCost' as is_actual,
        lower(coalesce(charge_type, 'Usage')) as type,
        -- what covers a row: its pricing model, or any id of a commitment where there is no model
        case
            when pricing_model is null
                then coalesce(benefit_id, '') <> ''
                    or coalesce(reservation_id, '') not in (
                        '', '00000000-0000-0000-0000-000000000000'
                    )
            else lower(pricing_model) in ('reservation', 'savingsplan', 'savings plan')
        end as is_committed,
        decimal_from_number(cost) as cost,
        number_residual(cost) as cost_residual,
        decimal_from_number(quantity) as quantity,
        price_from_number(unit_price) as unit_price,
        price_from_number(payg_price) as payg_price,
        decimal_from_number(payg_cost_in_billing_currency) as payg_cost,
        number_residual(payg_cost_in_billing_currency) as payg_residual,
        case
            when decimal_from_number(exchange_rate_pricing_to_billing) <> 0
                then decimal_from_number(exchange_rate_pricing_to_billing)
            else cast(1 as decimal(38, 12))
        end as rate
    from line_items
    where date >= $billing_period_start
        and date < $billing_period_end

),

judged as (

    select
        amounts.*,
        is_actual and is_committed and type in ('purchase', 'refund') as is_commitment_fee,
        not is_actual and (
            type in ('unusedreservation', 'unusedsavingsplan')
            or (type = 'usage' and is_committed)
        ) as is_spread,
        not is_actual and type in ('unusedreservation', 'unusedsavingsplan') as is_unused,
        not is_actual and type in ('usage', 'purchase') as is_priced,
        -- of a charge below zero everything is below zero: amounts are compared by their size
        case
            when cost < 0 then cast(-1 as decimal(38, 12))
            else cast(1 as decimal(38, 12))
        end as sign,
        multiply_round(rate, multiply_round(unit_price, quantity)) as negotiated,
        case
            when payg_cost <> 0 then payg_cost
            else multiply_round(rate, multiply_round(payg_price, quantity))
        end as public
    from amounts

),

-- how far the stated prices lie above the cost, and the public ones above the negotiated
raised as (

    select
        judged.*,
        case
            when not is_priced or negotiated is null then cast(0 as decimal(38, 12))
            when cost = 0 then negotiated
            when multiply_round(sign, negotiated - cost) > 0 then negotiated - cost
            else cast(0 as decimal(38, 12))
        end as negotiated_more
    from judged

),

stated as (

    select
        raised.*,
        case
            when not is_priced or public is null then cast(0 as decimal(38, 12))
            when cost + negotiated_more = 0 then public
            when cost + negotiated_more > 0 and public > cost + negotiated_more
                then public - cost - negotiated_more
            when cost + negotiated_more < 0 and public < cost + negotiated_more
                then public - cost - negotiated_more
            else cast(0 as decimal(38, 12))
        end as public_more
    from raised

),

sums as (

    select
        currency,
        count(*) as rows,
        sum(cost) filter (where is_actual) as actual,
        sum(cost) filter (where not is_actual) as amortised,
        sum(cost_residual) filter (where not is_actual) as amortised_residual,
        sum(cost) filter (where is_spread) as spread,
        sum(cost_residual) filter (where is_spread) as spread_residual,
        sum(cost) filter (where is_unused) as unused,
        sum(cost_residual) filter (where is_unused) as unused_residual,
        sum(cost) filter (where is_commitment_fee) as bought,
        sum(cost_residual) filter (where is_commitment_fee) as bought_residual,
        sum(negotiated_more) as negotiated_more,
        sum(public_more) as public_more,
        -- where a price was taken instead of the cost, the cost's residual does not count
        sum(cost_residual) filter (where negotiated_more <> 0) as negotiated_residual,
        sum(cost_residual) filter (where negotiated_more <> 0 or public_more <> 0)
            as listed_residual,
        sum(payg_residual) filter (where public_more <> 0 and payg_cost <> 0) as public_residual
    from stated
    group by currency

),

ledgers as (

    select * from (values ('billed'), ('effective'), ('list'), ('contracted')) as ledgers (Ledger)

),

zero as (

    select
        Ledger,
        currency,
        rows,
        -- a cent: sums of rounded amounts need not meet to the last digit
        coalesce(
            abs(actual - (amortised - coalesce(spread, 0) + coalesce(bought, 0))) >= 0.01,
            false
        ) as is_torn,
        coalesce(actual, cast(0 as decimal(38, 12))) as actual,
        coalesce(amortised, cast(0 as decimal(38, 12))) as amortised,
        coalesce(amortised_residual, cast(0 as decimal(38, 36))) as amortised_residual,
        coalesce(spread, cast(0 as decimal(38, 12))) as spread,
        coalesce(spread_residual, cast(0 as decimal(38, 36))) as spread_residual,
        coalesce(unused, cast(0 as decimal(38, 12))) as unused,
        coalesce(unused_residual, cast(0 as decimal(38, 36))) as unused_residual,
        coalesce(bought, cast(0 as decimal(38, 12))) as bought,
        coalesce(bought_residual, cast(0 as decimal(38, 36))) as bought_residual,
        negotiated_more,
        public_more,
        coalesce(negotiated_residual, cast(0 as decimal(38, 36))) as negotiated_residual,
        coalesce(listed_residual, cast(0 as decimal(38, 36))) as listed_residual,
        coalesce(public_residual, cast(0 as decimal(38, 36))) as public_residual
    from sums
    cross join ledgers

)

select
    Ledger,
    currency as BillingCurrency,
    cast(case Ledger
        when 'billed' then amortised - spread + bought
        when 'effective' then amortised
        when 'contracted' then amortised - unused + bought + negotiated_more
        when 'list' then amortised - unused + bought + negotiated_more + public_more
    end as decimal(38, 12)) as SourceTotal,
    cast(0 as decimal(38, 12)) as LeftOutTotal,
    cast(case Ledger
        when 'billed' then amortised_residual - spread_residual + bought_residual
        when 'effective' then amortised_residual
        when 'contracted'
            then amortised_residual - unused_residual + bought_residual - negotiated_residual
        when 'list'
            then amortised_residual - unused_residual + bought_residual - listed_residual
                + public_residual
    end as decimal(38, 36)) as ConversionResidual,
    rows as SourceRows,
    case Ledger
        when 'billed' then 'amortised rows ' || cast(amortised as varchar)
            || ' less used and unused commitment ' || cast(spread as varchar)
            || ' plus commitments bought and refunded ' || cast(bought as varchar)
            || '; all actual rows: ' || cast(actual as varchar)
            || case when is_torn
                then '; warning: billed ' || cast(amortised - spread + bought as varchar)
                    || ' is not the total of the actual cost export, ' || cast(actual as varchar)
                    || ': the two exports are of different days or scopes'
                else ''
            end
        when 'effective' then 'all amortised rows'
        when 'contracted'
            then 'cost of every charge but unused commitment, negotiated price times quantity '
                || 'where it is more'
        else 'negotiated cost of every charge, public price where it is more'
    end as Control
from zero
