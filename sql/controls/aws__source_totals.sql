-- model:   aws__source_totals
-- grain:   one row per cost ledger and currency (Ledger, BillingCurrency)
-- inputs:  src_aws__cur
-- params:  $billing_period_start, $cost_basis
-- why:     what the bill itself adds up to, computed from its rows without the models it controls.
--          The charges must equal SourceTotal - LeftOutTotal to the last digit, in every ledger:
--          * billed: the cost basis of every row, covered usage and the negations that cancel it
--            included. Left out: rows that split an instance between containers.
--          * effective: the commitment identity, that is the cost basis of every row, less upfront
--            fees and refunds of commitments, plus the upfront fees amortised in the period. Left
--            out: split rows, and what the bill has not spread, the difference between that and
--            the stated costs of used and unused commitment. It is rounding in a closed month and
--            real money in an open one, whose monthly fees are already charged and not yet used.
--          * list and contracted: the bill has no total. The cost basis of every row, with the
--            public price instead where the bill states one (list: usage that is neither Spot nor
--            marketplace; contracted: usage under a reservation).
--          Two things that tie are told as warnings, with their amount: covered usage that no
--          negation cancels (a filtered export) counts beside the effective cost of its plan, and
--          covered usage that states no effective cost counts as zero.
--          ConversionResidual is what the stored twelve decimals lack of the delivered doubles.

with

line_items as (

    select * from src_aws__cur

),

amounts as (

    select
        line_item_currency_code as currency,
        line_item_line_item_type as type,
        coalesce(line_item_operation, '') in ('EKSPod-EC2', 'ECSTask-EC2') as is_split,
        line_item_line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
        and not coalesce(
            line_item_line_item_type = 'Usage' and line_item_usage_type like '%SpotUsage%', false
        )
        and coalesce(bill_billing_entity, '') <> 'AWS Marketplace'
        and pricing_public_on_demand_cost is not null
        and (
            abs(pricing_public_on_demand_cost) >= 5e-13
            or decimal_from_text(pricing_public_on_demand_rate) is not null
        ) as is_listed,
        reservation_reservation_a_r_n is not null
        or savings_plan_savings_plan_a_r_n is not null as names_commitment,
        coalesce(
            line_item_line_item_description like 'Refund for one-time fee for Savings Plan ID%',
            false
        ) as says_refund,
        case
            when $cost_basis = 'net' then coalesce(line_item_net_unblended_cost, 0)
            else coalesce(line_item_unblended_cost, 0)
        end as basis,
        pricing_public_on_demand_cost as public,
        case
            when $cost_basis = 'net' then reservation_net_effective_cost
            else reservation_effective_cost
        end as reserved,
        case
            when $cost_basis = 'net' then savings_plan_net_savings_plan_effective_cost
            else savings_plan_savings_plan_effective_cost
        end as covered,
        case
            when $cost_basis = 'net'
                then reservation_net_amortized_upfront_fee_for_billing_period
            else reservation_amortized_upfront_fee_for_billing_period
        end as reserved_amortised,
        case
            when $cost_basis = 'net'
                then savings_plan_net_amortized_upfront_commitment_for_billing_period
            else savings_plan_amortized_upfront_commitment_for_billing_period
        end as covered_amortised,
        case
            when $cost_basis = 'net'
                then reservation_net_unused_amortized_upfront_fee_for_billing_period
            else reservation_unused_amortized_upfront_fee_for_billing_period
        end as unused_upfront,
        case
            when $cost_basis = 'net' then reservation_net_unused_recurring_fee
            else reservation_unused_recurring_fee
        end as unused_recurring,
        savings_plan_total_commitment_to_date as committed,
        savings_plan_used_commitment as used,
        -- the commitment is stated gross only: on the net basis, by the ratio of net to gross fees
        case
            when $cost_basis <> 'net' then cast(1 as decimal(38, 18))
            else divide_round(
                decimal_from_double(
                    savings_plan_net_recurring_commitment_for_billing_period
                )
                + decimal_from_double(
                    savings_plan_net_amortized_upfront_commitment_for_billing_period
                ),
                decimal_from_double(savings_plan_recurring_commitment_for_billing_period)
                + decimal_from_double(
                    savings_plan_amortized_upfront_commitment_for_billing_period
                )
            )
        end as ratio
    from line_items
    where bill_billing_period_start_date = $billing_period_start

),

-- every double once as a decimal and once as what that decimal lacks
exact as (

    select
        amounts.*,
        type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') as is_cancelled,
        type = 'SavingsPlanUpfrontFee' or (type = 'Fee' and names_commitment) as is_upfront,
        type = 'Refund' and (names_commitment or says_refund) as is_commitment_refund,
        coalesce(
            (type = 'DiscountedUsage' and reserved is null)
            or (type = 'SavingsPlanCoveredUsage' and covered is null),
            false
        ) as lacks_effective,
        decimal_from_double(basis) as basis_cost,
        decimal_residual(basis) as basis_residual,
        decimal_from_double(public) as public_cost,
        decimal_residual(public) as public_residual
    from amounts

),

sums as (

    select
        currency,
        count(*) as rows,
        sum(basis_cost) as basis,
        sum(basis_residual) as basis_residual,
        sum(basis_cost) filter (where is_split) as split,
        sum(basis_residual) filter (where is_split) as split_residual,
        sum(basis_cost) filter (where is_upfront and not is_split) as upfront,
        sum(basis_cost) filter (where is_commitment_refund and not is_split) as refunded,
        sum(decimal_from_double(reserved_amortised)) filter (where type = 'RIFee')
            as reserved_amortised,
        sum(decimal_from_double(covered_amortised)) filter (where type = 'SavingsPlanRecurringFee')
            as covered_amortised,
        -- what the rows state about the use of commitments, in place of their cost basis
        sum(
            case type
                when 'DiscountedUsage'
                    then decimal_from_double(coalesce(reserved, 0))
                when 'SavingsPlanCoveredUsage'
                    then decimal_from_double(coalesce(covered, 0))
                when 'RIFee'
                    then decimal_from_double(coalesce(unused_upfront, 0))
                        + decimal_from_double(coalesce(unused_recurring, 0))
                when 'SavingsPlanRecurringFee'
                    then multiply_round(
                        ratio,
                        decimal_from_double(coalesce(committed, 0))
                        - decimal_from_double(coalesce(used, 0))
                    )
            end
        ) filter (where not is_split) as stated,
        sum(
            case type
                when 'DiscountedUsage' then decimal_residual(reserved)
                when 'SavingsPlanCoveredUsage' then decimal_residual(covered)
                when 'RIFee'
                    then decimal_residual(coalesce(unused_upfront, 0))
                        + decimal_residual(coalesce(unused_recurring, 0))
                when 'SavingsPlanRecurringFee'
                    then decimal_residual(coalesce(committed, 0))
                        - decimal_residual(coalesce(used, 0))
            end
        ) filter (where not is_split) as stated_residual,
        sum(basis_cost) filter (
            where not is_split and (
                is_upfront or is_commitment_refund
                or type in ('DiscountedUsage', 'RIFee', 'SavingsPlanRecurringFee')
            )
        ) as replaced,
        sum(basis_residual) filter (
            where not is_split and (
                is_upfront or is_commitment_refund
                or type in ('DiscountedUsage', 'RIFee', 'SavingsPlanRecurringFee')
            )
        ) as replaced_residual,
        sum(basis_cost) filter (where type = 'SavingsPlanCoveredUsage' and not is_split) as covered,
        sum(basis_cost) filter (where type = 'SavingsPlanNegation' and not is_split) as negated,
        count(*) filter (where lacks_effective and not is_split) as lacking,
        sum(public_cost) filter (where lacks_effective and not is_split) as lacking_public,
        sum(public_cost - basis_cost) filter (
            where is_listed and not is_split and not is_cancelled
        ) as listed_more,
        sum(public_residual - basis_residual) filter (
            where is_listed and not is_split and not is_cancelled
        ) as listed_residual,
        sum(case when is_listed then public_cost else basis_cost end) filter (
            where type = 'SavingsPlanCoveredUsage' and not is_split
        ) as listed_covered,
        sum(case when is_listed then public_residual else basis_residual end) filter (
            where type = 'SavingsPlanCoveredUsage' and not is_split
        ) as listed_covered_residual,
        sum(basis_residual) filter (
            where type = 'SavingsPlanCoveredUsage' and not is_split
        ) as covered_residual,
        sum(public_cost - basis_cost) filter (
            where is_listed and not is_split and type = 'DiscountedUsage'
        ) as reserved_more,
        sum(public_residual - basis_residual) filter (
            where is_listed and not is_split and type = 'DiscountedUsage'
        ) as reserved_residual
    from exact
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
        basis,
        basis_residual,
        coalesce(split, cast(0 as decimal(38, 12))) as split,
        coalesce(split_residual, cast(0 as decimal(38, 36))) as split_residual,
        coalesce(upfront, cast(0 as decimal(38, 12))) as upfront,
        coalesce(refunded, cast(0 as decimal(38, 12))) as refunded,
        coalesce(reserved_amortised, cast(0 as decimal(38, 12)))
        + coalesce(covered_amortised, cast(0 as decimal(38, 12))) as amortised,
        coalesce(stated, cast(0 as decimal(38, 12))) as stated,
        coalesce(stated_residual, cast(0 as decimal(38, 36))) as stated_residual,
        coalesce(replaced, cast(0 as decimal(38, 12))) as replaced,
        coalesce(replaced_residual, cast(0 as decimal(38, 36))) as replaced_residual,
        coalesce(covered, cast(0 as decimal(38, 12))) as covered,
        coalesce(covered_residual, cast(0 as decimal(38, 36))) as covered_residual,
        coalesce(negated, cast(0 as decimal(38, 12))) as negated,
        lacking,
        coalesce(lacking_public, cast(0 as decimal(38, 12))) as lacking_public,
        coalesce(listed_more, cast(0 as decimal(38, 12))) as listed_more,
        coalesce(listed_residual, cast(0 as decimal(38, 36))) as listed_residual,
        coalesce(listed_covered, cast(0 as decimal(38, 12))) as listed_covered,
        coalesce(listed_covered_residual, cast(0 as decimal(38, 36))) as listed_covered_residual,
        coalesce(reserved_more, cast(0 as decimal(38, 12))) as reserved_more,
        coalesce(reserved_residual, cast(0 as decimal(38, 36))) as reserved_residual
    from sums
    cross join ledgers

)

select
    Ledger,
    currency as BillingCurrency,
    cast(case Ledger
        when 'billed' then basis
        when 'effective' then basis - upfront - refunded + amortised
        when 'list' then basis + listed_more + listed_covered
        when 'contracted' then basis + covered + reserved_more
    end as decimal(38, 12)) as SourceTotal,
    -- effective: split rows and what the bill has not spread (the identity less what rows state)
    cast(case Ledger
        when 'effective'
            then (basis - upfront - refunded + amortised) - (basis - split - replaced + stated)
        else split
    end as decimal(38, 12)) as LeftOutTotal,
    cast(case Ledger
        when 'billed' then basis_residual - split_residual
        when 'effective' then basis_residual - split_residual - replaced_residual + stated_residual
        when 'list'
            then basis_residual - split_residual + listed_residual + listed_covered_residual
        when 'contracted'
            then basis_residual - split_residual + covered_residual + reserved_residual
    end as decimal(38, 36)) as ConversionResidual,
    rows as SourceRows,
    case Ledger
        when 'billed' then 'cost basis of all rows (covered usage ' || cast(covered as varchar)
            || ' is cancelled by negations ' || cast(negated as varchar)
            || '); left out: split rows ' || cast(split as varchar)
        when 'effective' then 'commitment identity: cost basis of all rows, less upfront fees '
            || cast(upfront as varchar) || ' and commitment refunds ' || cast(refunded as varchar)
            || ', plus amortised ' || cast(amortised as varchar)
            || '; left out: split rows ' || cast(split as varchar)
            || ' and commitment not yet spread by the bill'
            || case when abs(covered + negated) >= 0.01
                then '; warning: ' || cast(covered + negated as varchar) || ' of the usage that '
                    || 'Savings Plans cover is not cancelled by SavingsPlanNegation rows, so it '
                    || 'counts beside the effective cost of that usage; does the export leave '
                    || 'line item types out?'
                else ''
            end
            || case when lacking > 0
                then '; warning: ' || cast(lacking as varchar) || ' rows of usage under a '
                    || 'commitment state no effective cost, which counts as zero (public price '
                    || cast(lacking_public as varchar) || ')'
                else ''
            end
        when 'list' then 'public price where stated, else cost basis; left out: split rows '
            || cast(split as varchar)
        else 'cost basis, public price for reserved usage; left out: split rows '
            || cast(split as varchar)
    end as Control
from zero
