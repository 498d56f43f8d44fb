//! Text that is deep: refused with its place and a reason, never the end of the stack.

use crate::estate::{change, estate};
use crate::support::{Workspace, transcript};

fn refused(workspace: &Workspace, arguments: &[&str], parts: &[&str]) {
    let output = workspace.run(arguments);
    let text = transcript(&output, &[]);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{}", text.get(..2_000).unwrap_or(&text));
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{}", text.get(..2_000).unwrap_or(&text));
    }
    assert!(text.len() < 20_000, "{} bytes are no message", text.len());
}

fn chain(terms: usize) -> String {
    vec!["SubAccountId = 'a'"; terms].join(" OR ")
}

#[test]
fn a_chain_of_ten_thousand_terms_is_refused_and_a_long_list_is_not() {
    let long = chain(10_000);
    let workspace = estate("");
    change(&workspace, "account = 'shared'", &long);
    for verb in ["run", "check", "plan"] {
        refused(&workspace, &[verb, "pipeline.yaml"], &["pipeline.yaml:12:", "more than 1000 operators", "column"]);
    }
    let workspace = estate("");
    change(
        &workspace,
        "{ account: SubAccountId }",
        &format!("{{ account: SubAccountId, long: \"CASE WHEN {long} THEN 'x' END\" }}"),
    );
    refused(&workspace, &["run", "pipeline.yaml"], &["pipeline.yaml:7:", "more than 1000 operators"]);

    let workspace = estate("");
    change(&workspace, "account = 'shared'", &format!("account = 'shared' OR {}", chain(300)));
    let list = vec!["'b'"; 20_000].join(", ");
    change(
        &workspace,
        "{ account: SubAccountId }",
        &format!("{{ account: SubAccountId, long: \"CASE WHEN SubAccountId IN ({list}) THEN 'x' END\" }}"),
    );
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    // An argument of the command line has 128 KiB at most.
    let ones = vec!["1=1"; 10_000].join(" OR ");
    let questions = [
        format!("SELECT 1 FROM focus_charges WHERE {ones}"),
        format!("SELECT {}1", "1 + ".repeat(10_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000)),
        format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("SELECT {}true", "NOT ".repeat(10_000)),
    ];
    for question in &questions {
        refused(&workspace, &["query", "--destination", "tables", question], &["more than 1000 operators"]);
    }
    let asked = ["explain", "pipeline.yaml", "--period", "2026-01", "--target", "team-a", "--where"];
    refused(&workspace, &[&asked[..], &[&ones]].concat(), &["more than 1000 operators"]);
    let within = chain(490);
    assert_eq!(workspace.query("tables", &format!("SELECT count(*) FROM focus_charges WHERE {within}")), [["0"]]);
    let unions = format!("SELECT count(*) FROM (SELECT 1{})", " UNION ALL SELECT 1".repeat(400));
    assert_eq!(workspace.query("tables", &unions), [["401"]]);
    workspace.run_ok(
        &[&asked[..], &[&format!("{} OR x_Account = 'team-a'", vec!["x_Account = 'a'"; 300].join(" OR "))]].concat(),
    );
}

/// Tags are text of somebody else's making.
#[test]
fn deep_json_in_a_tag_ends_no_run() {
    let workspace = Workspace::new();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let header = "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
                  ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,BillingAccountId,ProviderName,Tags";
    let row = format!(
        "1,1,1,1,USD,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,2026-01-05T00:00:00Z,2026-01-06T00:00:00Z,Usage,S,Compute,1,P,\"{}\"",
        deep.replace('"', "\"\"")
    );
    workspace.write("export/2026-01.csv", format!("{header}\n{row}\n").as_bytes());
    let pipeline = "version: 1\nname: deep\nsources:\n  bill: { format: focus, location: export/ }\n\
                    dimensions: { a: \"tag('a')\" }\nallocation:\n  target: a\n  rules: [ { id: own, method: direct, to: a } ]\n\
                    destination: { location: tables/ }\n";
    workspace.write("pipeline.yaml", pipeline.as_bytes());
    let output = workspace.run(&["run", "pipeline.yaml"]);
    let text = transcript(&output, &[]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text.get(..2_000).unwrap_or(&text));
}

#[test]
fn a_deep_document_is_refused() {
    let workspace = Workspace::new();
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        for depth in [100, 10_000, 200_000] {
            let text = format!("version: 1\nname: {}x{}\n", open.repeat(depth), close.repeat(depth));
            workspace.write("pipeline.yaml", text.as_bytes());
            refused(&workspace, &["check", "pipeline.yaml"], &["pipeline.yaml"]);
        }
    }
    let mut block = String::from("version: 1\nname:\n");
    for depth in 1..3_000 {
        block.push_str(&format!("{}a:\n", " ".repeat(depth)));
    }
    workspace.write("pipeline.yaml", block.as_bytes());
    refused(&workspace, &["check", "pipeline.yaml"], &["pipeline.yaml"]);
}
