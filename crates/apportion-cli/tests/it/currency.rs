//! Several currencies side by side, and one reporting currency in which every total ties.

use apportion_testkit::{ExportBuilder, Value};

use crate::support::Workspace;

/// One charge of a third for each of three teams, in a currency; one is on an invoice already.
fn export(currency: &str) -> Vec<u8> {
    let mut builder = ExportBuilder::focus()
        .default_value("BillingAccountId", "1")
        .default_value("ProviderName", "Acme Cloud")
        .default_value("PublisherName", "Acme Cloud")
        .default_value("InvoiceIssuerName", "Acme Cloud")
        .default_value("BillingCurrency", currency)
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z")
        .default_value("ChargePeriodStart", "2026-01-05T00:00:00Z")
        .default_value("ChargePeriodEnd", "2026-01-06T00:00:00Z")
        .default_value("ChargeCategory", "Usage")
        .default_value("ServiceName", "Compute")
        .default_value("ServiceCategory", "Compute");
    for team in ["core", "shop", "web"] {
        let third = 0.333_333_333_333;
        builder = builder.row([
            ("SubAccountId", team.into()),
            ("InvoiceId", if team == "core" { "INV-1".into() } else { Value::Null }),
            ("BilledCost", third.into()),
            ("EffectiveCost", third.into()),
            ("ListCost", third.into()),
            ("ContractedCost", third.into()),
        ]);
    }
    builder.parquet().to_vec()
}

pub(crate) fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for currency in ["EUR", "USD"] {
        workspace.write(&format!("{currency}/bill.parquet"), &export(currency));
    }
    workspace
}

pub(crate) fn pipeline(workspace: &Workspace, reporting: &str) {
    let text = format!(
        "version: 1\nname: currencies\nsources:\n  europe: {{ format: focus, location: EUR/ }}\n  \
         america: {{ format: focus, location: USD/ }}\ndimensions: {{ team: SubAccountId }}\nallocation:\n  \
         target: team\n  rules: [{{ id: own, method: direct, to: team }}]\n{reporting}\
         destination: {{ location: tables/ }}\n"
    );
    workspace.write("pipeline.yaml", text.as_bytes());
}

pub(crate) const RATE: &str = "reporting:\n  currency: EUR\n  rates: { USD: { 2026-01: 0.9231 } }\n";

#[test]
fn converted_parts_tie_to_the_converted_total() {
    let workspace = workspace();
    pipeline(&workspace, RATE);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let sums = workspace.query(
        "tables",
        "SELECT BillingCurrency, sum(BilledCost), sum(x_ReportingBilledCost), count(*) FROM reporting_charges \
         GROUP BY 1 ORDER BY 1",
    );
    // 3 x 0.333333333333 = 0.999999999999; times 0.9231 = 0.9230999999990769, rounded to 12 decimals.
    // Each third becomes 0.3077 (0.3076999999996923), so three of them miss the total by one.
    assert_eq!(
        sums,
        [["EUR", "0.999999999999", "0.999999999999", "3"], ["USD", "0.999999999999", "0.923099999999", "4"]]
    );
    let residual = workspace.query(
        "tables",
        "SELECT x_Source, x_ChargeDate, BilledCost, x_ReportingBilledCost, x_ExchangeRate FROM reporting_charges \
         WHERE x_AllocationTargetId = 'fx_residual'",
    );
    assert_eq!(residual, [["america", "2026-01-01", "0.000000000000", "-0.000000000001", "0.923100000000000000"]]);
    let finality = workspace.query(
        "tables",
        "SELECT x_AllocationTargetId, x_Finality FROM reporting_charges WHERE x_Source = 'america' ORDER BY 1",
    );
    // What rounding left over belongs to the month, of which two charges are on no invoice yet.
    assert_eq!(
        finality,
        [["core", "final"], ["fx_residual", "provisional"], ["shop", "provisional"], ["web", "provisional"]]
    );
    // Without a reporting currency nothing is converted, and no table pretends it was.
    let plain = crate::currency::workspace();
    pipeline(&plain, "");
    plain.run_ok(&["run", "pipeline.yaml"]);
    assert!(!plain.path("tables/reporting_charges").exists());
}

#[test]
fn a_missing_rate_is_an_error_and_a_used_one_is_frozen() {
    let workspace = workspace();
    let failed = |reporting: &str, expected: &str| {
        pipeline(&workspace, reporting);
        let output = workspace.run(&["run", "pipeline.yaml"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{text}");
    };
    failed(
        "reporting:\n  currency: EUR\n  rates: { USD: { 2026-02: 0.9231 } }\n",
        "no rate into EUR is declared for USD in 2026-01; add it under `reporting.rates`",
    );
    pipeline(&workspace, RATE);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let other = RATE.replace("0.9231", "0.95");
    failed(&other, "USD of 2026-01: published with 0.9231, now 0.95");
    pipeline(&workspace, &(other + "  restated_months: [2026-01]\n"));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    failed(
        "reporting:\n  currency: euro\n  rates: { USD: { 2026-01: -1, 2026-13: 1 } }\n",
        "`euro` is not a currency code of three capital letters",
    );
}
