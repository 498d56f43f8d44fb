-- model:   reporting_charges
-- grain:   one row per allocated charge, and one per source, billing currency and charge month for
--          what rounding left over
-- inputs:  allocated_parts, exchange_rates
-- params:  $reporting_currency
-- why:     every allocated cost in one currency. Each part is rounded by itself, so the parts of a
--          month may miss the converted total by a few units of the last digit; that difference
--          stands on its own line, and the total is the native total times the rate, exactly.
--          allocated_parts are the allocated charges with the pipeline's own columns in Dimensions.

with

allocated as (

    select * from allocated_parts

),

rates as (

    select * from exchange_rates

),

rated as (

    select
        allocated.*,
        $reporting_currency as x_ReportingCurrency,
        case
            when allocated.BillingCurrency = $reporting_currency then cast(1 as decimal(38, 18))
            else rates.Rate
        end as x_ExchangeRate
    from allocated
    left join rates
        on allocated.BillingCurrency = rates.BillingCurrency
        and date_trunc('month', allocated.x_ChargeDate) = rates.ChargeMonth

),

converted as (

    select
        rated.*,
        multiply_round(x_ExchangeRate, BilledCost) as x_ReportingBilledCost,
        multiply_round(x_ExchangeRate, EffectiveCost) as x_ReportingEffectiveCost,
        multiply_round(x_ExchangeRate, ListCost) as x_ReportingListCost,
        multiply_round(x_ExchangeRate, ContractedCost) as x_ReportingContractedCost
    from rated

),

months as (

    select
        x_BillingPeriod,
        x_Source,
        BillingCurrency,
        x_ReportingCurrency,
        x_ExchangeRate,
        cast(date_trunc('month', x_ChargeDate) as date) as ChargeMonth,
        -- of the two words the later one in the alphabet: provisional if any charge is
        max(x_Finality) as Finality,
        multiply_round(x_ExchangeRate, cast(sum(BilledCost) as decimal(38, 12)))
        - sum(x_ReportingBilledCost) as Billed,
        multiply_round(x_ExchangeRate, cast(sum(EffectiveCost) as decimal(38, 12)))
        - sum(x_ReportingEffectiveCost) as Effective,
        multiply_round(x_ExchangeRate, cast(sum(ListCost) as decimal(38, 12)))
        - sum(x_ReportingListCost) as List,
        multiply_round(x_ExchangeRate, cast(sum(ContractedCost) as decimal(38, 12)))
        - sum(x_ReportingContractedCost) as Contracted
    from converted
    group by
        x_BillingPeriod,
        x_Source,
        BillingCurrency,
        x_ReportingCurrency,
        x_ExchangeRate,
        cast(date_trunc('month', x_ChargeDate) as date)

)

-- rows of what is left over have no dimensions
select
    x_BillingPeriod,
    x_ChargeDate,
    x_IsPartialDay,
    x_Source,
    x_Finality,
    BillingCurrency,
    ChargeFrequency,
    x_AllocationTargetId,
    x_InheritedDimensions,
    x_AllocationReason,
    x_AllocationStage,
    x_AllocationRuleId,
    x_AllocationMethod,
    x_AllocationActivity,
    x_CellId,
    x_PoolId,
    x_ReportingCurrency,
    x_ExchangeRate,
    BilledCost,
    EffectiveCost,
    ListCost,
    ContractedCost,
    x_ReportingBilledCost,
    x_ReportingEffectiveCost,
    x_ReportingListCost,
    x_ReportingContractedCost,
    Dimensions
from converted
union all
select
    x_BillingPeriod,
    ChargeMonth as x_ChargeDate,
    to_char(ChargeMonth, '%Y-%m') > x_BillingPeriod as x_IsPartialDay,
    x_Source,
    Finality as x_Finality,
    BillingCurrency,
    null as ChargeFrequency,
    'fx_residual' as x_AllocationTargetId,
    null as x_InheritedDimensions,
    'rounding_of_converted_parts' as x_AllocationReason,
    null as x_AllocationStage,
    null as x_AllocationRuleId,
    null as x_AllocationMethod,
    null as x_AllocationActivity,
    null as x_CellId,
    null as x_PoolId,
    x_ReportingCurrency,
    x_ExchangeRate,
    cast(0 as decimal(38, 12)) as BilledCost,
    cast(0 as decimal(38, 12)) as EffectiveCost,
    cast(0 as decimal(38, 12)) as ListCost,
    cast(0 as decimal(38, 12)) as ContractedCost,
    cast(Billed as decimal(38, 12)) as x_ReportingBilledCost,
    cast(Effective as decimal(38, 12)) as x_ReportingEffectiveCost,
    cast(List as decimal(38, 12)) as x_ReportingListCost,
    cast(Contracted as decimal(38, 12)) as x_ReportingContractedCost,
    null as Dimensions
from months
where Billed <> 0 or Effective <> 0 or List <> 0 or Contracted <> 0
