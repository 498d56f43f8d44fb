//! Ids that are cut off or shaped as nobody expects. What they were to name is told by what else is known; the bill is published.

use apportion_testkit::fixture::{ExportBuilder, Value};

use super::{charge, cur2, cur2_key, line, rows, run, workspace};

const ARNS: [&str; 9] =
    ["arn:", "arn:aws", "arn:aws:", "arn:aws:s3:::", "arn:aws:sns:eu:1::", "arn::::::x", "arn:aws:x:::/t", "/", ":"];

#[test]
fn of_aws() {
    let lines = ARNS.iter().enumerate().map(|(index, arn)| {
        let more = vec![
            ("line_item_resource_id", (*arn).into()),
            ("line_item_usage_type", ["EUC1-", "-", "EUC1-x"][index % 3].into()),
            ("product_region_code", "eu-central-1".into()),
            ("pricing_rate_code", [".", "a.", ".b"][index % 3].into()),
            ("line_item_availability_zone", ["a", "f", "eu-central-1b"][index % 3].into()),
            ("savings_plan_savings_plan_a_r_n", (*arn).into()),
            ("savings_plan_savings_plan_effective_cost", 1.0.into()),
        ];
        let mut row = line(&index.to_string(), 1.0, more);
        if index % 2 == 0 {
            for (name, value) in &mut row {
                if name == "line_item_line_item_type" {
                    *value = "SavingsPlanCoveredUsage".into();
                }
            }
        }
        row
    });
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &cur2(lines.collect()))]);
    run(&workspace);
    assert_eq!(rows(&workspace, "SELECT sum(BilledCost) FROM focus_charges"), ["9.000000000000"]);
    let sql = "SELECT ResourceType FROM focus_charges WHERE ResourceId = 'arn:aws'";
    assert_eq!(rows(&workspace, sql), ["AmazonEC2"]);
}

#[test]
fn of_azure() {
    let ids = ["/", "/providers/", "/subscriptions/", "/subscriptions/s/resourceGroups/g/providers/", "x/providers/y"];
    let mut text = format!("{}\r\n", super::AZURE);
    for id in ids {
        text.push_str(&format!(",USD,1,01/05/2026,Storage,1,{id},/,Usage,\r\n"));
    }
    let workspace = workspace("azure_cost_management", "", &[("amortized/cost.csv", text.as_bytes())]);
    run(&workspace);
    assert_eq!(rows(&workspace, "SELECT sum(BilledCost) FROM focus_charges"), ["5.000000000000"]);
}

#[test]
fn of_a_native_export() {
    let text = |value: &str| Value::Text(value.to_owned());
    let odd = ["/subscriptions/", "/subscriptions//x", "/providers/Microsoft.Billing/", "/"];
    let export = ARNS.iter().enumerate().fold(ExportBuilder::focus(), |export, (index, arn)| {
        let mut row = charge(arn, 1.0);
        row.retain(|(name, _)| name != "BillingAccountId");
        row.push((
            "BillingAccountId".to_owned(),
            text(["/providers/Microsoft.Billing/billingAccounts/", "/"][index % 2]),
        ));
        row.push(("SubAccountId".to_owned(), text(odd[index % 4])));
        row.push(("CommitmentDiscountId".to_owned(), text(odd[index % 4])));
        row.push(("SkuMeter".to_owned(), text("EUC1-")));
        row.push(("RegionId".to_owned(), text("eu-central-1")));
        export.row_of(row)
    });
    let workspace = workspace("focus", "", &[("a.parquet", &export.parquet())]);
    run(&workspace);
    assert_eq!(rows(&workspace, "SELECT sum(BilledCost) FROM focus_charges"), ["9.000000000000"]);
}
