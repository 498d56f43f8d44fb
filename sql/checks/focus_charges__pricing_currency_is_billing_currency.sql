-- model:   focus_charges__pricing_currency_is_billing_currency
-- severity: warn
-- grain:   one row per pair of currencies (PricingCurrency, BillingCurrency)
-- inputs:  focus_charges
-- params:  none
-- why:     prices are copied into the PricingCurrency columns; that is wrong where the price list
--          has another currency.

select
    PricingCurrency,
    BillingCurrency,
    count(*) as Charges
from focus_charges
where PricingCurrency <> BillingCurrency
group by PricingCurrency, BillingCurrency
