//! Bills as clouds export them, and files that are none.

use super::*;
use crate::{By, Item, Kind, Slot, report};
use proptest::prelude::*;

const HEAD: &str = "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,EffectiveCost,ResourceId,ResourceName,ServiceName,Tags\n";
const HOUR: &str = "2026-11-01T00:00:00Z,2026-11-01T01:00:00Z";

fn said(text: &str) -> Result<Bill, Vec<String>> {
    let read = read("bill.csv", text.as_bytes());
    read.map_err(|f| {
        f.iter()
            .map(|f| f.to_string().lines().next().unwrap().to_owned())
            .collect()
    })
}

#[test]
fn what_is_left_over_is_shown() {
    let rows = [
        format!("0,USD,{HOUR},0.06,i-0abc,web,Compute,\n"),
        format!("0,USD,{HOUR},1.0E-2,i-0abc,web,Compute,\n"),
        format!("0,USD,{HOUR},0.25,arn:aws:rds:eu-1:7:db:orders,,Databases,\n"),
        format!("0,USD,{HOUR},-0.005,,,Databases,\"{{\"\"plimsoll\"\": \"\"orders\"\"}}\"\n"),
        format!("0,USD,{HOUR},0.0123456,nat-1,,Network,\n"),
        // A month of support, of which an hour is in the time.
        "0,USD,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,7.20,,,Support,\n".to_owned(),
    ];
    let bill = said(&(HEAD.to_owned() + &rows.concat())).unwrap();
    assert_eq!(
        (bill.rows, bill.charges.len(), bill.column.as_str()),
        (6, 5, "EffectiveCost")
    );
    let item = |dollars| Item {
        kind: Kind::Service,
        dollars,
        background: 0.0,
        routes: BTreeMap::new(),
        measured: true,
    };
    let slot = Slot {
        start_s: bill.from_s,
        seconds: 3600.0,
        items: [
            ("cpu.shop".to_owned(), item(0.05)),
            ("db.orders".to_owned(), item(0.25)),
        ]
        .into(),
        ..Slot::default()
    };
    let ours = report(&slot, By::Resource, bill.from_s + 3600, |_| None);
    let named = BTreeMap::from([("i-0abc".to_owned(), "shop".to_owned())]);
    let c = compare(&bill, &ours, &named);
    let lines: Vec<_> = c
        .lines
        .iter()
        .map(|l| (l.billed_micro, l.residual_micro))
        .collect();
    assert_eq!(lines, [(70_000, 20_000), (245_000, -5_000)]);
    let others: Vec<_> = c
        .unmatched
        .iter()
        .map(|u| (u.service.as_str(), u.billed_micro))
        .collect();
    assert_eq!(others, [("Network", 12_346), ("Support", 10_000)]);
    assert_eq!(
        (c.billed_micro, c.ours_micro, c.residual_micro),
        (337_346, 300_000, 37_346)
    );
    assert!((c.lines[0].price_per_hour - 0.07).abs() < 1e-9);
    // Without being told, nobody knows whose i-0abc is.
    assert_eq!(
        compare(&bill, &ours, &BTreeMap::new()).lines[0].billed_micro,
        0
    );
}

#[test]
fn amounts_are_exact() {
    let of = |t: &str| Amount::parse(t).map(|a| a.0);
    assert_eq!(of("0.000000000001"), Some(1));
    assert_eq!(of("-12.5"), Some(-12_500_000_000_000));
    assert_eq!(
        (of("1.5E-3"), of("+2e2")),
        (Some(1_500_000_000), Some(200_000_000_000_000))
    );
    assert_eq!(
        (of("0.0000000000019"), of("0e999999999")),
        (Some(1), Some(0))
    );
    for wrong in [
        "",
        "-",
        ".",
        "1.2.3",
        "1,5",
        "NaN",
        "1e",
        "1e99999999999",
        "1e30",
        "9999999999999999999",
        "0x1",
    ] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
    assert_eq!(
        [Amount(499_999), Amount(500_000), Amount(-500_000)].map(Amount::micro),
        [0, 1, -1]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = |rows: &str| said(&format!("{HEAD}{rows}")).unwrap_err().join("\n");
    assert!(
        said("a,b\n1,2\n")
            .unwrap_err()
            .join("\n")
            .contains("bill.csv:1: error[focus]: it has no column `BilledCost`")
    );
    assert!(wrong("").contains("no row"));
    let ok = format!("0,USD,{HOUR},1,,,S,\n");
    assert!(
        wrong(&format!("{ok}0,USD,{HOUR},x,,,S,\n"))
            .contains("bill.csv:3: error[focus]: `x` is no amount")
    );
    assert!(wrong(&format!("{ok}0,EUR,{HOUR},1,,,S,\n")).contains("currency is EUR, and was USD"));
    assert!(wrong("0,USD,yesterday,today,1,,,S,\n").contains("`yesterday` is no time"));
    assert!(
        wrong("0,USD,2026-11-01T01:00:00Z,2026-11-01T01:00:00Z,1,,,S,\n").contains("does not end")
    );
    assert!(wrong("0,USD\n").contains("bill.csv:2"));
    let many = "0,USD,a,b,1,,,S,\n".repeat(1000);
    assert_eq!(wrong(&many).lines().count(), MAX_FINDINGS);
}

#[test]
fn a_file_of_endless_resources_is_bounded_and_still_sums() {
    let row = |i: usize| format!("0,USD,{HOUR},0.01,id-{i},,service-{i},\n");
    let rows: String = (0..30_000).map(row).collect();
    let bill = said(&format!("{HEAD}{rows}")).unwrap();
    assert!(bill.charges.len() <= 2 * MAX_CHARGES + 1);
    let sum: i128 = bill
        .charges
        .iter()
        .flat_map(|c| c.periods.values())
        .map(|a| a.0)
        .sum();
    assert_eq!(sum, 30_000 * 10_000_000_000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), rows in "[0-9.,eE\"\n{}A-Z:-]{0,200}") {
        let _ = read("b", &bytes[..]);
        let _ = said(&format!("{HEAD}{rows}"));
        let _ = Amount::parse(&rows);
    }
}

#[test]
fn a_bad_row_is_named_by_its_own_line_whatever_lies_before_it() {
    let good = format!("0,USD,{HOUR},0.01,i,,Compute,\n");
    let bad = format!("0,USD,{HOUR},dear,i,,Compute,");
    let two_lines = format!("0,USD,{HOUR},0.01,\"i\nj\",,Compute,\n");
    for (rows, line) in [
        (format!("{bad}\n"), 2),
        (format!("\n\n{bad}\n{good}"), 4),
        (format!("{good}\n{bad}"), 4),
        (format!("{good}  \n\n{bad}\n\n"), 5),
        (format!("{two_lines}\n{bad}\n"), 5),
        (format!("{good}{}\n", bad.replace(",i,", ",\"i\nj\",")), 3),
    ] {
        for text in [
            format!("{HEAD}{rows}"),
            format!("{HEAD}{rows}").replace('\n', "\r\n"),
        ] {
            let said = said(&text).unwrap_err();
            let place = format!("bill.csv:{line}");
            assert!(
                said.len() == 1 && said[0].contains(&place),
                "{place}: {said:?} of {text:?}"
            );
        }
    }
    let whole = format!("{HEAD}\r\n{good}\r\n{good}").replace('\n', "\r\n");
    assert_eq!(said(&whole).unwrap().rows, 2);
}
