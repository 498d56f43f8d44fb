-- model:   focus_charges__a_price_has_one_sku
-- severity: warn
-- promise:  ours
-- grain:   one row per price with several products (SkuPriceId)
-- inputs:  focus_charges
-- params:  none
-- why:     an entry of the price list prices one product (K04).

select
    SkuPriceId,
    min(SkuId) as FirstSku,
    max(SkuId) as LastSku
from focus_charges
where SkuPriceId is not null
group by SkuPriceId
having min(SkuId) <> max(SkuId)
