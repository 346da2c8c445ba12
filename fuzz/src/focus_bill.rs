//! Any rows are a bill whose charges lie within its time, or findings.

use cost::focus::read;

pub fn check(data: &[u8]) {
    let (kind, data) = crate::kind(data);
    // The columns are known, so that the fuzzer gets to the rows; what is no header is refused early.
    let head: &[u8] = b"BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ServiceName,ResourceId,ResourceName,Tags\n";
    let file = match kind % 2 {
        0 => [head, data].concat(),
        _ => data.to_vec(),
    };
    match read("bill.csv", &file[..]) {
        Ok(bill) => {
            assert!(bill.rows > 0 && bill.from_s < bill.to_s, "{bill:?}");
            assert!(!bill.charges.is_empty() && bill.charges.len() as u64 <= bill.rows);
            for (from, to) in bill.charges.iter().flat_map(|c| c.periods.keys()) {
                assert!(
                    from < to && bill.from_s <= *from && *to <= bill.to_s,
                    "{bill:?}"
                );
            }
        }
        Err(findings) => assert!(!findings.is_empty() && findings.len() <= 21),
    }
}
