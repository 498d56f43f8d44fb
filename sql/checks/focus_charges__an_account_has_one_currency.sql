-- model:   focus_charges__an_account_has_one_currency
-- severity: warn
-- promise:  the provider's
-- grain:   one row per billing account (BillingAccountId)
-- inputs:  focus_charges
-- params:  none
-- why:     an account is invoiced in one currency (C17). Where it is not, nothing is added up: the
--          currency is part of every cell and every total.

select
    BillingAccountId,
    min(BillingCurrency) as FirstCurrency,
    max(BillingCurrency) as LastCurrency
from focus_charges
group by BillingAccountId
having min(BillingCurrency) <> max(BillingCurrency)
