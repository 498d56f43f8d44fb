-- model:   focus_charges__an_account_has_one_currency
-- severity: fail
-- grain:   one row per billing account (BillingAccountId)
-- inputs:  focus_charges
-- params:  none
-- why:     costs in two currencies must never be added, and an account is invoiced in one (C17).

select
    BillingAccountId,
    min(BillingCurrency) as FirstCurrency,
    max(BillingCurrency) as LastCurrency
from focus_charges
group by BillingAccountId
having min(BillingCurrency) <> max(BillingCurrency)
