-- model:   focus__source_totals
-- grain:   one row per cost ledger and currency (Ledger, BillingCurrency)
-- inputs:  src_focus__charges
-- params:  $billing_period_start, $billing_period_end
-- why:     what a FOCUS export itself adds up to, in each of its four cost columns, computed from
--          its rows without the models it controls. Every row is a charge, so nothing is left out;
--          but three of the columns may be repaired, and LeftOutTotal is then what the delivered
--          column says less what the charges must say (negative where a repair adds). The Control
--          names each part. Billed is never repaired:
--          * effective: purchases of commitments whose own usage, in the same billing period and
--            billed as zero, carries an effective cost;
--          * list and contracted: costs divided by the block size of the price once too often,
--            costs of zero or none beside a cost that was charged, and those of unused commitment
--            that is not billed, of which nothing was used that a price could be of.
--          ConversionResidual is what the stored twelve decimals lack of the delivered numbers.

with

charges as (

    select * from src_focus__charges

),

amounts as (

    select
        BillingCurrency as currency,
        decimal_from_number(BilledCost) as billed,
        number_residual(BilledCost) as billed_residual,
        decimal_from_number(EffectiveCost) as effective,
        number_residual(EffectiveCost) as effective_residual,
        decimal_from_number(ListCost) as list,
        number_residual(ListCost) as list_residual,
        coalesce(decimal_from_number(ContractedCost), decimal_from_number(x_OnDemandCost))
            as contracted,
        coalesce(number_residual(ContractedCost), number_residual(x_OnDemandCost))
            as contracted_residual,
        decimal_from_number(x_PricingBlockSize) as block,
        multiply_round(price_from_number(ListCost), decimal_from_number(x_PricingBlockSize))
            as block_list,
        multiply_round(
            coalesce(price_from_number(ContractedCost), price_from_number(x_OnDemandCost)),
            decimal_from_number(x_PricingBlockSize)
        ) as block_contracted,
        multiply_round(price_from_number(PricingQuantity), decimal_from_number(x_PricingBlockSize))
            as block_quantity,
        decimal_from_number(PricingQuantity) as quantity,
        price_from_number(ListUnitPrice) as list_price,
        coalesce(price_from_number(ContractedUnitPrice), price_from_number(x_OnDemandUnitPrice))
            as contracted_price,
        -- prices in another currency than the costs say nothing about them
        coalesce(PricingCurrency, x_PricingCurrency, BillingCurrency) = BillingCurrency
            as is_same_currency,
        price_from_number(x_EffectiveUnitPrice) as effective_price,
        -- a commitment by its own columns, or as credits and subscriptions name it
        coalesce(
            CommitmentDiscountId,
            case
                when credits_json(x_Credits) like '%COMMITTED_USAGE_DISCOUNT%'
                    then coalesce(
                        x_SubscriptionInstanceId,
                        case when x_Credits[1]['type'] like 'COMMITTED%'
                            then nullif(x_Credits[1]['id'], '') end,
                        case when x_Credits[2]['type'] like 'COMMITTED%'
                            then nullif(x_Credits[2]['id'], '') end,
                        case when x_Credits[3]['type'] like 'COMMITTED%'
                            then nullif(x_Credits[3]['id'], '') end,
                        case when x_Credits[4]['type'] like 'COMMITTED%'
                            then nullif(x_Credits[4]['id'], '') end
                    )
                when x_ConsumptionModelId <> '7754-699E-0EBF'
                    or ChargeDescription like 'Commitment%'
                    then x_SubscriptionInstanceId
            end
        ) as commitment,
        case
            when ChargeCategory = 'Usage' and x_SubscriptionInstanceId is not null
                and ChargeDescription like 'Commitment%'
                then 'Purchase'
            else coalesce(ChargeCategory, '')
        end as category,
        case
            when CommitmentDiscountStatus in ('Used', 'Unused') then CommitmentDiscountStatus
            else split_part(ChargeSubcategory, ' ', 1)
        end as status
    from charges
    where BillingPeriodStart >= $billing_period_start
        and BillingPeriodStart < $billing_period_end

),

-- reservations and savings plans are one commitment per order
ordered as (

    select
        amounts.*,
        regexp_replace(lower(commitment), '^.*?orders/([^/]*).*$', '\1') as commitment_order,
        coalesce(category = 'Usage' and commitment is not null and status = 'Unused', false)
            as is_unused,
        coalesce(
            category = 'Usage' and commitment is not null and status = 'Unused' and billed = 0,
            false
        ) as is_waste,
        greatest(abs(billed), abs(effective)) as charged,
        case when abs(billed) >= abs(effective) then billed else effective end as paid
    from amounts

),

amortised as (

    select commitment_order
    from ordered
    where category = 'Usage' and commitment_order is not null and billed = 0 and effective <> 0
    group by commitment_order

),

judged as (

    select
        ordered.*,
        coalesce(
            block > 1 and charged > 0 and block_quantity <> 0
            and least(
                abs(block_contracted - paid),
                abs(multiply_round(contracted_price, block_quantity) - paid),
                case
                    when effective <> 0 and abs(
                        multiply_round(effective_price, block_quantity) - effective
                    ) * 100 <= abs(effective)
                        then cast(0 as decimal(38, 12))
                end
            ) * 100 <= charged,
            false
        ) as is_divided,
        case
            when category = 'Purchase' and amortised.commitment_order is not null then effective
            else cast(0 as decimal(38, 12))
        end as carried_by_usage
    from ordered
    left join amortised
        on ordered.commitment_order = amortised.commitment_order

),

-- what the columns say once the block is undone
undone as (

    select
        judged.*,
        case
            when is_divided and abs(contracted) < charged - abs(contracted)
                then block_contracted
            else coalesce(contracted, cast(0 as decimal(38, 12)))
        end as undone_contracted,
        case
            when is_divided and abs(list) < charged - abs(list) then block_list
            else coalesce(list, cast(0 as decimal(38, 12)))
        end as undone_list,
        case when is_divided then block_quantity else quantity end as undone_quantity
    from judged

),

priced as (

    select
        undone.*,
        case
            when is_waste then cast(0 as decimal(38, 12))
            when is_unused or paid = 0 or undone_contracted <> 0 then undone_contracted
            when paid > 0 and is_same_currency
                then greatest(paid, multiply_round(contracted_price, undone_quantity))
            when is_same_currency
                then least(paid, multiply_round(contracted_price, undone_quantity))
            else paid
        end as whole_contracted,
        case when is_same_currency then multiply_round(list_price, undone_quantity) end
            as whole_list_price
    from undone

),

listed as (

    select
        priced.*,
        case
            when is_waste then cast(0 as decimal(38, 12))
            when is_unused or paid = 0 or undone_list <> 0 then undone_list
            when paid > 0 then greatest(paid, whole_contracted, whole_list_price)
            else least(paid, whole_contracted, whole_list_price)
        end as whole_list
    from priced

),

sums as (

    select
        currency,
        count(*) as rows,
        sum(billed) as billed,
        sum(billed_residual) as billed_residual,
        sum(effective) as effective,
        sum(effective_residual) as effective_residual,
        sum(carried_by_usage) as carried_by_usage,
        coalesce(sum(list), cast(0 as decimal(38, 12))) as list,
        coalesce(sum(list_residual), cast(0 as decimal(38, 36))) as list_residual,
        sum(undone_list) as undone_list,
        sum(whole_list) as whole_list,
        coalesce(sum(undone_list) filter (where is_waste), cast(0 as decimal(38, 12)))
            as wasted_list,
        coalesce(sum(contracted), cast(0 as decimal(38, 12))) as contracted,
        coalesce(sum(contracted_residual), cast(0 as decimal(38, 36)))
            as contracted_residual,
        sum(undone_contracted) as undone_contracted,
        sum(whole_contracted) as whole_contracted,
        coalesce(sum(undone_contracted) filter (where is_waste), cast(0 as decimal(38, 12)))
            as wasted_contracted
    from listed
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
        when 'billed' then sums.billed
        when 'effective' then sums.effective
        when 'list' then sums.list
        when 'contracted' then sums.contracted
    end as decimal(38, 12)) as SourceTotal,
    cast(case ledgers.Ledger
        when 'billed' then 0
        when 'effective' then sums.carried_by_usage
        when 'list' then sums.list - sums.whole_list
        when 'contracted' then sums.contracted - sums.whole_contracted
    end as decimal(38, 12)) as LeftOutTotal,
    cast(case ledgers.Ledger
        when 'billed' then sums.billed_residual
        when 'effective' then sums.effective_residual
        when 'list' then sums.list_residual
        when 'contracted' then sums.contracted_residual
    end as decimal(38, 36)) as ConversionResidual,
    sums.rows as SourceRows,
    case
        when ledgers.Ledger = 'effective' and sums.carried_by_usage <> 0
            then 'sum of the cost column over all rows; left out: purchases of commitments that '
                || 'usage carries ' || cast(sums.carried_by_usage as varchar)
        when ledgers.Ledger = 'list' and sums.list <> sums.whole_list
            then 'sum of the cost column over all rows; added: divided by blocks '
                || cast(sums.undone_list - sums.list as varchar) || ', zero beside a cost '
                || cast(sums.whole_list - sums.undone_list + sums.wasted_list as varchar)
                || case
                    when sums.wasted_list = 0 then ''
                    else '; left out: unused commitment ' || cast(sums.wasted_list as varchar)
                end
        when ledgers.Ledger = 'contracted' and sums.contracted <> sums.whole_contracted
            then 'sum of the cost column over all rows; added: divided by blocks '
                || cast(sums.undone_contracted - sums.contracted as varchar)
                || ', zero beside a cost '
                || cast(
                    sums.whole_contracted - sums.undone_contracted + sums.wasted_contracted
                    as varchar
                )
                || case
                    when sums.wasted_contracted = 0 then ''
                    else '; left out: unused commitment '
                        || cast(sums.wasted_contracted as varchar)
                end
        else 'sum of the cost column over all rows'
    end as Control
from sums
cross join ledgers
