-- model:   focus_charges__pricing_currency_is_billing_currency
-- severity: warn
-- promise:  the provider's
-- grain:   one row per pair of currencies (PricingCurrency, BillingCurrency)
-- inputs:  focus_charges
-- params:  none
-- why:     where a bill states one price it is copied into the PricingCurrency columns; that is
--          wrong where the price list has another currency.

select
    PricingCurrency,
    BillingCurrency,
    count(*) as Charges
from focus_charges
where PricingCurrency <> BillingCurrency
    and ListUnitPrice = PricingCurrencyListUnitPrice
    and ContractedUnitPrice = PricingCurrencyContractedUnitPrice
    and ContractedUnitPrice <> 0
group by PricingCurrency, BillingCurrency
